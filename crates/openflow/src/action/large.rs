//! The binary form of the actions that contain others or make flows: ct, nat, learn.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::wire::{
    begin_nicira, extended, finish, nicira, pack, read_field, read_nested, read_short_field,
    unknown, write_actions, write_field, write_short_field,
};
use super::{
    Action, Ct, CtZone, Learn, LearnSource, LearnSpec, LearnTarget, Nat, NatDirection, NatRange,
};
use crate::error::Result;
use crate::field::{Subfield, ones};
use crate::wire::{Reader, Writer};

const CT_COMMIT: u16 = 1;
const CT_FORCE: u16 = 1 << 1;
/// The table number that means "do not come back".
const CT_NO_TABLE: u8 = 255;

pub(super) fn read_ct(body: &mut Reader<'_>, depth: usize) -> Result<Action> {
    let flags = body.u16()?;
    let mut zone_field = body.sub(4)?;
    let zone = body.u16()?;
    let zone = if zone_field.rest() == [0; 4] {
        CtZone::Immediate(zone)
    } else {
        CtZone::Field(read_short_field(&mut zone_field, zone)?)
    };
    let table = Some(body.u8()?).filter(|table| *table != CT_NO_TABLE);
    body.skip(3)?;
    let alg = body.u16()?;
    let actions = read_nested(body, depth + 1)?;
    Ok(Action::Ct(Box::new(Ct {
        commit: flags & CT_COMMIT != 0,
        force: flags & CT_FORCE != 0,
        zone,
        table,
        alg,
        actions,
    })))
}

pub(super) fn write_ct(out: &mut Writer, ct: &Ct) {
    extended(out, nicira::CT, |out| {
        let commit = if ct.commit { CT_COMMIT } else { 0 };
        let force = if ct.force { CT_FORCE } else { 0 };
        out.u16(commit | force);
        match ct.zone {
            CtZone::Immediate(zone) => {
                out.u32(0);
                out.u16(zone);
            }
            CtZone::Field(field) => {
                write_field(out, field);
                out.u16(pack(field));
            }
        }
        out.u8(ct.table.unwrap_or(CT_NO_TABLE));
        out.zeros(3);
        out.u16(ct.alg);
        write_actions(out, &ct.actions);
    });
}

const NAT_SOURCE: u16 = 1;
const NAT_DESTINATION: u16 = 1 << 1;
const NAT_PERSISTENT: u16 = 1 << 2;
const NAT_HASH: u16 = 1 << 3;
const NAT_RANDOM: u16 = 1 << 4;

const HAS_V4_MIN: u16 = 1;
const HAS_V4_MAX: u16 = 1 << 1;
const HAS_V6_MIN: u16 = 1 << 2;
const HAS_V6_MAX: u16 = 1 << 3;
const HAS_PORT_MIN: u16 = 1 << 4;
const HAS_PORT_MAX: u16 = 1 << 5;

pub(super) fn read_nat(body: &mut Reader<'_>) -> Result<Action> {
    body.skip(2)?;
    let flags = body.u16()?;
    let present = body.u16()?;
    let has = |bit: u16| present & bit != 0;
    let direction = match (flags & NAT_SOURCE != 0, flags & NAT_DESTINATION != 0) {
        (true, false) => Some(NatDirection::Source),
        (false, true) => Some(NatDirection::Destination),
        (false, false) => None,
        (true, true) => return Err(unknown("nat flags", flags.into())),
    };
    let mut v4 = |bit| {
        has(bit)
            .then(|| body.u32().map(Ipv4Addr::from_bits))
            .transpose()
    };
    let (v4_min, v4_max) = (v4(HAS_V4_MIN)?, v4(HAS_V4_MAX)?);
    let mut v6 = |bit| {
        has(bit)
            .then(|| body.array().map(Ipv6Addr::from))
            .transpose()
    };
    let (v6_min, v6_max) = (v6(HAS_V6_MIN)?, v6(HAS_V6_MAX)?);
    let mut port = |bit| has(bit).then(|| body.u16()).transpose();
    let (port_min, port_max) = (port(HAS_PORT_MIN)?, port(HAS_PORT_MAX)?);
    let range = match (v4_min, v6_min) {
        (Some(min), None) => Some(NatRange::V4(min, v4_max)),
        (None, Some(min)) => Some(NatRange::V6(min, v6_max)),
        (None, None) if v4_max.is_none() && v6_max.is_none() => None,
        _ => return Err(unknown("nat range", present.into())),
    };
    Ok(Action::Nat(Box::new(Nat {
        direction,
        range,
        ports: port_min.map(|min| (min, port_max)),
        persistent: flags & NAT_PERSISTENT != 0,
        hash: flags & NAT_HASH != 0,
        random: flags & NAT_RANDOM != 0,
    })))
}

