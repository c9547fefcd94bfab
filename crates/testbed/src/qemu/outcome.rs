//! How the jobs of a machine and the machine itself ended, and the words for it.

use std::fmt;
use std::time::Duration;

/// How many lines of a program and of the kernel are shown of what went wrong.
const SHOWN: usize = 60;

/// How one job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// With status 0.
    Passed,
    /// Otherwise: its status in words, and as a shell would give it.
    Failed {
        /// In words.
        status: String,
        /// As a number; 128 and more for signals.
        code: Option<i32>,
    },
    /// It ran longer than it may and was ended; where its threads were.
    Hung {
        /// A paragraph for each process.
        threads: String,
    },
    /// The machine ended while it ran.
    Cut,
    /// The machine ended before it began.
    NotRun,
}

/// One job, afterwards.
#[derive(Clone, Debug)]
pub struct Done {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
    /// What it printed, a line each.
    pub output: Vec<String>,
    /// What the kernel said meanwhile, a line each.
    pub kernel: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// Why a machine did not do all of its jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The kernel crashed, or the machine ended in another way.
    Crashed,
    /// It said nothing any more; what its kernel answered when asked where it is.
    Stalled {
        /// For how long.
        waited: Duration,
        /// A line each; nothing when the kernel did not answer either.
        tasks: Vec<String>,
    },
    /// It came up but cannot be used.
    Broken {
        /// Why.
        reason: String,
    },
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The release of the kernel.
    pub release: String,
    /// How long it took to be ready for the first job.
    pub boot: Duration,
    /// The jobs, in their order.
    pub jobs: Vec<Done>,
    /// What befell the machine.
    pub fault: Option<Fault>,
    /// What was on the console, a line each.
    pub console: Vec<String>,
    /// What the emulator complained about.
    pub emulator: String,
}

impl Outcome {
    /// That of a theme of which a person wants no case.
    pub(super) fn nothing_asked_for() -> Self {
        Self {
            release: "is not started, since no case of this theme is asked for".to_owned(),
            boot: Duration::ZERO,
            jobs: Vec::new(),
            fault: None,
            console: Vec::new(),
            emulator: String::new(),
        }
    }

    /// Whether every job passed.
    pub fn passed(&self) -> bool {
        self.fault.is_none() && self.jobs.iter().all(|job| job.verdict == Verdict::Passed)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "Linux {}, up in {:.1?}", self.release, self.boot)?;
        for job in &self.jobs {
            writeln!(
                out,
                "  {:<9} {} {:.1?}",
                word(&job.verdict),
                job.name,
                job.took
            )?;
        }
        for job in &self.jobs {
            details(job, out)?;
        }
        let Some(fault) = &self.fault else {
            return Ok(());
        };
        match fault {
            Fault::Crashed => writeln!(out, "\nthe machine ended by itself: its kernel crashed")?,
            Fault::Broken { reason } => writeln!(out, "\nthe machine cannot be used: {reason}")?,
            Fault::Stalled { waited, tasks } => {
                writeln!(
                    out,
                    "\nthe machine said nothing for {waited:.1?} and was ended"
                )?;
                match tasks.as_slice() {
                    [] => writeln!(out, "its kernel does not answer")?,
                    tasks => lines(out, "where its kernel says that it is", tasks)?,
                }
            }
        }
        if !self.emulator.trim().is_empty() {
            writeln!(out, "the emulator says: {}", self.emulator.trim())?;
        }
        lines(out, "last on its console", &self.console)
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "ok",
        Verdict::Failed { .. } => "FAILED",
        Verdict::Hung { .. } => "HUNG",
        Verdict::Cut => "CUT",
        Verdict::NotRun => "not run",
    }
}

fn details(job: &Done, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    match &job.verdict {
        Verdict::Passed | Verdict::NotRun => return Ok(()),
        Verdict::Failed { status, .. } => writeln!(out, "\n{}: {status}", job.name)?,
        Verdict::Hung { threads } => {
            writeln!(
                out,
                "\n{}: ended after {:.1?}; it was here:",
                job.name, job.took
            )?;
            out.write_str(threads)?;
        }
        Verdict::Cut => writeln!(out, "\n{}: the machine ended while it ran", job.name)?,
    }
    lines(out, "last that it printed", &job.output)?;
    lines(out, "last that the kernel said meanwhile", &job.kernel)
}

fn lines(out: &mut fmt::Formatter<'_>, title: &str, all: &[String]) -> fmt::Result {
    if all.is_empty() {
        return writeln!(out, "{title}: nothing");
    }
    writeln!(out, "{title}:")?;
    for line in &all[all.len().saturating_sub(SHOWN)..] {
        writeln!(out, "  | {line}")?;
    }
    Ok(())
}
