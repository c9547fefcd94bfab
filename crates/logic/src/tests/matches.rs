//! Match expressions: normalised text, and errors that a person understands.

use insta::assert_snapshot;

use crate::{Level, Symbols, parse_match};

/// One line a text: what it prints as, or what is wrong with it.
fn report(texts: &[&str]) -> String {
    let line = |text: &&str| match parse_match(text, Symbols::ovn()) {
        Ok(expr) => {
            let printed = expr.to_string();
            let again = parse_match(&printed, Symbols::ovn()).expect("what is printed parses");
            assert_eq!(again, expr, "{text} -> {printed}");
            format!("{text}\n    {printed}\n")
        }
        Err(error) => format!("{text}\n    {error}\n"),
    };
    texts.iter().map(line).collect()
}

#[test]
fn normalised_text() {
    assert_snapshot!(report(&[
        "1",
        "ip4",
        "ip4 && tcp.dst==80",
        "80 == tcp.dst",
        "0 < tcp.dst <= 5",
        "5 >= tcp.dst > 0",
        "tcp.dst == {80, 443 8080,}",
        "ip4.src == {10.0.0.0/8, $set1 192.168.0.0/255.255.0.0}",
        "ip4.src != $set1",
        "inport == @pg && outport == \"a\\\"b\"",
        "{\"a\", \"b\"} == inport",
        "!(ip4.src == 10.0.0.1)",
        "!(!(ip4.src == 10.0.0.1))",
        "!ct.new && ct.est == 1 && ct.rel == 0 && ct.rpl != 0",
        "ip4.dst[28..31] == 0xe || eth.dst[40]",
        "(ip4 || ip6) && (tcp || (udp && (udp.dst == 53)))",
        "is_chassis_resident(\"cr-lr0\") && !is_chassis_resident(\"x\")",
        "eth.dst == 01:00:00:00:00:00/01:00:00:00:00:00",
        "ip6.src == fe80::/10 && ip6.dst == ::ffff:10.0.0.1",
        "xxreg0[0..31] == 0x1 && xreg1 != 2/3 && reg0[5] == 1",
        "ip.proto == 6 // a comment",
        "ip4 /* in between */ && icmp4.type == 8",
        "!(inport != \"eth0\")",
        "vlan.vid == 5 && vlan.pcp == 3",
        "!tcp.dst",
        "!ip.proto && !(reg0 || ip4)",
        "ip4 == 1",
    ]));
}

#[test]
fn errors_name_the_place_and_the_remedy() {
    assert_snapshot!(report(&[
        "",
        "ip4 &&",
        "ip4 & tcp",
        "ip4 && tcp || udp",
        "ip5",
        "ip4.src == 10.0.0.300",
        "ip4.src == 10.0.0.1/24",
        "ip4.src == 10.0.0.0/33",
        "ip4.src == fe80::1",
        "ip6.src == 10.0.0.1",
        "tcp.dst == 65536",
        "tcp.dst",
        "!tcp.dst == 80",
        "!tcp",
        "ip.proto != 6",
        "!(ip.proto == 6)",
        "eth.type < 5",
        "inport == 5",
        "inport == eth0",
        "tcp.dst == \"http\"",
        "tcp.dst < {1, 2}",
        "tcp.dst < 0x10/0xf0",
        "0 < tcp.dst > 5",
        "tcp.dst < 5 < 6",
        "ip.proto[0] == 1",
        "ip4.src[32]",
        "ip4.src[5..2] == 0",
        "ip4.src == {}",
        "ip4.src == ^BACKENDS",
        "tcp.dts == 80",
        "ipv4.src == 10.0.0.1",
        "is_chassis_residant(\"x\")",
        "resident(\"x\")",
        "!inport",
        "!(tcp.dst) == 5",
        "ip.proto == 6/7",
        "tcp.dst == {80, \"http\"}",
        "tcp.dst == $set/24",
        "ct_proto == 6",
        "(ip4",
        "ip4)",
        "ip4 == 2",
        "1 == ip4",
        "inport == \"eth0",
        "ip4 /* never closed",
        "is_chassis_resident(x)",
        "icmp4.frag_mtu == 5",
        "ip4.src == $",
        "ip4.src == ä",
        "tcp.dst == 99999999999999999999",
        "reg0 == 0x",
        "eth.src == 00:11:22:33:44",
    ]));
}

#[test]
fn nesting_is_bounded() {
    let deep = format!("{}ip4{}", "(".repeat(5000), ")".repeat(5000));
    let error = parse_match(&deep, Symbols::ovn()).expect_err("too deep");
    assert!(error.message.contains("nest deeper than 100"), "{error}");
    let deep = format!("{}ct.new", "!".repeat(5000));
    let error = parse_match(&deep, Symbols::ovn()).expect_err("too deep");
    assert!(error.message.contains("nests deeper than 100"), "{error}");
}

#[test]
fn references_are_complete() {
    let text = "inport == {@pg1, \"p\"} && ip4.src == {$as1, 10.0.0.1} && !(ip6.src == $as2) \
                && is_chassis_resident(\"r\")";
    let references = parse_match(text, Symbols::ovn())
        .expect("parses")
        .references();
    assert_eq!(
        references
            .address_sets
            .iter()
            .map(|s| s.as_str())
            .collect::<Vec<_>>(),
        ["as1", "as2"]
    );
    assert_eq!(
        references
            .port_groups
            .iter()
            .map(|s| s.as_str())
            .collect::<Vec<_>>(),
        ["pg1"]
    );
    assert_eq!(
        references
            .ports
            .iter()
            .map(|s| s.as_str())
            .collect::<Vec<_>>(),
        ["p"]
    );
    assert_eq!(
        references
            .residents
            .iter()
            .map(|s| s.as_str())
            .collect::<Vec<_>>(),
        ["r"]
    );
}

#[test]
fn predicates_are_nominal_when_anything_in_them_is() {
    let level = |name| Symbols::ovn().find(name).expect("a symbol").level();
    assert_eq!(level("ip4"), Level::Nominal);
    assert_eq!(level("nd"), Level::Nominal);
    assert_eq!(level("ip4.mcast"), Level::Boolean);
    assert_eq!(level("eth.bcast"), Level::Boolean);
    assert_eq!(level("ip.first_frag"), Level::Boolean);
    assert_eq!(level("ct.est"), Level::Ordinal);
}
