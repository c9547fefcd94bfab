//! Watches a machine from its start to its end, and never waits for good.

use std::time::{Duration, Instant};

use super::live::{Event, Live};
use super::machine::Machine;
use super::outcome::{Done, Fault, Outcome, Verdict};
use super::protocol::{End, Job, Report};

/// How long a machine may take from its start to its first job. Emulated, on a machine that does other things
/// as well, it takes a few seconds.
const BOOT: Duration = Duration::from_secs(120);

/// How long the machine may be silent where no job runs, and beyond the limit of one that does: inside, it
/// would have been ended by then.
const SLACK: Duration = Duration::from_secs(30);

/// The kind of a line that a job printed.
const OUTPUT: &str = "output";

struct Watch<'a> {
    jobs: &'a [Job],
    done: Vec<Done>,
    running: Option<Instant>,
    console: Vec<String>,
    boot: Option<Duration>,
    began: Instant,
    /// When to stop waiting for what is next, and how long that is.
    patience: (Instant, Duration),
    /// When to stop in any case: so much after the first job could begin.
    end: Instant,
    limit: Duration,
    echo: bool,
}

/// Follows a machine to its end. With `echo` all it says is printed at once.
pub(super) fn follow(live: &mut Live, machine: &Machine, jobs: &[Job], echo: bool) -> Outcome {
    let began = Instant::now();
    let mut watch = Watch {
        jobs,
        done: Vec::new(),
        running: None,
        console: Vec::new(),
        boot: None,
        began,
        patience: (began + BOOT, BOOT),
        end: began + BOOT,
        limit: machine.limit,
        echo,
    };
    let mut fault = watch.until_fault(live);
    if let Some(Fault::Stalled { tasks, .. }) = &mut fault {
        *tasks = live.ask();
    }
    let (status, mut emulator) = live.end();
    if let (Some(status), Some(Fault::Crashed)) = (status, &fault)
        && !status.success()
    {
        emulator = format!("ended with {status}: {emulator}");
    }
    watch.console.extend(live.rest());
    watch.cut();
    Outcome {
        release: live.release().to_owned(),
        boot: watch.boot.unwrap_or_else(|| began.elapsed()),
        jobs: watch.done,
        fault,
        console: watch.console,
        emulator,
    }
}

impl Watch<'_> {
    fn until_fault(&mut self, live: &Live) -> Option<Fault> {
        loop {
            let until = self.patience.0.min(self.end);
            match live.next(until) {
                Ok(Event::Report(Report::Finished)) => return None,
                Ok(Event::Report(Report::Broken { reason })) => {
                    return Some(Fault::Broken { reason });
                }
                Ok(Event::Report(report)) => self.take(report),
                Ok(Event::Console(text)) => {
                    self.print("console", &text);
                    self.console.push(text);
                }
                Ok(Event::Closed) => return Some(Fault::Crashed),
                Err(_) => {
                    let waited = if self.end < self.patience.0 {
                        self.began.elapsed()
                    } else {
                        self.patience.1
                    };
                    return Some(Fault::Stalled {
                        waited,
                        tasks: Vec::new(),
                    });
                }
            }
        }
    }

    fn take(&mut self, report: Report) {
        match report {
            Report::Ready => {
                self.boot = Some(self.began.elapsed());
                self.end = Instant::now() + self.limit;
                self.wait(SLACK);
            }
            Report::Started { job } => {
                self.print("case", &job);
                let limit = self.jobs.get(self.done.len()).map(|job| job.limit);
                self.done.push(Done {
                    name: job,
                    verdict: Verdict::Cut,
                    output: Vec::new(),
                    kernel: Vec::new(),
                    took: Duration::ZERO,
                });
                self.running = Some(Instant::now());
                self.wait(limit.unwrap_or_default() + SLACK);
            }
            Report::Output { text } => {
                self.print(OUTPUT, &text);
                if let Some(job) = self.done.last_mut() {
                    job.output.push(text);
                }
            }
            Report::Kernel { text } => {
                self.print("kernel", &text);
                if let Some(job) = self.done.last_mut() {
                    job.kernel.push(text);
                }
            }
            Report::Ended { end } => {
                let took = self.running.take().map(|began| began.elapsed());
                if let Some(job) = self.done.last_mut() {
                    job.verdict = verdict(end);
                    job.took = took.unwrap_or_default();
                }
                self.wait(SLACK);
            }
            Report::Broken { .. } | Report::Finished => {}
        }
    }

    fn wait(&mut self, patience: Duration) {
        self.patience = (Instant::now() + patience, patience);
    }

    /// Enters what was never begun, and the time of what never ended.
    fn cut(&mut self) {
        if let (Some(began), Some(job)) = (self.running, self.done.last_mut()) {
            job.took = began.elapsed();
        }
        let missing = self.jobs.iter().skip(self.done.len()).map(|job| Done {
            name: job.name.clone(),
            verdict: Verdict::NotRun,
            output: Vec::new(),
            kernel: Vec::new(),
            took: Duration::ZERO,
        });
        self.done.extend(missing);
    }

    /// What a program printed goes to the standard output, all else beside it.
    #[allow(
        clippy::print_stdout,
        clippy::print_stderr,
        reason = "asked for, by a person who waits"
    )]
    fn print(&self, kind: &str, text: &str) {
        match kind {
            _ if !self.echo => {}
            OUTPUT => println!("{text}"),
            kind => eprintln!("{kind}: {text}"),
        }
    }
}

fn verdict(end: End) -> Verdict {
    match end {
        End::Passed => Verdict::Passed,
        End::Failed { status, code } => Verdict::Failed { status, code },
        End::Hung { threads } => Verdict::Hung { threads },
    }
}
