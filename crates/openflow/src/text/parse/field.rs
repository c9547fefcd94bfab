//! Names of fields, their values, and sub-fields.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::lexer::Text;
use super::words::field_of;
use super::{Parser, Result};
use crate::field::{Field, FieldValue, Format, Subfield, ones};
use crate::port::Port;
use crate::text::{CT_STATE, TCP_FLAGS, TUN_FLAGS};

impl Field {
    /// The field of a name: that of `ovs-fields(7)`, one of its code points, or an older name.
    ///
    /// ```
    /// use openflow::Field;
    /// assert_eq!(Field::from_name("nw_src"), Some(Field::IpSrc));
    /// assert_eq!(Field::from_name("NXM_NX_REG3"), Some(Field::Reg(3)));
    /// assert_eq!(Field::from_name("colour"), None);
    /// ```
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        field_of(name)
    }
}

pub(super) fn field(text: Text<'_>) -> Result<Field> {
    field_of(text.str()).ok_or_else(|| text.error("the name of a field"))
}

/// `NAME[]`, `NAME[bit]`, `NAME[first..last]`, or `NAME` for all of it.
pub(super) fn subfield(text: Text<'_>) -> Result<Subfield> {
    let Some((name, range)) = text.split("[") else {
        return field(text).map(Field::whole);
    };
    let field = field(name)?;
    let inner = range
        .strip_suffix("]")
        .ok_or_else(|| range.end().error("]"))?;
    if inner.is_empty() {
        return Ok(field.whole());
    }
    let last_bit = u128::from(field.bits()) - 1;
    let (first, last) = match inner.split("..") {
        Some((first, last)) => (first.number(last_bit)?, last.number(last_bit)?),
        None => {
            let bit = inner.number(last_bit)?;
            (bit, bit)
        }
    };
    if first > last {
        return Err(inner.error("the lower bit first"));
    }
    Ok(field.slice(first as u16, (last - first + 1) as u16))
}

impl Parser<'_> {
    /// A port: a number, a reserved name, or a name that the resolver knows.
    pub(super) fn port(self, text: Text<'_>) -> Result<Port> {
        self.known_port(text.str())
            .ok_or_else(|| text.error("a port"))
    }

    pub(super) fn known_port(self, name: &str) -> Option<Port> {
        let text = Text::new(name);
        if text.is_number()
            && let Ok(number) = text.u32()
        {
            // The reserved numbers of OpenFlow 1.0 are understood as well.
            return Some(match u16::try_from(number) {
                Ok(short) => Port::from_u16(short),
                Err(_) => Port(number),
            });
        }
        let bare = name.trim_matches('"');
        let reserved = (Port::UNSET.0..=Port::ANY.0).map(Port).find(|port| {
            port.reserved_name()
                .is_some_and(|n| n.eq_ignore_ascii_case(bare))
        });
        let quoted = bare.len() < name.len();
        reserved
            .filter(|_| !quoted)
            .or_else(|| (bare == "NONE").then_some(Port::ANY))
            .or_else(|| self.names.and_then(|names| names(bare)))
    }

    /// A value of a field, with a mask behind `/` where it has one.
    pub(super) fn value(self, field: Field, text: Text<'_>) -> Result<FieldValue> {
        let format = field.info().format;
        let named = match format {
            Format::CtState => Some(CT_STATE),
            Format::TcpFlags => Some(TCP_FLAGS),
            Format::TunFlags => Some(TUN_FLAGS),
            _ => None,
        };
        if let Some(names) = named
            && let Some((value, mask)) = flags(text, names)?
        {
            return Ok(FieldValue::masked(field, value, mask));
        }
        if format == Format::Frag
            && let Some((value, mask)) = frag(text.str())
        {
            return Ok(FieldValue::masked(field, value, mask));
        }
        let Some((value, mask)) = text.split("/") else {
            let value = self.plain(field, text)?;
            return Ok(match field {
                // Only the flags that have names can be known.
                Field::CtState => FieldValue::masked(field, value, ones(CT_STATE.len() as u32)),
                _ => FieldValue::exact(field, value),
            });
        };
        let value = self.plain(field, value)?;
        let width = u32::from(field.bits());
        let mask = match format {
            Format::Ipv4 | Format::Ipv6 if !mask.str().contains(['.', ':']) => {
                let length = mask.number(width.into())? as u32;
                ones(width) & !ones(width - length)
            }
            // A mask is never a name.
            Format::Port | Format::Port16 => mask.number(field.full_mask())?,
            _ => self.plain(field, mask)?,
        };
        Ok(FieldValue::masked(field, value, mask))
    }

    fn plain(self, field: Field, text: Text<'_>) -> Result<u128> {
        let max = match field {
            Field::TunMetadata(_) => u128::MAX,
            _ => field.full_mask(),
        };
        match field.info().format {
            Format::Ethernet => ethernet(text),
            Format::Ipv4 => ipv4(text).map(|address| address.to_bits().into()),
            Format::Ipv6 => ipv6(text).map(Ipv6Addr::to_bits),
            Format::Port => self.port(text).map(|port| port.0.into()),
            Format::Port16 => self.port(text).map(|port| port.to_u16().into()),
            Format::PacketType => packet_type(text),
            _ => text.number(max),
        }
    }
}

