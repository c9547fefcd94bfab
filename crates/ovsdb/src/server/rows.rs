//! Rows as monitors want to hear of them: `<row-update>` of RFC 7047 section 4.1.6, and `<row-update2>` of
//! `ovsdb-server(7)`.
//!
//! Invariant: a row is written only when it says something to the monitor, and then as far as that sees it.

use std::borrow::Cow;

use serde::Serialize;

use super::monitor::{Select, Shown, Version};
use crate::database::Slot;
use crate::{Database, Datum, Row, TableSchema, Uuid};

/// A row before and after, each as far as the monitor's condition lets it be seen.
pub(crate) struct Visible<'a> {
    uuid: Uuid,
    old: Option<&'a Row>,
    new: Option<&'a Row>,
    initial: bool,
}

impl<'a> Visible<'a> {
    /// A row that has changed: before and after.
    pub(super) const fn changed(uuid: Uuid, old: Option<&'a Row>, new: Option<&'a Row>) -> Self {
        Self {
            uuid,
            old,
            new,
            initial: false,
        }
    }

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
pub(super) struct Writer<'a> {
    db: &'a Database,
    version: Version,
    out: Vec<u8>,
    /// The table whose object is open.
    open: Option<usize>,
}

impl<'a> Writer<'a> {
    pub(super) const fn new(db: &'a Database, version: Version) -> Self {
        Self {
            db,
            version,
            out: Vec::new(),
            open: None,
        }
    }

    pub(super) fn finish(mut self) -> Option<Vec<u8>> {
        self.open?;
        self.out.extend_from_slice(b"}}");
        Some(self.out)
    }

    pub(super) fn row(&mut self, index: usize, shown: &Shown, row: &Visible<'_>) {
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

pub(super) fn write_json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
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
