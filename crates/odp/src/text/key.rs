//! Writing keys.

use super::value::{List, Style, hex, plain};
use super::{Fields, Format, nested, nsh};
use crate::attribute::Raw;
use crate::id::PortNo;
use crate::key::{Key, KeyField, MplsEntry, PacketType, Vlan};
use crate::layout::Value;

/// Bits of a state and their names. Bits without one are written as a number.
pub(super) type Flags = &'static [(u32, &'static str)];

pub(super) const CT_STATE: Flags = &[
    (0x01, "new"),
    (0x02, "est"),
    (0x04, "rel"),
    (0x08, "rpl"),
    (0x10, "inv"),
    (0x20, "trk"),
    (0x40, "snat"),
    (0x80, "dnat"),
];

pub(super) const TCP_FLAGS: Flags = &[
    (0x001, "fin"),
    (0x002, "syn"),
    (0x004, "rst"),
    (0x008, "psh"),
    (0x010, "ack"),
    (0x020, "urg"),
    (0x040, "ece"),
    (0x080, "cwr"),
    (0x100, "ns"),
    (0x200, "[200]"),
    (0x400, "[400]"),
    (0x800, "[800]"),
];

/// The bits of a TCP header's flags.
const TCP_BITS: u16 = 0xfff;

/// A key with its mask, or without.
pub(super) fn print(key: &Key, mask: Option<&Key>, format: &Format<'_>, out: &mut String) {
    if key.0.is_empty() {
        out.push_str("<empty>");
        return;
    }
    let masks = mask.filter(|mask| !mask.0.is_empty());
    let mut any = false;
    for field in &key.0 {
        let shown = show(field, masks, format);
        let Some(shown) = shown.or_else(|| ethernet_anyway(field, key)) else {
            continue;
        };
        if any {
            out.push(',');
        }
        any = true;
        out.push_str(&shown);
    }
    if key.ether_type().is_none()
        && let Some(kind) = mask.and_then(Key::ether_type)
    {
        plain(format_args!(",eth_type(0/{kind:#06x})"), out);
    }
}

/// A field, unless nothing of it counts.
fn show(field: &KeyField, masks: Option<&Key>, format: &Format<'_>) -> Option<String> {
    let holds_fields = matches!(
        field,
        KeyField::Encap(_) | KeyField::Tunnel(_) | KeyField::Nsh(_)
    );
    let number = field.number();
    let mask = masks.map(|masks| masks.field(number));
    let wild = match mask {
        None => false,
        Some(None) => true,
        Some(Some(mask)) => !holds_fields && is_wildcard(mask),
    };
    if wild && !format.more && !holds_fields {
        return None;
    }
    let zero;
    let mask = match mask {
        Some(None) => {
            zero = wildcard(field);
            Some(&zero)
        }
        other => other.flatten(),
    };
    let mut out = String::new();
    one(field, mask, format, &mut out);
    Some(out)
}

/// The datapath takes a packet for Ethernet by this field alone, so it is there even if nothing of it
/// counts; but for a datapath that says what packets begin with.
fn ethernet_anyway(field: &KeyField, key: &Key) -> Option<String> {
    let explicit = key
        .0
        .iter()
        .any(|field| matches!(field, KeyField::PacketType(_)));
    let ethernet = matches!(field, KeyField::Ethernet(_)) && !explicit;
    ethernet.then(|| "eth()".to_owned())
}

/// The bytes of a mask, without the bits that no header has.
fn bits(mask: &KeyField) -> Vec<u8> {
    match mask {
        KeyField::TcpFlags(flags) => (flags & TCP_BITS).to_be_bytes().to_vec(),
        mask => {
            let mut writer = crate::attribute::Writer::default();
            mask.write_value(&mut writer);
            writer.into_bytes()
        }
    }
}

fn is_wildcard(mask: &KeyField) -> bool {
    !matches!(mask, KeyField::Unknown(_)) && bits(mask).iter().all(|byte| *byte == 0)
}

/// The mask by which nothing of a field counts.
fn wildcard(field: &KeyField) -> KeyField {
    match field {
        KeyField::Encap(_) => KeyField::Encap(Key::default()),
        KeyField::Tunnel(tunnel) => KeyField::Tunnel(Box::new(nested::wildcard(tunnel))),
        KeyField::Nsh(_) => KeyField::Nsh(Box::new(nsh::wildcard())),
        KeyField::Unknown(raw) => KeyField::Unknown(Raw {
            kind: raw.kind,
            bytes: vec![0; raw.bytes.len()],
        }),
        field => {
            let bytes = vec![0; bits(field).len()];
            let attribute = crate::attribute::Attribute {
                raw_kind: field.number(),
                value: &bytes,
            };
            KeyField::read(&attribute, 0)
        }
    }
}

