//! Groups and meters.

use std::fmt::Write as _;

use openflow::message::multipart::{GroupFeatures, GroupStats, MeterFeatures, MeterStats};
use openflow::message::{Meter, MeterBand};
use openflow::{Group, GroupKind};
use serde_json::{Value, json};

use super::{bits, count, put, seconds, seconds_json};

pub(in super::super) fn group_json(group: &Group) -> Value {
    let buckets: Vec<Value> = group
        .buckets
        .iter()
        .map(|bucket| {
            let text = bucket.to_string();
            let actions = text
                .split_once("actions=")
                .map_or("", |(_, actions)| actions);
            json!({
                "id": bucket.id,
                "weight": bucket.weight,
                "watch_port": bucket.watch_port.map(|port| port.to_string()),
                "watch_group": bucket.watch_group,
                "actions": actions,
            })
        })
        .collect();
    let kind = match group.kind {
        GroupKind::All => "all".to_owned(),
        GroupKind::Select => "select".to_owned(),
        GroupKind::Indirect => "indirect".to_owned(),
        GroupKind::FastFailover => "ff".to_owned(),
        GroupKind::Unknown(kind) => kind.to_string(),
    };
    let method = group.selection.as_ref().map(|selection| &selection.method);
    json!({"id": group.id, "type": kind, "selection_method": method, "buckets": buckets})
}

pub(in super::super) fn group_stats(stats: &GroupStats) -> String {
    let mut out = format!("group_id={}", stats.id);
    if let Some(duration) = stats.duration {
        put!(out, ",duration={}", seconds(duration));
    }
    put!(
        out,
        ",ref_count={},packet_count={},byte_count={}",
        stats.references,
        count(stats.packets),
        count(stats.bytes)
    );
    for (place, (packets, bytes)) in stats.buckets.iter().enumerate() {
        let (packets, bytes) = (count(*packets), count(*bytes));
        put!(
            out,
            ",bucket{place}:packet_count={packets},byte_count={bytes}"
        );
    }
    out
}

pub(in super::super) fn group_stats_json(stats: &GroupStats) -> Value {
    let buckets = stats.buckets.iter();
    let buckets: Vec<Value> = buckets
        .map(|(p, b)| json!({"packets": p, "bytes": b}))
        .collect();
    json!({
        "id": stats.id, "references": stats.references, "packets": stats.packets,
        "bytes": stats.bytes, "duration": seconds_json(stats.duration), "buckets": buckets,
    })
}

/// The kinds of groups in the order of their numbers.
const GROUPS: [&str; 4] = ["all", "select", "indirect", "fast failover"];

/// Actions in the order of their numbers (OpenFlow 1.5, section 7.2.6), as `ovs-ofctl` names them.
const ACTIONS: [&str; 28] = [
    "output",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "set_mpls_ttl",
    "dec_mpls_ttl",
    "push_vlan",
    "strip_vlan",
    "push_mpls",
    "pop_mpls",
    "set_queue",
    "group",
    "mod_nw_ttl",
    "dec_ttl",
    "set_field",
    "push_pbb",
    "pop_pbb",
];

/// The order in which they are told.
const ORDER: [usize; 12] = [0, 22, 25, 18, 17, 23, 24, 15, 16, 19, 20, 21];

fn action_names(value: u32) -> Vec<&'static str> {
    let known = ORDER.iter().filter(|bit| value >> **bit & 1 != 0);
    known.map(|bit| ACTIONS[*bit]).collect()
}

pub(in super::super) fn group_features(features: &GroupFeatures) -> String {
    let mut out = format!(
        "Group table:\n    Types:  {:#x}\n    Capabilities:  {:#x}",
        features.kinds, features.capabilities
    );
    for (kind, name) in GROUPS.iter().enumerate() {
        if features.kinds >> kind & 1 != 0 {
            let actions = action_names(features.actions[kind]).join(" ");
            let most = features.max_groups[kind];
            put!(
                out,
                "\n    {name} group:\n       max_groups={most:#x}\n       actions: {actions}"
            );
        }
    }
    out
}

pub(in super::super) fn group_features_json(features: &GroupFeatures) -> Value {
    let kinds = GROUPS.iter().enumerate();
    let kinds = kinds.filter(|(kind, _)| features.kinds >> kind & 1 != 0);
    let kinds: Vec<Value> = kinds
        .map(|(kind, name)| {
            let actions = action_names(features.actions[kind]);
            json!({"type": name, "max_groups": features.max_groups[kind], "actions": actions})
        })
        .collect();
    json!({"capabilities": features.capabilities, "types": kinds})
}

const METER_FLAGS: [&str; 4] = ["kbps", "pktps", "burst", "stats"];

const BANDS: [&str; 3] = ["", "drop", "dscp_remark"];

/// A meter in the two forms that exist: as it is told, and as it is read.
pub(in super::super) fn meter_json(meter: &Meter) -> Value {
    let bands: Vec<Value> = meter
        .bands
        .iter()
        .map(|band| match band {
            MeterBand::Drop { rate, burst } => {
                json!({"type": "drop", "rate": rate, "burst_size": burst})
            }
            MeterBand::DscpRemark { rate, burst, level } => {
                json!({"type": "dscp_remark", "rate": rate, "burst_size": burst, "prec_level": level})
            }
            MeterBand::Unknown(_) => json!({"type": "unknown"}),
        })
        .collect();
    let flags = bits(meter.flags.into(), &METER_FLAGS);
    let flags: Vec<&str> = flags.split(' ').filter(|flag| !flag.is_empty()).collect();
    json!({"id": meter.id, "flags": flags, "bands": bands})
}

pub(in super::super) fn meter_stats(stats: &MeterStats) -> String {
    let mut out = format!(
        "meter:{} flow_count:{} packet_in_count:{} byte_in_count:{} duration:{} bands:",
        stats.id,
        stats.flows,
        stats.packets,
        stats.bytes,
        seconds(stats.duration)
    );
    for (place, (packets, bytes)) in stats.bands.iter().enumerate() {
        put!(out, "\n{place}: packet_count:{packets} byte_count:{bytes}");
    }
    out
}

pub(in super::super) fn meter_stats_json(stats: &MeterStats) -> Value {
    let bands = stats.bands.iter();
    let bands: Vec<Value> = bands
        .map(|(p, b)| json!({"packets": p, "bytes": b}))
        .collect();
    json!({
        "id": stats.id, "flows": stats.flows, "packets": stats.packets, "bytes": stats.bytes,
        "duration": seconds_json(Some(stats.duration)), "bands": bands,
    })
}

pub(in super::super) fn meter_features(features: &MeterFeatures) -> String {
    format!(
        "max_meter:{} max_bands:{} max_color:{}\nband_types: {}\ncapabilities: {}",
        features.max_meters,
        features.max_bands,
        features.max_color,
        bits(features.bands, &BANDS),
        bits(features.capabilities, &METER_FLAGS)
    )
}

pub(in super::super) fn meter_features_json(features: &MeterFeatures) -> Value {
    json!({
        "max_meters": features.max_meters, "max_bands": features.max_bands,
        "max_color": features.max_color, "band_types": bits(features.bands, &BANDS),
        "capabilities": bits(features.capabilities, &METER_FLAGS),
    })
}
