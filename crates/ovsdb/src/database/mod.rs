//! The database engine: a state machine that turns transactions into commits.
//!
//! Two phases: [`Database::execute`] changes the *staged* state, on which the next transaction already works,
//! and gives a [`Commit`]. Its record goes to the log; when the log holds it, the results may be answered and
//! its changes shown. Several commits can be on their way to the log at once. When the log fails,
//! [`Database::roll_back`] takes them back, the last one first.
//!
//! Invariant: after each transaction every strong reference has its row, no weak one dangles, rows of tables
//! that are not root tables have a strong reference from another row, indexes are unique and every value is
//! as its type says. The cost of a commit follows the change, not the database.

mod adopt;
mod any_filter;
mod commit;
mod duplicate;
mod execute;
mod filter;
mod freeze;
mod history;
mod mark;
mod mutate;
mod outcome;
mod rbac;
mod references;
mod replay;
mod select;
mod table;

use std::sync::Arc;

pub use freeze::{Freezing, Frozen};
pub use history::Since;
pub use outcome::{Commit, Executed, OperationResult, Outcome, Results, SelectedRows};
pub use rbac::Rights;
pub use replay::ReplayError;

pub(crate) use any_filter::AnyFilter;
pub(crate) use filter::Slot;
pub(crate) use mark::Mark;
pub(crate) use table::Table;

use filter::Filter;

use crate::record::{Form, Record};
use crate::{DatabaseSchema, Row, RowChange, Uuid};
use history::History;
use references::{ReferenceColumn, WeakReferences};

/// What a transaction may know beside the database.
pub struct Context<'a> {
    /// Milliseconds since 1970, for the record.
    pub now: u64,
    /// A source of random UUIDs, for new rows.
    pub new_uuid: &'a mut dyn FnMut() -> Uuid,
    /// Whether the session holds a lock.
    pub holds_lock: &'a dyn Fn(&str) -> bool,
    /// For how many milliseconds the transaction has been waiting.
    pub waited: u64,
    /// Why operations that would change something are refused, if they are.
    pub read_only: Option<&'a str>,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// A database in memory.
#[derive(Debug)]
pub struct Database {
    schema: Arc<DatabaseSchema>,
    tables: Vec<Table>,
    references: Vec<Vec<ReferenceColumn>>,
    weak: WeakReferences,
    history: History,
    /// Counts the commits.
    revision: u64,
    /// Whether records hold ephemeral columns.
    ephemeral: bool,
    /// The rows that have changed since somebody began to take the state.
    changed: Option<Vec<execute::Key>>,
}

impl Database {
    /// An empty database.
    pub fn new(schema: Arc<DatabaseSchema>) -> Self {
        let tables = schema
            .tables()
            .iter()
            .map(|table| Table::new(Arc::clone(table)))
            .collect();
        let references = ReferenceColumn::of_tables(&schema);
        let (weak, history) = (WeakReferences::default(), History::default());
        Self {
            schema,
            tables,
            references,
            weak,
            history,
            revision: 0,
            ephemeral: false,
            changed: None,
        }
    }

    /// Keeps ephemeral columns in the records from now on, as a log that several processes write must: else they
    /// would disagree on what these columns hold.
    pub const fn keep_ephemeral(&mut self) {
        self.ephemeral = true;
    }

    /// What records of this database hold.
    fn form(&self) -> Form<'_> {
        Form {
            schema: &self.schema,
            ephemeral: self.ephemeral,
        }
    }

    /// The schema.
    pub const fn schema(&self) -> &Arc<DatabaseSchema> {
        &self.schema
    }

    /// The number of the last staged commit.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The id of the last staged commit.
    pub fn last_id(&self) -> Uuid {
        self.history.last_id()
    }

    /// What happened after the commit `id`, as far as that is still known.
    pub fn since(&self, id: Uuid) -> Option<Since<'_>> {
        self.history.since(id)
    }

    /// The number of rows of the table at `index` in the schema.
    pub fn row_count(&self, index: usize) -> usize {
        self.tables.get(index).map_or(0, Table::len)
    }

    /// The rows of the table at `index` in the schema, in no particular order.
    pub fn rows(&self, index: usize) -> impl Iterator<Item = (&Uuid, &Arc<Row>)> {
        self.tables.get(index).into_iter().flat_map(Table::iter)
    }

    /// One row of the table at `index` in the schema.
    pub fn row(&self, index: usize, uuid: Uuid) -> Option<&Arc<Row>> {
        self.tables.get(index)?.row(&uuid)
    }

    /// The table at `index` in the schema.
    pub(crate) fn table(&self, index: usize) -> Option<&Table> {
        self.tables.get(index)
    }

    /// Sees to it that rows that satisfy this condition are found without looking at all of them.
    pub(crate) fn mark(&mut self, index: usize, filter: &AnyFilter) {
        if let Some(table) = self.tables.get_mut(index) {
            table.mark(filter);
        }
    }

    /// The whole content as changes from nothing.
    pub fn contents(&self) -> impl Iterator<Item = RowChange> {
        self.tables.iter().flat_map(|table| {
            table.iter().map(|(uuid, row)| RowChange {
                table: table.schema.name.clone(),
                uuid: *uuid,
                old: None,
                new: Some(Arc::clone(row)),
            })
        })
    }

    /// One record that makes the whole content of an empty database, for a new log.
    pub fn snapshot(&self, now: u64) -> Record {
        self.freeze().record(now)
    }
}
