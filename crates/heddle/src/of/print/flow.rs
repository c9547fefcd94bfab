//! Flows, and how they change.

use openflow::Flow;
use openflow::message::multipart::{Aggregate, FlowDesc, FlowEvent, FlowUpdate};
use serde_json::{Value, json};

use super::{count, seconds_json};

pub(in super::super) fn flow_json(flow: &Flow) -> Value {
    let flags: Vec<&str> = flow.flags.names().collect();
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

pub(in super::super) fn flow_desc_json(desc: &FlowDesc) -> Value {
    let mut out = flow_json(&desc.flow);
    out["packets"] = json!(desc.counters.packets);
    out["bytes"] = json!(desc.counters.bytes);
    out["duration"] = seconds_json(desc.counters.duration);
    out["idle_age"] = json!(desc.counters.idle.map(|(seconds, _)| seconds));
    out
}

pub(in super::super) fn aggregate(all: &Aggregate) -> String {
    format!(
        "packet_count={} byte_count={} flow_count={}",
        count(all.packets),
        count(all.bytes),
        all.flows
    )
}

pub(in super::super) fn aggregate_json(all: &Aggregate) -> Value {
    json!({"packets": all.packets, "bytes": all.bytes, "flows": all.flows})
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

pub(in super::super) fn flow_update(update: &FlowUpdate) -> String {
    match event(update) {
        (name, Some(flow)) => format!("{name} {flow}"),
        (name, None) => name.to_owned(),
    }
}

pub(in super::super) fn flow_update_json(update: &FlowUpdate) -> Value {
    let (name, flow) = event(update);
    json!({"event": name, "flow": flow})
}
