//! Problems for the log: each is named when it appears, not again while it lasts.

use std::collections::{BTreeMap, BTreeSet};

use model::RowError;
use ovsdb::RowChange;

/// How many problems of one kind are remembered.
const MAX: usize = 1000;

/// What has been reported and lasts.
#[derive(Debug, Default)]
pub(super) struct Reports(BTreeMap<&'static str, BTreeSet<String>>);

impl Reports {
    /// The problems of a module, as they are now; new ones are warned of.
    pub(super) fn warn(&mut self, module: &'static str, problems: Vec<String>) {
        for line in self.fresh(module, problems) {
            tracing::warn!(target: "main", "{module}: {line}");
        }
    }

    /// The same, as errors.
    pub(super) fn error(&mut self, module: &'static str, problems: Vec<String>) {
        for line in self.fresh(module, problems) {
            tracing::error!(target: "main", "{module}: {line}");
        }
    }

    fn fresh(&mut self, module: &'static str, problems: Vec<String>) -> Vec<String> {
        let now: BTreeSet<String> = problems.into_iter().take(MAX).collect();
        let before = self.0.insert(module, now.clone()).unwrap_or_default();
        now.into_iter()
            .filter(|line| !before.contains(line))
            .collect()
    }
}

/// A row that its type cannot hold is left out, alone.
pub(super) fn unreadable(change: &RowChange, error: &RowError) {
    tracing::warn!(target: "main", "row {} is left out: {error}", change.uuid);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_named_when_it_appears() {
        let mut reports = Reports::default();
        let of = |lines: &[&str]| lines.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
        assert_eq!(reports.fresh("m", of(&["a"])), of(&["a"]));
        assert_eq!(reports.fresh("m", of(&["a", "b"])), of(&["b"]));
        assert_eq!(reports.fresh("m", of(&[])), of(&[]));
        assert_eq!(reports.fresh("m", of(&["a"])), of(&["a"]));
    }
}
