//! Reading keys.

use super::key::{CT_STATE, Flags, TCP_FLAGS};
use super::scanner::{ParseError, Result, Scanner};
use super::value::Style;
use super::{Fields, PortNames, TextValue, read_nested};
use crate::attribute::Raw;
use crate::id::{PortNo, Ufid};
use crate::key::{Key, KeyField, Match, MplsEntry, Vlan};

/// A field and its mask.
pub(super) type Pair = (KeyField, KeyField);

/// A whole key, perhaps behind a UFID, which says nothing about it.
pub(super) fn all(text: &str, names: Option<&PortNames>) -> Result<Match> {
    let mut scanner = Scanner::new(text);
    if scanner.eat("ufid:") {
        let digits = |c: char| c.is_ascii_hexdigit() || c == '-';
        scanner.parse::<Ufid>(digits, "a UFID")?;
    }
    let (mut key, mut mask) = (Key::default(), Key::default());
    loop {
        scanner.skip_delimiters();
        if scanner.is_done() {
            break;
        }
        let (value, bits) = field(&mut scanner, names)?;
        key.0.push(value);
        mask.0.push(bits);
    }
    let mask = (!mask.0.is_empty()).then_some(mask);
    Ok(Match { key, mask })
}

/// A structure of named fields.
fn fields<T: Fields + Default>(
    scanner: &mut Scanner<'_>,
    make: impl Fn(T) -> KeyField,
) -> Result<Pair> {
    let mut mask = T::default();
    let value = T::parse(scanner, &mut mask)?;
    Ok((make(value), make(mask)))
}

/// One value.
fn single<T: TextValue>(scanner: &mut Scanner<'_>, make: impl Fn(T) -> KeyField) -> Result<Pair> {
    let (value, mask) = scanner.masked::<T>(Style::Hex)?;
    scanner.expect(")")?;
    Ok((make(value), make(mask)))
}

/// A field of a key with what is in its parentheses.
pub(super) fn field(scanner: &mut Scanner<'_>, names: Option<&PortNames>) -> Result<Pair> {
    let begin = scanner.clone();
    let name = scanner.while_(|c| c.is_ascii_alphanumeric() || c == '_');
    scanner.expect("(")?;
    match name {
        "encap" => encap(scanner, names),
        "skb_priority" => single(scanner, KeyField::Priority),
        "skb_mark" => single(scanner, KeyField::SkbMark),
        "dp_hash" => single(scanner, KeyField::DpHash),
        "recirc_id" => {
            let (value, mask) = single(scanner, KeyField::RecircId)?;
            // What is left out of a mask would count for all rounds of a packet.
            match mask {
                KeyField::RecircId(u32::MAX) => Ok((value, mask)),
                _ => Err(begin.error("a recirculation number without a mask")),
            }
        }
        "ct_zone" => single(scanner, KeyField::CtZone),
        "ct_mark" => single(scanner, KeyField::CtMark),
        "eth_type" => single(scanner, KeyField::EtherType),
        "ipv6_exthdrs" => single(scanner, KeyField::Ipv6ExtHeaders),
        "ct_state" => {
            let (value, mask) = flags(scanner, CT_STATE, 0xff, u32::MAX)?;
            Ok((KeyField::CtState(value), KeyField::CtState(mask)))
        }
        "tcp_flags" => {
            let (value, mask) = flags(scanner, TCP_FLAGS, 0xfff, 0xffff)?;
            let narrow = |bits| KeyField::TcpFlags(u16::try_from(bits).unwrap_or(u16::MAX));
            Ok((narrow(value), narrow(mask)))
        }
        "ct_label" => {
            let (value, mask) = labels(scanner)?;
            scanner.expect(")")?;
            Ok((KeyField::CtLabels(value), KeyField::CtLabels(mask)))
        }
        "in_port" => in_port(scanner, names),
        "vlan" => vlan(scanner),
        "mpls" => mpls(scanner),
        "tunnel" => read_nested::tunnel(scanner),
        "nsh" => read_nested::nsh(scanner),
        "eth" => fields(scanner, KeyField::Ethernet),
        "ipv4" => fields(scanner, KeyField::Ipv4),
        "ipv6" => fields(scanner, KeyField::Ipv6),
        "tcp" => fields(scanner, KeyField::Tcp),
        "udp" => fields(scanner, KeyField::Udp),
        "sctp" => fields(scanner, KeyField::Sctp),
        "icmp" => fields(scanner, KeyField::Icmp),
        "icmpv6" => fields(scanner, KeyField::Icmpv6),
        "arp" => fields(scanner, KeyField::Arp),
        "nd" => fields(scanner, KeyField::Nd),
        "nd_ext" => fields(scanner, KeyField::NdExtensions),
        "ct_tuple4" => fields(scanner, KeyField::CtTuple4),
        "ct_tuple6" => fields(scanner, KeyField::CtTuple6),
        "packet_type" => fields(scanner, KeyField::PacketType),
        other => match other
            .strip_prefix("key")
            .and_then(|number| number.parse().ok())
        {
            Some(number) => unknown(scanner, number),
            None => Err(begin.error("a field of a key, such as eth(...)")),
        },
    }
}

