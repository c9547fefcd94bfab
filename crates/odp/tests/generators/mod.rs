//! Any key, mask, action and message that the types can say.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use odp::{
    Action, AddMpls, Arp, CheckPacketLength, Ct, CtTuple4, CtTuple6, Erspan, Ethernet,
    GeneveOptions, Hash, HashAlgorithm, Icmp, Ipv4, Ipv6, Key, KeyField, Match, MeterId, MplsEntry,
    Nat, NatDirection, NatRange, Nd, NdExtensions, Nsh, NshBase, PacketType, PortNo, Ports,
    PushEthernet, PushMpls, PushVlan, Raw, Sample, Sampled, Tunnel, Ufid, Userspace, Vlan, Zone,
};
use packet::Mac;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

pub(crate) fn mac() -> impl Strategy<Value = Mac> {
    any::<[u8; 6]>().prop_map(Mac)
}

fn ip4() -> impl Strategy<Value = Ipv4Addr> {
    any::<[u8; 4]>().prop_map(Ipv4Addr::from)
}

/// Addresses of all forms that have a way of their own to be written.
fn ip6() -> impl Strategy<Value = Ipv6Addr> {
    prop_oneof![
        any::<[u8; 16]>().prop_map(Ipv6Addr::from),
        any::<[u8; 4]>().prop_map(|b| Ipv6Addr::from(u128::from(u32::from_be_bytes(b)))),
        any::<[u8; 4]>().prop_map(|b| Ipv4Addr::from(b).to_ipv6_mapped()),
        any::<u16>().prop_map(|word| Ipv6Addr::new(0xfe80, 0, 0, 0, word, 0, 0, 1)),
    ]
}

fn ports() -> impl Strategy<Value = Ports> {
    any::<(u16, u16)>().prop_map(|(src, dst)| Ports { src, dst })
}

fn icmp() -> impl Strategy<Value = Icmp> {
    any::<(u8, u8)>().prop_map(|(kind, code)| Icmp { kind, code })
}

fn ipv4() -> impl Strategy<Value = Ipv4> {
    (ip4(), ip4(), any::<(u8, u8, u8)>(), 0u8..3).prop_map(|(src, dst, (proto, tos, ttl), frag)| {
        Ipv4 {
            src,
            dst,
            proto,
            tos,
            ttl,
            frag,
        }
    })
}

fn ipv6() -> impl Strategy<Value = Ipv6> {
    let bytes = any::<(u8, u8, u8)>();
    (ip6(), ip6(), 0u32..1 << 20, bytes, 0u8..3).prop_map(
        |(src, dst, label, (proto, tclass, hlimit), frag)| Ipv6 {
            src,
            dst,
            label,
            proto,
            tclass,
            hlimit,
            frag,
        },
    )
}

fn arp() -> impl Strategy<Value = Arp> {
    (ip4(), ip4(), any::<u16>(), mac(), mac()).prop_map(|(sip, tip, op, sha, tha)| Arp {
        sip,
        tip,
        op,
        sha,
        tha,
    })
}

fn tuple4() -> impl Strategy<Value = CtTuple4> {
    (ip4(), ip4(), any::<(u16, u16, u8)>()).prop_map(|(src, dst, (src_port, dst_port, proto))| {
        CtTuple4 {
            src,
            dst,
            src_port,
            dst_port,
            proto,
        }
    })
}

fn tuple6() -> impl Strategy<Value = CtTuple6> {
    (ip6(), ip6(), any::<(u16, u16, u8)>()).prop_map(|(src, dst, (src_port, dst_port, proto))| {
        CtTuple6 {
            src,
            dst,
            src_port,
            dst_port,
            proto,
        }
    })
}

/// An attribute of a number that nobody has.
fn raw() -> impl Strategy<Value = Raw> {
    (100u16..200, vec(any::<u8>(), 1..9)).prop_map(|(kind, bytes)| Raw { kind, bytes })
}

