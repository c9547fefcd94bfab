//! The arguments of the larger actions.

use std::net::IpAddr;

use super::action::Reader;
use super::field::{ipv4, ipv6, subfield};
use super::lexer::{Item, Joint, Text};
use super::{Parser, Result};
use crate::action::{
    Action, Bundle, BundleAlgorithm, Controller, Ct, CtZone, HashFields, Multipath, Nat,
    NatDirection, NatRange, Observation, Sample,
};
use crate::message::REASONS;
use crate::port::Port;
use crate::text::large::MULTIPATH;

pub(super) fn controller(item: &Item<'_>) -> Result<Action> {
    let mut out = Controller::default();
    if item.joint == Joint::Colon {
        out.max_len = item.value.u16()?;
    }
    let arguments = (item.joint == Joint::Parentheses).then(|| item.value.items());
    for argument in arguments.into_iter().flatten() {
        let argument = argument?;
        let value = argument.value;
        match argument.key.str() {
            "reason" => {
                let place = REASONS.iter().position(|name| *name == value.str());
                out.reason = match place {
                    Some(place) => place as u8,
                    None => value.u8()?,
                };
            }
            "max_len" => out.max_len = value.u16()?,
            "id" => out.controller_id = value.u16()?,
            "userdata" => out.userdata = value.bytes()?,
            "pause" => out.pause = true,
            "meter_id" => out.meter_id = Some(value.u32()?),
            _ => {
                return Err(argument.error("reason, max_len, id, userdata, pause or meter_id"));
            }
        }
    }
    let plain = Controller {
        max_len: out.max_len,
        ..Controller::default()
    };
    Ok(if out == plain {
        Action::Output {
            port: Port::CONTROLLER,
            max_len: out.max_len,
        }
    } else {
        Action::Controller(Box::new(out))
    })
}

pub(super) fn ct<'a>(reader: Reader<'a>, item: &Item<'a>) -> Result<Action> {
    let mut out = Ct::default();
    let mut nats = 0;
    for argument in item.value.items() {
        let argument = argument?;
        let value = argument.value;
        match argument.key.str() {
            "commit" => out.commit = true,
            "force" => out.force = true,
            "table" => out.table = Some(value.u8()?).filter(|table| *table != 255),
            "zone" => {
                out.zone = if value.is_number() {
                    CtZone::Immediate(value.u16()?)
                } else {
                    CtZone::Field(subfield(value)?)
                };
            }
            "nat" => {
                out.actions.insert(nats, nat(&argument)?);
                nats += 1;
            }
            "exec" => {
                out.actions.truncate(nats);
                out.actions.extend(reader.nested(value)?);
            }
            "alg" => {
                out.alg = match value.str() {
                    "ftp" => 21,
                    "tftp" => 69,
                    _ => value.u16()?,
                };
            }
            _ => {
                return Err(argument.error("commit, force, table, zone, nat, exec or alg"));
            }
        }
    }
    Ok(Action::Ct(Box::new(out)))
}

pub(super) fn nat(item: &Item<'_>) -> Result<Action> {
    let mut out = Nat::default();
    for argument in item.value.items() {
        let argument = argument?;
        match argument.key.str() {
            "src" => out.direction = Some(NatDirection::Source),
            "dst" => out.direction = Some(NatDirection::Destination),
            "persistent" => out.persistent = true,
            "hash" => out.hash = true,
            "random" => out.random = true,
            _ => return Err(argument.error("src, dst, persistent, hash or random")),
        }
        if argument.joint == Joint::Equals {
            nat_range(&mut out, argument.value)?;
        }
    }
    Ok(Action::Nat(Box::new(out)))
}

fn nat_range(out: &mut Nat, text: Text<'_>) -> Result<()> {
    let (addresses, ports) = if text.str().starts_with('[') {
        match text.split_last("]:") {
            // The bracket that closes the address belongs to it.
            Some((before, ports)) => (text.slice(0, before.str().len() + 1), Some(ports)),
            None => (text, None),
        }
    } else if text.str().contains('.') && !text.str().contains("::") {
        match text.split(":") {
            Some((addresses, ports)) => (addresses, Some(ports)),
            None => (text, None),
        }
    } else {
        (text, None)
    };
    if !addresses.is_empty() {
        let (min, max) = match addresses.split("-") {
            Some((min, max)) => (address(min)?, Some((address(max)?, max))),
            None => (address(addresses)?, None),
        };
        out.range = Some(match (min, max) {
            (IpAddr::V4(min), None) => NatRange::V4(min, None),
            (IpAddr::V6(min), None) => NatRange::V6(min, None),
            (IpAddr::V4(min), Some((IpAddr::V4(max), _))) => NatRange::V4(min, Some(max)),
            (IpAddr::V6(min), Some((IpAddr::V6(max), _))) => NatRange::V6(min, Some(max)),
            (_, Some((_, place))) => return Err(place.error("an address of the same family")),
        });
    }
    if let Some(ports) = ports {
        out.ports = Some(match ports.split("-") {
            Some((min, max)) => (min.u16()?, Some(max.u16()?)),
            None => (ports.u16()?, None),
        });
    }
    Ok(())
}

