//! Watching flows change (OpenFlow 1.5, section 7.3.5.18; before 1.4 an extension).

use super::super::match10::{read_nxm, write_nxm};
use crate::action::Actions;
use crate::error::{Error, Result};
use crate::flow::FlowKey;
use crate::group::Group;
use crate::matching::Match;
use crate::message::flow_removed::RemovedReason;
use crate::port::Port;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MonitorFlags(pub u16);

impl MonitorFlags {
    /// The flows that are there at first.
    pub const INITIAL: Self = Self(1);
    /// Flows that are added.
    pub const ADD: Self = Self(1 << 1);
    /// Flows that go.
    pub const REMOVED: Self = Self(1 << 2);
    /// Flows that change.
    pub const MODIFY: Self = Self(1 << 3);
    /// Their actions as well.
    pub const ACTIONS: Self = Self(1 << 4);
    /// The changes of this controller in full as well (OpenFlow 1.4 and later).
    pub const NO_ABBREV: Self = Self(1 << 5);
    /// Only the changes of this controller; before OpenFlow 1.4, those in full as well.
    pub const ONLY_OWN: Self = Self(1 << 6);
    /// Everything but the choice of whose changes.
    pub const ALL: Self = Self(0x1f);

    /// The flags of the extensions, which have no bit five.
    const fn to_old(self) -> u16 {
        self.0 & 0x1f | (self.0 >> 1) & 0x20
    }

    const fn from_old(bits: u16) -> Self {
        Self(bits & 0x1f | (bits & 0x20) << 1)
    }

    /// These flags and others.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What becomes of a monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MonitorCommand {
    /// It begins.
    #[default]
    Add,
    /// It watches something else (OpenFlow 1.4 and later).
    Modify,
    /// It ends (OpenFlow 1.4 and later; before, [`crate::Message::FlowMonitorCancel`]).
    Delete,
}

/// Tell me how these flows change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowMonitor {
    /// The monitor's number, of the controller's choosing.
    pub id: u32,
    /// What becomes of it.
    pub command: MonitorCommand,
    /// What is to be told.
    pub flags: MonitorFlags,
    /// Only flows that output here.
    pub out_port: Option<Port>,
    /// Only flows that use this group (OpenFlow 1.4 and later).
    pub out_group: Option<u32>,
    /// The table, or 255 for all.
    pub table: u8,
    /// Only flows that this covers.
    pub matches: Match,
}

impl FlowMonitor {
    /// Watches every flow.
    #[must_use]
    pub const fn all(id: u32) -> Self {
        Self {
            id,
            command: MonitorCommand::Add,
            flags: MonitorFlags::ALL,
            out_port: None,
            out_group: None,
            table: 255,
            matches: Match::new(),
        }
    }

    pub(super) fn read_all(reader: &mut Reader<'_>) -> Result<Vec<Self>> {
        let mut out = Vec::new();
        while !reader.is_empty() {
            out.push(match reader.version {
                Version::V10 => Self::read_10(reader)?,
                Version::V13 => Self::read_13(reader)?,
                Version::V14 | Version::V15 => Self::read_14(reader)?,
            });
        }
        Ok(out)
    }

    fn read_10(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self::all(reader.u32()?);
        out.flags = MonitorFlags::from_old(reader.u16()?);
        out.out_port = Some(Port::from_u16(reader.u16()?)).filter(|port| *port != Port::ANY);
        let match_len = reader.u16()?;
        out.table = reader.u8()?;
        reader.skip(5)?;
        (out.matches, ..) = read_nxm(reader, match_len)?;
        Ok(out)
    }

    fn read_13(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self::all(reader.u32()?);
        out.flags = MonitorFlags::from_old(reader.u16()?);
        reader.skip(2)?;
        out.out_port = Some(Port(reader.u32()?)).filter(|port| *port != Port::ANY);
        out.table = reader.u8()?;
        reader.skip(3)?;
        out.matches = Match::read(reader)?;
        Ok(out)
    }

    fn read_14(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self::all(reader.u32()?);
        out.out_port = Some(Port(reader.u32()?)).filter(|port| *port != Port::ANY);
        out.out_group = Some(reader.u32()?).filter(|group| *group != Group::ANY);
        out.flags = MonitorFlags(reader.u16()?);
        out.table = reader.u8()?;
        out.command = match reader.u8()? {
            0 => MonitorCommand::Add,
            1 => MonitorCommand::Modify,
            2 => MonitorCommand::Delete,
            other => {
                return Err(Error::BadValue {
                    what: "monitor command",
                    value: other.into(),
                });
            }
        };
        out.matches = Match::read(reader)?;
        Ok(out)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.u32(self.id);
        let port = self.out_port.unwrap_or(Port::ANY);
        if matches!(out.version, Version::V14 | Version::V15) {
            out.u32(port.0);
            out.u32(self.out_group.unwrap_or(Group::ANY));
            out.u16(self.flags.0);
            out.u8(self.table);
            out.u8(self.command as u8);
            self.matches.write(out);
            return;
        }
        if self.command != MonitorCommand::Add {
            out.unsayable("a change of a flow monitor");
        }
        if self.out_group.is_some() {
            out.unsayable("out_group of a flow monitor");
        }
        out.u16(self.flags.to_old());
        if out.version == Version::V10 {
            out.port16(port);
            let length_at = out.len();
            out.u16(0);
            out.u8(self.table);
            out.zeros(5);
            write_nxm(out, length_at, &self.matches, 0, 0);
        } else {
            let length_at = out.len();
            out.u16(0);
            out.u32(port.0);
            out.u8(self.table);
            out.zeros(3);
            let start = out.len();
            self.matches.write(out);
            out.patch_len(length_at, start);
        }
    }
}

