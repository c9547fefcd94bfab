//! The arguments of the larger actions as text.

use std::net::IpAddr;

use super::{Bytes, Dec, Hex, Ip, List, Parts, Say, Value, put};
use crate::action::{
    Action, Bundle, BundleAlgorithm, Controller, Ct, CtZone, Encap, EncapProperty, HashFields,
    Header, Learn, LearnSource, LearnSpec, LearnTarget, Multipath, Nat, NatDirection, NatRange,
    Observation, Sample,
};
use crate::field::FieldValue;
use crate::message::REASONS;

impl Say for Encap {
    fn say(&self, out: &mut String) {
        out.push_str("encap(");
        match self.header {
            Header::Ethernet => out.push_str("ethernet"),
            Header::Nsh => out.push_str("nsh"),
            Header::Mpls => out.push_str("mpls"),
            Header::MplsMulticast => out.push_str("mpls_mc"),
            Header::Unknown(kind) => {
                put!(
                    out,
                    "packet_type(ns={},type={:#x})",
                    kind >> 16,
                    kind & 0xffff
                );
            }
        }
        if !self.properties.is_empty() {
            put!(out, "({})", List(&self.properties));
        }
        out.push(')');
    }
}

impl Say for EncapProperty {
    fn say(&self, out: &mut String) {
        match self {
            Self::NshMdType(md_type) => put!(out, "md_type={md_type}"),
            Self::NshTlv { class, kind, value } => {
                put!(out, "tlv({class:#06x},{kind},0x");
                value.iter().for_each(|byte| put!(out, "{byte:02x}"));
                out.push(')');
            }
            Self::Unknown { class, kind, value } => {
                put!(out, "property({class:#06x},{kind},0x");
                value.iter().for_each(|byte| put!(out, "{byte:02x}"));
                out.push(')');
            }
        }
    }
}

impl Say for Controller {
    fn say(&self, out: &mut String) {
        let default = Self {
            max_len: self.max_len,
            ..Self::default()
        };
        if *self == default {
            return put!(out, "CONTROLLER:{}", self.max_len);
        }
        out.push_str("controller(");
        let mut parts = Parts::new(out);
        if self.reason != default.reason {
            match REASONS.get(usize::from(self.reason)) {
                Some(reason) => parts.push(format_args!("reason={reason}")),
                None => parts.push(format_args!("reason={}", self.reason)),
            }
        }
        if self.max_len != u16::MAX {
            parts.push(format_args!("max_len={}", self.max_len));
        }
        if self.controller_id != 0 {
            parts.push(format_args!("id={}", self.controller_id));
        }
        if !self.userdata.is_empty() {
            parts.push(format_args!("userdata={}", Bytes(&self.userdata)));
        }
        if self.pause {
            parts.push("pause");
        }
        if let Some(meter) = self.meter_id {
            parts.push(format_args!("meter_id={meter}"));
        }
        out.push(')');
    }
}

impl Say for Ct {
    fn say(&self, out: &mut String) {
        out.push_str("ct(");
        let mut parts = Parts::new(out);
        if self.commit {
            parts.push("commit");
        }
        if self.force {
            parts.push("force");
        }
        if let Some(table) = self.table {
            parts.named("table=", Dec(table.into()));
        }
        match self.zone {
            CtZone::Immediate(0) => {}
            CtZone::Immediate(zone) => parts.named("zone=", Dec(zone.into())),
            CtZone::Field(field) => parts.named("zone=", field),
        }
        let mut actions = self.actions.as_slice();
        if let [nat @ Action::Nat(_), rest @ ..] = actions {
            parts.push(nat);
            actions = rest;
        }
        if !actions.is_empty() {
            parts.push(format_args!("exec({})", List(actions)));
        }
        match self.alg {
            0 => {}
            21 => parts.push("alg=ftp"),
            69 => parts.push("alg=tftp"),
            alg => parts.push(format_args!("alg={alg}")),
        }
        out.push(')');
    }
}

