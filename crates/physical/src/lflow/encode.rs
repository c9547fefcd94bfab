//! Logical actions as actions of the switch (ovn-sb(5), Logical_Flow `actions`).
//!
//! Tables that answer a question (a neighbour, a learned address, port security) take their arguments in
//! fixed registers and give the answer in a flag or a fixed field. So an action saves those registers on
//! the stack, fills them, visits the table, moves the answer, and restores.

use std::net::IpAddr;

use logic::{
    Action as Logical, Actions, Family, LbFlag, LbKind, NatKind, Nest, Query, Slice, Value,
};
use openflow::action::{Controller, Ct, CtZone, Nat, NatDirection, NatRange};
use openflow::{Action, Field, Group, Subfield};

use super::field::{field, subfield};
use super::place::Place;
use super::{Trouble, group, options};
use crate::emit::set_flag;
use crate::opcode::{LogRequest, Opcode, Userdata};
use crate::tables::{self, flag};

/// What actions became: groups have the index into `groups` where their number belongs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Encoded {
    pub(crate) actions: Vec<Action>,
    pub(crate) groups: Vec<Group>,
}

/// Encodes the actions of a flow; `port` gives the keys of the ports that they name.
pub(crate) fn encode(
    place: Place,
    actions: &Actions,
    port: &dyn Fn(&str) -> Option<u32>,
) -> Result<Encoded, Trouble> {
    let mut encoder = Encoder {
        place,
        port,
        out: Vec::new(),
        groups: Vec::new(),
    };
    encoder.all(actions)?;
    Ok(Encoded {
        actions: encoder.out,
        groups: encoder.groups,
    })
}

struct Encoder<'a> {
    place: Place,
    port: &'a dyn Fn(&str) -> Option<u32>,
    out: Vec<Action>,
    groups: Vec<Group>,
}

/// An argument of a table: where it is, and where the table looks for it.
type Argument = (Subfield, Field);

