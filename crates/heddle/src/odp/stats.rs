//! `heddle odp stats`: as `ovs-dpctl show` prints it, with what ports have counted.

use std::fmt::Write;

use odp::{Datapath, Vport, VportKind};
use serde_json::Value;

use super::{Context, json, which};

pub(super) fn run(context: &mut Context, which: &which::Some) -> anyhow::Result<()> {
    for datapath in which.find(&context.connection)? {
        let mut vports = context.connection.vports(datapath.id)?;
        vports.sort_by_key(|vport| vport.number);
        context.out.line(
            || text(&datapath, &vports),
            || {
                let mut all = json::datapath(&datapath);
                let ports = vports
                    .iter()
                    .map(|vport| json::vport(vport, &datapath.name));
                all["vports"] = ports.collect::<Value>();
                all
            },
        )?;
    }
    Ok(())
}

fn text(datapath: &Datapath, vports: &[Vport]) -> String {
    let mut out = format!("system@{}:", datapath.name);
    let stats = datapath.stats;
    // Writing into a string does not fail.
    let _ = write!(
        out,
        "\n  lookups: hit:{} missed:{} lost:{}\n  flows: {}",
        stats.hit, stats.missed, stats.lost, stats.flows
    );
    // More packets than a fraction of a number can tell apart do not come.
    let packets = (stats.hit + stats.missed) as f64;
    let each = |count: u64| {
        if packets == 0.0 {
            0.0
        } else {
            count as f64 / packets
        }
    };
    if let Some(megaflow) = datapath.megaflow {
        let (hit, masks) = (megaflow.mask_hit, megaflow.masks);
        let _ = write!(
            out,
            "\n  masks: hit:{hit} total:{masks} hit/pkt:{:.2}",
            each(hit)
        );
        if let Some(hit) = megaflow.cache_hit {
            let _ = write!(
                out,
                "\n  cache: hit:{hit} hit-rate:{:.2}%",
                each(hit) * 100.0
            );
        }
    }
    if let Some(size) = datapath.masks_cache_size {
        let _ = write!(out, "\n  caches:\n    masks-cache: size:{size}");
    }
    for vport in vports {
        port(&mut out, vport);
    }
    out
}

fn port(out: &mut String, vport: &Vport) {
    let _ = write!(out, "\n  port {}: {}", vport.number, vport.name);
    if vport.kind != VportKind::Netdev {
        let _ = write!(out, " ({}", vport.kind);
        if let Some(port) = vport.options.port {
            let _ = write!(out, ": dst_port={port}");
        }
        out.push(')');
    }
    let stats = vport.stats;
    let _ = write!(
        out,
        "\n    RX packets:{} bytes:{} errors:{} dropped:{}",
        stats.rx_packets, stats.rx_bytes, stats.rx_errors, stats.rx_dropped
    );
    let _ = write!(
        out,
        "\n    TX packets:{} bytes:{} errors:{} dropped:{}",
        stats.tx_packets, stats.tx_bytes, stats.tx_errors, stats.tx_dropped
    );
    if let Some(upcalls) = vport.upcalls {
        let _ = write!(
            out,
            "\n    upcalls:{} failed:{}",
            upcalls.success, upcalls.fail
        );
    }
}
