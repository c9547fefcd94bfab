//! Small networks and the flows that they come to, in the words of `ovs-ofctl`.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use model::Weak;
use openflow::Port;
use physical::{Diagnostic, Fact, FlowChange, Physical, Zone};
use support::{Net, address_set_fact, computed, flow_fact, template_fact, uuid};

/// The flows of these tables, without those that every switch has.
fn show(physical: &Physical, tables: &[u8]) -> String {
    let mut flows: Vec<_> = physical
        .flows()
        .filter(|(key, _)| tables.contains(&key.table))
        .collect();
    flows.sort_by(|a, b| a.0.cmp(b.0));
    let lines = flows.iter().filter(|(key, _)| !key.matches.is_empty());
    let lines = lines.map(|(key, body)| {
        // Cookies are UUIDs of names; they say nothing here.
        body.to_flow((*key).clone()).cookie(0).to_string()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn added(changes: &[FlowChange]) -> Vec<String> {
    let line = |change: &FlowChange| {
        assert_eq!(change.old, None, "{change:?}");
        let body = change.new.as_ref().unwrap();
        body.to_flow(change.key.clone()).cookie(0).to_string()
    };
    changes.iter().map(line).collect()
}

#[test]
fn ports_here_and_there() {
    let net = Net::new()
        .datapath("sw", 1, true)
        .local("sw", "vm", 1, 7)
        .remote("sw", "far", 2, "there")
        .zone(Zone::Port("vm".into()), 11)
        .zone(Zone::Dnat(uuid("sw")), 12)
        .zone(Zone::Snat(uuid("sw")), 13);
    insta::assert_snapshot!(show(&computed(net.facts), &[0, 39, 40, 41, 64, 65]));
}

#[test]
fn a_router_joins_two_switches() {
    let net = Net::new()
        .datapath("sw0", 1, true)
        .datapath("sw1", 2, true)
        .datapath("lr", 3, false)
        .datapath("apart", 4, true)
        .local("sw0", "vm", 1, 7)
        .joined("sw0", "lr", 2)
        .joined("sw1", "lr", 3)
        .remote("apart", "other", 1, "there");
    let mut physical = computed(net.facts);
    let mut local: Vec<_> = physical.local_datapaths().collect();
    local.sort_unstable();
    let mut expected = ["sw0", "sw1", "lr"].map(uuid);
    expected.sort_unstable();
    assert_eq!(local, expected);
    insta::assert_snapshot!(show(&physical, &[65]));

    // Without a port here there is no reason to hold any of it.
    physical.apply(Fact::Interface("vm".into(), None));
    physical.apply(support::port_fact("sw0", "vm", 1, |_| {}));
    physical.run();
    assert_eq!(physical.local_datapaths().count(), 0);
    assert_eq!(show(&physical, &[65]), "");
}

#[test]
fn what_a_gateway_elsewhere_serves_is_not_held_here() {
    let net = |member: &str, always: &str| {
        let (group, options) = (uuid("group"), [("always-redirect", always)]);
        Net::new()
            .datapath("sw0", 1, true)
            .datapath("sw1", 2, true)
            .datapath("lr", 3, false)
            .local("sw0", "vm", 1, 7)
            .joined("sw0", "lr", 2)
            .joined("sw1", "lr", 3)
            .port_with("lr", "lr-sw1", 3, |row| {
                row.type_ = "patch".into();
                let pairs = [("peer", "sw1-lr"), ("chassis-redirect-port", "cr-lr-sw1")];
                row.options = support::map(&pairs);
            })
            .port_with("lr", "cr-lr-sw1", 4, |row| {
                row.type_ = "chassisredirect".into();
                row.options = support::map(&options);
                row.ha_chassis_group = Some(model::Strong::new(group));
            })
            .gateway("group", member)
    };
    let local = |net: Net| {
        let mut local: Vec<_> = computed(net.facts).local_datapaths().collect();
        local.sort_unstable();
        local
    };
    let sorted = |names: &[&str]| {
        let mut uuids: Vec<_> = names.iter().map(|name| uuid(name)).collect();
        uuids.sort_unstable();
        uuids
    };
    assert_eq!(local(net("there", "true")), sorted(&["sw0", "lr"]));
    let all = sorted(&["sw0", "sw1", "lr"]);
    assert_eq!(local(net("here", "true")), all, "it may be the gateway");
    assert_eq!(local(net("there", "false")), all, "not all goes there");
    // From behind the gateway all of it is reached.
    let behind = net("there", "true").local("sw1", "other", 9, 8);
    assert_eq!(local(behind), all);
}

#[test]
fn a_flow_for_a_port_elsewhere_is_not_read() {
    let flow = |port: &str| {
        let text = "this is no expression -> next;";
        match support::flow_fact("sw", "in:0", 50, text) {
            Fact::LogicalFlow(flow, Some(row)) => {
                let tags = support::map(&[("in_out_port", port)]);
                let row = model::sb::LogicalFlow {
                    tags,
                    ..(*row).clone()
                };
                Fact::LogicalFlow(flow, Some(std::sync::Arc::new(row)))
            }
            other => other,
        }
    };
    let net = |port| {
        let net = Net::new()
            .datapath("sw", 1, true)
            .local("sw", "vm", 1, 7)
            .remote("sw", "far", 2, "there")
            .fact(flow(port));
        computed(net.facts)
    };
    assert_eq!(net("far").diagnostics(), []);
    assert_eq!(net("nowhere").diagnostics(), []);
    assert_eq!(net("vm").diagnostics().len(), 1);
    // It is read when the port comes.
    let mut physical = net("far");
    physical.apply(Fact::Interface("far".into(), Some(openflow::Port(9))));
    physical.run();
    assert_eq!(physical.diagnostics().len(), 1);
}

#[test]
fn a_multicast_group_has_one_copy_a_chassis() {
    let net = Net::new()
        .datapath("sw", 1, true)
        .datapath("lr", 2, false)
        .local("sw", "vm", 1, 7)
        .remote("sw", "far1", 2, "there")
        .remote("sw", "far2", 3, "there")
        .remote("sw", "far3", 4, "elsewhere")
        .port_with("sw", "metadata", 5, |row| row.type_ = "localport".into())
        .joined("sw", "lr", 6)
        .zone(Zone::Port("vm".into()), 11)
        .multicast(
            "sw",
            "flood",
            32768,
            &["vm", "far1", "far2", "far3", "metadata", "sw-lr"],
        );
    insta::assert_snapshot!(show(&computed(net.facts), &[39, 40]));
}

#[test]
fn a_port_that_moves_is_in_two_places() {
    let net = Net::new()
        .datapath("sw", 1, true)
        .local("sw", "vm", 1, 7)
        .port_with("sw", "moving", 2, |row| {
            row.chassis = Some(Weak::new(uuid("there")));
            row.additional_chassis = [Weak::new(uuid("elsewhere"))].into_iter().collect();
        });
    insta::assert_snapshot!(show(&computed(net.facts), &[39]));
}

#[test]
fn a_wire_reaches_ports_elsewhere() {
    let net = Net::new()
        .datapath("sw", 1, true)
        .local("sw", "vm", 1, 7)
        .remote("sw", "far", 2, "there")
        .port_with("sw", "wire", 3, |row| {
            row.type_ = "localnet".into();
            row.tag = Some(10);
        })
        .fact(Fact::Patch("wire".into(), Some(Port(9))))
        .multicast("sw", "flood", 32768, &["vm", "far", "wire"]);
    insta::assert_snapshot!(show(&computed(net.facts), &[0, 39, 40, 41, 65]));
}

#[test]
fn nested_ports_share_a_wire() {
    let net = Net::new()
        .datapath("sw", 1, true)
        .local("sw", "vm", 1, 7)
        .port_with("sw", "container", 2, |row| {
            row.parent_port = Some("vm".into());
            row.tag = Some(42);
        });
    insta::assert_snapshot!(show(&computed(net.facts), &[0, 64, 65]));
}

#[test]
fn actions() {
    let net = Net::new()
        .datapath("sw", 1, true)
        .datapath("lr", 2, false)
        .local("sw", "vm", 1, 7)
        .joined("sw", "lr", 2)
        .flow(
            "sw",
            "in:0",
            9,
            "ip4 && inport == \"vm\" -> reg0[3] = 1; outport = \"sw-lr\"; next;",
        )
        .flow(
            "sw",
            "in:1",
            8,
            "ct.trk && ct.est -> ct_commit { ct_mark.blocked = 1; }; next(table=5);",
        )
        .flow(
            "sw",
            "in:2",
            7,
            "arp.op == 1 -> eth.dst <-> eth.src; flags.loopback = 1; output;",
        )
        .flow(
            "sw",
            "in:3",
            6,
            "tcp.dst == 80 -> ct_lb_mark(backends=10.0.0.2:80,10.0.0.3:80);",
        )
        .flow(
            "sw",
            "in:4",
            5,
            "1 -> reg0[15] = check_in_port_sec(); next;",
        )
        .flow(
            "sw",
            "out:2",
            4,
            "ip6 -> outport = \"none\"; next(pipeline=ingress, table=4);",
        )
        .flow(
            "lr",
            "in:0",
            3,
            "arp -> reg9[2] = lookup_arp(inport, arp.spa, arp.sha); next;",
        )
        .flow("lr", "in:1", 2, "ip4 -> ip.ttl--; ct_snat(192.0.2.9);")
        .flow(
            "lr",
            "in:2",
            1,
            "ip4 -> arp { eth.dst = ff:ff:ff:ff:ff:ff; output; };",
        );
    let physical = computed(net.facts);
    assert_eq!(physical.diagnostics(), []);
    let tables: Vec<u8> = (8..16).chain([44]).collect();
    insta::assert_snapshot!(show(&physical, &tables));
    assert_eq!(physical.groups().len(), 1);
    insta::assert_snapshot!(physical.groups()[0].to_string());
}

#[test]
fn an_address_added_is_a_flow_added() {
    let flow = "inport == \"vm\" && ip4.src == $hosts -> next;";
    let net = Net::new()
        .datapath("sw", 1, true)
        .local("sw", "vm", 1, 7)
        .address_set("hosts", &["10.0.0.1", "10.0.0.5"])
        .address_set("others", &["10.0.9.1"])
        .flow("sw", "in:0", 1, flow)
        .flow("sw", "in:0", 2, "ip4.src == $others -> drop;");
    let mut physical = computed(net.facts);
    physical.changes();
    physical.set_log(true);
    physical.apply(address_set_fact(
        "hosts",
        &["10.0.0.1", "10.0.0.5", "10.0.0.9"],
    ));
    physical.run();
    assert_eq!(
        added(&physical.changes().flows),
        ["table=8, priority=1,ip,reg14=0x1,metadata=0x1,nw_src=10.0.0.9 actions=resubmit(,9)"]
    );
    let ran: Vec<_> = physical.log().into_iter().map(|ran| ran.rule).collect();
    assert_eq!(ran, ["addresses", "placed flow"]);
}

#[test]
fn large_products_become_conjunctions() {
    let many = "ip4.src == {10.0.0.1, 10.0.0.2, 10.0.0.4, 10.0.0.8} \
                && tcp.dst == {1, 2, 4, 8} && inport == \"vm\" -> next;";
    let net = Net::new()
        .datapath("sw", 1, true)
        .local("sw", "vm", 1, 7)
        .flow("sw", "in:0", 1, many);
    let physical = computed(net.facts);
    let text = show(&physical, &[8]);
    assert_eq!(
        text.lines()
            .filter(|line| line.contains("conjunction("))
            .count(),
        8,
        "{text}"
    );
    assert_eq!(
        text.lines()
            .filter(|line| line.contains("conj_id="))
            .count(),
        1,
        "{text}"
    );
}

#[test]
fn of_two_flows_with_one_key_the_smaller_uuid_wins() {
    let base = Net::new().datapath("sw", 1, true).local("sw", "vm", 1, 7);
    let rivals = ["ip4 -> next;", "ip4 -> drop;"].map(|text| flow_fact("sw", "in:0", 1, text));
    let id = |fact: &Fact| match fact {
        Fact::LogicalFlow(uuid, _) => *uuid,
        other => panic!("{other:?}"),
    };
    let winner = rivals.iter().min_by_key(|fact| id(fact)).unwrap();
    let cookie = u64::from(id(winner).as_fields().0);
    for order in [[0, 1], [1, 0]] {
        let facts = order.map(|at| rivals[at].clone());
        let physical = computed(base.facts.iter().cloned().chain(facts));
        let found: Vec<_> = physical.flows().filter(|(key, _)| key.table == 8).collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1.cookie, cookie);
    }
}

#[test]
fn what_cannot_be_said_is_left_out_alone() {
    let flows = [
        ("ip4 -> mirror(\"vm\");", "not supported: mirror"),
        ("ip4 && -> next;", "match: column 7: "),
        ("ip4 -> fly;", "actions: column 1: "),
        (
            "ip4.src == $nowhere -> next;",
            "address set $nowhere does not exist",
        ),
        (
            "ip4 -> next(table=77);",
            "there is no table 77 in this pipeline",
        ),
    ];
    let mut net = Net::new().datapath("sw", 1, true).local("sw", "vm", 1, 7);
    for (flow, _) in flows {
        net = net.flow("sw", "in:0", 1, flow);
    }
    let physical = computed(net.flow("sw", "in:0", 2, "ip4 -> next;").facts);
    assert_eq!(show(&physical, &[8]).lines().count(), 1);
    let diagnostics = physical.diagnostics();
    assert_eq!(diagnostics.len(), flows.len(), "{diagnostics:#?}");
    for (text, message) in flows {
        let flow = uuid(&format!("sw in:0 1 {text}"));
        let said = |d: &Diagnostic| d.flow == flow && d.message.starts_with(message);
        assert!(diagnostics.iter().any(said), "{text}: {diagnostics:#?}");
    }
}

#[test]
fn a_port_plugged_in_costs_what_it_touches() {
    let facts = support::stock();
    let mut physical = computed(facts.iter().cloned());
    physical.changes();
    physical.set_log(true);
    physical.apply(Fact::Interface("sw0-p3".into(), Some(Port(9))));
    physical.run();
    let mut counts: std::collections::BTreeMap<&str, usize> = Default::default();
    for ran in physical.log() {
        *counts.entry(ran.rule).or_default() += 1;
    }
    assert_eq!(counts.get("parsed flow"), None);
    assert_eq!(counts.get("common parts"), None);
    insta::assert_debug_snapshot!(counts);
    assert!(!physical.changes().flows.is_empty());
}

#[test]
fn template_variables_have_the_values_of_this_chassis() {
    let net = Net::new()
        .datapath("sw", 1, true)
        .local("sw", "vm", 1, 7)
        .template("here", &[("VIP", "10.0.0.1"), ("MARK", "5")])
        .template("there", &[("VIP", "10.0.0.2"), ("MARK", "6")])
        .flow(
            "sw",
            "in:3",
            10,
            "ip4.dst == ^VIP && tcp.dst == 80 -> reg0 = ^VIP; pkt.mark = ^MARK; next;",
        )
        .flow("sw", "in:4", 10, "ip4 -> next;");
    let mut physical = computed(net.facts);
    assert_eq!(
        show(&physical, &[8 + 3]),
        "table=11, priority=10,tcp,metadata=0x1,nw_dst=10.0.0.1,tp_dst=80 \
         actions=set_field:0xa000001->reg0,set_field:0x5->pkt_mark,resubmit(,12)"
    );
    physical.changes();

    // A new value changes the flow that uses it, and only that one is read again.
    physical.set_log(true);
    physical.apply(template_fact("here", &[("VIP", "10.0.0.3"), ("MARK", "5")]));
    physical.run();
    let read: Vec<_> = physical
        .log()
        .into_iter()
        .filter(|ran| ran.rule == "parsed flow")
        .collect();
    assert_eq!(read.len(), 1, "{read:?}");
    let changes = physical.changes().flows;
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert!(show(&physical, &[8 + 3]).contains("nw_dst=10.0.0.3"));

    // What others have is nothing to us.
    physical.apply(template_fact("there", &[]));
    physical.run();
    assert_eq!(
        physical
            .log()
            .iter()
            .filter(|ran| ran.rule == "parsed flow")
            .count(),
        0
    );

    // Without a value the flow is gone, and is told of.
    physical.apply(template_fact("here", &[("VPI", "10.0.0.3"), ("MARK", "5")]));
    physical.run();
    assert_eq!(show(&physical, &[8 + 3]), "");
    let messages: Vec<_> = physical
        .diagnostics()
        .into_iter()
        .map(|it| it.message)
        .collect();
    let message = "match: column 12: the template variable ^VIP has no value here; did you mean `VPI`? (at `^VIP`)";
    assert_eq!(messages, [message]);
    physical.apply(template_fact("here", &[("VIP", "nonsense"), ("MARK", "5")]));
    physical.run();
    let messages: Vec<_> = physical
        .diagnostics()
        .into_iter()
        .map(|it| it.message)
        .collect();
    assert!(
        messages[0].ends_with("here ^VIP is `nonsense` (at `^VIP`)"),
        "{messages:?}"
    );
}

#[test]
fn ports_of_connections_by_a_tag() {
    let Fact::LogicalFlow(id, Some(row)) = flow_fact("sw", "in:3", 10, "tcp.dst == 80 -> next;")
    else {
        panic!("a flow")
    };
    let mut row = model::sb::LogicalFlow::clone(&row);
    row.tags = [("acl_ct_translation".into(), "true".into())]
        .into_iter()
        .collect();
    let net = Net::new()
        .datapath("sw", 1, true)
        .local("sw", "vm", 1, 7)
        .fact(Fact::LogicalFlow(id, Some(row.into())));
    let physical = computed(net.facts);
    assert_eq!(physical.diagnostics(), []);
    assert_eq!(
        show(&physical, &[8 + 3]),
        "table=11, priority=10,ct_state=-inv+trk,ct_nw_proto=6,ct_tp_dst=80,metadata=0x1 actions=resubmit(,12)"
    );
}
