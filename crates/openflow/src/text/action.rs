//! Actions as text.

use std::fmt::{self, Display};
use std::net::IpAddr;

use super::{Bytes, Dec, Hex, List, Parts, Value};
use crate::action::{
    Action, Actions, Bundle, BundleAlgorithm, Controller, Ct, CtZone, Encap, EncapProperty,
    HashFields, Header, Learn, LearnSource, LearnSpec, LearnTarget, Multipath, Nat, NatDirection,
    NatRange, Observation, Sample,
};
use crate::field::FieldValue;
use crate::message::REASONS;
use crate::port::Port;

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output { port, max_len } => output(f, *port, *max_len),
            Self::OutputTrunc { port, max_len } => {
                write!(f, "output(port={port},max_len={max_len})")
            }
            Self::OutputReg { source, .. } => write!(f, "output:{source}"),
            Self::Controller(controller) => controller.fmt(f),
            Self::Resubmit { in_port, table, ct } => resubmit(f, *in_port, *table, *ct),
            Self::SetField(value) => {
                f.write_str("set_field:")?;
                Value(value).fmt(f)?;
                f.write_str("->")?;
                value.field().fmt(f)
            }
            Self::Move {
                source,
                destination,
            } => write!(f, "move:{source}->{destination}"),
            Self::Push(field) => write!(f, "push:{field}"),
            Self::Pop(field) => write!(f, "pop:{field}"),
            Self::PushVlan(eth_type) => write!(f, "push_vlan:{eth_type:#x}"),
            Self::PopVlan => f.write_str("pop_vlan"),
            Self::PushMpls(eth_type) => write!(f, "push_mpls:{eth_type:#06x}"),
            Self::PopMpls(eth_type) => write!(f, "pop_mpls:{eth_type:#06x}"),
            Self::DecMplsTtl => f.write_str("dec_mpls_ttl"),
            Self::DecTtl => f.write_str("dec_ttl"),
            Self::DecTtlTo(ids) => write!(f, "dec_ttl({})", List(ids)),
            Self::Ct(ct) => ct.fmt(f),
            Self::CtClear => f.write_str("ct_clear"),
            Self::Nat(nat) => nat.fmt(f),
            Self::Clone(actions) => write!(f, "clone({})", ActionList(actions)),
            Self::Learn(learn) => write!(f, "{learn}"),
            Self::Conjunction {
                id,
                clause,
                clauses,
            } => {
                write!(f, "conjunction({id},{}/{clauses})", u16::from(*clause) + 1)
            }
            Self::Group(group) => write!(f, "group:{group}"),
            Self::Meter(meter) => write!(f, "meter:{meter}"),
            Self::SetQueue(queue) => write!(f, "set_queue:{queue}"),
            Self::PopQueue => f.write_str("pop_queue"),
            Self::Note(note) => write!(f, "note:{}", Bytes(note)),
            Self::Sample(sample) => write!(f, "{sample}"),
            Self::CheckPktLarger { len, destination } => {
                write!(f, "check_pkt_larger({len})->{destination}")
            }
            Self::Bundle(bundle) => write!(f, "{bundle}"),
            Self::Multipath(multipath) => write!(f, "{multipath}"),
            Self::Exit => f.write_str("exit"),
            Self::FinTimeout { idle, hard } => fin_timeout(f, *idle, *hard),
            Self::DeleteField(field) => write!(f, "delete_field:{field}"),
            Self::DecNshTtl => f.write_str("dec_nsh_ttl"),
            Self::Encap(encap) => write!(f, "{encap}"),
            Self::Decap(None) => f.write_str("decap()"),
            Self::Decap(Some(kind)) => write!(
                f,
                "decap(packet_type(ns={},type={:#x}))",
                kind >> 16,
                kind & 0xffff
            ),
            Self::ModVlanVid(vid) => write!(f, "mod_vlan_vid:{vid}"),
            Self::ModVlanPcp(pcp) => write!(f, "mod_vlan_pcp:{pcp}"),
            Self::ClearActions => f.write_str("clear_actions"),
            Self::WriteActions(actions) => write!(f, "write_actions({})", ActionList(actions)),
            Self::WriteMetadata {
                value,
                mask: u64::MAX,
            } => {
                write!(f, "write_metadata:{}", Hex::from(*value))
            }
            Self::WriteMetadata { value, mask } => {
                write!(
                    f,
                    "write_metadata:{}/{}",
                    Hex::from(*value),
                    Hex::from(*mask)
                )
            }
            Self::GotoTable(table) => write!(f, "goto_table:{table}"),
            Self::Unknown(bytes) => write!(f, "unknown:{}", Bytes(bytes)),
            Self::UnknownInstruction(bytes) => write!(f, "unknown_instruction:{}", Bytes(bytes)),
        }
    }
}

/// A list of actions; none means drop.
pub(super) struct ActionList<'a>(pub(super) &'a [Action]);

impl fmt::Display for ActionList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            f.write_str("drop")
        } else {
            List(self.0).fmt(f)
        }
    }
}

impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("drop");
        }
        for (n, action) in self.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            action.fmt(f)?;
        }
        Ok(())
    }
}

fn output(f: &mut fmt::Formatter<'_>, port: Port, max_len: u16) -> fmt::Result {
    if port == Port::CONTROLLER {
        write!(f, "CONTROLLER:{max_len}")
    } else if port.reserved_name().is_some() {
        write!(f, "{port}")
    } else {
        f.write_str("output:")?;
        Dec(port.0.into()).fmt(f)
    }
}

fn resubmit(
    f: &mut fmt::Formatter<'_>,
    in_port: Option<Port>,
    table: Option<u8>,
    ct: bool,
) -> fmt::Result {
    match (in_port, table) {
        (Some(port), None) => write!(f, "resubmit:{port}"),
        _ => {
            f.write_str("resubmit(")?;
            if let Some(port) = in_port {
                write!(f, "{port}")?;
            }
            f.write_str(",")?;
            if let Some(table) = table {
                Dec(table.into()).fmt(f)?;
            }
            f.write_str(if ct { ",ct)" } else { ")" })
        }
    }
}

fn fin_timeout(f: &mut fmt::Formatter<'_>, idle: u16, hard: u16) -> fmt::Result {
    f.write_str("fin_timeout(")?;
    let mut parts = Parts::new(f);
    if idle != 0 {
        parts.push(format_args!("idle_timeout={idle}"))?;
    }
    if hard != 0 {
        parts.push(format_args!("hard_timeout={hard}"))?;
    }
    f.write_str(")")
}

impl fmt::Display for Encap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("encap(")?;
        match self.header {
            Header::Ethernet => f.write_str("ethernet")?,
            Header::Nsh => f.write_str("nsh")?,
            Header::Mpls => f.write_str("mpls")?,
            Header::MplsMulticast => f.write_str("mpls_mc")?,
            Header::Unknown(kind) => {
                write!(
                    f,
                    "packet_type(ns={},type={:#x})",
                    kind >> 16,
                    kind & 0xffff
                )?;
            }
        }
        if !self.properties.is_empty() {
            write!(f, "({})", List(&self.properties))?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for EncapProperty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NshMdType(md_type) => write!(f, "md_type={md_type}"),
            Self::NshTlv { class, kind, value } => {
                write!(f, "tlv({class:#06x},{kind},0x")?;
                value.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str(")")
            }
            Self::Unknown { class, kind, value } => {
                write!(f, "property({class:#06x},{kind},0x")?;
                value.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str(")")
            }
        }
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = Self {
            max_len: self.max_len,
            ..Self::default()
        };
        if *self == default {
            return write!(f, "CONTROLLER:{}", self.max_len);
        }
        f.write_str("controller(")?;
        let mut parts = Parts::new(f);
        if self.reason != default.reason {
            match REASONS.get(usize::from(self.reason)) {
                Some(reason) => parts.push(format_args!("reason={reason}"))?,
                None => parts.push(format_args!("reason={}", self.reason))?,
            }
        }
        if self.max_len != u16::MAX {
            parts.push(format_args!("max_len={}", self.max_len))?;
        }
        if self.controller_id != 0 {
            parts.push(format_args!("id={}", self.controller_id))?;
        }
        if !self.userdata.is_empty() {
            parts.push(format_args!("userdata={}", Bytes(&self.userdata)))?;
        }
        if self.pause {
            parts.push("pause")?;
        }
        if let Some(meter) = self.meter_id {
            parts.push(format_args!("meter_id={meter}"))?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for Ct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ct(")?;
        let mut parts = Parts::new(f);
        if self.commit {
            parts.push("commit")?;
        }
        if self.force {
            parts.push("force")?;
        }
        if let Some(table) = self.table {
            parts.push(format_args!("table={table}"))?;
        }
        match self.zone {
            CtZone::Immediate(0) => {}
            CtZone::Immediate(zone) => parts.push(format_args!("zone={zone}"))?,
            CtZone::Field(field) => parts.push(format_args!("zone={field}"))?,
        }
        let mut actions = self.actions.as_slice();
        if let [nat @ Action::Nat(_), rest @ ..] = actions {
            parts.push(nat)?;
            actions = rest;
        }
        if !actions.is_empty() {
            parts.push(format_args!("exec({})", List(actions)))?;
        }
        match self.alg {
            0 => {}
            21 => parts.push("alg=ftp")?,
            69 => parts.push("alg=tftp")?,
            alg => parts.push(format_args!("alg={alg}"))?,
        }
        f.write_str(")")
    }
}

