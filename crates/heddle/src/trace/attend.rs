//! `ovn-trace --detach`: traces on request, at a control socket.
//!
//! One task has the database and what is made of it. The network is made anew for the first question after a change,
//! so that answers are those of today.

use std::process::ExitCode;

use anyhow::Context;
use daemon::Daemon;
use daemon::unixctl::{Registry, Reply};
use pipeline::Network;
use tokio::sync::{mpsc, oneshot};

use super::source::Source;
use super::stock::{FormArgs, HowArgs};

/// How many questions may wait.
const QUEUE: usize = 16;

/// The words of a question, and where its answer goes.
type Question = (Vec<String>, oneshot::Sender<Reply>);

/// Serves until told to exit.
pub(super) async fn serve(
    mut daemon: Daemon,
    how: HowArgs,
    timeout: u64,
) -> anyhow::Result<ExitCode> {
    let (sender, questions) = mpsc::channel(QUEUE);
    daemon.serve(registry(sender))?;
    let source = how.source(timeout);
    let tables = Source::connect(&source).await?;
    daemon.ready();
    let shutdown = daemon.shutdown();
    let desk = Desk {
        how,
        timeout,
        tables,
        network: None,
    };
    tokio::select! {
        _ = shutdown.requested() => Ok(ExitCode::SUCCESS),
        ended = desk.run(questions) => ended,
    }
}

fn registry(sender: mpsc::Sender<Question>) -> Registry {
    let mut registry = Registry::new();
    let usage = "[OPTIONS] [DATAPATH] MICROFLOW";
    registry.register("trace", usage, 1, usize::MAX, move |words| {
        let sender = sender.clone();
        async move {
            let (answer, answered) = oneshot::channel();
            let lost = || "the daemon is about to end".to_owned();
            let sent = sender.send((words, answer)).await;
            sent.map_err(|_| lost())?;
            answered.await.map_err(|_| lost())?
        }
    });
    registry
}

struct Desk {
    how: HowArgs,
    timeout: u64,
    tables: Source,
    /// None after a change.
    network: Option<Network>,
}

impl Desk {
    async fn run(mut self, mut questions: mpsc::Receiver<Question>) -> anyhow::Result<ExitCode> {
        loop {
            tokio::select! {
                changed = self.tables.changed() => {
                    changed.context("the Southbound")?;
                    self.network = None;
                }
                question = questions.recv() => {
                    let Some((words, answer)) = question else {
                        return Ok(ExitCode::SUCCESS);
                    };
                    let reply = self.answer(&words).await;
                    // Who asked may have gone.
                    let _ = answer.send(reply);
                }
            }
        }
    }

    async fn answer(&mut self, words: &[String]) -> Reply {
        let (forms, words) = FormArgs::read(words)?;
        let naming = self.how.naming();
        let tables = &self.tables;
        let network = self
            .network
            .get_or_insert_with(|| Network::named(&tables.rows(), naming));
        let source = self.how.source(self.timeout);
        let text = self
            .how
            .trace(network, &source, words, &forms.forms())
            .await;
        text.map_err(|error| format!("{error:#}"))
    }
}