pub(super) fn write_nat(out: &mut Writer, nat: &Nat) {
    let direction = match nat.direction {
        Some(NatDirection::Source) => NAT_SOURCE,
        Some(NatDirection::Destination) => NAT_DESTINATION,
        None => 0,
    };
    let flag = |set: bool, bit: u16| if set { bit } else { 0 };
    let mut present = 0;
    let mut range = Writer::default();
    match nat.range {
        Some(NatRange::V4(min, max)) => {
            present |= HAS_V4_MIN | flag(max.is_some(), HAS_V4_MAX);
            range.u32(min.to_bits());
            range.extend(max.iter().flat_map(Ipv4Addr::octets));
        }
        Some(NatRange::V6(min, max)) => {
            present |= HAS_V6_MIN | flag(max.is_some(), HAS_V6_MAX);
            range.bytes(&min.octets());
            range.extend(max.iter().flat_map(Ipv6Addr::octets));
        }
        None => {}
    }
    if let Some((min, max)) = nat.ports {
        present |= HAS_PORT_MIN | flag(max.is_some(), HAS_PORT_MAX);
        range.u16(min);
        range.extend(max.iter().flat_map(|port| port.to_be_bytes()));
    }
    extended(out, nicira::NAT, |out| {
        out.zeros(2);
        out.u16(
            direction
                | flag(nat.persistent, NAT_PERSISTENT)
                | flag(nat.hash, NAT_HASH)
                | flag(nat.random, NAT_RANDOM),
        );
        out.u16(present);
        out.bytes(&range);
    });
}

const LEARN_SEND_FLOW_REM: u16 = 1;
const LEARN_DELETE_LEARNED: u16 = 1 << 1;
const LEARN_WRITE_RESULT: u16 = 1 << 2;

// The header of a specification: the kind of source, the kind of target, the number of bits.
const SPEC_VALUE: u16 = 1 << 13;
const SPEC_TARGET: u16 = 3 << 11;
const SPEC_MATCH: u16 = 0;
const SPEC_LOAD: u16 = 1 << 11;
const SPEC_OUTPUT: u16 = 2 << 11;
const SPEC_BITS: u16 = 0x7ff;

pub(super) fn read_learn(body: &mut Reader<'_>, limited: bool) -> Result<Action> {
    let mut learn = Learn {
        idle_timeout: body.u16()?,
        hard_timeout: body.u16()?,
        priority: body.u16()?,
        cookie: body.u64()?,
        ..Learn::default()
    };
    let flags = body.u16()?;
    learn.send_flow_rem = flags & LEARN_SEND_FLOW_REM != 0;
    learn.delete_learned = flags & LEARN_DELETE_LEARNED != 0;
    learn.table = body.u8()?;
    body.skip(1)?;
    learn.fin_idle_timeout = body.u16()?;
    learn.fin_hard_timeout = body.u16()?;
    if limited {
        learn.limit = body.u32()?;
        let offset = body.u16()?;
        body.skip(2)?;
        if flags & LEARN_WRITE_RESULT != 0 {
            learn.result = Some(Subfield {
                field: read_field(body)?,
                offset,
                bits: 1,
            });
        }
    }
    while body.len() >= 2 {
        let header = body.u16()?;
        // A header of zero is the padding.
        if header == 0 {
            break;
        }
        learn.specs.push(read_spec(body, header)?);
    }
    Ok(Action::Learn(Box::new(learn)))
}

