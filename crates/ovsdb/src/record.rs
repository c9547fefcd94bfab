//! Records: transactions in the form in which OVS's database files hold them.
//!
//! `{"_date": ms, "_comment": text, "_is_diff": true, <table>: {<uuid>: {<column>: <value>} | null}}`. With
//! `_is_diff` the columns of a row that exists are differences as in `update2`; new rows have the columns that
//! differ from their defaults. Ephemeral columns are not written.
//!
//! Invariant: applying the record of a commit to the state before it gives the state after it, ephemeral
//! columns aside.

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};
use sha1::{Digest, Sha1};

use crate::{ColumnSchema, DatabaseSchema, RowChange, TableSchema, Uuid};

/// One record, ready to be written.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    data: Bytes,
    sha1: [u8; 20],
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.data))
    }
}

/// What the comment of a snapshot begins with; the id of the state follows.
pub(crate) const SNAPSHOT_COMMENT: &str = "snapshot of transaction ";

impl Record {
    /// A record of this JSON text.
    pub fn new(mut json: Vec<u8>) -> Self {
        json.push(b'\n');
        let sha1 = Sha1::digest(&json).into();
        Self {
            data: json.into(),
            sha1,
        }
    }

    /// A record as it stands in a file, with its newline.
    pub fn from_file(data: &[u8]) -> Self {
        Self {
            data: Bytes::copy_from_slice(data),
            sha1: Sha1::digest(data).into(),
        }
    }

    /// A record whose SHA-1 was computed already.
    pub(crate) const fn with_sha1(data: Bytes, sha1: [u8; 20]) -> Self {
        Self { data, sha1 }
    }

    /// The record that begins a log.
    pub fn schema(schema: &DatabaseSchema) -> Self {
        Self::new(schema.to_json_text().into_bytes())
    }

    /// The record of a commit; `None` when only columns have changed that are not kept.
    pub(crate) fn commit(
        form: Form<'_>,
        changes: &[RowChange],
        now: u64,
        comment: &str,
    ) -> Option<Self> {
        let writes = |change: &RowChange| {
            let table = form.schema.table(&change.table);
            table.is_some_and(|table| form.keeps_change(table, change))
        };
        changes
            .iter()
            .any(writes)
            .then(|| Self::of(form, changes.iter(), now, comment))
    }

    /// A record of everything that a database holds after the commit `id`.
    pub(crate) fn snapshot(form: Form<'_>, contents: &[RowChange], id: Uuid, now: u64) -> Self {
        Self::of(
            form,
            contents.iter(),
            now,
            &format!("{SNAPSHOT_COMMENT}{id}"),
        )
    }

    fn of<'a>(
        form: Form<'_>,
        changes: impl Iterator<Item = &'a RowChange> + Clone,
        now: u64,
        comment: &str,
    ) -> Self {
        let transaction = Transaction {
            form,
            changes,
            now,
            comment,
        };
        let json = serde_json::to_vec(&transaction)
            .expect("a transaction is text, numbers and maps with text as keys");
        Self::new(json)
    }

    /// The bytes of the record, which end with a newline.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Their SHA-1.
    pub const fn sha1(&self) -> &[u8; 20] {
        &self.sha1
    }
}

/// What the records of a database hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form<'a> {
    pub(crate) schema: &'a DatabaseSchema,
    /// Whether ephemeral columns are kept.
    pub(crate) ephemeral: bool,
}

impl Form<'_> {
    const fn keeps(self, column: &ColumnSchema) -> bool {
        self.ephemeral || !column.ephemeral
    }

    fn keeps_change(self, table: &TableSchema, change: &RowChange) -> bool {
        match (&change.old, &change.new) {
            (Some(old), Some(new)) => table
                .columns()
                .iter()
                .enumerate()
                .any(|(at, column)| self.keeps(column) && old[at] != new[at]),
            _ => true,
        }
    }
}

struct Transaction<'c, I> {
    form: Form<'c>,
    changes: I,
    now: u64,
    comment: &'c str,
}

impl<'a, I: Iterator<Item = &'a RowChange> + Clone> Serialize for Transaction<'_, I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        let mut rest = self.changes.clone().peekable();
        while let Some(first) = rest.peek() {
            let name = &first.table;
            let Some(table) = self.form.schema.table(name) else {
                break;
            };
            let changes: Vec<&RowChange> =
                std::iter::from_fn(|| rest.next_if(|change| change.table == *table.name)).collect();
            let form = self.form;
            if changes
                .iter()
                .any(|change| form.keeps_change(table, change))
            {
                out.serialize_entry(
                    &table.name,
                    &TableChanges {
                        form,
                        table,
                        changes: &changes,
                    },
                )?;
            }
        }
        if !self.comment.is_empty() {
            out.serialize_entry("_comment", self.comment)?;
        }
        out.serialize_entry("_is_diff", &true)?;
        out.serialize_entry("_date", &self.now)?;
        out.end()
    }
}

struct TableChanges<'a> {
    form: Form<'a>,
    table: &'a TableSchema,
    changes: &'a [&'a RowChange],
}

impl Serialize for TableChanges<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        let mut buffer = Uuid::encode_buffer();
        for change in self
            .changes
            .iter()
            .filter(|change| self.form.keeps_change(self.table, change))
        {
            let uuid: &str = change.uuid.hyphenated().encode_lower(&mut buffer);
            out.serialize_entry(
                uuid,
                &RowOfRecord {
                    form: self.form,
                    table: self.table,
                    change,
                },
            )?;
        }
        out.end()
    }
}

struct RowOfRecord<'a> {
    form: Form<'a>,
    table: &'a TableSchema,
    change: &'a RowChange,
}

impl Serialize for RowOfRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(new) = &self.change.new else {
            return serializer.serialize_none();
        };
        let mut out = serializer.serialize_map(None)?;
        for (at, column) in self
            .table
            .columns()
            .iter()
            .enumerate()
            .filter(|(_, column)| self.form.keeps(column))
        {
            let value = &new[at];
            match self.change.old.as_ref().map(|old| &old[at]) {
                Some(old) if old == value => {}
                Some(old) => {
                    out.serialize_entry(&column.name, &old.diff(value, &column.column_type))?;
                }
                None if value.is_default_of(&column.column_type) => {}
                None => out.serialize_entry(&column.name, value)?,
            }
        }
        out.end()
    }
}
