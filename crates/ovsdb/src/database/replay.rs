//! Building the state from the records of a log, and taking commits back that the log refused.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::commit::sum;
use super::execute::Key;
use super::{Commit, Database};
use crate::record::{Record, SNAPSHOT_COMMENT};
use crate::typed::{self, Texts};
use crate::{Datum, Error, Row, RowChange, Str, TableSchema, Uuid, json};

/// A record that does not fit the database.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It is not JSON.
    #[error("a record is not JSON")]
    Json(#[from] serde_json::Error),
    /// It is not a transaction of this database.
    #[error("a record is not a transaction of this database: {0}")]
    Content(Error),
}

impl From<Error> for ReplayError {
    fn from(error: Error) -> Self {
        Self::Content(error)
    }
}

impl Database {
    /// Carries out the next record of the log. The record was checked when it was made, so what it says is
    /// taken as it is.
    ///
    /// # Errors
    /// When the record is not one of this database; the state is then as before.
    pub fn replay(&mut self, record: &Record) -> Result<(), ReplayError> {
        self.replay_commit(record).map(drop)
    }

    /// As [`Database::replay`]; gives what the record did.
    pub(crate) fn replay_commit(&mut self, record: &Record) -> Result<Commit, ReplayError> {
        let about: About = serde_json::from_slice(record.data())?;
        let mut reader = Reader {
            db: self,
            is_diff: about.is_diff == Some(Value::Bool(true)),
            texts: Texts::default(),
            seen: FxHashSet::default(),
            changes: Vec::new(),
            error: None,
        };
        let mut json = serde_json::Deserializer::from_slice(record.data());
        let read = json.deserialize_map(&mut reader);
        let Reader { changes, error, .. } = reader;
        match (read, error) {
            (_, Some(error)) => return Err(error.into()),
            (read, None) => read?,
        }
        let comment = about.comment.as_ref().and_then(Value::as_str);
        let id = comment.and_then(|text| text.strip_prefix(SNAPSHOT_COMMENT));
        let commit = if let (0, Some(id)) = (self.revision, id.and_then(json::parse_uuid)) {
            let before = self.history.point();
            self.apply(&changes);
            self.history.set_base(id);
            Commit {
                revision: self.revision + 1,
                id,
                record: Some(record.clone()),
                changes: changes.into(),
                before,
            }
        } else {
            let id = self.history.next_id(Some(record), self.revision);
            self.commit_of(id, Some(record.clone()), changes)
        };
        self.revision = commit.revision;
        Ok(commit)
    }

    /// Carries out changes that need no check, as a commit of this id.
    pub(super) fn commit_of(
        &mut self,
        id: Uuid,
        record: Option<Record>,
        changes: Vec<RowChange>,
    ) -> Commit {
        let commit = Commit {
            revision: self.revision + 1,
            id,
            record,
            changes: changes.into(),
            before: self.history.point(),
        };
        self.bring_back(&commit);
        self.revision = commit.revision;
        commit
    }

    /// Carries out a commit that [`Database::roll_back`] has taken out, on the state that it was made on.
    pub(crate) fn bring_back(&mut self, commit: &Commit) {
        self.apply(&commit.changes);
        let changes = Arc::clone(&commit.changes);
        self.history.push(commit.id, true, changes);
    }

    /// Takes over the content and the id of another state of the same database, which has the same schema;
    /// rows that are equal stay as they are.
    pub(crate) fn turn_into(&mut self, new: &Self) -> Commit {
        let mut changes = Vec::new();
        for (table, of_new) in self.tables.iter().zip(&new.tables) {
            let change = |uuid: Uuid, old: Option<&Arc<Row>>, new: Option<&Arc<Row>>| RowChange {
                table: table.schema.name.clone(),
                uuid,
                old: old.cloned(),
                new: new.map(|row| {
                    let mut row = Row::clone(row);
                    row.set_revision(self.revision + 1);
                    Arc::new(row)
                }),
            };
            let gone = table.iter().filter(|(uuid, _)| of_new.row(uuid).is_none());
            changes.extend(gone.map(|(uuid, row)| change(*uuid, Some(row), None)));
            for (uuid, row) in of_new.iter() {
                let old = table.row(uuid);
                if old != Some(row) {
                    changes.push(change(*uuid, old, Some(row)));
                }
            }
        }
        self.commit_of(new.last_id(), None, changes)
    }

    fn read_row(
        &self,
        index: usize,
        uuid: &str,
        columns: &RawValue,
        is_diff: bool,
        texts: &mut Texts,
    ) -> Result<RowChange, Error> {
        let bad = || Error::syntax(format!("\"{uuid}\" is not a valid UUID"));
        let uuid = json::parse_uuid(uuid).ok_or_else(bad)?;
        let table = &self.tables[index];
        let old = table.row(&uuid).cloned();
        let new = match (columns.get(), &old) {
            ("null", None) => {
                let text = format!("transaction deletes row {uuid} that does not exist");
                return Err(Error::syntax(text));
            }
            ("null", Some(_)) => None,
            (text, Some(old)) if is_diff => Some(read_columns(&table.schema, old, text, true)?),
            (text, _) => {
                let row = old.as_deref().cloned();
                let row = row.unwrap_or_else(|| Row::default_of(&table.schema));
                let read = read_typed(&table.schema, &row, text, texts);
                Some(match read {
                    Some(row) => row,
                    None => read_columns(&table.schema, &row, text, false)?,
                })
            }
        };
        let new = new.map(|mut row| {
            row.set_revision(self.revision + 1);
            Arc::new(row)
        });
        Ok(RowChange {
            table: table.schema.name.clone(),
            uuid,
            old,
            new,
        })
    }

