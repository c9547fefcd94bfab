//! Carrying out the operations of a transaction, one after the other.
//!
//! The tables are changed in place; what a row was before is kept until the commit has been checked. When an
//! operation fails everything goes back.

use std::borrow::Cow;
use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap};
use serde_json::Value;

use super::mutate::mutate;
use super::rbac::{Change, Rights};
use super::{Context, Database, Executed, Filter, OperationResult, Outcome, Results};
use crate::json::NamedUuids;
use crate::operation::{Condition, Mutation, Operation, OperationNames, Until, decode_operation};
use crate::{Datum, Error, ErrorKind, Row, Str, TableSchema, Uuid};

/// A row by the position of its table.
pub(super) type Key = (u32, Uuid);

/// A transaction in the making.
pub(super) struct Work<'a> {
    pub(super) db: &'a mut Database,
    /// Those of who asks for it.
    rights: &'a Rights,
    /// What the rows that were touched were before.
    pub(super) touched: IndexMap<Key, Option<Arc<Row>>, FxBuildHasher>,
    /// How many references rows had before the commit counted anew.
    pub(super) references_before: FxHashMap<Key, u32>,
    pub(super) comments: String,
}

/// Why an operation gave no result.
pub(super) enum Stop {
    Error(Error),
    Blocked(Option<u64>),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Database {
    /// Carries out a transaction on the staged state.
    pub fn execute(&mut self, operations: &[Operation], context: &mut Context<'_>) -> Outcome {
        self.run(&Rights::default(), operations.len(), context, |_, _, at| {
            Ok(Cow::Borrowed(&operations[at]))
        })
    }

    /// Carries out a transaction in the form of RFC 7047 section 5.2 on the staged state.
    pub fn execute_json(&mut self, operations: &[Value], context: &mut Context<'_>) -> Outcome {
        self.execute_json_as(&Rights::default(), operations, context)
    }

    /// The same for somebody who may not do everything.
    pub fn execute_json_as(
        &mut self,
        rights: &Rights,
        operations: &[Value],
        context: &mut Context<'_>,
    ) -> Outcome {
        let mut names = FxHashMap::default();
        let schema = Arc::clone(&self.schema);
        self.run(rights, operations.len(), context, |work, context, at| {
            let mut names = Names {
                work,
                known: &mut names,
                new_uuid: context.new_uuid,
            };
            decode_operation(&schema, &operations[at], &mut names).map(Cow::Owned)
        })
    }

    fn run<'o>(
        &mut self,
        rights: &Rights,
        count: usize,
        context: &mut Context<'_>,
        mut operation: impl FnMut(
            &Work<'_>,
            &mut Context<'_>,
            usize,
        ) -> Result<Cow<'o, Operation>, Error>,
    ) -> Outcome {
        let mut work = Work::new(self, rights);
        let mut results = Vec::with_capacity(count);
        for at in 0..count {
            let result = operation(&work, context, at)
                .map_err(Stop::Error)
                .and_then(|operation| {
                    let result = work.operation(&operation, context)?;
                    rights.check_operation(&operation)?;
                    Ok(result)
                });
            match result {
                Ok(result) => results.push(result),
                Err(Stop::Blocked(limit)) => {
                    work.undo();
                    return Outcome::Blocked(limit);
                }
                Err(Stop::Error(error)) => {
                    work.undo();
                    results.push(OperationResult::Error(error));
                    results.resize(count, OperationResult::NotTried);
                    return Outcome::Done(Executed {
                        results: Results(results),
                        commit: None,
                    });
                }
            }
        }
        let commit = work.commit(context.now).unwrap_or_else(|error| {
            results.push(OperationResult::Error(error));
            None
        });
        Outcome::Done(Executed {
            results: Results(results),
            commit,
        })
    }
}

impl<'a> Work<'a> {
    pub(super) fn new(db: &'a mut Database, rights: &'a Rights) -> Self {
        let touched = IndexMap::with_hasher(FxBuildHasher);
        Self {
            db,
            rights,
            touched,
            references_before: FxHashMap::default(),
            comments: String::new(),
        }
    }

    /// Puts or removes a row, keeping what it was.
    pub(super) fn put(&mut self, key: Key, row: Option<Arc<Row>>) {
        let table = &mut self.db.tables[key.0 as usize];
        if row.is_none()
            && let Some(entry) = table.entry(&key.1)
        {
            self.references_before
                .entry(key)
                .or_insert(entry.references);
        }
        let old = table.replace(key.1, row);
        self.touched.entry(key).or_insert(old);
    }

    /// Whether there is such a row, or was one before the transaction.
    fn is_taken(&self, key: Key) -> bool {
        self.touched.contains_key(&key) || self.db.tables[key.0 as usize].row(&key.1).is_some()
    }

