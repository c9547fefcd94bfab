//! Monitors that are found, against each asked whether it sees something.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{DatabaseSchema, Datum, Row};

const SCHEMA: &str = r#"{"name":"D","version":"1.0.0","tables":{
    "A":{"isRoot":true,"columns":{
        "name":{"type":"string"},
        "number":{"type":{"key":"integer","min":0,"max":1}},
        "rows":{"type":{"key":"uuid","min":0,"max":"unlimited"}},
        "options":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}}},
    "B":{"isRoot":true,"columns":{"name":{"type":"string"},"number":{"type":"integer"}}}}}"#;

const FUNCTIONS: [&str; 8] = ["==", "!=", "includes", "excludes", "<", "<=", ">", ">="];

fn uuid() -> impl Strategy<Value = Uuid> {
    (0..6_u128).prop_map(Uuid::from_u128)
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "a", "b", "c"])
}

/// What can stand in a column, as a value and as JSON.
fn value(column: &'static str) -> BoxedStrategy<(Datum, Value)> {
    match column {
        "name" => name().prop_map(|it| (it.into(), json!(it))).boxed(),
        "number" => prop::option::of(0..4_i64)
            .prop_map(|it| (it.into_iter().collect::<Vec<_>>(), it))
            .prop_map(|(set, it)| {
                let json = it.map_or_else(|| json!(["set", []]), |it| json!(it));
                (Datum::set(set), json)
            })
            .boxed(),
        "rows" | "_uuid" => prop::collection::vec(uuid(), 0..3)
            .prop_map(|set| {
                let atoms: Vec<_> = set
                    .iter()
                    .map(|it| json!(["uuid", it.to_string()]))
                    .collect();
                let one = atoms.first().cloned();
                let json = if atoms.len() == 1 { one } else { None };
                (
                    Datum::set(set),
                    json.unwrap_or_else(|| json!(["set", atoms])),
                )
            })
            .boxed(),
        _ => prop::collection::btree_map(name(), name(), 0..3)
            .prop_map(|map| {
                let pairs: Vec<_> = map.iter().map(|(k, v)| json!([k, v])).collect();
                (Datum::map(map), json!(["map", pairs]))
            })
            .boxed(),
    }
}

const COLUMNS: [&[&str]; 2] = [&["name", "number", "rows", "options"], &["name", "number"]];

fn row(table: usize) -> BoxedStrategy<Option<Arc<Row>>> {
    let values: Vec<_> = COLUMNS[table].iter().map(|column| value(column)).collect();
    let row = values.prop_map(|values| Arc::new(values.into_iter().map(|it| it.0).collect()));
    prop::option::weighted(0.8, row).boxed()
}

fn change() -> impl Strategy<Value = RowChange> {
    (0..2_usize)
        .prop_flat_map(|table| (Just(table), uuid(), row(table), row(table)))
        .prop_map(|(table, uuid, old, new)| RowChange {
            table: ["A", "B"][table].into(),
            uuid,
            old,
            new,
        })
}

/// A commit's changes: of each row one, and those of a table together.
fn changes() -> impl Strategy<Value = Vec<RowChange>> {
    prop::collection::vec(change(), 0..12).prop_map(|mut changes| {
        changes.sort_by(|a, b| (&a.table, a.uuid).cmp(&(&b.table, b.uuid)));
        changes.dedup_by(|a, b| a.table == b.table && a.uuid == b.uuid);
        changes.retain(|change| change.old != change.new);
        changes
    })
}

fn clause(table: usize) -> impl Strategy<Value = Value> {
    let columns: Vec<&'static str> = COLUMNS[table].iter().copied().chain(["_uuid"]).collect();
    // Only numbers have an order.
    let functions = |column| {
        if column == "number" {
            &FUNCTIONS[..]
        } else {
            &FUNCTIONS[..4]
        }
    };
    let clause = prop::sample::select(columns)
        .prop_flat_map(move |column| {
            (
                Just(column),
                prop::sample::select(functions(column)),
                value(column),
            )
        })
        .prop_map(|(column, function, value)| json!([column, function, value.1]));
    prop_oneof![30 => clause, 1 => any::<bool>().prop_map(|always| json!(always))]
}

/// What a monitor asks of a table; nothing when it does not speak of it.
fn request(table: usize) -> impl Strategy<Value = Option<Value>> {
    let columns = prop::sample::subsequence(COLUMNS[table].to_vec(), 1..=COLUMNS[table].len());
    let request = (
        columns,
        prop::collection::vec(clause(table), 0..4),
        any::<[bool; 2]>(),
    );
    let request = request.prop_map(|(columns, clauses, [modify, delete])| {
        json!([{"columns": columns, "where": clauses, "select": {"modify": modify, "delete": delete}}])
    });
    prop::option::weighted(0.8, request)
}

fn monitor() -> impl Strategy<Value = (bool, Value)> {
    (any::<bool>(), request(0), request(1)).prop_map(|(since, a, b)| {
        let tables = [("A", a), ("B", b)].into_iter();
        let tables = tables.filter_map(|(name, request)| Some((name.to_owned(), request?)));
        (since, Value::Object(tables.collect()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// Each monitor that is there hears what its own condition says of the changes, and nobody else anything.
    #[test]
    fn who_is_found_is_who_sees(
        requests in prop::collection::vec((monitor(), any::<bool>()), 1..12),
        commits in prop::collection::vec(changes(), 1..4),
    ) {
        let schema = DatabaseSchema::from_json_text(SCHEMA).expect("it is one");
        let db = Database::new(Arc::new(schema));
        let mut monitors = Monitors::default();
        let mut all: Vec<(Member, Arc<Spec>, bool)> = Vec::new();
        for (number, ((since, request), stays)) in requests.into_iter().enumerate() {
            let version = if since { Version::V3 } else { Version::V2 };
            // What values do not fit their columns is not about monitors.
            let Ok(mut spec) = Spec::decode(db.schema(), version, &request) else { continue };
            monitors.share(&mut spec);
            // Sessions have several each, and some call them the same.
            let member: Member = (SessionId(number as u64 % 3), format!("\"{number}\"").into());
            monitors.insert(member.clone(), spec.clone());
            all.push((member, Arc::new(spec), stays));
        }
        all.retain(|(member, _, stays)| *stays || !monitors.remove(member));
        for changes in &commits {
            let mut heard: Vec<(Member, Bytes)> = Vec::new();
            for (group, text) in monitors.news(&db, changes) {
                heard.extend(group.members.iter().map(|member| (member.clone(), text.clone())));
            }
            heard.sort();
            let told = |(member, spec, _): &(Member, Arc<Spec>, bool)| {
                let text = update::changes(&db, spec, changes)?;
                Some((member.clone(), Bytes::from(text)))
            };
            let mut expected: Vec<_> = all.iter().filter_map(told).collect();
            expected.sort();
            prop_assert_eq!(heard, expected);
        }
        // Nothing is left of those that end.
        for session in 0..3 {
            monitors.forget(SessionId(session));
        }
        prop_assert!(monitors.members.is_empty() && monitors.groups.is_empty());
        prop_assert!(monitors.numbers.is_empty() && monitors.interest.is_empty());
    }
}