/// What happened to a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FlowEvent {
    /// It was there at first.
    Initial,
    /// It is new.
    Added,
    /// It has gone.
    Removed(RemovedReason),
    /// It does something else now.
    Modified,
}

/// Something that a flow monitor tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowUpdate {
    /// A flow, as it is now or was at last.
    Full {
        /// What happened to it.
        event: FlowEvent,
        /// Which flow.
        key: FlowKey,
        /// Its cookie.
        cookie: u64,
        /// Its idle timeout.
        idle_timeout: u16,
        /// Its hard timeout.
        hard_timeout: u16,
        /// What it does, if that was asked for.
        actions: Actions,
    },
    /// A change of this controller's own: the request of this transaction number was done.
    Abbreviated {
        /// The transaction number.
        xid: u32,
    },
    /// Changes come too fast to be told (OpenFlow 1.4 and later).
    Paused,
    /// They are told again.
    Resumed,
}

// The events of OpenFlow 1.4; the extensions count from "added".
const INITIAL: u16 = 0;
const ADDED: u16 = 1;
const REMOVED: u16 = 2;
const MODIFIED: u16 = 3;
const ABBREVIATED: u16 = 4;
const PAUSED: u16 = 5;
const RESUMED: u16 = 6;

impl FlowUpdate {
    /// Reads what follows the length.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let old = matches!(reader.version, Version::V10 | Version::V13);
        let event = reader.u16()?.saturating_add(old.into());
        match event {
            ABBREVIATED => {
                let xid = reader.u32()?;
                return Ok(Self::Abbreviated { xid });
            }
            PAUSED if !old => return Ok(Self::Paused),
            RESUMED if !old => return Ok(Self::Resumed),
            _ => {}
        }
        let mut key = FlowKey::default();
        let reason;
        let (idle_timeout, hard_timeout);
        let cookie;
        let actions;
        if old {
            reason = reader.u16()? as u8;
            key.priority = reader.u16()?;
            (idle_timeout, hard_timeout) = (reader.u16()?, reader.u16()?);
            let match_len = reader.u16()?;
            key.table = reader.u8()?;
            reader.skip(1)?;
            cookie = reader.u64()?;
            if reader.version == Version::V10 {
                (key.matches, ..) = read_nxm(reader, match_len)?;
                actions = Actions::read_flow_actions(reader, &key.matches)?;
            } else {
                key.matches = Match::read(reader)?;
                actions = Actions::read_instructions(reader)?;
            }
        } else {
            key.table = reader.u8()?;
            reason = reader.u8()?;
            (idle_timeout, hard_timeout) = (reader.u16()?, reader.u16()?);
            key.priority = reader.u16()?;
            reader.skip(4)?;
            cookie = reader.u64()?;
            key.matches = Match::read(reader)?;
            actions = Actions::read_instructions(reader)?;
        }
        let event = match event {
            INITIAL => FlowEvent::Initial,
            ADDED => FlowEvent::Added,
            REMOVED => FlowEvent::Removed(RemovedReason::from_code(reason)),
            MODIFIED => FlowEvent::Modified,
            other => {
                return Err(Error::BadValue {
                    what: "event of a flow",
                    value: other.into(),
                });
            }
        };
        Ok(Self::Full {
            event,
            key,
            cookie,
            idle_timeout,
            hard_timeout,
            actions,
        })
    }

    /// Writes what follows the length.
    pub(super) fn write(&self, out: &mut Writer) {
        let old = matches!(out.version, Version::V10 | Version::V13);
        let put_event = |out: &mut Writer, event: u16| match event.checked_sub(old.into()) {
            Some(event) => out.u16(event),
            None => out.unsayable("that a flow was there at first"),
        };
        let (event, key, cookie, idle_timeout, hard_timeout, actions) = match self {
            Self::Full {
                event,
                key,
                cookie,
                idle_timeout,
                hard_timeout,
                actions,
            } => (event, key, *cookie, *idle_timeout, *hard_timeout, actions),
            Self::Abbreviated { xid } => {
                put_event(out, ABBREVIATED);
                return out.u32(*xid);
            }
            Self::Paused | Self::Resumed if old => {
                return out.unsayable("a pause of a flow monitor here");
            }
            Self::Paused => {
                out.u16(PAUSED);
                return out.zeros(4);
            }
            Self::Resumed => {
                out.u16(RESUMED);
                return out.zeros(4);
            }
        };
        let (number, reason) = match event {
            FlowEvent::Initial => (INITIAL, 0),
            FlowEvent::Added => (ADDED, 0),
            FlowEvent::Removed(reason) => (REMOVED, reason.code()),
            FlowEvent::Modified => (MODIFIED, 0),
        };
        put_event(out, number);
        if !old {
            out.u8(key.table);
            out.u8(reason);
            out.u16(idle_timeout);
            out.u16(hard_timeout);
            out.u16(key.priority);
            out.zeros(4);
            out.u64(cookie);
            key.matches.write(out);
            return actions.write_instructions(out);
        }
        out.u16(reason.into());
        out.u16(key.priority);
        out.u16(idle_timeout);
        out.u16(hard_timeout);
        let length_at = out.len();
        out.u16(0);
        out.u8(key.table);
        out.zeros(1);
        out.u64(cookie);
        if out.version == Version::V10 {
            write_nxm(out, length_at, &key.matches, 0, 0);
            actions.write_flow_actions(out);
        } else {
            let start = out.len();
            key.matches.write(out);
            out.patch_len(length_at, start);
            actions.write_instructions(out);
        }
    }
}
