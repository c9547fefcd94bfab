//! What runs after an edit, and that nothing is left behind.

use incremental::{Builder, Collected, Engine, Index, Input, Ran, Rule};

/// Ports of switches; a switch's rule lists its ports, a port's rule names its switch.
struct Net {
    engine: Engine,
    switch: Input<u32, &'static str>,
    port: Input<u32, (u32, u64)>,
    ports_of: Index<u32, u32>,
    label: Rule<u32, String>,
    size: Rule<u32, usize>,
    parity: Collected<bool, u32>,
    even: Rule<bool, usize>,
}

fn net() -> Net {
    let mut build = Builder::new();
    let switch = build.input("switch");
    let port = build.input::<u32, (u32, u64)>("port");
    let ports_of = build.index("ports of", port, |_, (switch, _)| [*switch]);
    let label = build.rule("label", port, move |cx, id| {
        let of = cx.get(port, id).map_or(0, |(switch, _)| *switch);
        format!("{}-{id}", cx.get(switch, &of).copied().unwrap_or("nowhere"))
    });
    let size = build.rule("size", switch, move |cx, id| cx.items(ports_of, id).count());
    let parity = build.collect("parity", size, |id, size| [(size % 2 == 0, *id)]);
    let even = build.rule("even", parity, move |cx, kind| {
        cx.items(parity, kind).count()
    });
    build.watch(label);
    build.watch(size);
    let mut engine = build.build();
    engine.set_log(true);
    Net {
        engine,
        switch,
        port,
        ports_of,
        label,
        size,
        parity,
        even,
    }
}

fn ran(rule: &'static str, key: impl std::fmt::Debug) -> Ran {
    Ran {
        rule,
        key: format!("{key:?}"),
    }
}

#[test]
fn an_edit_runs_only_what_read_it() {
    let mut net = net();
    for switch in 0..10 {
        net.engine.set(net.switch, switch, Some("s"));
        for port in 0..100 {
            net.engine
                .set(net.port, switch * 100 + port, Some((switch, 0)));
        }
    }
    net.engine.run();
    assert_eq!(net.engine.log().len(), 1000 + 10 + 1);

    net.engine.set(net.port, 5000, Some((3, 0)));
    net.engine.run();
    let expected = [
        ran("label", 5000),
        ran("size", 3),
        ran("even", false),
        ran("even", true),
    ];
    assert_eq!(net.engine.log(), expected);
    assert_eq!(net.engine.get(net.size, &3), Some(&101));
}

#[test]
fn an_equal_output_stops_the_wave() {
    let mut net = net();
    net.engine.set(net.switch, 1, Some("a"));
    net.engine.set(net.port, 7, Some((1, 0)));
    net.engine.run();
    net.engine.log();
    net.engine.changes(net.label);

    net.engine.set(net.port, 7, Some((1, 99)));
    net.engine.run();
    assert_eq!(
        net.engine.log(),
        [ran("label", 7)],
        "the label is the same, the index too"
    );
    assert_eq!(net.engine.changes(net.label), []);

    net.engine.set(net.port, 7, None);
    net.engine.set(net.port, 7, Some((1, 99)));
    net.engine.run();
    assert_eq!(net.engine.log(), [], "an edit that was taken back is none");
}

#[test]
fn a_look_up_that_found_nothing_is_remembered() {
    let mut net = net();
    net.engine.set(net.port, 7, Some((4, 0)));
    net.engine.run();
    assert_eq!(net.engine.get(net.label, &7).unwrap(), "nowhere-7");
    net.engine.set(net.switch, 4, Some("d"));
    net.engine.run();
    assert_eq!(net.engine.get(net.label, &7).unwrap(), "d-7");
    assert_eq!(net.engine.get(net.size, &4), Some(&1));
    assert_eq!(net.engine.get(net.even, &false), Some(&1));
    assert_eq!(net.engine.get(net.parity, &true), None);
    assert!(net.engine.get(net.ports_of, &4).unwrap().contains(&7));
}

#[test]
fn changes_are_coalesced_over_runs() {
    let mut net = net();
    for label in ["a", "b", "c"] {
        net.engine.set(net.switch, 1, Some(label));
        net.engine.set(net.port, 7, Some((1, 0)));
        net.engine.run();
    }
    let changes = net.engine.changes(net.label);
    assert_eq!(changes.len(), 1);
    assert_eq!(
        (changes[0].old.as_deref(), changes[0].new.as_deref()),
        (None, Some("c-7"))
    );
    net.engine.set(net.port, 7, None);
    net.engine.run();
    net.engine.set(net.port, 7, Some((1, 5)));
    net.engine.run();
    assert_eq!(net.engine.changes(net.label), [], "it came back as it was");
}

#[test]
fn membership_wakes_only_when_keys_come_or_go() {
    let mut build = Builder::new();
    let item = build.input::<u32, u32>("item");
    let one = build.input::<(), ()>("one");
    let keys = build.rule("keys", one, move |cx, ()| cx.keys(item).len());
    let sum = build.rule("sum", one, move |cx, ()| {
        cx.entries(item)
            .into_iter()
            .map(|(_, value)| value)
            .sum::<u32>()
    });
    let mut engine = build.build();
    engine.set(one, (), Some(()));
    engine.set(item, 1, Some(10));
    engine.run();
    engine.set_log(true);
    engine.set(item, 1, Some(20));
    engine.run();
    assert_eq!(engine.log(), [ran("sum", ())]);
    engine.set(item, 2, Some(0));
    engine.run();
    assert_eq!(engine.log(), [ran("keys", ()), ran("sum", ())]);
    assert_eq!(
        (engine.get(keys, &()), engine.get(sum, &())),
        (Some(&2), Some(&20))
    );
}

/// A million keys come and go, each leaving look-ups that found nothing; nothing stays.
#[test]
fn what_goes_leaves_nothing() {
    let mut net = net();
    net.engine.set_log(false);
    net.engine.set(net.switch, 0, Some("a"));
    net.engine.run();
    net.engine.changes(net.size);
    let before = net.engine.footprint();
    for round in 0..10u32 {
        let keys = round * 100_000..(round + 1) * 100_000;
        for port in keys.clone() {
            net.engine.set(net.port, port, Some((port % 5_000, 0)));
        }
        net.engine.run();
        assert!(net.engine.footprint().cells > 200_000);
        for port in keys {
            net.engine.set(net.port, port, None);
        }
        net.engine.run();
        assert_eq!(net.engine.changes(net.label), []);
    }
    let after = net.engine.footprint();
    assert_eq!((before.cells, before.reads), (after.cells, after.reads));
    assert!(after.capacity <= 20_000, "kept: {after:?}");
}

#[test]
fn a_handle_of_another_engine_finds_nothing() {
    let mut other = Builder::new();
    for _ in 0..20 {
        other.input::<String, String>("x");
    }
    let stranger = other.input::<String, String>("x");
    let mut net = net();
    net.engine.set(stranger, "a".into(), Some("b".into()));
    net.engine.run();
    assert_eq!(net.engine.get(stranger, &"a".into()), None);
}
