//! Writing what changed as a monitor wants to hear it: `<table-updates>` of RFC 7047 section 4.1.6, and
//! `<table-updates2>` of `ovsdb-server(7)`.
//!
//! Invariant: a client that applies every update to what it was shown first has what its monitor describes.

use std::sync::Arc;

use bytes::Bytes;
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use super::monitor::Spec;
use super::rows::{Visible, Writer, write_json};
use super::sight::{Changes, Sight};
use super::views::Views;
use crate::{Database, RowChange, Str, Uuid};

/// What the changes are to a monitor; `None` when it need not hear of them.
pub(crate) fn changes(db: &Database, spec: &Spec, changes: &[RowChange]) -> Option<Vec<u8>> {
    let changes = Changes::of(db, changes);
    Sight::of(spec, &changes, changes.all()).write(db, &changes)
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
        for (uuid, row) in table.visible(&before.filter) {
            if !after.filter.matches(uuid, row) {
                writer.row(
                    after.table,
                    &after.shown,
                    &Visible::changed(uuid, Some(row), None),
                );
            }
        }
        for (uuid, row) in table.visible(&after.filter) {
            if !before.filter.matches(uuid, row) {
                writer.row(
                    after.table,
                    &after.shown,
                    &Visible::changed(uuid, None, Some(row)),
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
