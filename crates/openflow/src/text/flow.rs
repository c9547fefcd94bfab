//! Flows and groups as text.

use std::fmt;

use super::action::ActionList;
use super::{Bytes, Dec, Hex, List, Parts};
use crate::flow::{Flow, FlowKey};
use crate::group::{Bucket, Group, GroupKind};
use crate::message::{Meter, MeterBand};

impl fmt::Display for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.table != 0 {
            write!(f, "table={}, ", self.table)?;
        }
        self.matches.write_text(f, self.priority).map(drop)
    }
}

/// As `ovs-ofctl --no-names --no-stats dump-flows` writes it.
impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.cookie != 0 {
            f.write_str("cookie=")?;
            Hex::from(self.cookie).fmt(f)?;
            f.write_str(", ")?;
        }
        if self.key.table != 0 {
            f.write_str("table=")?;
            Dec(self.key.table.into()).fmt(f)?;
            f.write_str(", ")?;
        }
        if self.idle_timeout != 0 {
            write!(f, "idle_timeout={}, ", self.idle_timeout)?;
        }
        if self.hard_timeout != 0 {
            write!(f, "hard_timeout={}, ", self.hard_timeout)?;
        }
        for name in self.flags.names() {
            write!(f, "{name} ")?;
        }
        if self.importance != 0 {
            write!(f, "importance={}, ", self.importance)?;
        }
        if self.key.matches.write_text(f, self.key.priority)? {
            f.write_str(" ")?;
        }
        f.write_str("actions=")?;
        self.actions.fmt(f)
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
        write!(f, "actions={}", ActionList(&bucket.actions))
    }
}

/// As `ovs-ofctl dump-groups` writes it.
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f);
        parts.push(format_args!("group_id={}", self.id))?;
        match self.kind {
            GroupKind::All => parts.push("type=all")?,
            GroupKind::Select => parts.push("type=select")?,
            GroupKind::Indirect => parts.push("type=indirect")?,
            GroupKind::FastFailover => parts.push("type=ff")?,
            GroupKind::Unknown(kind) => parts.push(format_args!("type={kind}"))?,
        }
        if let Some(selection) = self.selection.as_ref().filter(|s| !s.method.is_empty()) {
            parts.push(format_args!("selection_method={}", selection.method))?;
            if selection.param != 0 {
                parts.push(format_args!("selection_method_param={}", selection.param))?;
            }
            match selection.fields.as_slice() {
                [] => {}
                [(field, _)] => parts.push(format_args!("fields={field}"))?,
                fields => {
                    let names: Vec<_> = fields.iter().map(|(field, _)| field).collect();
                    parts.push(format_args!("fields({})", List(&names)))?;
                }
            }
        }
        for bucket in &self.buckets {
            parts.push(BucketOf(bucket, self.kind))?;
        }
        Ok(())
    }
}

/// As `ovs-ofctl add-meter` reads it.
impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f);
        parts.push(format_args!("meter={}", self.id))?;
        for (flag, name) in [
            (Self::KBPS, "kbps"),
            (Self::PACKETS, "pktps"),
            (Self::BURST, "burst"),
            (Self::STATISTICS, "stats"),
        ] {
            if self.flags & flag != 0 {
                parts.push(name)?;
            }
        }
        for (place, band) in self.bands.iter().enumerate() {
            let before = if place == 0 { "bands=" } else { "" };
            match band {
                MeterBand::Drop { rate, burst } => {
                    parts.push(format_args!("{before}type=drop,rate={rate}"))?;
                    parts.push(format_args!("burst_size={burst}"))?;
                }
                MeterBand::DscpRemark { rate, burst, level } => {
                    parts.push(format_args!("{before}type=dscp_remark,rate={rate}"))?;
                    parts.push(format_args!("burst_size={burst},prec_level={level}"))?;
                }
                MeterBand::Unknown(bytes) => {
                    parts.push(format_args!("{before}unknown:{}", Bytes(bytes)))?;
                }
            }
        }
        Ok(())
    }
}
