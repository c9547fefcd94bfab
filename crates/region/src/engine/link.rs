//! One link to the daemon of a hypervisor: set up, watched, and set up again when it was lost.
//!
//! A link is up when the daemon is connected, its switch is there, and it has said what machines it has. While it is up
//! the daemon's outcomes are read: their end is the link's end, and one that the region did not cause means that somebody
//! else has changed a machine, so that the daemon is asked again what it has.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hvd::client::{CallError, Remote, Target};
use model::Str;
use rpc::hv::v1::{Outcome as Happened, OutcomeKind};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tonic::Streaming;
use tonic::transport::Channel;
use transport::Tls;

use super::Pace;
use crate::fleet::Machines;

/// How long the daemon may take to connect, and for each answer before the link is up.
const LIMIT: Duration = Duration::from_secs(10);
/// How long the answer to a change of ours may come after its outcome.
const GRACE: Duration = Duration::from_secs(2);
/// How many outcomes of ours are remembered: more than a daemon lets wait for a reader.
const REMEMBERED: usize = 1024;

/// What a link has to say.
#[derive(Debug)]
pub(super) struct Happening {
    /// The hypervisor.
    pub(super) host: Str,
    /// Which of its links, or of the things told to it, says so.
    pub(super) link: u64,
    pub(super) what: What,
}

/// What has happened.
#[derive(Debug)]
pub(super) enum What {
    /// The hypervisor is there and has this. What is told to it goes over this channel.
    Up(Machines, Channel),
    /// It is not there.
    Down(String),
    /// What it was told is carried out as far as this.
    Told(u64, usize, crate::rollout::Outcome),
}

/// Numbers of outcomes that the region caused and that were not read yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Ours(Arc<Mutex<BTreeSet<u64>>>);

impl Ours {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        // Each change of it is one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, sequence: u64) {
        let mut ours = self.lock();
        ours.insert(sequence);
        if ours.len() > REMEMBERED {
            ours.pop_first();
        }
    }

    /// Whether one is ours; it is asked once.
    fn take(&self, sequence: u64) -> bool {
        self.lock().remove(&sequence)
    }
}

/// A link.
pub(super) struct Link {
    pub(super) host: Str,
    pub(super) endpoint: Str,
    pub(super) number: u64,
    /// How often in a row it has failed, or what was told over it.
    pub(super) failures: u32,
    pub(super) pace: Pace,
    pub(super) tls: Tls,
    /// Places of those that are being set up.
    pub(super) room: Arc<Semaphore>,
    pub(super) ours: Ours,
    pub(super) happenings: mpsc::Sender<Happening>,
}

impl Link {
    /// Keeps it until nobody listens any more.
    pub(super) async fn keep(mut self) {
        loop {
            tokio::time::sleep(self.wait()).await;
            let (was_up, reason) = match self.set_up().await {
                Ok((remote, channel, outcomes)) => {
                    (true, self.watch(remote, channel, outcomes).await)
                }
                Err(reason) => (false, reason),
            };
            self.failures = if was_up {
                1
            } else {
                self.failures.saturating_add(1)
            };
            if !self.say(What::Down(reason)).await {
                return;
            }
        }
    }

    /// How long to wait before the next attempt. Those that were lost together do not come back together.
    fn wait(&self) -> Duration {
        let Some(doublings) = self.failures.checked_sub(1) else {
            return Duration::ZERO;
        };
        let longest = self.pace.first.saturating_mul(1 << doublings.min(16));
        let longest = longest.min(self.pace.most);
        let mut hasher = DefaultHasher::new();
        (self.host.as_str(), self.failures).hash(&mut hasher);
        // Between half of it and all of it.
        let part = u32::try_from(hasher.finish() % 512).unwrap_or(0) + 512;
        longest * part / 1024
    }

    async fn say(&self, what: What) -> bool {
        let happening = Happening {
            host: self.host.clone(),
            link: self.number,
            what,
        };
        self.happenings.send(happening).await.is_ok()
    }

