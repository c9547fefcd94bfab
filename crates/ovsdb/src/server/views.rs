//! What new monitors are shown first. After a restart thousands come at once, and most of what they are shown is the
//! same for all: whole tables, or the rows of one clause. Such texts are written once, and shared for as long as
//! anybody still has to be sent one.
//!
//! Invariant: a text that is shared is what would be written now.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use rustc_hash::FxHashMap;

use super::monitor::{Shown, TableSpec, Version};
use super::rows::{RowWriter, Visible};
use crate::database::{AnyFilter, Mark, Slot, Table};

/// From how many rows on a clause is worth a text of its own.
const MANY: usize = 64;

/// Texts that somebody has to be sent.
#[derive(Debug, Default)]
pub(crate) struct Views {
    texts: FxHashMap<Key, (u64, Weak<Text>)>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    version: Version,
    table: usize,
    shown: Arc<Shown>,
    filter: AnyFilter,
}

#[derive(Debug)]
struct Text(Vec<u8>);

struct Share(Arc<Text>);

impl AsRef<[u8]> for Share {
    fn as_ref(&self) -> &[u8] {
        &self.0.0
    }
}

impl Views {
    /// The rows of a table that a new monitor is shown: those that it may share with others, and its own.
    pub(crate) fn of_table(
        &mut self,
        version: Version,
        table: &Table,
        of: &TableSpec,
    ) -> [Bytes; 2] {
        let weight = |slot: Slot, mark: Mark| {
            let count = table.count_marked(slot, mark).unwrap_or(0);
            if count < MANY { 0 } else { count }
        };
        let Some((common, own)) = of.filter.split(weight) else {
            let text = write(version, table, &of.shown, &of.filter, None);
            return [Bytes::new(), text.into()];
        };
        let own = write(version, table, &of.shown, &own, Some(&common));
        let key = Key {
            version,
            table: of.table,
            shown: Arc::clone(&of.shown),
            filter: common,
        };
        [self.shared(key, table), own.into()]
    }

    fn shared(&mut self, key: Key, table: &Table) -> Bytes {
        if let Some((changes, text)) = self.texts.get(&key)
            && *changes == table.changes()
            && let Some(text) = text.upgrade()
        {
            return Bytes::from_owner(Share(text));
        }
        self.texts.retain(|_, (_, text)| text.strong_count() > 0);
        let text = write(key.version, table, &key.shown, &key.filter, None);
        let text = Arc::new(Text(text));
        self.texts
            .insert(key, (table.changes(), Arc::downgrade(&text)));
        Bytes::from_owner(Share(text))
    }
}

fn write(
    version: Version,
    table: &Table,
    shown: &Shown,
    filter: &AnyFilter,
    but: Option<&AnyFilter>,
) -> Vec<u8> {
    let mut writer = RowWriter::new(version, &table.schema, shown);
    for (uuid, row) in table.visible(filter) {
        if but.is_none_or(|but| !but.matches(uuid, row)) {
            writer.row(&Visible::first(uuid, row));
        }
    }
    writer.out
}
