//! Questions with long answers (OpenFlow 1.5, section 7.3.5).

use super::Body;
use super::group_mod::{
    read_buckets, read_group_properties, write_buckets, write_group_properties,
};
use super::meter_mod::{Meter, read_bands, write_bands};
use super::port::PortDesc;
use crate::action::{read_instructions, write_instructions};
use crate::error::{Error, Result};
use crate::flow::{Flow, FlowFlags, FlowKey};
use crate::group::{Group, GroupKind};
use crate::matching::Match;
use crate::port::Port;
use crate::wire::{Put, Reader};

const FLOW_DESC: u16 = 1;
const TABLE: u16 = 3;
const GROUP_DESC: u16 = 7;
const METER_CONFIG: u16 = 10;
const PORT_DESC: u16 = 13;

/// Which flows to tell about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowQuery {
    /// The table, or 255 for all.
    pub table: u8,
    /// Only flows that output here.
    pub out_port: Option<Port>,
    /// Only flows that use this group.
    pub out_group: Option<u32>,
    /// Only flows whose cookie has this value ...
    pub cookie: u64,
    /// ... in these bits.
    pub cookie_mask: u64,
    /// Only flows that this covers.
    pub matches: Match,
}

impl Default for FlowQuery {
    fn default() -> Self {
        Self {
            table: 255,
            out_port: None,
            out_group: None,
            cookie: 0,
            cookie_mask: 0,
            matches: Match::new(),
        }
    }
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultipartRequest {
    /// Which flows are there, and what have they counted?
    Flows(FlowQuery),
    /// What have the tables counted?
    Tables,
    /// Which groups are there? One, or [`Group::ALL`].
    Groups(u32),
    /// Which meters are there? One, or [`Meter::ALL`].
    Meters(u32),
    /// Which ports are there? One, or [`Port::ANY`].
    Ports(Port),
    /// Any other question.
    Unknown {
        /// Its type.
        kind: u16,
        /// The flags.
        flags: u16,
        /// What follows.
        body: Box<[u8]>,
    },
}

impl Body for MultipartRequest {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let kind = reader.u16()?;
        let flags = reader.u16()?;
        reader.skip(4)?;
        Ok(match kind {
            FLOW_DESC => {
                let table = reader.u8()?;
                reader.skip(3)?;
                let out_port = Some(Port(reader.u32()?)).filter(|port| *port != Port::ANY);
                let out_group = Some(reader.u32()?).filter(|group| *group != Group::ANY);
                reader.skip(4)?;
                let (cookie, cookie_mask) = (reader.u64()?, reader.u64()?);
                let matches = Match::read(reader)?;
                let query = FlowQuery {
                    table,
                    out_port,
                    out_group,
                    cookie,
                    cookie_mask,
                    matches,
                };
                Self::Flows(query)
            }
            TABLE => Self::Tables,
            GROUP_DESC => Self::Groups(reader.u32()?),
            METER_CONFIG => Self::Meters(reader.u32()?),
            PORT_DESC => Self::Ports(Port(reader.u32()?)),
            _ => Self::Unknown {
                kind,
                flags,
                body: reader.rest().into(),
            },
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let (kind, flags) = match self {
            Self::Flows(_) => (FLOW_DESC, 0),
            Self::Tables => (TABLE, 0),
            Self::Groups(_) => (GROUP_DESC, 0),
            Self::Meters(_) => (METER_CONFIG, 0),
            Self::Ports(_) => (PORT_DESC, 0),
            Self::Unknown { kind, flags, .. } => (*kind, *flags),
        };
        out.u16(kind);
        out.u16(flags);
        out.zeros(4);
        match self {
            Self::Flows(query) => {
                out.u8(query.table);
                out.zeros(3);
                out.u32(query.out_port.unwrap_or(Port::ANY).0);
                out.u32(query.out_group.unwrap_or(Group::ANY));
                out.zeros(4);
                out.u64(query.cookie);
                out.u64(query.cookie_mask);
                query.matches.write(out);
            }
            Self::Tables => {}
            Self::Groups(id) | Self::Meters(id) | Self::Ports(Port(id)) => {
                out.u32(*id);
                out.zeros(4);
            }
            Self::Unknown { body, .. } => out.bytes(body),
        }
    }
}

/// An answer, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultipartReply {
    /// Whether another part follows.
    pub more: bool,
    /// The part.
    pub part: Part,
}

/// What a part of an answer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Flows.
    Flows(Vec<FlowDesc>),
    /// Tables.
    Tables(Vec<TableStats>),
    /// Groups.
    Groups(Vec<Group>),
    /// Meters.
    Meters(Vec<Meter>),
    /// Ports.
    Ports(Vec<PortDesc>),
    /// Anything else.
    Unknown {
        /// Its type.
        kind: u16,
        /// What follows.
        body: Box<[u8]>,
    },
}

