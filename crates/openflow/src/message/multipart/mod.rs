//! Questions with long answers (OpenFlow 1.5, section 7.3.5): a table, and a file for each kind of thing.
//!
//! A kind that a version lacks is an extension there; the table below says which.

mod counters;
mod description;
mod flow;
mod flow_view;
mod flows;
mod group;
mod meter;
mod monitor;
mod port;
mod queue;
mod table;

pub use counters::{Aggregate, FlowCounters};
pub use description::{Description, IpfixStats};
pub use flow::{FlowDesc, FlowQuery};
pub use flow_view::{FlowView, WithCounters};
pub use flows::FlowList;
pub use group::{GroupFeatures, GroupStats};
pub use meter::{MeterFeatures, MeterStats};
pub use monitor::{FlowEvent, FlowMonitor, FlowUpdate, MonitorCommand, MonitorFlags};
pub use port::PortStats;
pub use queue::{QueueDesc, QueueQuery, QueueStats};
pub use table::{TableDesc, TableFeatures, TableStats, TableStats10};

use super::meter_mod::Meter;
use super::port::PortDesc;
use super::{Body, MessageCode, Space};
use crate::error::{Error, Result};
use crate::group::Group;
use crate::port::Port;
use crate::version::Version::{self, V10, V13, V14, V15};
use crate::wire::{Reader, Writer};
use crate::{NICIRA, ONF};

const EXPERIMENTER: u16 = 0xffff;
/// The flag of a part that another part follows.
const MORE: u16 = 1;

/// A kind of question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Description,
    Flows,
    Aggregate,
    Tables,
    PortStats,
    QueueStats,
    GroupStats,
    Groups,
    GroupFeatures,
    MeterStats,
    Meters,
    MeterFeatures,
    TableFeatures,
    Ports,
    TableDescs,
    Queues,
    FlowMonitor,
    IpfixBridge,
    IpfixFlows,
}

/// The numbers of each kind: whose, which, and from which version to which. Of those that a version has,
/// the first is written.
#[rustfmt::skip]
const CODES: &[(Kind, Space, u32, Version, Version)] = &[
    (Kind::Description, Space::Standard, 0, V10, V15),
    (Kind::Flows, Space::Nicira, 0, V10, V10),
    (Kind::Flows, Space::Standard, 1, V10, V15),
    (Kind::Aggregate, Space::Nicira, 1, V10, V10),
    (Kind::Aggregate, Space::Standard, 2, V10, V15),
    (Kind::Tables, Space::Standard, 3, V10, V15),
    (Kind::PortStats, Space::Standard, 4, V10, V15),
    (Kind::QueueStats, Space::Standard, 5, V10, V15),
    (Kind::GroupStats, Space::Nicira, 7, V10, V10),
    (Kind::GroupStats, Space::Standard, 6, V13, V15),
    (Kind::Groups, Space::Nicira, 8, V10, V10),
    (Kind::Groups, Space::Standard, 7, V13, V15),
    (Kind::GroupFeatures, Space::Nicira, 9, V10, V10),
    (Kind::GroupFeatures, Space::Standard, 8, V13, V15),
    (Kind::MeterStats, Space::Standard, 9, V13, V15),
    (Kind::Meters, Space::Standard, 10, V13, V15),
    (Kind::MeterFeatures, Space::Standard, 11, V13, V15),
    (Kind::TableFeatures, Space::Standard, 12, V13, V15),
    (Kind::Ports, Space::Standard, 13, V10, V15),
    (Kind::TableDescs, Space::Standard, 14, V14, V15),
    (Kind::Queues, Space::Standard, 15, V14, V15),
    (Kind::FlowMonitor, Space::Nicira, 2, V10, V10),
    (Kind::FlowMonitor, Space::Onf, 1870, V13, V13),
    (Kind::FlowMonitor, Space::Standard, 16, V14, V15),
    (Kind::IpfixBridge, Space::Nicira, 3, V10, V15),
    (Kind::IpfixFlows, Space::Nicira, 4, V10, V15),
];

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Description => "desc statistics",
            Self::Flows => "flow statistics",
            Self::Aggregate => "aggregate statistics",
            Self::Tables => "table statistics",
            Self::PortStats => "port statistics",
            Self::QueueStats => "queue statistics",
            Self::GroupStats => "group statistics",
            Self::Groups => "group descriptions",
            Self::GroupFeatures => "group features",
            Self::MeterStats => "meter statistics",
            Self::Meters => "meter configurations",
            Self::MeterFeatures => "meter features",
            Self::TableFeatures => "table features",
            Self::Ports => "port descriptions",
            Self::TableDescs => "table descriptions",
            Self::Queues => "queue descriptions",
            Self::FlowMonitor => "flow monitors",
            Self::IpfixBridge => "IPFIX statistics of the bridge",
            Self::IpfixFlows => "IPFIX statistics of flows",
        }
    }
}

