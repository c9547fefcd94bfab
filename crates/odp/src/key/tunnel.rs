//! Tunnels: what a packet came out of, or what is to be put around it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::geneve::GeneveOptions;
use crate::attribute::{Attribute, Raw, Writer, all, attributes};
use crate::layout::Value;

const ID: u16 = 0;
const IPV4_SRC: u16 = 1;
const IPV4_DST: u16 = 2;
const TOS: u16 = 3;
const TTL: u16 = 4;
const DONT_FRAGMENT: u16 = 5;
const CHECKSUM: u16 = 6;
const OAM: u16 = 7;
const GENEVE: u16 = 8;
const TP_SRC: u16 = 9;
const TP_DST: u16 = 10;
const VXLAN: u16 = 11;
const IPV6_SRC: u16 = 12;
const IPV6_DST: u16 = 13;
const ERSPAN: u16 = 15;
const INFO_BRIDGE: u16 = 16;
/// Inside [`VXLAN`]: the group policy.
const VXLAN_GBP: u16 = 1;

/// A tunnel. As a mask: what is there counts, in the bits that are set.
///
/// A flow that puts a tunnel around packets sets it, and gives out of the tunnel's port. The kernel wants a
/// destination and a time to live.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Tunnel {
    /// The tunnel's key: VXLAN and Geneve have 24 bits, GRE 32.
    pub id: Option<u64>,
    /// Outer source.
    pub ipv4_src: Option<Ipv4Addr>,
    /// Outer destination.
    pub ipv4_dst: Option<Ipv4Addr>,
    /// Outer source.
    pub ipv6_src: Option<Ipv6Addr>,
    /// Outer destination.
    pub ipv6_dst: Option<Ipv6Addr>,
    /// Outer type of service.
    pub tos: Option<u8>,
    /// Outer time to live.
    pub ttl: Option<u8>,
    /// The outer packet is not to be fragmented.
    pub dont_fragment: bool,
    /// The outer packet has a checksum.
    pub checksum: bool,
    /// It is for operation and maintenance.
    pub oam: bool,
    /// Outer source port.
    pub tp_src: Option<u16>,
    /// Outer destination port.
    pub tp_dst: Option<u16>,
    /// The group policy of VXLAN: flags in bits 16 to 23, the group below.
    pub vxlan_gbp: Option<u32>,
    /// The options of Geneve.
    pub geneve: Option<GeneveOptions>,
    /// The header of ERSPAN.
    pub erspan: Option<Erspan>,
    /// Only addresses and key are meant, for a bridge.
    pub info_bridge: bool,
    /// What nobody here knows.
    pub unknown: Vec<Raw>,
}

impl Tunnel {
    /// A tunnel to a host, with a time to live of 64.
    ///
    /// ```
    /// use odp::Tunnel;
    ///
    /// let tunnel = Tunnel::new(7, [10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    /// assert_eq!(tunnel.id, Some(7));
    /// assert_eq!(tunnel.ipv4_dst, Some([10, 0, 0, 2].into()));
    /// assert_eq!(tunnel.ipv6_dst, None);
    /// ```
    #[must_use]
    pub fn new(id: u64, src: IpAddr, dst: IpAddr) -> Self {
        let mut tunnel = Self {
            id: Some(id),
            ttl: Some(64),
            ..Self::default()
        };
        match src {
            IpAddr::V4(address) => tunnel.ipv4_src = Some(address),
            IpAddr::V6(address) => tunnel.ipv6_src = Some(address),
        }
        match dst {
            IpAddr::V4(address) => tunnel.ipv4_dst = Some(address),
            IpAddr::V6(address) => tunnel.ipv6_dst = Some(address),
        }
        tunnel
    }

    /// The mask by which all that is there counts.
    #[must_use]
    pub fn exact_mask(&self) -> Self {
        fn ones<T: Value>(value: Option<T>) -> Option<T> {
            value.map(|_| T::ONES)
        }
        let raws = self.unknown.iter().map(Raw::exact_mask);
        Self {
            id: ones(self.id),
            ipv4_src: ones(self.ipv4_src),
            ipv4_dst: ones(self.ipv4_dst),
            ipv6_src: ones(self.ipv6_src),
            ipv6_dst: ones(self.ipv6_dst),
            tos: ones(self.tos),
            ttl: ones(self.ttl),
            dont_fragment: true,
            checksum: true,
            oam: true,
            tp_src: ones(self.tp_src),
            tp_dst: ones(self.tp_dst),
            vxlan_gbp: ones(self.vxlan_gbp),
            geneve: self.geneve.as_ref().map(GeneveOptions::exact_mask),
            erspan: self.erspan.map(|_| Erspan {
                version: u32::MAX,
                data: [0xff; 8],
            }),
            info_bridge: false,
            unknown: raws.collect(),
        }
    }

