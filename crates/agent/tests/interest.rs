//! What an agent reads of the Southbound, and that it does nothing hasty while rows are on their way.

#[allow(dead_code, reason = "other tests use the rest")]
mod world;

use agent::core::{Database, Event};
use agent::ops;
use model::{Map, Str, Strong, Table, Uuid, sb};
use ovsdb::Operation;
use world::{World, other_chassis, port, set, switch};

const OTHER: Uuid = Uuid::from_u128(0x52);
const ROUTER: Uuid = Uuid::from_u128(0x53);

/// Another switch, with a port, a group, a flow of its own and one that it shares with the router.
fn other_switch() -> Vec<Operation> {
    let kind = |name: &str, uuid: Uuid| -> Map<Str, Str> {
        [(name.into(), uuid.to_string().into())]
            .into_iter()
            .collect()
    };
    let datapath = |tunnel_key, external_ids| sb::DatapathBinding {
        tunnel_key,
        external_ids,
        ..sb::DatapathBinding::default()
    };
    let on = |datapath, row| sb::PortBinding {
        datapath: Strong::new(datapath),
        ..row
    };
    let patch = |name: &str, peer: &str, key| sb::PortBinding {
        type_: "patch".into(),
        options: [("peer".into(), peer.into())].into_iter().collect(),
        ..port(name, key)
    };
    let group = Uuid::from_u128(0x70);
    let members = [OTHER, ROUTER].map(model::Weak::new);
    let flow = |number: u128, row: sb::LogicalFlow| {
        let row = sb::LogicalFlow {
            match_: "1".into(),
            actions: "next;".into(),
            ..row
        };
        ops::insert(Uuid::from_u128(number << 96), &row)
    };
    vec![
        ops::insert(OTHER, &datapath(8, kind("logical-switch", OTHER))),
        ops::insert(ROUTER, &datapath(9, kind("logical-router", ROUTER))),
        ops::insert(Uuid::from_u128(0x71), &on(OTHER, port("c", 1))),
        ops::insert(Uuid::from_u128(0x72), &on(OTHER, patch("c-r", "r-c", 2))),
        ops::insert(Uuid::from_u128(0x73), &on(ROUTER, patch("r-c", "c-r", 1))),
        ops::insert(
            group,
            &sb::LogicalDpGroup {
                datapaths: members.into_iter().collect(),
            },
        ),
        flow(
            0x20,
            sb::LogicalFlow {
                logical_datapath: Some(Strong::new(OTHER)),
                ..sb::LogicalFlow::default()
            },
        ),
        flow(
            0x21,
            sb::LogicalFlow {
                logical_dp_group: Some(Strong::new(group)),
                table_id: 1,
                ..sb::LogicalFlow::default()
            },
        ),
    ]
}

fn neighbour(number: u128, datapath: Uuid, port: &str) -> Operation {
    let row = sb::MacBinding {
        logical_port: port.into(),
        ip: "10.0.0.9".into(),
        mac: "02:00:00:00:00:09".into(),
        datapath: Strong::new(datapath),
        ..sb::MacBinding::default()
    };
    ops::insert(Uuid::from_u128(number), &row)
}

fn counts(world: &World) -> [usize; 3] {
    [
        sb::PortBinding::NAME,
        sb::LogicalFlow::NAME,
        sb::MacBinding::NAME,
    ]
    .map(|table| world.shown.count(table))
}

#[test]
fn an_agent_reads_what_concerns_its_chassis() {
    let mut world = World::new(&[]);
    world.southbound(&switch());
    world.southbound(&other_switch());
    world.southbound(&other_chassis("hv2", "10.0.0.2"));
    world.southbound(&[
        neighbour(0x80, world::SWITCH, "a"),
        neighbour(0x81, ROUTER, "r-c"),
    ]);
    assert_eq!(
        counts(&world),
        [2, 1, 0],
        "patch ports, and flows of groups"
    );

    world.plug("a");
    assert!(world.is_bound("a"));
    // Both ports of the switch, its flows, its neighbour.
    assert_eq!(counts(&world), [4, 3, 1]);

    // The second switch, and the router behind it.
    world.plug("c");
    assert!(world.is_bound("c"));
    assert_eq!(counts(&world), [5, 4, 2]);

    world.unplug("a");
    assert_eq!(counts(&world), [3, 2, 1]);
    assert!(!world.is_bound("a"));
    world.unplug("c");
    assert_eq!(counts(&world), [2, 1, 0]);
    assert_eq!(world.shown.count(sb::ChassisPrivate::NAME), 1);
}