fn read_spec(body: &mut Reader<'_>, header: u16) -> Result<LearnSpec> {
    let bits = header & SPEC_BITS;
    // Of no bits it would look like padding when it is written.
    if bits == 0 {
        return Err(unknown("learn specification", header.into()));
    }
    let source = if header & SPEC_VALUE == 0 {
        LearnSource::Field(read_spec_field(body, bits)?)
    } else {
        let value = body.uint(2 * usize::from(bits).div_ceil(16))?;
        LearnSource::Value(value & ones(bits.into()))
    };
    let target = match header & SPEC_TARGET {
        SPEC_MATCH => LearnTarget::Match(read_spec_field(body, bits)?),
        SPEC_LOAD => LearnTarget::Load(read_spec_field(body, bits)?),
        SPEC_OUTPUT => LearnTarget::Output,
        _ => return Err(unknown("learn specification", header.into())),
    };
    Ok(LearnSpec {
        bits,
        source,
        target,
    })
}

fn read_spec_field(body: &mut Reader<'_>, bits: u16) -> Result<Subfield> {
    let field = read_field(body)?;
    Ok(Subfield {
        field,
        offset: body.u16()?,
        bits,
    })
}

pub(super) fn write_learn(out: &mut Writer, learn: &Learn) {
    let limited = learn.limit != 0 || learn.result.is_some();
    let start = begin_nicira(
        out,
        if limited {
            nicira::LEARN2
        } else {
            nicira::LEARN
        },
    );
    let flag = |set: bool, bit: u16| if set { bit } else { 0 };
    out.u16(learn.idle_timeout);
    out.u16(learn.hard_timeout);
    out.u16(learn.priority);
    out.u64(learn.cookie);
    out.u16(
        flag(learn.send_flow_rem, LEARN_SEND_FLOW_REM)
            | flag(learn.delete_learned, LEARN_DELETE_LEARNED)
            | flag(learn.result.is_some(), LEARN_WRITE_RESULT),
    );
    out.u8(learn.table);
    out.zeros(1);
    out.u16(learn.fin_idle_timeout);
    out.u16(learn.fin_hard_timeout);
    if limited {
        out.u32(learn.limit);
        out.u16(learn.result.map_or(0, |field| field.offset));
        out.zeros(2);
        if learn.result.is_some() {
            write_short_field(out, learn.result);
        }
    }
    for spec in &learn.specs {
        write_spec(out, spec);
    }
    finish(out, start);
}

fn write_spec(out: &mut Writer, spec: &LearnSpec) {
    let source = match spec.source {
        LearnSource::Field(_) => 0,
        LearnSource::Value(_) => SPEC_VALUE,
    };
    let target = match spec.target {
        LearnTarget::Match(_) => SPEC_MATCH,
        LearnTarget::Load(_) => SPEC_LOAD,
        LearnTarget::Output => SPEC_OUTPUT,
    };
    out.u16(source | target | spec.bits & SPEC_BITS);
    let mut field = |field: &Subfield| {
        write_field(out, *field);
        out.u16(field.offset);
    };
    if let LearnSource::Field(source) = &spec.source {
        field(source);
    }
    if let LearnSource::Value(value) = spec.source {
        out.uint(
            value & ones(spec.bits.into()),
            2 * usize::from(spec.bits).div_ceil(16),
        );
    }
    if let LearnTarget::Match(target) | LearnTarget::Load(target) = &spec.target {
        write_field(out, *target);
        out.u16(target.offset);
    }
}
