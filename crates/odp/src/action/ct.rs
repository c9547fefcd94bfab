//! The connection tracker's part of actions.

use std::net::IpAddr;

use crate::attribute::{Attribute, Raw, Writer, attributes, text};
use crate::id::Zone;

const COMMIT: u16 = 1;
const ZONE: u16 = 2;
const MARK: u16 = 3;
const LABELS: u16 = 4;
const HELPER: u16 = 5;
const NAT: u16 = 6;
const FORCE_COMMIT: u16 = 7;
const EVENT_MASK: u16 = 8;
const TIMEOUT: u16 = 9;

const NAT_SOURCE: u16 = 1;
const NAT_DESTINATION: u16 = 2;
const IP_MIN: u16 = 3;
const IP_MAX: u16 = 4;
const PROTO_MIN: u16 = 5;
const PROTO_MAX: u16 = 6;
const PERSISTENT: u16 = 7;
const PROTO_HASH: u16 = 8;
const PROTO_RANDOM: u16 = 9;

/// For [`super::Action::Ct`]. By itself it only looks the connection up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Ct {
    /// Remember the connection.
    pub commit: bool,
    /// Remember it as one that begins with this packet, even if it is known the other way round.
    pub force_commit: bool,
    /// The zone; by default zone 0.
    pub zone: Option<Zone>,
    /// The connection's new mark, and which bits of it to set.
    pub mark: Option<(u32, u32)>,
    /// The connection's new labels, and which bits of them to set.
    pub labels: Option<(u128, u128)>,
    /// The helper that finds related connections, such as `ftp`. Fifteen bytes at most.
    pub helper: Option<String>,
    /// The name of a policy of timeouts. Thirty-one bytes at most.
    pub timeout: Option<String>,
    /// Which events of the connection are told to others, as `IPCT_*` bits.
    pub event_mask: Option<u32>,
    /// Translate addresses.
    pub nat: Option<Nat>,
    /// What nobody here knows.
    pub unknown: Vec<Raw>,
}

/// Which address is translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NatDirection {
    /// The source.
    Source,
    /// The destination.
    Destination,
}

/// How addresses are translated.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Nat {
    /// What a new connection gets; without it, only known connections are translated.
    pub direction: Option<NatDirection>,
    /// The addresses that may be taken.
    pub addresses: Option<NatRange<IpAddr>>,
    /// The ports that may be taken.
    pub ports: Option<NatRange<u16>>,
    /// The same address for the same client, after a restart too.
    pub persistent: bool,
    /// The port by a hash.
    pub hash: bool,
    /// The port at random.
    pub random: bool,
    /// What nobody here knows.
    pub unknown: Vec<Raw>,
}

/// From here to there. Without an end there is no more than the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NatRange<T> {
    /// The first.
    pub min: T,
    /// The last.
    pub max: Option<T>,
}

fn native_u16(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}

