//! A packet from how people describe it: from this port, to that address, this service. What they leave out is
//! filled in from the network: addresses of the port, the MAC address of the next hop.

use std::net::IpAddr;
use std::str::FromStr;

use logic::Field;
use model::address::Owned;
use packet::{Mac, dhcp4, nd, proto};

use crate::actions::number;
use crate::conntrack::{ports, set_address};
use crate::fields::Fields;
use crate::network::{DatapathId, Network, PortId};
use crate::payload::{Dhcp4, Payload};
use crate::trace::{End, Trace};

/// What a packet is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// An echo request.
    Ping,
    /// A request to a port of TCP (6), UDP (17) or SCTP (132).
    Port(u8, u16),
    /// A question for a MAC address: ARP or neighbour discovery.
    WhoHas,
    /// A client of DHCPv4 that looks for a server.
    Dhcp4,
    /// A client of DHCPv6 that looks for a server.
    Dhcp6,
    /// A machine that looks for routers.
    Routers,
    /// A question for a name, of a type.
    Name(String, u16),
}

/// Not a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}: not a service; say tcp/PORT, udp/PORT, sctp/PORT, ping, arp, dhcp, dhcp6, rs, or dns/NAME with /AAAA, /PTR or /ANY behind it if wanted"
)]
pub struct ServiceError(String);

impl FromStr for Service {
    type Err = ServiceError;

    fn from_str(text: &str) -> Result<Self, ServiceError> {
        let error = || ServiceError(text.to_owned());
        match text {
            "ping" | "icmp" | "icmp4" | "icmp6" => return Ok(Self::Ping),
            "arp" | "nd" => return Ok(Self::WhoHas),
            "dhcp" => return Ok(Self::Dhcp4),
            "dhcp6" => return Ok(Self::Dhcp6),
            "rs" => return Ok(Self::Routers),
            _ => {}
        }
        if let Some(asked) = text.strip_prefix("dns/").filter(|it| !it.is_empty()) {
            let (name, kind) = asked.split_once('/').unwrap_or((asked, "A"));
            let kinds = [("A", 1), ("AAAA", 28), ("PTR", 12), ("ANY", 255)];
            let kind = kinds.iter().find(|it| it.0.eq_ignore_ascii_case(kind));
            return Ok(Self::Name(name.to_owned(), kind.ok_or_else(error)?.1));
        }
        let (name, port) = text.split_once('/').ok_or_else(error)?;
        let protocol = match name {
            "tcp" => 6,
            "udp" => 17,
            "sctp" => 132,
            _ => return Err(error()),
        };
        Ok(Self::Port(protocol, port.parse().map_err(|_| error())?))
    }
}

/// A packet as people describe it.
#[derive(Debug, Clone)]
pub struct Description {
    /// Where it comes from.
    pub from: PortId,
    /// Its source address, unless it is the port's.
    pub source: Option<IpAddr>,
    /// Its destination; none where the service says it.
    pub to: Option<IpAddr>,
    /// What it is about.
    pub service: Service,
    /// Its source port.
    pub source_port: u16,
    /// Its time to live.
    pub ttl: u8,
}

/// Why a description cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescribeError {
    /// The port has no MAC address in the database.
    #[error(
        "port {0} has no MAC address in the database (addresses unknown or not set); describe the packet as an expression: 'inport == \"{0}\" && eth.src == ... && ...'"
    )]
    NoMac(String),
    /// The port has no address of the family.
    #[error("port {0} has no {1} address in the database; say one with --from")]
    NoAddress(String, &'static str),
    /// Nobody says where to.
    #[error("say where to with --to, or take a packet from a capture with --pcap")]
    NoDestination,
    /// Source and destination are of two families.
    #[error("source {0} and destination {1} are not of the same family")]
    Families(IpAddr, IpAddr),
    /// Nobody is there who could pass the packet on.
    #[error(
        "nothing on {0} has the address {1}, and no router port is there to pass the packet on"
    )]
    NoNextHop(String, IpAddr),
}

