//! Whatever the bytes, decoding ends well; and what was decoded once is the same for ever after.

mod generators;

use generators::{actions, field_value, flow, group, matches};
use openflow::message::multipart::{
    Aggregate, Description, FlowCounters, FlowDesc, FlowEvent, FlowMonitor, FlowQuery, FlowUpdate,
    GroupFeatures, GroupStats, IpfixStats, MeterFeatures, MeterStats, Part, PortStats, QueueDesc,
    QueueQuery, QueueStats, TableDesc, TableFeatures, TableStats,
};
use openflow::message::{
    AsyncConfig, BundleAdd, BundleControl, BundleControlKind, BundleFlags, CtFlush, CtFlushZone,
    CtTuple, ErrorMessage, Features, FlowMod, FlowModTableId, FlowRemoved, GroupCommand, GroupMod,
    Hello, LinkFeatures, Meter, MeterBand, MeterCommand, MeterMod, MonitorId, MultipartReply,
    MultipartRequest, PacketIn, PacketInNxm, PacketInStandard, PacketOut, PortConfig, PortDesc,
    PortMod, PortReason, PortState, PortStatus, QueueConfig, QueueConfigRequest, RemovedReason,
    RequestForward, Role, RoleMessage, RoleStatus, SetControllerId, SetFlowFormat,
    SetPacketInFormat, SwitchConfig, TableConfig, TableMod, TableStatus, TlvMap, TlvTable,
    TlvTableMod,
};
use openflow::server::Switch;
use openflow::session::{Config, Session};
use openflow::{
    Action, Field, FieldValue, Flow, FlowKey, Group, Match, Message, Port, Version, Versions,
};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Instant;

fn port() -> PortDesc {
    PortDesc {
        number: Port(7),
        address: [1, 2, 3, 4, 5, 6],
        name: "eth0".to_owned(),
        config: PortConfig::DOWN,
        state: PortState::LIVE,
        link: Some(LinkFeatures {
            current: 0x840,
            max_speed: 7,
            ..LinkFeatures::default()
        }),
        other: vec![(9, [1, 2, 3, 4].into())],
    }
}

/// A part of every kind of statistics.
fn parts() -> Vec<Part> {
    let counts = (Some(5), Some(6));
    let duration = Some((7, 8));
    let other: Vec<(u16, Box<[u8]>)> = vec![(99, [1, 2, 3, 4].into())];
    let key = FlowKey {
        table: 3,
        priority: 9,
        matches: Match::new().ip(),
    };
    let update = |event| FlowUpdate::Full {
        event,
        key: key.clone(),
        cookie: 4,
        idle_timeout: 5,
        hard_timeout: 6,
        actions: [Action::output(1)].into(),
    };
    let ipfix = IpfixStats {
        total_flows: 1,
        collector_set: 9,
        ..IpfixStats::default()
    };
    vec![
        Part::Description(Box::new(Description {
            manufacturer: "Nobody".to_owned(),
            datapath: "here".to_owned(),
            ..Description::default()
        })),
        Part::Aggregate(Aggregate {
            packets: Some(1),
            bytes: Some(2),
            flows: 3,
        }),
        Part::PortStats(vec![PortStats {
            port: Port(3),
            rx_packets: Some(4),
            tx_errors: Some(0),
            collisions: Some(9),
            duration,
            other: other.clone(),
            ..PortStats::default()
        }]),
        Part::QueueStats(vec![QueueStats {
            port: Port(3),
            queue: 4,
            bytes: Some(5),
            packets: Some(6),
            errors: Some(7),
            duration,
            ..QueueStats::default()
        }]),
        Part::GroupStats(vec![GroupStats {
            id: 1,
            references: 2,
            packets: Some(3),
            bytes: Some(4),
            duration,
            buckets: vec![counts, counts],
        }]),
        Part::GroupFeatures(GroupFeatures {
            kinds: 15,
            capabilities: 7,
            max_groups: [1, 2, 3, 4],
            actions: [5, 6, 7, 8],
        }),
        Part::MeterStats(vec![MeterStats {
            id: 1,
            flows: 2,
            packets: 3,
            bytes: 4,
            duration: (5, 6),
            bands: vec![(7, 8), (9, 10)],
        }]),
        Part::MeterFeatures(MeterFeatures {
            max_meters: 1,
            bands: 2,
            capabilities: 3,
            max_bands: 4,
            max_color: 5,
            features: 6,
        }),
        Part::TableFeatures(vec![TableFeatures {
            table: 1,
            name: "first".to_owned(),
            metadata_match: 2,
            metadata_write: 3,
            capabilities: 4,
            max_entries: 5,
            properties: other.clone(),
            ..TableFeatures::default()
        }]),
        Part::TableDescs(vec![TableDesc {
            table: 1,
            config: TableConfig {
                config: TableConfig::EVICTION,
                eviction: Some(3),
                vacancy: Some((10, 90, 50)),
                other: other.clone(),
            },
        }]),
        Part::Queues(vec![QueueDesc {
            port: Port(1),
            queue: 2,
            min_rate: Some(100),
            max_rate: None,
            other,
        }]),
        Part::FlowUpdates(vec![
            update(FlowEvent::Added),
            update(FlowEvent::Removed(RemovedReason::HardTimeout)),
            update(FlowEvent::Modified),
            FlowUpdate::Abbreviated { xid: 7 },
        ]),
        Part::FlowUpdates(vec![
            update(FlowEvent::Initial),
            FlowUpdate::Paused,
            FlowUpdate::Resumed,
        ]),
        Part::IpfixBridge(ipfix),
        Part::IpfixFlows(vec![ipfix, ipfix]),
    ]
}