fn address(text: Text<'_>) -> Result<IpAddr> {
    let inner = text
        .strip_prefix("[")
        .and_then(|text| text.strip_suffix("]"));
    if let Some(inner) = inner {
        return ipv6(inner).map(IpAddr::V6);
    }
    if text.str().contains(':') {
        ipv6(text).map(IpAddr::V6)
    } else {
        ipv4(text).map(IpAddr::V4)
    }
}

/// A number, or 32 bits at the most of a field that hold it.
fn observation(text: Text<'_>) -> Result<Observation> {
    if text.is_number() {
        return text.u32().map(Observation::Value);
    }
    let field = subfield(text)?;
    if field.bits > 32 {
        return Err(text.error("at most 32 bits of a field"));
    }
    Ok(Observation::Field(field))
}

pub(super) fn sample(parser: Parser<'_>, text: Text<'_>) -> Result<Action> {
    let mut out = Sample {
        probability: 0,
        collector_set: 0,
        domain: 0.into(),
        point: 0.into(),
        port: None,
        direction: 0,
    };
    for item in text.items() {
        let item = item?;
        match item.key.str() {
            "probability" => out.probability = item.value.u16()?,
            "collector_set_id" => out.collector_set = item.value.u32()?,
            "obs_domain_id" => out.domain = observation(item.value)?,
            "obs_point_id" => out.point = observation(item.value)?,
            "sampling_port" => out.port = Some(parser.port(item.value)?),
            "ingress" => out.direction = 1,
            "egress" => out.direction = 2,
            _ => return Err(item.error("an argument of sample")),
        }
    }
    if out.probability == 0 {
        return Err(text.error("probability=.. above zero"));
    }
    Ok(Action::Sample(Box::new(out)))
}

fn hash_fields(text: Text<'_>) -> Result<HashFields> {
    let place = HashFields::NAMES
        .iter()
        .position(|name| *name == text.str());
    let place =
        place.ok_or_else(|| text.error(format!("one of {}", HashFields::NAMES.join(", "))))?;
    Ok(HashFields(place as u16))
}

/// The pieces of a list, with errors where it is shorter than it must be.
struct Pieces<'a> {
    text: Text<'a>,
    pieces: std::vec::IntoIter<Text<'a>>,
}

impl<'a> Pieces<'a> {
    fn new(text: Text<'a>) -> Self {
        Self {
            text,
            pieces: text.pieces().collect::<Vec<_>>().into_iter(),
        }
    }

    fn next(&mut self, what: &str) -> Result<Text<'a>> {
        self.pieces
            .next()
            .ok_or_else(|| self.text.end().error(what))
    }
}

pub(super) fn bundle(parser: Parser<'_>, text: Text<'_>, load: bool) -> Result<Action> {
    let mut pieces = Pieces::new(text);
    let fields = hash_fields(pieces.next("fields")?)?;
    let basis = pieces.next("basis")?.u16()?;
    let algorithm = pieces.next("algorithm")?;
    let algorithm = match algorithm.str() {
        "active_backup" => BundleAlgorithm::ActiveBackup,
        "hrw" => BundleAlgorithm::Hrw,
        _ => return Err(algorithm.error("active_backup or hrw")),
    };
    let kind = pieces.next("ofport")?;
    if kind.str() != "ofport" {
        return Err(kind.error("ofport"));
    }
    let destination = if load {
        Some(subfield(pieces.next("a field")?)?)
    } else {
        None
    };
    let first = pieces.next("members:")?;
    let first = first
        .strip_prefix("members:")
        .or_else(|| first.strip_prefix("slaves:"))
        .ok_or_else(|| first.error("members:"))?;
    let members = std::iter::once(first)
        .chain(pieces.pieces)
        .filter(|piece| !piece.is_empty())
        .map(|piece| parser.port(piece))
        .collect::<Result<_>>()?;
    Ok(Action::Bundle(Box::new(Bundle {
        algorithm,
        fields,
        basis,
        members,
        destination,
    })))
}

pub(super) fn multipath(text: Text<'_>) -> Result<Action> {
    let mut pieces = Pieces::new(text);
    let fields = hash_fields(pieces.next("fields")?)?;
    let basis = pieces.next("basis")?.u16()?;
    let algorithm = pieces.next("algorithm")?;
    let number = MULTIPATH.iter().position(|name| *name == algorithm.str());
    let number =
        number.ok_or_else(|| algorithm.error(format!("one of {}", MULTIPATH.join(", "))))?;
    let links = pieces.next("links")?;
    let max_link = links
        .number(1 << 16)?
        .checked_sub(1)
        .ok_or_else(|| links.error("at least one link"))?;
    let argument = pieces.next("argument")?.u32()?;
    let destination = subfield(pieces.next("a field")?)?;
    Ok(Action::Multipath(Box::new(Multipath {
        fields,
        basis,
        algorithm: number as u16,
        max_link: max_link as u16,
        argument,
        destination,
    })))
}
