//! Relays: serving a copy of a database that another server has.
//!
//! One task follows the source and passes its rows to the core; another passes the transactions of clients on.
//! What is done with both is up to [`ovsdb::server::Server`] (its module `mirror`). A relay has no files.
//!
//! Invariant: the core hears of everything in the order in which the source told it, and the source is not read
//! faster than the core takes it in.

mod args;
mod source;

use std::time::Duration;

use ovsdb::client::Config;
use ovsdb::server::{DatabaseId, Forward};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use transport::Tls;
use transport::ovsdb::{Forwarder, Mirror, MirrorEvent};

pub use args::{RelayArgs, run_relay};
pub use source::{Source, SourceError};

use crate::core::{Input, Inputs, NewRelay, News};

/// For how long a relay without its source still counts as connected: its clients would leave it for another
/// relay otherwise whenever the cluster elects.
const GRACE: Duration = Duration::from_secs(5);

/// Serves a relay from now on, whether its source can be reached or not.
///
/// # Errors
/// When a database of that name is served already, or the name is none.
pub(crate) async fn start(inputs: &Inputs, source: Source, tls: Tls) -> anyhow::Result<()> {
    let config = Config::mirror(&source.database)?;
    let (forwards, queue) = mpsc::unbounded_channel();
    let (reply, added) = oneshot::channel();
    let new = NewRelay {
        name: source.database.clone(),
        forwards,
    };
    let ended = |_| anyhow::anyhow!("the server is ending");
    inputs
        .send(Input::AddRelay(new, reply))
        .await
        .map_err(|_| anyhow::anyhow!("the server is ending"))?;
    let id = added.await.map_err(ended)??;
    tracing::info!(target: "relay", "{source}: added");
    let mirror = Mirror::with_tls(source.remotes, config, tls);
    let forwarder = mirror.forwarder();
    let follow = tokio::spawn(follow(mirror, id, inputs.clone()));
    tokio::spawn(async move {
        pass_on(queue, &forwarder).await;
        // The database was removed.
        follow.abort();
    });
    Ok(())
}

/// Passes transactions on until the database is removed.
async fn pass_on(mut queue: mpsc::UnboundedReceiver<Forward>, forwarder: &Forwarder) {
    while let Some(forward) = queue.recv().await {
        if !forwarder.forward(forward.number, forward.operations).await {
            return;
        }
    }
}

/// Passes on what the source tells.
async fn follow(mut mirror: Mirror, id: DatabaseId, inputs: Inputs) {
    // The rows of a new schema come behind it; nobody is to see it without them.
    let mut schema = None;
    let mut lost: Option<Instant> = None;
    loop {
        let event = tokio::select! {
            event = mirror.next() => event,
            () = until(lost), if lost.is_some() => {
                lost = None;
                if inputs.send(Input::Relay(id, News::Connected(false))).await.is_err() {
                    return;
                }
                continue;
            }
        };
        let news = match event {
            None => return,
            Some(MirrorEvent::Schema(new)) => {
                schema = Some(new);
                continue;
            }
            Some(MirrorEvent::Changes(last, rows)) => vec![match schema.take() {
                Some(schema) => News::Replaced(schema, last, rows),
                None => News::Changed(last, rows),
            }],
            Some(MirrorEvent::Connected) => {
                lost = None;
                let empty = schema
                    .take()
                    .map(|schema| News::Replaced(schema, None, Vec::new()));
                let connected = [News::Live(true), News::Connected(true)];
                empty.into_iter().chain(connected).collect()
            }
            Some(MirrorEvent::Disconnected) => {
                lost.get_or_insert_with(|| Instant::now() + GRACE);
                vec![News::Live(false)]
            }
            Some(MirrorEvent::Answer(number, answer)) => vec![News::Answer(number, answer)],
        };
        for news in news {
            if inputs.send(Input::Relay(id, news)).await.is_err() {
                return;
            }
        }
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
