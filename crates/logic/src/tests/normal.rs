//! Normal forms of chosen expressions, as text.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use insta::assert_snapshot;

use crate::{
    Constant, Environment, Expr, Limits, NormalError, NormalForm, Str, Symbols, parse_match,
};

/// A world of a few sets.
#[derive(Default)]
pub(super) struct World {
    pub(super) sets: BTreeMap<&'static str, Vec<Constant>>,
    pub(super) groups: BTreeMap<&'static str, Vec<Str>>,
}

impl Environment for World {
    fn address_set(&self, name: &str) -> Option<Arc<[Constant]>> {
        self.sets.get(name).map(|members| members.as_slice().into())
    }

    fn port_group(&self, name: &str) -> Option<Arc<[Str]>> {
        self.groups.get(name).map(|ports| ports.as_slice().into())
    }

    fn port_key(&self, name: &str) -> Option<u32> {
        name.strip_prefix('p')
            .and_then(|number| number.parse().ok())
    }

    fn is_resident(&self, port: &str) -> bool {
        port == "here"
    }
}

pub(super) fn world() -> World {
    let set = |members: &[&str]| -> Vec<Constant> {
        members
            .iter()
            .map(|m| m.parse().expect("a constant"))
            .collect()
    };
    World {
        sets: BTreeMap::from([
            (
                "some",
                set(&["10.0.0.1", "10.0.0.2", "192.168.0.0/16", "fd00::1"]),
            ),
            ("macs", set(&["00:00:00:00:00:01", "00:00:00:00:00:02"])),
            ("none", Vec::new()),
        ]),
        groups: BTreeMap::from([
            ("pg", vec!["p1".into(), "p2".into(), "elsewhere".into()]),
            ("empty", Vec::new()),
        ]),
    }
}

