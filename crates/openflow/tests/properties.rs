//! Whatever the bytes, decoding ends well; and what was decoded once is the same for ever after.

mod generators;

use generators::{actions, field_value, flow, group, matches};
use openflow::message::multipart::{FlowCounters, FlowDesc, FlowQuery, Part, TableStats};
use openflow::message::{
    AsyncConfig, BundleAdd, BundleControl, BundleControlKind, BundleFlags, CtFlushZone,
    ErrorMessage, Features, FlowMod, FlowRemoved, GroupCommand, GroupMod, Hello, LinkFeatures,
    Meter, MeterBand, MeterCommand, MeterMod, MultipartReply, MultipartRequest, PacketIn,
    PacketInStandard, PacketOut, PortConfig, PortDesc, PortReason, PortState, PortStatus,
    RemovedReason, Role, RoleMessage, SetControllerId, SetPacketInFormat, SwitchConfig, TlvMap,
    TlvTable, TlvTableMod,
};
use openflow::session::{Config, Session};
use openflow::{Action, Field, FieldValue, Flow, Group, Match, Message, Port, Version};
use proptest::prelude::*;
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

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
