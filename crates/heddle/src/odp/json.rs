//! Datapaths, ports and flows as JSON.

use odp::{
    Action, Datapath, Flow, FlowStats, Format, Key, Match, PortNames, Support, Upcall,
    UpcallReason, Vport,
};
use serde_json::{Map, Value, json};

pub(super) fn datapath(datapath: &Datapath) -> Value {
    let stats = datapath.stats;
    json!({
        "id": datapath.id.0,
        "name": datapath.name,
        "hit": stats.hit,
        "missed": stats.missed,
        "lost": stats.lost,
        "flows": stats.flows,
        "masks": datapath.megaflow.map(|megaflow| megaflow.masks),
        "mask_hit": datapath.megaflow.map(|megaflow| megaflow.mask_hit),
        "cache_hit": datapath.megaflow.and_then(|megaflow| megaflow.cache_hit),
        "masks_cache_size": datapath.masks_cache_size,
        "features": datapath.features.0,
    })
}

pub(super) fn vport(vport: &Vport, datapath: &str) -> Value {
    let stats = vport.stats;
    json!({
        "datapath": datapath,
        "number": vport.number.0,
        "name": vport.name,
        "type": vport.kind.to_string(),
        "port": vport.options.port,
        "gbp": vport.options.group_policy,
        "ifindex": vport.ifindex,
        "upcall_pids": vport.upcall_pids,
        "rx_packets": stats.rx_packets,
        "tx_packets": stats.tx_packets,
        "rx_bytes": stats.rx_bytes,
        "tx_bytes": stats.tx_bytes,
        "rx_errors": stats.rx_errors,
        "tx_errors": stats.tx_errors,
        "rx_dropped": stats.rx_dropped,
        "tx_dropped": stats.tx_dropped,
    })
}

/// What became of something.
pub(super) fn event(change: &str, what: Value) -> Value {
    json!({ "event": change, "vport": what })
}

/// How ports are written in JSON: by name where they have one.
fn format(names: &PortNames) -> Format<'_> {
    Format {
        more: false,
        names: Some(names),
    }
}

/// The fields that count, by name, as the text has them.
fn key(matches: &Match, names: &PortNames) -> Value {
    let empty = Key::default();
    let mut fields = Map::new();
    for field in &matches.key.0 {
        let mask = matches.mask.as_ref().map(|mask| {
            let bits = mask.field(field.number()).cloned();
            Key(bits.into_iter().collect())
        });
        let one = Key(vec![field.clone()]);
        // Of a field alone, a mask of nothing would be no mask.
        if mask.as_ref() == Some(&empty) {
            continue;
        }
        let text = format(names).key(&one, mask.as_ref());
        if let Some((name, value)) = text.split_once('(') {
            let value = value.strip_suffix(')').unwrap_or(value);
            fields.insert(name.to_owned(), value.into());
        }
    }
    fields.into()
}

fn actions(actions: &[Action], names: &PortNames) -> Value {
    let each = actions.iter();
    each.map(|action| format(names).actions(std::slice::from_ref(action)))
        .collect()
}

/// A flow; the time in milliseconds of the monotonic clock says how long ago it was used.
pub(super) fn flow(flow: &Flow, names: &PortNames, now: u64) -> Value {
    let FlowStats {
        packets,
        bytes,
        used,
        tcp_flags,
    } = flow.stats;
    json!({
        "ufid": flow.ufid.map(|ufid| ufid.to_string().replace("ufid:", "")),
        "key": key(&flow.matches, names),
        "actions": flow.actions.as_deref().map(|list| actions(list, names)),
        "packets": packets,
        "bytes": bytes,
        "used_ms_ago": used.map(|used| now.saturating_sub(used)),
        "tcp_flags": tcp_flags,
    })
}

/// A packet that came to user space.
pub(super) fn upcall(upcall: &Upcall, names: &PortNames) -> Value {
    let matches = Match::exact(upcall.key.clone());
    let hex: String = upcall
        .packet
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    json!({
        "reason": match upcall.reason {
            UpcallReason::Miss => "miss",
            UpcallReason::Action => "action",
        },
        "key": key(&matches, names),
        "packet": hex,
        "length": upcall.length,
        "userdata": upcall.userdata,
    })
}

/// What a kernel can do.
pub(super) fn support(support: &Support) -> Value {
    let mut all: Map<String, Value> = support
        .flows()
        .into_iter()
        .map(|(name, can)| (name.to_owned(), can.into()))
        .collect();
    let more = json!({
        "ufid": support.ufid,
        "per_cpu_upcalls": support.per_cpu_upcalls,
        "masks_cache": support.masks_cache,
        "ct_limits": support.ct_limits,
        "mpls_depth": support.mpls_depth,
        "vlan_depth": support.vlan_depth,
        "sample_depth": support.sample_depth,
        "max_meters": support.meters.map(|meters| meters.max_meters),
        "max_meter_bands": support.meters.map(|meters| meters.max_bands),
    });
    if let Value::Object(more) = more {
        all.extend(more);
    }
    all.into()
}
