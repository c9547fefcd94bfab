//! Writing what changed as a monitor wants to hear it: `<table-updates>` of RFC 7047 section 4.1.6, and
//! `<table-updates2>` of `ovsdb-server(7)`.
//!
//! Invariant: a client that applies every update to what it was shown first has what its monitor describes.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use serde::Serialize;

use super::monitor::{Select, Shown, Spec, Version};
use super::views::Views;
use crate::database::Slot;
use crate::{Database, Datum, Row, RowChange, Str, TableSchema, Uuid};

/// A row before and after, each as far as the monitor's condition lets it be seen.
pub(crate) struct Visible<'a> {
    uuid: Uuid,
    old: Option<&'a Row>,
    new: Option<&'a Row>,
    initial: bool,
}

impl<'a> Visible<'a> {
    /// A row of the first view.
    pub(crate) const fn first(uuid: Uuid, row: &'a Row) -> Self {
        Self {
            uuid,
            old: None,
            new: Some(row),
            initial: true,
        }
    }
}

/// Writes rows of one table, with commas between.
pub(crate) struct RowWriter<'a> {
    version: Version,
    table: &'a TableSchema,
    shown: &'a Shown,
    pub(crate) out: Vec<u8>,
    is_first: bool,
}

/// Writes updates of one monitor. Rows must come grouped by table.
struct Writer<'a> {
    db: &'a Database,
    version: Version,
    out: Vec<u8>,
    /// The table whose object is open.
    open: Option<usize>,
}

/// What of some changes a monitor sees: all that matters for what is written. Those that see the same share
/// the text.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sight {
    version: Version,
    /// For each change that is seen its number, what is shown of the row, and whether it is seen before and after.
    seen: Vec<(usize, Arc<Shown>, bool, bool)>,
}

impl Sight {
    /// What a monitor sees of the changes, with the table of each.
    pub(crate) fn of(spec: &Spec, changes: &[(Option<usize>, &RowChange)]) -> Self {
        let mut seen = Vec::new();
        for (number, (table, change)) in changes.iter().enumerate() {
            let Some(table) = table.and_then(|table| spec.table(table)) else {
                continue;
            };
            let sees = |row: &Option<Arc<Row>>| {
                row.as_ref()
                    .is_some_and(|row| table.filter.matches(change.uuid, row))
            };
            let (old, new) = (sees(&change.old), sees(&change.new));
            if old || new {
                seen.push((number, Arc::clone(&table.shown), old, new));
            }
        }
        Self {
            version: spec.version,
            seen,
        }
    }

    /// What they are to a monitor that sees this of them; `None` when it need not hear of them.
    pub(crate) fn write(
        &self,
        db: &Database,
        changes: &[(Option<usize>, &RowChange)],
    ) -> Option<Vec<u8>> {
        let mut writer = Writer::new(db, self.version);
        for (number, shown, old, new) in &self.seen {
            let (Some(table), change) = changes[*number] else {
                continue;
            };
            let row = Visible {
                uuid: change.uuid,
                old: change.old.as_deref().filter(|_| *old),
                new: change.new.as_deref().filter(|_| *new),
                initial: false,
            };
            writer.row(table, shown, &row);
        }
        writer.finish()
    }
}

/// Changes with the positions of their tables in the schema.
pub(crate) fn with_tables<'a>(
    db: &Database,
    changes: &'a [RowChange],
) -> Vec<(Option<usize>, &'a RowChange)> {
    let mut last: Option<(&str, Option<usize>)> = None;
    let mut tables = Vec::with_capacity(changes.len());
    for change in changes {
        let index = match last {
            Some((name, index)) if name == change.table => index,
            _ => db.schema().table_index(&change.table),
        };
        last = Some((&change.table, index));
        tables.push((index, change));
    }
    tables
}

/// What the changes are to a monitor; `None` when it need not hear of them.
pub(crate) fn changes(db: &Database, spec: &Spec, changes: &[RowChange]) -> Option<Vec<u8>> {
    let changes = with_tables(db, changes);
    Sight::of(spec, &changes).write(db, &changes)
}

