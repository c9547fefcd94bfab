//! Making the switch agree again: after it was away, when ports come and go, and from time to time.

use std::collections::BTreeSet;

use hvflow::{Commit, Installed, Ports, Transaction};

use super::Core;
use super::machine::present;
use super::outcomes::{Event, Kind};
use crate::store::Write;

impl Core {
    /// What the switch has, read just now. Gives the machines that are to be looked at.
    pub fn connected(&mut self, ports: Ports, installed: Installed) -> BTreeSet<u32> {
        self.installed = Some(installed);
        self.ports = ports;
        self.machines.keys().chain(&self.leaving).copied().collect()
    }

    /// Ports have come, gone, or got other numbers. Gives the machines that this concerns.
    pub fn ports_changed(&mut self, ports: Ports, names: &BTreeSet<String>) -> BTreeSet<u32> {
        self.ports = ports;
        let uplink = names.iter().any(|name| self.is_uplink(name));
        let concerned = self.machines.iter().filter(|(_, params)| {
            uplink || params.vnics.iter().any(|vnic| names.contains(&vnic.name))
        });
        concerned.map(|(number, _)| *number).collect()
    }

    /// Whether a port of this name makes a difference.
    #[must_use]
    pub fn cares_for(&self, name: &str) -> bool {
        let is_card = self.machines.values().flat_map(|params| &params.vnics);
        self.is_uplink(name) || is_card.into_iter().any(|vnic| vnic.name == name)
    }

    fn is_uplink(&self, name: &str) -> bool {
        let mut uplinks = [&self.host.public, &self.host.private]
            .into_iter()
            .flatten();
        uplinks.any(|uplink| uplink.port == name)
    }

    /// What makes the switch agree on these machines and on the host's own flows.
    ///
    /// # Errors
    /// Why that cannot be; fewer machines at once may succeed.
    pub fn repair(&self, numbers: &BTreeSet<u32>) -> Result<Commit, String> {
        let Some(installed) = &self.installed else {
            return Err("the switch is not connected".to_owned());
        };
        let mut transaction = Transaction::new(&self.host, &self.ports);
        for number in numbers {
            match self.machines.get(number) {
                Some(params) => transaction
                    .set(&present(&self.ports, params))
                    .map_err(|problems| problems.to_string())?,
                None if self.leaving.contains(number) => transaction.disable_machine(*number),
                None => {}
            }
        }
        transaction
            .commit(installed)
            .map_err(|error| error.to_string())
    }

    /// A repair is in force.
    pub fn repaired(&mut self, commit: &Commit, machine: Option<u32>, now: u64) {
        if let Some(installed) = &mut self.installed {
            installed.apply(commit);
        }
        let (added, deleted) = commit.count();
        let count = |count| u32::try_from(count).unwrap_or(u32::MAX);
        self.happened(
            Kind::Repaired,
            machine,
            (count(added), count(deleted)),
            now,
            "",
        );
    }

    /// Something happened that nobody asked for.
    pub fn happened(
        &mut self,
        kind: Kind,
        machine: Option<u32>,
        (added, deleted): (u32, u32),
        now: u64,
        error: &str,
    ) {
        self.outcomes.push(Event {
            sequence: 0,
            time: now,
            kind,
            machine,
            added,
            deleted,
            caller: String::new(),
            error: error.to_owned(),
        });
    }

    /// What need not be remembered once the switch agrees: machines that have left it.
    pub fn settle(&mut self) -> Vec<Write> {
        let left = std::mem::take(&mut self.leaving);
        self.swept(left)
    }
}
