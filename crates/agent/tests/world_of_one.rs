//! The agent between real database engines, on virtual time: what it writes, when, and that the result
//! depends on the state alone.

mod world;

use std::time::Duration;

use agent::core::{Database, Event};
use agent::ops;
use model::vswitch::{Bridge, BridgeFailMode, Interface, Port};
use model::{Str, Uuid, Weak, sb};
use openflow::Match;
use openflow::message::{Message, PacketIn};
use physical::opcode::{Opcode, Userdata};

use world::*;

#[test]
fn a_new_host_gets_its_bridge_and_its_rows() {
    let world = World::new(&[("ovn-bridge-datapath-type", "netdev")]);
    let (_, bridge) = world.db.row::<Bridge>(|_| true).unwrap();
    assert_eq!(
        (bridge.name.as_str(), bridge.datapath_type.as_str()),
        ("br-int", "netdev")
    );
    assert_eq!(bridge.fail_mode, Some(BridgeFailMode::Secure));
    let (chassis, row) = world.db.row::<sb::Chassis>(|_| true).unwrap();
    assert_eq!((row.name.as_str(), row.hostname.as_str()), (NAME, "host"));
    assert!(row.other_config.is_true("port-up-notif"));
    let (encap, end) = world.db.row::<sb::Encap>(|_| true).unwrap();
    assert_eq!(
        (end.ip.as_str(), end.chassis_name.as_str()),
        ("10.0.0.1", NAME)
    );
    assert_eq!(
        row.encaps.iter().map(|e| e.uuid()).collect::<Vec<_>>(),
        [encap]
    );
    let (_, private) = world.db.row::<sb::ChassisPrivate>(|_| true).unwrap();
    assert_eq!(private.chassis, Some(Weak::new(chassis)));
}

#[test]
fn an_address_that_another_chassis_has_is_left_to_it() {
    let mut world = World::new(&[("ovn-encap-ip", "")]);
    assert!(world.db.rows::<sb::Chassis>().is_empty());
    world.southbound(&other_chassis("hv2", "10.0.0.1"));
    let (root, old) = world
        .db
        .row::<model::vswitch::OpenVswitch>(|_| true)
        .unwrap();
    let mut new = old.clone();
    new.external_ids
        .insert("ovn-encap-ip".into(), "10.0.0.1".into());
    let update = ops::update(root, &old, &new).unwrap();
    world.commit(Database::Vswitch, &[update]).unwrap();
    world.settle();
    assert_eq!(world.db.rows::<sb::Encap>().len(), 1);
    assert_eq!(world.db.rows::<sb::Chassis>().len(), 1);
}

#[test]
fn a_plugged_port_is_claimed_and_comes_up_when_its_flows_are_there() {
    let mut world = World::new(&[]);
    world.southbound(&switch());
    assert!(world.flows.is_empty() || !world.is_bound("a"));
    world.confirms = false;
    world.plug("a");
    assert!(world.is_bound("a"));
    assert_eq!(world.port("a").1.up, Some(false));
    assert_eq!(world.keys("a").get("ovn-installed"), None);
    world.confirms = true;
    world.confirm();
    world.settle();
    assert_eq!(world.port("a").1.up, Some(true));
    assert!(world.keys("a").is_true("ovn-installed"));
    assert_eq!(
        world.keys("a").get("ovn-installed-ts").map(Str::as_str),
        Some("1000")
    );
    assert!(!world.is_bound("b"));

    world.unplug("a");
    let (_, gone) = world.port("a");
    assert_eq!((gone.chassis, gone.up), (None, Some(false)));
}

#[test]
fn a_port_whose_row_goes_loses_its_mark() {
    let mut world = World::new(&[]);
    world.southbound(&switch());
    world.plug("a");
    let (uuid, _) = world.port("a");
    world.southbound(&[ops::delete::<sb::PortBinding>(uuid)]);
    assert_eq!(world.keys("a").get("ovn-installed"), None);
}

