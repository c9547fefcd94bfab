//! Writing what changed as a monitor wants to hear it: `<table-updates>` of RFC 7047 section 4.1.6, and
//! `<table-updates2>` of `ovsdb-server(7)`.
//!
//! Invariant: a client that applies every update to what it was shown first has what its monitor describes.

use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use serde::Serialize;

use super::monitor::{Select, Spec, TableSpec, Version};
use crate::database::Slot;
use crate::{Database, Datum, Row, RowChange, Str, TableSchema, Uuid};

/// A row before and after, each as far as the monitor's condition lets it be seen.
pub(crate) struct Visible<'a> {
    uuid: Uuid,
    old: Option<&'a Row>,
    new: Option<&'a Row>,
    initial: bool,
}

/// Writes updates of one monitor. Rows must come grouped by table.
struct Writer<'a> {
    spec: &'a Spec,
    out: Vec<u8>,
    /// The table whose object is open.
    open: Option<usize>,
}

/// What the changes are to a monitor; `None` when it need not hear of them.
pub(crate) fn changes(db: &Database, spec: &Spec, changes: &[RowChange]) -> Option<Vec<u8>> {
    let mut writer = Writer::new(spec);
    let mut table: Option<(&str, Option<usize>)> = None;
    for change in changes {
        if table.is_none_or(|(name, _)| name != change.table) {
            table = Some((&change.table, db.schema().table_index(&change.table)));
        }
        let Some(index) = table.and_then(|(_, index)| index) else {
            continue;
        };
        let Some(table_spec) = spec.table(index) else {
            continue;
        };
        let seen = |row: &'_ &Row| table_spec.filter.matches(change.uuid, row);
        writer.row(
            db,
            table_spec,
            &Visible {
                uuid: change.uuid,
                old: change.old.as_deref().filter(seen),
                new: change.new.as_deref().filter(seen),
                initial: false,
            },
        );
    }
    writer.finish()
}

/// Everything that a new monitor shows.
pub(crate) fn initial(db: &Database, spec: &Spec) -> Vec<u8> {
    let mut writer = Writer::new(spec);
    for table_spec in spec.tables.iter().filter(|table| table.select.initial) {
        for (&uuid, row) in db.rows(table_spec.table) {
            if table_spec.filter.matches(uuid, row) {
                let row = Visible {
                    uuid,
                    old: None,
                    new: Some(row),
                    initial: true,
                };
                writer.row(db, table_spec, &row);
            }
        }
    }
    writer.finish().unwrap_or_else(|| b"{}".to_vec())
}

/// What a change of its conditions means to a monitor; `None` when it shows the same as before.
pub(crate) fn condition_change(db: &Database, old: &Spec, new: &Spec) -> Option<Vec<u8>> {
    let mut writer = Writer::new(new);
    for (before, after) in old.tables.iter().zip(&new.tables) {
        if before.filter == after.filter {
            continue;
        }
        for (&uuid, row) in db.rows(after.table) {
            let old = before.filter.matches(uuid, row).then_some(&**row);
            let new = after.filter.matches(uuid, row).then_some(&**row);
            if old.is_some() != new.is_some() {
                writer.row(
                    db,
                    after,
                    &Visible {
                        uuid,
                        old,
                        new,
                        initial: false,
                    },
                );
            }
        }
    }
    writer.finish()
}

/// Several commits as one, for a client that missed them: each row as it was first and as it is now.
pub(crate) fn merge<'a>(commits: impl Iterator<Item = &'a Arc<[RowChange]>>) -> Vec<RowChange> {
    let mut merged: IndexMap<(Str, Uuid), RowChange, FxBuildHasher> = IndexMap::default();
    for change in commits.flat_map(|changes| changes.iter()) {
        let known = merged.entry((change.table.clone(), change.uuid));
        known
            .or_insert_with(|| change.clone())
            .new
            .clone_from(&change.new);
    }
    let mut changes: Vec<RowChange> = merged.into_values().filter(|c| c.old != c.new).collect();
    changes.sort_by(|a, b| a.table.cmp(&b.table));
    changes
}

impl<'a> Writer<'a> {
    const fn new(spec: &'a Spec) -> Self {
        Self {
            spec,
            out: Vec::new(),
            open: None,
        }
    }

    fn finish(mut self) -> Option<Vec<u8>> {
        self.open?;
        self.out.extend_from_slice(b"}}");
        Some(self.out)
    }

