//! Ports, and that one has changed (OpenFlow 1.5, sections 7.2.1 and 7.4.3).

use super::Body;
use crate::error::{Error, Result};
use crate::port::Port;
use crate::property::{Properties, put_property};
use crate::version::Version;
use crate::wire::{Reader, Writer, fixed_name};

/// How a port is set: a bit for each thing that is switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PortConfig(pub u32);

impl PortConfig {
    /// The port is down.
    pub const DOWN: Self = Self(1);
    /// No spanning tree on it (OpenFlow 1.0).
    pub const NO_STP: Self = Self(1 << 1);
    /// Packets that come are dropped.
    pub const NO_RECV: Self = Self(1 << 2);
    /// Spanning-tree packets that come are dropped (OpenFlow 1.0).
    pub const NO_RECV_STP: Self = Self(1 << 3);
    /// Nothing is flooded to it (OpenFlow 1.0).
    pub const NO_FLOOD: Self = Self(1 << 4);
    /// Packets that go are dropped.
    pub const NO_FWD: Self = Self(1 << 5);
    /// Packets that match nothing are not sent to the controller.
    pub const NO_PACKET_IN: Self = Self(1 << 6);

    /// The names that `ovs-ofctl` prints, in the order of the bits.
    pub const NAMES: [&'static str; 7] = [
        "PORT_DOWN",
        "NO_STP",
        "NO_RECV",
        "NO_RECV_STP",
        "NO_FLOOD",
        "NO_FWD",
        "NO_PACKET_IN",
    ];

    /// What only OpenFlow 1.0 can change.
    pub(crate) const ONLY_10: Self = Self(Self::NO_STP.0 | Self::NO_RECV_STP.0 | Self::NO_FLOOD.0);

    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// How a port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PortState(pub u32);

impl PortState {
    /// There is no link.
    pub const LINK_DOWN: Self = Self(1);
    /// The switch keeps packets from it (OpenFlow 1.3 and later).
    pub const BLOCKED: Self = Self(1 << 1);
    /// Fast failover finds it alive (OpenFlow 1.3 and later).
    pub const LIVE: Self = Self(1 << 2);
    /// The two bits of the spanning-tree state (OpenFlow 1.0): listen, learn, forward, block.
    pub const STP: Self = Self(3 << 8);

    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What an Ethernet port can do. The first four are bits: speeds and duplex from bit zero, then the
/// medium, negotiation and pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LinkFeatures {
    /// What is used.
    pub current: u32,
    /// What is offered to the peer.
    pub advertised: u32,
    /// What is possible.
    pub supported: u32,
    /// What the peer offers.
    pub peer: u32,
    /// The current speed in kilobits a second; OpenFlow 1.0 does not say it.
    pub current_speed: u32,
    /// The greatest speed; OpenFlow 1.0 does not say it.
    pub max_speed: u32,
}

impl LinkFeatures {
    /// The names that `ovs-ofctl` prints, in the order of the bits.
    pub const NAMES: [&'static str; 16] = [
        "10MB-HD",
        "10MB-FD",
        "100MB-HD",
        "100MB-FD",
        "1GB-HD",
        "1GB-FD",
        "10GB-FD",
        "40GB-FD",
        "100GB-FD",
        "1TB-FD",
        "OTHER",
        "COPPER",
        "FIBER",
        "AUTO_NEG",
        "AUTO_PAUSE",
        "AUTO_PAUSE_ASYM",
    ];
}

/// The bits of OpenFlow 1.0 behind the seven speeds, in the newer numbering four places further.
pub(super) const fn features_from_10(bits: u32) -> u32 {
    bits & 0x7f | (bits & 0xf80) << 4
}

/// The other way; what OpenFlow 1.0 has no bit for is left out.
pub(super) const fn features_to_10(bits: u32) -> u32 {
    bits & 0x7f | (bits >> 4) & 0xf80
}

/// A port of the switch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortDesc {
    /// Its number.
    pub number: Port,
    /// Its address.
    pub address: [u8; 6],
    /// Its name, of at most fifteen bytes.
    pub name: String,
    /// How it is set.
    pub config: PortConfig,
    /// How it is.
    pub state: PortState,
    /// What its link can do.
    pub link: Option<LinkFeatures>,
    /// Properties that are not understood, in their order: type and value (OpenFlow 1.4 and later).
    pub other: Vec<(u16, Box<[u8]>)>,
}

const ETHERNET: u16 = 0;
pub(super) const NAME: usize = 16;