/// The kinds of questions and answers by name, with their numbers in each version.
pub fn codes() -> impl Iterator<Item = (&'static str, MessageCode)> {
    CODES.iter().map(|(kind, space, number, first, last)| {
        let code = MessageCode {
            space: *space,
            number: *number,
            first: *first,
            last: *last,
        };
        (kind.name(), code)
    })
}

/// What stands before the body of a question or of a part of an answer.
struct Envelope {
    kind: Option<Kind>,
    /// The type, for one that is not understood.
    code: u16,
    flags: u16,
}

impl Envelope {
    /// Reads it. Where the kind is not understood, the reader stands behind the flags and their padding.
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let version = reader.version;
        let code = reader.u16()?;
        let flags = reader.u16()?;
        if version != V10 {
            reader.skip(4)?;
        }
        reader.extension = 0;
        let (mut space, mut number) = (Space::Standard, u32::from(code));
        let mut behind = *reader;
        if code == EXPERIMENTER {
            let experimenter = behind.u32()?;
            number = behind.u32()?;
            space = match experimenter {
                NICIRA => Space::Nicira,
                ONF => Space::Onf,
                _ => {
                    return Ok(Self {
                        kind: None,
                        code,
                        flags,
                    });
                }
            };
            if version == V10 {
                behind.skip(4)?;
            }
            // No subtype is zero where a form must be told from a standard one.
            behind.extension = number.saturating_add(1);
        }
        let kind = CODES
            .iter()
            .find(|(_, s, n, first, last)| {
                (*s, *n) == (space, number) && (*first..=*last).contains(&version)
            })
            .map(|row| row.0);
        if kind.is_some() {
            *reader = behind;
        }
        Ok(Self { kind, code, flags })
    }

    fn write(out: &mut Writer, kind: Kind, flags: u16) {
        let version = out.version;
        let row = CODES
            .iter()
            .find(|row| row.0 == kind && (row.3..=row.4).contains(&version));
        let Some((_, space, number, ..)) = row else {
            return out.unsayable(kind.name());
        };
        let experimenter = match space {
            Space::Standard => None,
            Space::Nicira => Some(NICIRA),
            Space::Onf => Some(ONF),
        };
        Self::write_plain(
            out,
            experimenter.map_or(*number as u16, |_| EXPERIMENTER),
            flags,
        );
        if let Some(experimenter) = experimenter {
            out.u32(experimenter);
            out.u32(*number);
            if version == V10 {
                out.zeros(4);
            }
        }
    }

    fn write_plain(out: &mut Writer, code: u16, flags: u16) {
        out.u16(code);
        out.u16(flags);
        if out.version != V10 {
            out.zeros(4);
        }
    }
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultipartRequest {
    /// Who made you?
    Description,
    /// Which flows are there, and what have they counted?
    Flows(FlowQuery),
    /// What have these flows counted together?
    Aggregate(FlowQuery),
    /// What have the tables counted?
    Tables,
    /// What have the ports counted? One, or [`Port::ANY`].
    PortStats(Port),
    /// What have the queues counted?
    QueueStats(QueueQuery),
    /// What have the groups counted? One, or [`Group::ALL`].
    GroupStats(u32),
    /// Which groups are there? One, or [`Group::ALL`]; before OpenFlow 1.5 all are told.
    Groups(u32),
    /// What can groups be?
    GroupFeatures,
    /// What have the meters counted? One, or [`Meter::ALL`].
    MeterStats(u32),
    /// Which meters are there? One, or [`Meter::ALL`].
    Meters(u32),
    /// What can meters be?
    MeterFeatures,
    /// What can the tables do? With tables, let them be able to do this.
    TableFeatures(Vec<TableFeatures>),
    /// Which ports are there? One, or [`Port::ANY`]; before OpenFlow 1.5 all are told.
    Ports(Port),
    /// How are the tables set?
    TableDescs,
    /// How are the queues set? Before OpenFlow 1.4: [`crate::Message::QueueConfigRequest`].
    Queues(QueueQuery),
    /// Tell me how flows change. The answer to the request says what there is at first.
    FlowMonitor(Vec<FlowMonitor>),
    /// What has the bridge's IPFIX exporter done?
    IpfixBridge,
    /// What have the IPFIX exporters of flows done?
    IpfixFlows,
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

impl MultipartRequest {
    /// The kind. `None` for a question that is not understood.
    const fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::Description => Kind::Description,
            Self::Flows(_) => Kind::Flows,
            Self::Aggregate(_) => Kind::Aggregate,
            Self::Tables => Kind::Tables,
            Self::PortStats(_) => Kind::PortStats,
            Self::QueueStats(_) => Kind::QueueStats,
            Self::GroupStats(_) => Kind::GroupStats,
            Self::Groups(_) => Kind::Groups,
            Self::GroupFeatures => Kind::GroupFeatures,
            Self::MeterStats(_) => Kind::MeterStats,
            Self::Meters(_) => Kind::Meters,
            Self::MeterFeatures => Kind::MeterFeatures,
            Self::TableFeatures(_) => Kind::TableFeatures,
            Self::Ports(_) => Kind::Ports,
            Self::TableDescs => Kind::TableDescs,
            Self::Queues(_) => Kind::Queues,
            Self::FlowMonitor(_) => Kind::FlowMonitor,
            Self::IpfixBridge => Kind::IpfixBridge,
            Self::IpfixFlows => Kind::IpfixFlows,
            Self::Unknown { .. } => return None,
        })
    }
}

