//! Messages: what is asked of the datapath, and what it says. Bytes only; [`crate::socket`] sends them.
//!
//! A message is netlink's header, generic netlink's, the datapath that it is about, and attributes
//! (`linux/openvswitch.h`).

pub mod control;
mod ct_limit;
pub(crate) mod datapath;
pub(crate) mod flow;
mod frame;
mod meter;
mod packet;
pub(crate) mod vport;
mod vport_kind;

pub use ct_limit::{CtLimits, ZoneLimit};
pub use datapath::{
    Datapath, DatapathRef, DatapathStats, Features, MegaflowStats, NewDatapath, SetDatapath,
};
pub use flow::{Flow, FlowId, FlowPut, FlowStats, Omit, PutMode};
pub use frame::{Content, Frame, frames};
pub use meter::{Band, BandStats, Meter, MeterFeatures, MeterStats, MeterUnit};
pub use packet::{Execute, Upcall, UpcallReason};
pub use vport::{NewVport, UpcallCount, Vport, VportRef, VportStats};
pub use vport_kind::{GENEVE_PORT, VXLAN_PORT, VportKind, VportOptions};

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_ECHO, NLM_F_REQUEST};

use crate::attribute::{DecodeError, Writer};
use crate::id::DatapathId;

/// A family of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Datapaths.
    Datapath,
    /// Ports.
    Vport,
    /// Flows.
    Flow,
    /// Packets.
    Packet,
    /// Meters. Since Linux 4.15.
    Meter,
    /// Limits of the connection tracker. Since Linux 4.18.
    CtLimit,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Datapath,
        Self::Vport,
        Self::Flow,
        Self::Packet,
        Self::Meter,
        Self::CtLimit,
    ];

    /// The name by which the kernel finds it; of a family with events, their group's name too.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Datapath => "ovs_datapath",
            Self::Vport => "ovs_vport",
            Self::Flow => "ovs_flow",
            Self::Packet => "ovs_packet",
            Self::Meter => "ovs_meter",
            Self::CtLimit => "ovs_ct_limit",
        }
    }

    const fn version(self) -> u8 {
        match self {
            Self::Datapath => 2,
            _ => 1,
        }
    }
}

/// What is done with an object; the families that are lists of objects have it in common.
pub(crate) mod command {
    pub(crate) const NEW: u8 = 1;
    pub(crate) const DEL: u8 = 2;
    pub(crate) const GET: u8 = 3;
    pub(crate) const SET: u8 = 4;
}

/// A request, ready to be sent but for the numbers that a socket knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The family.
    pub family: Family,
    /// The command in it.
    pub command: u8,
    /// Netlink's flags.
    pub flags: u16,
    /// The datapath, or zero where the attributes say which.
    pub datapath: u32,
    body: Vec<u8>,
}

impl Request {
    fn new(family: Family, command: u8, datapath: u32, fill: impl FnOnce(&mut Writer)) -> Self {
        let mut writer = Writer::default();
        fill(&mut writer);
        Self {
            family,
            command,
            flags: NLM_F_REQUEST | NLM_F_ACK,
            datapath,
            body: writer.into_bytes(),
        }
    }

    /// The object itself is wanted back.
    const fn echo(mut self) -> Self {
        self.flags |= NLM_F_ECHO;
        self
    }

    /// All objects are wanted.
    const fn dump(mut self) -> Self {
        self.flags = NLM_F_REQUEST | NLM_F_DUMP;
        self
    }

    /// There must be none yet.
    const fn create(mut self) -> Self {
        self.flags |= NLM_F_CREATE;
        self
    }

    /// Appends the message, with the number that the kernel gave the family, and the one by which the
    /// answer will be known.
    pub fn encode(&self, family: u16, sequence: u32, out: &mut Vec<u8>) {
        let length = u32::try_from(frame::HEADERS + self.body.len()).unwrap_or(u32::MAX);
        frame::write_header(out, length, family, self.flags, sequence);
        out.extend_from_slice(&[self.command, self.family.version(), 0, 0]);
        out.extend_from_slice(&self.datapath.to_ne_bytes());
        out.extend_from_slice(&self.body);
        out.resize(out.len().next_multiple_of(4), 0);
    }
}

/// Puts a value in its place, if it is one.
pub(crate) fn keep<T>(place: &mut T, value: Option<T>) -> Option<()> {
    *place = value?;
    Some(())
}

/// Numbers that stand in a structure in the machine's byte order.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

/// As [`u32_at`].
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_ne_bytes(bytes.try_into().ok()?))
}

/// An attribute that is one number.
pub(crate) fn u16_of(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}

/// As [`u16_of`].
pub(crate) fn u32_of(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

/// As [`u16_of`].
pub(crate) fn u64_of(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.try_into().ok()?))
}

/// Sockets, four bytes each.
pub(crate) fn pids(bytes: &[u8]) -> Option<Vec<u32>> {
    bytes.chunks(4).map(u32_of).collect()
}

pub(crate) fn write_pids(writer: &mut Writer, kind: u16, pids: &[u32]) {
    writer.nested(kind, |writer| {
        for pid in pids {
            writer.bytes(&pid.to_ne_bytes());
        }
    });
}

/// The datapath that a message is about, and the attributes behind it.
pub(crate) fn split_datapath<'a>(
    body: &'a [u8],
    what: &'static str,
) -> Result<(DatapathId, &'a [u8]), DecodeError> {
    let number = u32_at(body, 0).ok_or(DecodeError::Short {
        what,
        length: body.len(),
    })?;
    Ok((DatapathId(number), &body[4..]))
}
