//! What the control socket can ask.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use model::{Str, Weak};

use super::Core;
use crate::binding;

/// The probe interval of the Southbound connection where none is set.
const DEFAULT_PROBE_MS: u64 = 60_000;

impl Core {
    /// Whether the Southbound is connected.
    pub fn is_connected(&self) -> bool {
        self.sb_flight.connected
    }

    /// Stops, or takes up again, to act on what changes.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Whether [`Core::pause`] is in force.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Computes everything from scratch and hands the difference to the switch: nothing, if all is
    /// right.
    pub fn recompute(&mut self) {
        self.renew = true;
        self.dirty = super::ALL_DIRTY;
    }

    /// Counts from zero again.
    pub fn clear_statistics(&mut self) {
        self.local.clear_counters();
        (self.learned.refused, self.learned.expired) = (0, 0);
    }

    /// Milliseconds between probes of the Southbound connection.
    pub fn probe_interval(&self) -> u64 {
        self.config
            .as_ref()
            .and_then(|config| config.probe_ms)
            .unwrap_or(DEFAULT_PROBE_MS)
    }

    /// The connection tracking zones, a line each.
    pub fn zone_list(&self) -> String {
        self.zones.list()
    }

    /// The interfaces with an `iface-id` and the ports that are bound to them.
    pub fn local_bindings(&self) -> String {
        let mut out = String::from("Local bindings:\n");
        let Some(config) = &self.config else {
            return out;
        };
        let here = self
            .sb
            .chassis_named(&config.chassis)
            .map(|(uuid, _)| Weak::new(uuid));
        for (name, vif) in binding::vifs(&self.ovs, &config.bridge) {
            let device = self
                .ovs
                .interfaces
                .get(vif.interface)
                .map(|row| row.name.clone());
            let primary = self
                .sb
                .port_named(&name)
                .filter(|(_, row)| here.is_some() && row.chassis == here)
                .map(|(_, row)| row.logical_port.clone());
            let children: Vec<Str> = self
                .sb
                .children_of(&name)
                .map(|(_, row)| row.logical_port.clone())
                .collect();
            let count = usize::from(primary.is_some()) + children.len();
            let device = device.unwrap_or_default();
            let _ = writeln!(
                out,
                "name: [{name}], OVS interface name : [{device}], num binding lports : [{count}]"
            );
            if let Some(primary) = primary {
                let _ = writeln!(out, "primary lport : [{primary}]");
            }
            for (n, child) in children.iter().enumerate() {
                let _ = writeln!(
                    out,
                    "child lport[{}] : [{child}], type : [CONTAINER]",
                    n + 1
                );
            }
            out.push_str("----------------------------------------\n");
        }
        out
    }

    /// The names of the ports bound here.
    pub fn related_ports(&self) -> String {
        let Some(config) = &self.config else {
            return String::new();
        };
        let Some((here, _)) = self.sb.chassis_named(&config.chassis) else {
            return String::new();
        };
        let mut names: Vec<&Str> = self
            .sb
            .ports_on(&here)
            .map(|(_, r)| &r.logical_port)
            .collect();
        names.sort_unstable();
        names.iter().map(|name| format!("{name}\n")).collect()
    }

    /// Everything that is counted.
    pub fn statistics(&self) -> String {
        let counters = self.local.counters();
        let mut lines: BTreeMap<String, u64> = counters
            .received
            .iter()
            .map(|(name, count)| (format!("packet_in/{name}"), *count))
            .collect();
        for (name, count) in [
            ("packet_in/malformed", counters.malformed),
            ("packet_in/unfit", counters.unfit),
            ("packet_in/unsupported", counters.unsupported),
            ("buffer/waiting", self.local.waiting() as u64),
            ("buffer/full", counters.buffer_full),
            ("buffer/expired", counters.buffer_expired),
            ("learned/refused", self.learned.refused),
            ("learned/expired", self.learned.expired),
            ("flows/steps", self.step),
            ("flows/left_out", self.physical.diagnostics().len() as u64),
            (
                "transactions/failed",
                u64::from(self.ovs_flight.failures + self.sb_flight.failures),
            ),
        ] {
            lines.insert(name.to_owned(), count);
        }
        lines
            .iter()
            .map(|(name, count)| format!("{name:<32} {count}\n"))
            .collect()
    }
}
