//! Security policies as flows.
//!
//! A rule is the product of who the other side is and what protocol and ports it is about. Where both are lists, the
//! product is left to the switch (`conjunction`), so that a rule costs their sum. Rules that deny stand above those
//! that allow; rules of one kind that say the same are one flow.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use openflow::{Action, Field, Flow, Match};

use super::build::{FAMILIES, Family, Side, set_bits, with_address, with_bits};
use super::nic::Nic;
use super::{POLICY, bit};
use crate::cookie::Kind;
use crate::params::{
    Direction, IcmpType, PortRange, Problems, Protocol, Rule, RuleAction, SecurityPolicies, bounds,
};

const DENY: u16 = 200;
const ALLOW: u16 = 100;
const DEFAULT: u16 = 10;

/// What a flow of one rule, or a part of one, does.
enum Part {
    /// All of it: the verdict.
    Whole(Vec<Action>),
    /// One of two clauses of these conjunctions.
    Clauses(BTreeSet<(u32, u8)>),
}

/// Flows by what they match, with the first rule that wants them.
struct Table<'n> {
    nic: &'n Nic<'n>,
    parts: BTreeMap<(u16, Match), (usize, Part)>,
}

/// The flows of the card's policies; none where it has none.
///
/// # Errors
/// When a machine's rules come to more flows than [`bounds::FLOWS`].
pub(super) fn flows(nic: &Nic<'_>) -> Result<Vec<Flow>, Problems> {
    let Some(policies) = &nic.vnic.security_policies else {
        return Ok(Vec::new());
    };
    let mut table = Table {
        nic,
        parts: BTreeMap::new(),
    };
    for (place, rule) in policies.rules.iter().enumerate() {
        for family in FAMILIES {
            table.rule(place, rule, family);
        }
        if table.parts.len() > bounds::FLOWS {
            let most = bounds::FLOWS;
            let text = format!("more than {most} flows up to this rule; merge ports or addresses");
            let path = format!("vnics[{}].security_policies.rules[{place}]", nic.index);
            return Err(Problems::one(path, text));
        }
    }
    Ok(table.finish(policies))
}

fn verdict(action: RuleAction) -> Vec<Action> {
    match action {
        RuleAction::Allow => vec![set_bits(bit::ALLOWED, bit::ALLOWED)],
        RuleAction::Deny => Vec::new(),
    }
}

/// Connections of a direction of this card.
fn direction(nic: &Nic<'_>, direction: Direction) -> Match {
    let value = match direction {
        Direction::Inbound => bit::INBOUND,
        Direction::Outbound => 0,
    };
    with_bits(nic.card(), value, bit::INBOUND)
}

