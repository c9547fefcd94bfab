//! The codec against a real switch: what is installed comes back equal, and our text is the text of
//! `ovs-ofctl`.

mod samples;
mod switch;

use std::collections::{BTreeMap, BTreeSet};

use openflow::action::Controller;
use openflow::message::multipart::FlowQuery;
use openflow::message::{
    FlowMod, GroupCommand, GroupMod, Meter, MeterBand, MeterCommand, MeterMod, MultipartRequest,
    PacketOut, SetPacketInFormat, SwitchConfig, TlvMap, TlvTableMod,
};
use openflow::session::{Event, Reply};
use openflow::sync::{Mod, State};
use openflow::{Action, Field, Flow, FlowKey, Group, GroupKind, Match, Message, Port};
use samples::{MAC, flows, group, groups};
use switch::{Connection, Switch};

fn prepare(connection: &mut Connection) {
    let map = TlvMap {
        class: 0x0102,
        kind: 0x80,
        length: 4,
        index: 0,
    };
    let add = Message::TlvTableMod(TlvTableMod::Add(vec![map]));
    connection.session.send(&add).expect("room");
    let Ok(Reply::Message(Message::TlvTable(table))) = connection.ask(&Message::TlvTableRequest)
    else {
        panic!("the switch tells its mapping")
    };
    assert_eq!(table.maps, [map]);
    assert_eq!(
        (table.index(0x0102, 0x80), table.first_free()),
        (Some(0), Some(1))
    );
    let meter = Meter {
        id: 1,
        flags: Meter::KBPS | Meter::BURST,
        bands: vec![MeterBand::Drop {
            rate: 1000,
            burst: 100,
        }],
    };
    for id in [1, 7] {
        let meter = Meter {
            id,
            ..meter.clone()
        };
        let add = Message::MeterMod(MeterMod {
            command: MeterCommand::Add,
            meter,
        });
        connection.session.send(&add).expect("room");
    }
    let ask = Message::MultipartRequest(MultipartRequest::Meters(1));
    assert_eq!(connection.ask(&ask), Ok(Reply::Meters(vec![meter])));
}

fn dump(connection: &mut Connection) -> State {
    let flows = connection.told();
    let ask = Message::MultipartRequest(MultipartRequest::Groups(Group::ALL));
    let Ok(Reply::Groups(groups)) = connection.ask(&ask) else {
        panic!("groups")
    };
    State::new(flows.flows(), groups)
}

#[test]
fn what_is_installed_comes_back_and_reads_as_ovs_ofctl_writes_it() {
    let switch = Switch::start();
    let mut connection = switch.connect();
    prepare(&mut connection);
    let desired = State::new(flows(), groups());
    assert_eq!(
        desired.flows.len(),
        flows().len(),
        "no two flows have one key"
    );
    let mods = desired.diff(&State::default());
    let messages: Vec<Message> = mods.iter().cloned().map(Message::from).collect();
    if let Err(failure) = connection.bundle(&messages) {
        let mut text = failure.to_string();
        for (place, error) in &failure.messages {
            text += &format!("\n  {error}: {}", show(&mods[*place]));
        }
        panic!("{text}");
    }
    let actual = dump(&mut connection);
    let different: Vec<String> = desired.diff(&actual).iter().map(show).collect();
    assert!(
        different.is_empty(),
        "the switch holds something else:\n{}",
        different.join("\n")
    );
    assert_eq!(actual.groups, desired.groups);

    let theirs: BTreeSet<String> = switch
        .ofctl(&["--no-stats", "dump-flows", "br0"])
        .into_iter()
        .filter(|line| line.contains("actions="))
        .collect();
    let mut told: Vec<&Flow> = desired.flows.iter().filter(|flow| is_told(flow)).collect();
    told.sort_by_key(|flow| &flow.key);
    let different: Vec<String> = told
        .iter()
        .map(ToString::to_string)
        .filter(|line| !theirs.contains(line))
        .collect();
    let ours: BTreeSet<String> = told.iter().map(ToString::to_string).collect();
    let theirs: Vec<_> = theirs.difference(&ours).collect();
    assert!(
        different.is_empty(),
        "ours:\n{different:#?}\ntheirs:\n{theirs:#?}"
    );
    let theirs: BTreeMap<u32, String> = switch
        .ofctl(&["dump-groups", "br0"])
        .into_iter()
        .filter(|line| line.starts_with("group_id="))
        .map(|line| (line[9..].split(',').next().unwrap().parse().unwrap(), line))
        .collect();
    for group in desired.groups.values() {
        assert_eq!(group.to_string(), theirs[&group.id]);
    }
}

/// Whether `ovs-ofctl` writes all of a flow's match; of some fields it leaves out value or mask.
fn is_told(flow: &Flow) -> bool {
    flow.key.matches.fields().all(|entry| match entry.field() {
        Field::NshC1
        | Field::NshC2
        | Field::NshC3
        | Field::NshC4
        | Field::TunErspanIdx
        | Field::TunErspanDir => false,
        Field::TunGbpFlags => entry.is_exact(),
        _ => true,
    })
}

fn show(change: &Mod) -> String {
    match change {
        Mod::Flow(change) => format!("{:?} {}", change.command, change.flow),
        Mod::Group(change) => format!("{:?} {}", change.command, change.group),
    }
}

