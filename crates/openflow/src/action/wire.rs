//! The binary form of actions (OpenFlow 1.5, section 7.2.6; `ovs-actions(7)` for the extensions).
//!
//! An action is a type, a length that is a multiple of eight, and arguments. The extensions have the
//! type 0xffff, Nicira's number and a subtype. An action whose arguments do not make sense is kept as
//! [`Action::Unknown`]; only a length that contradicts the bytes is an error.

use super::{Action, encap, extra, large, old};
use crate::error::{Error, Result};
use crate::field::{
    Entry, Field, FieldValue, Subfield, read_entry, read_header, write_entry, write_header,
};
use crate::port::Port;
use crate::version::Version;
use crate::wire::{Reader, Writer};
use crate::{NICIRA, ONF};

/// How deep actions may contain actions. Open vSwitch itself stops at about this depth when it
/// executes them.
const MAX_DEPTH: usize = 16;

/// The standard actions, by type.
pub(super) mod standard {
    pub(in super::super) const OUTPUT: u16 = 0;
    pub(in super::super) const DEC_MPLS_TTL: u16 = 16;
    pub(in super::super) const PUSH_VLAN: u16 = 17;
    pub(in super::super) const POP_VLAN: u16 = 18;
    pub(in super::super) const SET_MPLS_TTL: u16 = 15;
    pub(in super::super) const PUSH_MPLS: u16 = 19;
    pub(in super::super) const POP_MPLS: u16 = 20;
    pub(in super::super) const SET_QUEUE: u16 = 21;
    pub(in super::super) const GROUP: u16 = 22;
    pub(in super::super) const SET_TTL: u16 = 23;
    pub(in super::super) const DEC_TTL: u16 = 24;
    pub(in super::super) const SET_FIELD: u16 = 25;
    pub(in super::super) const COPY_FIELD: u16 = 28;
    pub(in super::super) const METER: u16 = 29;
    pub(in super::super) const EXPERIMENTER: u16 = 0xffff;
}

/// The extensions, by subtype.
pub(super) mod nicira {
    pub(in super::super) const RESUBMIT: u16 = 1;
    pub(in super::super) const SET_TUNNEL: u16 = 2;
    pub(in super::super) const SET_QUEUE: u16 = 4;
    pub(in super::super) const POP_QUEUE: u16 = 5;
    pub(in super::super) const REG_MOVE: u16 = 6;
    pub(in super::super) const REG_LOAD: u16 = 7;
    pub(in super::super) const NOTE: u16 = 8;
    pub(in super::super) const SET_TUNNEL64: u16 = 9;
    pub(in super::super) const MULTIPATH: u16 = 10;
    pub(in super::super) const BUNDLE: u16 = 12;
    pub(in super::super) const BUNDLE_LOAD: u16 = 13;
    pub(in super::super) const RESUBMIT_TABLE: u16 = 14;
    pub(in super::super) const LEARN: u16 = 16;
    pub(in super::super) const EXIT: u16 = 17;
    pub(in super::super) const DEC_TTL: u16 = 18;
    pub(in super::super) const FIN_TIMEOUT: u16 = 19;
    pub(in super::super) const CONTROLLER: u16 = 20;
    pub(in super::super) const DEC_TTL_TO: u16 = 21;
    pub(in super::super) const WRITE_METADATA: u16 = 22;
    pub(in super::super) const PUSH_MPLS: u16 = 23;
    pub(in super::super) const POP_MPLS: u16 = 24;
    pub(in super::super) const SET_MPLS_TTL: u16 = 25;
    pub(in super::super) const DEC_MPLS_TTL: u16 = 26;
    pub(in super::super) const PUSH: u16 = 27;
    pub(in super::super) const POP: u16 = 28;
    pub(in super::super) const SAMPLE: u16 = 29;
    pub(in super::super) const SET_MPLS_LABEL: u16 = 30;
    pub(in super::super) const SET_MPLS_TC: u16 = 31;
    pub(in super::super) const REG_LOAD2: u16 = 33;
    pub(in super::super) const GROUP: u16 = 40;
    pub(in super::super) const ENCAP: u16 = 46;
    pub(in super::super) const DECAP: u16 = 47;
    pub(in super::super) const OUTPUT_REG: u16 = 15;
    pub(in super::super) const OUTPUT_REG2: u16 = 32;
    pub(in super::super) const CONJUNCTION: u16 = 34;
    pub(in super::super) const CT: u16 = 35;
    pub(in super::super) const NAT: u16 = 36;
    pub(in super::super) const CONTROLLER2: u16 = 37;
    pub(in super::super) const SAMPLE2: u16 = 38;
    pub(in super::super) const OUTPUT_TRUNC: u16 = 39;
    pub(in super::super) const SAMPLE3: u16 = 41;
    pub(in super::super) const CLONE: u16 = 42;
    pub(in super::super) const CT_CLEAR: u16 = 43;
    pub(in super::super) const RESUBMIT_TABLE_CT: u16 = 44;
    pub(in super::super) const LEARN2: u16 = 45;
    pub(in super::super) const DEC_NSH_TTL: u16 = 48;
    pub(in super::super) const CHECK_PKT_LARGER: u16 = 49;
    pub(in super::super) const DELETE_FIELD: u16 = 50;
    pub(in super::super) const SAMPLE4: u16 = 51;
}

