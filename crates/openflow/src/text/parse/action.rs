//! Actions.

use super::field::{field, ipv4, subfield};
use super::lexer::{Item, Joint, Text};
use super::words::field_of;
use super::{MAX_DEPTH, Parser, Result, encap, large, learn};
use crate::action::{Action, Actions, rank};
use crate::field::{Field, FieldValue, ones};
use crate::port::Port;

/// Reads actions one inside another.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) parser: Parser<'a>,
    depth: usize,
    /// Whether the packet has a VLAN header for certain.
    vlan: bool,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(parser: Parser<'a>, vlan: bool) -> Self {
        Self {
            parser,
            depth: 0,
            vlan,
        }
    }

    /// Reads the actions of a flow.
    pub(super) fn flow(self, text: Text<'a>) -> Result<Actions> {
        Actions::build(|out| self.all(text, &mut |action| out.push(action)))
    }

    /// Reads a list. `drop` stands alone.
    fn all(mut self, text: Text<'a>, out: &mut dyn FnMut(Action)) -> Result<()> {
        let mut dropped = None;
        let mut count = 0;
        for item in text.items() {
            let item = item?;
            count += 1;
            if item.key.str() == "drop" {
                item.bare()?;
                dropped = Some(item);
            } else {
                self.one(&item, out)?;
            }
        }
        match dropped {
            Some(item) if count > 1 => Err(item.error("no other action beside drop")),
            _ => Ok(()),
        }
    }

    /// Reads a list that stands inside an action.
    pub(super) fn nested(mut self, text: Text<'a>) -> Result<Vec<Action>> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(text.error("actions that are nested less deeply"));
        }
        self.vec(text)
    }

    /// Reads a list, as a vector.
    pub(super) fn vec(self, text: Text<'a>) -> Result<Vec<Action>> {
        let mut out = Vec::new();
        self.all(text, &mut |action| out.push(action))?;
        out.sort_by_key(rank);
        Ok(out)
    }

    fn one(&mut self, item: &Item<'a>, out: &mut dyn FnMut(Action)) -> Result<()> {
        // The commonest first.
        let done = match self.argument(item)? {
            Some(action) => Some(action),
            None => simple(item)?,
        };
        if let Some(action) = done {
            match action {
                Action::PushVlan(_) => self.vlan = true,
                Action::PopVlan => self.vlan = false,
                _ => {}
            }
            out(action);
            return Ok(());
        }
        self.several(item, out)
    }

    /// Actions that this version of OpenFlow says with others, and ports alone.
    fn several(&mut self, item: &Item<'a>, out: &mut dyn FnMut(Action)) -> Result<()> {
        let value = item.value;
        match item.key.str() {
            "enqueue" => {
                let (port, queue) = value
                    .split(":")
                    .or_else(|| value.split(","))
                    .ok_or_else(|| value.error("port:queue"))?;
                out(Action::SetQueue(queue.trim().u32()?));
                out(Action::output(self.parser.port(port.trim())?));
                out(Action::PopQueue);
            }
            "mod_vlan_vid" | "set_vlan_vid" => {
                let vid = value.number(0xfff)?;
                self.vlan_header(out);
                out(Action::set_field(Field::VlanVid, 0x1000 | vid));
            }
            "mod_vlan_pcp" | "set_vlan_pcp" => {
                let pcp = value.number(7)?;
                self.vlan_header(out);
                out(Action::set_field(Field::VlanPcp, pcp));
            }
            name => {
                let port = self.parser.known_port(name);
                let port = port.filter(|_| item.joint == Joint::None);
                let port = port.ok_or_else(|| item.error("an action"))?;
                out(Action::output(port));
            }
        }
        Ok(())
    }

    fn vlan_header(&mut self, out: &mut dyn FnMut(Action)) {
        if !self.vlan {
            out(Action::PushVlan(0x8100));
            self.vlan = true;
        }
    }

    /// Actions with arguments.
    fn argument(&self, item: &Item<'a>) -> Result<Option<Action>> {
        let value = item.value;
        Ok(Some(match item.key.str() {
            "output" => self.output(item)?,
            "controller" | "CONTROLLER" => large::controller(item)?,
            "resubmit" => self.resubmit(item)?,
            "set_field" => self.set_field(value)?,
            "load" => load(value)?,
            "move" => mov(value)?,
            "push" => Action::Push(subfield(value)?),
            "pop" => Action::Pop(subfield(value)?),
            "ct" => large::ct(*self, item)?,
            "nat" => large::nat(item)?,
            "encap" => encap::encap(value)?,
            "decap" => encap::decap(value)?,
            "clone" => Action::Clone(self.nested(value)?),
            "write_actions" => Action::WriteActions(self.nested(value)?),
            "learn" => learn::learn(self.parser, value)?,
            "sample" => large::sample(self.parser, value)?,
            "bundle" => large::bundle(self.parser, value, false)?,
            "bundle_load" => large::bundle(self.parser, value, true)?,
            "multipath" => large::multipath(value)?,
            "mod_dl_src" => self.set(Field::EthSrc, value)?,
            "mod_dl_dst" => self.set(Field::EthDst, value)?,
            "mod_nw_src" => Action::set_field(Field::IpSrc, ipv4(value)?),
            "mod_nw_dst" => Action::set_field(Field::IpDst, ipv4(value)?),
            "mod_nw_tos" => Action::set_field(Field::IpDscp, value.number(255)? >> 2),
            "mod_nw_ecn" => self.set(Field::IpEcn, value)?,
            "mod_nw_ttl" => self.set(Field::IpTtl, value)?,
            "mod_tp_src" => self.set(Field::TcpSrc, value)?,
            "mod_tp_dst" => self.set(Field::TcpDst, value)?,
            "set_mpls_label" => self.set(Field::MplsLabel, value)?,
            "set_mpls_tc" => self.set(Field::MplsTc, value)?,
            "set_mpls_ttl" => self.set(Field::MplsTtl, value)?,
            "set_tunnel" | "set_tunnel64" => Action::set_tunnel(value.u64()?),
            _ => return Ok(None),
        }))
    }

    fn set(&self, field: Field, value: Text<'_>) -> Result<Action> {
        self.parser.value(field, value).map(Action::SetField)
    }

    fn output(&self, item: &Item<'a>) -> Result<Action> {
        let value = item.value;
        if item.joint == Joint::Parentheses {
            let (mut port, mut max_len) = (None, None);
            for argument in value.items() {
                let argument = argument?;
                match argument.key.str() {
                    "port" => port = Some(self.parser.port(argument.value)?),
                    "max_len" => max_len = Some(argument.value.u32()?),
                    _ => return Err(argument.error("port or max_len")),
                }
            }
            let missing = || value.error("port=..,max_len=..");
            return Ok(Action::OutputTrunc {
                port: port.ok_or_else(missing)?,
                max_len: max_len.ok_or_else(missing)?,
            });
        }
        if let Some(port) = self.parser.known_port(value.str()) {
            return Ok(Action::output(port));
        }
        let source = subfield(value).map_err(|error| match field_of(value.str()) {
            None if !value.str().contains('[') => value.error("a port or a field"),
            _ => error,
        })?;
        Ok(Action::OutputReg {
            source,
            max_len: u16::MAX,
        })
    }

    fn resubmit(&self, item: &Item<'a>) -> Result<Action> {
        if item.joint != Joint::Parentheses {
            return Ok(Action::Resubmit {
                in_port: Some(self.parser.port(item.value)?),
                table: None,
                ct: false,
            });
        }
        let mut parts = item.value.pieces();
        let mut optional = || parts.next().filter(|part| !part.is_empty());
        let in_port = optional()
            .map(|text| self.parser.port(text))
            .transpose()?
            .filter(|port| *port != Port::IN_PORT);
        // The number that is no table means the current one.
        let table = optional().map(Text::u8).transpose()?.filter(|t| *t != 255);
        let ct = match optional() {
            Some(text) if text.str() == "ct" => true,
            Some(text) => return Err(text.error("ct")),
            None => false,
        };
        if parts.next().is_some() {
            return Err(item.value.error("(port,table,ct)"));
        }
        Ok(Action::Resubmit { in_port, table, ct })
    }

    fn set_field(&self, value: Text<'a>) -> Result<Action> {
        let (value, name) = value
            .split_last("->")
            .ok_or_else(|| value.error("value->field"))?;
        let field = field(name)?;
        if !field.info().writable {
            return Err(name.error("a field that can be written"));
        }
        self.set(field, value)
    }
}