impl Say for Nat {
    fn say(&self, out: &mut String) {
        let Some(direction) = self.direction else {
            return out.push_str("nat");
        };
        out.push_str(match direction {
            NatDirection::Source => "nat(src",
            NatDirection::Destination => "nat(dst",
        });
        let (min, max): (IpAddr, Option<IpAddr>) = match self.range {
            Some(NatRange::V4(min, max)) => (min.into(), max.map(Into::into)),
            Some(NatRange::V6(min, max)) => (min.into(), max.map(Into::into)),
            None => return out.push(')'),
        };
        let bracket = min.is_ipv6() && self.ports.is_some();
        let address = |out: &mut String, before: char, address: IpAddr| {
            out.push(before);
            match address {
                IpAddr::V4(address) => Ip(address.to_bits()).say(out),
                IpAddr::V6(address) if bracket => put!(out, "[{address}]"),
                IpAddr::V6(address) => address.say(out),
            }
        };
        address(out, '=', min);
        if let Some(max) = max.filter(|max| *max != min) {
            address(out, '-', max);
        }
        if let Some((min, max)) = self.ports {
            out.push(':');
            Dec(min.into()).say(out);
            if let Some(max) = max.filter(|max| *max != min) {
                out.push('-');
                Dec(max.into()).say(out);
            }
        }
        for (set, name) in [
            (self.persistent, "persistent"),
            (self.hash, "hash"),
            (self.random, "random"),
        ] {
            if set {
                put!(out, ",{name}");
            }
        }
        out.push(')');
    }
}

impl Say for Learn {
    fn say(&self, out: &mut String) {
        put!(out, "learn(table={}", self.table);
        for (name, value) in [
            ("idle_timeout", self.idle_timeout),
            ("hard_timeout", self.hard_timeout),
            ("fin_idle_timeout", self.fin_idle_timeout),
            ("fin_hard_timeout", self.fin_hard_timeout),
        ] {
            if value != 0 {
                put!(out, ",{name}={value}");
            }
        }
        if self.priority != 0x8000 {
            put!(out, ",priority={}", self.priority);
        }
        if self.send_flow_rem {
            out.push_str(",send_flow_rem");
        }
        if self.delete_learned {
            out.push_str(",delete_learned");
        }
        if self.cookie != 0 {
            put!(out, ",cookie={}", Hex::from(self.cookie));
        }
        if self.limit != 0 {
            put!(out, ",limit={}", self.limit);
        }
        if let Some(result) = self.result {
            put!(out, ",result_dst={result}");
        }
        for spec in &self.specs {
            put!(out, ",{spec}");
        }
        out.push(')');
    }
}

impl Say for LearnSpec {
    fn say(&self, out: &mut String) {
        match (&self.target, &self.source) {
            (LearnTarget::Match(field), LearnSource::Value(value)) if field.is_whole() => {
                put!(
                    out,
                    "{}={}",
                    field.field,
                    Value(&FieldValue::exact(field.field, *value))
                );
            }
            (LearnTarget::Match(field), LearnSource::Value(value)) => {
                put!(out, "{field}={}", Hex(*value));
            }
            (LearnTarget::Match(field), LearnSource::Field(source)) if field == source => {
                put!(out, "{field}");
            }
            (LearnTarget::Match(field), LearnSource::Field(source)) => {
                put!(out, "{field}={source}");
            }
            (LearnTarget::Load(field), LearnSource::Value(value)) => {
                put!(out, "load:{}->{field}", Hex(*value));
            }
            (LearnTarget::Load(field), LearnSource::Field(source)) => {
                put!(out, "load:{source}->{field}");
            }
            (LearnTarget::Output, LearnSource::Field(source)) => put!(out, "output:{source}"),
            (LearnTarget::Output, LearnSource::Value(value)) => put!(out, "output:{value}"),
        }
    }
}

impl Say for Observation {
    fn say(&self, out: &mut String) {
        match self {
            Self::Value(value) => Dec((*value).into()).say(out),
            Self::Field(field) => field.say(out),
        }
    }
}

impl Say for Sample {
    fn say(&self, out: &mut String) {
        put!(
            out,
            "sample(probability={},collector_set_id={},obs_domain_id={},obs_point_id={}",
            self.probability,
            self.collector_set,
            self.domain,
            self.point
        );
        if let Some(port) = self.port {
            put!(out, ",sampling_port={port}");
        }
        out.push_str(match self.direction {
            1 => ",ingress)",
            2 => ",egress)",
            _ => ")",
        });
    }
}

impl Say for HashFields {
    fn say(&self, out: &mut String) {
        out.push_str(Self::NAMES.get(usize::from(self.0)).unwrap_or(&"<unknown>"));
    }
}

impl Say for Bundle {
    fn say(&self, out: &mut String) {
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
        put!(
            out,
            "{name}({},{},{algorithm},ofport,",
            self.fields,
            self.basis
        );
        if let Some(destination) = self.destination {
            put!(out, "{destination},");
        }
        put!(out, "members:{})", List(&self.members));
    }
}

/// How a link is chosen, by number.
pub(super) const MULTIPATH: [&str; 4] = ["modulo_n", "hash_threshold", "hrw", "iter_hash"];

impl Say for Multipath {
    fn say(&self, out: &mut String) {
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
        put!(
            out,
            "multipath({fields},{basis},{algorithm},{links},{argument},{destination})"
        );
    }
}
