//! Every version against a real switch, whose bridge has no `protocols` set.

mod samples;
mod switch;

use std::collections::BTreeMap;
use std::fs;

use openflow::message::multipart::{
    FlowEvent, FlowMonitor, FlowQuery, FlowUpdate, MonitorFlags, Part, QueueQuery,
};
use openflow::message::{
    CtFlush, CtTuple, FlowMod, Meter, MeterBand, MeterCommand, MeterMod, MultipartRequest,
    PacketOut, PortConfig, PortMod, PortReason, Role, RoleMessage, SetPacketInFormat, SwitchConfig,
    TableConfig, TableMod, TlvMap, TlvTableMod,
};
use openflow::session::{Event, Reply, RequestError};
use openflow::{Action, Field, Flow, FlowFlags, Group, Match, Message, Port, Version};
use switch::{Connection, Switch};

fn prepare(connection: &mut Connection) {
    let map = TlvMap {
        class: 0x0102,
        kind: 0x80,
        length: 4,
        index: 0,
    };
    let add = Message::TlvTableMod(TlvTableMod::Add(vec![map]));
    assert_eq!(connection.send_all(&[add]), []);
}

fn meters(connection: &mut Connection) {
    let meter = |id| Meter {
        id,
        flags: Meter::KBPS | Meter::BURST,
        bands: vec![MeterBand::Drop {
            rate: 1000,
            burst: 100,
        }],
    };
    let adds = [1, 7].map(|id| {
        Message::MeterMod(MeterMod {
            command: MeterCommand::Add,
            meter: meter(id),
        })
    });
    assert_eq!(connection.send_all(&adds), []);
    let ask = Message::MultipartRequest(MultipartRequest::Meters(1));
    assert_eq!(connection.ask(&ask), Ok(Reply::Meters(vec![meter(1)])));
}

fn add(flow: &Flow) -> Message {
    Message::FlowMod(Box::new(FlowMod::add(flow.clone())))
}

/// The flows that a version can say, in the form in which it says them.
fn sayable(version: Version) -> Vec<Flow> {
    let can = |flow: &Flow| add(flow).encode_as(version, 1).is_ok();
    samples::flows().into_iter().filter(can).collect()
}

/// What remains of a flow in the answers of a version.
fn told(version: Version, flow: &Flow) -> Flow {
    let mut flow = flow.clone();
    if version == Version::V10 {
        // These answers say no flags, and this version goes to another table by resubmission.
        flow.flags = FlowFlags(0);
        let resubmitted = |action| match action {
            Action::GotoTable(table) => Action::resubmit(table),
            action => action,
        };
        flow.actions = flow.actions.iter().map(resubmitted).collect();
    }
    flow
}

#[test]
fn what_is_installed_comes_back_in_every_version() {
    let switch = Switch::start();
    let mut first = switch.connect();
    prepare(&mut first);
    meters(&mut first);
    let groups: Vec<Message> = samples::groups()
        .into_iter()
        .map(|group| {
            use openflow::message::{GroupCommand, GroupMod};
            Message::GroupMod(Box::new(GroupMod::new(GroupCommand::Add, group)))
        })
        .collect();
    assert_eq!(first.send_all(&groups), []);
    for version in Version::ALL {
        let mut connection = switch.connect_as(version);
        assert_eq!(connection.session.version(), Some(version));
        let clear = Message::FlowMod(Box::new(FlowMod::delete_all()));
        assert_eq!(connection.send_all(&[clear]), []);
        let flows = sayable(version);
        let least = if version == Version::V10 { 250 } else { 280 };
        assert!(flows.len() > least, "{version}: {}", flows.len());
        let adds: Vec<Message> = flows.iter().map(add).collect();
        let refused: Vec<String> = connection
            .send_all(&adds)
            .iter()
            .map(|(place, error)| format!("{error}: {}", flows[*place]))
            .collect();
        assert!(refused.is_empty(), "{version}: {refused:#?}");
        let held = connection.flows_by_key();
        let mut different = String::new();
        for flow in &flows {
            let wanted = told(version, flow);
            match held.get(&flow.key) {
                Some(got) if *got == wanted => {}
                Some(got) => different += &format!("wanted: {wanted}\ngot:    {got}\n"),
                None => different += &format!("missing: {flow}\n"),
            }
        }
        assert!(different.is_empty(), "{version}:\n{different}");
        assert_eq!(held.len(), flows.len(), "{version}");
        // In the newest version the same switch says the same flows.
        let newest = first.flows_by_key();
        assert_eq!(newest.len(), flows.len());
    }
}

