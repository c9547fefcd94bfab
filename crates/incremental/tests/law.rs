//! The law: the state after any sequence of edits in any batches equals that of a fresh engine.

use std::collections::BTreeMap;

use incremental::{Builder, Collected, Engine, Input, Relation, Rule};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Edit {
    Row(u8, Option<(u8, u8)>),
    Name(u8, Option<u8>),
    Run,
}

struct Program {
    engine: Engine,
    row: Input<u8, (u8, u8)>,
    name: Input<u8, u8>,
    joined: Rule<u8, Vec<u8>>,
    large: Rule<u8, u32>,
    by_sum: Collected<u32, u8>,
    report: Rule<u32, String>,
}

/// A program with joins, negative look-ups, a filter, a chain of collections and an iteration.
fn program(threads: usize) -> Program {
    let mut build = Builder::new();
    let row = build.input::<u8, (u8, u8)>("row");
    let name = build.input::<u8, u8>("name");
    let by_kind = build.index("by kind", row, |_, (kind, _)| [*kind, kind.wrapping_add(1)]);
    let joined = build.rule("joined", row, move |cx, key| {
        let Some((kind, weight)) = cx.get(row, key) else {
            return Vec::new();
        };
        let mut out = vec![cx.get(name, weight).copied().unwrap_or(255)];
        if out[0] % 2 == 0 {
            out.extend(cx.items(by_kind, kind));
        }
        out
    });
    let large = build.filter("large", joined, move |cx, key| {
        let joined = cx.get(joined, key)?;
        (joined.len() > 1).then(|| joined.iter().map(|part| u32::from(*part) % 7).sum())
    });
    let by_sum = build.collect("by sum", large, |key, sum| {
        [(*sum, key % 4), (sum / 2, *key)]
    });
    let words = build.collect("words", joined, |_, joined| {
        joined
            .iter()
            .map(|part| (part % 3, u16::from(*part)))
            .collect::<Vec<_>>()
    });
    let report = build.rule("report", by_sum, move |cx, sum| {
        let sizes = if sum % 3 == 0 {
            cx.entries(by_sum).len()
        } else {
            0
        };
        let twin = cx.get(by_sum, &(sum + 1)).map_or(0, |group| group.len());
        let words: Vec<_> = cx.items(words, &((sum % 3) as u8)).collect();
        format!("{:?} {twin} {sizes} {words:?}", cx.get(by_sum, sum))
    });
    build.watch(report);
    let mut engine = build.build();
    engine.set_threads(threads);
    Program {
        engine,
        row,
        name,
        joined,
        large,
        by_sum,
        report,
    }
}

fn contents<R: Relation>(engine: &Engine, relation: R) -> Vec<(R::Key, R::Value)> {
    let entries = engine.entries(relation).into_iter();
    entries
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn everything(program: &Program) -> impl PartialEq + std::fmt::Debug {
    let engine = &program.engine;
    let footprint = engine.footprint();
    (
        contents(engine, program.joined),
        contents(engine, program.large),
        contents(engine, program.by_sum),
        contents(engine, program.report),
        (footprint.cells, footprint.reads),
    )
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        6 => (any::<u8>(), proptest::option::weighted(0.7, (0u8..6, 0u8..12)))
            .prop_map(|(key, row)| Edit::Row(key % 40, row)),
        3 => (0u8..12, proptest::option::weighted(0.7, 0u8..9))
            .prop_map(|(key, name)| Edit::Name(key, name)),
        2 => Just(Edit::Run),
    ];
    proptest::collection::vec(edit, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn incremental_equals_fresh(edits in edits(), backwards in any::<bool>()) {
        let mut program = program(1);
        let mut rows = BTreeMap::new();
        let mut names = BTreeMap::new();
        let mut sink = BTreeMap::new();
        for edit in edits {
            match edit {
                Edit::Row(key, row) => {
                    program.engine.set(program.row, key, row);
                    rows.insert(key, row);
                }
                Edit::Name(key, name) => {
                    program.engine.set(program.name, key, name);
                    names.insert(key, name);
                }
                Edit::Run => program.engine.run(),
            }
            for change in program.engine.changes(program.report) {
                prop_assert_eq!(sink.get(&change.key), change.old.as_ref());
                match change.new {
                    Some(text) => sink.insert(change.key, text),
                    None => sink.remove(&change.key),
                };
            }
        }
        program.engine.run();

        let mut fresh = self::program(2);
        let mut steps: Vec<_> = rows.into_iter().collect();
        if backwards {
            steps.reverse();
        }
        for (key, row) in steps {
            fresh.engine.set(fresh.row, key, row);
        }
        for (key, name) in names {
            fresh.engine.set(fresh.name, key, name);
        }
        fresh.engine.run();
        prop_assert_eq!(everything(&program), everything(&fresh));

        for change in program.engine.changes(program.report) {
            match change.new {
                Some(text) => sink.insert(change.key, text),
                None => sink.remove(&change.key),
            };
        }
        let report: BTreeMap<_, _> = contents(&fresh.engine, fresh.report).into_iter().collect();
        prop_assert_eq!(sink, report);
    }
}

/// The number of threads cannot be seen in the result.
#[test]
fn threads_agree() {
    let run = |threads| {
        let mut build = Builder::new();
        let item = build.input::<u32, u32>("item");
        let next = build.rule("next", item, move |cx, key| {
            let find = |key: u32| cx.get(item, &key).copied().unwrap_or(1);
            find(*key)
                .wrapping_mul(31)
                .wrapping_add(find(key.wrapping_add(1)))
        });
        let by_rest = build.collect("rest", next, |key, value| [(value % 97, *key)]);
        let mut engine = build.build();
        engine.set_threads(threads);
        for key in 0..20_000u32 {
            engine.set(item, key.wrapping_mul(2_654_435_761) % 50_000, Some(key));
        }
        engine.run();
        (contents(&engine, next), contents(&engine, by_rest))
    };
    assert_eq!(run(1), run(4));
}
