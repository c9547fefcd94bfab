//! What each database should hold of us, asked of the pure modules, and when to ask again.

use std::collections::BTreeSet;

use model::Uuid;
use ovsdb::Operation;

use super::{CLEAN, Command, Core, Database, facts};
use crate::binding::{self, Here};
use crate::config::Config;
use crate::local::Now;
use crate::{bridge, chassis, encaps, patch};

impl Core {
    /// Everything that the local database should hold of us.
    pub(super) fn plan_vswitch(&mut self, config: &Config, now: Now, stamp: i64) {
        let dirty = self.plan_ovs;
        if !(dirty.ovs || dirty.chassis || dirty.ports) || !self.ovs_flight.is_free(now) {
            return;
        }
        self.plan_ovs = CLEAN;
        let complete = self.sb_flight.complete;
        let mut plan = bridge::plan(config, &self.ovs);
        if complete && (dirty.ovs || dirty.chassis) {
            plan.extend(encaps::plan(config, &self.ovs, &self.sb, complete));
        }
        let here = self.sb.chassis_named(&config.chassis).map(|(uuid, _)| uuid);
        // Before flows were computed once, no datapath is local and no zone in use yet.
        if self.step > 0 {
            let local: BTreeSet<Uuid> = self.physical.local_datapaths().collect();
            let (more, problems) = patch::plan(config, &self.ovs, &self.sb, here, &local, complete);
            plan.extend(more);
            self.reports.warn("patch", problems);
            if let Some((uuid, row)) = self.ovs.bridge(&config.bridge) {
                plan.extend(self.zones.plan(uuid, row, complete));
            }
        }
        let mut lines = Vec::new();
        if let (true, Some(chassis)) = (complete, here) {
            let vifs = binding::vifs(&self.ovs, &config.bridge);
            let here = Here { chassis, config };
            let ready = self.progress.ready();
            let installed = binding::plan_installed(here, &vifs, &self.sb, ready, stamp);
            plan.extend(installed.operations);
            lines.extend(installed.lines);
        }
        self.transact(Database::Vswitch, plan, lines);
    }

    /// Everything that the Southbound should hold of us.
    pub(super) fn plan_southbound(&mut self, config: &Config, now: Now, stamp: i64) {
        let dirty = self.plan_sb;
        let asked = dirty.ovs || dirty.chassis || dirty.ports || !self.learned.is_empty();
        if !asked || !self.sb_flight.complete || !self.sb_flight.is_free(now) {
            return;
        }
        self.plan_sb = CLEAN;
        let mut plan = Vec::new();
        let mut lines = Vec::new();
        if dirty.ovs || dirty.chassis {
            let kind = facts::datapath_type(&self.ovs, config);
            let (operations, problems) = chassis::plan(config, &kind, &self.sb);
            plan.extend(operations);
            self.reports.error("chassis", problems);
        }
        if let Some((chassis, _)) = self.sb.chassis_named(&config.chassis) {
            let vifs = binding::vifs(&self.ovs, &config.bridge);
            let here = Here { chassis, config };
            let bindings = binding::plan(here, &vifs, &self.sb, &mut self.recent, now);
            self.plan_sb.ports |= bindings.postponed;
            let up = binding::plan_up(&self.sb, chassis, self.progress.ready());
            for more in [bindings, up] {
                plan.extend(more.operations);
                lines.extend(more.lines);
            }
        }
        plan.extend(self.progress.plan(&config.chassis, &self.sb, stamp));
        plan.extend(self.learned.plan(&self.sb, now, stamp));
        self.transact(Database::Southbound, plan, lines);
    }

    fn transact(&mut self, database: Database, plan: Vec<Operation>, lines: Vec<String>) {
        if plan.is_empty() {
            return;
        }
        lines
            .iter()
            .for_each(|line| tracing::info!(target: "binding", "{line}"));
        self.flight(database).in_flight = true;
        self.commands.push(Command::Transact(database, plan));
    }

    /// When [`Core::run`] is to be called again without an event.
    pub fn deadline(&self) -> Option<Now> {
        let learned = self.sb_flight.retry_at.filter(|_| !self.learned.is_empty());
        [
            self.local.deadline(),
            self.plan_sb.ports.then(|| self.recent.deadline()).flatten(),
            self.ovs_flight.retry_at.filter(|_| self.plan_ovs.ovs),
            self.sb_flight.retry_at.filter(|_| self.plan_sb.ovs),
            learned,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