/// Actions that contain none, no ports and no fields' values.
fn simple(item: &Item<'_>) -> Result<Option<Action>> {
    let value = item.value;
    let bare = match item.key.str() {
        "strip_vlan" | "pop_vlan" => Some(Action::PopVlan),
        "dec_mpls_ttl" => Some(Action::DecMplsTtl),
        "dec_nsh_ttl" => Some(Action::DecNshTtl),
        "ct_clear" => Some(Action::CtClear),
        "pop_queue" => Some(Action::PopQueue),
        "exit" => Some(Action::Exit),
        "clear_actions" => Some(Action::ClearActions),
        "dec_ttl" if item.joint == Joint::None => Some(Action::DecTtl),
        _ => None,
    };
    if bare.is_some() {
        item.bare()?;
        return Ok(bare);
    }
    Ok(Some(match item.key.str() {
        "dec_ttl" => {
            let ids = value.pieces().map(Text::u16);
            Action::DecTtlTo(ids.collect::<Result<_>>()?)
        }
        "push_vlan" => Action::PushVlan(value.u16()?),
        "push_mpls" => Action::PushMpls(value.u16()?),
        "pop_mpls" => Action::PopMpls(value.u16()?),
        "group" => Action::Group(value.u32()?),
        "meter" => Action::Meter(value.u32()?),
        "set_queue" => Action::SetQueue(value.u32()?),
        "note" => Action::Note(value.bytes()?),
        "unknown" => Action::Unknown(value.bytes()?.into()),
        "unknown_instruction" => Action::UnknownInstruction(value.bytes()?.into()),
        "goto_table" => Action::GotoTable(value.u8()?),
        "delete_field" => Action::DeleteField(field(value)?),
        "conjunction" => conjunction(value)?,
        "check_pkt_larger" => Action::CheckPktLarger {
            len: value.u16()?,
            destination: subfield(item.target.ok_or_else(|| value.end().error("->field"))?)?,
        },
        "fin_timeout" => fin_timeout(value)?,
        "write_metadata" => write_metadata(value)?,
        _ => return Ok(None),
    }))
}