pub(super) fn ipv4(text: Text<'_>) -> Result<Ipv4Addr> {
    let address = text.str().parse();
    address.map_err(|_| text.error("an IPv4 address"))
}

pub(super) fn ipv6(text: Text<'_>) -> Result<Ipv6Addr> {
    let address = text.str().parse();
    address.map_err(|_| text.error("an IPv6 address"))
}

fn ethernet(text: Text<'_>) -> Result<u128> {
    let bad = || text.error("an Ethernet address");
    let (mut value, mut count) = (0u64, 0);
    for part in text.str().as_bytes().split(|byte| *byte == b':') {
        let digit = |byte: u8| char::from(byte).to_digit(16).map(u64::from);
        let byte = match part {
            [low] => digit(*low),
            [high, low] => digit(*high).zip(digit(*low)).map(|(h, l)| h << 4 | l),
            _ => None,
        };
        value = (value << 8 | byte.ok_or_else(bad)?) & 0xffff_ffff_ffff;
        count += 1;
    }
    if count == 6 {
        Ok(value.into())
    } else {
        Err(bad())
    }
}

fn packet_type(text: Text<'_>) -> Result<u128> {
    let inner = text
        .strip_prefix("(")
        .and_then(|text| text.strip_suffix(")"));
    let (space, kind) = inner
        .and_then(|text| text.split(","))
        .ok_or_else(|| text.error("(name space,type)"))?;
    Ok(u128::from(space.trim().u16()?) << 16 | u128::from(kind.trim().u16()?))
}

fn frag(name: &str) -> Option<(u128, u128)> {
    Some(match name {
        "no" => (0, 3),
        "yes" => (1, 1),
        "first" => (1, 3),
        "later" => (3, 3),
        "not_later" => (0, 2),
        _ => return None,
    })
}

/// `+set-unset`, or `set|set` where all count. `None` where it is a number.
fn flags(text: Text<'_>, names: &[&str]) -> Result<Option<(u128, u128)>> {
    let bit = |part: Text<'_>| {
        if let Some(bit) = names.iter().position(|name| *name == part.str()) {
            return Ok(1u128 << bit);
        }
        if part.str().starts_with("0x") {
            return part.number(u128::MAX);
        }
        Err(part.error(format!("one of {}", names.join(", "))))
    };
    let whole = text.str();
    if whole.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(None);
    }
    let (mut value, mut mask) = (0, 0);
    if whole.starts_with(['+', '-']) {
        let bytes = whole.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let length = bytes[at + 1..]
                .iter()
                .take_while(|byte| !matches!(byte, b'+' | b'-'))
                .count();
            let end = at + 1 + length;
            let part = bit(text.slice(at + 1, end))?;
            mask |= part;
            if bytes[at] == b'+' {
                value |= part;
            }
            at = end;
        }
        return Ok(Some((value, mask)));
    }
    let mut rest = text;
    while let Some((part, more)) = rest.split("|") {
        value |= bit(part)?;
        rest = more;
    }
    value |= bit(rest)?;
    Ok(Some((value, ones(names.len() as u32))))
}