pub(crate) fn geneve() -> impl Strategy<Value = GeneveOptions> {
    let option = (any::<(u16, u8)>(), vec(any::<u8>(), 0..12));
    vec(option, 1..4).prop_map(|options| {
        let none = GeneveOptions::default();
        options
            .into_iter()
            .fold(none, |all, ((class, kind), data)| {
                all.with(class, kind, &data)
            })
    })
}

fn erspan() -> impl Strategy<Value = Erspan> {
    prop_oneof![
        (0u32..1 << 20).prop_map(Erspan::version1),
        (0u8..2, 0u8..64).prop_map(|(direction, hardware)| Erspan::version2(direction, hardware)),
    ]
}

pub(crate) fn tunnel() -> impl Strategy<Value = Tunnel> {
    let first = (
        option::of(any::<u64>()),
        option::of(ip4()),
        option::of(ip4()),
        option::of(ip6()),
        option::of(ip6()),
        option::of(any::<u8>()),
        option::of(any::<u8>()),
    );
    let second = (
        any::<[bool; 3]>(),
        option::of(any::<u16>()),
        option::of(any::<u16>()),
        option::of(0u32..1 << 24),
        option::of(geneve()),
        option::of(erspan()),
        vec(raw(), 0..2),
    );
    (first, second).prop_map(|(first, second)| {
        let (id, ipv4_src, ipv4_dst, ipv6_src, ipv6_dst, tos, ttl) = first;
        let (flags, tp_src, tp_dst, vxlan_gbp, geneve, erspan, unknown) = second;
        let [dont_fragment, checksum, oam] = flags;
        Tunnel {
            id,
            ipv4_src,
            ipv4_dst,
            ipv6_src,
            ipv6_dst,
            tos,
            ttl,
            dont_fragment,
            checksum,
            oam,
            tp_src,
            tp_dst,
            vxlan_gbp,
            geneve,
            erspan,
            info_bridge: false,
            unknown,
        }
    })
}

/// A header of the first or second kind.
pub(crate) fn nsh() -> impl Strategy<Value = Nsh> {
    // As many bits as a header has.
    let base = (0u8..4, 0u8..64, any::<u8>(), any::<u32>());
    let words = any::<[u32; 4]>();
    (base, any::<bool>(), words, vec(any::<u32>(), 1..4)).prop_map(
        |((flags, ttl, np, path), first, words, metadata)| {
            let base = NshBase {
                flags,
                ttl,
                mdtype: if first { 1 } else { 2 },
                np,
                path,
            };
            // Text does not say leading zeros.
            let metadata = metadata
                .into_iter()
                .flat_map(|word| (word | 0x1000_0000).to_be_bytes());
            Nsh {
                base: Some(base),
                md1: first.then_some(words),
                md2: (!first).then(|| metadata.collect()),
                unknown: Vec::new(),
            }
        },
    )
}

/// A header as keys have it: they do not have the second kind's metadata.
fn key_nsh() -> impl Strategy<Value = Nsh> {
    nsh().prop_map(|nsh| Nsh { md2: None, ..nsh })
}

fn vlan() -> impl Strategy<Value = Vlan> {
    (0u16..4096, 0u8..8).prop_map(|(id, priority)| Vlan::new(id, priority))
}

fn mpls() -> impl Strategy<Value = Vec<MplsEntry>> {
    vec(any::<u32>().prop_map(MplsEntry), 1..4)
}