pub(super) fn expr(text: &str) -> Expr {
    parse_match(text, Symbols::ovn()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn show(form: &NormalForm) -> String {
    let mut out = String::new();
    for conjunct in &form.conjuncts {
        writeln!(out, "  {conjunct}").expect("a string takes everything");
    }
    for conjunctive in &form.conjunctives {
        writeln!(out, "  all of, with {}", conjunctive.common).expect("a string takes everything");
        for (i, dimension) in conjunctive.dimensions.iter().enumerate() {
            for conjunct in dimension {
                writeln!(out, "    {}: {conjunct}", i + 1).expect("a string takes everything");
            }
        }
    }
    out
}

fn report(texts: &[&str], limits: Limits) -> String {
    let line = |text: &&str| match expr(text).normalise(&world(), limits) {
        Ok(form) => format!("{text}\n{}", show(&form)),
        Err(error) => format!("{text}\n  error: {error}\n"),
    };
    texts.iter().map(line).collect()
}

#[test]
fn flat_forms() {
    let texts = [
        "1",
        "0",
        "ip4",
        "tcp",
        "ip4 && tcp.dst == 80",
        "ip4 && ip6",
        "ip4.src == 10.0.0.0/8 && ip4.src == 10.1.0.0/16",
        "ip4.src == 10.0.0.0/8 || ip4.src == 10.1.0.0/16",
        "tcp.dst < 5 && ip4",
        "0 < ip4.dst[0..2] < 5",
        "ip4.dst[0..2] != {0, 1, 2, 3}",
        "ip4 && !(tcp.dst == 80) && tcp.dst[4..15] == 0x5",
        "inport == \"p7\"",
        "inport == \"unknown\"",
        "inport == @pg",
        "inport == @empty",
        "eth.src == $macs",
        "ip4.src == $some",
        "ip6.src == $some",
        "ip4.src != $none",
        "is_chassis_resident(\"here\") && eth.mcast",
        "is_chassis_resident(\"there\") && eth.mcast",
        "xxreg0 == fd00::1",
        "xreg0[16..47] == 0xabcd1234",
        "ct.est && !ct.rel",
        "ip4.src == $missing",
        "inport == @missing",
        "nd_ns && nd.target == fd00::1",
        "ip4.src == 0.0.0.0/0",
    ];
    assert_snapshot!(report(&texts, Limits::flat(1000)));
}

#[test]
fn big_products_stay_products() {
    let texts = [
        "inport == {\"p1\", \"p2\", \"p3\"} && ip4.src == {10.0.0.1, 10.0.0.2, 10.0.0.3} \
         && tcp.dst == {80, 443}",
        // Addresses of both families against ports: one product a family.
        "(ip4.src == {10.0.0.1, 10.0.0.2, 10.0.0.3} || ip6.src == {fd00::1, fd00::2, fd00::3}) \
         && udp.dst == {53, 67, 68, 123}",
        // The same field twice is multiplied, not a dimension of its own.
        "ip4.src == {10.0.0.1, 10.0.0.2} && ip4.src == {10.0.0.2, 10.0.0.3}",
        // Small enough to multiply out.
        "ip4.src == {10.0.0.1, 10.0.0.2} && tcp.dst == {1, 2}",
    ];
    assert_snapshot!(report(&texts, Limits::default()));
}

#[test]
fn the_size_is_bounded() {
    let limits = Limits::flat(100);
    let error = expr("tcp.src != 5 && tcp.dst != 7 && ip4").normalise(&world(), limits);
    assert_eq!(error, Err(NormalError::TooLarge { limit: 100 }));
    // The complement of many addresses is no product of complements.
    let members: Vec<String> = (0..500u32)
        .map(|i| format!("10.{}.{}.1", i / 250, i % 250))
        .collect();
    let text = format!("ip4.src != {{{}}}", members.join(", "));
    let form = expr(&text)
        .normalise(&world(), Limits::default())
        .expect("within bounds");
    assert!(form.len() < 500 * 25, "{}", form.len());
}

#[test]
fn conjunctions_multiply_out_to_the_flat_form() {
    let text = "inport == {\"p1\", \"p2\", \"p3\"} && ip4.src == {10.0.0.1, 10.0.0.2, 10.0.0.3} \
                && tcp.dst == {80, 443}";
    let world = world();
    let form = expr(text)
        .normalise(&world, Limits::default())
        .expect("small");
    let [conjunctive] = form.conjunctives.as_slice() else {
        panic!("{form:?}")
    };
    assert!(form.conjuncts.is_empty());
    let flat = expr(text)
        .normalise(&world, Limits::flat(1000))
        .expect("small");
    assert_eq!(
        conjunctive.multiply_out(Limits::flat(1000)),
        Ok(flat.conjuncts)
    );
}

/// Everything that a form is made of, as text, each once.
fn members(form: &NormalForm) -> std::collections::BTreeSet<String> {
    let dimensions = form
        .conjunctives
        .iter()
        .flat_map(|c| c.dimensions.iter().enumerate());
    let parts =
        dimensions.flat_map(|(at, dimension)| dimension.iter().map(move |c| format!("{at}: {c}")));
    let conjuncts = form.conjuncts.iter().map(ToString::to_string);
    parts.chain(conjuncts).collect()
}

#[test]
fn one_member_more_is_one_flow_more() {
    let texts = [
        "ip4.src == $set",
        "ip4.src == $set && tcp.dst == {80, 443} && inport == @pg",
        "inport == {\"p1\", \"p2\", \"p3\"} && ip4.dst == {$set, 192.0.2.1}",
        "(ip4.src == $set || ip6.src == $v6) && udp.dst == {53, 67, 68, 123}",
        "ip4.src == $set && !(tcp.dst == 80)",
    ];
    for text in texts {
        let normal = |count: u32| {
            let mut world = world();
            // Neighbours, so that a form which made prefixes of them would be found out.
            let set = (0..count).map(|n| std::net::Ipv4Addr::from_bits(0x0a01_0000 + n).into());
            let v6 = (1..40).map(|n| std::net::Ipv6Addr::from_bits(n << 64).into());
            world.sets.insert("set", set.collect());
            world.sets.insert("v6", v6.collect());
            let form = expr(text).normalise(&world, Limits::default());
            members(&form.expect("within bounds"))
        };
        let (before, after) = (normal(100), normal(101));
        assert_eq!(before.difference(&after).count(), 0, "{text}");
        let new: Vec<_> = after.difference(&before).collect();
        assert_eq!(new.len(), 1, "{text}: {new:?}");
    }
}

#[test]
fn ports_of_connections() {
    let text = "(ip4 && tcp.dst == 80 && tcp.src < 3) || sctp || tcp.flags == 2 || ct_proto == 1";
    let expr = parse_match(text, Symbols::ct_translation()).expect("parses");
    let form = expr.normalise(&world(), Limits::flat(100)).expect("small");
    assert_snapshot!(show(&form));
}