/// A field with its mask; without one all of it counts.
pub(super) fn one(
    field: &KeyField,
    mask: Option<&KeyField>,
    format: &Format<'_>,
    out: &mut String,
) {
    match field.name() {
        Some(name) => out.push_str(name),
        None => plain(format_args!("key{}", field.number()), out),
    }
    out.push('(');
    let more = format.more;
    /// The part of a mask of the same kind.
    macro_rules! mask {
        ($variant:ident) => {
            match mask {
                Some(KeyField::$variant(mask)) => Some(mask),
                _ => None,
            }
        };
    }
    macro_rules! fields {
        ($variant:ident, $value:expr) => {
            $value.print(mask!($variant), &mut List::new(out, more))
        };
    }
    match field {
        KeyField::Encap(key) => {
            let format = Format { more, names: None };
            if !key.0.is_empty() {
                print(key, mask!(Encap), &format, out);
            }
        }
        KeyField::Priority(value) => number(*value, mask!(Priority), out),
        KeyField::SkbMark(value) => number(*value, mask!(SkbMark), out),
        KeyField::DpHash(value) => number(*value, mask!(DpHash), out),
        KeyField::RecircId(value) => number(*value, mask!(RecircId), out),
        KeyField::CtMark(value) => number(*value, mask!(CtMark), out),
        KeyField::CtZone(value) => number(*value, mask!(CtZone), out),
        KeyField::Ipv6ExtHeaders(value) => number(*value, mask!(Ipv6ExtHeaders), out),
        KeyField::CtState(value) if more => number(*value, mask!(CtState), out),
        KeyField::CtState(value) => {
            flags(*value, mask!(CtState).copied(), u32::MAX, CT_STATE, out);
        }
        KeyField::TcpFlags(value) => {
            let mask = mask!(TcpFlags).map(|mask| u32::from(mask & TCP_BITS));
            flags((*value).into(), mask, TCP_BITS.into(), TCP_FLAGS, out);
        }
        KeyField::CtLabels(value) => {
            wide(*value, mask!(CtLabels).copied(), out);
        }
        KeyField::InPort(port) => in_port(*port, mask!(InPort), format, out),
        KeyField::EtherType(value) => {
            plain(format_args!("{value:#06x}"), out);
            if let Some(mask) = mask!(EtherType).filter(|mask| **mask != u16::MAX) {
                plain(format_args!("/{mask:#06x}"), out);
            }
        }
        KeyField::Vlan(vlan) => {
            let mask = mask!(Vlan).copied().unwrap_or(Vlan(u16::MAX));
            print_vlan(*vlan, mask, more, &mut List::new(out, more));
        }
        KeyField::Mpls(stack) => mpls(stack, mask!(Mpls), out),
        KeyField::PacketType(value) => {
            let mask = mask!(PacketType).copied().unwrap_or(PacketType::EXACT);
            value.print(Some(&mask), &mut List::new(out, more));
        }
        KeyField::NdExtensions(value) => {
            // Its first field has no mask in text.
            let mask = mask!(NdExtensions).copied().map(|mask| {
                let reserved = u32::MAX;
                crate::key::NdExtensions { reserved, ..mask }
            });
            value.print(mask.as_ref(), &mut List::new(out, more));
        }
        KeyField::Ethernet(value) => fields!(Ethernet, value),
        KeyField::Ipv4(value) => fields!(Ipv4, value),
        KeyField::Ipv6(value) => fields!(Ipv6, value),
        KeyField::Tcp(value) => fields!(Tcp, value),
        KeyField::Udp(value) => fields!(Udp, value),
        KeyField::Sctp(value) => fields!(Sctp, value),
        KeyField::Icmp(value) => fields!(Icmp, value),
        KeyField::Icmpv6(value) => fields!(Icmpv6, value),
        KeyField::Arp(value) => fields!(Arp, value),
        KeyField::Nd(value) => fields!(Nd, value),
        KeyField::CtTuple4(value) => fields!(CtTuple4, value),
        KeyField::CtTuple6(value) => fields!(CtTuple6, value),
        KeyField::Tunnel(value) => {
            nested::print(value, mask!(Tunnel).map(|mask| &**mask), more, out);
        }
        KeyField::Nsh(value) => nsh::print(value, mask!(Nsh).map(|mask| &**mask), out),
        KeyField::Unknown(raw) => unknown(raw, mask!(Unknown), out),
    }
    out.push(')');
}

fn number<T: Into<u64> + Value>(value: T, mask: Option<&T>, out: &mut String) {
    hex(value, out);
    if let Some(mask) = mask.filter(|mask| **mask != T::ONES) {
        out.push('/');
        hex(*mask, out);
    }
}

fn in_port(port: PortNo, mask: Option<&PortNo>, format: &Format<'_>, out: &mut String) {
    match mask.filter(|mask| **mask != PortNo::EXACT) {
        Some(mask) => {
            plain(port, out);
            out.push('/');
            hex(mask.0, out);
        }
        None => print_port(port, format, out),
    }
}

/// A port's name, or its number.
pub(super) fn print_port(port: PortNo, format: &Format<'_>, out: &mut String) {
    match format.names.and_then(|names| names.name(port)) {
        Some(name) => out.push_str(name),
        None => plain(port, out),
    }
}

