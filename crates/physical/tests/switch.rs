//! Our flows on a real switch: it accepts them, holds them as they were sent, and packets go where they
//! should.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use support::bridge::{Switch, by_key};
use support::{computed, stock};

/// The numbers that the record's facts have.
const PORTS: [(&str, u32); 8] = [
    ("tun-hv2", 1),
    ("vif-3", 3),
    ("vif-4", 4),
    ("vif-5", 5),
    ("wire", 6),
    ("vif-7", 7),
    ("vif-8", 8),
    ("vif-9", 9),
];

#[test]
fn a_switch_holds_what_it_is_given() {
    let switch = Switch::start("hold", &PORTS);
    let physical = computed(stock());
    let mut bridge = switch.bridge();
    assert_eq!(bridge.install(&physical), []);
    let held = by_key(bridge.flows());
    let sent = by_key(
        physical
            .flows()
            .map(|(key, body)| body.to_flow(key.clone())),
    );
    assert_eq!(sent.len(), held.len());
    for (key, flow) in &sent {
        assert_eq!(held.get(key), Some(flow));
    }
}

#[test]
fn packets_find_their_way() {
    let switch = Switch::start("way", &PORTS);
    assert_eq!(switch.bridge().install(&computed(stock())), []);
    // Without the indentation, which says how deep in nested tables a line is.
    let way_of = |flow: &str| -> String {
        switch
            .trace(flow)
            .lines()
            .map(|line| line.trim_start().to_owned() + "\n")
            .collect()
    };

    // To a port of the same switch on another chassis: through the tunnel, with the three keys.
    let from = "in_port=4,udp,nw_ttl=64,nw_src=10.0.0.12,udp_src=1000,udp_dst=2000,\
                dl_src=00:00:00:00:00:02";
    let way = way_of(&format!("{from},dl_dst=00:00:00:00:00:03,nw_dst=10.0.0.13"));
    let tunnelled = "set_field:0x1/0xffffff->tun_id\n\
        set_field:0x3->tun_metadata0\n\
        move:NXM_NX_REG14[0..14]->NXM_NX_TUN_METADATA0[16..30]\n\
        -> NXM_NX_TUN_METADATA0[16..30] is now 0x2\n\
        output:1\n";
    assert!(way.contains(tunnelled), "{way}");

    // Through the router to the other switch, and there to another chassis. The router has taken one
    // from the time to live and put its own address in.
    let way = way_of(&format!("{from},dl_dst=00:00:00:00:ff:01,nw_dst=10.0.1.12"));
    let tunnelled = "set_field:0x2/0xffffff->tun_id\n\
        set_field:0x2->tun_metadata0\n\
        move:NXM_NX_REG14[0..14]->NXM_NX_TUN_METADATA0[16..30]\n\
        -> NXM_NX_TUN_METADATA0[16..30] is now 0x4\n\
        output:1\n";
    assert!(way.contains(tunnelled), "{way}");
    assert!(
        way.contains("eth(src=00:00:00:00:ff:02,dst=00:00:00:00:01:02)"),
        "{way}"
    );

    // From the tunnel to the port here, which an ACL allows to this sender and to no other.
    let arriving = "in_port=1,tun_id=0x1,tun_metadata0=0x30002,udp,nw_ttl=64,nw_dst=10.0.0.12,\
                    dl_src=00:00:00:00:00:03,dl_dst=00:00:00:00:00:02,udp_dst=9";
    let allowed = way_of(&format!("{arriving},nw_src=10.0.0.11"));
    assert!(allowed.contains("\noutput:4\n"), "{allowed}");
    let refused = way_of(&format!("{arriving},nw_src=10.0.0.13"));
    assert!(!refused.contains("\noutput:"), "{refused}");

    // Not the sender's own address: port security.
    let spoofed = "in_port=3,udp,nw_ttl=64,dl_src=00:00:00:00:00:99,dl_dst=00:00:00:00:00:03,\
                   nw_src=10.0.0.11,nw_dst=10.0.0.13";
    let way = way_of(spoofed);
    assert!(way.ends_with("Datapath actions: drop\n"), "{way}");
}
