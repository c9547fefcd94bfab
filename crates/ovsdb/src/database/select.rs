//! Reading rows: what `select` gives, and what `wait` compares.
//!
//! Invariant: rows that are equal in what is asked for are one.

use std::cmp::Ordering;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::execute::{Stop, Work};
use super::{Filter, OperationResult, SelectedRows, Slot};
use crate::operation::Condition;
use crate::{Datum, Error, Row, Str, TableSchema, Uuid};

impl Work<'_> {
    pub(super) fn select(
        &self,
        table: &str,
        condition: &[Condition],
        columns: Option<&[Str]>,
        sort: &[Str],
    ) -> Result<OperationResult, Stop> {
        let (table, schema) = self.table(table)?;
        let (columns, slots) = slots(&schema, columns)?;
        let (_, by) = self::slots(&schema, Some(sort))?;
        let table = &self.db.tables[table as usize];
        let mut seen = FxHashSet::default();
        let mut rows = Vec::new();
        let found = Filter::all_of(&schema, condition)?.find(table);
        let found = found.into_iter();
        let mut found: Vec<_> = found.filter_map(|it| Some((it, table.row(&it)?))).collect();
        if !by.is_empty() {
            found.sort_by(|a, b| order(&by, *a, *b));
        }
        for (uuid, row) in found {
            let values: Vec<Datum> = slots.iter().map(|slot| slot.value(uuid, row)).collect();
            // With the UUID among the columns no two rows are equal.
            if slots.contains(&Slot::Uuid) || seen.insert(values.clone()) {
                rows.push(values);
            }
        }
        Ok(OperationResult::Rows(SelectedRows { columns, rows }))
    }

    /// Whether the rows found are those given, both taken as sets.
    pub(super) fn rows_equal(
        &self,
        table: &str,
        condition: &[Condition],
        columns: Option<&[Str]>,
        expected: &[Vec<(Str, Datum)>],
    ) -> Result<bool, Error> {
        let (index, schema) = self.table(table)?;
        let (_, slots) = slots(&schema, columns)?;
        let default = Row::default_of(&schema);
        let mut wanted = FxHashSet::default();
        for row in expected {
            let mut given = FxHashMap::default();
            for (name, value) in row {
                given.insert(Slot::resolve(&schema, name)?, value);
            }
            let value = |slot: &Slot| match given.get(slot) {
                Some(value) => Datum::clone(value),
                None => slot.value(Uuid::nil(), &default),
            };
            wanted.insert(slots.iter().map(value).collect::<Vec<_>>());
        }
        let table = &self.db.tables[index as usize];
        let mut actual = FxHashSet::default();
        for uuid in Filter::all_of(&schema, condition)?.find(table) {
            let Some(row) = table.row(&uuid) else {
                continue;
            };
            let values: Vec<Datum> = slots.iter().map(|slot| slot.value(uuid, row)).collect();
            if !wanted.contains(&values) {
                return Ok(false);
            }
            actual.insert(values);
        }
        Ok(actual.len() == wanted.len())
    }
}

/// The columns of a `select` or `wait`; without a list all, the two of every table included.
fn slots(schema: &TableSchema, columns: Option<&[Str]>) -> Result<(Vec<Str>, Vec<Slot>), Error> {
    let columns: Vec<Str> = match columns {
        Some(columns) => columns.to_vec(),
        None => {
            let own = schema.columns().iter().map(|column| column.name.clone());
            own.chain(["_uuid", "_version"].map(Str::new_static))
                .collect()
        }
    };
    let slots = columns
        .iter()
        .map(|name| Slot::resolve(schema, name))
        .collect::<Result<_, _>>()?;
    Ok((columns, slots))
}

/// The order of `sort`, an extension of `ovsdb-server`: by the values of the columns, one after the other.
fn order(by: &[Slot], a: (Uuid, &Arc<Row>), b: (Uuid, &Arc<Row>)) -> Ordering {
    let values = by
        .iter()
        .map(|slot| compare(&slot.value(a.0, a.1), &slot.value(b.0, b.1)));
    values.fold(Ordering::Equal, Ordering::then)
}

/// How OVS orders values: those of fewer elements first, then by the elements, then by what these are mapped to.
pub(super) fn compare(a: &Datum, b: &Datum) -> Ordering {
    let (x, y) = (a.pairs(), b.pairs());
    let keys = || x.iter().map(|it| &it.0).cmp(y.iter().map(|it| &it.0));
    let values = || x.iter().map(|it| &it.1).cmp(y.iter().map(|it| &it.1));
    a.len()
        .cmp(&b.len())
        .then_with(|| a.atoms().cmp(b.atoms()))
        .then_with(keys)
        .then_with(values)
}
