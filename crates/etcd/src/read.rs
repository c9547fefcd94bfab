//! Reading a log: its head, its entries, its base, and what follows from them.
//!
//! Invariant: head and entries that are returned together were so at one moment.

use etcd_client::{GetOptions, Txn, TxnOp, TxnOpResponse};
use ovsdb::Record;
use ovsdb::log::Update;

use crate::Error;
use crate::batch;
use crate::head::{Base, Head};
use crate::keys::DatabaseKeys;
use crate::link::{BULK, Failure, Link, MAX_ANSWER};
use crate::parts;

/// How many entries are read at once. With the bound on the size of each this stays below what is taken.
const ENTRIES_AT_ONCE: i64 = 64;
/// How often reading is begun again because a compaction removed what was about to be read.
const TRIES: usize = 20;

/// Where a process stands in a log: at this head.
#[derive(Debug, Clone)]
pub(crate) struct Position {
    /// Its `mod_revision`.
    pub(crate) revision: i64,
    pub(crate) head: Head,
}

/// Reads what stands behind `at`, or everything; moves to where the log ends now. Nothing without a head.
pub(crate) async fn read_on(
    link: &Link,
    keys: &DatabaseKeys,
    at: Option<&Position>,
) -> Result<Option<(Position, Vec<Update>)>, Error> {
    for _ in 0..TRIES {
        match try_read_on(link, keys, at).await? {
            Tried::None => return Ok(None),
            Tried::Read(position, updates) => return Ok(Some((position, updates))),
            Tried::Again => {}
        }
    }
    Err(Error::Corrupt {
        key: keys.head(),
        reason: "names parts or entries that are not there".into(),
    })
}

enum Tried {
    None,
    Read(Position, Vec<Update>),
    /// What the head names was removed before it was read.
    Again,
}

async fn try_read_on(
    link: &Link,
    keys: &DatabaseKeys,
    at: Option<&Position>,
) -> Result<Tried, Error> {
    let mut updates = Vec::new();
    let mut at = at.cloned();
    loop {
        let from = at.as_ref().map_or(0, |at| at.head.next);
        let Some((now, entries)) = read_entries(link, keys, from).await? else {
            return Ok(Tried::None);
        };
        let goes_on = at.as_ref().is_some_and(|at| {
            at.head.generation == now.head.generation && now.head.first <= at.head.next
        });
        if !goes_on {
            let Some(base) = read_base(link, keys, &now.head.base).await? else {
                return Ok(Tried::Again);
            };
            updates = vec![base];
            let mut head = now.head;
            head.next = head.first;
            // Read on from the base. This position is not one at which anything could be appended.
            at = Some(Position { revision: 0, head });
            continue;
        }
        let mut next = from;
        for entry in &entries {
            if entry.number != next {
                return Ok(Tried::Again);
            }
            let Some(records) = records(link, keys, entry).await? else {
                return Ok(Tried::Again);
            };
            updates.extend(records.into_iter().map(Update::Record));
            next += 1;
        }
        if next == now.head.next {
            return Ok(Tried::Read(now, updates));
        }
        if entries.is_empty() {
            return Ok(Tried::Again);
        }
        let mut head = now.head;
        head.next = next;
        at = Some(Position { revision: 0, head });
    }
}

/// One entry as it stands in etcd.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) value: Vec<u8>,
}

/// The records of an entry; nothing when its parts are gone.
pub(crate) async fn records(
    link: &Link,
    keys: &DatabaseKeys,
    entry: &Entry,
) -> Result<Option<Vec<Record>>, Error> {
    let key = keys.entry(entry.number);
    let (line, rest) = batch::split(&key, &entry.value)?;
    if line.parts == 0 {
        return batch::decode(&key, rest, line.records).map(Some);
    }
    let prefix = keys.batch_parts(entry.number);
    match parts::read(link, &prefix, line.parts, line.bytes).await? {
        Some(bytes) => batch::decode(&prefix, &bytes, line.records).map(Some),
        None => Ok(None),
    }
}

async fn read_base(link: &Link, keys: &DatabaseKeys, base: &Base) -> Result<Option<Update>, Error> {
    let prefix = keys.base(&base.id);
    let Some(bytes) = parts::read(link, &prefix, base.parts, base.bytes).await? else {
        return Ok(None);
    };
    let mut records = batch::decode(&prefix, &bytes, 2)?.into_iter();
    let both = records.next().zip(records.next());
    Ok(both.map(|(schema, snapshot)| Update::Replaced { schema, snapshot }))
}

/// Where the log ends now; nothing without a head.
pub(crate) async fn read_head(link: &Link, keys: &DatabaseKeys) -> Result<Option<Position>, Error> {
    Ok(read_entries(link, keys, u64::MAX)
        .await?
        .map(|(position, _)| position))
}

/// The head, and the first entries from `from` on.
async fn read_entries(
    link: &Link,
    keys: &DatabaseKeys,
    from: u64,
) -> Result<Option<(Position, Vec<Entry>)>, Error> {
    let options = GetOptions::new()
        .with_range(keys.entries_end())
        .with_limit(ENTRIES_AT_ONCE);
    let reads = [
        TxnOp::get(keys.head(), None),
        TxnOp::get(keys.entry(from), Some(options)),
    ];
    let answer = read_only(link, Txn::new().and_then(reads)).await?;
    let [TxnOpResponse::Get(head), TxnOpResponse::Get(entries)] = &answer[..] else {
        return Ok(None);
    };
    let Some(head) = head.kvs().first() else {
        return Ok(None);
    };
    let position = Position {
        revision: head.mod_revision(),
        head: Head::from_bytes(&keys.head(), head.value())?,
    };
    let entries = entries.kvs().iter().map(|entry| {
        let number = keys
            .entry_number(entry.key())
            .ok_or_else(|| Error::Corrupt {
                key: String::from_utf8_lossy(entry.key()).into_owned(),
                reason: "does not end with a number".into(),
            })?;
        let value = entry.value().to_vec();
        Ok(Entry { number, value })
    });
    Ok(Some((position, entries.collect::<Result<_, Error>>()?)))
}

async fn read_only(link: &Link, txn: Txn) -> Result<Vec<TxnOpResponse>, Failure> {
    let answer = link.call_each(BULK, |client| {
        let txn = txn.clone();
        let mut kv = client.kv_client().max_decoding_message_size(MAX_ANSWER);
        async move { kv.txn(txn).await }
    });
    Ok(answer.await?.op_responses())
}
