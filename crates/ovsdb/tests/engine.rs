//! Properties of the engine that need no peer.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use ovsdb::database::{Commit, Context, Executed, Outcome};
use ovsdb::operation::{Condition, Mutation, Mutator};
use ovsdb::{Atom, ColumnType, Database, DatabaseSchema, Datum, Operation, Real, Str, Uuid};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use support::random::{Side, operation};
use support::schema;

fn execute(
    database: &mut Database,
    operations: &[Value],
    uuid: &mut dyn FnMut() -> Uuid,
) -> Executed {
    let mut context = Context {
        now: 1,
        new_uuid: uuid,
        holds_lock: &|lock| lock == "mine",
        waited: 0,
        read_only: None,
    };
    match database.execute_json(operations, &mut context) {
        Outcome::Done(executed) => executed,
        Outcome::Blocked(limit) => panic!("blocked for {limit:?}"),
    }
}

fn everything(database: &Database) -> BTreeMap<(Str, Uuid), Vec<Datum>> {
    database
        .contents()
        .map(|c| ((c.table, c.uuid), c.new.unwrap().to_vec()))
        .collect()
}

#[test]
fn a_failed_transaction_leaves_nothing_and_a_rolled_back_one_neither() {
    let mut database = Database::new(Arc::new(schema()));
    let mut new_uuid = support::uuids(0);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[5; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let transactions = prop::collection::vec(operation(), 1..6);
    let mut commits: Vec<Commit> = Vec::new();
    let mut states = vec![everything(&database)];
    let (mut failed, mut rolled_back) = (0, 0);
    for round in 0..3000 {
        let template = transactions.new_tree(&mut runner).unwrap().current();
        let mut side = Side::new(|operations: &[Value]| {
            let before = everything(&database);
            let executed = execute(&mut database, operations, &mut new_uuid);
            let after = everything(&database);
            // The changes of the commit are exactly the difference.
            let mut expected = before.clone();
            for change in executed
                .commit
                .iter()
                .flat_map(|commit| commit.changes.iter())
            {
                let key = (change.table.clone(), change.uuid);
                let old = change.old.as_ref().map(|row| row.to_vec());
                assert_eq!(expected.remove(&key), old);
                expected.extend(change.new.as_ref().map(|row| (key, row.to_vec())));
                assert_ne!(change.old, change.new);
            }
            assert_eq!(after, expected, "round {round}");
            failed += usize::from(executed.error().is_some());
            let results = serde_json::to_value(&executed.results).unwrap();
            if let Some(commit) = executed.commit {
                commits.push(commit);
                states.push(after);
            }
            results
        });
        side.run(&template);
        if round % 100 == 99 {
            let keep = commits.len() - (round / 100 % 7).min(commits.len());
            rolled_back += commits.len() - keep;
            database.roll_back(commits.split_off(keep).iter());
            states.truncate(keep + 1);
            assert_eq!(&everything(&database), states.last().unwrap());
        }
    }
    assert!(failed > 500 && rolled_back > 50, "{failed} {rolled_back}");
    // After all that the engine still knows who refers to whom: without roots everything goes.
    let delete = |table| json!({"op": "delete", "table": table, "where": []});
    let all = [delete("Root"), delete("Bound"), delete("Few")];
    assert_eq!(execute(&mut database, &all, &mut new_uuid).error(), None);
    assert_eq!(everything(&database), BTreeMap::new());
}

#[test]
fn a_transaction_that_changes_nothing_makes_no_commit() {
    let mut database = Database::new(Arc::new(schema()));
    let mut new_uuid = support::uuids(0);
    let insert = json!({"op": "insert", "table": "Few", "row": {"name": "a"}});
    assert!(
        execute(&mut database, &[insert], &mut new_uuid)
            .commit
            .is_some()
    );
    for nothing in [
        vec![json!({"op": "update", "table": "Few", "where": [], "row": {"name": "a"}})],
        vec![json!({"op": "insert", "table": "Kid", "row": {}})],
        vec![
            json!({"op": "comment", "comment": "remark"}),
            json!({"op": "assert", "lock": "mine"}),
        ],
        vec![
            json!({"op": "update", "table": "Few", "where": [], "row": {"name": "b"}}),
            json!({"op": "update", "table": "Few", "where": [], "row": {"name": "a"}}),
        ],
    ] {
        let executed = execute(&mut database, &nothing, &mut new_uuid);
        assert_eq!(executed.error(), None);
        assert!(executed.commit.is_none(), "{nothing:?}");
    }
    let gone = json!({"op": "insert", "table": "Root", "row": {"gone": 1}});
    execute(&mut database, &[gone], &mut new_uuid);
    let ephemeral = json!({"op": "update", "table": "Root", "where": [], "row": {"gone": 2}});
    let commit = execute(&mut database, &[ephemeral], &mut new_uuid)
        .commit
        .unwrap();
    assert!(commit.record.is_none() && commit.changes.len() == 1);
}

#[test]
fn typed_operations_are_checked_too() {
    let mut database = Database::new(Arc::new(schema()));
    let mut new_uuid = support::uuids(0);
    let mut run = |operation: Operation| {
        let mut context = Context {
            now: 1,
            new_uuid: &mut new_uuid,
            holds_lock: &|_| false,
            waited: 0,
            read_only: None,
        };
        match database.execute(&[operation], &mut context) {
            Outcome::Done(executed) => executed.error().map(|error| error.kind.tag()),
            Outcome::Blocked(_) => panic!("nothing waits here"),
        }
    };
    let insert = |column: &'static str, value: Datum| Operation::Insert {
        table: "Root".into(),
        uuid: None,
        uuid_name: None,
        row: vec![("name".into(), Datum::one("x")), (column.into(), value)],
    };
    assert_eq!(run(insert("num", Datum::one("text"))), Some("syntax error"));
    assert_eq!(
        run(insert("num", Datum::one(1000))),
        Some("constraint violation")
    );
    assert_eq!(
        run(insert("options", Datum::EMPTY_SET)),
        Some("syntax error")
    );
    assert_eq!(
        run(insert("nothing", Datum::one(1))),
        Some("unknown column")
    );
    assert_eq!(run(insert("num", Datum::one(3))), None);
    let mutate = |column: &'static str, mutator, value: Datum| Operation::Mutate {
        table: "Root".into(),
        condition: vec![Condition::equal("name", "x")],
        mutations: vec![Mutation::new(column, mutator, value)],
    };
    assert_eq!(
        run(mutate("numbers", Mutator::Insert, Datum::one("text"))),
        Some("syntax error")
    );
    assert_eq!(
        run(mutate("num", Mutator::Add, Datum::one("text"))),
        Some("syntax error")
    );
    assert_eq!(
        run(mutate("fixed", Mutator::Insert, Datum::one("text"))),
        Some("constraint violation")
    );
    assert_eq!(run(mutate("num", Mutator::Add, Datum::one(4))), None);
}