impl Network {
    /// Makes the packet that a description means.
    ///
    /// # Errors
    /// When the network does not know enough of the port, or of the way to the destination.
    pub fn describe(&self, description: &Description) -> Result<(Fields, Payload), DescribeError> {
        let Description {
            from,
            source,
            to,
            ref service,
            source_port,
            ttl,
        } = *description;
        let port = &self[from];
        let owned = port.addresses.iter().find_map(|entry| Owned::parse(entry));
        let owned = owned.or_else(|| port.security.first().cloned());
        let owned = owned.ok_or_else(|| DescribeError::NoMac(port.name.to_string()))?;
        if let Some(question) = to_everybody(service, owned.mac) {
            return Ok(question);
        }
        let to = to.ok_or(DescribeError::NoDestination)?;
        let first = match to {
            IpAddr::V4(_) => owned.ip4.first().map(|it| IpAddr::V4(it.addr())),
            IpAddr::V6(_) => owned.ip6.first().map(|it| IpAddr::V6(it.addr())),
        };
        let family = if to.is_ipv4() { "IPv4" } else { "IPv6" };
        let source = source.or(first);
        let source =
            source.ok_or_else(|| DescribeError::NoAddress(port.name.to_string(), family))?;
        if source.is_ipv4() != to.is_ipv4() {
            return Err(DescribeError::Families(source, to));
        }
        let mut packet = Fields::default().with(Field::EthSrc, number(owned.mac));
        if *service == Service::WhoHas {
            who_has(&mut packet, owned.mac, source, to);
            return Ok((packet, Payload::Data));
        }
        let mac = match multicast_mac(to) {
            Some(mac) => mac,
            None => self.next_hop(port.datapath, source, to).ok_or_else(|| {
                DescribeError::NoNextHop(self[port.datapath].name.to_string(), to)
            })?,
        };
        packet.set(Field::EthDst, number(mac));
        packet.set(Field::EthType, if to.is_ipv4() { 0x800 } else { 0x86dd });
        set_address(&mut packet, false, source);
        set_address(&mut packet, true, to);
        packet.set(Field::IpTtl, ttl.into());
        let (protocol, port, payload) = match service {
            Service::Port(protocol, number) => (*protocol, *number, Payload::Data),
            Service::Name(name, kind) => {
                let (name, kind) = (name.clone(), *kind);
                (proto::UDP, 53, Payload::Dns { name, kind })
            }
            _ => {
                ping(&mut packet, to.is_ipv4(), 8, 128);
                return Ok((packet, Payload::Data));
            }
        };
        packet.set(Field::IpProto, protocol.into());
        if let Some((src, dst)) = ports(protocol) {
            packet.set(src, source_port.into());
            packet.set(dst, port.into());
        }
        if protocol == proto::TCP {
            // The first packet of a connection: SYN.
            packet.set(Field::TcpFlags, 2);
        }
        Ok((packet, payload))
    }

    /// The MAC address that a machine on a datapath would send a packet to.
    fn next_hop(&self, datapath: DatapathId, source: IpAddr, to: IpAddr) -> Option<Mac> {
        let here = || {
            self.ports()
                .map(|it| it.1)
                .filter(|it| it.datapath == datapath)
        };
        let entries = |entries: &[ovsdb::Str]| -> Vec<Owned> {
            entries.iter().filter_map(|it| Owned::parse(it)).collect()
        };
        let has = |owned: &Owned, address: IpAddr| match address {
            IpAddr::V4(it) => owned.ip4.iter().any(|net| net.addr() == it),
            IpAddr::V6(it) => owned.ip6.iter().any(|net| net.addr() == it),
        };
        let neighbour = here()
            .flat_map(|port| entries(&port.addresses))
            .find(|it| has(it, to));
        let routers: Vec<Owned> = here()
            .filter_map(|port| port.peer)
            .flat_map(|peer| entries(&self[peer].addresses))
            .collect();
        let on_link = |owned: &&Owned| match source {
            IpAddr::V4(it) => owned.ip4.iter().any(|net| net.contains(&it)),
            IpAddr::V6(it) => owned.ip6.iter().any(|net| net.contains(&it)),
        };
        let of_family = |owned: &&Owned| match to {
            IpAddr::V4(_) => !owned.ip4.is_empty(),
            IpAddr::V6(_) => !owned.ip6.is_empty(),
        };
        let itself = routers.iter().find(|it| has(it, to));
        let router = itself.or_else(|| routers.iter().find(on_link));
        let router = router.or_else(|| routers.iter().find(of_family));
        neighbour
            .map(|it| it.mac)
            .or_else(|| router.map(|it| it.mac))
    }

    /// The answer to a packet, from the port where it was delivered: nothing unless that was exactly one.
    pub fn reply(&self, trace: &Trace) -> Option<(PortId, Fields)> {
        let mut delivered = trace.ends.iter().filter_map(|end| match end {
            End::Delivered { port, packet, .. } => Some((*port, packet)),
            _ => None,
        });
        let (port, packet) = delivered.next()?;
        if delivered.next().is_some() {
            return None;
        }
        let mut reply = Fields::default();
        let swaps = [
            (Field::EthSrc, Field::EthDst),
            (Field::Ip4Src, Field::Ip4Dst),
            (Field::Ip6Src, Field::Ip6Dst),
            (Field::TcpSrc, Field::TcpDst),
            (Field::UdpSrc, Field::UdpDst),
            (Field::SctpSrc, Field::SctpDst),
            (Field::ArpSpa, Field::ArpTpa),
            (Field::ArpSha, Field::ArpTha),
        ];
        for (one, other) in swaps {
            reply.set(one, packet.get(other));
            reply.set(other, packet.get(one));
        }
        for field in [Field::EthType, Field::IpProto] {
            reply.set(field, packet.get(field));
        }
        match packet.get(Field::EthType) {
            0x806 => {
                // It answers with its own address.
                let mac = self[port]
                    .addresses
                    .iter()
                    .find_map(|it| Owned::parse(it))?
                    .mac;
                reply.set(Field::ArpOp, 2);
                reply.set(Field::ArpSha, number(mac));
                reply.set(Field::EthSrc, number(mac));
                return Some((port, reply));
            }
            0x800 | 0x86dd => reply.set(Field::IpTtl, 64),
            _ => return None,
        }
        match packet.get(Field::IpProto) {
            // SYN and ACK.
            6 => reply.set(Field::TcpFlags, 0x12),
            1 | 58 => ping(&mut reply, packet.get(Field::EthType) == 0x800, 0, 129),
            _ => {}
        }
        Some((port, reply))
    }
}