fn load(value: Text<'_>) -> Result<Action> {
    let (value, destination) = value
        .split_last("->")
        .ok_or_else(|| value.error("value->field"))?;
    let field = subfield(destination)?;
    if !field.field.info().writable {
        return Err(destination.error("a field that can be written"));
    }
    let number = value.number(ones(field.bits.into()))?;
    let shifted = number.checked_shl(field.offset.into()).unwrap_or(0);
    Ok(Action::SetField(FieldValue::masked(
        field.field,
        shifted,
        field.mask(),
    )))
}

fn mov(value: Text<'_>) -> Result<Action> {
    let (source, destination) = value
        .split_last("->")
        .ok_or_else(|| value.error("field->field"))?;
    let (from, to) = (subfield(source)?, subfield(destination)?);
    if from.bits != to.bits {
        return Err(destination.error(format!("{} bits, as many as the source has", from.bits)));
    }
    Ok(Action::mov(from, to))
}

fn conjunction(value: Text<'_>) -> Result<Action> {
    let form = || value.error("(id,clause/clauses)");
    let (id, clauses) = value.split(",").ok_or_else(form)?;
    let (clause, clauses) = clauses.split("/").ok_or_else(form)?;
    let number = clause.trim().number(256)?;
    let place = number
        .checked_sub(1)
        .ok_or_else(|| clause.error("a clause counted from 1"))?;
    Ok(Action::Conjunction {
        id: id.trim().u32()?,
        clause: place as u8,
        clauses: clauses.trim().u8()?,
    })
}

fn fin_timeout(value: Text<'_>) -> Result<Action> {
    let (mut idle, mut hard) = (0, 0);
    for item in value.items() {
        let item = item?;
        match item.key.str() {
            "idle_timeout" => idle = item.value.u16()?,
            "hard_timeout" => hard = item.value.u16()?,
            _ => return Err(item.error("idle_timeout or hard_timeout")),
        }
    }
    Ok(Action::FinTimeout { idle, hard })
}

fn write_metadata(value: Text<'_>) -> Result<Action> {
    let (value, mask) = match value.split("/") {
        Some((value, mask)) => (value.u64()?, mask.u64()?),
        None => (value.u64()?, u64::MAX),
    };
    Ok(Action::WriteMetadata { value, mask })
}