#[test]
fn a_port_goes_where_it_is_asked_to() {
    let mut world = World::new(&[]);
    world.southbound(&switch());
    let (uuid, row) = world.port("a");
    let request = |host: &str| {
        let options = [("requested-chassis".into(), host.into())]
            .into_iter()
            .collect();
        sb::PortBinding {
            options,
            ..row.clone()
        }
    };
    let elsewhere = request("hv2,hv3");
    world.southbound(&[ops::update(uuid, &row, &elsewhere).unwrap()]);
    world.plug("a");
    assert!(!world.is_bound("a"));
    // By host name, among others.
    world.southbound(&[ops::update(uuid, &elsewhere, &request("hv2, host")).unwrap()]);
    assert!(world.is_bound("a"));
}

#[test]
fn a_port_that_another_host_claims_is_taken_back_at_leisure() {
    let mut world = World::new(&[]);
    world.southbound(&switch());
    world.southbound(&other_chassis("hv2", "10.0.0.2"));
    world.plug("a");
    let hv2 = ops::row_id::<sb::Chassis>("hv2");
    let steal = |world: &World| {
        let (uuid, row) = world.port("a");
        let stolen = sb::PortBinding {
            chassis: Some(Weak::new(hv2)),
            ..row.clone()
        };
        ops::update(uuid, &row, &stolen).unwrap()
    };
    let theft = steal(&world);
    world.southbound(&[theft]);
    assert!(
        world.is_bound("a"),
        "the first time it is taken back at once"
    );
    let theft = steal(&world);
    world.southbound(&[theft]);
    assert!(!world.is_bound("a"), "the second time it has to wait");
    world.settle_with_time();
    assert!(world.is_bound("a"));
    assert!(world.now >= Duration::from_millis(500));
}

#[test]
fn tunnels_follow_the_other_chassis() {
    let mut world = World::new(&[]);
    world.southbound(&other_chassis("hv2", "10.0.0.2"));
    let (_, port) = world
        .db
        .row::<Port>(|p| p.name.starts_with("ovn-"))
        .unwrap();
    assert_eq!(port.name, "ovn-hv2-0");
    assert_eq!(
        port.external_ids.get("ovn-chassis-id").map(Str::as_str),
        Some("hv2@10.0.0.2")
    );
    let (_, device) = world
        .db
        .row::<Interface>(|i| i.name == "ovn-hv2-0")
        .unwrap();
    assert_eq!(device.type_, "geneve");
    assert_eq!(
        device.options.get("remote_ip").map(Str::as_str),
        Some("10.0.0.2")
    );
    assert_eq!(device.options.get("key").map(Str::as_str), Some("flow"));

    let end = ops::row_id::<sb::Encap>("hv2");
    world.southbound(&[set::<sb::Encap>(end, "ip", "10.0.0.9")]);
    let ports = world.db.rows::<Port>();
    let tunnels: Vec<_> = ports
        .values()
        .filter_map(|p| p.external_ids.get("ovn-chassis-id"))
        .collect();
    assert_eq!(tunnels, ["hv2@10.0.0.9"]);

    let chassis = ops::row_id::<sb::Chassis>("hv2");
    world.southbound(&[ops::delete::<sb::Chassis>(chassis)]);
    assert!(
        world
            .db
            .row::<Port>(|p| p.name.starts_with("ovn-"))
            .is_none()
    );
}

#[test]
fn a_localnet_port_gets_a_pair_of_patch_ports_while_its_switch_is_here() {
    let mut world = World::new(&[("ovn-bridge-mappings", "phys:br-ex")]);
    let outer = Bridge {
        name: "br-ex".into(),
        ..Bridge::default()
    };
    let (root, _) = world
        .db
        .row::<model::vswitch::OpenVswitch>(|_| true)
        .unwrap();
    let uuid = ops::row_id::<Bridge>("br-ex");
    let add = ops::mutate_references::<model::vswitch::OpenVswitch>(
        root,
        "bridges",
        ovsdb::operation::Mutator::Insert,
        [uuid],
    );
    world
        .commit(Database::Vswitch, &[ops::insert(uuid, &outer), add])
        .unwrap();
    let mut localnet = port("ln", 3);
    localnet.type_ = "localnet".into();
    localnet.options = [("network_name".into(), "phys".into())]
        .into_iter()
        .collect();
    let mut all = switch();
    all.push(ops::insert(Uuid::from_u128(0x63), &localnet));
    world.southbound(&all);
    let patches = |world: &World| {
        let ports = world.db.rows::<Port>();
        let mut names: Vec<Str> = ports
            .values()
            .filter(|p| p.external_ids.get("ovn-localnet-port").is_some())
            .map(|p| p.name.clone())
            .collect();
        names.sort();
        names
    };
    assert!(patches(&world).is_empty());
    world.plug("a");
    assert_eq!(
        patches(&world),
        ["patch-br-int-to-ln", "patch-ln-to-br-int"]
    );
    world.unplug("a");
    assert!(patches(&world).is_empty());
}

