//! Actions as text.

use super::{Bytes, Dec, Hex, List, Parts, Say, Value, put};
use crate::action::{Action, Actions, Iter};
use crate::port::Port;

impl Say for Action {
    fn say(&self, out: &mut String) {
        match self {
            Self::Output { port, max_len } => output(out, *port, *max_len),
            Self::OutputTrunc { port, max_len } => {
                put!(out, "output(port={port},max_len={max_len})");
            }
            Self::OutputReg { source, .. } => put!(out, "output:{source}"),
            Self::Controller(controller) => controller.say(out),
            Self::Resubmit { in_port, table, ct } => resubmit(out, *in_port, *table, *ct),
            Self::SetField(value) => {
                out.push_str("set_field:");
                Value(value).say(out);
                out.push_str("->");
                value.field().say(out);
            }
            Self::Move {
                source,
                destination,
            } => {
                out.push_str("move:");
                source.say(out);
                out.push_str("->");
                destination.say(out);
            }
            Self::Push(field) => put!(out, "push:{field}"),
            Self::Pop(field) => put!(out, "pop:{field}"),
            Self::PushVlan(eth_type) => put!(out, "push_vlan:{eth_type:#x}"),
            Self::PopVlan => out.push_str("pop_vlan"),
            Self::PushMpls(eth_type) => put!(out, "push_mpls:{eth_type:#06x}"),
            Self::PopMpls(eth_type) => put!(out, "pop_mpls:{eth_type:#06x}"),
            Self::DecMplsTtl => out.push_str("dec_mpls_ttl"),
            Self::DecTtl => out.push_str("dec_ttl"),
            Self::DecTtlTo(ids) => put!(out, "dec_ttl({})", List(ids)),
            Self::Ct(ct) => ct.say(out),
            Self::CtClear => out.push_str("ct_clear"),
            Self::Nat(nat) => nat.say(out),
            Self::Clone(actions) => put!(out, "clone({})", ActionList(actions)),
            Self::Learn(learn) => learn.say(out),
            Self::Conjunction {
                id,
                clause,
                clauses,
            } => {
                put!(
                    out,
                    "conjunction({id},{}/{clauses})",
                    u16::from(*clause) + 1
                );
            }
            Self::Group(group) => put!(out, "group:{group}"),
            Self::Meter(meter) => put!(out, "meter:{meter}"),
            Self::SetQueue(queue) => put!(out, "set_queue:{queue}"),
            Self::PopQueue => out.push_str("pop_queue"),
            Self::Note(note) => put!(out, "note:{}", Bytes(note)),
            Self::Sample(sample) => sample.say(out),
            Self::CheckPktLarger { len, destination } => {
                put!(out, "check_pkt_larger({len})->{destination}");
            }
            Self::Bundle(bundle) => bundle.say(out),
            Self::Multipath(multipath) => multipath.say(out),
            Self::Exit => out.push_str("exit"),
            Self::FinTimeout { idle, hard } => fin_timeout(out, *idle, *hard),
            Self::DeleteField(field) => put!(out, "delete_field:{field}"),
            Self::DecNshTtl => out.push_str("dec_nsh_ttl"),
            Self::Encap(encap) => encap.say(out),
            Self::Decap(None) => out.push_str("decap()"),
            Self::Decap(Some(kind)) => put!(
                out,
                "decap(packet_type(ns={},type={:#x}))",
                kind >> 16,
                kind & 0xffff
            ),
            Self::ModVlanVid(vid) => put!(out, "mod_vlan_vid:{vid}"),
            Self::ModVlanPcp(pcp) => put!(out, "mod_vlan_pcp:{pcp}"),
            Self::ClearActions => out.push_str("clear_actions"),
            Self::WriteActions(actions) => put!(out, "write_actions({})", ActionList(actions)),
            Self::WriteMetadata {
                value,
                mask: u64::MAX,
            } => {
                put!(out, "write_metadata:{}", Hex::from(*value));
            }
            Self::WriteMetadata { value, mask } => {
                put!(
                    out,
                    "write_metadata:{}/{}",
                    Hex::from(*value),
                    Hex::from(*mask)
                );
            }
            Self::GotoTable(table) => put!(out, "goto_table:{table}"),
            Self::Unknown(bytes) => put!(out, "unknown:{}", Bytes(bytes)),
            Self::UnknownInstruction(bytes) => put!(out, "unknown_instruction:{}", Bytes(bytes)),
        }
    }
}

/// A list of actions; none means drop.
pub(super) struct ActionList<'a>(pub(super) &'a [Action]);

impl Say for ActionList<'_> {
    fn say(&self, out: &mut String) {
        if self.0.is_empty() {
            out.push_str("drop");
        } else {
            List(self.0).say(out);
        }
    }
}

impl Say for Actions {
    fn say(&self, out: &mut String) {
        write_actions(out, self.iter());
    }
}

/// Writes what a flow does; nothing means drop.
pub(super) fn write_actions(out: &mut String, actions: Iter<'_>) {
    let mut any = false;
    for action in actions {
        if std::mem::replace(&mut any, true) {
            out.push(',');
        }
        action.say(out);
    }
    if !any {
        out.push_str("drop");
    }
}

fn output(out: &mut String, port: Port, max_len: u16) {
    if port == Port::CONTROLLER {
        put!(out, "CONTROLLER:{max_len}");
    } else if port.reserved_name().is_some() {
        port.say(out);
    } else {
        out.push_str("output:");
        Dec(port.0.into()).say(out);
    }
}

fn resubmit(out: &mut String, in_port: Option<Port>, table: Option<u8>, ct: bool) {
    match (in_port, table) {
        (Some(port), None) => put!(out, "resubmit:{port}"),
        _ => {
            out.push_str("resubmit(");
            if let Some(port) = in_port {
                port.say(out);
            }
            out.push(',');
            if let Some(table) = table {
                Dec(table.into()).say(out);
            }
            out.push_str(if ct { ",ct)" } else { ")" });
        }
    }
}

fn fin_timeout(out: &mut String, idle: u16, hard: u16) {
    out.push_str("fin_timeout(");
    let mut parts = Parts::new(out);
    if idle != 0 {
        parts.push(format_args!("idle_timeout={idle}"));
    }
    if hard != 0 {
        parts.push(format_args!("hard_timeout={hard}"));
    }
    out.push(')');
}