/// Everything that a new monitor shows, in pieces.
pub(crate) fn initial(db: &Database, spec: &Spec, views: &mut Views) -> Vec<Bytes> {
    let mut pieces = Pieces::default();
    let mut is_first = true;
    for of in spec.tables.iter().filter(|of| of.shown.select.initial) {
        let Some(table) = db.table(of.table) else {
            continue;
        };
        let view = views.of_table(spec.version, table, of);
        let mut texts = view.into_iter().filter(|text| !text.is_empty()).peekable();
        if texts.peek().is_none() {
            continue;
        }
        let begin: &[u8] = if std::mem::take(&mut is_first) {
            b"{"
        } else {
            b","
        };
        pieces.add(begin);
        write_json(&mut pieces.open, &table.schema.name);
        pieces.add(b":{");
        while let Some(text) = texts.next() {
            pieces.add_shared(text);
            if texts.peek().is_some() {
                pieces.add(b",");
            }
        }
        pieces.add(b"}");
    }
    pieces.add(if is_first { b"{}" } else { b"}" });
    pieces.finish()
}

/// A text in pieces: long ones are shared, short ones are copied.
#[derive(Default)]
struct Pieces {
    done: Vec<Bytes>,
    open: Vec<u8>,
}

impl Pieces {
    /// From how many bytes on a text is worth a piece of its own.
    const LONG: usize = 16 << 10;

    fn add(&mut self, text: &[u8]) {
        self.open.extend_from_slice(text);
    }

    fn add_shared(&mut self, text: Bytes) {
        if text.len() < Self::LONG {
            return self.add(&text);
        }
        self.close();
        self.done.push(text);
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.done.push(std::mem::take(&mut self.open).into());
        }
    }

    fn finish(mut self) -> Vec<Bytes> {
        self.close();
        self.done
    }
}