#[test]
fn the_configuration_number_waits_for_the_switch() {
    let mut world = World::new(&[]);
    world.southbound(&switch());
    world.plug("a");
    let (global, _) = world.db.row::<sb::SbGlobal>(|_| true).unwrap();
    let reported = |world: &World| world.db.row::<sb::ChassisPrivate>(|_| true).unwrap().1;
    world.confirms = false;
    world.southbound(&[set::<sb::SbGlobal>(global, "nb_cfg", 5)]);
    assert_eq!(reported(&world).nb_cfg, 0);
    world.confirms = true;
    world.confirm();
    world.settle();
    assert_eq!(
        (reported(&world).nb_cfg, reported(&world).nb_cfg_timestamp),
        (5, 1000)
    );
}

#[test]
fn a_restart_changes_nothing() {
    let mut world = World::new(&[]);
    world.southbound(&switch());
    world.southbound(&other_chassis("hv2", "10.0.0.2"));
    world.plug("a");
    let (before, zones) = (world.db.everything(), world.core.zone_list());
    assert!(zones.contains("a ") && !world.flows.is_empty());

    let held = world.flows.clone();
    let mut again = World::over(world.db);
    again.start();
    assert_eq!(again.flows, held);
    assert_eq!(again.core.zone_list(), zones);
    assert_eq!(again.transactions, 0, "nothing had to be written");
    assert_eq!(again.db.everything(), before);
    let flushed = again
        .sent
        .iter()
        .any(|m| matches!(m, Message::CtFlushZone(_)));
    assert!(!flushed, "connections live on");
}

#[test]
fn a_refused_transaction_is_made_again_from_the_state_of_then() {
    let mut world = World::new(&[]);
    world.southbound(&switch());
    world.refuses = 3;
    world.plug("a");
    assert!(!world.is_bound("a"));
    world.settle_with_time();
    assert!(world.is_bound("a"));
    assert!(world.now >= Duration::from_millis(100 + 200 + 400));

    // What is no longer wanted is not written after all.
    let mut world = World::new(&[]);
    world.southbound(&switch());
    world.refuses = 1;
    world.plug("a");
    world.unplug("a");
    world.settle_with_time();
    assert_eq!(world.port("a").1.chassis, None);
}

#[test]
fn without_the_southbound_everything_stays() {
    let mut world = World::new(&[]);
    world.southbound(&switch());
    world.plug("a");
    let held = world.flows.clone();
    world.handle(Event::Disconnected(Database::Southbound));
    world.settle();
    assert_eq!(world.flows, held);
    // Meanwhile the port is given up; nothing can be written until the server is back.
    world.unplug("a");
    assert!(world.is_bound("a"));
    world.handle(Event::Connected(Database::Southbound));
    world.settle();
    assert!(!world.is_bound("a"));
}

#[test]
fn before_the_first_complete_view_nothing_is_done() {
    let mut world = World::new(&[]);
    world.southbound(&switch());
    world.southbound(&other_chassis("hv2", "10.0.0.2"));
    world.plug("a");
    let before = world.db.everything();
    let mut again = World::over(world.db);
    again.connect(Database::Vswitch);
    again.settle();
    assert_eq!((again.transactions, again.flow_changes), (0, 0));
    assert_eq!(again.db.everything(), before);
}