    /// Nothing where the bytes are no attributes.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut tunnel = Self::default();
        for attribute in attributes(bytes) {
            let attribute = attribute.ok()?;
            if tunnel.take(&attribute).is_none() {
                tunnel.unknown.push(attribute.to_raw());
            }
        }
        Some(tunnel)
    }

    fn take(&mut self, attribute: &Attribute<'_>) -> Option<()> {
        fn set<T: Value>(place: &mut Option<T>, bytes: &[u8]) -> Option<()> {
            // A second one is not what anybody expects; it is kept as it is.
            if place.is_some() {
                return None;
            }
            *place = Some(T::read(bytes)?);
            Some(())
        }
        fn flag(place: &mut bool, bytes: &[u8]) -> Option<()> {
            let good = bytes.is_empty() && !*place;
            *place |= good;
            good.then_some(())
        }
        let value = attribute.value;
        match attribute.kind() {
            ID => set(&mut self.id, value),
            IPV4_SRC => set(&mut self.ipv4_src, value),
            IPV4_DST => set(&mut self.ipv4_dst, value),
            IPV6_SRC => set(&mut self.ipv6_src, value),
            IPV6_DST => set(&mut self.ipv6_dst, value),
            TOS => set(&mut self.tos, value),
            TTL => set(&mut self.ttl, value),
            TP_SRC => set(&mut self.tp_src, value),
            TP_DST => set(&mut self.tp_dst, value),
            DONT_FRAGMENT => flag(&mut self.dont_fragment, value),
            CHECKSUM => flag(&mut self.checksum, value),
            OAM => flag(&mut self.oam, value),
            INFO_BRIDGE => flag(&mut self.info_bridge, value),
            GENEVE => {
                self.geneve = Some(GeneveOptions(value.to_vec()));
                Some(())
            }
            ERSPAN => {
                self.erspan = Some(Erspan::read(value)?);
                Some(())
            }
            VXLAN => {
                self.vxlan_gbp = Some(group_policy(value)?);
                Some(())
            }
            _ => None,
        }
    }

    /// In the kernel's order.
    pub(crate) fn write(&self, writer: &mut Writer) {
        fn put<T: Value>(writer: &mut Writer, kind: u16, value: Option<T>) {
            if let Some(value) = value {
                let mut bytes = Vec::with_capacity(T::LEN);
                value.write(&mut bytes);
                writer.attribute(kind, &bytes);
            }
        }
        put(writer, ID, self.id);
        writer.flag(INFO_BRIDGE, self.info_bridge);
        put(writer, IPV4_SRC, self.ipv4_src);
        put(writer, IPV4_DST, self.ipv4_dst);
        put(writer, IPV6_SRC, self.ipv6_src);
        put(writer, IPV6_DST, self.ipv6_dst);
        put(writer, TOS, self.tos);
        put(writer, TTL, self.ttl);
        writer.flag(DONT_FRAGMENT, self.dont_fragment);
        writer.flag(CHECKSUM, self.checksum);
        put(writer, TP_SRC, self.tp_src);
        put(writer, TP_DST, self.tp_dst);
        writer.flag(OAM, self.oam);
        if let Some(options) = &self.geneve {
            writer.attribute(GENEVE, &options.0);
        }
        if let Some(policy) = self.vxlan_gbp {
            writer.nested(VXLAN, |writer| writer.u32(VXLAN_GBP, policy));
        }
        if let Some(erspan) = &self.erspan {
            writer.attribute(ERSPAN, &erspan.to_bytes());
        }
        for raw in &self.unknown {
            writer.raw(raw);
        }
    }
}

/// The one extension of VXLAN that there is; with another beside it, it is not understood.
fn group_policy(bytes: &[u8]) -> Option<u32> {
    match all(bytes)?.as_slice() {
        [only] if only.kind() == VXLAN_GBP => Some(u32::from_ne_bytes(only.value.try_into().ok()?)),
        _ => None,
    }
}

/// The header of ERSPAN. As a mask: the bits that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Erspan {
    /// 1 or 2.
    pub version: u32,
    /// What the version has: as in `linux/erspan.h`.
    pub data: [u8; 8],
}

impl Erspan {
    /// Version 1, with the index of the port where packets were copied: twenty bits.
    #[must_use]
    pub fn version1(index: u32) -> Self {
        let mut data = [0; 8];
        data[..4].copy_from_slice(&index.to_be_bytes());
        Self { version: 1, data }
    }

    /// Version 2, with a direction (0 in, 1 out) and a hardware number of six bits.
    #[must_use]
    pub const fn version2(direction: u8, hardware: u8) -> Self {
        let upper = hardware >> 4 & 3;
        let lower = (hardware & 0xf) << 4 | (direction & 1) << 3;
        Self {
            version: 2,
            data: [0, 0, 0, 0, 0, 0, upper, lower],
        }
    }

    /// The index of version 1.
    #[must_use]
    pub const fn index(&self) -> u32 {
        let [a, b, c, d, ..] = self.data;
        u32::from_be_bytes([a, b, c, d])
    }

    /// The direction of version 2.
    #[must_use]
    pub const fn direction(&self) -> u8 {
        self.data[7] >> 3 & 1
    }

    /// The hardware number of version 2.
    #[must_use]
    pub const fn hardware(&self) -> u8 {
        (self.data[6] & 3) << 4 | self.data[7] >> 4
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (version, data) = bytes.split_at_checked(4)?;
        Some(Self {
            version: u32::from_ne_bytes(version.try_into().ok()?),
            data: data.try_into().ok()?,
        })
    }

    fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.version.to_ne_bytes());
        bytes[4..].copy_from_slice(&self.data);
        bytes
    }
}