/// What a change of its conditions means to a monitor; `None` when it shows the same as before.
pub(crate) fn condition_change(db: &Database, old: &Spec, new: &Spec) -> Option<Vec<u8>> {
    let mut writer = Writer::new(db, new.version);
    for (before, after) in old.tables.iter().zip(&new.tables) {
        if before.filter == after.filter {
            continue;
        }
        let Some(table) = db.table(after.table) else {
            continue;
        };
        let visible = |uuid, old, new| Visible {
            uuid,
            old,
            new,
            initial: false,
        };
        for (uuid, row) in table.visible(&before.filter) {
            if !after.filter.matches(uuid, row) {
                writer.row(after.table, &after.shown, &visible(uuid, Some(row), None));
            }
        }
        for (uuid, row) in table.visible(&after.filter) {
            if !before.filter.matches(uuid, row) {
                writer.row(after.table, &after.shown, &visible(uuid, None, Some(row)));
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
    const fn new(db: &'a Database, version: Version) -> Self {
        Self {
            db,
            version,
            out: Vec::new(),
            open: None,
        }
    }

    fn finish(mut self) -> Option<Vec<u8>> {
        self.open?;
        self.out.extend_from_slice(b"}}");
        Some(self.out)
    }

    fn row(&mut self, index: usize, shown: &Shown, row: &Visible<'_>) {
        if !shown.wants(row) {
            return;
        }
        let table = &self.db.schema().tables()[index];
        let is_open = self.open == Some(index);
        if !is_open {
            let begin: &[u8] = if self.open.is_some() { b"}," } else { b"{" };
            self.out.extend_from_slice(begin);
            write_json(&mut self.out, &table.name);
            self.out.extend_from_slice(b":{");
            self.open = Some(index);
        }
        let mut rows = RowWriter {
            version: self.version,
            table,
            shown,
            out: std::mem::take(&mut self.out),
            is_first: !is_open,
        };
        rows.row(row);
        self.out = rows.out;
    }
}

impl Shown {
    fn wants(&self, row: &Visible<'_>) -> bool {
        match (row.old, row.new) {
            (None, None) => false,
            (None, Some(_)) if row.initial => self.select.initial,
            (None, Some(_)) => self.select.insert,
            (Some(_), None) => self.select.delete,
            (Some(old), Some(new)) => {
                let mut modified = self.columns.iter().filter(|(_, select)| select.modify);
                self.select.modify && modified.any(|(slot, _)| differs(*slot, old, new))
            }
        }
    }
}

impl<'a> RowWriter<'a> {
    pub(crate) const fn new(version: Version, table: &'a TableSchema, shown: &'a Shown) -> Self {
        Self {
            version,
            table,
            shown,
            out: Vec::new(),
            is_first: true,
        }
    }

    /// Writes a row that the monitor wants to hear of.
    pub(crate) fn row(&mut self, row: &Visible<'_>) {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
        let mut buffer = Uuid::encode_buffer();
        let text: &str = row.uuid.hyphenated().encode_lower(&mut buffer);
        self.out.push(b'"');
        self.out.extend_from_slice(text.as_bytes());
        self.out.extend_from_slice(b"\":");
        match self.version {
            Version::V1 => self.row_v1(row),
            Version::V2 | Version::V3 => self.row_v2(row),
        }
    }

    fn row_v1(&mut self, row: &Visible<'_>) {
        let uuid = row.uuid;
        match (row.old, row.new) {
            (Some(old), Some(new)) => {
                self.out.extend_from_slice(b"{\"old\":");
                let changed = |slot: Slot, select: Select| {
                    (select.modify && differs(slot, old, new)).then(|| value(slot, uuid, old))
                };
                self.columns(changed);
                self.out.extend_from_slice(b",\"new\":");
                self.columns(|slot, select| select.modify.then(|| value(slot, uuid, new)));
            }
            (Some(old), None) => {
                self.out.extend_from_slice(b"{\"old\":");
                self.columns(|slot, select| select.delete.then(|| value(slot, uuid, old)));
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
                self.columns(|slot, select| select_of(select).then(|| value(slot, uuid, new)));
            }
            (None, None) => self.out.push(b'{'),
        }
        self.out.push(b'}');
    }

    fn row_v2(&mut self, row: &Visible<'_>) {
        let table = self.table;
        let uuid = row.uuid;
        match (row.old, row.new) {
            (Some(old), Some(new)) => {
                self.out.extend_from_slice(b"{\"modify\":");
                self.columns(|slot, select| {
                    if !select.modify || !differs(slot, old, new) {
                        return None;
                    }
                    let Slot::Column(at) = slot else {
                        return Some(value(slot, uuid, new));
                    };
                    Some(Cow::Owned(
                        old[at].diff(&new[at], &table.columns()[at].column_type),
                    ))
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
                self.columns(|slot, select| {
                    let default = match slot {
                        Slot::Column(at) => new[at].is_default_of(&table.columns()[at].column_type),
                        Slot::Uuid | Slot::Version => false,
                    };
                    (select_of(select) && !default).then(|| value(slot, uuid, new))
                });
            }
            (_, None) => self.out.extend_from_slice(b"{\"delete\":null"),
        }
        self.out.push(b'}');
    }

    fn columns<'r>(&mut self, value: impl Fn(Slot, Select) -> Option<Cow<'r, Datum>>) {
        self.out.push(b'{');
        let mut first = true;
        for &(slot, select) in &self.shown.columns {
            let Some(value) = value(slot, select) else {
                continue;
            };
            if !std::mem::take(&mut first) {
                self.out.push(b',');
            }
            self.out.push(b'"');
            // Names of columns need no escapes.
            self.out.extend_from_slice(match slot {
                Slot::Uuid => b"_uuid",
                Slot::Version => b"_version",
                Slot::Column(at) => self.table.columns()[at].name.as_bytes(),
            });
            self.out.extend_from_slice(b"\":");
            write_json(&mut self.out, &*value);
        }
        self.out.push(b'}');
    }
}

fn write_json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value)
        .expect("names and values are JSON, and memory takes every write");
}

/// What the row holds there.
fn value(slot: Slot, uuid: Uuid, row: &Row) -> Cow<'_, Datum> {
    match slot {
        Slot::Column(at) => Cow::Borrowed(&row[at]),
        slot => Cow::Owned(slot.value(uuid, row)),
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
