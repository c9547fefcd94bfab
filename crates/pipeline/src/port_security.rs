//! Port security: what a port may claim to be, and what it is given (ovn-nb(5), `port_security`).

use ipnet::{Ipv4Net, Ipv6Net};
use logic::Field;
use model::address::{Network as _, Owned};
use packet::Mac;

use crate::actions::{from_number, number};
use crate::fields::Fields;
use crate::machine::{At, Machine, Moving};

impl Machine<'_> {
    /// Whether the input port may not send a packet.
    pub(crate) fn refused_in(&mut self, at: At, moving: &Moving) -> bool {
        let key = moving.fields.get(Field::InPort) as u32;
        let Some(port) = self.network.port_with_key(at.datapath, key) else {
            return false;
        };
        let port = &self.network[port];
        if !port.is_secured {
            return false;
        }
        self.consult_sources(moving);
        !port
            .security
            .iter()
            .any(|owned| may_send(owned, &moving.fields))
    }

    /// Whether the output port may not be given a packet.
    pub(crate) fn refused_out(&mut self, at: At, moving: &Moving) -> bool {
        let key = moving.fields.get(Field::OutPort) as u32;
        let Some(port) = self.network.port_with_key(at.datapath, key) else {
            return false;
        };
        let port = &self.network[port];
        if !port.is_secured {
            return false;
        }
        use Field::*;
        for field in [EthDst, EthType, Ip4Dst, Ip6Dst] {
            self.consult(moving, field, u128::MAX);
        }
        !port
            .security
            .iter()
            .any(|owned| may_receive(owned, &moving.fields))
    }

    fn consult_sources(&mut self, moving: &Moving) {
        use Field::*;
        let fields = [
            EthSrc, EthType, IpProto, Ip4Src, Ip4Dst, Ip6Src, Ip6Dst, ArpSha, ArpSpa, UdpSrc,
            UdpDst, Icmp6Type, Icmp6Code, IpTtl, NdSll, NdTll, NdTarget,
        ];
        for field in fields {
            self.consult(moving, field, u128::MAX);
        }
    }
}

fn ip4_owned(owned: &Owned, value: u128) -> bool {
    let address = std::net::Ipv4Addr::from_bits(value as u32);
    let fits = |net: &Ipv4Net| {
        if net.is_single() {
            net.addr() == address
        } else {
            net.contains(&address)
        }
    };
    owned.ip4.iter().any(fits)
}

fn ip6_owned(owned: &Owned, value: u128) -> bool {
    let address = std::net::Ipv6Addr::from_bits(value);
    let fits = |net: &Ipv6Net| {
        if net.is_single() {
            net.addr() == address
        } else {
            net.contains(&address)
        }
    };
    value == owned.mac.link_local().to_bits() || owned.ip6.iter().any(fits)
}

fn may_send(owned: &Owned, packet: &Fields) -> bool {
    let get = |field| packet.get(field);
    if get(Field::EthSrc) != number(owned.mac) {
        return false;
    }
    let any_address = owned.ip4.is_empty() && owned.ip6.is_empty();
    match get(Field::EthType) {
        0x800 => {
            let asks_for_address = get(Field::IpProto) == 17
                && (get(Field::UdpSrc), get(Field::UdpDst)) == (68, 67)
                && (get(Field::Ip4Src), get(Field::Ip4Dst)) == (0, 0xffff_ffff);
            any_address
                || ip4_owned(owned, get(Field::Ip4Src))
                || !owned.ip4.is_empty() && asks_for_address
        }
        0x806 => {
            let claims = get(Field::ArpSha) == number(owned.mac);
            claims && (any_address || ip4_owned(owned, get(Field::ArpSpa)))
        }
        0x86dd => may_send_ip6(owned, packet, any_address),
        _ => true,
    }
}

fn may_send_ip6(owned: &Owned, packet: &Fields, any_address: bool) -> bool {
    let get = |field| packet.get(field);
    let kind = (get(Field::IpProto) == 58).then(|| get(Field::Icmp6Type));
    let is_discovery = matches!(kind, Some(135 | 136)) && get(Field::IpTtl) == 255;
    let unspecified = get(Field::Ip6Src) == 0
        && get(Field::Ip6Dst) >> 112 == 0xff02
        && matches!(kind, Some(131 | 135 | 143));
    let source = any_address
        || !owned.ip6.is_empty() && (ip6_owned(owned, get(Field::Ip6Src)) || unspecified);
    if !source || !is_discovery {
        return source;
    }
    let own = |field| [Mac::ZERO, owned.mac].contains(&from_number(get(field)));
    match kind {
        Some(135) => own(Field::NdSll),
        _ => own(Field::NdTll) && (owned.ip6.is_empty() || ip6_owned(owned, get(Field::NdTarget))),
    }
}

fn may_receive(owned: &Owned, packet: &Fields) -> bool {
    let get = |field| packet.get(field);
    if get(Field::EthDst) != number(owned.mac) {
        return false;
    }
    if owned.ip4.is_empty() && owned.ip6.is_empty() {
        return true;
    }
    match get(Field::EthType) {
        0x800 => {
            let to = get(Field::Ip4Dst);
            let broadcast = |net: &Ipv4Net| {
                net.is_single()
                    && net.prefix_len() < 32
                    && u128::from(net.broadcast().to_bits()) == to
            };
            !owned.ip4.is_empty()
                && (ip4_owned(owned, to)
                    || to == 0xffff_ffff
                    || to >> 28 == 0xe
                    || owned.ip4.iter().any(broadcast))
        }
        0x86dd => {
            let to = get(Field::Ip6Dst);
            !owned.ip6.is_empty() && (ip6_owned(owned, to) || to >> 120 == 0xff)
        }
        _ => true,
    }
}