impl Encoder<'_> {
    fn all(&mut self, actions: &Actions) -> Result<(), Trouble> {
        actions.0.iter().try_for_each(|action| self.one(action))
    }

    /// The actions that `inner` become, apart from the list that is being made.
    fn nested(&mut self, inner: &Actions) -> Result<Vec<Action>, Trouble> {
        let outer = std::mem::take(&mut self.out);
        let result = self.all(inner);
        let inner = std::mem::replace(&mut self.out, outer);
        result.map(|()| inner)
    }

    fn resubmit(&mut self, table: u8) {
        self.out.push(Action::resubmit(table));
    }

    fn controller(&mut self, opcode: Opcode, arguments: Vec<u8>, pause: bool) {
        let userdata = Userdata::new(opcode, arguments).encode();
        self.out.push(Action::Controller(Box::new(Controller {
            userdata,
            pause,
            ..Controller::default()
        })));
    }

    fn one(&mut self, action: &Logical) -> Result<(), Trouble> {
        match action {
            Logical::Output => self.resubmit(self.place.output()),
            Logical::Next { pipeline, table } => {
                let table = match table {
                    None if pipeline.is_none() => self.place.next()?,
                    table => Place::table(
                        pipeline.unwrap_or(self.place.pipeline),
                        table.unwrap_or(self.place.table.saturating_add(1)),
                    )?,
                };
                self.resubmit(table);
            }
            Logical::Load { target, value } => self.load(target, value)?,
            Logical::Move { target, source } => {
                self.out
                    .push(Action::mov(subfield(source)?, subfield(target)?));
            }
            Logical::Exchange(left, right) => {
                let (left, right) = (subfield(left)?, subfield(right)?);
                self.out.extend([Action::Push(right), Action::Push(left)]);
                self.out.extend([Action::Pop(right), Action::Pop(left)]);
            }
            // To no controller: what happens to a packet that expires is for other flows to say.
            Logical::DecrementTtl => self.out.push(Action::DecTtlTo(Vec::new())),
            Logical::Push(slice) => self.out.push(Action::Push(subfield(slice)?)),
            Logical::Pop(slice) => self.out.push(Action::Pop(subfield(slice)?)),
            Logical::CtClear => self.out.push(Action::CtClear),
            Logical::SetQueue(queue) => self.out.push(Action::SetQueue((*queue).into())),
            Logical::CheckPktLarger { target, length } => {
                let destination = subfield(target)?;
                self.out.push(Action::CheckPktLarger {
                    len: *length,
                    destination,
                });
            }
            Logical::Nested(nest, inner) => self.nest(*nest, inner)?,
            Logical::Log {
                name,
                verdict,
                severity,
                ..
            } => {
                let request = LogRequest {
                    verdict: options::verdict(*verdict),
                    severity: options::severity(*severity),
                    name: name.as_deref().unwrap_or_default().to_owned(),
                };
                self.controller(Opcode::Log, request.encode(), false);
            }
            _ => return self.connections(action),
        }
        Ok(())
    }

    fn connections(&mut self, action: &Logical) -> Result<(), Trouble> {
        match action {
            Logical::CtNext(name) => {
                let zone = self.place.named_zone(*name);
                self.track(Ct {
                    zone,
                    table: Some(self.place.next()?),
                    ..Ct::default()
                });
            }
            Logical::CtCommit(inner) => {
                let inner = self.nested(inner)?;
                self.commit(self.place.zone(), inner);
            }
            Logical::CtCommitToZone(name) => {
                self.commit(self.place.named_zone(Some(*name)), Vec::new());
            }
            Logical::CtCommitNat(name) => self.track(Ct {
                commit: true,
                zone: self.place.named_zone(*name),
                table: Some(self.place.next()?),
                actions: vec![Action::Nat(Box::default())],
                ..Ct::default()
            }),
            Logical::Nat { kind, target } => self.track(Ct {
                commit: target.is_some(),
                zone: self.place.nat_zone(*kind),
                table: Some(self.place.next()?),
                actions: vec![Action::Nat(Box::new(nat(*kind, target.as_ref())))],
                ..Ct::default()
            }),
            Logical::CtLb { backends, .. } if backends.is_empty() => self.track(Ct {
                zone: self.place.zone(),
                table: Some(self.place.next()?),
                actions: vec![Action::Nat(Box::default())],
                ..Ct::default()
            }),
            Logical::CtLb {
                kind: LbKind::MarkLocal,
                ..
            } => {
                return Err(Trouble::NotSupported("ct_lb_mark_local".into()));
            }
            Logical::CtLb {
                kind,
                backends,
                hash_fields,
                flag,
            } => {
                let marks = lb_marks(*kind, *flag);
                let group = group::backends(&self.place, backends, hash_fields.as_deref(), &marks)?;
                self.group(group);
            }
            Logical::Select {
                target,
                members,
                hash_fields,
            } => {
                let target = subfield(target)?;
                let next = self.place.next()?;
                let group = group::select(target, next, members, hash_fields.as_deref())?;
                self.group(group);
            }
            _ => return self.questions(action),
        }
        Ok(())
    }

    fn questions(&mut self, action: &Logical) -> Result<(), Trouble> {
        match action {
            Logical::GetNeighbour { family, port, ip } => {
                let arguments = self.arguments(&[
                    (port, Field::Reg(tables::OUTPORT)),
                    (ip, address_register(*family)),
                ])?;
                self.save(&arguments);
                self.out.push(Action::set_field(Field::EthDst, [0u8; 6]));
                self.resubmit(tables::MAC_BINDING);
                self.restore(&arguments);
            }
            Logical::LookupNeighbour {
                family,
                target,
                port,
                ip,
                mac,
            } => {
                self.lookup_neighbour(*family, target, port, ip, mac.as_ref())?;
            }
            Logical::PutNeighbour {
                family,
                port,
                ip,
                mac,
            } => {
                let opcode = match family {
                    Family::V4 => Opcode::PutArp,
                    Family::V6 => Opcode::PutNd,
                };
                let arguments = [
                    (port, Field::Reg(tables::INPORT)),
                    (ip, address_register(*family)),
                    (mac, Field::EthSrc),
                ];
                self.ask_agent(&arguments, opcode, vec![])?;
            }
            Logical::GetFdb {
                target,
                mac,
                remote: false,
            } => self.get_fdb(target, mac)?,
            Logical::PutFdb { port, mac } => {
                let arguments = [(port, Field::Reg(tables::INPORT)), (mac, Field::EthSrc)];
                self.ask_agent(&arguments, Opcode::PutFdb, vec![])?;
            }
            Logical::LookupFdb { target, port, mac } => {
                let arguments =
                    self.arguments(&[(port, Field::Reg(tables::INPORT)), (mac, Field::EthSrc)])?;
                self.save(&arguments);
                self.out.push(set_flag(flag::LOOKUP_FDB, false));
                self.resubmit(tables::LOOKUP_FDB);
                self.restore(&arguments);
                self.answer(flag::LOOKUP_FDB, target)?;
            }
            Logical::Query {
                target,
                query: Query::CheckInPortSec,
            } => {
                self.check(tables::CHECK_IN_PORT_SECURITY, target)?;
            }
            Logical::Query {
                target,
                query: Query::CheckOutPortSec,
            } => {
                self.check(tables::CHECK_OUT_PORT_SECURITY, target)?;
            }
            _ => return self.agent(action),
        }
        Ok(())
    }

    /// What the agent does.
    fn agent(&mut self, action: &Logical) -> Result<(), Trouble> {
        match action {
            Logical::PutDhcpV4 { target, options } => {
                let arguments = options::dhcp4(target, options)?;
                self.controller(Opcode::PutDhcpOpts, arguments, true);
            }
            Logical::PutDhcpV6 { target, options } => {
                let arguments = options::dhcp6(target, options)?;
                self.controller(Opcode::PutDhcpv6Opts, arguments, true);
            }
            Logical::PutNdRa { target, options } => {
                let arguments = options::router_advertisement(target, options)?;
                self.controller(Opcode::PutNdRaOpts, arguments, true);
            }
            Logical::Query {
                target,
                query: Query::DnsLookup,
            } => {
                let arguments = options::request(target, vec![])?;
                self.controller(Opcode::DnsLookup, arguments, true);
            }
            Logical::Igmp => self.controller(Opcode::Igmp, vec![], false),
            Logical::HandleDhcpV6Reply => self.controller(Opcode::Dhcp6Server, vec![], false),
            Logical::HandleBfd => self.controller(Opcode::BfdMsg, vec![], false),
            Logical::BindVport { vport, parent } => {
                if let Some(key) = (self.port)(vport) {
                    let argument = [(parent, Field::Reg(tables::INPORT))];
                    self.ask_agent(&argument, Opcode::BindVport, key.to_be_bytes().to_vec())?;
                }
            }
            Logical::HandleSvcCheck(port) => {
                let argument = [(port, Field::Reg(tables::INPORT))];
                self.ask_agent(&argument, Opcode::HandleSvcCheck, vec![])?;
            }
            other => return Err(Trouble::action(other)),
        }
        Ok(())
    }

    fn load(&mut self, target: &Slice, value: &Value) -> Result<(), Trouble> {
        let bits = target.bits();
        match (bits.field, value) {
            (logic::Field::Icmp4FragMtu, Value::Number(mtu)) => {
                let mtu = u16::try_from(mtu.value).map_err(|_| Trouble::field(target))?;
                self.controller(Opcode::PutIcmp4FragMtu, mtu.to_be_bytes().to_vec(), true);
            }
            (logic::Field::Icmp6FragMtu, Value::Number(mtu)) => {
                let mtu = u32::try_from(mtu.value).map_err(|_| Trouble::field(target))?;
                self.controller(Opcode::PutIcmp6FragMtu, mtu.to_be_bytes().to_vec(), true);
            }
            (_, Value::Number(number)) => {
                self.out.push(Action::load(number.value, subfield(target)?));
            }
            (basic, Value::Text(name)) => {
                let field = field(basic).ok_or_else(|| Trouble::field(target))?;
                // A port that is not there (yet) has key zero, which leads nowhere.
                let key = (self.port)(name).unwrap_or(0);
                self.out.push(Action::set_field(field, key));
            }
            _ => return Err(Trouble::field(target)),
        }
        Ok(())
    }

    fn nest(&mut self, nest: Nest, inner: &Actions) -> Result<(), Trouble> {
        let inner = self.nested(inner)?;
        let opcode = match nest {
            Nest::Clone => {
                self.out.push(Action::Clone(inner));
                return Ok(());
            }
            Nest::Arp => Opcode::Arp,
            Nest::NdNs => Opcode::NdNs,
            Nest::NdNa => Opcode::NdNa,
            Nest::NdNaRouter => Opcode::NdNaRouter,
            Nest::Icmp4 | Nest::Icmp6 => Opcode::Icmp,
            Nest::Icmp4Error => Opcode::Icmp4Error,
            Nest::Icmp6Error => Opcode::Icmp6Error,
            Nest::TcpReset => Opcode::TcpReset,
            Nest::SctpAbort => Opcode::SctpAbort,
            Nest::Reject => Opcode::Reject,
        };
        self.controller(opcode, openflow::action::encode(&inner), false);
        Ok(())
    }

    fn track(&mut self, ct: Ct) {
        self.out.push(Action::Ct(Box::new(ct)));
    }

    fn commit(&mut self, zone: CtZone, inner: Vec<Action>) {
        let direction = Some(NatDirection::Source);
        let nothing = Action::Nat(Box::new(Nat {
            direction,
            ..Nat::default()
        }));
        let nat = self.place.zero_snat.then_some(nothing);
        let actions = nat.into_iter().chain(inner).collect();
        self.track(Ct {
            commit: true,
            zone,
            actions,
            ..Ct::default()
        });
    }

    /// Uses a group whose number is not known yet.
    fn group(&mut self, group: Group) {
        let index = u32::try_from(self.groups.len()).expect("a flow has few groups");
        self.groups.push(group);
        self.out.push(Action::Group(index));
    }

    fn arguments(&self, arguments: &[(&Slice, Field)]) -> Result<Vec<Argument>, Trouble> {
        let mut needed = Vec::new();
        for (source, destination) in arguments {
            let source = subfield(source)?;
            // What is already where the table looks stays there.
            if source != destination.whole() {
                needed.push((source, *destination));
            }
        }
        Ok(needed)
    }

    /// Saves the registers of the arguments and fills them. Every source is read before any register is
    /// written, because a source can be one of them.
    fn save(&mut self, arguments: &[Argument]) {
        self.out.extend(
            arguments
                .iter()
                .map(|(_, register)| Action::Push(register.whole())),
        );
        self.out.extend(
            arguments
                .iter()
                .rev()
                .map(|(source, _)| Action::Push(*source)),
        );
        self.out.extend(
            arguments
                .iter()
                .map(|(_, register)| Action::Pop(register.whole())),
        );
    }

    fn restore(&mut self, arguments: &[Argument]) {
        self.out.extend(
            arguments
                .iter()
                .rev()
                .map(|(_, register)| Action::Pop(register.whole())),
        );
    }

    fn answer(&mut self, bit: u8, target: &Slice) -> Result<(), Trouble> {
        let flags = Field::Reg(tables::FLAGS).slice(bit.into(), 1);
        self.out.push(Action::mov(flags, subfield(target)?));
        Ok(())
    }

    fn check(&mut self, table: u8, target: &Slice) -> Result<(), Trouble> {
        self.out.push(set_flag(flag::PORT_SECURITY_FAILED, false));
        self.resubmit(table);
        self.answer(flag::PORT_SECURITY_FAILED, target)
    }

    fn ask_agent(
        &mut self,
        arguments: &[(&Slice, Field)],
        opcode: Opcode,
        data: Vec<u8>,
    ) -> Result<(), Trouble> {
        let arguments = self.arguments(arguments)?;
        self.save(&arguments);
        self.controller(opcode, data, false);
        self.restore(&arguments);
        Ok(())
    }

    fn lookup_neighbour(
        &mut self,
        family: Family,
        target: &Slice,
        port: &Slice,
        ip: &Slice,
        mac: Option<&Slice>,
    ) -> Result<(), Trouble> {
        let address = (ip, address_register(family));
        let clear = set_flag(flag::LOOKUP_MAC, false);
        if let Some(mac) = mac {
            let port = (port, Field::Reg(tables::INPORT));
            let arguments = self.arguments(&[port, address, (mac, Field::EthSrc)])?;
            self.save(&arguments);
            self.out.push(clear);
            self.resubmit(tables::MAC_LOOKUP);
            self.answer(flag::LOOKUP_MAC, target)?;
            self.restore(&arguments);
            return Ok(());
        }
        // Without a MAC, the table that resolves says whether it could; what it resolved to is not
        // wanted.
        let arguments = self.arguments(&[(port, Field::Reg(tables::OUTPORT)), address])?;
        let resolved = Field::EthDst.whole();
        self.save(&arguments);
        self.out.extend([Action::Push(resolved), clear]);
        self.resubmit(tables::MAC_BINDING);
        self.answer(flag::LOOKUP_MAC, target)?;
        self.out.push(Action::Pop(resolved));
        self.restore(&arguments);
        Ok(())
    }

    fn get_fdb(&mut self, target: &Slice, mac: &Slice) -> Result<(), Trouble> {
        let outport = Field::Reg(tables::OUTPORT);
        let arguments = self.arguments(&[(mac, Field::EthDst)])?;
        let target = subfield(target)?;
        self.save(&arguments);
        self.out.push(Action::set_field(outport, 0u32));
        self.resubmit(tables::GET_FDB);
        self.restore(&arguments);
        if target != outport.whole() {
            self.out.push(Action::mov(outport, target));
        }
        Ok(())
    }
}