/// Reads actions until the reader ends.
pub(crate) fn read_actions(reader: &mut Reader<'_>) -> Result<Vec<Action>> {
    read_nested(reader, 0)
}

/// Takes the next action: its type, its arguments, and all of it.
fn next_action<'a>(reader: &mut Reader<'a>) -> Result<(u16, Reader<'a>, &'a [u8])> {
    let mut header = *reader;
    let kind = header.u16()?;
    let length = usize::from(header.u16()?);
    if length < 8 || !length.is_multiple_of(8) {
        return Err(Error::BadLength {
            what: "action",
            length,
        });
    }
    let bytes = reader.take(length)?;
    Ok((kind, reader.over(&bytes[4..]), bytes))
}

pub(super) fn read_nested(reader: &mut Reader<'_>, depth: usize) -> Result<Vec<Action>> {
    if depth > MAX_DEPTH {
        return Err(Error::TooDeep);
    }
    let mut out = Vec::new();
    while !reader.is_empty() {
        let (kind, mut body, bytes) = next_action(reader)?;
        let before = out.len();
        if read_body(kind, &mut body, depth, &mut out).is_err() {
            out.truncate(before);
            out.push(Action::Unknown(bytes.into()));
        }
    }
    Ok(out)
}

/// Reads the next action of OpenFlow 1.3 or later.
pub(super) fn read_next(reader: &mut Reader<'_>) -> Result<Action> {
    let (kind, mut body, bytes) = next_action(reader)?;
    Ok(read_one(kind, &mut body, 0).unwrap_or_else(|_| Action::Unknown(bytes.into())))
}

/// Reads the arguments of one action, which older versions may say as several. An error means "keep it
/// as it is".
fn read_body(kind: u16, body: &mut Reader<'_>, depth: usize, out: &mut Vec<Action>) -> Result<()> {
    if body.version == Version::V10 && kind != standard::EXPERIMENTER {
        return old::read_10(kind, body, out);
    }
    out.push(read_one(kind, body, depth)?);
    Ok(())
}

fn read_one(kind: u16, body: &mut Reader<'_>, depth: usize) -> Result<Action> {
    Ok(match kind {
        standard::OUTPUT => {
            let port = Port(body.u32()?);
            let max_len = body.u16()?;
            let max_len = if port == Port::CONTROLLER { max_len } else { 0 };
            Action::Output { port, max_len }
        }
        standard::DEC_MPLS_TTL => Action::DecMplsTtl,
        standard::PUSH_VLAN => Action::PushVlan(body.u16()?),
        standard::POP_VLAN => Action::PopVlan,
        standard::PUSH_MPLS => Action::PushMpls(body.u16()?),
        standard::POP_MPLS => Action::PopMpls(body.u16()?),
        standard::SET_QUEUE => Action::SetQueue(body.u32()?),
        standard::GROUP => Action::Group(body.u32()?),
        standard::SET_TTL => Action::set_field(Field::IpTtl, body.u8()?),
        standard::SET_MPLS_TTL => Action::set_field(Field::MplsTtl, body.u8()?),
        standard::DEC_TTL => Action::DecTtl,
        standard::SET_FIELD => match read_entry(body)? {
            Entry::Known(value) => Action::SetField(value),
            Entry::Opaque(_) => return Err(unknown("field", 0)),
        },
        standard::COPY_FIELD => read_copy(body)?,
        standard::METER => Action::Meter(body.u32()?),
        standard::EXPERIMENTER => match body.u32()? {
            NICIRA => {
                let subtype = body.u16()?;
                read_nicira(subtype, body, depth)?
            }
            ONF => old::read_onf(body)?,
            other => return Err(unknown("experimenter", other)),
        },
        _ => return Err(unknown("action", kind.into())),
    })
}