/// What a machine asks that knows nobody yet.
fn to_everybody(service: &Service, mac: Mac) -> Option<(Fields, Payload)> {
    let mut packet = Fields::default().with(Field::EthSrc, number(mac));
    let mut to6 = |last: u128, protocol: u8, ttl: u8| {
        // ff02::/16
        let group = 0xff02 << 112 | last;
        packet.set(Field::EthDst, 0x3333_0000_0000 | group & 0xffff_ffff);
        packet.set(Field::EthType, 0x86dd);
        packet.set(Field::Ip6Src, mac.link_local().to_bits());
        packet.set(Field::Ip6Dst, group);
        packet.set(Field::IpProto, protocol.into());
        packet.set(Field::IpTtl, ttl.into());
    };
    let payload = match service {
        Service::Dhcp4 => {
            packet.set(Field::EthDst, 0xffff_ffff_ffff);
            packet.set(Field::EthType, 0x800);
            packet.set(Field::Ip4Dst, 0xffff_ffff);
            packet.set(Field::IpProto, proto::UDP.into());
            packet.set(Field::IpTtl, 64);
            packet.set(Field::UdpSrc, dhcp4::CLIENT_PORT.into());
            packet.set(Field::UdpDst, dhcp4::SERVER_PORT.into());
            Payload::Dhcp4(Dhcp4::discover(mac))
        }
        Service::Dhcp6 => {
            to6(0x1_0002, proto::UDP, 64);
            packet.set(Field::UdpSrc, 546);
            packet.set(Field::UdpDst, 547);
            // SOLICIT
            Payload::Dhcp6(1)
        }
        Service::Routers => {
            to6(2, proto::ICMPV6, 255);
            packet.set(Field::Icmp6Type, nd::ROUTER_SOLICITATION.into());
            packet.set(Field::NdSll, number(mac));
            Payload::Data
        }
        _ => return None,
    };
    Some((packet, payload))
}

fn ping(packet: &mut Fields, is_ip4: bool, kind4: u8, kind6: u8) {
    if is_ip4 {
        packet.set(Field::IpProto, 1);
        packet.set(Field::Icmp4Type, kind4.into());
    } else {
        packet.set(Field::IpProto, 58);
        packet.set(Field::Icmp6Type, kind6.into());
    }
}

fn who_has(packet: &mut Fields, mac: Mac, source: IpAddr, to: IpAddr) {
    match (source, to) {
        (IpAddr::V4(source), IpAddr::V4(to)) => {
            packet.set(Field::EthDst, 0xffff_ffff_ffff);
            packet.set(Field::EthType, 0x806);
            packet.set(Field::ArpOp, 1);
            packet.set(Field::ArpSha, number(mac));
            packet.set(Field::ArpSpa, source.to_bits().into());
            packet.set(Field::ArpTpa, to.to_bits().into());
        }
        (IpAddr::V6(source), IpAddr::V6(to)) => {
            let low = to.to_bits() & 0xff_ffff;
            packet.set(Field::EthDst, 0x3333_ff00_0000 | low);
            packet.set(Field::EthType, 0x86dd);
            packet.set(Field::Ip6Src, source.to_bits());
            // ff02::1:ff00:0/104
            packet.set(
                Field::Ip6Dst,
                0xff02_0000_0000_0000_0000_0001_ff00_0000 | low,
            );
            packet.set(Field::IpProto, 58);
            packet.set(Field::IpTtl, 255);
            packet.set(Field::Icmp6Type, 135);
            packet.set(Field::NdTarget, to.to_bits());
            packet.set(Field::NdSll, number(mac));
        }
        _ => {}
    }
}

fn multicast_mac(to: IpAddr) -> Option<Mac> {
    match to {
        IpAddr::V4(it) if it.is_broadcast() => Some(Mac([0xff; 6])),
        IpAddr::V4(it) if it.is_multicast() => {
            let [_, b, c, d] = it.octets();
            Some(Mac([1, 0, 0x5e, b & 0x7f, c, d]))
        }
        IpAddr::V6(it) if it.is_multicast() => {
            let [.., a, b, c, d] = it.octets();
            Some(Mac([0x33, 0x33, a, b, c, d]))
        }
        _ => None,
    }
}