#[test]
fn schemas_survive_json() {
    let rich = schema();
    assert_eq!(
        DatabaseSchema::from_json_text(&rich.to_json_text()).unwrap(),
        rich
    );
    for name in [
        "/usr/share/ovn/ovn-nb.ovsschema",
        "/usr/share/ovn/ovn-sb.ovsschema",
        "/usr/share/openvswitch/vswitch.ovsschema",
    ] {
        let text = std::fs::read_to_string(name)
            .expect("install the Debian packages ovn-common and openvswitch-common");
        let schema = DatabaseSchema::from_json_text(&text).unwrap();
        let again = DatabaseSchema::from_json_text(&schema.to_json_text()).unwrap();
        assert_eq!(again, schema);
        let printed: Value = serde_json::from_str(&schema.to_json_text()).unwrap();
        let given: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            printed["tables"].as_object().unwrap().len(),
            given["tables"].as_object().unwrap().len()
        );
    }
}

#[test]
fn bad_schemas_are_refused() {
    for text in [
        "",
        "[]",
        r#"{"name": "A"}"#,
        r#"{"name": "A", "tables": {"_T": {"columns": {}}}}"#,
        r#"{"name": "A", "tables": {"T": {"columns": {"_c": {"type": "string"}}}}}"#,
        r#"{"name": "A", "tables": {"T": {"columns": {"c": {"type": "text"}}}}}"#,
        r#"{"name": "A", "tables": {"T": {"columns": {"c": {"type": {"key": "string", "min": 2, "max": 3}}}}}}"#,
        r#"{"name": "A", "tables": {"T": {"columns": {"c": {"type": {"key": "string", "max": 0}}}}}}"#,
        r#"{"name": "A", "tables": {"T": {"columns": {"c": {"type": {"key": {"type": "uuid", "refTable": "U"}}}}}}}"#,
        r#"{"name": "A", "tables": {"T": {"columns": {"c": {"type": {"key": {"type": "string", "minInteger": 1}}}}}}}"#,
        r#"{"name": "A", "tables": {"T": {"columns": {"c": {"type": "string"}}, "indexes": [["d"]]}}}"#,
        r#"{"name": "A", "tables": {"T": {"columns": {}, "maxRows": 0}}}"#,
    ] {
        assert!(DatabaseSchema::from_json_text(text).is_err(), "{text}");
    }
}