fn read_nicira(subtype: u16, body: &mut Reader<'_>, depth: usize) -> Result<Action> {
    Ok(match subtype {
        nicira::RESUBMIT => Action::Resubmit {
            in_port: in_port(body.u16()?),
            table: None,
            ct: false,
        },
        nicira::RESUBMIT_TABLE | nicira::RESUBMIT_TABLE_CT => Action::Resubmit {
            in_port: in_port(body.u16()?),
            table: Some(body.u8()?).filter(|table| *table != 255),
            ct: subtype == nicira::RESUBMIT_TABLE_CT,
        },
        nicira::SET_TUNNEL => {
            body.skip(2)?;
            Action::set_tunnel(body.u32()?.into())
        }
        nicira::SET_TUNNEL64 => {
            body.skip(6)?;
            Action::set_tunnel(body.u64()?)
        }
        nicira::POP_QUEUE => Action::PopQueue,
        nicira::NOTE => Action::Note(body.rest().into()),
        nicira::EXIT => Action::Exit,
        nicira::FIN_TIMEOUT => Action::FinTimeout {
            idle: body.u16()?,
            hard: body.u16()?,
        },
        nicira::PUSH => Action::Push(read_stack(body)?),
        nicira::POP => Action::Pop(read_stack(body)?),
        nicira::CONJUNCTION => {
            let (clause, clauses) = (body.u8()?, body.u8()?);
            Action::Conjunction {
                id: body.u32()?,
                clause,
                clauses,
            }
        }
        nicira::OUTPUT_REG => {
            let packed = body.u16()?;
            let source = read_short_field(body, packed)?;
            Action::OutputReg {
                source,
                max_len: body.u16()?,
            }
        }
        nicira::OUTPUT_REG2 => {
            let (offset, bits) = unpack(body.u16()?);
            let max_len = body.u16()?;
            Action::OutputReg {
                source: Subfield {
                    field: read_field(body)?,
                    offset,
                    bits,
                },
                max_len,
            }
        }
        nicira::OUTPUT_TRUNC => Action::OutputTrunc {
            port: Port::from_u16(body.u16()?),
            max_len: body.u32()?,
        },
        nicira::CLONE => {
            body.skip(6)?;
            Action::Clone(read_nested(body, depth + 1)?)
        }
        nicira::CT_CLEAR => Action::CtClear,
        nicira::DEC_NSH_TTL => Action::DecNshTtl,
        nicira::CHECK_PKT_LARGER => {
            let (len, offset) = (body.u16()?, body.u16()?);
            let destination = Subfield {
                field: read_field(body)?,
                offset,
                bits: 1,
            };
            Action::CheckPktLarger { len, destination }
        }
        nicira::DELETE_FIELD => Action::DeleteField(read_field(body)?),
        nicira::DEC_TTL_TO => extra::read_dec_ttl(body)?,
        nicira::SAMPLE | nicira::SAMPLE2 | nicira::SAMPLE3 | nicira::SAMPLE4 => {
            extra::read_sample(body, subtype)?
        }
        nicira::BUNDLE => extra::read_bundle(body, false)?,
        nicira::BUNDLE_LOAD => extra::read_bundle(body, true)?,
        nicira::MULTIPATH => extra::read_multipath(body)?,
        nicira::CONTROLLER => extra::read_controller(body)?,
        nicira::CONTROLLER2 => extra::read_controller2(body)?,
        nicira::CT => large::read_ct(body, depth)?,
        nicira::NAT => large::read_nat(body)?,
        nicira::LEARN => large::read_learn(body, false)?,
        nicira::LEARN2 => large::read_learn(body, true)?,
        nicira::ENCAP => encap::read_encap(body)?,
        nicira::DECAP => encap::read_decap(body)?,
        _ => old::read_nicira(subtype, body)?,
    })
}

pub(super) fn unknown(what: &'static str, value: u32) -> Error {
    Error::BadValue {
        what,
        value: value.into(),
    }
}

fn in_port(number: u16) -> Option<Port> {
    Some(Port::from_u16(number)).filter(|port| *port != Port::IN_PORT)
}

/// Reads the header that names a field.
pub(super) fn read_field(body: &mut Reader<'_>) -> Result<Field> {
    read_header(body)?.field.ok_or_else(|| unknown("field", 0))
}

/// The offset and the number of bits, which Nicira's actions pack into one number.
pub(super) const fn unpack(packed: u16) -> (u16, u16) {
    (packed >> 6, (packed & 0x3f) + 1)
}

