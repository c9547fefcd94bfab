//! Transactions, conditions and mutations that fit the schema, from two clients, while two others follow: one
//! all rows, the other those that its conditions ask for, which change, as connections end and logs fail.
//!
//! Beyond what holds of all targets: the records make the content, the first follower's replica is the content,
//! and the second one's is what selects with its conditions find.

use std::collections::BTreeSet;
use std::time::Instant;

use arbitrary::{Result, Unstructured};
use ovsdb::client::{Config, Rows, Session};
use ovsdb::json::NoNames;
use ovsdb::operation::decode_condition;
use ovsdb::server::SessionId;
use ovsdb::{Str, Uuid};
use serde_json::{Value, json};

use crate::server::{Harness, schema};

const TABLES: [(&str, &[&str]); 4] = [
    (
        "Root",
        &[
            "name", "num", "kind", "ratio", "tags", "numbers", "options", "flag", "fixed", "gone",
            "kids", "friends",
        ],
    ),
    ("Kid", &["name", "next", "root"]),
    ("Few", &["name", "any"]),
    ("Bound", &["name", "needs", "by_name", "by_row"]),
];

/// How many UUIDs rows are made with.
const ROWS: u64 = 12;

/// Carries out what the bytes say.
pub fn check(bytes: &[u8]) {
    let mut u = Unstructured::new(bytes);
    let mut play = Play::new();
    for _ in 0..40 {
        if u.is_empty() || play.step(&mut u).is_err() {
            break;
        }
    }
    play.end();
}

struct Play {
    harness: Harness,
    writers: [SessionId; 2],
    followers: [Follower; 2],
    conditions: Vec<(&'static str, Vec<Value>)>,
    next: u64,
}

impl Play {
    fn new() -> Self {
        let mut harness = Harness::new();
        let writers = [harness.server.connect(), harness.server.connect()];
        let follower = || {
            let mut config = Config::all(schema());
            config.probe_interval = None;
            Follower {
                session: Session::new(config),
                connection: None,
            }
        };
        let mut play = Self {
            harness,
            writers,
            followers: [follower(), follower()],
            conditions: Vec::new(),
            next: 0,
        };
        play.pump(false);
        play
    }

    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        match u.int_in_range(0..=15)? {
            0 => {
                let which = usize::from(flip(u)?);
                self.followers[which].disconnect(&mut self.harness);
            }
            1 | 2 => self.change_conditions(u)?,
            kind => {
                let count = u.int_in_range(1..=5)?;
                let operations: Result<Vec<Value>> = (0..count).map(|_| operation(u)).collect();
                let mut params = vec![json!("Rich")];
                params.extend(operations?);
                let writer = self.writers[usize::from(flip(u)?)];
                self.next += 1;
                let request = json!({"id": self.next, "method": "transact", "params": params});
                self.harness.now += 100;
                self.harness.receive(writer, request.to_string().as_bytes());
                self.pump(kind == 3);
            }
        }
        self.pump(false);
        Ok(())
    }

    fn change_conditions(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let (table, _) = *u.choose(&TABLES)?;
        let count = u.int_in_range(0..=3)?;
        let clauses: Result<Vec<Value>> = (0..count).map(|_| clause(u, table)).collect();
        let clauses = clauses?;
        let schema = schema();
        let found = schema.table(table).expect("the schema has it");
        let parsed = clauses
            .iter()
            .map(|clause| decode_condition(found, clause, &mut NoNames));
        // One that the schema does not allow is never sent.
        let Ok(parsed) = parsed.collect::<std::result::Result<Vec<_>, _>>() else {
            return Ok(());
        };
        self.conditions.retain(|(known, _)| *known != table);
        self.conditions.push((table, clauses));
        let rows = if parsed.is_empty() {
            Rows::None
        } else {
            Rows::Any(parsed)
        };
        self.followers[1].session.set_rows([(table.into(), rows)]);
        Ok(())
    }

    /// Lets everything that is under way arrive.
    fn pump(&mut self, fails: bool) {
        self.harness.settle(fails);
        for writer in self.writers {
            self.harness.take(writer);
        }
        for follower in &mut self.followers {
            follower.pump(&mut self.harness);
        }
    }

    fn select(&mut self, table: &str, clause: &Value) -> Vec<Uuid> {
        let asker = self.harness.server.connect();
        let select =
            json!({"op": "select", "table": table, "where": [clause], "columns": ["_uuid"]});
        let request = json!({"id": 0, "method": "transact", "params": ["Rich", select]});
        self.harness.receive(asker, request.to_string().as_bytes());
        let reply = self.harness.take(asker).remove(0);
        self.harness.server.disconnect(asker);
        let rows = reply["result"][0]["rows"]
            .as_array()
            .expect("a select that is right");
        let uuid = |row: &Value| row["_uuid"][1].as_str().and_then(|text| text.parse().ok());
        rows.iter()
            .map(|row| uuid(row).expect("a row has a UUID"))
            .collect()
    }