    fn row(&mut self, db: &Database, spec: &TableSpec, row: &Visible<'_>) {
        let table = &db.schema().tables()[spec.table];
        let wanted = match (row.old, row.new) {
            (None, None) => false,
            (None, Some(_)) if row.initial => spec.select.initial,
            (None, Some(_)) => spec.select.insert,
            (Some(_), None) => spec.select.delete,
            (Some(old), Some(new)) => {
                let mut modified = spec.columns.iter().filter(|(_, select)| select.modify);
                spec.select.modify && modified.any(|(slot, _)| differs(*slot, old, new))
            }
        };
        if !wanted {
            return;
        }
        self.begin_row(spec.table, table, row.uuid);
        match self.spec.version {
            Version::V1 => self.row_v1(table, spec, row),
            Version::V2 | Version::V3 => self.row_v2(table, spec, row),
        }
    }

    fn begin_row(&mut self, index: usize, table: &TableSchema, uuid: Uuid) {
        if self.open == Some(index) {
            self.out.push(b',');
        } else {
            self.out
                .extend_from_slice(if self.open.is_some() { b"}," } else { b"{" });
            self.json(&table.name);
            self.out.extend_from_slice(b":{");
            self.open = Some(index);
        }
        let mut buffer = Uuid::encode_buffer();
        let text: &str = uuid.hyphenated().encode_lower(&mut buffer);
        self.json(text);
        self.out.push(b':');
    }

    fn row_v1(&mut self, table: &TableSchema, spec: &TableSpec, row: &Visible<'_>) {
        let uuid = row.uuid;
        match (row.old, row.new) {
            (Some(old), Some(new)) => {
                self.out.extend_from_slice(b"{\"old\":");
                let changed = |slot: Slot, select: Select| {
                    (select.modify && differs(slot, old, new)).then(|| slot.value(uuid, old))
                };
                self.columns(table, spec, changed);
                self.out.extend_from_slice(b",\"new\":");
                self.columns(table, spec, |slot, select| {
                    select.modify.then(|| slot.value(uuid, new))
                });
            }
            (Some(old), None) => {
                self.out.extend_from_slice(b"{\"old\":");
                self.columns(table, spec, |slot, select| {
                    select.delete.then(|| slot.value(uuid, old))
                });
            }
            (None, Some(new)) => {
                self.out.extend_from_slice(b"{\"new\":");
                let select_of = |select: Select| {
                    if row.initial {
                        select.initial
                    } else {
                        select.insert
                    }
                };
                self.columns(table, spec, |slot, select| {
                    select_of(select).then(|| slot.value(uuid, new))
                });
            }
            (None, None) => self.out.push(b'{'),
        }
        self.out.push(b'}');
    }

    fn row_v2(&mut self, table: &TableSchema, spec: &TableSpec, row: &Visible<'_>) {
        let uuid = row.uuid;
        match (row.old, row.new) {
            (Some(old), Some(new)) => {
                self.out.extend_from_slice(b"{\"modify\":");
                self.columns(table, spec, |slot, select| {
                    if !select.modify || !differs(slot, old, new) {
                        return None;
                    }
                    let Slot::Column(at) = slot else {
                        return Some(slot.value(uuid, new));
                    };
                    Some(old[at].diff(&new[at], &table.columns()[at].column_type))
                });
            }
            (_, Some(new)) => {
                let name: &[u8] = if row.initial {
                    b"{\"initial\":"
                } else {
                    b"{\"insert\":"
                };
                self.out.extend_from_slice(name);
                let select_of = |select: Select| {
                    if row.initial {
                        select.initial
                    } else {
                        select.insert
                    }
                };
                self.columns(table, spec, |slot, select| {
                    let default = match slot {
                        Slot::Column(at) => new[at].is_default_of(&table.columns()[at].column_type),
                        Slot::Uuid | Slot::Version => false,
                    };
                    (select_of(select) && !default).then(|| slot.value(uuid, new))
                });
            }
            (_, None) => self.out.extend_from_slice(b"{\"delete\":null"),
        }
        self.out.push(b'}');
    }

    fn columns(
        &mut self,
        table: &TableSchema,
        spec: &TableSpec,
        value: impl Fn(Slot, Select) -> Option<Datum>,
    ) {
        self.out.push(b'{');
        let mut first = true;
        for &(slot, select) in &spec.columns {
            let Some(value) = value(slot, select) else {
                continue;
            };
            if !std::mem::take(&mut first) {
                self.out.push(b',');
            }
            match slot {
                Slot::Uuid => self.json("_uuid"),
                Slot::Version => self.json("_version"),
                Slot::Column(at) => self.json(&table.columns()[at].name),
            }
            self.out.push(b':');
            self.json(&value);
        }
        self.out.push(b'}');
    }

    fn json<T: Serialize + ?Sized>(&mut self, value: &T) {
        serde_json::to_writer(&mut self.out, value)
            .expect("names and values are JSON, and memory takes every write");
    }
}

/// Whether a column differs; the version does whenever anything does.
fn differs(slot: Slot, old: &Row, new: &Row) -> bool {
    match slot {
        Slot::Uuid => false,
        Slot::Version => old.revision() != new.revision(),
        Slot::Column(at) => old[at] != new[at],
    }
}
