//! What a server says of a database in its own database `_Server` (`_Server(5)`), and whether that will do.
//!
//! Invariant: a server that is let pass has the schema, is connected to where the content comes from, and has
//! nothing older than what this session has seen.

use rustc_hash::FxHashMap;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::Unsuitable;
use crate::{Str, Uuid};

/// The name of the database in which servers describe themselves.
pub(super) const SERVER: &str = "_Server";
/// The columns that matter to a client.
const COLUMNS: [&str; 7] = [
    "name",
    "model",
    "connected",
    "leader",
    "schema",
    "cid",
    "index",
];

/// The rows of `_Server` that are about one database; there is one, if any.
#[derive(Debug, Default)]
pub(super) struct Service {
    rows: FxHashMap<Str, Map<String, Value>>,
}

/// How far a session has seen a cluster's log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    cluster: Option<Uuid>,
    index: u64,
}

/// The `<monitor-cond-requests>` for the row about `database`.
pub(super) fn requests(database: &str) -> impl Serialize {
    json!({"Database": [{"columns": COLUMNS, "where": [["name", "==", database]]}]})
}

impl Service {
    /// Takes `<table-updates2>` of the row.
    pub(super) fn apply(&mut self, updates: &RawValue) -> serde_json::Result<()> {
        type Rows = FxHashMap<Str, FxHashMap<Str, Option<Map<String, Value>>>>;
        let mut tables: FxHashMap<Str, Rows> = serde_json::from_str(updates.get())?;
        for (uuid, update) in tables.remove("Database").unwrap_or_default() {
            for (kind, columns) in update {
                match (kind.as_str(), columns) {
                    ("initial" | "insert", Some(columns)) => {
                        self.rows.insert(uuid.clone(), columns);
                    }
                    // Each column holds one value at most, so its difference is its new value.
                    ("modify", Some(columns)) => {
                        self.rows.entry(uuid.clone()).or_default().extend(columns);
                    }
                    _ => drop(self.rows.remove(&uuid)),
                }
            }
        }
        Ok(())
    }

    /// Whether the server will do; notes how far its log is.
    pub(super) fn judge(&self, leader_only: bool, seen: &mut Seen) -> Result<(), Unsuitable> {
        let row = self.rows.values().next().ok_or(Unsuitable::Absent)?;
        let flag = |name: &str| row.get(name) == Some(&Value::Bool(true));
        // Only whether there is one: the stock server does not put another one there after a conversion.
        let schema = row.get("schema").and_then(Value::as_str);
        schema.ok_or(Unsuitable::NoSchema)?;
        match row.get("model").and_then(Value::as_str) {
            Some("clustered") => {
                if !flag("connected") {
                    return Err(Unsuitable::Disconnected);
                }
                if leader_only && !flag("leader") {
                    return Err(Unsuitable::NotLeader);
                }
                let cluster = row.get("cid").and_then(|cid| cid.get(1));
                let cluster = cluster
                    .and_then(Value::as_str)
                    .and_then(crate::json::parse_uuid);
                let index = row.get("index").and_then(Value::as_u64).unwrap_or(0);
                seen.advance(cluster, index)?;
            }
            Some("relay") => {
                if !flag("connected") {
                    return Err(Unsuitable::Disconnected);
                }
                if leader_only {
                    return Err(Unsuitable::NotLeader);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Seen {
    /// Goes on to `index`, unless that is behind; numbers of two clusters have nothing to do with each other.
    fn advance(&mut self, cluster: Option<Uuid>, index: u64) -> Result<(), Unsuitable> {
        if self.cluster == cluster && index < self.index {
            let seen = self.index;
            return Err(Unsuitable::Stale { index, seen });
        }
        *self = Self { cluster, index };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = "00000000-0000-4000-8000-000000000001";
    const CID: &str = "00000000-0000-4000-8000-0000000000c1";

    fn service(row: &Value) -> Service {
        let mut service = Service::default();
        let updates = json!({"Database": {ROW: {"initial": row}}}).to_string();
        service
            .apply(&RawValue::from_string(updates).unwrap())
            .unwrap();
        service
    }

    #[test]
    fn who_will_do() {
        let row = |model: &str, connected: bool, leader: bool| {
            json!({"model": model, "connected": connected, "leader": leader, "schema": "{}",
                "cid": ["uuid", CID], "index": 7})
        };
        let judge = |row: &Value, leader_only: bool| {
            let service = service(row);
            service.judge(leader_only, &mut Seen::default())
        };
        let good = Ok(());
        assert_eq!(judge(&row("standalone", true, true), true), good);
        assert_eq!(judge(&row("clustered", true, true), true), good);
        assert_eq!(judge(&row("clustered", true, false), false), good);
        assert_eq!(judge(&row("relay", true, false), false), good);
        let cases = [
            (row("clustered", false, false), Unsuitable::Disconnected),
            (row("clustered", true, false), Unsuitable::NotLeader),
            (row("relay", false, false), Unsuitable::Disconnected),
            (row("relay", true, false), Unsuitable::NotLeader),
            (json!({"model": "relay"}), Unsuitable::NoSchema),
        ];
        for (row, why) in cases {
            assert_eq!(judge(&row, true), Err(why), "{row}");
        }
        let nobody = Service::default();
        assert_eq!(
            nobody.judge(false, &mut Seen::default()),
            Err(Unsuitable::Absent)
        );
    }

    #[test]
    fn nobody_goes_back_in_time() {
        let row = |cid: &str, index: u64| {
            json!({"model": "clustered", "connected": true, "schema": "{}",
                "cid": ["uuid", cid], "index": index})
        };
        let mut seen = Seen::default();
        service(&row(CID, 7)).judge(false, &mut seen).unwrap();
        let stale = service(&row(CID, 6)).judge(false, &mut seen).unwrap_err();
        assert_eq!(stale, Unsuitable::Stale { index: 6, seen: 7 });
        service(&row(CID, 7)).judge(false, &mut seen).unwrap();
        // Another cluster counts from its own beginning.
        service(&row(ROW, 1)).judge(false, &mut seen).unwrap();
    }

    #[test]
    fn rows_change() {
        let mut service = service(&json!({"model": "relay", "connected": true, "schema": "{}"}));
        let mut say = |update: Value| {
            let text = json!({"Database": {ROW: update}}).to_string();
            service
                .apply(&RawValue::from_string(text).unwrap())
                .unwrap();
            service.judge(false, &mut Seen::default())
        };
        assert_eq!(
            say(json!({"modify": {"connected": false}})),
            Err(Unsuitable::Disconnected)
        );
        assert_eq!(
            say(json!({"modify": {"connected": true, "schema": "{ }"}})),
            Ok(())
        );
        assert_eq!(say(json!({"delete": null})), Err(Unsuitable::Absent));
    }
}