#[test]
fn ofp_print_says_of_our_bytes_what_we_say_in_every_version() {
    let switch = Switch::start();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("messages");
    for version in Version::ALL {
        let flows: Vec<Flow> = sayable(version)
            .into_iter()
            // Without a switch, the program knows no tunnel options; of some fields it prints nothing.
            .filter(|flow| !flow.to_string().contains("tun_metadata"))
            .filter(|flow| !format!("{:?}", flow.actions).contains("TunMetadata"))
            .filter(|flow| {
                let text = flow.to_string();
                !["nsh_c", "erspan_idx", "erspan_dir", "gbp_flags"]
                    .iter()
                    .any(|name| text.contains(name))
            })
            .collect();
        let bytes: Vec<u8> = flows
            .iter()
            .flat_map(|flow| add(flow).encode_as(version, 1).expect("short"))
            .collect();
        fs::write(&file, bytes).expect("a file");
        let printed = switch.ofctl(&["ofp-parse", file.to_str().expect("plain")]);
        let printed = printed.join(" ");
        let said: Vec<&str> = printed.split("ADD ").skip(1).collect();
        assert_eq!(said.len(), flows.len(), "{version}");
        let mut different = String::new();
        for (flow, said) in flows.iter().zip(said) {
            let end = said
                .find("OFPT_FLOW_MOD")
                .or_else(|| said.find("NXT_FLOW_MOD"));
            let mut said = said[..end.unwrap_or(said.len())].trim().to_owned();
            for (theirs, ours) in [
                ("table:", "table="),
                ("cookie:", "cookie="),
                ("idle:", "idle_timeout="),
                ("hard:", "hard_timeout="),
                ("importance:", "importance="),
            ] {
                said = said.replacen(theirs, ours, 1);
            }
            let wanted = told(version, flow);
            match said.parse::<Flow>() {
                Ok(mut read) => {
                    if version == Version::V10 {
                        read.flags = FlowFlags(0);
                    }
                    if read != wanted && read.to_string() != wanted.to_string() {
                        different += &format!("ours:   {wanted}\ntheirs: {said}\n");
                    }
                }
                Err(error) => different += &format!("{said}: {error}\n"),
            }
        }
        assert!(different.is_empty(), "{version}:\n{different}");
    }
}

#[test]
fn the_version_that_a_bridge_allows_is_spoken() {
    let switch = Switch::start();
    // Nothing is set: the newest.
    assert_eq!(switch.connect().session.version(), Some(Version::V15));
    for version in Version::ALL {
        let protocols = format!("protocols={version}");
        switch.vsctl(&["set", "bridge", "br0", &protocols]);
        assert_eq!(switch.connect().session.version(), Some(version));
    }
    switch.vsctl(&[
        "set",
        "bridge",
        "br0",
        "protocols=OpenFlow10,OpenFlow11,OpenFlow13",
    ]);
    assert_eq!(switch.connect().session.version(), Some(Version::V13));
}

#[test]
fn a_refused_bundle_changes_nothing_in_every_version_that_has_bundles() {
    let switch = Switch::start();
    for version in [Version::V13, Version::V14, Version::V15] {
        let mut connection = switch.connect_as(version);
        let clear = Message::FlowMod(Box::new(FlowMod::delete_all()));
        assert_eq!(connection.bundle(&[clear]), Ok(()), "{version}");
        let good = |n| add(&Flow::new(0, n, Match::new(), vec![Action::output(1)]));
        let bad = [
            (
                Flow::new(0, 5, Match::new().with(Field::TcpDst, 80u16), vec![]),
                "OFPBMC_BAD_PREREQ",
            ),
            (
                Flow::new(0, 6, Match::new(), vec![Action::Group(77)]),
                "OFPBAC_BAD_OUT_GROUP",
            ),
        ];
        for (bad, name) in bad {
            let failure = connection
                .bundle(&[good(1), add(&bad), good(2)])
                .expect_err("the switch refuses it");
            let names: Vec<_> = failure
                .messages
                .iter()
                .map(|(at, error)| (*at, error.name()))
                .collect();
            assert_eq!(names, [(1, Some(name))], "{version}");
            assert_eq!(connection.flows_by_key(), BTreeMap::new(), "{version}");
        }
        assert_eq!(connection.bundle(&[good(1), good(2)]), Ok(()), "{version}");
        assert_eq!(connection.flows_by_key().len(), 2, "{version}");
    }
}