    fn end(mut self) {
        self.pump(false);
        self.pump(false);
        let id = self.harness.database;
        let all: BTreeSet<(Str, Uuid)> = self
            .harness
            .server
            .database(id)
            .contents()
            .map(|change| {
                let row = self.followers[0]
                    .session
                    .replica()
                    .row(&change.table, &change.uuid);
                assert_eq!(row, change.new.as_ref(), "{change:?}");
                (change.table, change.uuid)
            })
            .collect();
        assert_eq!(all.len(), self.followers[0].session.replica().len());
        for (table, _) in TABLES {
            let known = self.conditions.iter().find(|(of, _)| *of == table);
            let wanted: BTreeSet<Uuid> = match known.map(|(_, clauses)| clauses.clone()) {
                None => all
                    .iter()
                    .filter(|row| row.0 == table)
                    .map(|row| row.1)
                    .collect(),
                Some(clauses) => clauses
                    .iter()
                    .flat_map(|clause| self.select(table, clause))
                    .collect(),
            };
            let replica = self.followers[1].session.replica();
            let found: BTreeSet<Uuid> = replica.rows(table).map(|(uuid, _)| *uuid).collect();
            assert_eq!(found, wanted, "{table} {:?}", self.conditions);
        }
        self.harness.end();
    }
}

struct Follower {
    session: Session,
    connection: Option<SessionId>,
}

impl Follower {
    fn disconnect(&mut self, harness: &mut Harness) {
        if let Some(connection) = self.connection.take() {
            harness.server.disconnect(connection);
            self.session.handle_disconnected();
        }
    }

    fn pump(&mut self, harness: &mut Harness) {
        let now = Instant::now();
        if self
            .connection
            .is_some_and(|it| !harness.server.is_open(it))
        {
            self.disconnect(harness);
        }
        let connection = *self.connection.get_or_insert_with(|| {
            self.session.handle_connected(now);
            harness.server.connect()
        });
        loop {
            let mut idle = true;
            while let Some(bytes) = self.session.poll_output() {
                idle = false;
                harness.receive(connection, &bytes);
            }
            for message in harness.take(connection) {
                idle = false;
                let text = message.to_string();
                self.session
                    .handle_bytes(text.as_bytes(), now)
                    .expect("our server is right");
            }
            while self.session.poll_event().is_some() {}
            if idle {
                return;
            }
        }
    }
}

fn operation(u: &mut Unstructured<'_>) -> Result<Value> {
    let (table, columns) = *u.choose(&TABLES)?;
    Ok(match u.int_in_range(0..=19)? {
        0..=6 => {
            let mut insert =
                json!({"op": "insert", "table": table, "row": row(u, table, columns)?});
            match u.int_in_range(0..=3)? {
                0 => insert["uuid"] = uuid(u)?[1].clone(),
                1 => insert["uuid-name"] = json!(format!("n{}", u.int_in_range(0..=3)?)),
                _ => {}
            }
            insert
        }
        7..=10 => {
            json!({"op": "update", "table": table, "where": condition(u, table)?, "row": row(u, table, columns)?})
        }
        11..=14 => {
            let count = u.int_in_range(0..=3)?;
            let mutations: Result<Vec<Value>> = (0..count).map(|_| mutation(u, columns)).collect();
            json!({"op": "mutate", "table": table, "where": condition(u, table)?, "mutations": mutations?})
        }
        15 | 16 => json!({"op": "delete", "table": table, "where": condition(u, table)?}),
        17 => {
            json!({"op": "select", "table": table, "where": condition(u, table)?, "columns": [u.choose(columns)?]})
        }
        18 => {
            let until = if flip(u)? { "==" } else { "!=" };
            json!({"op": "wait", "table": table, "where": condition(u, table)?, "until": until, "rows": [],
                "columns": ["name"], "timeout": u.int_in_range(0..=150)?})
        }
        _ => json!({"op": "comment", "comment": "remark"}),
    })
}

fn row(u: &mut Unstructured<'_>, table: &str, columns: &[&str]) -> Result<Value> {
    let mut out = serde_json::Map::new();
    if table == "Bound" {
        out.insert("needs".into(), value(u, "needs")?);
    }
    for _ in 0..u.int_in_range(0..=3)? {
        let column = *u.choose(columns)?;
        out.insert(column.into(), value(u, column)?);
    }
    Ok(out.into())
}