fn atoms() -> BoxedStrategy<Vec<Atom>> {
    prop_oneof![
        prop::collection::vec(any::<i64>().prop_map(Atom::Integer), 0..6),
        prop::collection::vec(
            (-1e300..1e300).prop_map(|x| Atom::Real(Real::new(x).unwrap())),
            0..6
        ),
        prop::collection::vec(any::<bool>().prop_map(Atom::Boolean), 0..4),
        prop::collection::vec("[^\\x00]{0,30}".prop_map(Atom::from), 0..6),
        prop::collection::vec(
            any::<u128>().prop_map(|x| Atom::Uuid(Uuid::from_u128(x))),
            0..6
        ),
    ]
    .boxed()
}

fn column_of(atoms: &[Atom], map: bool) -> ColumnType {
    let base = || {
        atoms
            .first()
            .map_or(ovsdb::AtomicType::String, Atom::atomic_type)
            .into()
    };
    if map {
        ColumnType::map(base(), base())
    } else {
        ColumnType::set(base())
    }
}

proptest! {
    #[test]
    fn values_survive_json(atoms in atoms(), map in any::<bool>()) {
        let column = column_of(&atoms, map);
        let datum = if map {
            Datum::map(atoms.iter().cloned().zip(atoms.iter().rev().cloned()))
        } else {
            Datum::set(atoms.clone())
        };
        let text = serde_json::to_string(&datum).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(Datum::from_json(&column, &json).unwrap(), datum.clone());
        prop_assert!(column.check(&datum).is_ok());
    }

    #[test]
    fn a_difference_leads_from_one_value_to_the_other(
        a in prop::collection::btree_map(0i64..8, 0i64..3, 0..6),
        b in prop::collection::btree_map(0i64..8, 0i64..3, 0..6),
        map in any::<bool>(), many in any::<bool>(),
    ) {
        let base = || ovsdb::AtomicType::Integer.into();
        let mut column = if map { ColumnType::map(base(), base()) } else { ColumnType::set(base()) };
        let take = if many { 6 } else { 1 };
        if !many {
            column = column.with_bounds(0, 1);
        }
        let datum = |m: BTreeMap<i64, i64>| {
            let pairs = m.into_iter().take(take);
            if map { Datum::map(pairs) } else { Datum::set(pairs.map(|pair| pair.0)) }
        };
        let (a, b) = (datum(a), datum(b));
        let diff = a.diff(&b, &column);
        prop_assert_eq!(a.apply_diff(&diff, &column), b.clone());
        let json = serde_json::to_value(&diff).unwrap();
        prop_assert_eq!(Datum::diff_from_json(&column, &json).unwrap(), diff);
        prop_assert!(a.union(&b).includes(&b) || map);
        prop_assert!(a.without(&b).excludes(&b));
    }
}

#[test]
fn values_are_small() {
    assert_eq!(size_of::<Atom>(), 24);
    assert_eq!(size_of::<Datum>(), 24);
}