#[test]
fn every_statistic_is_understood_in_every_version() {
    let switch = Switch::start();
    let all = QueueQuery {
        port: Port::ANY,
        queue: QueueQuery::ALL,
    };
    for version in Version::ALL {
        let mut connection = switch.connect_as(version);
        let Ok(Reply::Message(Message::Features(features))) =
            connection.ask(&Message::FeaturesRequest)
        else {
            panic!("{version}: features")
        };
        assert_eq!(features.tables, 254, "{version}");
        let names: Vec<&str> = features.ports.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names.contains(&"p1"), version == Version::V10, "{version}");
        let config = connection.ask(&Message::GetConfigRequest);
        assert!(
            matches!(config, Ok(Reply::Message(Message::Config(_)))),
            "{version}"
        );
        let mut understood = 0;
        for request in [
            MultipartRequest::Description,
            MultipartRequest::Flows(FlowQuery::default()),
            MultipartRequest::Aggregate(FlowQuery::default()),
            MultipartRequest::Tables,
            MultipartRequest::PortStats(Port::ANY),
            MultipartRequest::QueueStats(all),
            MultipartRequest::GroupStats(Group::ALL),
            MultipartRequest::Groups(Group::ALL),
            MultipartRequest::GroupFeatures,
            MultipartRequest::MeterStats(Meter::ALL),
            MultipartRequest::Meters(Meter::ALL),
            MultipartRequest::MeterFeatures,
            MultipartRequest::TableFeatures(Vec::new()),
            MultipartRequest::Ports(Port::ANY),
            MultipartRequest::TableDescs,
            MultipartRequest::IpfixBridge,
        ] {
            let message = Message::MultipartRequest(request.clone());
            if message.encode_as(version, 1).is_err() {
                continue;
            }
            match connection.ask(&message) {
                Ok(Reply::Unknown(_)) => panic!("{version}: {request:?} is not understood"),
                Ok(_) => understood += 1,
                Err(RequestError::Refused(error)) => {
                    let name = error.name();
                    assert!(name.is_some(), "{version}: {request:?}: {error}");
                    let kind = error.refused_kind();
                    assert_eq!(kind, Some("MultipartRequest"), "{version}: {error}");
                }
                Err(error) => panic!("{version}: {request:?}: {error}"),
            }
        }
        let least = if version == Version::V10 { 10 } else { 14 };
        assert!(understood >= least, "{version}: {understood}");
        let Ok(Reply::PortStats(stats)) = connection.ask(&Message::MultipartRequest(
            MultipartRequest::PortStats(Port(1)),
        )) else {
            panic!("{version}: counters of a port")
        };
        assert_eq!((stats.len(), stats[0].port), (1, Port(1)), "{version}");
        assert_eq!(stats[0].rx_packets, Some(0), "{version}");
        let id = connection.session.dump_queues(Port(1)).expect("room");
        let Event::Reply(got, Ok(_)) = connection.event() else {
            panic!("{version}: queues")
        };
        assert_eq!(got, id);
    }
}