pub(super) const fn pack(field: Subfield) -> u16 {
    field.offset << 6 | (field.bits.wrapping_sub(1) & 0x3f)
}

fn read_copy(body: &mut Reader<'_>) -> Result<Action> {
    let bits = body.u16()?;
    let (from, to) = (body.u16()?, body.u16()?);
    body.skip(2)?;
    Ok(Action::Move {
        source: Subfield {
            field: read_field(body)?,
            offset: from,
            bits,
        },
        destination: Subfield {
            field: read_field(body)?,
            offset: to,
            bits,
        },
    })
}

fn read_stack(body: &mut Reader<'_>) -> Result<Subfield> {
    let offset = body.u16()?;
    let field = read_field(body)?;
    Ok(Subfield {
        field,
        offset,
        bits: body.u16()?,
    })
}

/// Writes actions one after the other. Instructions among them are left out.
pub(crate) fn write_actions(out: &mut Writer, actions: &[Action]) {
    for action in actions {
        write_action(out, action);
    }
}

pub(super) fn begin(out: &mut Writer, kind: u16) -> usize {
    let start = out.len();
    out.u16(kind);
    out.u16(0);
    start
}

pub(super) fn begin_nicira(out: &mut Writer, subtype: u16) -> usize {
    let start = begin(out, standard::EXPERIMENTER);
    out.u32(NICIRA);
    out.u16(subtype);
    start
}

/// Pads the action that begins at `start` and sets its length.
pub(super) fn finish(out: &mut Writer, start: usize) {
    out.pad8(start);
    out.patch_len(start + 2, start);
}

/// Writes the header that names a field.
pub(super) fn write_field(out: &mut Writer, field: Subfield) {
    let bytes = if field.field.is_variable() {
        usize::from(field.offset + field.bits)
            .div_ceil(32)
            .clamp(1, 31)
            * 4
    } else {
        usize::from(field.field.info().bytes)
    };
    write_header(out, field.field, false, bytes);
}

pub(super) fn write_action(out: &mut Writer, action: &Action) {
    if out.version != Version::V15 && old::write(out, action) {
        return;
    }
    match action {
        Action::ModVlanVid(_) | Action::ModVlanPcp(_) => {
            out.unsayable("mod_vlan; say push_vlan and set_field, or set_field alone");
        }
        Action::Output { port, max_len } => plain(out, standard::OUTPUT, |out| {
            out.u32(port.0);
            out.u16(*max_len);
            out.zeros(6);
        }),
        Action::DecMplsTtl => plain(out, standard::DEC_MPLS_TTL, |out| out.zeros(4)),
        Action::PushVlan(eth_type) => plain(out, standard::PUSH_VLAN, |out| out.u16(*eth_type)),
        Action::PopVlan => plain(out, standard::POP_VLAN, |out| out.zeros(4)),
        Action::PushMpls(eth_type) => plain(out, standard::PUSH_MPLS, |out| out.u16(*eth_type)),
        Action::PopMpls(eth_type) => plain(out, standard::POP_MPLS, |out| out.u16(*eth_type)),
        Action::SetQueue(queue) => plain(out, standard::SET_QUEUE, |out| out.u32(*queue)),
        Action::Group(group) => plain(out, standard::GROUP, |out| out.u32(*group)),
        Action::DecTtl => plain(out, standard::DEC_TTL, |out| out.zeros(4)),
        Action::SetField(value) => plain(out, standard::SET_FIELD, |out| write_entry(out, value)),
        Action::Move {
            source,
            destination,
        } => plain(out, standard::COPY_FIELD, |out| {
            out.u16(destination.bits);
            out.u16(source.offset);
            out.u16(destination.offset);
            out.zeros(2);
            write_field(out, *source);
            write_field(out, *destination);
        }),
        Action::Meter(meter) => plain(out, standard::METER, |out| out.u32(*meter)),
        Action::Unknown(bytes) => out.bytes(bytes),
        Action::ClearActions
        | Action::WriteActions(_)
        | Action::WriteMetadata { .. }
        | Action::GotoTable(_)
        | Action::UnknownInstruction(_) => {}
        extension => write_extension(out, extension),
    }
}

