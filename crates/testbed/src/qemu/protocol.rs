//! What host and machine say to each other: a plan into it, reports out of it.
//!
//! The plan is a file of the first file system; reports are lines of JSON on a serial line.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where the plan lies inside. It is there in no other place, so it also says that we are inside.
pub(super) const PLAN: &str = "/heddle-machine.json";

/// The serial line for reports, inside.
pub(super) const LINE: &str = "/dev/ttyS1";

/// One program to run inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// What reports call it.
    pub name: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables that only it gets.
    pub environment: BTreeMap<String, String>,
    /// How long it may run.
    pub limit: Duration,
    /// Whether it talks with a person over the line, in the place of reports.
    pub terminal: bool,
}

impl Job {
    /// A job that reports, with a limit of one minute.
    #[must_use]
    pub fn new(name: &str, command: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            environment: BTreeMap::new(),
            limit: Duration::from_secs(60),
            terminal: false,
        }
    }
}

/// What the first process has to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    /// Modules to load before the first job, in this order.
    pub(super) modules: Vec<String>,
    /// Variables for all jobs.
    pub(super) environment: BTreeMap<String, String>,
    pub(super) jobs: Vec<Job>,
}

/// What the first process says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Report {
    /// The modules are loaded and jobs begin.
    Ready,
    /// A job begins.
    Started { job: String },
    /// A line that it printed.
    Output { text: String },
    /// A line of the kernel.
    Kernel { text: String },
    /// The job has ended.
    Ended { end: End },
    /// The machine cannot do what it is for.
    Broken { reason: String },
    /// There is no more to do.
    Finished,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum End {
    /// With status 0.
    Passed,
    /// Otherwise.
    Failed { status: String, code: Option<i32> },
    /// Not within its limit; where each of its threads was.
    Hung { threads: String },
}