    /// Takes staged commits back that the log could not take, the last one first. Nobody has heard of them.
    pub fn roll_back<'c>(&mut self, commits: impl DoubleEndedIterator<Item = &'c Commit>) {
        for commit in commits.rev() {
            self.history.go_back(commit.before);
            let inverse: Vec<RowChange> = commit
                .changes
                .iter()
                .map(|change| RowChange {
                    table: change.table.clone(),
                    uuid: change.uuid,
                    old: change.new.clone(),
                    new: change.old.clone(),
                })
                .collect();
            self.apply(&inverse);
        }
    }

    /// Puts changes into the tables that need no check.
    fn apply(&mut self, changes: &[RowChange]) {
        let mut deltas: FxHashMap<Key, i64> = FxHashMap::default();
        for change in changes {
            let Some(index) = self.schema.table_index(&change.table) else {
                continue;
            };
            let Ok(number) = u32::try_from(index) else {
                continue;
            };
            let key = (number, change.uuid);
            self.note_change(key);
            let (old, new) = (change.old.as_deref(), change.new.as_deref());
            self.tables[index].replace(change.uuid, change.new.clone());
            self.weak.change(key, &self.references[index], old, new);
            for column in &self.references[index] {
                column.changes(old, new, true, |target, by| {
                    if target != key {
                        *deltas.entry(target).or_default() += by;
                    }
                });
            }
        }
        for ((table, uuid), delta) in deltas {
            if let Some(entry) = self.tables[table as usize].entry_mut(&uuid) {
                entry.references = sum(entry.references, delta);
            }
        }
    }
}

/// What a record says of itself.
#[derive(Deserialize)]
struct About {
    #[serde(rename = "_is_diff")]
    is_diff: Option<Value>,
    #[serde(rename = "_comment")]
    comment: Option<Value>,
}

/// Reads a record, row by row: the tree of a whole snapshot would be many times as large as the database.
struct Reader<'a> {
    db: &'a Database,
    is_diff: bool,
    texts: Texts,
    seen: FxHashSet<(usize, Uuid)>,
    changes: Vec<RowChange>,
    /// What is wrong with the content.
    error: Option<Error>,
}

impl<'de> Visitor<'de> for &mut Reader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("object expected")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Str>()? {
            let Some(index) = self.db.schema.table_index(&name) else {
                if matches!(name.as_str(), "_date" | "_comment" | "_is_diff") {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                let text = format!("No table named {name}.");
                self.error = Some(Error::syntax(text));
                return Err(A::Error::custom(""));
            };
            map.next_value_seed(Rows(self, index))?;
        }
        Ok(())
    }
}

/// Reads the rows of one table.
struct Rows<'a, 'd>(&'a mut Reader<'d>, usize);

impl<'de> DeserializeSeed<'de> for Rows<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("object expected")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Rows(reader, index) = self;
        while let Some((uuid, columns)) = map.next_entry::<Str, &RawValue>()? {
            let texts = &mut reader.texts;
            let change = reader
                .db
                .read_row(index, &uuid, columns, reader.is_diff, texts);
            let change = change.and_then(|change| {
                if reader.seen.insert((index, change.uuid)) {
                    return Ok(change);
                }
                let text = format!("a transaction has row {uuid} twice");
                Err(Error::syntax(text))
            });
            match change {
                Ok(change) => reader.changes.push(change),
                Err(error) => {
                    reader.error = Some(error);
                    return Err(A::Error::custom(""));
                }
            }
        }
        Ok(())
    }
}

/// Reads whole columns; nothing when something is wrong with one of them.
fn read_typed(table: &TableSchema, old: &Row, text: &str, texts: &mut Texts) -> Option<Row> {
    struct Columns<'a>(&'a TableSchema, Row, &'a mut Texts);

    impl<'de> Visitor<'de> for Columns<'_> {
        type Value = Row;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a row")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
            let Columns(table, mut row, texts) = self;
            while let Some(name) = map.next_key::<Str>()? {
                let at = table.column_index(&name);
                let at = at.ok_or_else(|| A::Error::custom("no such column"))?;
                let column = &table.columns()[at].column_type;
                let texts = &mut *texts;
                row.set(at, map.next_value_seed(typed::Value { column, texts })?);
            }
            Ok(row)
        }
    }

    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_map(Columns(table, old.clone(), texts))
        .ok()
}

fn read_columns(table: &TableSchema, old: &Row, text: &str, is_diff: bool) -> Result<Row, Error> {
    let columns: Value =
        serde_json::from_str(text).map_err(|error| Error::syntax(error.to_string()))?;
    let object = columns
        .as_object()
        .ok_or_else(|| Error::syntax("row must be JSON object"))?;
    let mut row = old.clone();
    for (name, value) in object {
        let at = json::column_index(table, name)?;
        let column = &table.columns()[at].column_type;
        let datum = if is_diff {
            let diff = Datum::diff_from_json(column, value)?;
            row[at].apply_diff(&diff, column)
        } else {
            Datum::from_json(column, value)?
        };
        row.set(at, datum);
    }
    Ok(row)
}
