//! A document's network built up on this machine, and its expectations checked with real packets.

mod check;
pub mod keep;
mod machines;
mod report;

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use api::Document;

use self::report::Report;
pub use self::report::Totals;
use crate::cloud::Cloud;

/// What to run.
pub struct Demo<'a> {
    /// The binary under test.
    pub heddle: &'a Path,
    /// The file with the document, which is applied as it stands.
    pub file: &'a Path,
    /// What is in it.
    pub document: &'a Document,
    /// How many hypervisors, if not those that the document names.
    pub hypervisors: Option<usize>,
}

impl Demo<'_> {
    /// Runs it, telling `out` what happens as it happens. The cloud that it gives still runs.
    ///
    /// # Errors
    /// When something cannot be built up. An expectation that does not hold is no error: it is counted.
    pub fn run(&self, out: &mut dyn Write) -> Result<(Cloud, Totals)> {
        let bed = self.document.testbed.as_ref().with_context(|| {
            format!(
                "{} has no `testbed` section, so there is nothing to show",
                self.file.display()
            )
        })?;
        ensure!(
            nix::unistd::geteuid().is_root(),
            "the demo makes network namespaces and starts switches in them, which only root may"
        );
        let start = Instant::now();
        let names = self.hypervisor_names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut report = Report::new(out);

        let what = format!(
            "a server, and a switch and an agent on {}",
            names.join(", ")
        );
        let mut cloud = report.step(&what, || Cloud::start(self.heddle, &names))?;
        let what = format!("the network of {}", self.file.display());
        report.step(&what, || cloud.apply(self.file))?;
        let what = format!("{} machines, plugged in", bed.machines.len());
        report.step(&what, || machines::start(&mut cloud, self.document, &names))?;
        report.step("every port up on every hypervisor", || cloud.settle())?;
        for name in machines::asking(self.document) {
            report.attempt(&format!("an address by DHCP for {name}"), || {
                machines::lease(&cloud, name)
            })?;
        }
        let checks = check::prepare(self.document)?;
        let responders = check::respond(&cloud, &checks)?;
        report.lines(&checks)?;
        for check in &checks {
            report.check(check, || check.run(&cloud))?;
        }
        drop(responders);
        let totals = report.totals(start.elapsed())?;
        cloud.expect_alive()?;
        Ok((cloud, totals))
    }

    fn hypervisor_names(&self) -> Vec<String> {
        match (self.hypervisors, &self.document.testbed) {
            (Some(number), _) => (1..=number).map(|number| format!("hv{number}")).collect(),
            (None, Some(bed)) => bed
                .hypervisors
                .iter()
                .map(|name| name.value.to_string())
                .collect(),
            (None, None) => vec![],
        }
    }
}