    /// Connects, and says what the hypervisor has.
    async fn set_up(&self) -> Result<(Remote, Channel, Streaming<Happened>), String> {
        // It is never closed.
        let _place = self.room.acquire().await;
        let target = self.target()?;
        let connected = tokio::time::timeout(LIMIT, target.connect()).await;
        let channel = connected
            .map_err(|_| format!("no connection within {LIMIT:?}"))?
            .map_err(|error| format!("{error:#}"))?;
        let mut remote = Remote::over(channel.clone(), LIMIT);
        if !remote.is_healthy().await.map_err(text)? {
            return Err("its switch is away".to_owned());
        }
        // What happens after this is read, what happened before is in the list.
        let outcomes = tokio::time::timeout(LIMIT, remote.watch(0, 0)).await;
        let outcomes = outcomes
            .map_err(|_| format!("no answer within {LIMIT:?}"))?
            .map_err(text)?;
        let machines = machines(&mut remote).await?;
        self.say(What::Up(machines, channel.clone())).await;
        Ok((remote, channel, outcomes))
    }

    fn target(&self) -> Result<Target, String> {
        let remote = self.endpoint.parse::<transport::Remote>();
        let remote = remote.map_err(|error| format!("{}: {error}", self.endpoint))?;
        Ok(Target {
            remote,
            name: Some(self.host.to_string()),
            tls: self.tls.clone(),
        })
    }

    /// Reads outcomes until they end; says why.
    async fn watch(
        &self,
        mut remote: Remote,
        channel: Channel,
        mut outcomes: Streaming<Happened>,
    ) -> String {
        // Outcomes that may be others', and when the first of them is looked at.
        let (mut foreign, mut due) = (HashSet::new(), None);
        loop {
            let settled = async {
                match due {
                    None => std::future::pending().await,
                    Some(due) => tokio::time::sleep_until(due).await,
                }
            };
            tokio::select! {
                outcome = outcomes.message() => match outcome {
                    Ok(Some(outcome)) => match kind(&outcome) {
                        Kind::SwitchAway => return "its switch is away".to_owned(),
                        Kind::Change => {
                            foreign.insert(outcome.sequence);
                            due = due.or_else(|| Some(Instant::now() + GRACE));
                        }
                        Kind::Other => {}
                    },
                    Ok(None) => return "the daemon ended the connection".to_owned(),
                    Err(status) => return text(CallError::from(status)),
                },
                () = settled => {
                    // Answers to what we told have come by now.
                    due = None;
                    foreign.retain(|sequence| !self.ours.take(*sequence));
                    if foreign.is_empty() {
                        continue;
                    }
                    foreign.clear();
                    tracing::info!(target: "region", "{}: somebody else has changed a machine", self.host);
                    match machines(&mut remote).await {
                        Ok(machines) => _ = self.say(What::Up(machines, channel.clone())).await,
                        Err(reason) => return reason,
                    }
                }
            }
        }
    }
}

/// What an outcome means here.
enum Kind {
    /// A machine may be another than before.
    Change,
    SwitchAway,
    Other,
}

fn kind(outcome: &Happened) -> Kind {
    match outcome.kind() {
        OutcomeKind::Added
        | OutcomeKind::Replaced
        | OutcomeKind::Removed
        | OutcomeKind::Disabled => Kind::Change,
        OutcomeKind::Disconnected => Kind::SwitchAway,
        OutcomeKind::Unspecified
        | OutcomeKind::Refused
        | OutcomeKind::Repaired
        | OutcomeKind::Connected => Kind::Other,
    }
}

async fn machines(remote: &mut Remote) -> Result<Machines, String> {
    let machines = remote.machines().await.map_err(text)?;
    let machines = machines.into_iter();
    Ok(machines
        .map(|(number, params)| (number, params.map(Arc::new)))
        .collect())
}

fn text(error: CallError) -> String {
    error.to_string()
}
