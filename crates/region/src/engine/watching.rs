//! Following one action until it is over.

use std::sync::Arc;
use std::time::Duration;

use model::region::{Action, ActionState};
use tokio::sync::watch;

use super::handle::Handle;
use crate::rollout::Counts;

/// News of an action is given at most that often: each time all of its hypervisors are looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// How far an action is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Its row; what came of each hypervisor is in `outcomes` within a second, and all of it when it is over.
    pub action: Arc<Action>,
    /// In numbers of hypervisors.
    pub counts: Counts,
}

impl Progress {
    /// Whether nothing more comes of it: it is done, or it has stopped and nobody is being told any more.
    pub fn is_over(&self) -> bool {
        let Counts {
            waiting, telling, ..
        } = self.counts;
        self.action.state != ActionState::Running && waiting == 0 && telling == 0
    }
}

/// Follows an action.
#[derive(Debug)]
pub struct Watch {
    handle: Handle,
    action: i64,
    news: watch::Receiver<u64>,
    last: Option<Progress>,
}

impl Watch {
    pub(super) fn new(handle: Handle, action: i64) -> Self {
        Self {
            news: handle.news(),
            handle,
            action,
            last: None,
        }
    }

    /// How far it is, at once and then whenever that changes; nothing any more after it was over, when it is forgotten,
    /// and when the service ends. Cancelling loses nothing.
    pub async fn next(&mut self) -> Option<Progress> {
        if self.last.as_ref().is_some_and(Progress::is_over) {
            return None;
        }
        loop {
            self.news.mark_unchanged();
            let now = self.look()?;
            if self.last.as_ref() != Some(&now) {
                self.last = Some(now.clone());
                return Some(now);
            }
            self.news.changed().await.ok()?;
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn look(&self) -> Option<Progress> {
        self.handle.read(|state| {
            let action = Arc::clone(state.action(self.action)?);
            let counts = state.counts(&action);
            Some(Progress { action, counts })
        })
    }
}