#[test]
fn a_bundle_with_a_bad_flow_has_no_effect_and_names_it() {
    let switch = Switch::start();
    let mut connection = switch.connect();
    let good = |priority| Flow::new(0, priority, Match::new(), vec![Action::output(1)]);
    // A TCP port of no IP version.
    let bad = Flow::new(0, 5, Match::new().with(Field::TcpDst, 80u16), Vec::new());
    assert!(bad.key.matches.check().is_err());
    let unknown_group = Flow::new(0, 6, Match::new(), vec![Action::Group(77)]);
    let add = |flow: Flow| Message::FlowMod(Box::new(FlowMod::add(flow)));
    let failure = connection
        .bundle(&[add(good(1)), add(bad), add(good(2))])
        .expect_err("the switch refuses it");
    let names: Vec<_> = failure
        .messages
        .iter()
        .map(|(at, error)| (*at, error.name()))
        .collect();
    assert_eq!(names, [(1, Some("OFPBMC_BAD_PREREQ"))]);
    assert_eq!(dump(&mut connection).flows.len(), 0);
    let failure = connection
        .bundle(&[add(good(1)), add(unknown_group), add(good(2))])
        .expect_err("the switch refuses it");
    let names: Vec<_> = failure
        .messages
        .iter()
        .map(|(at, error)| (*at, error.name()))
        .collect();
    assert_eq!(names, [(1, Some("OFPBAC_BAD_OUT_GROUP"))]);
    assert_eq!(dump(&mut connection).flows.len(), 0);
    // The session goes on.
    assert_eq!(connection.bundle(&[add(good(1)), add(good(2))]), Ok(()));
    let keys: BTreeSet<FlowKey> = dump(&mut connection)
        .flows
        .into_iter()
        .map(|flow| flow.key)
        .collect();
    assert_eq!(keys, [good(1).key, good(2).key].into());
}

#[test]
fn a_group_and_its_flow_come_and_go_in_one_bundle() {
    let switch = Switch::start();
    let mut connection = switch.connect();
    let flow = Flow::new(0, 1, Match::new(), vec![Action::Group(9)]);
    let desired = State::new([flow], [group(9, GroupKind::All, None)]);
    let empty = State::default();
    let mut send = |from: &State, to: &State| {
        let messages: Vec<_> = to.diff(from).into_iter().map(Message::from).collect();
        assert_eq!(connection.bundle(&messages), Ok(()));
        assert_eq!(dump(&mut connection), *to);
    };
    send(&empty, &desired);
    let mut changed = desired.clone();
    changed
        .groups
        .insert(9, group(9, GroupKind::Indirect, None));
    send(&desired, &changed);
    send(&changed, &empty);
    let all = GroupMod::delete(Group::ALL);
    assert_eq!(all.command, GroupCommand::Delete);
}

/// An Ethernet frame without anything in it.
fn frame() -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(MAC);
    frame.extend([0x88, 0xb5]);
    frame.resize(60, 0);
    frame
}

#[test]
fn a_paused_packet_comes_to_the_controller_and_goes_on() {
    let switch = Switch::start();
    let mut connection = switch.connect();
    // A connection to the management socket gets packets only if it says that it wants them.
    let config = SwitchConfig {
        flags: 0,
        miss_send_len: u16::MAX,
    };
    connection
        .session
        .send(&Message::SetConfig(config))
        .unwrap();
    let format = SetPacketInFormat::NXT_PACKET_IN2;
    connection
        .session
        .send(&Message::SetPacketInFormat(format))
        .unwrap();
    let controller = Controller {
        userdata: vec![1, 2, 3, 4, 5],
        pause: true,
        ..Controller::default()
    };
    let first = vec![
        Action::load(7u8, Field::Reg(0)),
        Action::set_field(Field::Metadata, 99u64),
        Action::Controller(Box::new(controller)),
        Action::resubmit(1),
    ];
    let flows = [
        Flow::new(0, 1, Match::new().in_port(2), first).cookie(0xabc),
        Flow::new(1, 1, Match::new().reg(0, 8), vec![Action::output(3)]).cookie(1),
        Flow::new(1, 1, Match::new().reg(0, 7), vec![Action::output(3)]).cookie(2),
    ];
    let adds: Vec<Message> = flows
        .into_iter()
        .map(|flow| Message::FlowMod(Box::new(FlowMod::add(flow))))
        .collect();
    assert_eq!(connection.bundle(&adds), Ok(()));
    let out = PacketOut {
        metadata: Match::new().in_port(2),
        ..PacketOut::new(frame(), vec![Action::output(Port::TABLE)])
    };
    connection.session.send(&Message::PacketOut(out)).unwrap();
    let mut packet = loop {
        match connection.event() {
            Event::Message(Message::PacketIn(packet)) => break packet,
            Event::Message(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(packet.packet, frame());
    assert_eq!(packet.userdata, [1, 2, 3, 4, 5]);
    assert_eq!(packet.table, Some(0));
    assert_eq!(packet.metadata.exact(Field::Reg(0)), Some(7));
    assert_eq!(packet.metadata.exact(Field::Metadata), Some(99));
    assert_eq!(packet.metadata.exact(Field::InPortOxm), Some(2));
    assert!(packet.continuation.is_some());
    assert_eq!(packet.other, []);
    // The controller may change what the packet carries.
    packet.metadata = packet.metadata.reg(0, 8);
    connection.session.send(&Message::Resume(packet)).unwrap();
    assert_eq!(
        connection.ask(&Message::BarrierRequest),
        Ok(Reply::Message(Message::BarrierReply))
    );
    let ask = Message::MultipartRequest(MultipartRequest::Flows(FlowQuery {
        table: 1,
        ..FlowQuery::default()
    }));
    let Ok(Reply::Flows(flows)) = connection.ask(&ask) else {
        panic!("flows")
    };
    let mut counted: Vec<_> = flows
        .iter()
        .map(|flow| (flow.cookie(), flow.counters().packets))
        .collect();
    counted.sort_unstable();
    assert_eq!(counted, [(1, Some(1)), (2, Some(0))]);
}
