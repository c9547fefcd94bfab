//! A theme: cases of one test that share a machine. The same code runs on the host, where it starts the
//! machine, and inside, where it is the machine's first process and each of the cases.

use std::fmt::Debug;

use anyhow::{Context, Result, bail};

use super::first::{inside, serve_if_first};
use super::kernel::Kernel;
use super::live::Live;
use super::machine::Machine;
use super::outcome::Outcome;
use super::protocol::Job;
use super::watch;

/// Inside: which case a process is.
const CASE: &str = "HEDDLE_MACHINE_CASE";

/// Asked for by a person: only cases with this in `theme::case`.
const ONLY: &str = "HEDDLE_VM_ONLY";

/// Asked for by a person: print everything at once.
const ECHO: &str = "HEDDLE_VM_ECHO";

/// One case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    name: &'static str,
    body: fn(),
}

impl Case {
    /// A case by its name.
    #[must_use]
    pub const fn new(name: &'static str, body: fn()) -> Self {
        Self { name, body }
    }
}

/// What a case may give.
pub trait Ending {
    /// Nothing, or the error.
    fn error(self) -> Option<String>;
}

impl Ending for () {
    fn error(self) -> Option<String> {
        None
    }
}

impl<E: Debug> Ending for Result<(), E> {
    fn error(self) -> Option<String> {
        self.err().map(|error| format!("{error:?}"))
    }
}

/// Panics when a case gave an error.
///
/// # Panics
/// Then.
pub fn ended(ending: impl Ending) {
    if let Some(error) = ending.error() {
        panic!("{error}");
    }
}

/// Cases, and the machine and kernel that they run on.
#[derive(Clone, Debug)]
pub struct Theme {
    /// The name of the test, as the test runner knows it.
    test: String,
    kernel: &'static str,
    machine: Machine,
    cases: &'static [Case],
}

impl Theme {
    /// The theme of the test `kernel` in the module `module`, which is called as the kernel it runs on.
    #[must_use]
    pub fn new(
        module: &str,
        kernel: &'static str,
        machine: Machine,
        cases: &'static [Case],
    ) -> Self {
        Self::of_test(module, kernel, machine, cases).on(kernel)
    }

    /// The theme of a test of any name, on the first of the kernels.
    #[must_use]
    pub fn of_test(module: &str, test: &str, machine: Machine, cases: &'static [Case]) -> Self {
        // A test runner does not say the name of the crate.
        let module = module.split_once("::").map_or("", |(_, inner)| inner);
        let separator = if module.is_empty() { "" } else { "::" };
        Self {
            test: format!("{module}{separator}{test}"),
            kernel: "stock",
            machine,
            cases,
        }
    }

    /// The same on another kernel.
    #[must_use]
    pub fn on(mut self, kernel: &'static str) -> Self {
        self.kernel = kernel;
        self
    }

    /// Runs the cases, and fails the test when one fails.
    ///
    /// # Panics
    /// When a case does not pass, or the machine does not come up.
    #[allow(clippy::print_stdout, reason = "the report of a test")]
    pub fn check(&self) {
        match self.run() {
            Ok(outcome) if outcome.passed() => println!("{}: {outcome}", self.test),
            Ok(outcome) => panic!("{}: {outcome}", self.test),
            Err(error) => panic!("{}: {error:#}", self.test),
        }
    }

    /// Runs the cases and says how they ended. Inside of the machine it does not return, or has run a case.
    ///
    /// # Errors
    /// When the machine cannot be started.
    ///
    /// # Panics
    /// Inside, where a case panics.
    pub fn run(&self) -> Result<Outcome> {
        if inside() {
            serve_if_first();
            return self.be_a_case();
        }
        let kernel = Kernel::named(self.kernel)?;
        let jobs = self.jobs();
        if jobs.is_empty() {
            return Ok(Outcome::nothing_asked_for());
        }
        let program = std::env::current_exe().context("where this program is")?;
        let mut live = Live::start(&self.machine, kernel, &program, &self.arguments(), &jobs)?;
        let echo = std::env::var_os(ECHO).is_some();
        Ok(watch::follow(&mut live, &self.machine, &jobs, echo))
    }

    /// What the test runner inside a test binary is to do: only this test, and print what it prints.
    fn arguments(&self) -> Vec<String> {
        ["--exact", &self.test, "--nocapture", "--test-threads=1"]
            .map(str::to_owned)
            .to_vec()
    }

    fn jobs(&self) -> Vec<Job> {
        let only = std::env::var(ONLY).unwrap_or_default();
        let wanted = |case: &&Case| format!("{}::{}", self.test, case.name).contains(&only);
        let job = |case: &Case| {
            let mut command = vec!["/init".to_owned()];
            command.extend(self.arguments());
            let mut job = Job::new(case.name, &[]);
            job.command = command;
            job.limit = self.machine.case_limit;
            job.environment
                .insert(CASE.to_owned(), case.name.to_owned());
            job
        };
        self.cases.iter().filter(wanted).map(job).collect()
    }

    #[allow(clippy::print_stdout, reason = "the report of a test")]
    fn be_a_case(&self) -> Result<Outcome> {
        let name = std::env::var(CASE).context("which case this process is")?;
        let Some(case) = self.cases.iter().find(|case| case.name == name) else {
            bail!("{} has no case {name}", self.test);
        };
        // The test runner has begun a line with the name of the test.
        println!();
        (case.body)();
        // What the host makes of it is the status of this process.
        std::process::exit(0);
    }
}