#[test]
fn packets_come_in_every_form_in_every_version() {
    let switch = Switch::start();
    let mut frame = vec![0xff; 6];
    frame.extend(samples::MAC);
    frame.extend([0x88, 0xb5]);
    frame.resize(60, 0);
    for version in Version::ALL {
        for format in [
            SetPacketInFormat::STANDARD,
            SetPacketInFormat::NXT_PACKET_IN,
            SetPacketInFormat::NXT_PACKET_IN2,
        ] {
            let mut connection = switch.connect_as(version);
            let flow = Flow::new(
                0,
                1,
                Match::new().in_port(2),
                vec![Action::output(Port::CONTROLLER)],
            )
            .cookie(0xabc);
            let out = PacketOut {
                metadata: Match::new().in_port(2),
                ..PacketOut::new(frame.clone(), vec![Action::output(Port::TABLE)])
            };
            let config = SwitchConfig {
                flags: 0,
                miss_send_len: u16::MAX,
            };
            for message in [
                Message::SetConfig(config),
                Message::SetPacketInFormat(format),
                add(&flow),
                Message::PacketOut(out),
            ] {
                connection.session.send(&message).expect("room");
            }
            let (packet, port, cookie) = wait(&mut connection, |message| match message {
                Message::PacketInStandard(packet) if format == SetPacketInFormat::STANDARD => {
                    let cookie = (version != Version::V10).then_some(packet.cookie);
                    Some((packet.packet, packet.metadata, cookie))
                }
                Message::PacketInNxm(packet) if format == SetPacketInFormat::NXT_PACKET_IN => {
                    Some((packet.0.packet, packet.0.metadata, Some(packet.0.cookie)))
                }
                Message::PacketIn(packet) if format == SetPacketInFormat::NXT_PACKET_IN2 => {
                    Some((packet.packet, packet.metadata, packet.cookie))
                }
                _ => None,
            });
            assert_eq!(packet, frame, "{version} {format:?}");
            assert_eq!(
                port.exact(Field::InPortOxm),
                Some(2),
                "{version} {format:?}"
            );
            assert!(
                cookie.is_none_or(|cookie| cookie == 0xabc),
                "{version} {format:?}"
            );
        }
    }
}