    /// Brings every row back to what it was.
    pub(super) fn undo(mut self) {
        for (key, old) in self.touched.drain(..).rev() {
            self.db.tables[key.0 as usize].replace(key.1, old);
        }
        for (key, count) in self.references_before.drain() {
            if let Some(entry) = self.db.tables[key.0 as usize].entry_mut(&key.1) {
                entry.references = count;
            }
        }
    }

    fn operation(
        &mut self,
        operation: &Operation,
        context: &mut Context<'_>,
    ) -> Result<OperationResult, Stop> {
        if let (Some(reason), true) = (context.read_only, changes(operation)) {
            return Err(Error::new(ErrorKind::NotAllowed, reason).into());
        }
        match operation {
            Operation::Insert {
                table,
                uuid,
                uuid_name: _,
                row,
            } => self.insert(table, *uuid, row, context),
            Operation::Select {
                table,
                condition,
                columns,
                sort,
            } => self.select(table, condition, columns.as_deref(), sort),
            Operation::Update {
                table,
                condition,
                row,
            } => self.update(table, condition, row),
            Operation::Mutate {
                table,
                condition,
                mutations,
            } => self.mutate(table, condition, mutations),
            Operation::Delete { table, condition } => self.delete(table, condition),
            Operation::Wait {
                table,
                condition,
                columns,
                until,
                rows,
                timeout,
            } => {
                let equal = self.rows_equal(table, condition, columns.as_deref(), rows)?;
                satisfied(equal == (*until == Until::Equal), *timeout, context.waited)
            }
            Operation::Commit { durable: _ } => Ok(OperationResult::Empty),
            Operation::Abort => Err(Error::new(ErrorKind::Aborted, "aborted by request").into()),
            Operation::Comment { comment } => {
                if !self.comments.is_empty() {
                    self.comments.push('\n');
                }
                self.comments.push_str(comment);
                Ok(OperationResult::Empty)
            }
            Operation::Assert { lock } => {
                if !(context.holds_lock)(lock) {
                    let text = format!("Asserted lock {lock} not held.");
                    return Err(Error::new(ErrorKind::NotOwner, text).into());
                }
                Ok(OperationResult::Empty)
            }
        }
    }

    /// The table's position and schema.
    pub(super) fn table(&self, name: &str) -> Result<(u32, Arc<TableSchema>), Error> {
        let index = self.db.schema.table_index(name);
        let index = index.ok_or_else(|| Error::syntax(format!("No table named {name}.")))?;
        let number = u32::try_from(index).map_err(|_| Error::syntax("too many tables"))?;
        Ok((number, Arc::clone(&self.db.tables[index].schema)))
    }

    fn find(
        &self,
        table: u32,
        schema: &TableSchema,
        condition: &[Condition],
    ) -> Result<Vec<Uuid>, Error> {
        Ok(Filter::all_of(schema, condition)?.find(&self.db.tables[table as usize]))
    }

    fn insert(
        &mut self,
        table: &str,
        uuid: Option<Uuid>,
        row: &[(Str, Datum)],
        context: &mut Context<'_>,
    ) -> Result<OperationResult, Stop> {
        let (table, schema) = self.table(table)?;
        let uuid = uuid.unwrap_or_else(|| (context.new_uuid)());
        if self.is_taken((table, uuid)) {
            let text = "This UUID would duplicate a UUID already present within the table or \
                        deleted within the same transaction.";
            return Err(Error::new(ErrorKind::DuplicateUuid, text).into());
        }
        let mut new = Row::default_of(&schema);
        let mut given = vec![false; schema.columns().len()];
        for (at, value) in resolve(&schema, row)? {
            given[at] = true;
            new.set(at, value.clone());
        }
        // A default need not satisfy the constraints of its column.
        for (column, (value, given)) in schema.columns().iter().zip(new.iter().zip(given)) {
            if !given && !value.is_empty() {
                column.column_type.check(value)?;
            }
        }
        self.rights
            .check_change(self.db, &schema, Change::Insert, [&new])?;
        self.put((table, uuid), Some(Arc::new(new)));
        Ok(OperationResult::Inserted(uuid))
    }

    fn update(
        &mut self,
        table: &str,
        condition: &[Condition],
        row: &[(Str, Datum)],
    ) -> Result<OperationResult, Stop> {
        let (table, schema) = self.table(table)?;
        let columns = resolve(&schema, row)?;
        for (at, _) in &columns {
            check_mutable(&schema, *at)?;
        }
        let found = self.find(table, &schema, condition)?;
        let positions: Vec<usize> = columns.iter().map(|(at, _)| *at).collect();
        self.check_change(table, &schema, Change::Update(&positions), &found)?;
        for uuid in &found {
            let Some(old) = self.db.tables[table as usize].row(uuid) else {
                continue;
            };
            if columns.iter().any(|(at, value)| old[*at] != **value) {
                let mut new = Row::clone(old);
                for (at, value) in &columns {
                    new.set(*at, Datum::clone(value));
                }
                self.put((table, *uuid), Some(Arc::new(new)));
            }
        }
        Ok(OperationResult::Count(found.len() as u64))
    }

