//! What ports there are, and what is told to tunnels.

use super::u16_of;
use crate::attribute::{Raw, Writer, attributes};

/// Inside the options.
const DST_PORT: u16 = 1;
const EXTENSION: u16 = 2;
/// Inside the extension of a VXLAN port.
const GBP: u16 = 1;

/// Where VXLAN is spoken (RFC 7348 section 8).
pub const VXLAN_PORT: u16 = 4789;
/// Where Geneve is spoken (RFC 8926 section 3.3).
pub const GENEVE_PORT: u16 = 6081;

/// What a port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VportKind {
    /// A network device of the host, which the datapath then owns.
    Netdev,
    /// A network device that the datapath has made.
    Internal,
    /// GRE tunnels.
    Gre,
    /// VXLAN tunnels.
    Vxlan,
    /// Geneve tunnels.
    Geneve,
    /// Another kind, by its number.
    Other(u32),
}

const KINDS: [(VportKind, u32, &str); 5] = [
    (VportKind::Netdev, 1, "netdev"),
    (VportKind::Internal, 2, "internal"),
    (VportKind::Gre, 3, "gre"),
    (VportKind::Vxlan, 4, "vxlan"),
    (VportKind::Geneve, 5, "geneve"),
];

impl VportKind {
    /// The kind of a number.
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        let known = KINDS.iter().find(|(_, known, _)| *known == number);
        known.map_or(Self::Other(number), |(kind, ..)| *kind)
    }

    /// Its number (`enum ovs_vport_type`).
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Other(number) => number,
            known => KINDS
                .iter()
                .find(|(kind, ..)| *kind == known)
                .map_or(0, |(_, number, _)| *number),
        }
    }

    /// The kernel module that it needs beside `openvswitch`.
    #[must_use]
    pub const fn module(self) -> Option<&'static str> {
        match self {
            Self::Gre => Some("vport-gre"),
            Self::Vxlan => Some("vport-vxlan"),
            Self::Geneve => Some("vport-geneve"),
            _ => None,
        }
    }
}

impl std::fmt::Display for VportKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match KINDS.iter().find(|(kind, ..)| kind == self) {
            Some((_, _, name)) => f.write_str(name),
            None => write!(f, "type{}", self.number()),
        }
    }
}

/// What a tunnel's port is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VportOptions {
    /// The UDP port of VXLAN and Geneve.
    pub port: Option<u16>,
    /// VXLAN with a group policy in its header.
    pub group_policy: bool,
    /// What nobody here knows.
    pub unknown: Vec<Raw>,
}

impl VportOptions {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut options = Self::default();
        for attribute in attributes(bytes) {
            let attribute = attribute.ok()?;
            let known = match attribute.kind() {
                DST_PORT => u16_of(attribute.value).map(|port| options.port = Some(port)),
                EXTENSION => read_extension(attribute.value).map(|on| options.group_policy = on),
                _ => None,
            };
            if known.is_none() {
                options.unknown.push(attribute.to_raw());
            }
        }
        Some(options)
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        if let Some(port) = self.port {
            writer.attribute(DST_PORT, &port.to_ne_bytes());
        }
        if self.group_policy {
            writer.nested(EXTENSION, |writer| writer.flag(GBP, true));
        }
        for raw in &self.unknown {
            writer.raw(raw);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// True for the group policy; nothing where something else stands beside it.
fn read_extension(bytes: &[u8]) -> Option<bool> {
    let mut policy = false;
    for attribute in attributes(bytes) {
        policy |= attribute.ok()?.kind() == GBP;
        if !policy {
            return None;
        }
    }
    Some(policy)
}