fn native_u32(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn native_u128(bytes: &[u8]) -> Option<u128> {
    Some(u128::from_ne_bytes(bytes.try_into().ok()?))
}

fn flag(bytes: &[u8]) -> Option<bool> {
    bytes.is_empty().then_some(true)
}

impl Ct {
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut ct = Self::default();
        for attribute in attributes(bytes) {
            let attribute = attribute.ok()?;
            if ct.take(&attribute).is_none() {
                ct.unknown.push(attribute.to_raw());
            }
        }
        Some(ct)
    }

    fn take(&mut self, attribute: &Attribute<'_>) -> Option<()> {
        let value = attribute.value;
        match attribute.kind() {
            COMMIT => self.commit = flag(value)?,
            FORCE_COMMIT => self.force_commit = flag(value)?,
            ZONE => self.zone = Some(Zone(native_u16(value)?)),
            MARK => {
                let (mark, mask) = value.split_at_checked(4)?;
                self.mark = Some((native_u32(mark)?, native_u32(mask)?));
            }
            LABELS => {
                let (labels, mask) = value.split_at_checked(16)?;
                self.labels = Some((native_u128(labels)?, native_u128(mask)?));
            }
            HELPER => self.helper = Some(text(value)),
            TIMEOUT => self.timeout = Some(text(value)),
            EVENT_MASK => self.event_mask = Some(native_u32(value)?),
            NAT => self.nat = Some(Nat::read(value)?),
            _ => return None,
        }
        Some(())
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.flag(COMMIT, self.commit);
        writer.flag(FORCE_COMMIT, self.force_commit);
        if let Some(zone) = self.zone {
            writer.attribute(ZONE, &zone.0.to_ne_bytes());
        }
        if let Some((mark, mask)) = self.mark {
            writer.nested(MARK, |writer| {
                writer.bytes(&mark.to_ne_bytes());
                writer.bytes(&mask.to_ne_bytes());
            });
        }
        if let Some((labels, mask)) = self.labels {
            writer.nested(LABELS, |writer| {
                writer.bytes(&labels.to_ne_bytes());
                writer.bytes(&mask.to_ne_bytes());
            });
        }
        if let Some(helper) = &self.helper {
            writer.text(HELPER, helper);
        }
        if let Some(timeout) = &self.timeout {
            writer.text(TIMEOUT, timeout);
        }
        if let Some(mask) = self.event_mask {
            writer.u32(EVENT_MASK, mask);
        }
        if let Some(nat) = &self.nat {
            writer.nested(NAT, |writer| nat.write(writer));
        }
        for raw in &self.unknown {
            writer.raw(raw);
        }
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// A range of which the attributes say the ends, the end perhaps before the beginning.
fn set_max<T: Copy>(range: Option<&mut NatRange<T>>, max: T) -> Option<()> {
    range?.max = Some(max);
    Some(())
}

impl Nat {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut nat = Self::default();
        for attribute in attributes(bytes) {
            let attribute = attribute.ok()?;
            if nat.take(&attribute).is_none() {
                nat.unknown.push(attribute.to_raw());
            }
        }
        Some(nat)
    }

    fn take(&mut self, attribute: &Attribute<'_>) -> Option<()> {
        let value = attribute.value;
        let both = |other| self.direction.is_some_and(|direction| direction != other);
        match attribute.kind() {
            NAT_SOURCE if !both(NatDirection::Source) => {
                flag(value)?;
                self.direction = Some(NatDirection::Source);
            }
            NAT_DESTINATION if !both(NatDirection::Destination) => {
                flag(value)?;
                self.direction = Some(NatDirection::Destination);
            }
            IP_MIN if self.addresses.is_none() => {
                let min = address(value)?;
                self.addresses = Some(NatRange { min, max: None });
            }
            PROTO_MIN if self.ports.is_none() => {
                let min = native_u16(value)?;
                self.ports = Some(NatRange { min, max: None });
            }
            IP_MAX => set_max(self.addresses.as_mut(), address(value)?)?,
            PROTO_MAX => set_max(self.ports.as_mut(), native_u16(value)?)?,
            PERSISTENT => self.persistent = flag(value)?,
            PROTO_HASH => self.hash = flag(value)?,
            PROTO_RANDOM => self.random = flag(value)?,
            _ => return None,
        }
        Some(())
    }

    fn write(&self, writer: &mut Writer) {
        let source = self.direction == Some(NatDirection::Source);
        writer.flag(NAT_SOURCE, source);
        writer.flag(NAT_DESTINATION, self.direction.is_some() && !source);
        let ends = self.addresses.map(|range| (Some(range.min), range.max));
        let (min, max) = ends.unwrap_or_default();
        for (kind, address) in [(IP_MIN, min), (IP_MAX, max)] {
            match address {
                Some(IpAddr::V4(address)) => writer.attribute(kind, &address.octets()),
                Some(IpAddr::V6(address)) => writer.attribute(kind, &address.octets()),
                None => {}
            }
        }
        if let Some(range) = self.ports {
            writer.attribute(PROTO_MIN, &range.min.to_ne_bytes());
            if let Some(max) = range.max {
                writer.attribute(PROTO_MAX, &max.to_ne_bytes());
            }
        }
        writer.flag(PERSISTENT, self.persistent);
        writer.flag(PROTO_HASH, self.hash);
        writer.flag(PROTO_RANDOM, self.random);
        for raw in &self.unknown {
            writer.raw(raw);
        }
    }
}