/// The names of bits that are set; with a mask, each that counts with a sign.
pub(super) fn flags(value: u32, mask: Option<u32>, all: u32, names: Flags, out: &mut String) {
    let name = |bit: u32| {
        names
            .iter()
            .find(|(known, _)| *known == bit)
            .map(|(_, name)| *name)
    };
    let each = |bits: u32| (0..32).map(|n| 1 << n).filter(move |bit| bits & bit != 0);
    match mask.filter(|mask| *mask != all) {
        Some(0) => out.push_str("0/0"),
        Some(mask) if each(mask).any(|bit| name(bit).is_none()) => {
            hex(value, out);
            out.push('/');
            hex(mask, out);
        }
        Some(mask) => {
            for bit in each(mask) {
                out.push(if value & bit == 0 { '-' } else { '+' });
                out.push_str(name(bit).unwrap_or_default());
            }
        }
        None => unmasked(value, "|", names, out),
    }
}

/// The names of bits that are set, and as one number those without a name.
pub(super) fn unmasked(value: u32, between: &str, names: Flags, out: &mut String) {
    let mut parts: Vec<String> = names
        .iter()
        .filter(|(bit, _)| value & bit != 0)
        .map(|(_, name)| (*name).to_owned())
        .collect();
    let known = names.iter().fold(0, |sum, (bit, _)| sum | bit);
    if value & !known != 0 {
        parts.push(format!("{:#x}", value & !known));
    }
    match parts.is_empty() {
        true => out.push('0'),
        false => out.push_str(&parts.join(between)),
    }
}

/// A number of 128 bits.
pub(super) fn wide(value: u128, mask: Option<u128>, out: &mut String) {
    super::nested::hex_bytes(&value.to_be_bytes(), out);
    if let Some(mask) = mask.filter(|mask| *mask != u128::MAX) {
        out.push('/');
        super::nested::hex_bytes(&mask.to_be_bytes(), out);
    }
}

/// The parts of a tag; that there is one goes without saying.
pub(super) fn print_vlan(tag: Vlan, mask: Vlan, more: bool, list: &mut List<'_>) {
    if more || tag.id() != 0 || mask.id() != 0 {
        let out = list.next();
        plain(format_args!("vid={}", tag.id()), out);
        if mask.id() != 0xfff {
            plain(format_args!("/{:#x}", mask.id()), out);
        }
    }
    if more || tag.priority() != 0 || mask.priority() & 7 != 0 {
        let out = list.next();
        plain(format_args!("pcp={}", tag.priority()), out);
        if mask.priority() != 7 {
            plain(format_args!("/{:#x}", mask.priority()), out);
        }
    }
    if !tag.is_present() {
        list.next().push_str("cfi=0");
    }
}

/// An entry of which all counts.
pub(super) fn mpls_entry(entry: MplsEntry, out: &mut String) {
    plain(
        format_args!(
            "label={},tc={},ttl={},bos={}",
            entry.label(),
            entry.traffic_class(),
            entry.ttl(),
            entry.bottom()
        ),
        out,
    );
}

fn mpls(stack: &[MplsEntry], mask: Option<&Vec<MplsEntry>>, out: &mut String) {
    let partial = mask.filter(|mask| mask.iter().any(|entry| entry.0 != u32::MAX));
    let masks = partial.map(|mask| mask.iter().map(Some).chain(std::iter::repeat(None)));
    match masks {
        None => {
            let mut list = List::new(out, false);
            for entry in stack {
                mpls_entry(*entry, list.next());
            }
        }
        Some(masks) => {
            let mut list = List::new(out, false);
            for (entry, mask) in stack.iter().zip(masks) {
                let mask = mask.copied().unwrap_or_default();
                let text = format_args!(
                    "label={}/{:#x},tc={}/{:x},ttl={}/{:#x},bos={}/{:x}",
                    entry.label(),
                    mask.label(),
                    entry.traffic_class(),
                    mask.traffic_class(),
                    entry.ttl(),
                    mask.ttl(),
                    entry.bottom(),
                    mask.bottom()
                );
                plain(text, list.next());
            }
        }
    }
}

/// Bytes in hexadecimal, with spaces between.
pub(super) fn bytes(bytes: &[u8], out: &mut String) {
    for (n, byte) in bytes.iter().enumerate() {
        if n > 0 {
            out.push(' ');
        }
        plain(format_args!("{byte:02x}"), out);
    }
}

fn unknown(raw: &Raw, mask: Option<&Raw>, out: &mut String) {
    bytes(&raw.bytes, out);
    if let Some(mask) = mask {
        out.push('/');
        bytes(&mask.bytes, out);
    }
}

/// A field of a list that has a hexadecimal or decimal number.
pub(super) fn field<T: super::TextValue>(
    list: &mut List<'_>,
    name: &str,
    style: Style,
    value: Option<T>,
    mask: Option<Option<T>>,
) {
    if let Some(value) = value {
        let mask = mask.map(|mask| mask.unwrap_or(T::ZERO));
        list.field(name, style, value, mask);
    }
}