/// A question of every kind that has no part of its own.
fn questions() -> Vec<MultipartRequest> {
    let queue = QueueQuery {
        port: Port(3),
        queue: QueueQuery::ALL,
    };
    let query = FlowQuery {
        table: 3,
        out_port: Some(Port(4)),
        cookie: 5,
        cookie_mask: 7,
        matches: Match::new().ip(),
        ..FlowQuery::default()
    };
    let monitor = FlowMonitor {
        out_port: Some(Port(1)),
        matches: Match::new().arp(),
        ..FlowMonitor::all(4)
    };
    vec![
        MultipartRequest::Description,
        MultipartRequest::Flows(query.clone()),
        MultipartRequest::Aggregate(query),
        MultipartRequest::PortStats(Port(3)),
        MultipartRequest::QueueStats(queue),
        MultipartRequest::GroupStats(4),
        MultipartRequest::GroupFeatures,
        MultipartRequest::MeterStats(5),
        MultipartRequest::MeterFeatures,
        MultipartRequest::TableFeatures(Vec::new()),
        MultipartRequest::TableDescs,
        MultipartRequest::Queues(queue),
        MultipartRequest::FlowMonitor(vec![monitor.clone(), monitor]),
        MultipartRequest::IpfixBridge,
        MultipartRequest::IpfixFlows,
    ]
}

/// The other messages that hold nothing random.
fn rare() -> Vec<Message> {
    let request: Box<[u8]> = [6, 20, 0, 8, 0, 0, 0, 9].into();
    let tuple = CtTuple {
        source: Some([192, 0, 2, 1].into()),
        destination: Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()),
        source_port: Some(1),
        destination_port: Some(2),
        ..CtTuple::default()
    };
    let icmp = CtTuple {
        icmp_id: Some(3),
        icmp_type: Some(4),
        icmp_code: Some(5),
        ..CtTuple::default()
    };
    let queue = QueueDesc {
        port: Port(1),
        queue: 2,
        min_rate: Some(10),
        max_rate: Some(20),
        other: Vec::new(),
    };
    vec![
        Message::PortMod(PortMod {
            port: Port(1),
            address: [1, 2, 3, 4, 5, 6],
            config: PortConfig::DOWN,
            mask: PortConfig::DOWN,
            advertise: 0x41,
            other: Vec::new(),
        }),
        Message::TableMod(TableMod {
            table: 255,
            config: TableConfig {
                config: 3,
                ..TableConfig::default()
            },
        }),
        Message::QueueConfigRequest(QueueConfigRequest { port: Port(1) }),
        Message::QueueConfig(QueueConfig {
            port: Port(1),
            queues: vec![queue],
        }),
        Message::RoleStatus(RoleStatus {
            role: Role::Secondary,
            reason: 1,
            generation: 2,
            properties: Box::default(),
        }),
        Message::TableStatus(TableStatus {
            reason: 3,
            table: [0, 8, 1, 0, 0, 0, 0, 4].into(),
        }),
        Message::RequestForward(RequestForward { request }),
        Message::SetFlowFormat(SetFlowFormat::NXM),
        Message::FlowModTableId(FlowModTableId { set: true }),
        Message::FlowAge,
        Message::FlowMonitorCancel(MonitorId(7)),
        Message::FlowMonitorPaused,
        Message::FlowMonitorResumed,
        Message::CtFlush(CtFlush {
            protocol: 6,
            original: tuple,
            reply: icmp,
            zone: Some(7),
        }),
        Message::CtFlush(CtFlush::default()),
        Message::PacketInNxm(PacketInNxm(PacketInStandard {
            total_len: 60,
            table: 3,
            cookie: 4,
            metadata: Match::new().in_port(3).reg(0, 1),
            packet: vec![1, 2, 3],
            ..PacketInStandard::default()
        })),
    ]
}