/// Fields that a masked set can change.
fn settable() -> BoxedStrategy<KeyField> {
    prop_oneof![
        any::<u32>().prop_map(KeyField::Priority),
        any::<u32>().prop_map(KeyField::SkbMark),
        (mac(), mac()).prop_map(|(src, dst)| KeyField::Ethernet(Ethernet { src, dst })),
        ipv4().prop_map(KeyField::Ipv4),
        ipv6().prop_map(KeyField::Ipv6),
        ports().prop_map(KeyField::Tcp),
        ports().prop_map(KeyField::Udp),
        ports().prop_map(KeyField::Sctp),
        icmp().prop_map(KeyField::Icmp),
        icmp().prop_map(KeyField::Icmpv6),
        arp().prop_map(KeyField::Arp),
        any::<u32>().prop_map(|entry| KeyField::Mpls(vec![MplsEntry(entry)])),
        (ip6(), mac(), mac())
            .prop_map(|(target, sll, tll)| { KeyField::Nd(Nd { target, sll, tll }) }),
        nsh()
            .prop_filter("keys have the first kind", |nsh| nsh.md1.is_some())
            .prop_map(|nsh| KeyField::Nsh(Box::new(nsh))),
    ]
    .boxed()
}

/// Any field but those that hold others.
fn leaf() -> BoxedStrategy<KeyField> {
    prop_oneof![
        4 => settable(),
        1 => any::<u32>().prop_map(|port| KeyField::InPort(PortNo(port))),
        1 => vlan().prop_map(KeyField::Vlan),
        1 => any::<u16>().prop_map(KeyField::EtherType),
        1 => tunnel().prop_map(|tunnel| KeyField::Tunnel(Box::new(tunnel))),
        1 => (0u16..4096).prop_map(KeyField::TcpFlags),
        1 => any::<u32>().prop_map(KeyField::DpHash),
        1 => any::<u32>().prop_map(KeyField::RecircId),
        1 => mpls().prop_map(KeyField::Mpls),
        1 => (0u32..256).prop_map(KeyField::CtState),
        1 => any::<u16>().prop_map(KeyField::CtZone),
        1 => any::<u32>().prop_map(KeyField::CtMark),
        1 => any::<u128>().prop_map(KeyField::CtLabels),
        1 => tuple4().prop_map(KeyField::CtTuple4),
        1 => tuple6().prop_map(KeyField::CtTuple6),
        1 => key_nsh().prop_map(|nsh| KeyField::Nsh(Box::new(nsh))),
        1 => any::<(u16, u16)>().prop_map(|(namespace, id)| {
            KeyField::PacketType(PacketType { namespace, id })
        }),
        1 => any::<(u32, u8)>().prop_map(|(reserved, options_type)| {
            KeyField::NdExtensions(NdExtensions { reserved, options_type })
        }),
        1 => any::<u16>().prop_map(KeyField::Ipv6ExtHeaders),
        1 => raw().prop_map(KeyField::Unknown),
    ]
    .boxed()
}

/// A key in which each field is there once.
pub(crate) fn key() -> BoxedStrategy<Key> {
    let fields = vec(leaf(), 1..8).prop_map(once);
    let tagged = (fields.clone(), vec(leaf(), 1..4)).prop_map(|(mut key, inside)| {
        key.0.push(KeyField::Encap(once(inside)));
        key
    });
    prop_oneof![4 => fields, 1 => tagged].boxed()
}

fn once(fields: Vec<KeyField>) -> Key {
    let mut key = Key::default();
    for field in fields {
        if key.field(field.number()).is_none() {
            key.0.push(field);
        }
    }
    key
}

/// A key of which all counts.
pub(crate) fn exact_match() -> impl Strategy<Value = Match> {
    key().prop_map(|key| Match {
        mask: Some(key.exact_mask()),
        key,
    })
}

/// The mask of a field: its bits, and none outside of what its value can have.
fn masked(field: KeyField, bits: &KeyField) -> (KeyField, KeyField) {
    let frag = |mask: u8| if mask == 0 { 0 } else { u8::MAX };
    let mask = match (&field, bits) {
        (KeyField::Ipv4(_), KeyField::Ipv4(mask)) => KeyField::Ipv4(Ipv4 {
            frag: frag(mask.frag),
            ..*mask
        }),
        (KeyField::Ipv6(_), KeyField::Ipv6(mask)) => KeyField::Ipv6(Ipv6 {
            frag: frag(mask.frag),
            ..*mask
        }),
        (KeyField::Nsh(_), _) => field.exact_mask(),
        _ if std::mem::discriminant(&field) == std::mem::discriminant(bits) => bits.clone(),
        _ => field.exact_mask(),
    };
    (within(field, &mask), mask)
}

