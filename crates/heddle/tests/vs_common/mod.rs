//! The same command lines for `ovs-vsctl` and for `heddle vs`, on two databases that are then compared.

#![allow(clippy::unwrap_used, reason = "this is a part of tests")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::db_common::Sandbox;

const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// Two servers with empty databases of Open vSwitch.
pub(crate) struct Pair {
    pub(crate) sandbox: Sandbox,
    pub(crate) theirs: String,
    pub(crate) ours: String,
    select: String,
}

/// What a run came to.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) status: Option<i32>,
    pub(crate) output: Vec<String>,
}

/// Splits a line into words; single quotes keep spaces.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut out = Vec::new();
    let (mut word, mut quoted, mut any) = (String::new(), false, false);
    for c in line.chars() {
        match c {
            '\'' => (quoted, any) = (!quoted, true),
            c if c.is_whitespace() && !quoted => {
                if any {
                    out.push(std::mem::take(&mut word));
                }
                any = false;
            }
            c => {
                word.push(c);
                any = true;
            }
        }
    }
    if any {
        out.push(word);
    }
    out
}

fn is_uuid(word: &str) -> bool {
    word.len() == 36 && word.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// The lines in order, with UUIDs that differ between two databases left out.
pub(crate) fn normal(text: &str) -> Vec<String> {
    let plain = |line: &str| {
        let mut out = String::new();
        let word = |c: char| c == '-' || c.is_ascii_alphanumeric();
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|c| word(c) != word(first)).unwrap_or(rest.len());
            let (part, behind) = rest.split_at(end);
            out.push_str(if is_uuid(part) { "UUID" } else { part });
            rest = behind;
        }
        out.trim_end().to_owned()
    };
    let mut lines: Vec<String> = text.lines().map(plain).collect();
    lines.sort();
    lines
}

impl Pair {
    pub(crate) fn new() -> Self {
        let mut sandbox = Sandbox::new();
        for file in ["a.db", "b.db"] {
            sandbox.run("ovsdb-tool", &["create", file, SCHEMA]);
        }
        let theirs = sandbox.serve(true, "a", &["a.db"], &[]);
        let ours = sandbox.serve(true, "b", &["b.db"], &[]);
        let schema: Value =
            serde_json::from_str(&std::fs::read_to_string(SCHEMA).unwrap()).unwrap();
        let tables = schema["tables"].as_object().unwrap().keys();
        let select = tables.map(|table| json!({"op": "select", "table": table, "where": []}));
        let select = std::iter::once(json!("Open_vSwitch")).chain(select);
        let select = Value::Array(select.collect()).to_string();
        Self {
            sandbox,
            theirs,
            ours,
            select,
        }
    }

    /// Runs a line with both tools, each on its database.
    pub(crate) fn run(&self, line: &str) -> [Seen; 2] {
        let words = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let run = |program: &str, first: &[&str], server: &str| {
            let db = format!("--db={server}");
            let args = [first, &[&db, "--no-wait"], &words].concat();
            let (status, output, _) = self.sandbox.all(program, &args);
            Seen {
                status,
                output: normal(&output),
            }
        };
        [
            run("ovs-vsctl", &["-voff", "-t", "10"], &self.theirs),
            run("heddle", &["vs"], &self.ours),
        ]
    }

    /// The rows of a database, each with what it refers to in the place of UUIDs.
    fn content(&self, server: &str) -> BTreeSet<String> {
        let text = self
            .sandbox
            .run("ovsdb-client", &["transact", server, &self.select]);
        let results: Value = serde_json::from_str(&text).unwrap();
        let schema = self.select.clone();
        let selects: Value = serde_json::from_str(&schema).unwrap();
        let mut rows = BTreeMap::new();
        for (at, result) in results.as_array().unwrap().iter().enumerate() {
            let table = selects[at + 1]["table"].as_str().unwrap();
            for row in result["rows"].as_array().unwrap() {
                let mut row = row.as_object().unwrap().clone();
                let uuid = row.remove("_uuid").unwrap()[1].as_str().unwrap().to_owned();
                row.remove("_version");
                rows.insert(uuid, format!("{table} {}", Value::Object(row)));
            }
        }
        // After as many rounds as references are long, a row's text says all that hangs on it.
        let mut labels: BTreeMap<String, String> = BTreeMap::new();
        for _ in 0..5 {
            let text = |row: &String| {
                let mut parts: Vec<&str> = row.split('"').collect();
                for part in parts.iter_mut().filter(|part| is_uuid(part)) {
                    *part = labels.get(*part).map_or("?", String::as_str);
                }
                sorted_sets(&parts.join("\""))
            };
            let next = rows
                .iter()
                .map(|(uuid, row)| (uuid.clone(), label(&text(row))));
            labels = next.collect();
        }
        let shown = rows.values().map(|row| {
            let mut parts: Vec<&str> = row.split('"').collect();
            for part in parts.iter_mut().filter(|part| is_uuid(part)) {
                *part = labels.get(*part).map_or("?", String::as_str);
            }
            sorted_sets(&parts.join("\""))
        });
        shown.collect()
    }

    /// Fails unless the two databases hold the same.
    pub(crate) fn compare(&self, after: &str) {
        let [theirs, ours] = [&self.theirs, &self.ours].map(|server| self.content(server));
        assert_eq!(theirs, ours, "content after {after}");
    }
}

/// Puts the elements of sets in the order of their labels.
fn sorted_sets(row: &str) -> String {
    let (table, json) = row.split_once(' ').unwrap();
    let mut value: Value = serde_json::from_str(json).unwrap();
    for column in value.as_object_mut().unwrap().values_mut() {
        if column[0] == "set" {
            column[1]
                .as_array_mut()
                .unwrap()
                .sort_by_key(Value::to_string);
        }
    }
    format!("{table} {value}")
}

fn label(text: &str) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("row{:x}", hasher.finish())
}