/// Waits for a message that is what `pick` picks.
fn wait<T>(connection: &mut Connection, pick: impl Fn(Message) -> Option<T>) -> T {
    loop {
        match connection.event() {
            Event::Message(message) => {
                if let Some(found) = pick(message) {
                    return found;
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn flows_are_watched_in_every_version() {
    let switch = Switch::start();
    for version in Version::ALL {
        let mut other = switch.connect();
        let clear = Message::FlowMod(Box::new(FlowMod::delete_all()));
        assert_eq!(other.send_all(&[clear]), []);
        let first = Flow::new(3, 7, Match::new().ip(), vec![Action::output(1)]).cookie(5);
        assert_eq!(other.send_all(&[add(&first)]), []);
        let mut connection = switch.connect_as(version);
        let monitor = FlowMonitor {
            table: 3,
            flags: MonitorFlags::ALL,
            ..FlowMonitor::all(9)
        };
        let id = connection.session.monitor_flows(monitor).expect("room");
        let Event::Reply(got, Ok(Reply::FlowUpdates(found))) = connection.event() else {
            panic!("{version}: what there is at first")
        };
        assert_eq!(got, id);
        let event = match version {
            // The extensions have no word for what was there at first.
            Version::V10 | Version::V13 => FlowEvent::Added,
            Version::V14 | Version::V15 => FlowEvent::Initial,
        };
        let full = |event, flow: &Flow| FlowUpdate::Full {
            event,
            key: flow.key.clone(),
            cookie: flow.cookie,
            idle_timeout: flow.idle_timeout,
            hard_timeout: flow.hard_timeout,
            actions: flow.actions.clone(),
        };
        assert_eq!(found, [full(event, &first)], "{version}");
        let second = Flow::new(3, 8, Match::new().arp(), vec![Action::output(2)]).cookie(6);
        assert_eq!(other.send_all(&[add(&second)]), []);
        let updates = |message| match message {
            Message::MultipartReply(reply) => match reply.part {
                Part::FlowUpdates(updates) => Some(updates),
                _ => None,
            },
            _ => None,
        };
        let told = wait(&mut connection, updates);
        assert_eq!(told, [full(FlowEvent::Added, &second)], "{version}");
        let delete = Message::FlowMod(Box::new(FlowMod::delete(second.key.clone())));
        assert_eq!(other.send_all(&[delete]), []);
        let told = wait(&mut connection, updates);
        assert!(
            matches!(
                &told[..],
                [FlowUpdate::Full { event: FlowEvent::Removed(_), key, .. }] if *key == second.key
            ),
            "{version}: {told:?}"
        );
        // What this connection does itself is told in short.
        connection.session.send(&add(&second)).expect("room");
        let told = wait(&mut connection, updates);
        assert!(
            matches!(told[..], [FlowUpdate::Abbreviated { .. }]),
            "{version}: {told:?}"
        );
        connection.session.cancel_monitor(9).expect("room");
        let done = connection.ask(&Message::BarrierRequest);
        assert_eq!(done, Ok(Reply::Message(Message::BarrierReply)));
    }
}

#[test]
fn a_port_is_changed_and_the_change_is_told_in_every_version() {
    let switch = Switch::start();
    for version in Version::ALL {
        let mut watching = switch.connect_as(version);
        // A connection to the management socket is told only what it asks for.
        let wants = openflow::message::AsyncConfig {
            masks: (0..6).map(|kind| (kind, 7)).collect(),
        };
        assert_eq!(watching.send_all(&[Message::SetAsyncConfig(wants)]), []);
        let mut connection = switch.connect_as(version);
        let ask = Message::MultipartRequest(MultipartRequest::Ports(Port::ANY));
        let Ok(Reply::Ports(ports)) = connection.ask(&ask) else {
            panic!("{version}: ports")
        };
        let port = ports.iter().find(|port| port.name == "p2").expect("p2");
        let set = port.config.contains(PortConfig::NO_FWD);
        let change = Message::PortMod(PortMod {
            port: port.number,
            address: port.address,
            config: if set {
                PortConfig(0)
            } else {
                PortConfig::NO_FWD
            },
            mask: PortConfig::NO_FWD,
            ..PortMod::default()
        });
        assert_eq!(connection.send_all(&[change]), [], "{version}");
        let told = wait(&mut watching, |message| match message {
            Message::PortStatus(status) => Some(status),
            _ => None,
        });
        assert_eq!(told.reason, PortReason::Modified, "{version}");
        assert_eq!(told.port.name, "p2");
        assert_ne!(told.port.config.contains(PortConfig::NO_FWD), set);
        assert!(told.port.link.is_some());
    }
}

#[test]
fn roles_tables_and_flows_that_go_are_understood_in_every_version() {
    let switch = Switch::start();
    for (version, generation) in Version::ALL.into_iter().zip(1..) {
        let mut connection = switch.connect_as(version);
        let role = RoleMessage {
            role: Role::Primary,
            short_id: 0,
            generation,
        };
        let Ok(Reply::Message(Message::RoleReply(reply))) =
            connection.ask(&Message::RoleRequest(role))
        else {
            panic!("{version}: the role")
        };
        assert_eq!(reply.role, Role::Primary, "{version}");
        if version != Version::V10 {
            let Ok(Reply::Message(Message::AsyncConfig(config))) =
                connection.ask(&Message::GetAsyncRequest)
            else {
                panic!("{version}: what is told unasked")
            };
            assert!(config.masks.len() >= 6, "{version}");
            let change = Message::TableMod(TableMod {
                table: 4,
                config: TableConfig {
                    config: match version {
                        Version::V13 => TableConfig::MISS_CONTINUE,
                        _ => TableConfig::EVICTION,
                    },
                    ..TableConfig::default()
                },
            });
            assert_eq!(connection.send_all(&[change]), [], "{version}");
        }
        let wants = openflow::message::AsyncConfig {
            masks: (0..6).map(|kind| (kind, 7)).collect(),
        };
        let mut flow = Flow::new(6, 9, Match::new().ipv6(), vec![]).cookie(77);
        flow.flags = FlowFlags::SEND_FLOW_REM;
        let delete = Message::FlowMod(Box::new(FlowMod::delete(flow.key.clone())));
        connection
            .session
            .send(&Message::SetAsyncConfig(wants))
            .expect("room");
        connection.session.send(&add(&flow)).expect("room");
        connection.session.send(&delete).expect("room");
        let gone = wait(&mut connection, |message| match message {
            Message::FlowRemoved(gone) => Some(gone),
            _ => None,
        });
        assert_eq!((gone.key, gone.cookie), (flow.key, 77), "{version}");
    }
}

#[test]
fn connections_are_forgotten_by_zone_and_by_tuple() {
    let switch = Switch::start();
    for version in Version::ALL {
        let mut connection = switch.connect_as(version);
        let flush = Message::CtFlush(CtFlush {
            protocol: 6,
            original: CtTuple {
                source: Some([192, 0, 2, 1].into()),
                destination: Some([192, 0, 2, 2].into()),
                source_port: Some(1000),
                destination_port: Some(80),
                ..CtTuple::default()
            },
            zone: Some(5),
            ..CtFlush::default()
        });
        let zone = Message::CtFlushZone(openflow::message::CtFlushZone { zone: 5 });
        assert_eq!(connection.send_all(&[zone]), [], "{version}");
        // Open vSwitch before 3.1 has no such message; then it says so by name.
        for (_, error) in connection.send_all(&[flush]) {
            assert_eq!(error.name(), Some("OFPBRC_BAD_SUBTYPE"), "{version}");
        }
    }
}

#[test]
fn what_a_check_refuses_the_switch_refuses_too() {
    let switch = Switch::start();
    let mut connection = switch.connect();
    prepare(&mut connection);
    let flow = |matches: Match, action: Action| Flow::new(5, 1, matches, vec![action]);
    let any = Match::new;
    let reg = |n, offset, bits| Field::Reg(n).slice(offset, bits);
    let text = |text: &str| text.parse::<Flow>().expect(text);
    let bad = [
        flow(any().with(Field::TcpDst, 80u16), Action::output(1)),
        flow(any().with(Field::IpDscp, 1u8), Action::output(1)),
        flow(any(), Action::set_field(Field::IpTtl, 3u8)),
        flow(any().ip(), Action::set_field(Field::TcpDst, 3u16)),
        flow(any(), Action::mov(Field::ArpSpa, reg(0, 0, 32))),
        flow(any(), Action::mov(reg(0, 0, 4), reg(1, 30, 4))),
        flow(any(), Action::mov(reg(0, 0, 16), Field::EthType)),
        flow(any(), Action::set_field(Field::EthType, 3u16)),
        flow(any(), Action::Nat(Box::default())),
        flow(any(), Action::output(Port::ANY)),
        flow(any(), Action::output(Port::UNSET)),
        flow(any(), Action::GotoTable(5)),
        flow(any(), Action::PushVlan(5)),
        flow(any(), Action::PushMpls(5)),
        flow(any(), Action::Push(reg(1, 20, 20))),
        flow(any(), Action::Pop(Field::EthType.whole())),
        flow(any(), Action::Group(Group::ALL)),
        text("ip,actions=ct(force)"),
        text("ip,actions=ct(zone=NXM_NX_REG0[0..7])"),
        text("actions=conjunction(1,1/2),output:1"),
        text("actions=multipath(eth_src,0,modulo_n,16,0,NXM_NX_REG0[0..2])"),
        text("actions=clone(set_field:3->nw_ttl)"),
        flow(
            any(),
            Action::Conjunction {
                id: 1,
                clause: 0,
                clauses: 1,
            },
        ),
    ];
    // The message has one number of bits for both sides, so that a switch would not even notice.
    let uneven = flow(any(), Action::mov(reg(0, 0, 3), reg(1, 0, 4)));
    assert!(uneven.check().is_err());
    for flow in &bad {
        let error = flow.check().expect_err(&flow.to_string());
        assert!(!error.to_string().is_empty());
    }
    let adds: Vec<Message> = bad.iter().map(add).collect();
    let refused: Vec<usize> = connection.send_all(&adds).iter().map(|(n, _)| *n).collect();
    let accepted: Vec<String> = bad
        .iter()
        .enumerate()
        .filter(|(n, _)| !refused.contains(n))
        .map(|(_, flow)| flow.to_string())
        .collect();
    assert!(accepted.is_empty(), "{accepted:#?}");
    // What the switch takes is not refused here.
    for flow in samples::flows() {
        assert_eq!(flow.check(), Ok(()), "{flow}");
    }
}
