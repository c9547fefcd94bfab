//! Random transactions over the rich schema, and the two sides that carry them out.

#![allow(dead_code, reason = "not every test uses all of it")]

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value, json};

/// How many rows the transactions speak of; their UUIDs are written as `U0` and so on.
pub(crate) const ROWS: usize = 24;

/// The numbers of the rows of a table. A strong reference never names a row of another table: the stock
/// server takes one to the UUID of the referring row itself for a reference of the row to itself.
fn numbers(table: &str) -> impl Strategy<Value = usize> + use<> {
    let tables = ["Root", "Kid", "Few", "Bound"];
    let first = tables.iter().position(|name| *name == table).unwrap();
    (0..ROWS / tables.len()).prop_map(move |n| n * tables.len() + first)
}

fn row_of(table: &str) -> BoxedStrategy<Value> {
    numbers(table)
        .prop_map(|n| json!(["uuid", format!("U{n}")]))
        .boxed()
}

fn any_row() -> BoxedStrategy<Value> {
    (0..ROWS)
        .prop_map(|n| json!(["uuid", format!("U{n}")]))
        .boxed()
}

fn weak(table: &str) -> BoxedStrategy<Value> {
    prop_oneof![6 => row_of(table), 1 => any_row()].boxed()
}

fn set_of<S: Strategy<Value = Value> + 'static>(item: S, max: usize) -> BoxedStrategy<Value> {
    prop::collection::vec(item, 0..=max)
        .prop_map(|items| {
            let mut distinct: Vec<Value> = Vec::new();
            for item in items {
                if !distinct.contains(&item) {
                    distinct.push(item);
                }
            }
            json!(["set", distinct])
        })
        .boxed()
}

fn map_of(
    key: impl Strategy<Value = Value> + 'static,
    value: impl Strategy<Value = Value> + 'static,
) -> BoxedStrategy<Value> {
    prop::collection::vec((key, value), 0..3)
        .prop_map(|pairs| {
            let mut distinct: Vec<(Value, Value)> = Vec::new();
            for pair in pairs {
                if !distinct.iter().any(|known| known.0 == pair.0) {
                    distinct.push(pair);
                }
            }
            json!(["map", distinct])
        })
        .boxed()
}

fn word() -> BoxedStrategy<Value> {
    prop::sample::select(vec!["", "a", "b", "c", "dd", "longer than four"])
        .prop_map(Value::from)
        .boxed()
}

fn integer() -> BoxedStrategy<Value> {
    prop_oneof![
        8 => (-11i64..12).prop_map(Value::from),
        1 => Just(json!(i64::MAX)),
        1 => Just(json!(101)),
    ]
    .boxed()
}

fn real() -> BoxedStrategy<Value> {
    prop::sample::select(vec![
        json!(0),
        json!(1.5),
        json!(-100.5),
        json!(-101),
        json!(3),
        json!(1e300),
    ])
    .boxed()
}

fn garbage() -> BoxedStrategy<Value> {
    prop::sample::select(vec![
        json!(null),
        json!([]),
        json!({}),
        json!(["set"]),
        json!(["set", [1, 1]]),
        json!(["map", [[1]]]),
        json!(["uuid", "xyz"]),
        json!("word"),
        json!(1),
        json!(1.5),
        json!(true),
    ])
    .boxed()
}

/// The other number of a calculation.
fn operand() -> BoxedStrategy<Value> {
    prop::sample::select(vec![
        json!(0),
        json!(-1),
        json!(2),
        json!(7),
        json!(i64::MAX),
        json!(1.5),
    ])
    .boxed()
}

/// A value for a column, mostly a good one.
fn value(column: &str) -> BoxedStrategy<Value> {
    let good: BoxedStrategy<Value> = match column {
        "num" => integer(),
        "ratio" => prop_oneof![real(), set_of(real(), 1)].boxed(),
        "tags" => prop_oneof![word(), set_of(word(), 4)].boxed(),
        "numbers" => prop_oneof![integer(), set_of(integer(), 5)].boxed(),
        "gone" => prop_oneof![integer(), set_of(integer(), 1)].boxed(),
        "options" => map_of(word(), word()),
        "flag" => any::<bool>().prop_map(Value::from).boxed(),
        "kids" => prop_oneof![row_of("Kid"), set_of(row_of("Kid"), 3)].boxed(),
        "friends" | "needs" => prop_oneof![weak("Few"), set_of(weak("Few"), 3)].boxed(),
        "next" => prop_oneof![row_of("Kid"), set_of(row_of("Kid"), 1)].boxed(),
        "root" | "any" => prop_oneof![weak("Root"), set_of(weak("Root"), 1)].boxed(),
        "by_name" => map_of(word(), row_of("Kid")),
        "by_row" => map_of(weak("Few"), integer()),
        "_uuid" => any_row(),
        _ => word(),
    };
    prop_oneof![30 => good, 1 => garbage()].boxed()
}

