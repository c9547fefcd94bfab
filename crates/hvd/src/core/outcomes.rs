//! What has happened, and who is told.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::broadcast;

/// How many are remembered, for those who were away.
const REMEMBERED: usize = 1024;
/// How many may wait for a reader; one that is further behind is cut off.
const WAITING: usize = 256;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Interfaces were added.
    Added,
    /// A machine was replaced.
    Replaced,
    /// A machine was removed.
    Removed,
    /// Interfaces were disabled.
    Disabled,
    /// A change was refused.
    Refused,
    /// Flows were put right.
    Repaired,
    /// The switch holds what it should.
    Connected,
    /// The switch is away.
    Disconnected,
}

/// One outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its number.
    pub sequence: u64,
    /// When, in milliseconds since 1970.
    pub time: u64,
    /// What.
    pub kind: Kind,
    /// The machine, if it is one.
    pub machine: Option<u32>,
    /// How many flows were added or changed.
    pub added: u32,
    /// How many flows were deleted.
    pub deleted: u32,
    /// Who asked.
    pub caller: String,
    /// Why not.
    pub error: String,
}

/// What was asked for is no longer known; the oldest number after which all is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost(pub u64);

/// What a reader gets: what has happened, and what is to come.
pub type Watched = (Vec<Arc<Event>>, broadcast::Receiver<Arc<Event>>);

/// The outcomes of a daemon.
#[derive(Debug)]
pub struct Outcomes {
    remembered: VecDeque<Arc<Event>>,
    last: u64,
    /// The number after which all are known.
    known_after: u64,
    readers: broadcast::Sender<Arc<Event>>,
}

impl Outcomes {
    /// None yet; numbers begin after `sequence`.
    #[must_use]
    pub fn new(sequence: u64) -> Self {
        Self {
            remembered: VecDeque::new(),
            last: sequence,
            known_after: sequence,
            readers: broadcast::Sender::new(WAITING),
        }
    }

    /// The number of the last one.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Numbers an event, remembers it and tells those who watch.
    pub fn push(&mut self, mut event: Event) -> u64 {
        self.last += 1;
        event.sequence = self.last;
        let event = Arc::new(event);
        if self.remembered.len() == REMEMBERED
            && let Some(oldest) = self.remembered.pop_front()
        {
            self.known_after = oldest.sequence;
        }
        self.remembered.push_back(Arc::clone(&event));
        // Nobody may be watching.
        let _ = self.readers.send(event);
        self.last
    }

    /// Those after `after` that have happened, and those to come. Nothing between the two is missed.
    ///
    /// # Errors
    /// When some after `after` are no longer known, or were never numbered here.
    pub fn watch(&self, after: u64) -> Result<Watched, Lost> {
        if after < self.known_after || after > self.last {
            return Err(Lost(self.known_after));
        }
        let past = self
            .remembered
            .iter()
            .filter(|event| event.sequence > after);
        Ok((past.cloned().collect(), self.readers.subscribe()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(machine: u32) -> Event {
        Event {
            sequence: 0,
            time: 0,
            kind: Kind::Added,
            machine: Some(machine),
            added: 0,
            deleted: 0,
            caller: String::new(),
            error: String::new(),
        }
    }

    #[test]
    fn what_is_forgotten_is_said_to_be() {
        let mut outcomes = Outcomes::new(100);
        assert_eq!(outcomes.push(event(1)), 101);
        let (past, _) = outcomes.watch(100).unwrap();
        assert_eq!(past.len(), 1);
        assert!(outcomes.watch(101).unwrap().0.is_empty());
        assert_eq!(outcomes.watch(99).unwrap_err(), Lost(100));
        assert_eq!(outcomes.watch(102).unwrap_err(), Lost(100));
        for _ in 0..REMEMBERED {
            outcomes.push(event(2));
        }
        assert_eq!(outcomes.watch(100).unwrap_err(), Lost(101));
        assert_eq!(outcomes.watch(101).unwrap().0.len(), REMEMBERED);
    }

    #[tokio::test]
    async fn who_reads_too_slowly_is_cut_off_and_the_others_are_not() {
        let mut outcomes = Outcomes::new(0);
        let (_, mut slow) = outcomes.watch(0).unwrap();
        let (_, mut fast) = outcomes.watch(0).unwrap();
        for number in 0..=u32::try_from(WAITING).unwrap() {
            outcomes.push(event(number));
            assert_eq!(fast.recv().await.unwrap().machine, Some(number));
        }
        assert_eq!(
            slow.recv().await.unwrap_err(),
            broadcast::error::RecvError::Lagged(1)
        );
    }
}
