//! Which packets a flow is for.

use super::{
    Arp, Ethernet, Fragment, Icmp, Ipv4, Ipv6, Key, KeyField, MplsEntry, Nd, Ports, Tunnel,
};
use crate::id::PortNo;

/// A key, and which of it counts.
///
/// ```
/// use odp::{Ipv4, KeyField, Match, PortNo};
///
/// // What comes in at port 2 for 10.1.0.0/16, whatever its addresses below that are.
/// let ipv4 = Ipv4 { dst: [10, 1, 0, 0].into(), ..Ipv4::ZERO };
/// let mask = Ipv4 { dst: [255, 255, 0, 0].into(), ..Ipv4::ZERO };
/// let matches = Match::new(PortNo(2))
///     .ether_type(0x0800)
///     .masked(KeyField::Ipv4(ipv4), KeyField::Ipv4(mask));
/// assert_eq!(
///     matches.to_string(),
///     "in_port(2),eth(),eth_type(0x0800),ipv4(dst=10.1.0.0/255.255.0.0)"
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Match {
    /// The key.
    pub key: Key,
    /// Which of it counts; all, where there is none.
    pub mask: Option<Key>,
}

impl Match {
    /// Ethernet packets that come in at a port.
    #[must_use]
    pub fn new(port: PortNo) -> Self {
        let wildcard = KeyField::Ethernet(Ethernet::ZERO);
        Self::default()
            .masked(KeyField::InPort(port), KeyField::InPort(PortNo::EXACT))
            .masked(wildcard.clone(), wildcard)
    }

    /// Exactly these packets: all that the key says counts.
    #[must_use]
    pub const fn exact(key: Key) -> Self {
        Self { key, mask: None }
    }

    /// Looks at a field too, in the bits that the mask has. A field of the same kind is replaced.
    #[must_use]
    pub fn masked(mut self, value: KeyField, mask: KeyField) -> Self {
        let masks = self.mask.get_or_insert_with(|| self.key.exact_mask());
        put(masks, mask);
        put(&mut self.key, value);
        self
    }

    /// Looks at the Ethernet addresses.
    #[must_use]
    pub fn ethernet(self, addresses: Ethernet) -> Self {
        self.masked(
            KeyField::Ethernet(addresses),
            KeyField::Ethernet(Ethernet::EXACT),
        )
    }

    /// Looks at the Ethernet type.
    #[must_use]
    pub fn ether_type(self, kind: u16) -> Self {
        self.masked(KeyField::EtherType(kind), KeyField::EtherType(u16::MAX))
    }

    /// Looks at all of an IPv4 header; [`Match::masked`] can look at a part.
    #[must_use]
    pub fn ipv4(self, header: Ipv4) -> Self {
        self.masked(KeyField::Ipv4(header), KeyField::Ipv4(Ipv4::EXACT))
    }

    /// Looks at all of an IPv6 header; [`Match::masked`] can look at a part.
    #[must_use]
    pub fn ipv6(self, header: Ipv6) -> Self {
        self.masked(KeyField::Ipv6(header), KeyField::Ipv6(Ipv6::EXACT))
    }

    /// Looks at the ports of TCP.
    #[must_use]
    pub fn tcp(self, ports: Ports) -> Self {
        self.masked(KeyField::Tcp(ports), KeyField::Tcp(Ports::EXACT))
    }

    /// Looks at the ports of UDP.
    #[must_use]
    pub fn udp(self, ports: Ports) -> Self {
        self.masked(KeyField::Udp(ports), KeyField::Udp(Ports::EXACT))
    }

    /// Looks at what is known of the tunnel.
    #[must_use]
    pub fn tunnel(self, tunnel: Tunnel, mask: Tunnel) -> Self {
        self.masked(
            KeyField::Tunnel(Box::new(tunnel)),
            KeyField::Tunnel(Box::new(mask)),
        )
    }

