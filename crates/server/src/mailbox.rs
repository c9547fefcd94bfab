//! What waits for a part of the same process that follows a database.
//!
//! Invariant: nothing is lost and nobody waits to put something in. What waits is bounded by the size of the
//! database: when many changes have gathered, they become one, of each row what it was first and is last.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use indexmap::map::Entry;
use ovsdb::{RowChange, Str, Uuid};
use rustc_hash::FxBuildHasher;
use tokio::sync::Notify;
use transport::ovsdb::Event;

/// From how many changed rows on they are merged.
const BOUND: usize = 16 << 10;

/// A mailbox: its two ends.
pub(crate) fn channel() -> (Events, Mailbox) {
    with_bound(BOUND)
}

fn with_bound(bound: usize) -> (Events, Mailbox) {
    let shared = Arc::new(Shared {
        bound,
        state: Mutex::new(State {
            limit: bound,
            ..State::default()
        }),
        news: Notify::new(),
    });
    (Events(Arc::clone(&shared)), Mailbox(shared))
}

#[derive(Debug)]
struct Shared {
    bound: usize,
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Event>,
    /// How many changed rows wait.
    rows: usize,
    /// How many of them may wait before they are merged.
    limit: usize,
    merged: u64,
    /// Whether one of the ends is gone.
    closed: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked with the lock left a whole state: each step below is one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.state().closed = true;
        self.news.notify_one();
    }
}

/// Where events are put in. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Events(Arc<Shared>);

impl Events {
    /// Puts an event in; it is dropped when nobody is left to take it.
    pub(crate) fn send(&self, event: Event) {
        let mut state = self.0.state();
        if state.closed {
            return;
        }
        if let Event::Changes(changes) = &event {
            state.rows += changes.len();
        }
        state.events.push_back(event);
        if state.rows > state.limit {
            state.merge(self.0.bound);
        }
        drop(state);
        self.0.news.notify_one();
    }

    /// Whether nobody is left to take events.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.state().closed
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Where events are taken out.
#[derive(Debug)]
pub(crate) struct Mailbox(Arc<Shared>);

impl Mailbox {
    /// The next event; nothing any more when there is none and none will come.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.try_next() {
                return Some(event);
            }
            if self.0.state().closed {
                // The last event may have come between the two looks.
                return self.try_next();
            }
            self.0.news.notified().await;
        }
    }

    /// An event that is there.
    pub(crate) fn try_next(&mut self) -> Option<Event> {
        let mut state = self.0.state();
        let event = state.events.pop_front()?;
        if let Event::Changes(changes) = &event {
            state.rows -= changes.len();
            if state.rows == 0 {
                state.limit = self.0.bound;
            }
        }
        Some(event)
    }

    /// How often changes were merged.
    pub(crate) fn merged(&self) -> u64 {
        self.0.state().merged
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.0.close();
        self.0.state().events.clear();
    }
}

impl State {
    /// Makes one change of all, in the place of the first: what comes to be known earlier does no harm.
    fn merge(&mut self, bound: usize) {
        let mut rows: IndexMap<(Str, Uuid), RowChange, FxBuildHasher> = IndexMap::default();
        let mut place = None;
        let mut others = VecDeque::new();
        for event in std::mem::take(&mut self.events) {
            match event {
                Event::Changes(changes) => {
                    place.get_or_insert(others.len());
                    changes
                        .into_iter()
                        .for_each(|change| add(&mut rows, change));
                }
                other => others.push_back(other),
            }
        }
        let changes: Vec<RowChange> = rows
            .into_values()
            .filter(|change| change.old != change.new)
            .collect();
        self.rows = changes.len();
        // Merging costs what waits, so the next one is due when that has doubled.
        self.limit = bound.max(2 * self.rows);
        if let Some(place) = place.filter(|_| !changes.is_empty()) {
            others.insert(place, Event::Changes(changes));
        }
        self.events = others;
        self.merged += 1;
    }
}

