//! Keys: what the datapath knows of a packet, and which of it a flow looks at.
//!
//! A [`Key`] is a list of [`KeyField`]s, as the kernel has it. A mask is a key too: the bits of its fields
//! say which bits of the same field of the key count, and a field that it lacks does not count at all. A
//! [`Match`] is both.

mod codec;
mod fields;
mod geneve;
mod matching;
mod nsh;
mod tunnel;

use codec::Codec;

pub use fields::{
    Arp, CtTuple4, CtTuple6, Ethernet, Fragment, Icmp, Ipv4, Ipv6, MplsEntry, Nd, NdExtensions,
    PacketType, Ports, Vlan, ct_state,
};
pub use geneve::{GeneveOption, GeneveOptions};
pub use matching::Match;
pub use nsh::{Nsh, NshBase};
pub use tunnel::{Erspan, Tunnel};

use crate::attribute::{Attribute, DecodeError, Raw, Writer, attributes};
use crate::id::PortNo;

/// Declares the fields: `Variant(type) = number "name" codec`.
macro_rules! key_fields {
    ($($(#[$doc:meta])* $variant:ident($type:ty) = $number:literal $name:literal $codec:ident;)*) => {
        /// One thing that is known of a packet.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum KeyField {
            $($(#[$doc])* $variant($type),)*
            /// Something that nobody here knows, or whose value is not of its usual form.
            Unknown(Raw),
        }

        impl KeyField {
            /// Its number in `linux/openvswitch.h`.
            #[must_use]
            pub const fn number(&self) -> u16 {
                match self {
                    $(Self::$variant(_) => $number,)*
                    Self::Unknown(raw) => raw.number(),
                }
            }

            /// Its name in the text, if it has one.
            #[must_use]
            pub const fn name(&self) -> Option<&'static str> {
                match self {
                    $(Self::$variant(_) => Some($name),)*
                    Self::Unknown(_) => None,
                }
            }

            pub(crate) fn read(attribute: &Attribute<'_>, depth: usize) -> Self {
                let known = match attribute.kind() {
                    $($number => <codec::$codec as Codec<$type>>::read(attribute.value, depth)
                        .map(Self::$variant),)*
                    _ => None,
                };
                known.unwrap_or_else(|| Self::Unknown(attribute.to_raw()))
            }

            /// Its value, without the header.
            pub(crate) fn write_value(&self, writer: &mut Writer) {
                match self {
                    $(Self::$variant(value) =>
                        <codec::$codec as Codec<$type>>::write(value, writer),)*
                    Self::Unknown(raw) => writer.bytes(&raw.bytes),
                }
            }
        }
    };
}

key_fields! {
    /// What is behind a VLAN tag: the key of the rest.
    Encap(Key) = 1 "encap" Nested;
    /// The packet's priority in the kernel.
    Priority(u32) = 2 "skb_priority" Native;
    /// Where it came in.
    InPort(PortNo) = 3 "in_port" Native;
    /// Ethernet addresses.
    Ethernet(Ethernet) = 4 "eth" Network;
    /// A VLAN tag; [`KeyField::EtherType`] beside it is the tag's, and the packet's own is in
    /// [`KeyField::Encap`].
    Vlan(Vlan) = 5 "vlan" Network;
    /// The Ethernet type.
    EtherType(u16) = 6 "eth_type" Network;
    /// An IPv4 header.
    Ipv4(Ipv4) = 7 "ipv4" Network;
    /// An IPv6 header.
    Ipv6(Ipv6) = 8 "ipv6" Network;
    /// Ports of TCP.
    Tcp(Ports) = 9 "tcp" Network;
    /// Ports of UDP.
    Udp(Ports) = 10 "udp" Network;
    /// An ICMP message.
    Icmp(Icmp) = 11 "icmp" Network;
    /// An ICMPv6 message.
    Icmpv6(Icmp) = 12 "icmpv6" Network;
    /// An ARP message.
    Arp(Arp) = 13 "arp" Network;
    /// A neighbour message.
    Nd(Nd) = 14 "nd" Network;
    /// The packet's mark in the kernel.
    SkbMark(u32) = 15 "skb_mark" Native;
    /// The tunnel that it came out of.
    Tunnel(Box<Tunnel>) = 16 "tunnel" Nested;
    /// Ports of SCTP.
    Sctp(Ports) = 17 "sctp" Network;
    /// The flags of TCP, twelve bits.
    TcpFlags(u16) = 18 "tcp_flags" Network;
    /// A hash that an action has computed; zero if none has.
    DpHash(u32) = 19 "dp_hash" Native;
    /// The number under which an action sent it through the flows again.
    RecircId(u32) = 20 "recirc_id" Native;
    /// Its MPLS labels, the outermost first. The kernel matches up to three.
    Mpls(Vec<MplsEntry>) = 21 "mpls" Network;
    /// What the connection tracker knows: bits of [`ct_state`].
    CtState(u32) = 22 "ct_state" Native;
    /// The zone in which it was tracked.
    CtZone(u16) = 23 "ct_zone" Native;
    /// The mark of its connection.
    CtMark(u32) = 24 "ct_mark" Native;
    /// The labels of its connection.
    CtLabels(u128) = 25 "ct_label" Native;
    /// The original direction of its connection, IPv4.
    CtTuple4(CtTuple4) = 26 "ct_tuple4" Network;
    /// The original direction of its connection, IPv6.
    CtTuple6(CtTuple6) = 27 "ct_tuple6" Network;
    /// A network service header.
    Nsh(Box<Nsh>) = 28 "nsh" Nested;
    /// What it begins with; for the datapath in user space.
    PacketType(PacketType) = 29 "packet_type" Network;
    /// More of a neighbour message; for the datapath in user space.
    NdExtensions(NdExtensions) = 30 "nd_ext" Network;
    /// Which IPv6 extension headers it has.
    Ipv6ExtHeaders(u16) = 32 "ipv6_exthdrs" Native;
}

impl KeyField {
    /// The mask by which all of it counts.
    #[must_use]
    pub fn exact_mask(&self) -> Self {
        match self {
            Self::Encap(key) => Self::Encap(key.exact_mask()),
            Self::Tunnel(tunnel) => Self::Tunnel(Box::new(tunnel.exact_mask())),
            Self::Nsh(nsh) => Self::Nsh(Box::new(nsh.exact_mask())),
            Self::Unknown(raw) => Self::Unknown(raw.exact_mask()),
            plain => {
                let mut writer = Writer::default();
                plain.write_value(&mut writer);
                let mut bytes = writer.into_bytes();
                bytes.fill(0xff);
                let attribute = Attribute {
                    raw_kind: plain.number(),
                    value: &bytes,
                };
                Self::read(&attribute, 0)
            }
        }
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        let kind = match self {
            Self::Unknown(raw) => raw.kind,
            known => known.number(),
        };
        writer.nested(kind, |writer| self.write_value(writer));
    }
}

/// What is known of a packet, or which of it counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Key(pub Vec<KeyField>);

macro_rules! accessors {
    ($($(#[$doc:meta])* $name:ident $variant:ident $type:ty;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(&self) -> Option<&$type> {
            self.0.iter().find_map(|field| match field {
                KeyField::$variant(value) => Some(value),
                _ => None,
            })
        }
    )*};
}

impl Key {
    accessors! {
        /// The key behind a VLAN tag.
        encap Encap Self;
        /// The Ethernet addresses.
        ethernet Ethernet Ethernet;
        /// The VLAN tag.
        vlan Vlan Vlan;
        /// The IPv4 header.
        ipv4 Ipv4 Ipv4;
        /// The IPv6 header.
        ipv6 Ipv6 Ipv6;
        /// The ports of TCP.
        tcp Tcp Ports;
        /// The ports of UDP.
        udp Udp Ports;
        /// The ARP message.
        arp Arp Arp;
    }

    /// The tunnel.
    #[must_use]
    pub fn tunnel(&self) -> Option<&Tunnel> {
        self.0.iter().find_map(|field| match field {
            KeyField::Tunnel(tunnel) => Some(&**tunnel),
            _ => None,
        })
    }

    /// Where the packet came in.
    #[must_use]
    pub fn in_port(&self) -> Option<PortNo> {
        self.0.iter().find_map(|field| match field {
            KeyField::InPort(port) => Some(*port),
            _ => None,
        })
    }

    /// The Ethernet type; of a tagged packet the tag's.
    #[must_use]
    pub fn ether_type(&self) -> Option<u16> {
        self.0.iter().find_map(|field| match field {
            KeyField::EtherType(kind) => Some(*kind),
            _ => None,
        })
    }

    /// Under which number it was sent through the flows again; zero for a packet that was not.
    #[must_use]
    pub fn recirc_id(&self) -> u32 {
        let found = self.0.iter().find_map(|field| match field {
            KeyField::RecircId(id) => Some(*id),
            _ => None,
        });
        found.unwrap_or(0)
    }

    /// The mask by which all that the key says counts.
    ///
    /// ```
    /// use odp::{Key, KeyField, PortNo};
    ///
    /// let key = Key(vec![KeyField::InPort(PortNo(2)), KeyField::SkbMark(7)]);
    /// assert_eq!(key.exact_mask().in_port(), Some(PortNo::EXACT));
    /// ```
    #[must_use]
    pub fn exact_mask(&self) -> Self {
        self.0.iter().map(KeyField::exact_mask).collect()
    }

    /// The field of a number.
    #[must_use]
    pub fn field(&self, number: u16) -> Option<&KeyField> {
        self.0.iter().find(|field| field.number() == number)
    }

    /// Reads a key of attributes, as messages hold it.
    ///
    /// # Errors
    /// When the bytes are no attributes. What is in an attribute is no reason: where it is not
    /// understood, it is kept as [`KeyField::Unknown`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::read(bytes, 0)
    }

    pub(crate) fn read(bytes: &[u8], depth: usize) -> Result<Self, DecodeError> {
        let fields = attributes(bytes).map(|attribute| Ok(KeyField::read(&attribute?, depth)));
        Ok(Self(fields.collect::<Result<_, _>>()?))
    }

    /// The key as attributes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.write(&mut writer);
        writer.into_bytes()
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        for field in &self.0 {
            field.write(writer);
        }
    }
}

impl FromIterator<KeyField> for Key {
    fn from_iter<I: IntoIterator<Item = KeyField>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}
