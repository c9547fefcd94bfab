//! Template variables: what they stand for, and where errors are.

use std::collections::BTreeMap;

use insta::assert_snapshot;

use crate::{Str, Symbols, Variables, check_match, expand_actions, expand_match, variables};

fn values() -> BTreeMap<Str, Str> {
    let pairs = [
        ("VIP", "10.0.0.1"),
        ("vip.port", "80"),
        ("BACKENDS", "10.0.0.2:80,10.0.0.3:80"),
        ("HALF", "== 80 && ip4.src"),
        ("NOTHING", ""),
        ("AGAIN", "^VIP"),
        ("BAD", "10.0.0.300"),
        ("OPEN", "\"p1"),
    ];
    pairs
        .map(|(name, value)| (name.into(), value.into()))
        .into()
}

#[test]
fn matches_with_variables() {
    let line = |text: &&str| match expand_match(text, Symbols::ovn(), &values()) {
        Ok(expr) => format!("{text}\n    {expr}\n"),
        Err(error) => format!("{text}\n    {error}\n"),
    };
    let texts = [
        "ip4.dst == ^VIP && tcp.dst == ^vip.port",
        "ip4.dst == {^VIP,10.0.0.9} // ^NOTHING",
        "ip4.dst == ^VIP/32",
        "inport == \"^VIP\" /* ^VIP */",
        "tcp.dst ^HALF == ^VIP",
        "ip4 ^NOTHING",
        "ip4 && ^NOTHING",
        "ip4.dst == ^VPI",
        "ip4.dst == ^x",
        "ip4.dst == ^",
        "ip4.dst == ^9",
        "^AGAIN == ip4.src",
        "ip4.src == ^BAD",
        "ip4.src == ^VIP && tpc",
        "ip4.src == ^BACKENDS && tcp",
        "inport == ^OPEN && ip4",
        "inport == \"^VIP",
        "ä == ^VIP",
    ];
    assert_snapshot!(texts.iter().map(line).collect::<String>());
}

#[test]
fn actions_with_variables() {
    let line = |text: &&str| match expand_actions(text, Symbols::ovn(), &values()) {
        Ok(actions) => format!("{text}\n    {actions}\n"),
        Err(error) => format!("{text}\n    {error}\n"),
    };
    let texts = [
        "ct_lb_mark(backends=^BACKENDS; skip_snat);",
        "reg0 = ^VIP; reg1[0..15] = ^vip.port; next;",
        "reg0 = ^BAD; next;",
        "ct_dnat(^VPI);",
        "reg0 = ^VIP; nxt;",
    ];
    assert_snapshot!(texts.iter().map(line).collect::<String>());
}

#[test]
fn the_names_are_known_beforehand() {
    let names = |text| variables(text).expect("tokens");
    assert_eq!(
        names("ip4.dst == ^VIP && tcp.dst == ^vip.port || ip4.dst == ^VIP"),
        ["VIP", "vip.port"]
    );
    assert_eq!(names("inport == \"^VIP\" /* ^no */"), [""; 0]);
    assert_eq!(names("ip4"), [""; 0]);
}

#[test]
fn a_match_is_checked_as_far_as_it_can_be() {
    let check = |text| check_match(text, Symbols::ovn()).map_err(|error| error.to_string());
    assert_eq!(check("ip4.dst == ^VIP"), Ok(()));
    assert_eq!(check("ip4"), Ok(()));
    assert!(check("ip4 &&").is_err());
    let open = check("ip4.dst == ^VIP && inport == \"p").expect_err("no end");
    assert!(open.contains("close it"), "{open}");
    assert!(check("ip4.dst == ^VIP && ä").is_err());
}

/// A value of a megabyte, which a text may name again and again.
struct Large;

impl Variables for Large {
    fn value(&self, _: &str) -> Option<Str> {
        Some(" ".repeat(400_000).into())
    }
}

#[test]
fn what_values_make_is_bounded() {
    let text = "^a ".repeat(1000) + "ip4";
    let error = expand_match(&text, Symbols::ovn(), &Large).expect_err("too large");
    assert_eq!(error.column, 7);
    assert!(error.message.contains("more than 1048576 bytes"), "{error}");
}