impl Table<'_> {
    fn rule(&mut self, place: usize, rule: &Rule, family: Family) {
        let base = family.packets(direction(self.nic, rule.direction));
        let (Some(remotes), Some(services)) =
            (self.remotes(rule, family), services(&base, rule, family))
        else {
            return;
        };
        let side = match rule.direction {
            Direction::Inbound => Side::Source,
            Direction::Outbound => Side::Destination,
        };
        let priority = match rule.action {
            RuleAction::Allow => ALLOW,
            RuleAction::Deny => DENY,
        };
        if remotes.len() > 1 && services.len() > 1 {
            // Ports, rules and families together are below 2^32: a port has 16 bits, a rule's place ten.
            let id = u32::from(self.nic.port) << 16 | (place as u32) << 1 | family as u32;
            for net in remotes {
                let matches = with_address(base.clone(), side, net);
                self.clause((priority, matches), place, (id, 0));
            }
            for service in services {
                self.clause((priority, service), place, (id, 1));
            }
            let both = direction(self.nic, rule.direction).with(Field::ConjId, id);
            self.whole((priority, both), place, rule.action);
            return;
        }
        for service in &services {
            for net in &remotes {
                let matches = with_address(service.clone(), side, *net);
                self.whole((priority, matches), place, rule.action);
            }
        }
    }

    /// The other sides of a rule in a family, as few networks as say the same. None where it is for the other family.
    fn remotes(&self, rule: &Rule, family: Family) -> Option<Vec<IpNet>> {
        let anybody = match family {
            Family::V4 => IpNet::new(std::net::Ipv4Addr::UNSPECIFIED.into(), 0),
            Family::V6 => IpNet::new(std::net::Ipv6Addr::UNSPECIFIED.into(), 0),
        };
        if rule.remote.is_empty() && rule.remote_groups.is_empty() {
            return anybody.ok().map(|net| vec![net]);
        }
        let groups = &self.nic.params.address_groups;
        let members = rule
            .remote_groups
            .iter()
            .filter_map(|name| groups.get(name));
        let all: Vec<IpNet> = rule
            .remote
            .iter()
            .chain(members.flatten())
            .map(|prefix| prefix.net())
            .filter(|net| Family::of(*net) == family)
            .collect();
        (!all.is_empty()).then(|| IpNet::aggregate(&all))
    }

    /// A flow that decides takes the place of clauses with the same match: it says more.
    fn whole(&mut self, key: (u16, Match), place: usize, action: RuleAction) {
        let entry = self.parts.entry(key);
        let whole = || (place, Part::Whole(verdict(action)));
        let (_, part) = entry.or_insert_with(whole);
        if matches!(part, Part::Clauses(_)) {
            *part = Part::Whole(verdict(action));
        }
    }

    fn clause(&mut self, key: (u16, Match), place: usize, clause: (u32, u8)) {
        let none = || (place, Part::Clauses(BTreeSet::new()));
        let (_, part) = self.parts.entry(key).or_insert_with(none);
        if let Part::Clauses(clauses) = part {
            clauses.insert(clause);
        }
    }

    fn finish(self, policies: &SecurityPolicies) -> Vec<Flow> {
        let nic = self.nic;
        let flow = |((priority, matches), (place, part))| {
            let actions = match part {
                Part::Whole(actions) => actions,
                Part::Clauses(clauses) => clauses.into_iter().map(conjunction).collect(),
            };
            nic.flow((Kind::Policy, place), (POLICY, priority), matches, actions)
        };
        let rules = self.parts.into_iter().map(flow);
        let defaults = [
            (Direction::Inbound, policies.default_inbound),
            (Direction::Outbound, policies.default_outbound),
        ];
        let defaults = defaults.map(|(way, action)| {
            let by = (Kind::Policy, DEFAULT_PLACE);
            nic.flow(by, (POLICY, DEFAULT), direction(nic, way), verdict(action))
        });
        rules.chain(defaults).collect()
    }
}

/// The place of what no rule says.
const DEFAULT_PLACE: usize = 0xfff;

fn conjunction((id, clause): (u32, u8)) -> Action {
    Action::Conjunction {
        id,
        clause,
        clauses: 2,
    }
}

/// What a rule says of protocol and ports, in a family. None where its protocol is of the other.
fn services(base: &Match, rule: &Rule, family: Family) -> Option<Vec<Match>> {
    let number = match (rule.protocol, family) {
        (Protocol::Any, _) => return Some(vec![base.clone()]),
        (Protocol::ICMP, Family::V6) | (Protocol::ICMPV6, Family::V4) => return None,
        (Protocol::Number(number), _) => number,
    };
    let base = base.clone().ip_proto(number);
    if let Some(icmp) = rule.icmp {
        return Some(vec![icmp_type(base, icmp, family)]);
    }
    let field = match rule.protocol {
        Protocol::TCP => Field::TcpDst,
        Protocol::UDP => Field::UdpDst,
        _ => Field::SctpDst,
    };
    if rule.ports.is_empty() {
        return Some(vec![base]);
    }
    let ranges = merged(&rule.ports).into_iter();
    Some(
        ranges
            .flat_map(|range| base.port_range(field, range.first, range.last))
            .collect(),
    )
}

fn icmp_type(base: Match, icmp: IcmpType, family: Family) -> Match {
    let (kind, code) = match family {
        Family::V4 => (Field::IcmpType, Field::IcmpCode),
        Family::V6 => (Field::Icmpv6Type, Field::Icmpv6Code),
    };
    let base = base.with(kind, icmp.kind);
    match icmp.code {
        Some(number) => base.with(code, number),
        None => base,
    }
}

/// The same ports in ranges that neither touch nor overlap.
fn merged(ranges: &[PortRange]) -> Vec<PortRange> {
    let mut sorted = ranges.to_vec();
    sorted.sort_unstable();
    let mut out: Vec<PortRange> = Vec::new();
    for range in sorted {
        match out.last_mut() {
            Some(last) if range.first <= last.last.saturating_add(1) => {
                last.last = last.last.max(range.last);
            }
            _ => out.push(range),
        }
    }
    out
}
