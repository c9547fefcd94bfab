//! Asking for changes, and waiting until the hypervisors have done them.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use hvd::client::{CallError, CallResult};
use rpc::region::v1;
use tokio::time::Instant;

use super::client::{Ask, Client, Services, within};
use super::how::How;
use super::{FAILED, output};

/// How long to wait before an action is watched again whose stream has ended early.
const AGAIN: Duration = Duration::from_secs(1);

/// The services, and the form of what is printed.
pub(super) struct Asker {
    services: Services,
    pub(super) json: bool,
}

impl Asker {
    pub(super) const fn new(services: Services, json: bool) -> Self {
        Self { services, json }
    }

    /// Asks something that changes nothing.
    pub(super) async fn get<Q: Clone, A>(
        &mut self,
        message: Q,
        call: impl AsyncFn(&mut Client, tonic::Request<Q>) -> Result<tonic::Response<A>, tonic::Status>,
    ) -> CallResult<A> {
        let limit = self.services.limit();
        self.services
            .call(async |client| call(client, within(limit, message.clone())).await)
            .await
    }

    /// Asks for changes one after the other, and waits for each, unless that is not wanted. The first one that is
    /// refused ends it.
    pub(super) async fn carry_out(
        &mut self,
        asks: Vec<Ask>,
        how: &How,
    ) -> anyhow::Result<ExitCode> {
        let mut failed = false;
        for ask in asks {
            failed |= !self.ask(ask, how).await?;
        }
        Ok(code(!failed))
    }

    /// Asks for one change; whether all hypervisors have done it, as far as that was waited for.
    pub(super) async fn ask(&mut self, ask: Ask, how: &How) -> anyhow::Result<bool> {
        let change = self.services.ask(ask, how.options()).await?;
        if how.dry_run || how.detach || change.action == 0 {
            output::change(&change, how.dry_run, self.json)?;
            return Ok(true);
        }
        let action = self.wait(change.action).await?;
        output::done(&change, &action, self.json)?;
        Ok(is_done(&action))
    }

    /// Waits until an action is over that was asked for before.
    pub(super) async fn follow(&mut self, number: u64) -> anyhow::Result<ExitCode> {
        let action = self.wait(number).await?;
        output::action(&action, self.json)?;
        Ok(code(is_done(&action)))
    }

    /// Waits until an action is over, over restarts of services too.
    async fn wait(&mut self, number: u64) -> CallResult<v1::Action> {
        let mut bar = output::Bar::new(std::io::stderr().is_terminal());
        let mut heard = Instant::now();
        loop {
            match self.watch(number, &mut bar, &mut heard).await {
                Ok(()) => break,
                Err(CallError::Away(_)) if heard.elapsed() < self.services.limit() => {
                    tokio::time::sleep(AGAIN).await;
                }
                Err(error) => {
                    let CallError::Away(text) = error else {
                        return Err(error);
                    };
                    let text = format!(
                        "{text}; action {number} goes on: heddle region watch {number} says how"
                    );
                    return Err(CallError::Away(text));
                }
            }
        }
        bar.end();
        let request = v1::GetActionRequest { number };
        self.get(request, async |client, request| {
            client.get_action(request).await
        })
        .await
    }

    async fn watch(
        &mut self,
        number: u64,
        bar: &mut output::Bar,
        heard: &mut Instant,
    ) -> CallResult<()> {
        let request = v1::WatchActionRequest { number };
        // The stream has no limit of time: it is as long as the action.
        let call = async |client: &mut Client| client.watch_action(request).await;
        let mut stream = self.services.call(call).await?;
        while let Some(progress) = stream.message().await.map_err(CallError::from)? {
            *heard = Instant::now();
            bar.show(number, &progress);
        }
        Ok(())
    }
}

fn code(done: bool) -> ExitCode {
    match done {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(FAILED),
    }
}

/// Whether every hypervisor has done it.
fn is_done(action: &v1::Action) -> bool {
    let counts = action.counts.unwrap_or_default();
    action.state() == v1::ActionState::Done && counts.done == counts.all
}