fn columns(table: &str) -> Vec<&'static str> {
    match table {
        "Root" => vec![
            "name", "num", "kind", "ratio", "tags", "numbers", "options", "flag", "fixed", "gone",
            "kids", "friends",
        ],
        "Kid" => vec!["name", "next", "root"],
        "Few" => vec!["name", "any"],
        _ => vec!["name", "needs", "by_name", "by_row"],
    }
}

fn table() -> BoxedStrategy<&'static str> {
    prop_oneof![4 => Just("Root"), 3 => Just("Kid"), 2 => Just("Few"), 2 => Just("Bound")].boxed()
}

fn row(table: &'static str, keep: &'static [&'static str]) -> BoxedStrategy<Value> {
    let all = columns(table);
    let count = all.len();
    prop::sample::subsequence(all, 0..=count.min(4))
        .prop_flat_map(move |mut chosen| {
            for name in keep {
                if columns(table).contains(name) && !chosen.contains(name) {
                    chosen.push(name);
                }
            }
            chosen
                .into_iter()
                .map(|name| (Just(name), value(name)))
                .collect::<Vec<_>>()
        })
        .prop_map(|pairs| pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
        .prop_map(Value::Object)
        .boxed()
}

pub(crate) fn condition(table: &'static str) -> BoxedStrategy<Value> {
    let mut names = columns(table);
    names.push("_uuid");
    let functions = vec![
        "<", "<=", "==", "!=", ">=", ">", "includes", "excludes", "?",
    ];
    let clause = prop::sample::select(names).prop_flat_map(move |name| {
        let functions = prop::sample::select(functions.clone());
        (Just(name), functions, value(name)).prop_map(|(n, f, v)| json!([n, f, v]))
    });
    let by_uuid = row_of(table).prop_map(|uuid| json!([["_uuid", "==", uuid]]));
    let by_name = word().prop_map(|name| json!([["name", "==", name]]));
    prop_oneof![
        6 => by_uuid,
        3 => by_name,
        4 => prop::collection::vec(clause, 0..3).prop_map(Value::from),
        1 => Just(json!([true])),
        1 => Just(json!([])),
        1 => Just(json!([false])),
    ]
    .boxed()
}

fn mutation(table: &'static str) -> BoxedStrategy<Value> {
    prop::sample::select(columns(table))
        .prop_flat_map(|name| {
            let mutators = match name {
                "num" | "ratio" | "gone" => vec!["+=", "-=", "*=", "/=", "%=", "insert"],
                "numbers" => vec!["+=", "*=", "/=", "%=", "insert", "delete"],
                _ => vec!["insert", "insert", "delete", "delete", "+="],
            };
            let argument = match name {
                "numbers" => prop_oneof![2 => operand(), 1 => value(name)].boxed(),
                "num" | "ratio" | "gone" => prop_oneof![2 => operand(), 1 => value(name)].boxed(),
                "options" => prop_oneof![value(name), set_of(word(), 2)].boxed(),
                _ => value(name),
            };
            (Just(name), prop::sample::select(mutators), argument)
        })
        .prop_map(|(name, mutator, argument)| json!([name, mutator, argument]))
        .boxed()
}

pub(crate) fn operation() -> BoxedStrategy<Value> {
    table()
        .prop_flat_map(|table| {
            let insert = (numbers(table), any::<bool>(), row(table, &["needs"])).prop_map(
                move |(n, explicit, row)| {
                    let mut op = json!({"op": "insert", "table": table, "row": row});
                    op[if explicit { "uuid" } else { "uuid-name" }] = format!("U{n}").into();
                    op
                },
            );
            let select = condition(table)
                .prop_map(move |c| json!({"op": "select", "table": table, "where": c}));
            let some = prop::sample::select(columns(table));
            let select_some = (condition(table), some.clone()).prop_map(
                move |(c, n)| json!({"op": "select", "table": table, "where": c, "columns": [n]}),
            );
            let update = (condition(table), row(table, &[])).prop_map(
                move |(c, row)| json!({"op": "update", "table": table, "where": c, "row": row}),
            );
            let mutations = prop::collection::vec(mutation(table), 1..3);
            let mutate = (condition(table), mutations).prop_map(
                move |(c, m)| json!({"op": "mutate", "table": table, "where": c, "mutations": m}),
            );
            let delete = condition(table)
                .prop_map(move |c| json!({"op": "delete", "table": table, "where": c}));
            let wait = (
                condition(table),
                some,
                any::<bool>(),
                prop::collection::vec(row(table, &[]), 0..2),
            )
                .prop_map(move |(c, column, equal, rows)| {
                    json!({"op": "wait", "table": table, "where": c, "columns": [column],
                           "until": if equal { "==" } else { "!=" }, "rows": rows, "timeout": 0})
                });
            let odd = prop::sample::select(vec![
                json!({"op": "abort"}),
                json!({"op": "assert", "lock": "nobody"}),
                json!({"op": "insert", "table": "Nowhere", "row": {}}),
                json!({"op": "insert", "table": "Root"}),
                json!({"op": "insert", "table": "Root", "row": {}, "more": 1}),
                json!({"op": "nothing"}),
                json!([]),
            ]);
            let fine = prop::sample::select(vec![
                json!({"op": "comment", "comment": "remark"}),
                json!({"op": "commit", "durable": true}),
            ]);
            prop_oneof![
                60 => insert, 8 => select, 8 => select_some, 40 => update, 30 => mutate,
                14 => delete, 2 => wait, 1 => odd, 4 => fine,
            ]
        })
        .boxed()
}

/// A database that takes transactions in which rows are called `U0` and so on.
pub(crate) struct Side<T> {
    transact: T,
    /// The UUID of each row, as this side knows it.
    rows: HashMap<String, String>,
    /// What the two sides call a UUID that was ever in use.
    pub(crate) names: HashMap<String, String>,
    inserts: usize,
}

impl<T: FnMut(&[Value]) -> Value> Side<T> {
    pub(crate) fn new(transact: T) -> Self {
        // Rows that were never inserted have a UUID that nothing has.
        let nowhere = |n: usize| (format!("U{n}"), format!("00000000-0000-4000-8000-{n:012}"));
        let rows: HashMap<String, String> = (0..ROWS).map(nowhere).collect();
        let names = rows
            .iter()
            .map(|(name, uuid)| (uuid.clone(), name.clone()))
            .collect();
        Self {
            transact,
            rows,
            names,
            inserts: 0,
        }
    }

    pub(crate) fn run(&mut self, template: &[Value]) -> Value {
        let names: Vec<String> = template
            .iter()
            .filter_map(|op| {
                op.get("uuid-name")
                    .and_then(Value::as_str)
                    .map(str::to_owned)
            })
            .collect();
        let operations: Vec<Value> = template
            .iter()
            .map(|op| self.to_actual(op, &names))
            .collect();
        let results = (self.transact)(&operations);
        let committed = results.as_array().unwrap().len() == template.len()
            && !results
                .as_array()
                .unwrap()
                .iter()
                .any(|r| r.get("error").is_some());
        let mut known = self.rows.clone();
        for (op, result) in template.iter().zip(results.as_array().unwrap()) {
            if let Some(uuid) = result["uuid"][1].as_str() {
                self.inserts += 1;
                self.names
                    .insert(uuid.to_owned(), format!("insert {}", self.inserts));
                let name = op
                    .get("uuid")
                    .or_else(|| op.get("uuid-name"))
                    .and_then(Value::as_str);
                known.insert(name.unwrap_or_default().to_owned(), uuid.to_owned());
            }
        }
        if committed {
            self.rows = known;
        }
        normal(&results, &self.names)
    }

    pub(crate) fn to_actual(&self, json: &Value, names: &[String]) -> Value {
        match json {
            Value::Array(items) => match &items[..] {
                [Value::String(tag), Value::String(name)]
                    if tag == "uuid" && name.starts_with('U') =>
                {
                    if names.contains(name) {
                        json!(["named-uuid", name])
                    } else {
                        json!(["uuid", self.rows[name]])
                    }
                }
                _ => items
                    .iter()
                    .map(|item| self.to_actual(item, names))
                    .collect(),
            },
            Value::Object(object) => {
                let mut out = serde_json::Map::new();
                for (key, value) in object {
                    let value = match (key.as_str(), value) {
                        // Each explicit UUID is used once in the life of a row, so a new one is made of it.
                        ("uuid", Value::String(name)) => json!(explicit(name)),
                        _ => self.to_actual(value, names),
                    };
                    out.insert(key.clone(), value);
                }
                Value::Object(out)
            }
            other => other.clone(),
        }
    }

    pub(crate) fn contents(&mut self) -> Value {
        let tables = ["Root", "Kid", "Few", "Bound"];
        let selects: Vec<Value> = tables
            .iter()
            .map(|t| json!({"op": "select", "table": t, "where": []}))
            .collect();
        self.run(&selects)
    }
}

fn explicit(name: &str) -> String {
    let number: u64 = name[1..].parse().unwrap();
    format!("11111111-0000-4000-8000-{number:012}")
}

/// The JSON in a form in which equal things are equal: rows by name, sets sorted, errors without their text.
pub(crate) fn normal(json: &Value, names: &HashMap<String, String>) -> Value {
    match json {
        Value::String(text) => names
            .get(text)
            .map_or_else(|| json.clone(), |name| json!(name)),
        // The stock server writes reals with 15 digits.
        Value::Number(number) => json!(format!("{:.12e}", number.as_f64().unwrap())),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(|item| normal(item, names)).collect();
            if let [Value::String(tag), Value::Array(elements)] = &mut items[..]
                && (tag == "set" || tag == "map")
            {
                elements.sort_by_key(Value::to_string);
            }
            items.into()
        }
        Value::Object(object) if object.contains_key("error") => json!({"error": object["error"]}),
        Value::Object(object) => {
            let mut out = serde_json::Map::new();
            for (key, value) in object.iter().filter(|(key, _)| *key != "_version") {
                let mut value = normal(value, names);
                if key == "rows" {
                    value.as_array_mut().unwrap().sort_by_key(Value::to_string);
                }
                out.insert(key.clone(), value);
            }
            Value::Object(out)
        }
        other => other.clone(),
    }
}