#[test]
fn a_flow_that_moves_to_another_group_stays() {
    let mut world = World::new(&[]);
    world.southbound(&other_switch());
    world.plug("c");
    let (held, changed) = (world.flows.clone(), world.flow_changes);
    // As a compiler does it: one datapath more is another group.
    let other = Uuid::from_u128(0x74);
    let group = sb::LogicalDpGroup {
        datapaths: [OTHER, ROUTER, world::SWITCH]
            .map(model::Weak::new)
            .into_iter()
            .collect(),
    };
    let (flow, _) = world
        .db
        .row::<sb::LogicalFlow>(|flow| flow.logical_dp_group.is_some())
        .unwrap();
    let mut operations = switch();
    operations.push(ops::insert(other, &group));
    operations.push(set::<sb::LogicalFlow>(flow, "logical_dp_group", other));
    world.southbound(&operations);
    assert_eq!((&world.flows, world.flow_changes), (&held, changed));
}

#[test]
fn an_agent_reads_all_if_it_is_told_to() {
    let mut world = World::new(&[("ovn-monitor-all", "true")]);
    world.southbound(&switch());
    world.southbound(&other_switch());
    assert_eq!(counts(&world), [5, 4, 0]);
    let few = World::new(&[]).shown.count(sb::ChassisPrivate::NAME);
    assert_eq!(few, 1);
}

#[test]
fn what_is_read_makes_the_flows_that_all_would_make() {
    let mut flows = Vec::new();
    for all in ["true", "false"] {
        let mut world = World::new(&[("ovn-monitor-all", all)]);
        world.southbound(&other_switch());
        world.southbound(&switch());
        world.plug("c");
        world.plug("b");
        world.plug("a");
        world.unplug("b");
        flows.push(world.flows);
    }
    assert!(!flows[0].is_empty());
    assert_eq!(flows[0], flows[1]);
}

#[test]
fn the_flows_of_a_former_agent_stay_until_all_rows_are_there() {
    let mut world = World::new(&[]);
    world.southbound(&switch());
    world.plug("a");
    let held = world.flows.clone();

    let mut again = World::over(world.db);
    again.serves = false;
    again.start();
    // It knows its port by then, and has asked for what belongs to it.
    assert_eq!(again.flow_changes, 0);
    for _ in 0..10 {
        let Some(wanted) = again.wanted.pop() else {
            break;
        };
        assert_eq!(again.flow_changes, 0);
        again.serve(wanted);
        again.settle();
    }
    assert_eq!(again.flows, held);
}

#[test]
fn neither_configuration_nor_port_is_done_while_rows_are_missing() {
    let mut world = World::new(&[]);
    world.southbound(&switch());
    world.southbound(&other_switch());
    world.plug("a");
    world.serves = false;
    world.plug("c");
    let (global, _) = world.db.row::<sb::SbGlobal>(|_| true).unwrap();
    world.southbound(&[set::<sb::SbGlobal>(global, "nb_cfg", 5)]);
    let reported = |world: &World| {
        world
            .db
            .row::<sb::ChassisPrivate>(|_| true)
            .unwrap()
            .1
            .nb_cfg
    };
    assert_eq!(reported(&world), 0);
    assert_eq!(world.wanted.len(), 1, "one thing is asked for at a time");
    assert_eq!(world.port("a").1.up, Some(true), "what was done stays done");

    world.serves = true;
    let wanted = world.wanted.pop().unwrap();
    world.serve(wanted);
    world.settle();
    assert_eq!(reported(&world), 5);
    assert_eq!(world.port("c").1.up, Some(true));
}

#[test]
fn a_lost_connection_keeps_what_was_asked_for() {
    let mut world = World::new(&[]);
    world.southbound(&switch());
    world.serves = false;
    world.plug("a");
    let wanted = world.wanted.pop().unwrap();
    world.handle(Event::Disconnected(Database::Southbound));
    world.settle();
    world.handle(Event::Connected(Database::Southbound));
    world.settle();
    assert!(world.wanted.is_empty());
    world.serves = true;
    world.serve(wanted);
    world.settle();
    assert!(world.is_bound("a"));
}