fn read_number(reader: &mut Reader<'_>) -> Result<u32> {
    let number = reader.u32()?;
    reader.skip_padding(4);
    Ok(number)
}

impl Body for MultipartRequest {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let envelope = Envelope::read(reader)?;
        let Some(kind) = envelope.kind else {
            return Ok(Self::Unknown {
                kind: envelope.code,
                flags: envelope.flags,
                body: reader.rest().into(),
            });
        };
        Ok(match kind {
            Kind::Description => Self::Description,
            Kind::Flows => Self::Flows(FlowQuery::read(reader)?),
            Kind::Aggregate => Self::Aggregate(FlowQuery::read(reader)?),
            Kind::Tables => Self::Tables,
            Kind::PortStats if reader.version == V10 => {
                Self::PortStats(Port::from_u16(reader.u16()?))
            }
            Kind::PortStats => Self::PortStats(Port(read_number(reader)?)),
            Kind::QueueStats => Self::QueueStats(QueueQuery::read(reader)?),
            Kind::GroupStats => Self::GroupStats(read_number(reader)?),
            Kind::Groups if has_one_group(reader.version) => Self::Groups(read_number(reader)?),
            Kind::Groups => Self::Groups(Group::ALL),
            Kind::GroupFeatures => Self::GroupFeatures,
            Kind::MeterStats => Self::MeterStats(read_number(reader)?),
            Kind::Meters => Self::Meters(read_number(reader)?),
            Kind::MeterFeatures => Self::MeterFeatures,
            Kind::TableFeatures => {
                Self::TableFeatures(read_sized(reader, "table", TableFeatures::read)?)
            }
            Kind::Ports if reader.version == V15 => Self::Ports(Port(read_number(reader)?)),
            Kind::Ports => Self::Ports(Port::ANY),
            Kind::TableDescs => Self::TableDescs,
            Kind::Queues => Self::Queues(QueueQuery::read(reader)?),
            Kind::FlowMonitor => Self::FlowMonitor(FlowMonitor::read_all(reader)?),
            Kind::IpfixBridge => Self::IpfixBridge,
            Kind::IpfixFlows => Self::IpfixFlows,
        })
    }

    fn write(&self, out: &mut Writer) {
        match (self, self.kind()) {
            (_, Some(kind)) => Envelope::write(out, kind, 0),
            (Self::Unknown { kind, flags, .. }, None) => Envelope::write_plain(out, *kind, *flags),
            (_, None) => {}
        }
        match self {
            Self::Flows(query) | Self::Aggregate(query) => query.write(out),
            Self::PortStats(port) if out.version == V10 => {
                out.port16(*port);
                out.zeros(6);
            }
            Self::QueueStats(query) | Self::Queues(query) => query.write(out),
            Self::Groups(_) if !has_one_group(out.version) => {}
            Self::Ports(_) if out.version != V15 => {}
            Self::PortStats(Port(id))
            | Self::GroupStats(id)
            | Self::Groups(id)
            | Self::MeterStats(id)
            | Self::Meters(id)
            | Self::Ports(Port(id)) => {
                out.u32(*id);
                out.zeros(4);
            }
            Self::TableFeatures(tables) => {
                write_sized(out, tables, |out, table| table.write(out));
            }
            Self::FlowMonitor(monitors) => monitors.iter().for_each(|m| m.write(out)),
            Self::Unknown { body, .. } => out.bytes(body),
            Self::Description
            | Self::Tables
            | Self::GroupFeatures
            | Self::MeterFeatures
            | Self::TableDescs
            | Self::IpfixBridge
            | Self::IpfixFlows => {}
        }
    }
}