#[test]
fn another_bridge_gets_everything() {
    let mut world = World::new(&[]);
    world.southbound(&switch());
    world.southbound(&other_chassis("hv2", "10.0.0.2"));
    let (root, old) = world
        .db
        .row::<model::vswitch::OpenVswitch>(|_| true)
        .unwrap();
    let mut new = old.clone();
    new.external_ids.insert("ovn-bridge".into(), "br-2".into());
    let update = ops::update(root, &old, &new).unwrap();
    let before: Vec<_> = world
        .flows
        .keys()
        .map(|key| (key.table, key.priority))
        .collect();
    world.commit(Database::Vswitch, &[update]).unwrap();
    world.settle();
    assert!(
        world.flows.is_empty(),
        "nothing is right before the new bridge has said its field"
    );
    world.handle(Event::SwitchReady { tunnel_metadata: 3 });
    world.settle();
    assert_eq!(world.bridges, ["br-int", "br-2"]);
    let mut after: Vec<_> = world
        .flows
        .keys()
        .map(|key| (key.table, key.priority))
        .collect();
    let mut before = before;
    before.sort_unstable();
    after.sort_unstable();
    assert!(!after.is_empty());
    assert_eq!(after, before);
}

#[test]
fn everything_from_scratch_is_the_same() {
    let mut world = World::new(&[]);
    world.southbound(&switch());
    world.southbound(&other_chassis("hv2", "10.0.0.2"));
    world.plug("a");
    world.plug("b");
    world.unplug("b");
    let (flows, changes) = (world.flows.clone(), world.flow_changes);
    world.core.recompute();
    world.settle();
    assert_eq!((world.flows, world.flow_changes), (flows, changes));
}

fn lesson(opcode: Opcode, ip: u32) -> Event {
    let metadata = Match::new().metadata(7).reg(0, ip).reg(14, 1);
    let packet = [[0xff; 6], [2, 0, 0, 0, 0, 9]].concat();
    let packet = [packet, vec![8, 6], vec![0; 46]].concat();
    let userdata = Userdata::new(opcode, vec![]).encode();
    Event::Packet(Box::new(PacketIn {
        packet,
        metadata,
        userdata,
        ..PacketIn::default()
    }))
}

#[test]
fn what_packets_teach_is_written_once() {
    let mut world = World::new(&[]);
    world.southbound(&switch());
    world.plug("a");
    let before = world.transactions;
    for _ in 0..10 {
        world.handle(lesson(Opcode::PutArp, 0x0a00_0005));
        world.handle(lesson(Opcode::PutFdb, 0));
        world.settle();
    }
    assert_eq!(world.transactions - before, 1);
    let (_, neighbour) = world.db.row::<sb::MacBinding>(|_| true).unwrap();
    assert_eq!(
        (neighbour.ip.as_str(), neighbour.logical_port.as_str()),
        ("10.0.0.5", "a")
    );
    assert_eq!(
        (neighbour.mac.as_str(), neighbour.timestamp),
        ("02:00:00:00:00:09", 1000)
    );
    let (_, address) = world.db.row::<sb::Fdb>(|_| true).unwrap();
    assert_eq!((address.dp_key, address.port_key), (7, 1));
}

/// A packet whose next hop had no flow when it came.
fn lost_for_a_neighbour(ip: u32) -> Event {
    let metadata = Match::new().metadata(7).reg(0, ip).reg(15, 1);
    let ipv4 = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1];
    let packet = [&[0; 12][..], &[8, 0], &ipv4[..], &ip.to_be_bytes(), &[0; 8]].concat();
    Event::Packet(Box::new(PacketIn {
        packet,
        metadata,
        userdata: Userdata::new(Opcode::Arp, vec![]).encode(),
        ..PacketIn::default()
    }))
}

