//! The switch as a whole, its tables and its tunnel options.

use std::fmt::Write as _;

use openflow::message::multipart::{Description, IpfixStats};
use openflow::message::{Features, TlvTable};
use serde_json::{Value, json};

use super::{bits, put};

pub(in super::super) fn description(who: &Description) -> String {
    format!(
        "Manufacturer: {}\nHardware: {}\nSoftware: {}\nSerial Num: {}\nDP Description: {}",
        who.manufacturer, who.hardware, who.software, who.serial, who.datapath
    )
}

pub(in super::super) fn description_json(who: &Description) -> Value {
    json!({
        "manufacturer": who.manufacturer, "hardware": who.hardware, "software": who.software,
        "serial": who.serial, "datapath": who.datapath,
    })
}

const CAPABILITIES: [&str; 16] = [
    "FLOW_STATS",
    "TABLE_STATS",
    "PORT_STATS",
    "GROUP_STATS",
    "",
    "IP_REASM",
    "QUEUE_STATS",
    "ARP_MATCH_IP",
    "PORT_BLOCKED",
    "BUNDLES",
    "FLOW_MONITORING",
    "",
    "",
    "",
    "",
    "",
];

pub(in super::super) fn features(features: &Features) -> String {
    format!(
        "dpid:{:016x}\nn_tables:{}, n_buffers:{}\ncapabilities: {}",
        features.datapath_id,
        features.tables,
        features.buffers,
        bits(features.capabilities, &CAPABILITIES)
    )
}

pub(in super::super) fn features_json(features: &Features) -> Value {
    json!({
        "datapath_id": format!("{:016x}", features.datapath_id), "tables": features.tables,
        "buffers": features.buffers, "capabilities": bits(features.capabilities, &CAPABILITIES),
    })
}

/// What becomes of fragments, by number.
pub(in super::super) const FRAGS: [&str; 4] = ["normal", "drop", "reassemble", "nx-match"];

pub(in super::super) fn frags(flags: u16) -> &'static str {
    FRAGS.get(usize::from(flags)).copied().unwrap_or("unknown")
}

pub(in super::super) fn tlv_table(table: &TlvTable) -> String {
    let used: u32 = table.maps.iter().map(|map| u32::from(map.length)).sum();
    let mut out = format!(
        "max option space={} max fields={}\nallocated option space={used}\n\nmapping table:\n \
         class  type  length  match field\n------  ----  ------  --------------",
        table.max_space, table.max_fields
    );
    // Zero has no prefix.
    let hex = |value: u16| match value {
        0 => "0".to_owned(),
        value => format!("{value:#x}"),
    };
    for map in &table.maps {
        put!(
            out,
            "\n{:>6}  {:>4}  {:6}  tun_metadata{}",
            hex(map.class),
            hex(map.kind.into()),
            map.length,
            map.index
        );
    }
    out
}

pub(in super::super) fn tlv_table_json(table: &TlvTable) -> Value {
    let maps: Vec<Value> = table
        .maps
        .iter()
        .map(|map| {
            let field = format!("tun_metadata{}", map.index);
            json!({"class": map.class, "type": map.kind, "length": map.length, "field": field})
        })
        .collect();
    json!({"max_space": table.max_space, "max_fields": table.max_fields, "maps": maps})
}

/// What an IPFIX exporter has done, in the form of `ovs-ofctl`.
pub(in super::super) fn ipfix(stats: &IpfixStats, collectors: Option<u32>) -> String {
    let whose = match collectors {
        Some(id) => format!("id {id:3}"),
        None => "bridge ipfix".to_owned(),
    };
    let indent = " ".repeat(whose.len() + 2);
    format!(
        "{whose}: flows={}, current flows={}, sampled pkts={}, ipv4 ok={}, ipv6 ok={}, tx pkts={}\n{indent}\
         pkts errs={}, ipv4 errs={}, ipv6 errs={}, tx errs={}",
        stats.total_flows,
        stats.current_flows,
        stats.packets,
        stats.ipv4_packets,
        stats.ipv6_packets,
        stats.sent,
        stats.error_packets,
        stats.ipv4_error_packets,
        stats.ipv6_error_packets,
        stats.send_errors
    )
}

pub(in super::super) fn ipfix_json(stats: &IpfixStats, collectors: Option<u32>) -> Value {
    json!({
        "collector_set": collectors, "flows": stats.total_flows, "current_flows": stats.current_flows,
        "sampled": {"packets": stats.packets, "ipv4": stats.ipv4_packets, "ipv6": stats.ipv6_packets},
        "errors": {
            "packets": stats.error_packets, "ipv4": stats.ipv4_error_packets,
            "ipv6": stats.ipv6_error_packets, "sent": stats.send_errors,
        },
        "sent": stats.sent,
    })
}
