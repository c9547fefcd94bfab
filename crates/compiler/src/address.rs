//! Addresses as the Northbound writes them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// An Ethernet address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts
                .next()
                .filter(|part| matches!(part.len(), 1 | 2))
                .ok_or(())?;
            if !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(());
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| ())?;
        }
        if parts.next().is_some() {
            Err(())
        } else {
            Ok(Self(bytes))
        }
    }
}

impl Mac {
    /// The link-local IPv6 address made of it (modified EUI-64, RFC 4291 appendix A).
    #[must_use]
    pub(crate) fn link_local(self) -> Ipv6Addr {
        let [a, b, c, d, e, f] = self.0.map(u16::from);
        let parts = [(a ^ 2) << 8 | b, c << 8 | 0xff, 0xfe00 | d, e << 8 | f];
        Ipv6Addr::new(0xfe80, 0, 0, 0, parts[0], parts[1], parts[2], parts[3])
    }
}

/// The solicited-node multicast address of an IPv6 address (RFC 4291 section 2.7.1).
#[must_use]
pub(crate) fn solicited_node(ip: Ipv6Addr) -> Ipv6Addr {
    let [.., high, low] = ip.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | (high & 0xff), low)
}

/// What one element of `Logical_Switch_Port.addresses` says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum PortAddress {
    /// `unknown`
    Unknown,
    /// `router`
    Router,
    /// An Ethernet address with its IP addresses.
    Known(Station),
    /// `dynamic`, alone or with a part given.
    Dynamic,
}

/// An Ethernet address with IP addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Station {
    /// The Ethernet address.
    pub mac: Mac,
    /// The IPv4 addresses, as written, in order.
    pub v4: Vec<Ipv4Addr>,
    /// The IPv6 addresses, as written, in order.
    pub v6: Vec<Ipv6Addr>,
}

impl FromStr for PortAddress {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["unknown"] => Ok(Self::Unknown),
            ["router"] => Ok(Self::Router),
            ["dynamic", ..] | [_, "dynamic", ..] => Ok(Self::Dynamic),
            [mac, ips @ ..] => {
                let mut station = Station {
                    mac: mac.parse()?,
                    v4: Vec::new(),
                    v6: Vec::new(),
                };
                for ip in ips {
                    let ip = ip.split('/').next().unwrap_or(ip);
                    match ip.parse().map_err(|_| ())? {
                        IpAddr::V4(ip) => station.v4.push(ip),
                        IpAddr::V6(ip) => station.v6.push(ip),
                    }
                }
                Ok(Self::Known(station))
            }
            [] => Err(()),
        }
    }
}

/// The networks of a router port, by family.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Networks {
    /// IPv4 addresses with their prefix lengths.
    pub v4: Vec<Ipv4Net>,
    /// IPv6 addresses with their prefix lengths; the link-local one is the last.
    pub v6: Vec<Ipv6Net>,
}

impl Networks {
    /// Reads `address/length` texts; the second is what could not be read.
    pub(crate) fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> (Self, Vec<&'a str>) {
        let mut networks = Self::default();
        let mut wrong = Vec::new();
        for text in texts {
            match text.parse() {
                Ok(IpNet::V4(net)) => networks.v4.push(net),
                Ok(IpNet::V6(net)) => networks.v6.push(net),
                Err(_) => wrong.push(text),
            }
        }
        networks.v4.sort_unstable();
        networks.v6.sort_unstable();
        (networks, wrong)
    }
}
