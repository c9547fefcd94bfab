//! Ports and their queues.

use std::fmt::Write as _;

use openflow::Port;
use openflow::message::multipart::{PortStats, QueueDesc, QueueStats};
use openflow::message::{LinkFeatures, PortDesc};
use serde_json::{Value, json};

use super::{bits, bits_or_zero, count, put, seconds, seconds_json};

/// A port's number in a column of three.
fn number(port: Port) -> String {
    match port.reserved_name() {
        Some(name) => name.to_owned(),
        None => format!("{:2}", port.0),
    }
}

pub(in super::super) fn port_stats(stats: &PortStats) -> String {
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

pub(in super::super) fn port_stats_json(stats: &PortStats) -> Value {
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

fn address(address: [u8; 6]) -> String {
    address.map(|byte| format!("{byte:02x}")).join(":")
}

pub(in super::super) fn port(port: &PortDesc) -> String {
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
            put!(out, "\n    {title}{}", bits(value, &LinkFeatures::NAMES));
        }
    }
    put!(
        out,
        "\n    speed: {} Mbps now, {} Mbps max",
        link.current_speed / 1000,
        link.max_speed / 1000
    );
}

pub(in super::super) fn port_json(port: &PortDesc) -> Value {
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

pub(in super::super) fn queue_stats(stats: &QueueStats) -> String {
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

pub(in super::super) fn queue_stats_json(stats: &QueueStats) -> Value {
    json!({
        "port": stats.port.to_string(), "queue": stats.queue, "bytes": stats.bytes,
        "packets": stats.packets, "errors": stats.errors,
        "duration": seconds_json(stats.duration),
    })
}

/// A rate in tenths of a percent, as `ovs-ofctl` writes it.
fn rate(name: &str, rate: Option<u16>) -> String {
    match rate {
        None => String::new(),
        Some(rate) if rate <= 1000 => format!(" {name}:{}.{}%", rate / 10, rate % 10),
        Some(_) => format!(" {name}:(disabled)"),
    }
}

pub(in super::super) fn queue(queue: &QueueDesc) -> String {
    format!(
        "port {} queue {}:{}{}",
        queue.port,
        queue.queue,
        rate("min_rate", queue.min_rate),
        rate("max_rate", queue.max_rate)
    )
}

pub(in super::super) fn queue_json(queue: &QueueDesc) -> Value {
    let rate = |rate: Option<u16>| {
        rate.filter(|rate| *rate <= 1000)
            .map(|rate| f64::from(rate) / 10.0)
    };
    json!({
        "port": queue.port.to_string(), "queue": queue.queue,
        "min_rate_percent": rate(queue.min_rate), "max_rate_percent": rate(queue.max_rate),
    })
}