/// What a flow has counted. `None` where the switch does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlowCounters {
    /// For how long it has been there: seconds and nanoseconds.
    pub duration: Option<(u32, u32)>,
    /// For how long it has matched nothing: seconds and nanoseconds.
    pub idle: Option<(u32, u32)>,
    /// How many packets.
    pub packets: Option<u64>,
    /// How many bytes.
    pub bytes: Option<u64>,
}

const OXS_CLASS: u16 = 0x8002;
const OXS_DURATION: u8 = 0;
const OXS_IDLE: u8 = 1;
const OXS_PACKETS: u8 = 4;
const OXS_BYTES: u8 = 5;

impl FlowCounters {
    /// Reads an OXS list with its padding (OpenFlow 1.5, section 7.2.4).
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        reader.skip(2)?;
        let length = usize::from(reader.u16()?);
        let rest = length.checked_sub(4).ok_or(Error::BadLength {
            what: "statistics",
            length,
        })?;
        let mut body = reader.sub(rest)?;
        reader.skip_padding(length.next_multiple_of(8) - length);
        let mut out = Self::default();
        while !body.is_empty() {
            let class = body.u16()?;
            let field = body.u8()? >> 1;
            let bytes = usize::from(body.u8()?);
            let mut value = body.sub(bytes)?;
            match (class, field) {
                (OXS_CLASS, OXS_DURATION) => out.duration = Some((value.u32()?, value.u32()?)),
                (OXS_CLASS, OXS_IDLE) => out.idle = Some((value.u32()?, value.u32()?)),
                (OXS_CLASS, OXS_PACKETS) => out.packets = Some(value.u64()?),
                (OXS_CLASS, OXS_BYTES) => out.bytes = Some(value.u64()?),
                _ => {}
            }
        }
        Ok(out)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.zeros(4);
        let pair =
            |pair: Option<(u32, u32)>| pair.map(|(s, ns)| u64::from(s) << 32 | u64::from(ns));
        for (field, value) in [
            (OXS_DURATION, pair(self.duration)),
            (OXS_IDLE, pair(self.idle)),
            (OXS_PACKETS, self.packets),
            (OXS_BYTES, self.bytes),
        ] {
            if let Some(value) = value {
                out.u16(OXS_CLASS);
                out.u8(field << 1);
                out.u8(8);
                out.u64(value);
            }
        }
        out.patch_len(start + 2, start);
        out.pad8(start);
    }
}

/// A flow and what it has counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowDesc {
    /// The flow.
    pub flow: Flow,
    /// What it has counted.
    pub counters: FlowCounters,
}

impl FlowDesc {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        reader.skip(2)?;
        let table = reader.u8()?;
        reader.skip(1)?;
        let priority = reader.u16()?;
        let idle_timeout = reader.u16()?;
        let hard_timeout = reader.u16()?;
        let flags = FlowFlags(reader.u16()?);
        let importance = reader.u16()?;
        let cookie = reader.u64()?;
        let matches = Match::read(reader)?;
        let counters = FlowCounters::read(reader)?;
        let actions = read_instructions(reader)?;
        let key = FlowKey {
            table,
            priority,
            matches,
        };
        let flow = Flow {
            key,
            cookie,
            actions,
            idle_timeout,
            hard_timeout,
            flags,
            importance,
        };
        Ok(Self { flow, counters })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.zeros(2);
        out.u8(self.flow.key.table);
        out.zeros(1);
        out.u16(self.flow.key.priority);
        out.u16(self.flow.idle_timeout);
        out.u16(self.flow.hard_timeout);
        out.u16(self.flow.flags.0);
        out.u16(self.flow.importance);
        out.u64(self.flow.cookie);
        self.flow.key.matches.write(out);
        self.counters.write(out);
        write_instructions(out, &self.flow.actions);
    }
}

