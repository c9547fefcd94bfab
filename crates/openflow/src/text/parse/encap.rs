//! Headers around a packet: `encap` and `decap`.

use super::Result;
use super::lexer::{Item, Joint, Text};
use crate::action::{Action, Encap, EncapProperty, Header};

/// `ns=0,type=0x800` as a packet type.
fn packet_type(text: Text<'_>) -> Result<u32> {
    let (mut space, mut kind) = (None, None);
    for item in text.items() {
        let item = item?;
        match item.key.str() {
            "ns" => space = Some(item.value.u16()?),
            "type" => kind = Some(item.value.u16()?),
            _ => return Err(item.error("ns or type")),
        }
    }
    match (space, kind) {
        (Some(space), Some(kind)) => Ok(u32::from(space) << 16 | u32::from(kind)),
        _ => Err(text.error("ns=..,type=..")),
    }
}

pub(super) fn encap(value: Text<'_>) -> Result<Action> {
    let header = || "ethernet, nsh, mpls or mpls_mc";
    let mut items = value.items();
    let item = items.next().ok_or_else(|| value.error(header()))??;
    let kind = match item.key.str() {
        "ethernet" => Header::Ethernet,
        "nsh" => Header::Nsh,
        "mpls" => Header::Mpls,
        "mpls_mc" => Header::MplsMulticast,
        "packet_type" => Header::from_packet_type(packet_type(item.value)?),
        _ => return Err(item.error(header())),
    };
    let mut out = Encap::new(kind);
    if item.joint == Joint::Parentheses && item.key.str() != "packet_type" {
        for property in item.value.items() {
            out.properties.push(read_property(kind, &property?)?);
        }
    }
    match items.next() {
        None => Ok(Action::Encap(Box::new(out))),
        Some(more) => Err(more?.error("one header")),
    }
}

fn read_property(header: Header, item: &Item<'_>) -> Result<EncapProperty> {
    match (header, item.key.str()) {
        (Header::Nsh, "md_type") => {
            let md_type = item.value.u8()?;
            if !(1..=2).contains(&md_type) {
                return Err(item.value.error("1 or 2"));
            }
            Ok(EncapProperty::NshMdType(md_type))
        }
        (Header::Nsh, "tlv") => {
            let parts = item.value.pieces().collect::<Vec<_>>();
            let [class, kind, value] = parts[..] else {
                return Err(item.value.error("class,type,0xvalue"));
            };
            let digits = value
                .strip_prefix("0x")
                .ok_or_else(|| value.error("a value in hexadecimal"))?;
            let bytes = digits.bytes()?;
            if bytes.len() > 127 {
                return Err(value.error("a value of up to 127 bytes"));
            }
            Ok(EncapProperty::NshTlv {
                class: class.u16()?,
                kind: kind.u8()?,
                value: bytes,
            })
        }
        (Header::Nsh, _) => Err(item.error("md_type or tlv")),
        _ => Err(item.error("no property of this header")),
    }
}

pub(super) fn decap(value: Text<'_>) -> Result<Action> {
    let mut items = value.items();
    let Some(item) = items.next() else {
        return Ok(Action::Decap(None));
    };
    let item = item?;
    if item.key.str() != "packet_type" {
        return Err(item.error("packet_type(ns=..,type=..)"));
    }
    packet_type(item.value).map(|kind| Action::Decap(Some(kind)))
}
