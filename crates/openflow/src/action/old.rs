//! Actions in the forms of older versions.
//!
//! OpenFlow 1.0 has an action for each field that it can write, and Nicira's extensions for the rest;
//! from 1.3 on there is one action for fields, which before 1.5 has no masks. What is written: Nicira's
//! form for fields wherever the standard one cannot say it exactly.

use super::wire::{begin_nicira, finish, plain, read_field, unknown, unpack, write_field};
use super::{Action, wire::nicira};
use crate::error::Result;
use crate::field::{Entry, Field, FieldValue, Subfield, ones, read_entry, write_entry};
use crate::matching::Match;
use crate::port::Port;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// The standard actions of OpenFlow 1.0, by type.
mod ten {
    pub(super) const OUTPUT: u16 = 0;
    pub(super) const SET_VLAN_VID: u16 = 1;
    pub(super) const SET_VLAN_PCP: u16 = 2;
    pub(super) const STRIP_VLAN: u16 = 3;
    pub(super) const SET_DL_SRC: u16 = 4;
    pub(super) const SET_DL_DST: u16 = 5;
    pub(super) const SET_NW_SRC: u16 = 6;
    pub(super) const SET_NW_DST: u16 = 7;
    pub(super) const SET_NW_TOS: u16 = 8;
    pub(super) const SET_TP_SRC: u16 = 9;
    pub(super) const SET_TP_DST: u16 = 10;
    pub(super) const ENQUEUE: u16 = 11;
}

/// The type of the ONF's action that copies fields, before it became standard.
const ONF_COPY_FIELD: u16 = 3200;

/// Reads the arguments of one standard action of OpenFlow 1.0.
pub(super) fn read_10(kind: u16, body: &mut Reader<'_>, out: &mut Vec<Action>) -> Result<()> {
    let set = |field, value: u128| Action::SetField(FieldValue::exact(field, value));
    if kind == ten::ENQUEUE {
        let port = Port::from_u16(body.u16()?);
        body.skip(6)?;
        out.push(Action::SetQueue(body.u32()?));
        out.push(Action::output(port));
        out.push(Action::PopQueue);
        return Ok(());
    }
    out.push(match kind {
        ten::OUTPUT => {
            let port = Port::from_u16(body.u16()?);
            let max_len = body.u16()?;
            let max_len = if port == Port::CONTROLLER { max_len } else { 0 };
            Action::Output { port, max_len }
        }
        ten::SET_VLAN_VID => Action::ModVlanVid(body.u16()? & 0xfff),
        ten::SET_VLAN_PCP => Action::ModVlanPcp(body.u8()? & 7),
        ten::STRIP_VLAN => Action::PopVlan,
        ten::SET_DL_SRC => set(Field::EthSrc, body.uint(6)?),
        ten::SET_DL_DST => set(Field::EthDst, body.uint(6)?),
        ten::SET_NW_SRC => set(Field::IpSrc, body.uint(4)?),
        ten::SET_NW_DST => set(Field::IpDst, body.uint(4)?),
        ten::SET_NW_TOS => set(Field::IpDscp, body.uint(1)? >> 2),
        ten::SET_TP_SRC => set(Field::TcpSrc, body.uint(2)?),
        ten::SET_TP_DST => set(Field::TcpDst, body.uint(2)?),
        _ => return Err(unknown("action", kind.into())),
    });
    Ok(())
}

/// Gives the older actions of a flow the meaning that its match decides.
pub(super) fn settle(actions: &mut Vec<Action>, matches: &Match) {
    let protocol = matches.exact(Field::IpProto);
    let vlan = matches
        .get(Field::VlanVid)
        .filter(|vid| vid.mask() & 0x1000 != 0);
    // Whether there is a VLAN header, as far as that is known.
    let mut header = vlan.map(|vid| vid.value() & 0x1000 != 0);
    let mut out = Vec::with_capacity(actions.len());
    for action in actions.drain(..) {
        let set = match action {
            Action::ModVlanVid(vid) => Some((Field::VlanVid, 0x1000 | u128::from(vid))),
            Action::ModVlanPcp(pcp) => Some((Field::VlanPcp, u128::from(pcp))),
            _ => None,
        };
        match (set, header) {
            (Some((field, value)), Some(there)) => {
                if !there {
                    out.push(Action::PushVlan(0x8100));
                    header = Some(true);
                }
                out.push(Action::SetField(FieldValue::exact(field, value)));
                continue;
            }
            // From here on there is one.
            (Some(_), None) => {}
            (None, _) if action == Action::PopVlan => header = None,
            (None, _) => {}
        }
        out.push(match action {
            Action::SetField(value) => Action::SetField(port_of(protocol, value)),
            action => action,
        });
    }
    *actions = out;
}

/// The port field of the protocol that a match names.
fn port_of(protocol: Option<u128>, value: FieldValue) -> FieldValue {
    let field = match (protocol, value.field()) {
        (Some(17), Field::TcpSrc) => Field::UdpSrc,
        (Some(17), Field::TcpDst) => Field::UdpDst,
        (Some(132), Field::TcpSrc) => Field::SctpSrc,
        (Some(132), Field::TcpDst) => Field::SctpDst,
        _ => return value,
    };
    FieldValue::masked(field, value.value(), value.mask())
}