#[test]
fn a_packet_that_comes_before_the_flow_of_a_known_neighbour_goes_on_at_once() {
    let mut world = World::new(&[]);
    world.southbound(&switch());
    world.plug("a");
    let released = |world: &World| {
        let to = [2, 0, 0, 0, 0, 9];
        let sent = world.sent.iter();
        sent.filter(|m| matches!(m, Message::PacketOut(out) if out.packet.starts_with(&to)))
            .count()
    };
    world.handle(lost_for_a_neighbour(0x0a00_0005));
    world.settle();
    assert_eq!(released(&world), 0, "nobody has answered");
    // Learned here, and not written yet.
    world.handle(lesson(Opcode::PutArp, 0x0a00_0005));
    world.handle(lost_for_a_neighbour(0x0a00_0005));
    world.settle();
    assert_eq!(released(&world), 2);
    // Known from the Southbound: nothing more will be learned of it.
    world.handle(lost_for_a_neighbour(0x0a00_0005));
    world.handle(lost_for_a_neighbour(0x0a00_0006));
    world.settle();
    assert_eq!(released(&world), 3);
}

#[test]
fn lessons_of_unknown_ports_are_dropped_and_others_are_bounded() {
    let mut world = World::new(&[]);
    world.handle(lesson(Opcode::PutArp, 1));
    world.settle();
    world.southbound(&switch());
    world.plug("a");
    world.handle(Event::Disconnected(Database::Southbound));
    for ip in 0..2000 {
        world.handle(lesson(Opcode::PutArp, 1000 + ip));
    }
    world.handle(Event::Connected(Database::Southbound));
    world.settle();
    assert_eq!(
        world.db.rows::<sb::MacBinding>().len(),
        agent::learned::MAX_WAITING
    );
    assert!(
        world
            .core
            .statistics()
            .contains("learned/refused                  1000")
    );
}

#[test]
fn who_leaves_takes_the_rows_along() {
    let mut world = World::new(&[]);
    world.southbound(&switch());
    world.plug("a");
    let goodbye = world.core.leave();
    world.db.execute(Database::Southbound, &goodbye).unwrap();
    assert!(world.db.rows::<sb::Chassis>().is_empty());
    assert!(world.db.rows::<sb::ChassisPrivate>().is_empty());
    assert!(world.db.rows::<sb::Encap>().is_empty());
    let (_, port) = world.port("a");
    assert_eq!((port.chassis, port.up), (None, Some(false)));
}

/// Every order in which the parts of one situation can appear ends in the same situation.
#[test]
fn order_does_not_matter() {
    type Part = fn(&mut World);
    let parts: [Part; 4] = [
        |w| w.southbound(&switch()),
        |w| w.plug("a"),
        |w| w.plug("b"),
        |w| w.southbound(&other_chassis("hv2", "10.0.0.2")),
    ];
    let mut results = Vec::new();
    for order in orders(4) {
        let mut world = World::new(&[]);
        order.iter().for_each(|at| parts[*at](&mut world));
        // Numbers of OpenFlow ports and zones are given in the order of arrival.
        let bound = ["a", "b"].map(|name| (world.is_bound(name), world.port(name).1.up));
        let mut ports: Vec<Str> = world
            .db
            .rows::<Port>()
            .into_values()
            .map(|p| p.name)
            .collect();
        ports.sort();
        let mut keys: Vec<(u8, u16)> = world
            .flows
            .keys()
            .map(|key| (key.table, key.priority))
            .collect();
        keys.sort_unstable();
        results.push((bound, ports, keys, world.db.rows::<sb::Chassis>()));
    }
    assert_eq!(results[0].0, [(true, Some(true)); 2]);
    for result in &results {
        assert_eq!(result, &results[0]);
    }
}

fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(n - 1);
    let insert = |order: &Vec<usize>, at: usize| {
        let mut order = order.clone();
        order.insert(at, n - 1);
        order
    };
    shorter
        .iter()
        .flat_map(|order| (0..n).map(move |at| insert(order, at)))
        .collect()
}

#[test]
fn unreadable_rows_are_left_out_alone() {
    let mut world = World::new(&[]);
    world.southbound(&switch());
    let bad = ovsdb::RowChange {
        table: "Port_Binding".into(),
        uuid: Uuid::from_u128(0x99),
        old: None,
        new: Some(std::sync::Arc::new(
            [ovsdb::Datum::one(5)].into_iter().collect(),
        )),
    };
    world.handle(Event::Changes(Database::Southbound, vec![bad]));
    world.plug("a");
    assert!(world.is_bound("a"));
}