/// Whether a version can ask for the description of one group.
const fn has_one_group(version: Version) -> bool {
    matches!(version, V10 | V15)
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
    /// Who made the switch.
    Description(Box<Description>),
    /// Flows.
    Flows(FlowList),
    /// Counters of flows together.
    Aggregate(Aggregate),
    /// Tables.
    Tables(Vec<TableStats>),
    /// Counters of ports.
    PortStats(Vec<PortStats>),
    /// Counters of queues.
    QueueStats(Vec<QueueStats>),
    /// Counters of groups.
    GroupStats(Vec<GroupStats>),
    /// Groups.
    Groups(Vec<Group>),
    /// What groups can be.
    GroupFeatures(GroupFeatures),
    /// Counters of meters.
    MeterStats(Vec<MeterStats>),
    /// Meters.
    Meters(Vec<Meter>),
    /// What meters can be.
    MeterFeatures(MeterFeatures),
    /// What tables can do.
    TableFeatures(Vec<TableFeatures>),
    /// Ports.
    Ports(Vec<PortDesc>),
    /// How tables are set.
    TableDescs(Vec<TableDesc>),
    /// How queues are set.
    Queues(Vec<QueueDesc>),
    /// How flows changed.
    FlowUpdates(Vec<FlowUpdate>),
    /// What the bridge's IPFIX exporter has done.
    IpfixBridge(IpfixStats),
    /// What the IPFIX exporters of flows have done.
    IpfixFlows(Vec<IpfixStats>),
    /// Anything else.
    Unknown {
        /// Its type.
        kind: u16,
        /// What follows.
        body: Box<[u8]>,
    },
}

impl Part {
    /// The kind. `None` for an answer that is not understood.
    const fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::Description(_) => Kind::Description,
            Self::Flows(_) => Kind::Flows,
            Self::Aggregate(_) => Kind::Aggregate,
            Self::Tables(_) => Kind::Tables,
            Self::PortStats(_) => Kind::PortStats,
            Self::QueueStats(_) => Kind::QueueStats,
            Self::GroupStats(_) => Kind::GroupStats,
            Self::Groups(_) => Kind::Groups,
            Self::GroupFeatures(_) => Kind::GroupFeatures,
            Self::MeterStats(_) => Kind::MeterStats,
            Self::Meters(_) => Kind::Meters,
            Self::MeterFeatures(_) => Kind::MeterFeatures,
            Self::TableFeatures(_) => Kind::TableFeatures,
            Self::Ports(_) => Kind::Ports,
            Self::TableDescs(_) => Kind::TableDescs,
            Self::Queues(_) => Kind::Queues,
            Self::FlowUpdates(_) => Kind::FlowMonitor,
            Self::IpfixBridge(_) => Kind::IpfixBridge,
            Self::IpfixFlows(_) => Kind::IpfixFlows,
            Self::Unknown { .. } => return None,
        })
    }
}