/// Messages that hold nothing random.
fn small() -> Vec<Message> {
    let data: Box<[u8]> = [6, 14, 0, 8, 0, 0, 0, 9].into();
    let map = TlvMap {
        class: 0x102,
        kind: 0x80,
        length: 4,
        index: 3,
    };
    let meter = Meter {
        id: 3,
        flags: Meter::PACKETS,
        bands: vec![
            MeterBand::Drop { rate: 1, burst: 2 },
            MeterBand::DscpRemark {
                rate: 3,
                burst: 4,
                level: 5,
            },
        ],
    };
    let reply = |part| Message::MultipartReply(MultipartReply { more: true, part });
    let ask = Message::MultipartRequest;
    let flags = BundleFlags::ATOMIC_ORDERED;
    vec![
        Message::Hello(Hello::default()),
        Message::Error(ErrorMessage {
            version: Version::V15,
            kind: 1,
            code: 6,
            experimenter: None,
            data: data.clone(),
        }),
        Message::Error(ErrorMessage {
            version: Version::V15,
            kind: 0xffff,
            code: 4,
            experimenter: Some(0x2320),
            data: data.clone(),
        }),
        Message::EchoRequest(data.clone()),
        Message::EchoReply(Box::default()),
        Message::FeaturesRequest,
        Message::Features(Features {
            datapath_id: 1,
            buffers: 2,
            tables: 3,
            auxiliary: 4,
            capabilities: 5,
            ..Features::default()
        }),
        Message::GetConfigRequest,
        Message::Config(SwitchConfig {
            flags: 1,
            miss_send_len: 128,
        }),
        Message::SetConfig(SwitchConfig {
            flags: 0,
            miss_send_len: 0xffff,
        }),
        Message::PortStatus(PortStatus {
            reason: PortReason::Modified,
            port: port(),
        }),
        ask(MultipartRequest::Flows(FlowQuery::default())),
        ask(MultipartRequest::Tables),
        ask(MultipartRequest::Groups(Group::ALL)),
        ask(MultipartRequest::Meters(Meter::ALL)),
        ask(MultipartRequest::Ports(Port::ANY)),
        ask(MultipartRequest::Unknown {
            kind: 77,
            flags: 1,
            body: data.clone(),
        }),
        reply(Part::Tables(vec![TableStats {
            table: 1,
            active: 2,
            lookups: 3,
            matched: 4,
            old: None,
        }])),
        reply(Part::Meters(vec![meter.clone(), Meter::default()])),
        reply(Part::Ports(vec![port(), port()])),
        reply(Part::Unknown {
            kind: 78,
            body: data.clone(),
        }),
        Message::BarrierRequest,
        Message::BarrierReply,
        Message::RoleRequest(RoleMessage {
            role: Role::Primary,
            short_id: 0,
            generation: 9,
        }),
        Message::RoleReply(RoleMessage {
            role: Role::Unknown(9),
            short_id: 2,
            generation: 9,
        }),
        Message::GetAsyncRequest,
        Message::AsyncConfig(AsyncConfig {
            masks: vec![(AsyncConfig::PACKET_IN, 7)],
        }),
        Message::SetAsyncConfig(AsyncConfig {
            masks: vec![(1, 2), (3, 4)],
        }),
        Message::MeterMod(MeterMod {
            command: MeterCommand::Modify,
            meter,
        }),
        Message::BundleControl(BundleControl {
            id: 1,
            kind: BundleControlKind::CommitRequest,
            flags,
        }),
        Message::BundleAdd(BundleAdd {
            id: 1,
            flags,
            message: data.clone(),
        }),
        Message::SetPacketInFormat(SetPacketInFormat::NXT_PACKET_IN2),
        Message::SetControllerId(SetControllerId { id: 5 }),
        Message::TlvTableMod(TlvTableMod::Add(vec![map])),
        Message::TlvTableMod(TlvTableMod::Clear),
        Message::TlvTableRequest,
        Message::TlvTable(TlvTable {
            max_space: 256,
            max_fields: 64,
            maps: vec![map, map],
        }),
        Message::CtFlushZone(CtFlushZone { zone: 65535 }),
        Message::Unknown {
            kind: 99,
            body: data.clone(),
        },
        Message::Unknown {
            kind: 4,
            body: data,
        },
    ]
}

