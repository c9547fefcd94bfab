//! `heddle odp probe`: what this kernel's datapath can do.

use super::{Context, json};

pub(super) fn run(context: &mut Context) -> anyhow::Result<()> {
    let support = context.connection.probe()?;
    context.out.line(
        || {
            let mut lines: Vec<String> = support
                .flows()
                .into_iter()
                .chain([
                    ("ufid", support.ufid),
                    ("per_cpu_upcalls", support.per_cpu_upcalls),
                    ("masks_cache", support.masks_cache),
                    ("ct_limits", support.ct_limits),
                ])
                .map(|(name, can)| format!("{name}: {}", if can { "yes" } else { "no" }))
                .collect();
            for (name, depth) in [
                ("mpls_depth", support.mpls_depth),
                ("vlan_depth", support.vlan_depth),
                ("sample_depth", support.sample_depth),
            ] {
                lines.push(format!("{name}: {depth}"));
            }
            lines.push(match support.meters {
                Some(meters) => format!(
                    "meters: {} of {} bands",
                    meters.max_meters, meters.max_bands
                ),
                None => "meters: no".to_owned(),
            });
            lines.join("\n")
        },
        || json::support(&support),
    )
}
