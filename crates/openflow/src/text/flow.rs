//! Flows and groups as text.

use std::fmt;

use super::action::Actions;
use super::{Bytes, Parts};
use crate::flow::{Flow, FlowFlags, FlowKey};
use crate::group::{Bucket, Group, GroupKind};
use crate::message::{Meter, MeterBand};

impl fmt::Display for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.table != 0 {
            write!(f, "table={}, ", self.table)?;
        }
        f.write_str(&self.matches.text(self.priority))
    }
}

/// As `ovs-ofctl --no-names --no-stats dump-flows` writes it.
impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.cookie != 0 {
            write!(f, "cookie={:#x}, ", self.cookie)?;
        }
        if self.key.table != 0 {
            write!(f, "table={}, ", self.key.table)?;
        }
        if self.idle_timeout != 0 {
            write!(f, "idle_timeout={}, ", self.idle_timeout)?;
        }
        if self.hard_timeout != 0 {
            write!(f, "hard_timeout={}, ", self.hard_timeout)?;
        }
        for (flag, name) in [
            (FlowFlags::SEND_FLOW_REM, "send_flow_rem"),
            (FlowFlags::CHECK_OVERLAP, "check_overlap"),
            (FlowFlags::RESET_COUNTS, "reset_counts"),
            (FlowFlags::NO_PACKET_COUNTS, "no_packet_counts"),
            (FlowFlags::NO_BYTE_COUNTS, "no_byte_counts"),
        ] {
            if self.flags.contains(flag) {
                write!(f, "{name} ")?;
            }
        }
        if self.importance != 0 {
            write!(f, "importance={}, ", self.importance)?;
        }
        let matches = self.key.matches.text(self.key.priority);
        if !matches.is_empty() {
            write!(f, "{matches} ")?;
        }
        write!(f, "actions={}", Actions(&self.actions))
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        BucketOf(self, GroupKind::All).fmt(f)
    }
}

/// A bucket of a group of a kind, whose usual weight is not written.
struct BucketOf<'a>(&'a Bucket, GroupKind);

impl fmt::Display for BucketOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bucket, kind) = self;
        write!(f, "bucket=bucket_id:{},", bucket.id)?;
        if bucket.weight != u16::from(*kind == GroupKind::Select) {
            write!(f, "weight:{},", bucket.weight)?;
        }
        if let Some(port) = bucket.watch_port {
            write!(f, "watch_port:{port},")?;
        }
        if let Some(group) = bucket.watch_group {
            write!(f, "watch_group:{group},")?;
        }
        write!(f, "actions={}", Actions(&bucket.actions))
    }
}

/// As `ovs-ofctl dump-groups` writes it.
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::default();
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
                    let mut list = Parts::default();
                    fields.iter().for_each(|(field, _)| list.push(field));
                    parts.push(format_args!("fields({})", list.finish()));
                }
            }
        }
        for bucket in &self.buckets {
            parts.push(BucketOf(bucket, self.kind));
        }
        f.write_str(&parts.finish())
    }
}

/// As `ovs-ofctl add-meter` reads it.
impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::default();
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
        f.write_str(&parts.finish())
    }
}