fn packet_in() -> impl Strategy<Value = PacketIn> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..60);
    (
        bytes(),
        bytes(),
        matches(),
        any::<(Option<u8>, Option<u64>, Option<u8>, Option<u32>)>(),
    )
        .prop_map(
            |(packet, userdata, metadata, (table, cookie, reason, full_len))| PacketIn {
                continuation: (!packet.is_empty()).then(|| packet.clone().into()),
                other: vec![(77, [1, 2, 3].into())],
                buffer: full_len,
                packet,
                full_len,
                table,
                cookie,
                reason,
                metadata,
                userdata,
            },
        )
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        proptest::sample::select(small()),
        flow().prop_map(|flow| Message::FlowMod(Box::new(FlowMod::add(flow)))),
        (flow(), any::<u64>()).prop_map(|(flow, n)| {
            let flow_mod = FlowMod {
                cookie_mask: n,
                out_port: Some(Port(1)),
                ..FlowMod::delete(flow.key)
            };
            Message::FlowMod(Box::new(flow_mod))
        }),
        group().prop_map(|group| {
            Message::GroupMod(Box::new(GroupMod::new(GroupCommand::AddOrModify, group)))
        }),
        proptest::collection::vec(group(), 0..3).prop_map(|groups| {
            Message::MultipartReply(MultipartReply {
                more: false,
                part: Part::Groups(groups),
            })
        }),
        (
            proptest::collection::vec(flow(), 0..3),
            any::<Option<u64>>()
        )
            .prop_map(|(flows, packets)| {
                let counters = FlowCounters {
                    packets,
                    duration: Some((1, 2)),
                    ..FlowCounters::default()
                };
                let flows = flows
                    .into_iter()
                    .map(|flow| FlowDesc {
                        flow,
                        counters,
                        hard_age: None,
                    })
                    .collect();
                Message::MultipartReply(MultipartReply {
                    more: false,
                    part: Part::Flows(flows),
                })
            }),
        packet_in().prop_map(|packet| Message::PacketIn(Box::new(packet))),
        packet_in().prop_map(|packet| Message::Resume(Box::new(packet))),
        (packet_in(), actions()).prop_map(|(packet, actions)| {
            let metadata = packet.metadata.in_port(3);
            Message::PacketOut(PacketOut {
                buffer: None,
                metadata,
                actions,
                packet: packet.packet,
            })
        }),
        packet_in().prop_map(|packet| Message::PacketInStandard(PacketInStandard {
            cookie: 4,
            metadata: packet.metadata,
            packet: packet.packet,
            ..PacketInStandard::default()
        })),
        flow().prop_map(|flow| {
            Message::FlowRemoved(FlowRemoved {
                key: flow.key,
                cookie: 3,
                reason: RemovedReason::Eviction,
                ..FlowRemoved::default()
            })
        }),
    ]
}

/// Decoding either fails or gives something that is the same when it has gone over the wire again.
fn check(bytes: &[u8]) {
    if let Ok((xid, first)) = Message::decode(bytes) {
        // What is printed in logs must not fail either.
        let _ = format!("{first:?}");
        let Ok(again) = first.encode(xid) else { return };
        let (_, second) = Message::decode(&again).expect("what was written can be read");
        assert_eq!(second, first);
    }
}

