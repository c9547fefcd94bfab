//! Documents with something wrong: each problem names place, object, what is wrong and what to do.

use api::read;

const GOOD: &str = "\
version: 1
switches:
  web:
    subnets: [10.0.1.0/24, fd00:1::/64]
    dhcp: {router: 10.0.1.1}
    ports:
      web1: {addresses: [10.0.1.11, fd00:1::11]}
      web2: {addresses: [10.0.1.12]}
    acls:
      - {name: a, direction: to-lport, priority: 1, match: ip4, action: drop}
routers:
  edge:
    ports:
      web: [10.0.1.1/24]
    routes:
      - {to: 0.0.0.0/0, via: 10.0.1.254}
port_groups:
  all: {ports: [web1, web2]}
address_sets:
  office: [192.0.2.0/24, 192.0.2.7]
testbed:
  hypervisors: [hv1]
  machines: {web1: {on: hv1}, web2: {on: hv1, addressing: dhcp}}
  expectations:
    - {from: web1, to: web2, probe: tcp/80, should: pass}
";

/// The problems of the good document with `from` replaced by `to`.
fn problems(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "{from} is in the document");
    match read(&GOOD.replacen(from, to, 1)) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_good_document_and_the_example_are_read() {
    assert_eq!(problems("version", "version"), [""; 0]);
    let example = include_str!("../../../examples/two-tier.yaml");
    let document = read(example).expect("the example is right");
    let testbed = document.testbed.expect("the example has a testbed");
    assert!(testbed.expectations.len() >= 20);
}

#[test]
fn each_mistake_has_one_message_with_place_object_and_remedy() {
    let cases = [
        (
            "subnets:",
            "subnet:",
            &[
                "4:5: switch web: unknown key `subnet`; the keys here are subnets, dhcp, ports, acls",
            ][..],
        ),
        (
            "version: 1",
            "version: 2",
            &["1:10: the document: version 2 is not known; write 1"],
        ),
        (
            "priority: 1,",
            "",
            &["10:9: ACL a: `priority` is missing; add `priority:` with a number from 0 to 32767"],
        ),
        (
            "priority: 1,",
            "priority: 40000,",
            &["10:50: ACL a: priority 40000 is too high; write 0 to 32767"],
        ),
        (
            "fd00:1::11]",
            "fd00:2::11]",
            &[
                "7:37: port web1: address fd00:2::11 is not in a subnet of switch web (10.0.1.0/24, fd00:1::/64); use an address of one of them, or add the subnet",
            ],
        ),
        (
            "10.0.1.12",
            "10.0.1.255",
            &[
                "8:26: port web2: 10.0.1.255 is the network or broadcast address of 10.0.1.0/24; use another address",
            ],
        ),
        (
            "10.0.1.12",
            "10.0.1.11",
            &[
                "8:26: port web2: address 10.0.1.11 is also that of port web1 on switch web; give each its own",
            ],
        ),
        (
            "10.0.1.12",
            "10.0.1.1",
            &[
                "8:26: port web2: address 10.0.1.1 is also that of port of router edge on switch web; give each its own",
            ],
        ),
        (
            "10.0.1.0/24",
            "10.0.1.0/33",
            &[
                "4:15: switch web: `subnets` holds `10.0.1.0/33`; write an address or prefix such as 10.0.1.0/24 or fd00::/64",
            ],
        ),
        (
            "web2: {",
            "web1: {",
            &[
                "8:7: the document: the name `web1` stands here a second time; rename this one or the one at 7:7",
            ],
        ),
        (
            "web: [10.0.1.1/24]",
            "wob: [10.0.1.1/24]",
            &[
                "14:7: port of router edge on switch wob: there is no such switch; add it to `switches`, or correct the name",
            ],
        ),
        (
            "via: 10.0.1.254",
            "via: 10.9.1.254",
            &[
                "16:30: route 0.0.0.0/0 of router edge: no port of the router is on the network of 10.9.1.254; use a next hop that is on a network of the router",
            ],
        ),
        (
            "[web1, web2]",
            "[web1, web9]",
            &[
                "18:23: port group all: there is no port web9; add the port to a switch, or take it out of the group",
            ],
        ),
        (
            "action: drop",
            "action: explode",
            &[
                "10:73: ACL a: `explode` is not known; write one of allow, allow-related, allow-stateless, drop, reject",
            ],
        ),
        (
            "action: drop",
            "action: pass",
            &[
                "10:73: ACL a: `pass` is not known; write one of allow, allow-related, allow-stateless, drop, reject",
            ],
        ),
        (
            "name: a,",
            "name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,",
            &[
                "10:16: ACL aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa of switch web: the name has 64 characters; use at most 63",
            ],
        ),
        (
            "on: hv1}, web2",
            "on: hv7}, web2",
            &["23:25: machine web1: there is no hypervisor hv7; add it to `hypervisors`"],
        ),
        (
            "probe: tcp/80",
            "probe: tcp/0",
            &["25:37: expectation: probe `tcp/0` is not known; write ping, tcp/PORT or udp/PORT"],
        ),
    ];
    let mut wrong = Vec::new();
    for (from, to, expected) in cases {
        let found = problems(from, to);
        if !expected
            .iter()
            .all(|line| found.iter().any(|found| found == line))
        {
            wrong.push(format!("{from} -> {to} gave {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_match_that_does_not_parse_is_refused_where_it_stands() {
    let found = problems("match: ip4", "match: ip4.src == ");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].starts_with("10:60: ACL a of switch web: its match does not parse: "),
        "{found:?}"
    );
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_text() {
    let text = GOOD
        .replace("10.0.1.12", "10.9.1.12")
        .replace("version: 1", "version: 3");
    let problems = read(&text).expect_err("two things are wrong");
    let lines: Vec<usize> = problems.iter().map(|problem| problem.at.line).collect();
    assert_eq!(lines, [1, 8]);
}

#[test]
fn text_that_is_no_yaml_is_one_problem_with_a_place() {
    for text in [
        "",
        "version: [",
        "- 1",
        "a: b: c",
        "\u{0}",
        "version: 1\n\t- x",
        "? [a]\n: b",
    ] {
        let problems = read(text).expect_err("this is no document");
        assert!(!problems.is_empty(), "{text:?}");
    }
}

proptest::proptest! {
    /// Whatever stands in a file, reading it ends in a document or in problems.
    #[test]
    fn no_text_makes_reading_panic(text in "(version: 1\n)?([a-z:\\-\\[\\]{}, \n\"'0-9./#&*|>]{0,80})") {
        let _ = read(&text);
    }
}