/// What a table has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableStats {
    /// The table.
    pub table: u8,
    /// How many flows it holds.
    pub active: u32,
    /// How many packets were looked up in it.
    pub lookups: u64,
    /// How many of them matched.
    pub matched: u64,
}

impl TableStats {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let table = reader.u8()?;
        reader.skip(3)?;
        let active = reader.u32()?;
        Ok(Self {
            table,
            active,
            lookups: reader.u64()?,
            matched: reader.u64()?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.u8(self.table);
        out.zeros(3);
        out.u32(self.active);
        out.u64(self.lookups);
        out.u64(self.matched);
    }
}

fn read_group(reader: &mut Reader<'_>) -> Result<Group> {
    let kind = GroupKind::from_code(reader.u8()?);
    reader.skip(1)?;
    let id = reader.u32()?;
    let buckets = usize::from(reader.u16()?);
    reader.skip(6)?;
    let buckets = read_buckets(&mut reader.sub(buckets)?)?;
    Ok(Group {
        id,
        kind,
        buckets,
        selection: read_group_properties(reader)?,
    })
}

fn write_group(out: &mut Vec<u8>, group: &Group) {
    out.u8(group.kind.code());
    out.zeros(1);
    out.u32(group.id);
    let length_at = out.len();
    out.zeros(8);
    let start = out.len();
    write_buckets(out, group);
    out.patch_len(length_at, start);
    write_group_properties(out, group);
}

fn read_meter(reader: &mut Reader<'_>) -> Result<Meter> {
    let flags = reader.u16()?;
    let id = reader.u32()?;
    Ok(Meter {
        id,
        flags,
        bands: read_bands(reader)?,
    })
}

fn write_meter(out: &mut Vec<u8>, meter: &Meter) {
    out.u16(meter.flags);
    out.u32(meter.id);
    write_bands(out, &meter.bands);
}

/// Reads entries that begin with their own length.
fn read_sized<T>(
    reader: &mut Reader<'_>,
    what: &'static str,
    read: impl Fn(&mut Reader<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut out = Vec::new();
    while !reader.is_empty() {
        let length = usize::from(reader.u16()?);
        let rest = length
            .checked_sub(2)
            .ok_or(Error::BadLength { what, length })?;
        out.push(read(&mut reader.sub(rest)?)?);
    }
    Ok(out)
}

fn write_sized<T>(out: &mut Vec<u8>, entries: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    for entry in entries {
        let start = out.len();
        out.u16(0);
        write(out, entry);
        out.patch_len(start, start);
    }
}

fn read_plain<T>(
    reader: &mut Reader<'_>,
    read: impl Fn(&mut Reader<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut out = Vec::new();
    while !reader.is_empty() {
        out.push(read(reader)?);
    }
    Ok(out)
}

impl Body for MultipartReply {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let kind = reader.u16()?;
        let more = reader.u16()? & 1 != 0;
        reader.skip(4)?;
        let part = match kind {
            FLOW_DESC => Part::Flows(read_sized(reader, "flow", FlowDesc::read)?),
            TABLE => Part::Tables(read_plain(reader, TableStats::read)?),
            GROUP_DESC => Part::Groups(read_sized(reader, "group", read_group)?),
            METER_CONFIG => Part::Meters(read_sized(reader, "meter", read_meter)?),
            PORT_DESC => Part::Ports(read_plain(reader, PortDesc::read)?),
            _ => Part::Unknown {
                kind,
                body: reader.rest().into(),
            },
        };
        Ok(Self { more, part })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.u16(match &self.part {
            Part::Flows(_) => FLOW_DESC,
            Part::Tables(_) => TABLE,
            Part::Groups(_) => GROUP_DESC,
            Part::Meters(_) => METER_CONFIG,
            Part::Ports(_) => PORT_DESC,
            Part::Unknown { kind, .. } => *kind,
        });
        out.u16(self.more.into());
        out.zeros(4);
        match &self.part {
            Part::Flows(flows) => write_sized(out, flows, |out, flow| flow.write(out)),
            Part::Tables(tables) => tables.iter().for_each(|table| table.write(out)),
            Part::Groups(groups) => write_sized(out, groups, write_group),
            Part::Meters(meters) => write_sized(out, meters, write_meter),
            Part::Ports(ports) => ports.iter().for_each(|port| port.write(out)),
            Part::Unknown { body, .. } => out.bytes(body),
        }
    }
}