    /// Adds the headers that the kernel wants in a key, without looking at any of them: IPv4's where the
    /// Ethernet type says so, TCP's where the protocol does, and their like. Without them it refuses a
    /// flow.
    ///
    /// ```
    /// use odp::{Format, Match, PortNo};
    ///
    /// let arp = Match::new(PortNo(1)).ether_type(0x0806).complete();
    /// assert_eq!(arp.to_string(), "in_port(1),eth(),eth_type(0x0806)");
    /// assert!(arp.key.arp().is_some());
    /// ```
    #[must_use]
    pub fn complete(mut self) -> Self {
        let mut wanted = lacking(&self.key);
        while !wanted.is_empty() {
            let masks = self.mask.get_or_insert_with(|| self.key.exact_mask());
            masks.0.extend(wanted.iter().cloned());
            self.key.0.extend(wanted);
            wanted = lacking(&self.key);
        }
        self
    }

    /// Looks at the number under which packets are sent through the flows again.
    #[must_use]
    pub fn recirc_id(self, id: u32) -> Self {
        self.masked(KeyField::RecircId(id), KeyField::RecircId(u32::MAX))
    }
}

/// Behind an Ethernet type or a protocol, the header that the kernel wants to see in a key.
const NEEDED: [(u16, fn() -> KeyField); 7] = [
    (0x0800, || KeyField::Ipv4(Ipv4::ZERO)),
    (0x86dd, || KeyField::Ipv6(Ipv6::ZERO)),
    (0x0806, || KeyField::Arp(Arp::ZERO)),
    (0x8035, || KeyField::Arp(Arp::ZERO)),
    (0x8847, || KeyField::Mpls(vec![MplsEntry(0)])),
    (0x8848, || KeyField::Mpls(vec![MplsEntry(0)])),
    (0x894f, || KeyField::Nsh(Box::default())),
];

/// The headers that a key lacks: the kernel refuses one that says IPv4 and has no IPv4 header, even if
/// nothing of it counts.
fn lacking(key: &Key) -> Vec<KeyField> {
    let mut wanted = Vec::new();
    let kind = key.ether_type();
    wanted.extend(
        NEEDED
            .iter()
            .filter(|(needs, _)| Some(*needs) == kind)
            .map(|(_, make)| make()),
    );
    let ip = key.ipv4().map(|ip| (ip.proto, ip.frag, true));
    let ip = ip.or_else(|| key.ipv6().map(|ip| (ip.proto, ip.frag, false)));
    let later = Fragment::Later as u8;
    match ip {
        Some((6, frag, _)) if frag != later => {
            wanted.push(KeyField::Tcp(Ports::ZERO));
            wanted.push(KeyField::TcpFlags(0));
        }
        Some((17, frag, _)) if frag != later => wanted.push(KeyField::Udp(Ports::ZERO)),
        Some((132, frag, _)) if frag != later => wanted.push(KeyField::Sctp(Ports::ZERO)),
        Some((1, frag, true)) if frag != later => wanted.push(KeyField::Icmp(Icmp::ZERO)),
        Some((58, frag, false)) if frag != later => wanted.push(KeyField::Icmpv6(Icmp::ZERO)),
        _ => {}
    }
    if matches!(key.field(ICMPV6), Some(KeyField::Icmpv6(icmp)) if icmp.kind == 135 || icmp.kind == 136)
    {
        wanted.push(KeyField::Nd(Nd::ZERO));
    }
    wanted.retain(|field| key.field(field.number()).is_none());
    wanted
}

/// The number of [`KeyField::Icmpv6`].
const ICMPV6: u16 = 12;

impl From<Key> for Match {
    fn from(key: Key) -> Self {
        Self::exact(key)
    }
}

fn put(key: &mut Key, field: KeyField) {
    let number = field.number();
    match key.0.iter_mut().find(|there| there.number() == number) {
        Some(there) => *there = field,
        None => key.0.push(field),
    }
}