impl fmt::Display for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(direction) = self.direction else {
            return f.write_str("nat");
        };
        f.write_str(match direction {
            NatDirection::Source => "nat(src",
            NatDirection::Destination => "nat(dst",
        })?;
        let (min, max): (IpAddr, Option<IpAddr>) = match self.range {
            Some(NatRange::V4(min, max)) => (min.into(), max.map(Into::into)),
            Some(NatRange::V6(min, max)) => (min.into(), max.map(Into::into)),
            None => return f.write_str(")"),
        };
        let bracket = min.is_ipv6() && self.ports.is_some();
        let address = |f: &mut fmt::Formatter<'_>, before: &str, address: IpAddr| match bracket {
            true => write!(f, "{before}[{address}]"),
            false => write!(f, "{before}{address}"),
        };
        address(f, "=", min)?;
        if let Some(max) = max.filter(|max| *max != min) {
            address(f, "-", max)?;
        }
        if let Some((min, max)) = self.ports {
            write!(f, ":{min}")?;
            if let Some(max) = max.filter(|max| *max != min) {
                write!(f, "-{max}")?;
            }
        }
        for (set, name) in [
            (self.persistent, "persistent"),
            (self.hash, "hash"),
            (self.random, "random"),
        ] {
            if set {
                write!(f, ",{name}")?;
            }
        }
        f.write_str(")")
    }
}

impl fmt::Display for Learn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "learn(table={}", self.table)?;
        for (name, value) in [
            ("idle_timeout", self.idle_timeout),
            ("hard_timeout", self.hard_timeout),
            ("fin_idle_timeout", self.fin_idle_timeout),
            ("fin_hard_timeout", self.fin_hard_timeout),
        ] {
            if value != 0 {
                write!(f, ",{name}={value}")?;
            }
        }
        if self.priority != 0x8000 {
            write!(f, ",priority={}", self.priority)?;
        }
        if self.send_flow_rem {
            f.write_str(",send_flow_rem")?;
        }
        if self.delete_learned {
            f.write_str(",delete_learned")?;
        }
        if self.cookie != 0 {
            write!(f, ",cookie={}", Hex::from(self.cookie))?;
        }
        if self.limit != 0 {
            write!(f, ",limit={}", self.limit)?;
        }
        if let Some(result) = self.result {
            write!(f, ",result_dst={result}")?;
        }
        for spec in &self.specs {
            write!(f, ",{spec}")?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for LearnSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.target, &self.source) {
            (LearnTarget::Match(field), LearnSource::Value(value)) if field.is_whole() => {
                write!(
                    f,
                    "{}={}",
                    field.field,
                    Value(&FieldValue::exact(field.field, *value))
                )
            }
            (LearnTarget::Match(field), LearnSource::Value(value)) => {
                write!(f, "{field}={}", Hex(*value))
            }
            (LearnTarget::Match(field), LearnSource::Field(source)) if field == source => {
                write!(f, "{field}")
            }
            (LearnTarget::Match(field), LearnSource::Field(source)) => {
                write!(f, "{field}={source}")
            }
            (LearnTarget::Load(field), LearnSource::Value(value)) => {
                write!(f, "load:{}->{field}", Hex(*value))
            }
            (LearnTarget::Load(field), LearnSource::Field(source)) => {
                write!(f, "load:{source}->{field}")
            }
            (LearnTarget::Output, LearnSource::Field(source)) => write!(f, "output:{source}"),
            (LearnTarget::Output, LearnSource::Value(value)) => write!(f, "output:{value}"),
        }
    }
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => Dec((*value).into()).fmt(f),
            Self::Field(field) => field.fmt(f),
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sample(probability={},collector_set_id={},obs_domain_id={},obs_point_id={}",
            self.probability, self.collector_set, self.domain, self.point
        )?;
        if let Some(port) = self.port {
            write!(f, ",sampling_port={port}")?;
        }
        f.write_str(match self.direction {
            1 => ",ingress)",
            2 => ",egress)",
            _ => ")",
        })
    }
}

impl fmt::Display for HashFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAMES.get(usize::from(self.0)).unwrap_or(&"<unknown>"))
    }
}

impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = match self.algorithm {
            BundleAlgorithm::ActiveBackup => "active_backup",
            BundleAlgorithm::Hrw => "hrw",
            BundleAlgorithm::Unknown(_) => "<unknown>",
        };
        let name = if self.destination.is_some() {
            "bundle_load"
        } else {
            "bundle"
        };
        write!(
            f,
            "{name}({},{},{algorithm},ofport,",
            self.fields, self.basis
        )?;
        if let Some(destination) = self.destination {
            write!(f, "{destination},")?;
        }
        write!(f, "members:{})", List(&self.members))
    }
}

/// How a link is chosen, by number.
pub(super) const MULTIPATH: [&str; 4] = ["modulo_n", "hash_threshold", "hrw", "iter_hash"];

impl fmt::Display for Multipath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = MULTIPATH
            .get(usize::from(self.algorithm))
            .unwrap_or(&"<unknown>");
        let links = u32::from(self.max_link) + 1;
        let Self {
            fields,
            basis,
            argument,
            destination,
            ..
        } = self;
        write!(
            f,
            "multipath({fields},{basis},{algorithm},{links},{argument},{destination})"
        )
    }
}