fn encap(scanner: &mut Scanner<'_>, names: Option<&PortNames>) -> Result<Pair> {
    scanner.deeper(|scanner| {
        let (mut key, mut mask) = (Key::default(), Key::default());
        loop {
            scanner.skip_delimiters();
            if scanner.eat(")") {
                return Ok((KeyField::Encap(key), KeyField::Encap(mask)));
            }
            let (value, bits) = field(scanner, names)?;
            key.0.push(value);
            mask.0.push(bits);
        }
    })
}

/// Bits by name: with signs those that count, or without those that are set. `known` bits may be said;
/// `all` is the mask where there are no signs.
pub(super) fn flags(
    scanner: &mut Scanner<'_>,
    names: Flags,
    known: u32,
    all: u32,
) -> Result<(u32, u32)> {
    let begin = scanner.clone();
    let pair = signed_flags(scanner, names)?;
    let pair = match pair {
        Some(pair) => pair,
        None => unsigned_flags(scanner, names, all)?,
    };
    scanner.expect(")")?;
    match pair.0 & !known == 0 && (pair.1 == all || pair.1 & !known == 0) {
        true => Ok(pair),
        false => Err(begin.error("bits that exist")),
    }
}

/// The longest name that stands here.
fn named_bit(scanner: &mut Scanner<'_>, names: Flags) -> Option<u32> {
    let there = |(_, name): &&(u32, &str)| scanner.rest().starts_with(name);
    let found = names
        .iter()
        .filter(there)
        .max_by_key(|(_, name)| name.len());
    let (bit, name) = found?;
    scanner.eat(name);
    Some(*bit)
}

fn signed_flags(scanner: &mut Scanner<'_>, names: Flags) -> Result<Option<(u32, u32)>> {
    let (mut value, mut mask) = (0, 0);
    loop {
        let set = match (scanner.eat("+"), scanner.eat("-")) {
            (true, _) => true,
            (_, true) => false,
            _ => break,
        };
        let found = named_bit(scanner, names);
        let bit = found.ok_or_else(|| scanner.error("the name of a flag"))?;
        if mask & bit != 0 {
            return Err(scanner.error("each flag only once"));
        }
        mask |= bit;
        value |= if set { bit } else { 0 };
    }
    Ok((mask != 0).then_some((value, mask)))
}

fn unsigned_flags(scanner: &mut Scanner<'_>, names: Flags, all: u32) -> Result<(u32, u32)> {
    let mut value = 0;
    while !scanner.rest().starts_with(')') {
        match named_bit(scanner, names) {
            Some(bit) => value |= bit,
            None => {
                value |= scanner.u32()?;
                if scanner.eat("/") {
                    return Ok((value, scanner.u32()?));
                }
            }
        }
        if !scanner.eat("|") {
            break;
        }
    }
    Ok((value, all))
}

/// A number of 128 bits with its mask.
pub(super) fn labels(scanner: &mut Scanner<'_>) -> Result<(u128, u128)> {
    let number = |scanner: &mut Scanner<'_>| {
        let bytes = scanner.wide(16)?;
        Ok::<_, ParseError>(
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u128::from(*byte)),
        )
    };
    let value = number(scanner)?;
    match scanner.eat("/") {
        true => Ok((value, number(scanner)?)),
        false => Ok((value, u128::MAX)),
    }
}

