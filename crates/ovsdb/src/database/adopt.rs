//! Changes that another server has made, and checked, for a copy of its database.

use crate::{RowChange, Uuid};

use super::{Commit, Database};

impl Database {
    /// Carries out what was carried out elsewhere, as a commit of that id, or of an id of its own. The changes
    /// must lead on from the present content; they need no check.
    pub(crate) fn adopt(&mut self, changes: Vec<RowChange>, id: Option<Uuid>) -> Commit {
        let id = id.unwrap_or_else(|| self.history.next_id(None, self.revision));
        self.commit_of(id, None, changes)
    }
}
