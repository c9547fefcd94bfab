//! What switches tell, as text in the form of `ovs-ofctl`, and as JSON.
//!
//! Counters that a switch does not keep are `?` in text and null in JSON.

use std::fmt::Write as _;

use openflow::message::multipart::{
    Aggregate, Description, FlowDesc, FlowEvent, FlowUpdate, GroupFeatures, GroupStats,
    MeterFeatures, MeterStats, PortStats, QueueStats, TableStats,
};
use openflow::message::{Features, LinkFeatures, Meter, MeterBand, PortDesc, TlvTable};
use openflow::{Flow, FlowFlags, Group, GroupKind, Port};
use serde_json::{Value, json};

/// Writing to a text cannot fail; this forgets that it could.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{
        let _ = write!($out, $($arg)*);
    }};
}

/// A counter, or `?`.
fn count(value: Option<u64>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

/// Seconds with three digits behind the point.
fn seconds((seconds, nanos): (u32, u32)) -> String {
    match nanos / 1_000_000 {
        0 => format!("{seconds}s"),
        millis => format!("{seconds}.{millis:03}s"),
    }
}

fn seconds_json(duration: Option<(u32, u32)>) -> Value {
    duration.map_or(Value::Null, |(seconds, nanos)| {
        json!(f64::from(seconds) + f64::from(nanos) / 1e9)
    })
}

/// The names of the bits that are set, with blanks between them.
fn bits(value: u32, names: &[&str]) -> String {
    let mut out = Vec::new();
    for bit in 0..32 {
        if value >> bit & 1 != 0 {
            let name = names.get(bit).copied().filter(|name| !name.is_empty());
            out.push(name.map_or_else(|| format!("{:#x}", 1_u32 << bit), str::to_owned));
        }
    }
    out.join(" ")
}

/// The same, or 0.
fn bits_or_zero(value: u32, names: &[&str]) -> String {
    match value {
        0 => "0".to_owned(),
        value => bits(value, names),
    }
}

/// A flow with what it has counted.
pub(super) fn flow_with_counters(desc: &FlowDesc) -> String {
    let (flow, counters) = (&desc.flow, &desc.counters);
    let mut out = format!("cookie={:#x}, ", flow.cookie);
    if let Some(duration) = counters.duration {
        put!(out, "duration={}, ", seconds(duration));
    }
    put!(out, "table={}, ", flow.key.table);
    for (name, value) in [("n_packets", counters.packets), ("n_bytes", counters.bytes)] {
        if let Some(value) = value {
            put!(out, "{name}={value}, ");
        }
    }
    // The rest of a flow's own text stands behind its cookie and table, with the ages in the middle.
    let bare = Flow {
        cookie: 0,
        key: openflow::FlowKey {
            table: 0,
            ..flow.key.clone()
        },
        idle_timeout: 0,
        hard_timeout: 0,
        ..flow.clone()
    };
    for (name, value) in [
        ("idle_timeout", flow.idle_timeout),
        ("hard_timeout", flow.hard_timeout),
    ] {
        if value != 0 {
            put!(out, "{name}={value}, ");
        }
    }
    let mut ages = String::new();
    if let Some((idle, _)) = counters.idle {
        put!(ages, "idle_age={idle}, ");
    }
    if let Some(age) = desc.hard_age {
        put!(ages, "hard_age={age}, ");
    }
    // Flags and importance stand before the ages.
    let text = bare.to_string();
    let matches = bare.key.matches.is_empty() && bare.key.priority == 0x8000;
    let from = if matches {
        text.find("actions=")
    } else {
        let key = bare.key.to_string();
        text.find(&format!("{key} actions="))
    };
    let (head, tail) = text.split_at(from.unwrap_or(0));
    out + head + &ages + tail
}

pub(super) fn flow_json(flow: &Flow) -> Value {
    let flags: Vec<&str> = [
        (FlowFlags::SEND_FLOW_REM, "send_flow_rem"),
        (FlowFlags::CHECK_OVERLAP, "check_overlap"),
        (FlowFlags::RESET_COUNTS, "reset_counts"),
        (FlowFlags::NO_PACKET_COUNTS, "no_packet_counts"),
        (FlowFlags::NO_BYTE_COUNTS, "no_byte_counts"),
    ]
    .iter()
    .filter(|(flag, _)| flow.flags.contains(*flag))
    .map(|(_, name)| *name)
    .collect();
    let text = flow.to_string();
    let actions = text
        .split_once("actions=")
        .map_or("", |(_, actions)| actions);
    json!({
        "table": flow.key.table,
        "priority": flow.key.priority,
        "cookie": format!("{:#x}", flow.cookie),
        "match": flow.key.matches.to_string(),
        "actions": actions,
        "idle_timeout": flow.idle_timeout,
        "hard_timeout": flow.hard_timeout,
        "importance": flow.importance,
        "flags": flags,
    })
}

pub(super) fn flow_desc_json(desc: &FlowDesc) -> Value {
    let mut out = flow_json(&desc.flow);
    out["packets"] = json!(desc.counters.packets);
    out["bytes"] = json!(desc.counters.bytes);
    out["duration"] = seconds_json(desc.counters.duration);
    out["idle_age"] = json!(desc.counters.idle.map(|(seconds, _)| seconds));
    out
}

pub(super) fn aggregate(all: &Aggregate) -> String {
    format!(
        "packet_count={} byte_count={} flow_count={}",
        count(all.packets),
        count(all.bytes),
        all.flows
    )
}

pub(super) fn aggregate_json(all: &Aggregate) -> Value {
    json!({"packets": all.packets, "bytes": all.bytes, "flows": all.flows})
}

pub(super) fn group_json(group: &Group) -> Value {
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

pub(super) fn group_stats(stats: &GroupStats) -> String {
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

pub(super) fn group_stats_json(stats: &GroupStats) -> Value {
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

pub(super) fn group_features(features: &GroupFeatures) -> String {
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

pub(super) fn group_features_json(features: &GroupFeatures) -> Value {
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
pub(super) fn meter_json(meter: &Meter) -> Value {
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

pub(super) fn meter_stats(stats: &MeterStats) -> String {
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

pub(super) fn meter_stats_json(stats: &MeterStats) -> Value {
    let bands = stats.bands.iter();
    let bands: Vec<Value> = bands
        .map(|(p, b)| json!({"packets": p, "bytes": b}))
        .collect();
    json!({
        "id": stats.id, "flows": stats.flows, "packets": stats.packets, "bytes": stats.bytes,
        "duration": seconds_json(Some(stats.duration)), "bands": bands,
    })
}

pub(super) fn meter_features(features: &MeterFeatures) -> String {
    format!(
        "max_meter:{} max_bands:{} max_color:{}\nband_types: {}\ncapabilities: {}",
        features.max_meters,
        features.max_bands,
        features.max_color,
        bits(features.bands, &BANDS),
        bits(features.capabilities, &METER_FLAGS)
    )
}

pub(super) fn meter_features_json(features: &MeterFeatures) -> Value {
    json!({
        "max_meters": features.max_meters, "max_bands": features.max_bands,
        "max_color": features.max_color, "band_types": bits(features.bands, &BANDS),
        "capabilities": bits(features.capabilities, &METER_FLAGS),
    })
}

/// A port's number in a column of three.
fn number(port: Port) -> String {
    match port.reserved_name() {
        Some(name) => name.to_owned(),
        None => format!("{:2}", port.0),
    }
}

pub(super) fn port_stats(stats: &PortStats) -> String {
    let mut out = format!(
        "port {}: rx pkts={}, bytes={}, drop={}, errs={}, frame={}, over={}, crc={}\n         \
         tx pkts={}, bytes={}, drop={}, errs={}, coll={}",
        number(stats.port),
        count(stats.rx_packets),
        count(stats.rx_bytes),
        count(stats.rx_dropped),
        count(stats.rx_errors),
        count(stats.rx_frame_errors),
        count(stats.rx_over_errors),
        count(stats.rx_crc_errors),
        count(stats.tx_packets),
        count(stats.tx_bytes),
        count(stats.tx_dropped),
        count(stats.tx_errors),
        count(stats.collisions)
    );
    if let Some(duration) = stats.duration {
        put!(out, "\n         duration={}", seconds(duration));
    }
    for (title, counters) in other_counters(stats) {
        put!(out, "\n         {title}");
        for (name, value) in counters {
            put!(out, "\n                    {name}={value}");
        }
    }
    out
}

/// The counters beyond OpenFlow's own.
fn other_counters(stats: &PortStats) -> Vec<(&'static str, Vec<(String, u64)>)> {
    let names = PortStats::RFC2819.iter();
    let known = names.zip(stats.rfc2819());
    let rfc: Vec<(String, u64)> = known
        .filter_map(|(name, value)| Some(((*name).to_owned(), value?)))
        .collect();
    let all = [
        ("rfc2819 statistics", rfc),
        ("custom statistics", stats.custom()),
    ];
    all.into_iter()
        .filter(|(_, list)| !list.is_empty())
        .collect()
}

pub(super) fn port_stats_json(stats: &PortStats) -> Value {
    let other = other_counters(stats).into_iter().flat_map(|(_, list)| list);
    let other: serde_json::Map<String, Value> = other.map(|(k, v)| (k, json!(v))).collect();
    json!({
        "port": stats.port.to_string(), "duration": seconds_json(stats.duration),
        "rx": {
            "packets": stats.rx_packets, "bytes": stats.rx_bytes, "dropped": stats.rx_dropped,
            "errors": stats.rx_errors, "frame_errors": stats.rx_frame_errors,
            "over_errors": stats.rx_over_errors, "crc_errors": stats.rx_crc_errors,
        },
        "tx": {
            "packets": stats.tx_packets, "bytes": stats.tx_bytes, "dropped": stats.tx_dropped,
            "errors": stats.tx_errors, "collisions": stats.collisions,
        },
        "other": other,
    })
}

const PORT_CONFIG: [&str; 7] = [
    "PORT_DOWN",
    "NO_STP",
    "NO_RECV",
    "NO_RECV_STP",
    "NO_FLOOD",
    "NO_FWD",
    "NO_PACKET_IN",
];
const PORT_STATE: [&str; 3] = ["LINK_DOWN", "BLOCKED", "LIVE"];
const LINK: [&str; 16] = [
    "10MB-HD",
    "10MB-FD",
    "100MB-HD",
    "100MB-FD",
    "1GB-HD",
    "1GB-FD",
    "10GB-FD",
    "40GB-FD",
    "100GB-FD",
    "1TB-FD",
    "OTHER",
    "COPPER",
    "FIBER",
    "AUTO_NEG",
    "AUTO_PAUSE",
    "AUTO_PAUSE_ASYM",
];

fn address(address: [u8; 6]) -> String {
    address.map(|byte| format!("{byte:02x}")).join(":")
}

pub(super) fn port(port: &PortDesc) -> String {
    let mut out = format!(
        "{}({}): addr:{}\n    config:     {}\n    state:      {}",
        port.number,
        port.name,
        address(port.address),
        bits_or_zero(port.config.0, &PORT_CONFIG),
        bits_or_zero(port.state.0, &PORT_STATE)
    );
    if let Some(link) = &port.link {
        link_text(&mut out, link);
    }
    out
}

fn link_text(out: &mut String, link: &LinkFeatures) {
    for (title, value) in [
        ("current:    ", link.current),
        ("advertised: ", link.advertised),
        ("supported:  ", link.supported),
        ("peer:       ", link.peer),
    ] {
        if value != 0 {
            put!(out, "\n    {title}{}", bits(value, &LINK));
        }
    }
    put!(
        out,
        "\n    speed: {} Mbps now, {} Mbps max",
        link.current_speed / 1000,
        link.max_speed / 1000
    );
}

pub(super) fn port_json(port: &PortDesc) -> Value {
    let words = |value: u32, names: &[&str]| -> Vec<String> {
        let text = bits(value, names);
        text.split(' ')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let speeds = port.link.map(|link| (link.current_speed, link.max_speed));
    json!({
        "port": port.number.to_string(), "name": port.name, "address": address(port.address),
        "config": words(port.config.0, &PORT_CONFIG), "state": words(port.state.0, &PORT_STATE),
        "speed_kbps": speeds.map(|(now, _)| now), "max_speed_kbps": speeds.map(|(_, max)| max),
    })
}

pub(super) fn queue_stats(stats: &QueueStats) -> String {
    format!(
        "port {} queue {}: bytes={}, pkts={}, errors={}, duration={}",
        stats.port,
        stats.queue,
        count(stats.bytes),
        count(stats.packets),
        count(stats.errors),
        stats.duration.map_or_else(|| "?".to_owned(), seconds)
    )
}

pub(super) fn queue_stats_json(stats: &QueueStats) -> Value {
    json!({
        "port": stats.port.to_string(), "queue": stats.queue, "bytes": stats.bytes,
        "packets": stats.packets, "errors": stats.errors,
        "duration": seconds_json(stats.duration),
    })
}

pub(super) fn description(who: &Description) -> String {
    format!(
        "Manufacturer: {}\nHardware: {}\nSoftware: {}\nSerial Num: {}\nDP Description: {}",
        who.manufacturer, who.hardware, who.software, who.serial, who.datapath
    )
}

pub(super) fn description_json(who: &Description) -> Value {
    json!({
        "manufacturer": who.manufacturer, "hardware": who.hardware, "software": who.software,
        "serial": who.serial, "datapath": who.datapath,
    })
}

pub(super) fn table_stats(stats: &TableStats) -> String {
    format!(
        "table {}:\n    active={}, lookup={}, matched={}",
        stats.table, stats.active, stats.lookups, stats.matched
    )
}

pub(super) fn table_stats_json(stats: &TableStats) -> Value {
    json!({
        "table": stats.table, "active": stats.active, "lookups": stats.lookups,
        "matched": stats.matched,
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

pub(super) fn features(features: &Features) -> String {
    format!(
        "dpid:{:016x}\nn_tables:{}, n_buffers:{}\ncapabilities: {}",
        features.datapath_id,
        features.tables,
        features.buffers,
        bits(features.capabilities, &CAPABILITIES)
    )
}

pub(super) fn features_json(features: &Features) -> Value {
    json!({
        "datapath_id": format!("{:016x}", features.datapath_id), "tables": features.tables,
        "buffers": features.buffers, "capabilities": bits(features.capabilities, &CAPABILITIES),
    })
}

/// What becomes of fragments, by number.
pub(super) const FRAGS: [&str; 4] = ["normal", "drop", "reassemble", "nx-match"];

pub(super) fn frags(flags: u16) -> &'static str {
    FRAGS.get(usize::from(flags)).copied().unwrap_or("unknown")
}

pub(super) fn tlv_table(table: &TlvTable) -> String {
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

pub(super) fn tlv_table_json(table: &TlvTable) -> Value {
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

/// The event of a flow monitor, and for which flow.
fn event(update: &FlowUpdate) -> (&'static str, Option<String>) {
    match update {
        FlowUpdate::Full {
            event,
            key,
            cookie,
            idle_timeout,
            hard_timeout,
            actions,
        } => {
            let flow = Flow {
                key: key.clone(),
                cookie: *cookie,
                actions: actions.clone(),
                idle_timeout: *idle_timeout,
                hard_timeout: *hard_timeout,
                ..Flow::default()
            };
            let name = match event {
                FlowEvent::Initial => "INITIAL",
                FlowEvent::Added => "ADDED",
                FlowEvent::Removed(_) => "DELETED",
                FlowEvent::Modified => "MODIFIED",
            };
            (name, Some(flow.to_string()))
        }
        FlowUpdate::Abbreviated { .. } => ("ABBREV", None),
        FlowUpdate::Paused => ("PAUSED", None),
        FlowUpdate::Resumed => ("RESUMED", None),
    }
}

pub(super) fn flow_update(update: &FlowUpdate) -> String {
    match event(update) {
        (name, Some(flow)) => format!("{name} {flow}"),
        (name, None) => name.to_owned(),
    }
}

pub(super) fn flow_update_json(update: &FlowUpdate) -> Value {
    let (name, flow) = event(update);
    json!({"event": name, "flow": flow})
}