impl PortDesc {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self::default();
        match reader.version {
            Version::V10 => {
                out.number = Port::from_u16(reader.u16()?);
                out.address = reader.array()?;
                out.read_common(reader)?;
                let mut feature = || reader.u32().map(features_from_10);
                out.link = Some(LinkFeatures {
                    current: feature()?,
                    advertised: feature()?,
                    supported: feature()?,
                    peer: feature()?,
                    ..LinkFeatures::default()
                });
            }
            Version::V13 => {
                out.number = Port(reader.u32()?);
                reader.skip(4)?;
                out.address = reader.array()?;
                reader.skip(2)?;
                out.read_common(reader)?;
                out.link = Some(read_link(reader)?);
            }
            Version::V14 | Version::V15 => {
                out.number = Port(reader.u32()?);
                let length = usize::from(reader.u16()?);
                let rest = length.checked_sub(6).ok_or(Error::BadLength {
                    what: "port",
                    length,
                })?;
                let mut body = reader.sub(rest)?;
                body.skip(2)?;
                out.address = body.array()?;
                body.skip(2)?;
                out.read_common(&mut body)?;
                for property in Properties::new(&mut body) {
                    let (kind, mut value) = property?;
                    if kind == ETHERNET && value.len() == 28 && out.link.is_none() {
                        value.skip(4)?;
                        out.link = Some(read_link(&mut value)?);
                    } else {
                        out.other.push((kind, value.rest().into()));
                    }
                }
            }
        }
        Ok(out)
    }

    fn read_common(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        self.name = fixed_name(reader.take(NAME)?);
        self.config = PortConfig(reader.u32()?);
        self.state = PortState(reader.u32()?);
        Ok(())
    }

    pub(super) fn write(&self, out: &mut Writer) {
        let start = out.len();
        let common = |out: &mut Writer| {
            out.name(&self.name, NAME);
            out.u32(self.config.0);
            out.u32(self.state.0);
        };
        let link = self.link.unwrap_or_default();
        match out.version {
            Version::V10 => {
                out.port16(self.number);
                out.bytes(&self.address);
                common(out);
                for bits in [link.current, link.advertised, link.supported, link.peer] {
                    out.u32(features_to_10(bits));
                }
            }
            Version::V13 => {
                out.u32(self.number.0);
                out.zeros(4);
                out.bytes(&self.address);
                out.zeros(2);
                common(out);
                write_link(out, &link);
            }
            Version::V14 | Version::V15 => {
                out.u32(self.number.0);
                out.zeros(4);
                out.bytes(&self.address);
                out.zeros(2);
                common(out);
                if let Some(link) = &self.link {
                    put_property(out, ETHERNET, |out| {
                        out.zeros(4);
                        write_link(out, link);
                    });
                }
                for (kind, value) in &self.other {
                    put_property(out, *kind, |out| out.bytes(value));
                }
                out.patch_len(start + 4, start);
            }
        }
    }
}

fn read_link(reader: &mut Reader<'_>) -> Result<LinkFeatures> {
    Ok(LinkFeatures {
        current: reader.u32()?,
        advertised: reader.u32()?,
        supported: reader.u32()?,
        peer: reader.u32()?,
        current_speed: reader.u32()?,
        max_speed: reader.u32()?,
    })
}

fn write_link(out: &mut Writer, link: &LinkFeatures) {
    out.u32(link.current);
    out.u32(link.advertised);
    out.u32(link.supported);
    out.u32(link.peer);
    out.u32(link.current_speed);
    out.u32(link.max_speed);
}

/// What happened to a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PortReason {
    /// It is new.
    Added,
    /// It has gone.
    Removed,
    /// It is different.
    Modified,
    /// Something this crate has no name for.
    Unknown(u8),
}

/// A port has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortStatus {
    /// How.
    pub reason: PortReason,
    /// The port as it is now, or was at last.
    pub port: PortDesc,
}

impl Body for PortStatus {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let reason = match reader.u8()? {
            0 => PortReason::Added,
            1 => PortReason::Removed,
            2 => PortReason::Modified,
            other => PortReason::Unknown(other),
        };
        reader.skip(7)?;
        Ok(Self {
            reason,
            port: PortDesc::read(reader)?,
        })
    }

    fn write(&self, out: &mut Writer) {
        out.u8(match self.reason {
            PortReason::Added => 0,
            PortReason::Removed => 1,
            PortReason::Modified => 2,
            PortReason::Unknown(other) => other,
        });
        out.zeros(7);
        self.port.write(out);
    }
}