    fn mutate(
        &mut self,
        table: &str,
        condition: &[Condition],
        mutations: &[Mutation],
    ) -> Result<OperationResult, Stop> {
        let (table, schema) = self.table(table)?;
        let mut resolved = Vec::with_capacity(mutations.len());
        for mutation in mutations {
            let at = crate::json::column_index(&schema, &mutation.column)?;
            check_mutable(&schema, at)?;
            resolved.push((at, mutation));
        }
        let found = self.find(table, &schema, condition)?;
        // Without mutations rows are counted, which is reading.
        if !resolved.is_empty() {
            let positions: Vec<usize> = resolved.iter().map(|(at, _)| *at).collect();
            self.check_change(table, &schema, Change::Mutate(&positions), &found)?;
        }
        for uuid in &found {
            let Some(old) = self.db.tables[table as usize].row(uuid) else {
                continue;
            };
            let mut new = Row::clone(old);
            for (at, mutation) in &resolved {
                let column = &schema.columns()[*at].column_type;
                new.set(
                    *at,
                    mutate(column, &new[*at], mutation.mutator, &mutation.value)?,
                );
            }
            if new != **old {
                self.put((table, *uuid), Some(Arc::new(new)));
            }
        }
        Ok(OperationResult::Count(found.len() as u64))
    }

    fn delete(&mut self, table: &str, condition: &[Condition]) -> Result<OperationResult, Stop> {
        let (table, schema) = self.table(table)?;
        let found = self.find(table, &schema, condition)?;
        self.check_change(table, &schema, Change::Delete, &found)?;
        for uuid in &found {
            self.put((table, *uuid), None);
        }
        Ok(OperationResult::Count(found.len() as u64))
    }

    /// Whether who asks may make this change to these rows.
    fn check_change(
        &self,
        table: u32,
        schema: &TableSchema,
        change: Change<'_>,
        found: &[Uuid],
    ) -> Result<(), Error> {
        if self.rights.are_unlimited() {
            return Ok(());
        }
        let row = |uuid| self.db.tables[table as usize].row(uuid).map(Arc::as_ref);
        let rows = found.iter().filter_map(row);
        self.rights.check_change(self.db, schema, change, rows)
    }
}

fn satisfied(satisfied: bool, timeout: Option<u64>, waited: u64) -> Result<OperationResult, Stop> {
    if satisfied {
        return Ok(OperationResult::Empty);
    }
    match timeout {
        Some(timeout) if waited >= timeout => {
            let text = if matches!(waited, 0 | u64::MAX) {
                "\"where\" clause test failed".to_owned()
            } else {
                format!("\"wait\" timed out after {waited} ms")
            };
            Err(Error::new(ErrorKind::TimedOut, text).into())
        }
        timeout => Err(Stop::Blocked(timeout)),
    }
}

const fn changes(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::Insert { .. }
            | Operation::Update { .. }
            | Operation::Mutate { .. }
            | Operation::Delete { .. }
    )
}

/// The positions of columns with their new values, checked: a transaction need not come from JSON.
fn resolve<'r>(
    schema: &TableSchema,
    row: &'r [(Str, Datum)],
) -> Result<Vec<(usize, &'r Datum)>, Error> {
    let mut out = Vec::with_capacity(row.len());
    for (name, value) in row {
        let at = crate::json::column_index(schema, name)?;
        schema.columns()[at].column_type.check(value)?;
        out.push((at, value));
    }
    Ok(out)
}

fn check_mutable(schema: &TableSchema, at: usize) -> Result<(), Error> {
    let column = &schema.columns()[at];
    if column.mutable {
        return Ok(());
    }
    let text = format!(
        "Cannot update immutable column {} in table {}.",
        column.name, schema.name
    );
    Err(Error::constraint(text))
}

/// The names of a transaction's new rows; a name may be used before its row is inserted.
struct Names<'a> {
    work: &'a Work<'a>,
    known: &'a mut FxHashMap<Str, (Uuid, bool)>,
    new_uuid: &'a mut dyn FnMut() -> Uuid,
}

impl NamedUuids for Names<'_> {
    fn resolve(&mut self, name: &str) -> Option<Uuid> {
        if let Some(known) = self.known.get(name) {
            return Some(known.0);
        }
        let uuid = (self.new_uuid)();
        self.known.insert(name.into(), (uuid, false));
        Some(uuid)
    }
}

impl OperationNames for Names<'_> {
    fn define(&mut self, name: &str, explicit: Option<Uuid>) -> Option<Uuid> {
        let uuid = self.resolve(name)?;
        let known = self.known.get_mut(name)?;
        if std::mem::replace(&mut known.1, true) {
            return None;
        }
        known.0 = explicit.unwrap_or(uuid);
        Some(known.0)
    }

    fn is_taken(&self, table: &str, uuid: Uuid) -> bool {
        self.work
            .table(table)
            .is_ok_and(|(table, _)| self.work.is_taken((table, uuid)))
    }
}