/// Reads one of Nicira's actions that became standard later. An error means that it is none.
pub(super) fn read_nicira(subtype: u16, body: &mut Reader<'_>) -> Result<Action> {
    Ok(match subtype {
        nicira::SET_QUEUE => {
            body.skip(2)?;
            Action::SetQueue(body.u32()?)
        }
        nicira::GROUP => {
            body.skip(2)?;
            Action::Group(body.u32()?)
        }
        nicira::REG_MOVE => {
            let bits = body.u16()?;
            let (from, to) = (body.u16()?, body.u16()?);
            Action::Move {
                source: read_field(body)?.slice(from, bits),
                destination: read_field(body)?.slice(to, bits),
            }
        }
        nicira::REG_LOAD => {
            let (offset, bits) = unpack(body.u16()?);
            let field = read_field(body)?;
            let value = u128::from(body.u64()?) & ones(bits.into());
            Action::load(value, field.slice(offset, bits))
        }
        nicira::REG_LOAD2 => match read_entry(body)? {
            Entry::Known(value) => Action::SetField(value),
            Entry::Opaque(_) => return Err(unknown("field", 0)),
        },
        nicira::DEC_TTL => Action::DecTtl,
        nicira::PUSH_MPLS => Action::PushMpls(body.u16()?),
        nicira::POP_MPLS => Action::PopMpls(body.u16()?),
        nicira::SET_MPLS_TTL => Action::set_field(Field::MplsTtl, body.u8()?),
        nicira::DEC_MPLS_TTL => Action::DecMplsTtl,
        nicira::SET_MPLS_LABEL => {
            body.skip(2)?;
            Action::set_field(Field::MplsLabel, body.u32()?)
        }
        nicira::SET_MPLS_TC => Action::set_field(Field::MplsTc, body.u8()?),
        nicira::WRITE_METADATA => {
            body.skip(6)?;
            Action::WriteMetadata {
                value: body.u64()?,
                mask: body.u64()?,
            }
        }
        _ => return Err(unknown("subtype", subtype.into())),
    })
}

/// Reads one of the ONF's actions.
pub(super) fn read_onf(body: &mut Reader<'_>) -> Result<Action> {
    let subtype = body.u16()?;
    if subtype != ONF_COPY_FIELD {
        return Err(unknown("subtype", subtype.into()));
    }
    body.skip(2)?;
    let bits = body.u16()?;
    let (from, to) = (body.u16()?, body.u16()?);
    body.skip(2)?;
    Ok(Action::Move {
        source: read_field(body)?.slice(from, bits),
        destination: read_field(body)?.slice(to, bits),
    })
}

/// Writes an action in the form of a version before 1.5. False if it has the same form there.
pub(super) fn write(out: &mut Writer, action: &Action) -> bool {
    let old = out.version == Version::V10;
    match action {
        Action::SetField(value) if old || !is_whole(value) => {
            let start = begin_nicira(out, nicira::REG_LOAD2);
            write_entry(out, value);
            finish(out, start);
        }
        Action::Move {
            source,
            destination,
        } => write_move(out, *source, *destination),
        Action::Meter(_) => out.unsayable("a meter behind other actions"),
        _ if old => return write_10(out, action),
        _ => return false,
    }
    true
}

/// Whether the standard action can say it, which has no masks.
fn is_whole(value: &FieldValue) -> bool {
    match value.field() {
        Field::TunMetadata(_) => false,
        // The bit that says that there is a VLAN is not counted as one of the field's.
        Field::VlanVid => value.mask() == 0x1fff,
        _ => value.is_exact(),
    }
}

fn write_move(out: &mut Writer, source: Subfield, destination: Subfield) {
    let start = begin_nicira(out, nicira::REG_MOVE);
    out.u16(destination.bits);
    out.u16(source.offset);
    out.u16(destination.offset);
    write_field(out, source);
    write_field(out, destination);
    finish(out, start);
}

fn write_10(out: &mut Writer, action: &Action) -> bool {
    let extended = |out: &mut Writer, subtype, pad, body: &dyn Fn(&mut Writer)| {
        let start = begin_nicira(out, subtype);
        out.zeros(pad);
        body(out);
        finish(out, start);
    };
    match action {
        Action::Output { port, max_len } => plain(out, ten::OUTPUT, |out| {
            out.port16(*port);
            out.u16(*max_len);
        }),
        Action::ModVlanVid(vid) => plain(out, ten::SET_VLAN_VID, |out| out.u16(*vid)),
        Action::ModVlanPcp(pcp) => plain(out, ten::SET_VLAN_PCP, |out| out.u8(*pcp)),
        Action::PopVlan => plain(out, ten::STRIP_VLAN, |out| out.zeros(4)),
        Action::PushVlan(_) => out.unsayable("push_vlan"),
        Action::SetQueue(queue) => {
            extended(out, nicira::SET_QUEUE, 2, &|out| out.u32(*queue));
        }
        Action::Group(group) => extended(out, nicira::GROUP, 2, &|out| out.u32(*group)),
        Action::DecTtl => extended(out, nicira::DEC_TTL, 0, &|_| {}),
        Action::PushMpls(eth_type) => {
            extended(out, nicira::PUSH_MPLS, 0, &|out| out.u16(*eth_type));
        }
        Action::PopMpls(eth_type) => {
            extended(out, nicira::POP_MPLS, 0, &|out| out.u16(*eth_type));
        }
        Action::DecMplsTtl => extended(out, nicira::DEC_MPLS_TTL, 0, &|_| {}),
        Action::WriteMetadata { value, mask } => {
            extended(out, nicira::WRITE_METADATA, 6, &|out| {
                out.u64(*value);
                out.u64(*mask);
            });
        }
        Action::Encap(_) => out.unsayable("encap"),
        Action::Decap(_) => out.unsayable("decap"),
        Action::DecNshTtl => out.unsayable("dec_nsh_ttl"),
        _ => return false,
    }
    true
}
