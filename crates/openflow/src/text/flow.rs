//! Flows and groups as text.

use super::action::{ActionList, write_actions};
use super::{Bytes, Dec, Hex, List, Parts, Say, put};
use crate::action::Iter;
use crate::flow::{Flow, FlowFlags, FlowKey};
use crate::group::{Bucket, Group, GroupKind};
use crate::matching::Match;
use crate::message::multipart::{FlowCounters, FlowDesc};
use crate::message::{Meter, MeterBand};

impl Say for FlowKey {
    fn say(&self, out: &mut String) {
        if self.table != 0 {
            put!(out, "table={}, ", self.table);
        }
        self.matches.write_text(out, self.priority);
    }
}

/// What is written of a flow.
pub(crate) struct FlowText<'a> {
    pub(crate) cookie: u64,
    pub(crate) table: u8,
    pub(crate) idle_timeout: u16,
    pub(crate) hard_timeout: u16,
    pub(crate) flags: FlowFlags,
    pub(crate) importance: u16,
    pub(crate) priority: u16,
    pub(crate) matches: &'a Match,
    pub(crate) actions: Iter<'a>,
    /// What it has counted, and for how many seconds it has not been changed, where that is to be written.
    pub(crate) counted: Option<(FlowCounters, Option<u16>)>,
}

impl<'a> From<&'a Flow> for FlowText<'a> {
    fn from(flow: &'a Flow) -> Self {
        Self {
            cookie: flow.cookie,
            table: flow.key.table,
            idle_timeout: flow.idle_timeout,
            hard_timeout: flow.hard_timeout,
            flags: flow.flags,
            importance: flow.importance,
            priority: flow.key.priority,
            matches: &flow.key.matches,
            actions: flow.actions.iter(),
            counted: None,
        }
    }
}

/// As `ovs-ofctl --no-names --no-stats dump-flows` writes it.
impl Say for Flow {
    fn say(&self, out: &mut String) {
        FlowText::from(self).say(out);
    }
}

/// As `ovs-ofctl --no-names dump-flows` writes it.
impl Say for FlowDesc {
    fn say(&self, out: &mut String) {
        let text = FlowText {
            counted: Some((self.counters, self.hard_age)),
            ..FlowText::from(&self.flow)
        };
        text.say(out);
    }
}

/// A number with its name, and what stands between it and what follows.
fn number(out: &mut String, name: &str, value: u64) {
    out.push_str(name);
    Dec(value).say(out);
    out.push_str(", ");
}

impl Say for FlowText<'_> {
    fn say(&self, out: &mut String) {
        let counted = self.counted.as_ref();
        if self.cookie != 0 {
            out.push_str("cookie=");
            Hex::from(self.cookie).say(out);
            out.push_str(", ");
        } else if counted.is_some() {
            out.push_str("cookie=0x0, ");
        }
        if let Some((seconds, nanoseconds)) = counted.and_then(|(counters, _)| counters.duration) {
            out.push_str("duration=");
            Dec(seconds.into()).say(out);
            match nanoseconds / 1_000_000 {
                0 => out.push_str("s, "),
                millis => put!(out, ".{millis:03}s, "),
            }
        }
        if counted.is_some() || self.table != 0 {
            number(out, "table=", self.table.into());
        }
        if let Some((counters, _)) = counted {
            for (name, count) in [
                ("n_packets=", counters.packets),
                ("n_bytes=", counters.bytes),
            ] {
                if let Some(count) = count {
                    number(out, name, count);
                }
            }
        }
        if self.idle_timeout != 0 {
            number(out, "idle_timeout=", self.idle_timeout.into());
        }
        if self.hard_timeout != 0 {
            number(out, "hard_timeout=", self.hard_timeout.into());
        }
        for name in self.flags.names() {
            put!(out, "{name} ");
        }
        if self.importance != 0 {
            number(out, "importance=", self.importance.into());
        }
        if let Some((counters, hard_age)) = counted {
            if let Some((seconds, _)) = counters.idle {
                number(out, "idle_age=", seconds.into());
            }
            if let Some(seconds) = hard_age {
                number(out, "hard_age=", (*seconds).into());
            }
        }
        if self.matches.write_text(out, self.priority) {
            out.push(' ');
        }
        out.push_str("actions=");
        write_actions(out, self.actions.clone());
    }
}

impl Say for Bucket {
    fn say(&self, out: &mut String) {
        BucketOf(self, GroupKind::All).say(out);
    }
}

/// A bucket of a group of a kind, whose usual weight is not written.
pub(super) struct BucketOf<'a>(&'a Bucket, GroupKind);

impl Say for BucketOf<'_> {
    fn say(&self, out: &mut String) {
        let Self(bucket, kind) = self;
        put!(out, "bucket=bucket_id:{},", bucket.id);
        if bucket.weight != u16::from(*kind == GroupKind::Select) {
            put!(out, "weight:{},", bucket.weight);
        }
        if let Some(port) = bucket.watch_port {
            put!(out, "watch_port:{port},");
        }
        if let Some(group) = bucket.watch_group {
            put!(out, "watch_group:{group},");
        }
        put!(out, "actions={}", ActionList(&bucket.actions));
    }
}

/// As `ovs-ofctl dump-groups` writes it.
impl Say for Group {
    fn say(&self, out: &mut String) {
        let mut parts = Parts::new(out);
        parts.push(format_args!("group_id={}", self.id));
        match self.kind {
            GroupKind::All => parts.push("type=all"),
            GroupKind::Select => parts.push("type=select"),
            GroupKind::Indirect => parts.push("type=indirect"),
            GroupKind::FastFailover => parts.push("type=ff"),
            GroupKind::Unknown(kind) => parts.push(format_args!("type={kind}")),
        }
        if let Some(selection) = self.selection.as_ref().filter(|s| !s.method.is_empty()) {
            parts.push(format_args!("selection_method={}", selection.method));
            if selection.param != 0 {
                parts.push(format_args!("selection_method_param={}", selection.param));
            }
            match selection.fields.as_slice() {
                [] => {}
                [(field, _)] => parts.push(format_args!("fields={field}")),
                fields => {
                    let names: Vec<_> = fields.iter().map(|(field, _)| field).collect();
                    parts.push(format_args!("fields({})", List(&names)));
                }
            }
        }
        for bucket in &self.buckets {
            parts.push(BucketOf(bucket, self.kind));
        }
    }
}

/// As `ovs-ofctl add-meter` reads it.
impl Say for Meter {
    fn say(&self, out: &mut String) {
        let mut parts = Parts::new(out);
        parts.push(format_args!("meter={}", self.id));
        for (flag, name) in [
            (Self::KBPS, "kbps"),
            (Self::PACKETS, "pktps"),
            (Self::BURST, "burst"),
            (Self::STATISTICS, "stats"),
        ] {
            if self.flags & flag != 0 {
                parts.push(name);
            }
        }
        for (place, band) in self.bands.iter().enumerate() {
            let before = if place == 0 { "bands=" } else { "" };
            match band {
                MeterBand::Drop { rate, burst } => {
                    parts.push(format_args!("{before}type=drop,rate={rate}"));
                    parts.push(format_args!("burst_size={burst}"));
                }
                MeterBand::DscpRemark { rate, burst, level } => {
                    parts.push(format_args!("{before}type=dscp_remark,rate={rate}"));
                    parts.push(format_args!("burst_size={burst},prec_level={level}"));
                }
                MeterBand::Unknown(bytes) => {
                    parts.push(format_args!("{before}unknown:{}", Bytes(bytes)));
                }
            }
        }
    }
}