/// A port by its number or its name.
fn in_port(scanner: &mut Scanner<'_>, names: Option<&PortNames>) -> Result<Pair> {
    let begin = scanner.clone();
    let name = scanner.while_(|c| c != ')' && c != ',');
    let named = names.and_then(|names| names.number(name));
    let (port, mask) = match named {
        Some(port) => (port.0, u32::MAX),
        None => {
            *scanner = begin;
            scanner.masked::<u32>(Style::Dec)?
        }
    };
    scanner.expect(")")?;
    let make = |number| KeyField::InPort(PortNo(number));
    Ok((make(port), make(mask)))
}

/// A part of a number, with its mask: `bits` wide, `shift` up.
pub(super) fn part(scanner: &mut Scanner<'_>, bits: u32, shift: u32) -> Result<(u32, u32)> {
    let max = (1 << bits) - 1;
    let number = |scanner: &mut Scanner<'_>| {
        let number = scanner.number(u64::from(max as u32))?;
        Ok::<u32, ParseError>(u32::try_from(number).unwrap_or(0) << shift)
    };
    let value = number(scanner)?;
    let mask = match scanner.eat("/") {
        true => number(scanner)?,
        false => (max as u32) << shift,
    };
    Ok((value, mask))
}

fn vlan(scanner: &mut Scanner<'_>) -> Result<Pair> {
    let present = u32::from(Vlan::PRESENT);
    let (mut tag, mut mask) = (present, present);
    scanner.list(|scanner| {
        for (name, bits, shift) in [("vid", 12, 0), ("pcp", 3, 13), ("cfi", 1, 12)] {
            if scanner.name(name) {
                let (value, count) = part(scanner, bits, shift)?;
                let all = ((1 << bits) - 1) << shift;
                tag = tag & !all | value;
                mask = mask & !all | count;
                return Ok(true);
            }
        }
        Ok(false)
    })?;
    let make = |bits| KeyField::Vlan(Vlan(u16::try_from(bits).unwrap_or(0)));
    Ok((make(tag), make(mask)))
}

/// The parts of an entry of a label stack.
const MPLS: [(&str, u32, u32); 4] = [
    ("label", 20, 12),
    ("tc", 3, 9),
    ("ttl", 8, 0),
    ("bos", 1, 8),
];

/// Entries, one after another: the next begins with a part that this one has.
fn mpls(scanner: &mut Scanner<'_>) -> Result<Pair> {
    let (mut stack, mut masks) = (vec![MplsEntry(0)], vec![MplsEntry(0)]);
    let mut seen = [false; 4];
    scanner.list(|scanner| {
        let Some(place) = MPLS.iter().position(|(name, ..)| scanner.name(name)) else {
            return Ok(false);
        };
        let (_, bits, shift) = MPLS[place];
        let (value, mask) = part(scanner, bits, shift)?;
        if std::mem::replace(&mut seen[place], true) {
            seen = [false; 4];
            seen[place] = true;
            stack.push(MplsEntry(0));
            masks.push(MplsEntry(0));
        }
        for (entries, bits) in [(&mut stack, value), (&mut masks, mask)] {
            if let Some(entry) = entries.last_mut() {
                entry.0 |= bits;
            }
        }
        Ok(true)
    })?;
    Ok((KeyField::Mpls(stack), KeyField::Mpls(masks)))
}

/// Bytes of a field that has no name.
fn unknown(scanner: &mut Scanner<'_>, kind: u16) -> Result<Pair> {
    let begin = scanner.clone();
    let raw = Raw {
        kind,
        bytes: scanner.hex()?,
    };
    let mask = match scanner.eat("/") {
        true => Raw {
            kind,
            bytes: scanner.hex()?,
        },
        false => raw.exact_mask(),
    };
    scanner.expect(")")?;
    let pair = (KeyField::Unknown(raw), KeyField::Unknown(mask));
    let is_unknown = |field: &KeyField| {
        let key = Key(vec![field.clone()]);
        Key::decode(&key.encode()).is_ok_and(|decoded| decoded == key)
    };
    match is_unknown(&pair.0) && is_unknown(&pair.1) {
        true => Ok(pair),
        false => Err(begin.error("a field that has no name, or the name of this one")),
    }
}