fn write_extension(out: &mut Writer, action: &Action) {
    match action {
        Action::Resubmit { in_port, table, ct } => {
            let subtype = match (table, ct) {
                (_, true) => nicira::RESUBMIT_TABLE_CT,
                (Some(_), false) => nicira::RESUBMIT_TABLE,
                (None, false) => nicira::RESUBMIT,
            };
            extended(out, subtype, |out| {
                out.port16(in_port.unwrap_or(Port::IN_PORT));
                out.u8(if subtype == nicira::RESUBMIT {
                    0
                } else {
                    table.unwrap_or(255)
                });
                out.zeros(3);
            });
        }
        Action::PopQueue => extended(out, nicira::POP_QUEUE, |_| {}),
        Action::Note(note) => extended(out, nicira::NOTE, |out| out.bytes(note)),
        Action::Exit => extended(out, nicira::EXIT, |_| {}),
        Action::FinTimeout { idle, hard } => extended(out, nicira::FIN_TIMEOUT, |out| {
            out.u16(*idle);
            out.u16(*hard);
        }),
        Action::Push(field) => extended(out, nicira::PUSH, |out| write_stack(out, *field)),
        Action::Pop(field) => extended(out, nicira::POP, |out| write_stack(out, *field)),
        Action::Conjunction {
            id,
            clause,
            clauses,
        } => {
            extended(out, nicira::CONJUNCTION, |out| {
                out.u8(*clause);
                out.u8(*clauses);
                out.u32(*id);
            });
        }
        Action::OutputReg { source, max_len } => extended(out, nicira::OUTPUT_REG2, |out| {
            out.u16(pack(*source));
            out.u16(*max_len);
            write_padded(out, *source, 10);
        }),
        Action::OutputTrunc { port, max_len } => extended(out, nicira::OUTPUT_TRUNC, |out| {
            out.port16(*port);
            out.u32(*max_len);
        }),
        Action::Clone(actions) => extended(out, nicira::CLONE, |out| {
            out.zeros(6);
            write_actions(out, actions);
        }),
        Action::CtClear => extended(out, nicira::CT_CLEAR, |_| {}),
        Action::DecNshTtl => extended(out, nicira::DEC_NSH_TTL, |_| {}),
        Action::CheckPktLarger { len, destination } => {
            extended(out, nicira::CHECK_PKT_LARGER, |out| {
                out.u16(*len);
                out.u16(destination.offset);
                write_padded(out, *destination, 10);
            });
        }
        Action::DeleteField(field) => {
            extended(out, nicira::DELETE_FIELD, |out| {
                write_padded(out, field.whole(), 14);
            });
        }
        Action::Encap(header) => {
            extended(out, nicira::ENCAP, |out| encap::write_encap(out, header));
        }
        Action::Decap(packet_type) => {
            extended(out, nicira::DECAP, |out| {
                encap::write_decap(out, *packet_type);
            });
        }
        Action::Ct(ct) => large::write_ct(out, ct),
        Action::Nat(nat) => large::write_nat(out, nat),
        Action::Learn(learn) => large::write_learn(out, learn),
        other => extra::write(out, other),
    }
}

pub(super) fn plain(out: &mut Writer, kind: u16, body: impl FnOnce(&mut Writer)) {
    let start = begin(out, kind);
    body(out);
    finish(out, start);
}

pub(super) fn extended(out: &mut Writer, subtype: u16, body: impl FnOnce(&mut Writer)) {
    let start = begin_nicira(out, subtype);
    body(out);
    finish(out, start);
}

fn write_stack(out: &mut Writer, field: Subfield) {
    let start = out.len();
    out.u16(field.offset);
    write_field(out, field);
    out.u16(field.bits);
    out.zeros((start + 14).saturating_sub(out.len()));
}

/// Writes the header that names a field into a place of `room` bytes.
fn write_padded(out: &mut Writer, field: Subfield, room: usize) {
    let start = out.len();
    write_field(out, field);
    out.zeros((start + room).saturating_sub(out.len()));
}

/// A field written into a place that holds just four bytes.
pub(super) fn write_short_field(out: &mut Writer, field: Option<Subfield>) {
    match field {
        Some(field) => write_field(out, field),
        None => out.u32(0),
    }
}

/// Reads what [`write_short_field`] wrote: no field where the number is zero and so is the packed range.
pub(super) fn read_short_field(body: &mut Reader<'_>, packed: u16) -> Result<Subfield> {
    let (offset, bits) = unpack(packed);
    Ok(Subfield {
        field: read_field(body)?,
        offset,
        bits,
    })
}

/// The value of a field whose bits are all given, for tests and for callers that build by hand.
impl From<FieldValue> for Action {
    fn from(value: FieldValue) -> Self {
        Self::SetField(value)
    }
}