fn condition(u: &mut Unstructured<'_>, table: &str) -> Result<Value> {
    let count = u.int_in_range(0..=2)?;
    (0..count)
        .map(|_| clause(u, table))
        .collect::<Result<Vec<_>>>()
        .map(Value::from)
}

fn clause(u: &mut Unstructured<'_>, table: &str) -> Result<Value> {
    if u.ratio(1, 12)? {
        return Ok(json!(flip(u)?));
    }
    let columns = TABLES
        .iter()
        .find(|(name, _)| *name == table)
        .map_or(&[][..], |found| found.1);
    let column = if u.ratio(1, 4)? {
        "_uuid"
    } else {
        *u.choose(columns)?
    };
    let function = if matches!(column, "num" | "ratio" | "gone") {
        *u.choose(&["<", "<=", "==", "!=", ">=", ">", "includes", "excludes"])?
    } else {
        *u.choose(&["==", "!=", "includes", "excludes"])?
    };
    Ok(json!([column, function, value(u, column)?]))
}

fn mutation(u: &mut Unstructured<'_>, columns: &[&str]) -> Result<Value> {
    let column = *u.choose(columns)?;
    let number = matches!(column, "num" | "ratio" | "gone" | "numbers");
    if number && !u.ratio(1, 4)? {
        let mutator = *u.choose(&["+=", "-=", "*=", "/=", "%="])?;
        return Ok(json!([column, mutator, integer(u)?]));
    }
    let mutator = *u.choose(&["insert", "delete"])?;
    if matches!(column, "options" | "by_name" | "by_row") && mutator == "delete" && flip(u)? {
        let keys = match column {
            "by_row" => set(u, uuid)?,
            _ => set(u, word)?,
        };
        return Ok(json!([column, mutator, keys]));
    }
    Ok(json!([column, mutator, value(u, column)?]))
}

fn value(u: &mut Unstructured<'_>, column: &str) -> Result<Value> {
    Ok(match column {
        "name" | "fixed" | "kind" => word(u)?,
        "num" => integer(u)?,
        "flag" => json!(flip(u)?),
        "ratio" => set_up_to(u, 1, |u| {
            Ok(json!(f64::from(u.int_in_range(-300..=300)?) / 2.0))
        })?,
        "gone" => set_up_to(u, 1, integer)?,
        "tags" => set(u, word)?,
        "numbers" => set(u, integer)?,
        "options" => map(u, word, word)?,
        "by_name" => map(u, word, uuid)?,
        "by_row" => map(u, uuid, integer)?,
        "_uuid" => uuid(u)?,
        "next" | "root" | "any" => set_up_to(u, 1, uuid)?,
        _ => set(u, uuid)?,
    })
}

fn word(u: &mut Unstructured<'_>) -> Result<Value> {
    Ok(json!(*u.choose(&[
        "",
        "a",
        "b",
        "c",
        "dd",
        "longer than that",
        "\u{e9}"
    ])?))
}

fn integer(u: &mut Unstructured<'_>) -> Result<Value> {
    Ok(json!(match u.int_in_range(0..=9)? {
        0 => i64::MAX,
        1 => i64::MIN,
        _ => u.int_in_range(-12i64..=12)?,
    }))
}

fn uuid(u: &mut Unstructured<'_>) -> Result<Value> {
    if u.ratio(1, 6)? {
        return Ok(json!([
            "named-uuid",
            format!("n{}", u.int_in_range(0..=3)?)
        ]));
    }
    let number = u.int_in_range(1..=ROWS)?;
    Ok(json!([
        "uuid",
        Uuid::from_u128(u128::from(number)).to_string()
    ]))
}

type Make = fn(&mut Unstructured<'_>) -> Result<Value>;

fn set(u: &mut Unstructured<'_>, item: Make) -> Result<Value> {
    set_up_to(u, 3, item)
}

fn set_up_to(u: &mut Unstructured<'_>, most: usize, item: Make) -> Result<Value> {
    let count = u.int_in_range(0..=most)?;
    let mut items: Vec<Value> = Vec::new();
    for _ in 0..count {
        let item = item(u)?;
        if !items.contains(&item) {
            items.push(item);
        }
    }
    Ok(json!(["set", items]))
}

fn map(u: &mut Unstructured<'_>, key: Make, value: Make) -> Result<Value> {
    let count = u.int_in_range(0..=3)?;
    let mut pairs: Vec<Value> = Vec::new();
    for _ in 0..count {
        let pair = json!([key(u)?, value(u)?]);
        if !pairs.iter().any(|known| known[0] == pair[0]) {
            pairs.push(pair);
        }
    }
    Ok(json!(["map", pairs]))
}

fn flip(u: &mut Unstructured<'_>) -> Result<bool> {
    u.ratio(1, 2)
}
