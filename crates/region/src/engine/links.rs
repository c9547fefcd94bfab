//! The links to all hypervisors, and what they are being told.
//!
//! Invariant: a hypervisor has one link at most and is told one thing at most; when a link is replaced or ended,
//! nothing of it is heard any more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::Str;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use transport::Tls;

use super::Pace;
use super::link::{Happening, Link, Ours, What};
use super::tell::tell;
use crate::fleet::Change;
use crate::rollout::Outcome;

/// A task that ends when nobody holds it any more.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Debug)]
struct Entry {
    endpoint: Str,
    number: u64,
    failures: u32,
    /// While it is up.
    channel: Option<Channel>,
    ours: Ours,
    _keeping: Task,
    telling: Option<Task>,
}

/// All links.
pub(super) struct Links {
    tls: Tls,
    pace: Pace,
    room: Arc<Semaphore>,
    entries: HashMap<Str, Entry>,
    /// The number of the last link.
    last: u64,
    happenings: mpsc::Sender<Happening>,
}

impl Links {
    pub(super) fn new(tls: Tls, pace: Pace, happenings: mpsc::Sender<Happening>) -> Self {
        Self {
            tls,
            pace,
            room: Arc::new(Semaphore::new(pace.connecting.max(1))),
            entries: HashMap::new(),
            last: 0,
            happenings,
        }
    }

    /// Keeps a link in place of any former one. One that is replaced at the same place has failed.
    pub(super) fn link(&mut self, host: Str, endpoint: Str) {
        let former = self.entries.remove(&host);
        let failures = former
            .filter(|entry| entry.endpoint == endpoint)
            .map_or(0, |entry| entry.failures.saturating_add(1));
        self.last += 1;
        let ours = Ours::default();
        let link = Link {
            host: host.clone(),
            endpoint: endpoint.clone(),
            number: self.last,
            failures,
            pace: self.pace,
            tls: self.tls.clone(),
            room: Arc::clone(&self.room),
            ours: ours.clone(),
            happenings: self.happenings.clone(),
        };
        let entry = Entry {
            endpoint,
            number: self.last,
            failures,
            channel: None,
            ours,
            _keeping: Task(tokio::spawn(link.keep())),
            telling: None,
        };
        self.entries.insert(host, entry);
    }

    /// Ends a link.
    pub(super) fn unlink(&mut self, host: &str) {
        self.entries.remove(host);
    }

    /// Ends all links; nobody is told anything any more.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Tells a hypervisor something; what comes of it happens later.
    pub(super) fn tell(&mut self, host: &Str, number: u64, changes: Vec<Change>, limit: Duration) {
        let Some(entry) = self.entries.get_mut(host) else {
            return;
        };
        let (happenings, host) = (self.happenings.clone(), host.clone());
        let (link, channel, ours) = (entry.number, entry.channel.clone(), entry.ours.clone());
        let telling = async move {
            let (applied, outcome) = match channel {
                Some(channel) => tell(channel, changes, limit, ours).await,
                None => (0, Outcome::Unreachable("the link is down".to_owned())),
            };
            let what = What::Told(number, applied, outcome);
            // When nobody listens any more, nobody needs it.
            let _ = happenings.send(Happening { host, link, what }).await;
        };
        entry.telling = Some(Task(tokio::spawn(telling)));
    }

    /// Takes note of what happened; whether it is of a link that is still kept.
    pub(super) fn note(&mut self, happening: &Happening) -> bool {
        let entry = self.entries.get_mut(&happening.host);
        let Some(entry) = entry.filter(|entry| entry.number == happening.link) else {
            return false;
        };
        match &happening.what {
            What::Up(_, channel) => entry.channel = Some(channel.clone()),
            What::Down(_) => entry.channel = None,
            What::Told(_, _, Outcome::Done | Outcome::Refused(_)) => entry.failures = 0,
            What::Told(_, _, Outcome::Unreachable(_)) => {}
        }
        true
    }
}
