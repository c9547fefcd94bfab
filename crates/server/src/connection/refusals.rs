//! Lines about those who are refused: who comes again and again must not fill the disk.
//!
//! Invariant: at most one line in each [`PAUSE`], and each refusal is in one of them.

use std::time::{Duration, Instant};

/// How long there is no further line.
const PAUSE: Duration = Duration::from_secs(1);

/// Who was refused lately.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    last: Option<Instant>,
    untold: u64,
}

impl Refusals {
    /// Takes note of a refusal. When it is worth a line, gives what that must say of others.
    pub(super) fn note(&mut self, now: Instant) -> Option<String> {
        if self.last.is_some_and(|last| now < last + PAUSE) {
            self.untold += 1;
            return None;
        }
        self.last = Some(now);
        Some(match std::mem::take(&mut self.untold) {
            0 => String::new(),
            others => format!(" ({others} more were refused since the last such line)"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_line_a_second() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(refusals.note(at(0)).as_deref(), Some(""));
        for millis in 1..1000 {
            assert_eq!(refusals.note(at(millis)), None);
        }
        let line = refusals.note(at(1000)).expect("a line");
        assert!(line.contains("999 more"), "{line}");
        assert_eq!(refusals.note(at(2000)).as_deref(), Some(""));
    }
}
