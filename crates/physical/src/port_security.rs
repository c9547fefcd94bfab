//! Port security (ovn-nb(5), Logical_Switch_Port `port_security`): what a port may claim to be, and
//! what it is given.
//!
//! A check says no by setting a flag. Ingress has two tables: the first knows Ethernet and IP sources and
//! hands ARP and neighbour discovery to the second, which looks at what those claim about addresses.
//! Where a port has the column set but no entry of it can be read, everything is refused.

use std::net::{Ipv4Addr, Ipv6Addr};

use incremental::{Builder, Rule};
use ipnet::{Ipv4Net, Ipv6Net};
use model::Uuid;
use openflow::{Action, Field, Match};
use packet::Mac;

use crate::emit::{Emit, Flows, entering, leaving, set_flag};
use crate::tables::{self, flag};
use crate::world::{World, port_key};
use model::address::{Network, Owned};

const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// Listener reports of both versions: what a host sends before it has an address.
const LISTENER_REPORTS: [u8; 2] = [131, 143];
/// Neighbour discovery is valid only from the link itself (RFC 4861, section 7.1).
const HOP_LIMIT: u8 = 255;

pub(crate) fn rule(build: &mut Builder, world: World) -> Rule<Uuid, Flows> {
    build.filter("port security flows", world.inputs.port, move |cx, port| {
        let row = cx.get(world.inputs.port, port)?;
        if row.port_security.is_empty() {
            return None;
        }
        cx.get(world.attachment, port)?;
        let datapath = cx.get(world.datapath, &row.datapath.uuid())?.key;
        let key = port_key(row)?;
        let mut security = Security {
            emit: Emit::new(*port),
            from: entering(datapath, key),
            to: leaving(datapath, key),
        };
        security.refuse_the_rest();
        for owned in row
            .port_security
            .iter()
            .filter_map(|entry| Owned::parse(entry))
        {
            security.sources(&owned);
            security.arp(&owned);
            security.neighbour_discovery(&owned);
            security.destinations(&owned);
        }
        Some(security.emit.finish())
    })
}

struct Security {
    emit: Emit,
    from: Match,
    to: Match,
}

impl Security {
    fn say(&mut self, table: u8, priority: u16, matches: Match, fails: bool) {
        self.emit.flow(
            table,
            priority,
            matches,
            vec![set_flag(flag::PORT_SECURITY_FAILED, fails)],
        );
    }

    fn accept(&mut self, matches: Match) {
        self.say(tables::CHECK_IN_PORT_SECURITY, 90, matches, false);
    }

    /// To the table of ARP and neighbour discovery, which has nothing to say about anything else.
    fn look_closer(&mut self, priority: u16, matches: Match) {
        let next = vec![Action::resubmit(tables::CHECK_IN_PORT_SECURITY_ND)];
        self.emit
            .flow(tables::CHECK_IN_PORT_SECURITY, priority, matches, next);
    }

    fn refuse_the_rest(&mut self) {
        self.say(tables::CHECK_IN_PORT_SECURITY, 80, self.from.clone(), true);
        self.look_closer(95, self.from.clone().arp());
        let closer = tables::CHECK_IN_PORT_SECURITY_ND;
        self.say(closer, 80, self.from.clone().arp(), true);
        for kind in [NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT] {
            let any = icmp6(self.from.clone(), kind).with(Field::IpTtl, HOP_LIMIT);
            self.say(closer, 80, any, true);
        }
        self.say(tables::CHECK_OUT_PORT_SECURITY, 80, self.to.clone(), true);
    }