fn set_length(bytes: &mut [u8]) {
    if let (Ok(length), Some(place)) = (u16::try_from(bytes.len()), bytes.get_mut(2..4)) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// Writes, reads, writes and reads again: what was read first stays the same for ever after.
fn check_in(version: Version, message: &Message) -> Option<Message> {
    let bytes = message.encode_as(version, 5).ok()?;
    let (xid, first) = Message::decode(&bytes).expect("what was written can be read");
    assert_eq!(xid, 5);
    let again = first
        .encode_as(version, 5)
        .expect("what was read can be written");
    assert_eq!(again, bytes, "{version}: {message:?}");
    Some(first)
}

#[test]
fn every_message_is_read_as_written_in_every_version_that_has_it() {
    let mut messages = small();
    messages.extend(rare());
    let part = |part| Message::MultipartReply(MultipartReply { more: false, part });
    messages.extend(parts().into_iter().map(part));
    messages.extend(questions().into_iter().map(Message::MultipartRequest));
    let mut seen = BTreeSet::new();
    for message in &messages {
        let mut written = 0;
        for version in Version::ALL {
            if let Some(read) = check_in(version, message) {
                written += 1;
                seen.insert(message.name());
                if version == Version::V14 || version == Version::V15 {
                    let same = match (&read, message) {
                        (Message::Error(a), Message::Error(b)) => a.data == b.data,
                        (a, b) => a == b,
                    };
                    assert!(same, "{version}: {message:?} was read as {read:?}");
                }
            }
        }
        assert!(written > 0, "{message:?} is in no version");
    }
    for info in Message::TABLE {
        let random = [
            "FlowMod",
            "GroupMod",
            "PacketOut",
            "PacketIn",
            "Resume",
            "FlowRemoved",
        ]
        .contains(&info.name)
            || info.name == "PacketInStandard";
        assert!(
            random || seen.contains(info.name),
            "{} has no sample",
            info.name
        );
    }
}

#[test]
fn every_field_has_bytes_and_text() {
    for field in Field::all() {
        let info = field.info();
        let value = FieldValue::exact(field, 1);
        let action = vec![Action::SetField(value)];
        let bytes = openflow::action::encode(&action);
        assert_eq!(openflow::action::decode(&bytes), Ok(action), "{field}");
        for code in info.codes {
            assert!(
                Field::from_name(code.name).is_some() || info.count > 1,
                "{}",
                code.name
            );
        }
        assert_eq!(Field::from_name(&field.to_string()), Some(field));
        assert_eq!(Field::from_name(&field.code_name()), Some(field));
    }
}

#[test]
fn headers_around_a_packet_are_read_as_written() {
    let text = "encap(nsh(md_type=2,tlv(0x1000,10,0x12345678),tlv(0x2000,20,0x01))),encap(ethernet),\
                dec_nsh_ttl,decap(),decap(packet_type(ns=1,type=0x894f)),encap(mpls)";
    let actions = openflow::Parser::default().actions(text).expect("actions");
    let bytes = openflow::action::encode(&actions);
    assert_eq!(openflow::action::decode(&bytes), Ok(actions.clone()));
    let flow = Flow::new(0, 1, Match::new(), actions);
    let add = Message::FlowMod(Box::new(FlowMod::add(flow)));
    assert!(add.encode_as(Version::V10, 1).is_err());
    for version in [Version::V13, Version::V14, Version::V15] {
        assert_eq!(check_in(version, &add).as_ref(), Some(&add));
    }
}

#[test]
fn a_sample_says_by_which_bits_of_a_packet_it_is_known() {
    let text = "sample(probability=9,collector_set_id=3,obs_domain_id=NXM_NX_REG1[0..7],obs_point_id=7,\
                sampling_port=5,egress)";
    let actions = openflow::Parser::default().actions(text).expect("actions");
    assert_eq!(actions[0].to_string(), text);
    // A type, a length, who extends, the fourth form, the probability, the collectors; then a field with its
    // bits, a number without a field, the port and the direction.
    let bytes: Vec<u8> = [
        &[0xff, 0xff, 0, 40, 0, 0, 0x23, 0x20, 0, 51, 0, 9, 0, 0, 0, 3][..],
        &[0, 1, 2, 4, 0, 7, 0, 0],
        &[0, 0, 0, 0, 0, 0, 0, 7],
        &[0, 5, 2, 0, 0, 0, 0, 0],
    ]
    .concat();
    assert_eq!(openflow::action::encode(&actions), bytes);
    assert_eq!(openflow::action::decode(&bytes), Ok(actions.clone()));
    for (text, expected) in [
        (
            text.replace("[0..7]", "[]").replace("REG1", "XXREG1"),
            "at most 32 bits of a field",
        ),
        (text.replace("=9", "=0"), "probability=.. above zero"),
    ] {
        let error = openflow::Parser::default()
            .actions(&text)
            .expect_err("refused");
        assert_eq!(error.expected, expected);
    }
    let whole = "actions=sample(probability=9,collector_set_id=3,obs_domain_id=NXM_NX_REG1[],obs_point_id=NXM_NX_REG2[])";
    let flow: Flow = whole.parse().expect("a flow");
    let add = Message::FlowMod(Box::new(FlowMod::add(flow)));
    for version in Version::ALL {
        assert_eq!(check_in(version, &add).as_ref(), Some(&add));
    }
}

/// As Open vSwitch 3.1 tells it.
#[test]
fn a_flow_whose_registers_are_told_two_by_two_is_kept_as_any_other() {
    let entry = "\
        00c8 0000 11 00 07d2 0000 0000 0000 0000 0000000000000002 0001 0032 80000a02 0800 80001604 0a000001 \
        80010f10 0000000500000000 ffffffff00000000 80000408 0000000000000006 000000000000 0000 0034 \
        80020008 0000000001312d00 80020208 0000000000000000 80020808 0000000000000000 80020a08 \
        0000000000000000 00000000 0004 0040 00000000 0019 0028 0001df20 00000002000000000000000000000000 \
        00000002000000000000000000000000 ffff 0010 00002320 000e fff8 28 000000";
    let digits: Vec<u8> = entry.bytes().filter(u8::is_ascii_hexdigit).collect();
    let entry: Vec<u8> = digits
        .chunks(2)
        .map(|pair| {
            u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("digits")
        })
        .collect();
    assert_eq!(entry.len(), 0xc8);
    let head = [6, 19, 0, 16 + 0xc8, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0];
    let (_, message) = Message::decode(&[&head[..], &entry].concat()).expect("a good message");
    let Message::MultipartReply(MultipartReply {
        part: Part::Flows(told),
        ..
    }) = message
    else {
        panic!("flows")
    };
    let text = "cookie=0x2, table=17, priority=2002,ip,reg14=0x5,metadata=0x6,nw_src=10.0.0.1 \
                actions=set_field:0x2000000000000000000000000/0x2000000000000000000000000->xxreg0,resubmit(,40)";
    let flow: Flow = text.parse().expect("a flow");
    let view = told.iter().next().expect("a flow");
    assert_eq!(view.to_string(), text);
    assert!(view.is(&flow));
    let counters = view.counters();
    assert_eq!(
        (counters.duration, counters.packets),
        (Some((0, 0x0131_2d00)), Some(0))
    );
    assert_eq!(told, [view.to_desc()].into_iter().collect());
}

/// What is left of a group where buckets have no numbers.
fn numbered(mut group: Group) -> Group {
    for (id, bucket) in (0..).zip(&mut group.buckets) {
        bucket.id = id;
    }
    group.selection = None;
    group
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_switch_of_ours_survives_whatever_it_is_told(
        version in proptest::sample::select(Version::ALL.to_vec()),
        messages in proptest::collection::vec(message(), 1..6),
        noise in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut switch = Switch::new(Versions::ALL, vec![port()]);
        let hello = Message::Hello(Hello::new(Versions::only(version)));
        switch.handle_bytes(&hello.encode_as(version, 0).unwrap());
        for message in messages {
            let Ok(mut bytes) = message.encode_as(version, 3) else { continue };
            for (place, byte) in &noise {
                // The length stays, so that what follows is reached.
                let at = 4 + place.index(bytes.len() - 4);
                bytes[at] = *byte;
            }
            switch.handle_bytes(&bytes);
        }
        prop_assert!(!switch.is_closed());
        // Whatever it answers can be read.
        let said = switch.poll_transmit().unwrap_or_default();
        let mut rest = said.as_slice();
        while !rest.is_empty() {
            let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            let (message, tail) = rest.split_at(length);
            prop_assert!(Message::decode(message).is_ok());
            rest = tail;
        }
    }

    #[test]
    fn any_message_is_the_same_for_ever_after_in_every_version(message in message()) {
        for version in Version::ALL {
            check_in(version, &message);
        }
    }

    #[test]
    fn a_flow_is_read_as_written_in_every_version_that_can_say_it(flow in flow()) {
        let add = Message::FlowMod(Box::new(FlowMod::add(flow)));
        let mut said = 0;
        for version in [Version::V13, Version::V14, Version::V15] {
            if let Some(read) = check_in(version, &add) {
                prop_assert_eq!(&read, &add, "{}", version);
                said += 1;
            }
        }
        prop_assert_eq!(said, 3);
    }

    #[test]
    fn a_flow_that_was_told_is_read_from_where_it_stands(
        flows in proptest::collection::vec(flow(), 0..4),
        version in proptest::sample::select(Version::ALL.to_vec()),
    ) {
        let counters = FlowCounters { packets: Some(7), bytes: Some(9), duration: Some((1, 2)), idle: None };
        let told: Vec<FlowDesc> = flows
            .into_iter()
            .map(|flow| FlowDesc { flow, counters, hard_age: None })
            .collect();
        let part = Part::Flows(told.iter().cloned().collect());
        let message = Message::MultipartReply(MultipartReply { more: false, part });
        let Ok(bytes) = message.encode_as(version, 1) else {
            return Ok(());
        };
        let (_, decoded) = Message::decode(&bytes).expect("it was written here");
        let Message::MultipartReply(MultipartReply { part: Part::Flows(list), .. }) = decoded else {
            panic!("an answer")
        };
        prop_assert_eq!(list.len(), told.len());
        for (view, desc) in list.iter().zip(&told) {
            let flow = view.to_flow();
            prop_assert_eq!(view.to_string(), flow.to_string());
            prop_assert!(view.is(&flow) && view.has_key(&flow.key));
            prop_assert_eq!(view.matches(), flow.key.matches.clone());
            prop_assert_eq!((view.table(), view.priority(), view.cookie()), (flow.key.table, flow.key.priority, flow.cookie));
            prop_assert_eq!(view.counters(), counters);
            if version == Version::V15 {
                prop_assert_eq!(view.to_desc(), desc.clone());
                let other = Flow { cookie: !flow.cookie, ..flow };
                prop_assert!(!view.is(&other));
            }
        }
    }

    #[test]
    fn a_group_is_read_as_written_in_every_version(group in group()) {
        let old = numbered(group.clone());
        for version in Version::ALL {
            let group = match version {
                Version::V13 | Version::V14 => old.clone(),
                Version::V10 | Version::V15 => group.clone(),
            };
            let add = Message::GroupMod(Box::new(GroupMod::new(GroupCommand::Add, group)));
            // OpenFlow 1.0 has no words for some ports and actions.
            match check_in(version, &add) {
                None => prop_assert_eq!(version, Version::V10),
                read => prop_assert_eq!(read, Some(add), "{}", version),
            }
        }
    }

    #[test]
    fn what_is_written_is_read(message in message()) {
        let bytes = message.encode(5).unwrap();
        prop_assert_eq!(bytes.len() % 8 == 0 || !matches!(message, Message::FlowMod(_)), true);
        prop_assert_eq!(Message::decode(&bytes), Ok((5, message)));
    }

    #[test]
    fn random_bytes_do_no_harm(
        kind in 0u8..40,
        subtype in 0u32..34,
        body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut bytes = vec![6, kind, 0, 0, 0, 0, 0, 1];
        if kind == 4 {
            bytes.extend(0x2320u32.to_be_bytes());
            bytes.extend(subtype.to_be_bytes());
        }
        bytes.extend(body);
        set_length(&mut bytes);
        check(&bytes);
    }

    #[test]
    fn spoilt_messages_do_no_harm(
        message in message(),
        spoils in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let mut bytes = message.encode(5).unwrap();
        for (at, value) in spoils {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if !whole {
            bytes.truncate(cut.index(bytes.len()));
        }
        set_length(&mut bytes);
        check(&bytes);
        let now = Instant::now();
        let mut session = Session::new(Config::default(), now);
        let hello = Message::Hello(Hello::default()).encode(0).unwrap();
        session.handle_bytes(&hello, now).unwrap();
        let _ = session.handle_bytes(&bytes, now);
        while session.poll_event().is_some() {}
    }

    #[test]
    fn the_order_in_which_a_match_is_built_does_not_matter(
        entries in proptest::collection::vec(field_value(), 0..6),
    ) {
        // Of two values for one bit the later wins, so each field may be there once.
        let mut entries = entries;
        let word = |field: Field| match field {
            Field::Reg(n) => 1000 + u32::from(n) / 4,
            Field::XReg(n) => 1000 + u32::from(n) / 2,
            Field::XxReg(n) => 1000 + u32::from(n),
            Field::VlanTci | Field::VlanVid | Field::VlanPcp => 1,
            Field::InPort | Field::InPortOxm => 2,
            Field::IpTos | Field::IpDscp => 3,
            other => 4 + Field::all().position(|field| field == other).unwrap_or(0) as u32,
        };
        entries.sort_by_key(|entry| word(entry.field()));
        entries.dedup_by_key(|entry| word(entry.field()));
        let build = |entries: &[FieldValue]| {
            let mut out = Match::new();
            entries.iter().for_each(|entry| out.insert(*entry));
            out
        };
        let forwards = build(&entries);
        entries.reverse();
        prop_assert_eq!(forwards, build(&entries));
    }
}

#[test]
fn every_small_message_comes_back() {
    for message in small() {
        let bytes = message.encode(1).unwrap();
        assert_eq!(Message::decode(&bytes), Ok((1, message)));
    }
}

#[test]
fn actions_nested_beyond_reason_are_kept_as_bytes() {
    let mut action = Action::CtClear;
    for _ in 0..3000 {
        action = Action::Clone(vec![action]);
    }
    let flow = Flow::new(0, 0, Match::new(), vec![action]);
    let bytes = Message::FlowMod(Box::new(FlowMod::add(flow)))
        .encode(1)
        .unwrap();
    let (_, Message::FlowMod(read)) = Message::decode(&bytes).unwrap() else {
        panic!("a flow")
    };
    assert_eq!(Message::FlowMod(read).encode(1).unwrap(), bytes);
}

/// Found by fuzzing: it was written as padding, and then read as the end of the list.
#[test]
fn a_learned_field_of_no_bits_is_kept_as_bytes() {
    let text = "060e0088000000070000000000000000000000000000000000000000000080\
        00ffffffffffffffffffffffff0000000000010004000000000004005000000000ffff0048000023200010800040100000\
        00000000000000000000000000010000800000010004000000000004005000000000ffff00480000232000000010000000\
        02000000000000";
    let digits: Vec<u8> = text
        .bytes()
        .filter_map(|b| char::from(b).to_digit(16))
        .map(|d| d as u8)
        .collect();
    let bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect();
    assert_eq!(bytes.len(), 0x88);
    check(&bytes);
}

/// Found by fuzzing: OpenFlow 1.3 has no properties here, so what follows is none either.
#[test]
fn a_table_mod_of_an_old_version_has_no_properties() {
    let bytes = [
        4, 17, 0, 20, 0, 0, 0x10, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 4,
    ];
    if let Ok((xid, message)) = Message::decode(&bytes) {
        let again = message.encode_as(openflow::Version::V13, xid).unwrap();
        assert_eq!(Message::decode(&again), Ok((xid, message)));
    }
}

/// Found by fuzzing: the last number that a kind of statistics can have.
#[test]
fn statistics_of_any_number_are_read() {
    for version in [1, 4, 5, 6] {
        let mut bytes = vec![
            version,
            if version == 1 { 17 } else { 19 },
            0,
            36,
            0,
            0,
            0,
            0,
        ];
        bytes.extend([0xff, 0xff, 0, 0]);
        if version != 1 {
            bytes.extend([0; 4]);
        }
        bytes.extend([0, 0, 0x23, 0x20, 0xff, 0xff, 0xff, 0xff]);
        bytes.resize(36, 0);
        let (_, message) = Message::decode(&bytes).unwrap();
        assert!(format!("{message:?}").contains("65535"), "{message:?}");
    }
}