/// Where neighbour tables look for the address.
fn address_register(family: Family) -> Field {
    match family {
        Family::V4 => Field::Reg(0),
        Family::V6 => Field::XxReg(0),
    }
}

fn nat(kind: NatKind, target: Option<&logic::NatTarget>) -> Nat {
    let Some(target) = target else {
        return Nat::default();
    };
    let direction = match kind {
        NatKind::Dnat | NatKind::DnatInCommonZone => NatDirection::Destination,
        NatKind::Snat | NatKind::SnatInCommonZone => NatDirection::Source,
    };
    Nat {
        direction: Some(direction),
        range: Some(range(target.address)),
        ports: target.ports,
        ..Nat::default()
    }
}

pub(super) fn range(address: IpAddr) -> NatRange {
    match address {
        IpAddr::V4(address) => NatRange::V4(address, None),
        IpAddr::V6(address) => NatRange::V6(address, None),
    }
}

/// What a load-balanced connection is marked with: translated, and how its source is treated.
fn lb_marks(kind: LbKind, flag: Option<LbFlag>) -> Vec<Action> {
    let field = if kind == LbKind::Label {
        Field::CtLabel
    } else {
        Field::CtMark
    };
    let bit = |bit: u16| Action::load(1u8, field.slice(bit, 1));
    let flag = flag.map(|flag| match flag {
        LbFlag::SkipSnat => bit(2),
        LbFlag::ForceSnat => bit(3),
    });
    [bit(1)].into_iter().chain(flag).collect()
}
