//! Addresses as the Southbound writes them: `MAC [IP[/LENGTH]...]`.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use packet::Mac;

/// The bytes of a MAC address; none when the text is not one.
pub fn parse_mac(text: &str) -> Option<[u8; 6]> {
    text.parse::<Mac>().ok().map(|mac| mac.0)
}

/// One MAC address with the IP addresses or networks that go with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// The MAC address.
    pub mac: Mac,
    /// IPv4 addresses and networks.
    pub ip4: Vec<Ipv4Net>,
    /// IPv6 addresses and networks.
    pub ip6: Vec<Ipv6Net>,
}

impl Owned {
    /// Reads one entry; none when it does not begin with a MAC address. What follows the first word that is no
    /// address is not looked at.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let mut owned = Self {
            mac: words.next()?.parse().ok()?,
            ip4: vec![],
            ip6: vec![],
        };
        for word in words {
            // A bare address is a network of that address alone.
            match word
                .parse()
                .or_else(|_| word.parse::<IpAddr>().map(IpNet::from))
            {
                Ok(IpNet::V4(net)) => owned.ip4.push(net),
                Ok(IpNet::V6(net)) => owned.ip6.push(net),
                Err(_) => break,
            }
        }
        Some(owned)
    }
}

/// The address that an entry means, or the network. An entry with a host part means that one address,
/// whatever its length says; one without means every address of the network.
pub trait Network {
    /// Whether it is one address.
    fn is_single(&self) -> bool;
}

impl Network for Ipv4Net {
    fn is_single(&self) -> bool {
        self.prefix_len() == 32 || self.addr() != self.network()
    }
}

impl Network for Ipv6Net {
    fn is_single(&self) -> bool {
        self.prefix_len() == 128 || self.addr() != self.network()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_up_to_the_first_strange_word() {
        let owned = Owned::parse("00:00:00:00:00:01 10.0.0.4/24 fd00::4 x 10.0.0.5").unwrap();
        assert_eq!(owned.ip4, ["10.0.0.4/24".parse().unwrap()]);
        assert_eq!(owned.ip6, ["fd00::4/128".parse().unwrap()]);
        assert_eq!(Owned::parse("10.0.0.4"), None);
        assert_eq!(Owned::parse(""), None);
    }

    #[test]
    fn a_host_part_means_one_address() {
        let net = |text: &str| text.parse::<Ipv4Net>().unwrap();
        assert!(net("10.0.0.4/24").is_single());
        assert!(net("10.0.0.0/32").is_single());
        assert!(!net("10.0.0.0/24").is_single());
    }
}