fn add(rows: &mut IndexMap<(Str, Uuid), RowChange, FxBuildHasher>, change: RowChange) {
    match rows.entry((change.table.clone(), change.uuid)) {
        Entry::Occupied(mut entry) => entry.get_mut().new = change.new,
        Entry::Vacant(entry) => drop(entry.insert(change)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ovsdb::Row;

    use super::*;

    type Content = BTreeMap<Uuid, Arc<Row>>;

    fn row(value: i64) -> Arc<Row> {
        Arc::new(Row::new(vec![value.into()]))
    }

    /// Sets rows to values; none removes one.
    fn write(content: &mut Content, writes: &[(u128, Option<i64>)]) -> Event {
        let one = |&(uuid, value): &(u128, Option<i64>)| {
            let (uuid, new) = (Uuid::from_u128(uuid), value.map(row));
            let old = match &new {
                Some(new) => content.insert(uuid, Arc::clone(new)),
                None => content.remove(&uuid),
            };
            RowChange {
                table: "T".into(),
                uuid,
                old,
                new,
            }
        };
        Event::Changes(writes.iter().map(one).collect())
    }

    /// Takes all that is there; checks that each change begins where the one before has ended.
    fn take(mailbox: &mut Mailbox, content: &mut Content) -> Vec<Event> {
        let events: Vec<_> = std::iter::from_fn(|| mailbox.try_next()).collect();
        for event in &events {
            let Event::Changes(changes) = event else {
                continue;
            };
            for change in changes {
                let was = match &change.new {
                    Some(new) => content.insert(change.uuid, Arc::clone(new)),
                    None => content.remove(&change.uuid),
                };
                assert_eq!(was, change.old);
            }
        }
        events
    }

    #[test]
    fn what_nobody_takes_is_bounded_and_whole() {
        let (events, mut mailbox) = with_bound(10);
        let (mut content, mut seen) = (Content::new(), Content::new());
        events.send(write(&mut content, &[(1, Some(0)), (2, Some(0))]));
        events.send(Event::Connected);
        for n in 1..=1000_i64 {
            events.send(write(&mut content, &[(1, Some(n)), (3, Some(n))]));
            // A row that comes and goes is nobody's business.
            events.send(write(&mut content, &[(4, Some(n))]));
            events.send(write(&mut content, &[(4, None)]));
            let waiting = mailbox.0.state().rows;
            assert!(waiting <= 10, "{waiting}");
        }
        assert!(mailbox.merged() > 0);
        let taken = take(&mut mailbox, &mut seen);
        assert!(matches!(taken[..2], [Event::Changes(_), Event::Connected]));
        assert_eq!(seen, content);
        // After that each transaction comes by itself again.
        events.send(write(&mut content, &[(1, None)]));
        events.send(write(&mut content, &[(2, None)]));
        assert_eq!(take(&mut mailbox, &mut seen).len(), 2);
        assert_eq!(seen, content);
    }

    #[test]
    fn merging_does_not_cost_more_than_what_comes() {
        let (events, mailbox) = with_bound(10);
        let mut content = Content::new();
        for n in 0..10_000 {
            events.send(write(&mut content, &[(n, Some(1))]));
        }
        // Each time there is twice as much.
        assert!(mailbox.merged() <= 10, "{}", mailbox.merged());
    }

    #[tokio::test]
    async fn both_ends_hear_of_the_other() {
        let (events, mut mailbox) = with_bound(10);
        events.send(Event::Connected);
        drop(events);
        assert_eq!(mailbox.next().await, Some(Event::Connected));
        assert_eq!(mailbox.next().await, None);
        let (events, mailbox) = with_bound(10);
        assert!(!events.is_closed());
        drop(mailbox);
        assert!(events.is_closed());
    }

    #[tokio::test]
    async fn one_who_waits_is_woken() {
        let (events, mut mailbox) = with_bound(10);
        let waiter = tokio::spawn(async move { mailbox.next().await });
        tokio::task::yield_now().await;
        events.send(Event::Connected);
        assert_eq!(waiter.await.unwrap(), Some(Event::Connected));
    }
}
