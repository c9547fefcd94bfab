//! What the log of a database answers: that it has records, that it refused them, or that other processes were
//! there first.
//!
//! Invariant: what is carried out again was never heard of, so the only thing that anybody can notice is time.

use std::sync::Arc;

use super::transact::Answer;
use super::{DatabaseId, Environment, Server};
use crate::database::{Commit, ReplayError};
use crate::log::{LogState, Update};
use crate::{Database, DatabaseSchema, Error, ErrorKind, Record, RowChange};

/// What became known of a database by what others wrote.
#[derive(Debug, Default)]
pub struct Rebased {
    /// The changes of their commits, oldest first.
    pub visible: Vec<Arc<[RowChange]>>,
    /// Whether the database has another schema now, so that who follows it must begin anew.
    pub replaced: bool,
}

impl Server {
    /// The log holds everything of the database up to the commit `revision`. Gives the changes of the
    /// commits that became visible by that, oldest first.
    pub fn durable(&mut self, database: DatabaseId, revision: u64) -> Vec<Arc<[RowChange]>> {
        let mut visible = Vec::new();
        while let Some(pending) = self.databases[database.0].next_durable(revision) {
            // Clients hear of the change before the one that made it gets its reply.
            if let Some(commit) = &pending.commit {
                self.publish(database, commit);
                visible.push(Arc::clone(&commit.changes));
            }
            self.let_go(pending.transaction.session, pending.answer.len());
            self.deliver(pending.answer);
        }
        visible
    }

    /// The log of the database refused its records after the last durable commit: they are taken back, and their
    /// transactions get an I/O error with these details.
    pub fn failed(&mut self, database: DatabaseId, details: &str) {
        self.commits.retain(|staged| staged.database != database);
        for pending in self.databases[database.0].take_back() {
            let transaction = &pending.transaction;
            self.let_go(transaction.session, pending.answer.len());
            self.deliver(Answer::io_error(transaction, pending.operations, details));
        }
        // Those that wait have seen what is no more.
        self.tried_at = u64::MAX;
    }

    /// Others have written to the log of the database behind its last durable commit, or one of its locks was
    /// lost: what is staged is taken back, what they wrote is carried out and shown, and the transactions whose
    /// commits were taken back are carried out again, in their order.
    ///
    /// # Errors
    /// When a record does not fit the database. The database stays as it was before that record, can be read and
    /// is said to be not connected; its transactions get an I/O error.
    pub fn rebase(
        &mut self,
        id: DatabaseId,
        updates: Vec<Update>,
        environment: &mut Environment<'_>,
    ) -> Result<Rebased, ReplayError> {
        self.commits.retain(|staged| staged.database != id);
        let again = self.databases[id.0].take_back();
        for pending in &again {
            self.let_go(pending.transaction.session, pending.answer.len());
        }
        let mut rebased = Rebased::default();
        for update in updates {
            if let Err(error) = self.apply_update(id, update, &mut rebased) {
                for pending in again {
                    let text = error.to_string();
                    let transaction = &pending.transaction;
                    self.deliver(Answer::io_error(transaction, pending.operations, &text));
                }
                let mut state = self.databases[id.0].log;
                state.connected = false;
                self.set_log_state(id, state);
                return Err(error);
            }
        }
        self.convert_again(id);
        let again = again.into_iter().map(|pending| pending.transaction);
        if rebased.replaced {
            // They were written for another schema.
            let canceled = Error::new(ErrorKind::Canceled, "");
            again.for_each(|transaction| self.refuse(&transaction, &canceled));
        } else {
            again.for_each(|transaction| self.attempt_or_wait(transaction, environment));
        }
        self.tried_at = u64::MAX;
        self.proceed(environment);
        Ok(rebased)
    }

    fn apply_update(
        &mut self,
        id: DatabaseId,
        update: Update,
        rebased: &mut Rebased,
    ) -> Result<(), ReplayError> {
        let hosted = &mut self.databases[id.0];
        let commit = match update {
            Update::Record(record) => hosted.database.replay_commit(&record)?,
            Update::Replaced { schema, snapshot } => {
                let new = read_content(&schema, &snapshot)?;
                if **new.schema() != **hosted.database.schema() {
                    self.replace_database(id, new, None);
                    rebased.replaced = true;
                    rebased.visible.clear();
                    return Ok(());
                }
                hosted.database.turn_into(&new)
            }
        };
        hosted.durable = commit.revision;
        self.show(id, commit, rebased);
        Ok(())
    }

    fn show(&mut self, id: DatabaseId, commit: Commit, rebased: &mut Rebased) {
        self.publish(id, &commit);
        rebased.visible.push(commit.changes);
    }

    /// Says how it is with the log of a database. When the connection is lost while commits are on their way, the
    /// database shows the state without them until their fate is known, so that it can be read.
    pub fn set_log_state(&mut self, id: DatabaseId, state: LogState) {
        let hosted = &mut self.databases[id.0];
        if hosted.log == state {
            return;
        }
        hosted.log = state;
        if !state.connected {
            hosted.park();
        }
        self.describe_log(id);
    }
}

/// A database as two records have it.
fn read_content(schema: &Record, snapshot: &Record) -> Result<Database, ReplayError> {
    let text = String::from_utf8_lossy(schema.data());
    let schema = DatabaseSchema::from_json_text(&text)?;
    let mut new = Database::new(Arc::new(schema));
    new.keep_ephemeral();
    new.replay(snapshot)?;
    Ok(new)
}
