//! Packets: those for which there is no flow, those that a flow sends to user space, and those that user
//! space sends.

use super::{Family, Request, keep, u16_of, u32_of, u64_of};
use crate::action::{Action, read_actions, write_actions};
use crate::attribute::{DecodeError, Raw, attributes};
use crate::id::DatapathId;
use crate::key::{Key, Tunnel};

const PACKET: u16 = 1;
const KEY: u16 = 2;
const ACTIONS: u16 = 3;
const USERDATA: u16 = 4;
const EGRESS_TUN_KEY: u16 = 5;
const PROBE: u16 = 8;
const MRU: u16 = 9;
const LEN: u16 = 10;
const HASH: u16 = 11;
const UPCALL_PID: u16 = 12;

/// The commands of this family.
const MISS: u8 = 1;
const ACTION: u8 = 2;
const EXECUTE: u8 = 3;

/// Why a packet came to user space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpcallReason {
    /// There is no flow for it.
    Miss,
    /// A flow says so.
    Action,
}

/// A packet that came to user space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upcall {
    /// The datapath.
    pub datapath: DatapathId,
    /// Why.
    pub reason: UpcallReason,
    /// The packet, from its Ethernet header on.
    pub packet: Vec<u8>,
    /// What the datapath knows of it: as it came in, before any action.
    pub key: Key,
    /// What the action said to bring along.
    pub userdata: Option<Vec<u8>>,
    /// The flow's actions, if the action said to bring them along.
    pub actions: Option<Vec<Action>>,
    /// The tunnel that it would get at the port that the action named.
    pub egress_tunnel: Option<Tunnel>,
    /// The longest fragment that it came in, if it is put together from such, in bytes.
    pub mru: Option<u16>,
    /// Its whole length in bytes, if it was cut.
    pub length: Option<u32>,
    /// Its hash, to be given back when it is sent.
    pub hash: Option<u64>,
    /// What nobody here knows.
    pub unknown: Vec<Raw>,
}

impl Upcall {
    /// Reads a packet; nothing, where the command is none that brings one.
    ///
    /// # Errors
    /// When the bytes are no attributes, or lack packet or key.
    pub fn decode(command: u8, body: &[u8]) -> Result<Option<Self>, DecodeError> {
        let reason = match command {
            MISS => UpcallReason::Miss,
            ACTION => UpcallReason::Action,
            _ => return Ok(None),
        };
        let (datapath, rest) = super::split_datapath(body, "a packet")?;
        let mut upcall = Self {
            datapath,
            reason,
            packet: Vec::new(),
            key: Key::default(),
            userdata: None,
            actions: None,
            egress_tunnel: None,
            mru: None,
            length: None,
            hash: None,
            unknown: Vec::new(),
        };
        let (mut packet, mut key) = (None, None);
        for attribute in attributes(rest) {
            let attribute = attribute?;
            let value = attribute.value;
            let known = match attribute.kind() {
                PACKET => keep(&mut packet, Some(Some(value.to_vec()))),
                KEY => keep(&mut key, Some(Some(Key::decode(value)?))),
                ACTIONS => keep(&mut upcall.actions, Some(Some(read_actions(value, 0)?))),
                USERDATA => keep(&mut upcall.userdata, Some(Some(value.to_vec()))),
                EGRESS_TUN_KEY => {
                    Tunnel::read(value).map(|tunnel| upcall.egress_tunnel = Some(tunnel))
                }
                MRU => u16_of(value).map(|mru| upcall.mru = Some(mru)),
                LEN => u32_of(value).map(|length| upcall.length = Some(length)),
                HASH => u64_of(value).map(|hash| upcall.hash = Some(hash)),
                _ => None,
            };
            if known.is_none() {
                upcall.unknown.push(attribute.to_raw());
            }
        }
        let missing = |attribute| DecodeError::Missing {
            what: "a packet",
            attribute,
        };
        upcall.packet = packet.ok_or_else(|| missing("OVS_PACKET_ATTR_PACKET"))?;
        upcall.key = key.ok_or_else(|| missing("OVS_PACKET_ATTR_KEY"))?;
        Ok(Some(upcall))
    }

    /// Actions for this very packet, with all that the datapath wants back of it.
    #[must_use]
    pub fn reply(&self, actions: Vec<Action>) -> Execute {
        Execute {
            packet: self.packet.clone(),
            key: self.key.clone(),
            actions,
            mru: self.mru,
            hash: self.hash,
            upcall_pid: None,
            probe: false,
        }
    }
}

/// A packet to be sent through actions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Execute {
    /// The packet, from its Ethernet header on.
    pub packet: Vec<u8>,
    /// What is known of it beside its bytes: port, mark, tunnel, connection. Headers are read from the
    /// packet again.
    pub key: Key,
    /// What is to happen to it.
    pub actions: Vec<Action>,
    /// The longest fragment that it came in, in bytes.
    pub mru: Option<u16>,
    /// Its hash, as the upcall had it. Since Linux 5.5.
    pub hash: Option<u64>,
    /// The socket that its upcalls go to. Since Linux 6.18; others refuse it or do not look at it.
    pub upcall_pid: Option<u32>,
    /// It is only tried: the kernel does not log why it refuses it.
    pub probe: bool,
}

impl Execute {
    /// Has it done.
    #[must_use]
    pub fn execute(&self, datapath: DatapathId) -> Request {
        Request::new(Family::Packet, EXECUTE, datapath.0, |writer| {
            writer.attribute(PACKET, &self.packet);
            writer.nested(KEY, |writer| self.key.write(writer));
            writer.nested(ACTIONS, |writer| write_actions(&self.actions, writer));
            writer.flag(PROBE, self.probe);
            if let Some(mru) = self.mru {
                writer.attribute(MRU, &mru.to_ne_bytes());
            }
            if let Some(hash) = self.hash {
                writer.attribute(HASH, &hash.to_ne_bytes());
            }
            if let Some(pid) = self.upcall_pid {
                writer.u32(UPCALL_PID, pid);
            }
        })
    }
}
