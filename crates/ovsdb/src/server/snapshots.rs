//! Taking the content of a database for its log, while the database is served.
//!
//! Invariant: what is taken is the state with everything that is staged at that moment, so it belongs behind that
//! in the log. While it is unclear what the log holds, nothing is taken.

use super::{DatabaseId, Server};
use crate::database::{Freezing, Frozen};

/// How far the taking of a state has come.
#[derive(Debug)]
pub enum Snapshot {
    /// There is more to take.
    Going,
    /// This is the state now.
    Done(Frozen),
    /// There can be none now.
    Void,
}

impl Server {
    /// Begins to take the state of a database bit by bit, for a compaction.
    pub fn begin_snapshot(&mut self, id: DatabaseId) -> Freezing {
        self.databases[id.0].database.begin_freeze()
    }

    /// Takes about so many rows more.
    pub fn continue_snapshot(
        &mut self,
        id: DatabaseId,
        freezing: &mut Freezing,
        rows: usize,
    ) -> Snapshot {
        let hosted = &mut self.databases[id.0];
        if hosted.parked || hosted.conversion.is_some() || !freezing.is_of(&hosted.database) {
            hosted.database.abandon_freeze();
            return Snapshot::Void;
        }
        match hosted.database.continue_freeze(freezing, rows) {
            Some(frozen) => Snapshot::Done(frozen),
            None => Snapshot::Going,
        }
    }
}