    fn sources(&mut self, owned: &Owned) {
        let from = self.from.clone().eth_src(owned.mac.0);
        if owned.ip4.is_empty() && owned.ip6.is_empty() {
            self.look_closer(90, from);
            return;
        }
        for net in &owned.ip4 {
            self.accept(ip4(from.clone(), Field::IpSrc, net));
        }
        if !owned.ip4.is_empty() {
            self.accept(dhcp_request(from.clone()));
        }
        if owned.ip6.is_empty() {
            return;
        }
        for net in &owned.ip6 {
            self.look_closer(90, ip6(from.clone(), Field::Ipv6Src, net));
        }
        self.look_closer(
            90,
            from.clone().with(Field::Ipv6Src, owned.mac.link_local()),
        );
        // While an address is being made sure of, packets come from none (RFC 4862, section 5.4).
        let all_link_local: Ipv6Net =
            Ipv6Net::new_assert(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0), 16);
        let unspecified = from.with(Field::Ipv6Src, Ipv6Addr::UNSPECIFIED);
        let unspecified = ip6(unspecified, Field::Ipv6Dst, &all_link_local);
        for kind in LISTENER_REPORTS {
            self.accept(icmp6_exact(unspecified.clone(), kind));
        }
        self.look_closer(90, icmp6_exact(unspecified, NEIGHBOUR_SOLICITATION));
    }

    fn arp(&mut self, owned: &Owned) {
        let claims = self
            .from
            .clone()
            .eth_src(owned.mac.0)
            .with(Field::ArpSha, owned.mac.0);
        if owned.ip4.is_empty() && owned.ip6.is_empty() {
            self.say(tables::CHECK_IN_PORT_SECURITY_ND, 90, claims, false);
            return;
        }
        for net in &owned.ip4 {
            let claim = ip4(claims.clone(), Field::ArpSpa, net);
            self.say(tables::CHECK_IN_PORT_SECURITY_ND, 90, claim, false);
        }
    }

    fn neighbour_discovery(&mut self, owned: &Owned) {
        let table = tables::CHECK_IN_PORT_SECURITY_ND;
        let from = self.from.clone().eth_src(owned.mac.0);
        let solicit =
            icmp6_exact(from.clone(), NEIGHBOUR_SOLICITATION).with(Field::IpTtl, HOP_LIMIT);
        let advertise = icmp6_exact(from, NEIGHBOUR_ADVERTISEMENT).with(Field::IpTtl, HOP_LIMIT);
        // Zero is what the switch reads where the option is not there.
        for link_layer in [Mac::ZERO, owned.mac] {
            self.say(
                table,
                90,
                solicit.clone().with(Field::NdSll, link_layer.0),
                false,
            );
            let advertise = advertise.clone().with(Field::NdTll, link_layer.0);
            if owned.ip6.is_empty() {
                self.say(table, 90, advertise, false);
                continue;
            }
            let link_local = advertise
                .clone()
                .with(Field::NdTarget, owned.mac.link_local());
            self.say(table, 90, link_local, false);
            for net in &owned.ip6 {
                let about = ip6(advertise.clone(), Field::NdTarget, net);
                self.say(table, 90, about, false);
            }
        }
    }

    fn destinations(&mut self, owned: &Owned) {
        let table = tables::CHECK_OUT_PORT_SECURITY;
        let to = self.to.clone().eth_dst(owned.mac.0);
        self.say(table, 85, to.clone(), false);
        if owned.ip4.is_empty() && owned.ip6.is_empty() {
            return;
        }
        self.say(table, 90, to.clone().ip(), true);
        self.say(table, 90, to.clone().ipv6(), true);
        for net in &owned.ip4 {
            self.say(table, 95, ip4(to.clone(), Field::IpDst, net), false);
            // The broadcast address of the network that a single address says it is in.
            if net.is_single() && net.prefix_len() < 32 {
                self.say(table, 95, to.clone().ipv4_dst(net.broadcast()), false);
            }
        }
        if !owned.ip4.is_empty() {
            let multicast = Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 4);
            self.say(table, 95, to.clone().ipv4_dst(Ipv4Addr::BROADCAST), false);
            self.say(table, 95, ip4(to.clone(), Field::IpDst, &multicast), false);
        }
        for net in &owned.ip6 {
            self.say(table, 95, ip6(to.clone(), Field::Ipv6Dst, net), false);
        }
        if !owned.ip6.is_empty() {
            let multicast = Ipv6Net::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8);
            self.say(
                table,
                95,
                to.clone().ipv6_dst(owned.mac.link_local()),
                false,
            );
            self.say(table, 95, ip6(to, Field::Ipv6Dst, &multicast), false);
        }
    }
}

fn ip4(matches: Match, field: Field, net: &Ipv4Net) -> Match {
    if net.is_single() {
        matches.with(field, net.addr())
    } else {
        matches.with_masked(field, net.addr(), net.netmask())
    }
}

fn ip6(matches: Match, field: Field, net: &Ipv6Net) -> Match {
    if net.is_single() {
        matches.with(field, net.addr())
    } else {
        matches.with_masked(field, net.addr(), net.netmask())
    }
}

fn icmp6(matches: Match, kind: u8) -> Match {
    matches.with(Field::Icmpv6Type, kind)
}

/// With code zero, the only one that neighbour discovery and listener reports have.
fn icmp6_exact(matches: Match, kind: u8) -> Match {
    icmp6(matches, kind).with(Field::Icmpv6Code, 0u8)
}

fn dhcp_request(matches: Match) -> Match {
    matches
        .with(Field::IpSrc, Ipv4Addr::UNSPECIFIED)
        .ipv4_dst(Ipv4Addr::BROADCAST)
        .with(Field::UdpSrc, 68u16)
        .with(Field::UdpDst, 67u16)
}