/// Reads an entry that begins with its own length.
fn read_entry<T>(
    reader: &mut Reader<'_>,
    what: &'static str,
    read: impl Fn(&mut Reader<'_>) -> Result<T>,
) -> Result<T> {
    let length = usize::from(reader.u16()?);
    let rest = length
        .checked_sub(2)
        .ok_or(Error::BadLength { what, length })?;
    read(&mut reader.sub(rest)?)
}

/// Reads such entries until the reader ends.
fn read_sized<T>(
    reader: &mut Reader<'_>,
    what: &'static str,
    read: impl Fn(&mut Reader<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    read_plain(reader, |reader| read_entry(reader, what, &read))
}

fn write_entry<T>(out: &mut Writer, entry: &T, write: impl Fn(&mut Writer, &T)) {
    let start = out.len();
    out.u16(0);
    write(out, entry);
    out.patch_len(start, start);
}

fn write_sized<T>(out: &mut Writer, entries: &[T], write: impl Fn(&mut Writer, &T)) {
    for entry in entries {
        write_entry(out, entry, &write);
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
        let envelope = Envelope::read(reader)?;
        let more = envelope.flags & MORE != 0;
        let Some(kind) = envelope.kind else {
            let part = Part::Unknown {
                kind: envelope.code,
                body: reader.rest().into(),
            };
            return Ok(Self { more, part });
        };
        let part = match kind {
            Kind::Description => Part::Description(Box::new(Description::read(reader)?)),
            Kind::Flows => Part::Flows(FlowList::read(reader)?),
            Kind::Aggregate => Part::Aggregate(Aggregate::read(reader)?),
            Kind::Tables => Part::Tables(read_plain(reader, TableStats::read)?),
            Kind::PortStats => Part::PortStats(PortStats::read_all(reader)?),
            Kind::QueueStats => Part::QueueStats(QueueStats::read_all(reader)?),
            Kind::GroupStats => Part::GroupStats(read_sized(reader, "group", GroupStats::read)?),
            Kind::Groups => Part::Groups(read_sized(reader, "group", group::read_group)?),
            Kind::GroupFeatures => Part::GroupFeatures(GroupFeatures::read(reader)?),
            Kind::MeterStats => Part::MeterStats(MeterStats::read_all(reader)?),
            Kind::Meters => Part::Meters(read_sized(reader, "meter", meter::read_meter)?),
            Kind::MeterFeatures => Part::MeterFeatures(MeterFeatures::read(reader)?),
            Kind::TableFeatures => {
                Part::TableFeatures(read_sized(reader, "table", TableFeatures::read)?)
            }
            Kind::Ports => Part::Ports(read_plain(reader, PortDesc::read)?),
            Kind::TableDescs => Part::TableDescs(read_sized(reader, "table", TableDesc::read)?),
            Kind::Queues => Part::Queues(QueueDesc::read_all(reader)?),
            Kind::FlowMonitor => {
                Part::FlowUpdates(read_sized(reader, "update of a flow", FlowUpdate::read)?)
            }
            Kind::IpfixBridge => Part::IpfixBridge(IpfixStats::read(reader)?),
            Kind::IpfixFlows => Part::IpfixFlows(read_plain(reader, IpfixStats::read)?),
        };
        Ok(Self { more, part })
    }

    fn write(&self, out: &mut Writer) {
        let flags = self.more.into();
        match (&self.part, self.part.kind()) {
            (_, Some(kind)) => Envelope::write(out, kind, flags),
            (Part::Unknown { kind, .. }, None) => Envelope::write_plain(out, *kind, flags),
            (_, None) => {}
        }
        match &self.part {
            Part::Description(description) => description.write(out),
            Part::Flows(flows) => flows.write(out),
            Part::Aggregate(aggregate) => aggregate.write(out),
            Part::Tables(tables) => tables.iter().for_each(|table| table.write(out)),
            Part::PortStats(ports) => ports.iter().for_each(|port| port.write(out)),
            Part::QueueStats(queues) => queues.iter().for_each(|queue| queue.write(out)),
            Part::GroupStats(groups) => write_sized(out, groups, |out, group| group.write(out)),
            Part::Groups(groups) => write_sized(out, groups, group::write_group),
            Part::GroupFeatures(features) => features.write(out),
            Part::MeterStats(meters) => meters.iter().for_each(|meter| meter.write(out)),
            Part::Meters(meters) => write_sized(out, meters, meter::write_meter),
            Part::MeterFeatures(features) => features.write(out),
            Part::TableFeatures(tables) => {
                write_sized(out, tables, |out, table| table.write(out));
            }
            Part::Ports(ports) => ports.iter().for_each(|port| port.write(out)),
            Part::TableDescs(tables) => write_sized(out, tables, |out, table| table.write(out)),
            Part::Queues(queues) => queues.iter().for_each(|queue| queue.write(out)),
            Part::FlowUpdates(updates) => {
                write_sized(out, updates, |out, update| update.write(out));
            }
            Part::IpfixBridge(stats) => stats.write(out),
            Part::IpfixFlows(stats) => stats.iter().for_each(|stats| stats.write(out)),
            Part::Unknown { body, .. } => out.bytes(body),
        }
    }
}
