//! Counters of events, for `coverage/show` and `coverage/read-counter`.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// All counters that counted at least once.
static SEEN: Mutex<Vec<&'static Counter>> = Mutex::new(Vec::new());

/// A count of one kind of event since the process began. Declare it as a `static`.
#[derive(Debug)]
pub struct Counter {
    name: &'static str,
    value: AtomicU64,
    listed: AtomicBool,
}

impl Counter {
    /// A counter that shows itself once it has counted.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            value: AtomicU64::new(0),
            listed: AtomicBool::new(false),
        }
    }

    /// Counts one event.
    pub fn increment(&'static self) {
        self.value.fetch_add(1, Ordering::Relaxed);
        if !self.listed.swap(true, Ordering::Relaxed) {
            SEEN.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(self);
        }
    }
}

/// The value of a counter; none if nothing of that name counted yet.
#[must_use]
pub fn read(name: &str) -> Option<u64> {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.iter()
        .find(|counter| counter.name == name)
        .map(|c| c.value.load(Ordering::Relaxed))
}

/// One line a counter, sorted by name.
pub(crate) fn show() -> String {
    let mut lines: Vec<(&str, u64)> = SEEN
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
        .map(|counter| (counter.name, counter.value.load(Ordering::Relaxed)))
        .collect();
    lines.sort_unstable();
    let mut text = String::from("Event coverage, totals since start:\n");
    for (name, value) in &lines {
        let _ = writeln!(text, "{name:<24} total: {value}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_shows_once_it_counted() {
        static EVENT: Counter = Counter::new("test_event");
        assert_eq!(read("test_event"), None);
        EVENT.increment();
        EVENT.increment();
        assert_eq!(read("test_event"), Some(2));
        assert_eq!(show().matches("test_event").count(), 1);
    }
}