/// A value without the bits that its mask lacks. Fields with others inside stay.
fn within(field: KeyField, mask: &KeyField) -> KeyField {
    if matches!(field, KeyField::Nsh(_)) {
        return field;
    }
    let mut bytes = Key(vec![field]).encode();
    let mask = Key(vec![mask.clone()]).encode();
    for (byte, bits) in bytes.iter_mut().zip(mask).skip(4) {
        *byte &= bits;
    }
    Key::decode(&bytes).expect("it has its length").0.remove(0)
}

/// A field to set, and which bits of it.
pub(crate) fn masked_set() -> impl Strategy<Value = (KeyField, KeyField)> {
    (settable(), settable()).prop_map(|(field, bits)| masked(field, &bits))
}

fn range<T: Copy + Ord + std::fmt::Debug + 'static>(
    ends: impl Strategy<Value = (T, Option<T>)>,
) -> impl Strategy<Value = NatRange<T>> {
    ends.prop_map(|(a, b)| match b {
        Some(b) if b != a => NatRange {
            min: a.min(b),
            max: Some(a.max(b)),
        },
        _ => NatRange { min: a, max: None },
    })
}

fn nat() -> impl Strategy<Value = Nat> {
    let addresses = prop_oneof![
        range((ip4(), option::of(ip4()))).prop_map(|range| NatRange {
            min: IpAddr::V4(range.min),
            max: range.max.map(IpAddr::V4),
        }),
        range((ip6(), option::of(ip6()))).prop_map(|range| NatRange {
            min: IpAddr::V6(range.min),
            max: range.max.map(IpAddr::V6),
        }),
    ];
    let ports = range((1u16.., option::of(1u16..)));
    let how = (any::<bool>(), addresses, option::of(ports), 0..4);
    option::of(how).prop_map(|how| {
        let Some((source, addresses, ports, random)) = how else {
            return Nat::default();
        };
        Nat {
            direction: Some(match source {
                true => NatDirection::Source,
                false => NatDirection::Destination,
            }),
            addresses: Some(addresses),
            ports,
            persistent: random == 3,
            hash: random == 1,
            random: random == 2,
            unknown: Vec::new(),
        }
    })
}

fn ct() -> impl Strategy<Value = Ct> {
    (
        0..3,
        option::of(1u16..),
        option::of(any::<(u32, u32)>()),
        option::of(any::<(u128, u128)>()),
        option::of("[a-z]{1,15}"),
        option::of("[a-z0-9_]{1,31}"),
        option::of(nat()),
    )
        .prop_map(|(commit, zone, mark, labels, helper, timeout, nat)| Ct {
            commit: commit == 1,
            force_commit: commit == 2,
            zone: zone.map(Zone),
            mark,
            labels,
            helper,
            timeout,
            event_mask: None,
            nat,
            unknown: Vec::new(),
        })
}

fn userspace() -> impl Strategy<Value = Userspace> {
    let data = vec(any::<u8>(), 1..64);
    (
        any::<u32>(),
        option::of(data),
        option::of(any::<u32>()),
        any::<bool>(),
    )
        .prop_map(|(pid, data, port, with_actions)| Userspace {
            pid,
            data,
            tunnel_port: port.map(PortNo),
            with_actions,
            unknown: Vec::new(),
        })
}

/// Actions without others inside that Open vSwitch 3.1 knows too.
pub(crate) fn stock_leaf() -> BoxedStrategy<Action> {
    prop_oneof![
        any::<u32>().prop_map(|port| Action::Output(PortNo(port))),
        userspace().prop_map(|userspace| Action::Userspace(Box::new(userspace))),
        masked_set().prop_map(|(value, mask)| match mask == value.exact_mask() {
            true => Action::Set(value),
            false => Action::SetMasked { value, mask },
        }),
        vlan().prop_map(|tci| Action::PushVlan(PushVlan { tpid: 0x88a8, tci })),
        Just(Action::PopVlan),
        any::<u32>().prop_map(Action::Recirc),
        ct().prop_map(|ct| Action::Ct(Box::new(ct))),
        any::<u32>().prop_map(Action::Trunc),
        Just(Action::CtClear),
        nsh().prop_map(|nsh| Action::PushNsh(Box::new(nsh))),
        Just(Action::PopNsh),
        any::<u32>().prop_map(|id| Action::Meter(MeterId(id))),
        any::<(u32, u16)>().prop_map(|(entry, ether_type)| {
            let entry = MplsEntry(entry);
            Action::AddMpls(AddMpls {
                entry,
                ether_type,
                flags: 0,
            })
        }),
        tunnel().prop_map(|tunnel| {
            Action::set_tunnel(Tunnel {
                unknown: Vec::new(),
                ..tunnel
            })
        }),
    ]
    .boxed()
}

/// All actions without others inside.
fn leaf_action() -> BoxedStrategy<Action> {
    prop_oneof![
        6 => stock_leaf(),
        1 => any::<(u32, u32)>().prop_map(|(kind, basis)| Action::Hash(Hash {
            algorithm: match kind % 3 {
                0 => HashAlgorithm::L4,
                1 => HashAlgorithm::SymmetricL4,
                _ => HashAlgorithm::Other(kind | 2),
            },
            basis,
        })),
        1 => any::<(u32, u16)>().prop_map(|(entry, ether_type)| {
            Action::PushMpls(PushMpls { entry: MplsEntry(entry), ether_type })
        }),
        1 => any::<u16>().prop_map(Action::PopMpls),
        1 => (mac(), mac()).prop_map(|(src, dst)| Action::PushEthernet(PushEthernet { src, dst })),
        1 => Just(Action::PopEthernet),
        1 => (1u32..).prop_map(Action::Drop),
        1 => (any::<u32>(), option::of(vec(any::<u8>(), 1..17)))
            .prop_map(|(group, cookie)| Action::Psample(Sampled { group, cookie })),
        1 => raw().prop_map(Action::Unknown),
    ]
    .boxed()
}

fn nest(leaf: BoxedStrategy<Action>, more: bool) -> BoxedStrategy<Action> {
    leaf.prop_recursive(3, 12, 3, move |inner| {
        let list = vec(inner, 1..4).boxed();
        let dec_ttl = list.clone().prop_map(Action::DecTtl).boxed();
        let clone = list.clone().prop_map(Action::Clone).boxed();
        prop_oneof![
            (0u32..=1000, list.clone()).prop_map(|(tenths, actions)| {
                // Text has one digit behind the point.
                let probability = f64::from(u32::MAX) * (f64::from(tenths) / 10.0 / 100.0) + 0.5;
                let probability = probability.floor() as u32;
                Action::Sample(Sample {
                    probability,
                    actions,
                })
            }),
            clone.clone(),
            (any::<u16>(), list.clone(), list).prop_map(|(length, greater, less_equal)| {
                Action::CheckPacketLength(Box::new(CheckPacketLength {
                    length,
                    greater,
                    less_equal,
                }))
            }),
            if more { dec_ttl } else { clone },
        ]
    })
    .boxed()
}

/// Any actions.
pub(crate) fn actions() -> impl Strategy<Value = Vec<Action>> {
    vec(nest(leaf_action(), true), 0..4)
}

/// Actions that Open vSwitch 3.1 reads and writes.
pub(crate) fn stock_actions() -> impl Strategy<Value = Vec<Action>> {
    vec(nest(stock_leaf(), false), 1..4)
}

pub(crate) fn ufid() -> impl Strategy<Value = Ufid> {
    any::<[u8; 16]>().prop_map(Ufid)
}
