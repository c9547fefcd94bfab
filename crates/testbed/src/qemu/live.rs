//! A machine that runs, seen from the host.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::kernel::{Installed, Kernel};
use super::machine::Machine;
use super::protocol::{Job, Report};
use crate::command::guarded;
use crate::{Scratch, wait};

/// The emulator, and the package it comes from.
const EMULATOR: &str = "qemu-system-x86_64";
const PACKAGE: &str = "qemu-system-x86";

/// How long the emulator may take to open the line.
const START: Duration = Duration::from_secs(30);

/// On the console of the emulator: send a break, after which the kernel takes a letter as a request.
const BREAK: &[u8] = b"\x01b";

/// How long the kernel may take to say what it was asked.
const ANSWER: Duration = Duration::from_secs(3);

/// What comes out of a machine.
#[derive(Debug)]
pub(super) enum Event {
    Report(Report),
    /// A line on the console: the kernel, when it is in distress.
    Console(String),
    /// The line for reports has ended.
    Closed,
}

/// A machine that runs. It ends when this is dropped, and when the thread that started it ends.
pub struct Live {
    emulator: Child,
    console: ChildStdin,
    events: Receiver<Event>,
    kernel: Installed,
    line: UnixStream,
    scratch: Scratch,
}

impl Live {
    /// Starts a machine on a kernel. Its first process is `first`, this program usually, with `arguments`; it
    /// calls [`serve_if_first`](super::serve_if_first), which does the jobs.
    ///
    /// # Errors
    /// When the emulator, the kernel or a program that the machine needs is missing or does not start.
    pub fn start(
        machine: &Machine,
        kernel: Kernel,
        first: &Path,
        arguments: &[String],
        jobs: &[Job],
    ) -> Result<Self> {
        Self::start_with(EMULATOR, machine, kernel, (first, arguments), jobs)
    }

    fn start_with(
        emulator: &str,
        machine: &Machine,
        kernel: Kernel,
        (first, arguments): (&Path, &[String]),
        jobs: &[Job],
    ) -> Result<Self> {
        installed(emulator)?;
        let kernel = kernel.find()?;
        let scratch = Scratch::in_memory()?;
        let files = machine.write(&kernel, first, jobs, scratch.path())?;
        let socket = scratch.path().join("line");
        let listener = UnixListener::bind(&socket).context("cannot make the line for reports")?;
        listener.set_nonblocking(true)?;
        let command = machine.command(emulator, &kernel, &files, &socket, arguments);
        let errors = scratch.path().join("errors");
        let mut emulator = guarded(&command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&errors)?)
            .spawn()
            .context("cannot start the emulator")?;
        let (Some(input), Some(output)) = (emulator.stdin.take(), emulator.stdout.take()) else {
            bail!("the emulator has no console");
        };
        let line = match connected(&listener, &mut emulator, &errors) {
            Ok(line) => line,
            Err(error) => {
                // It has ended, or must now; the error to tell is the first one.
                let _ = emulator.kill();
                let _ = emulator.wait();
                return Err(error);
            }
        };
        let (sender, events) = channel();
        let live = Self {
            emulator,
            console: input,
            events,
            kernel,
            line,
            scratch,
        };
        let to_console = sender.clone();
        std::thread::spawn(move || read_lines(output, &to_console, Event::Console));
        if !jobs.iter().any(|job| job.terminal) {
            let line = live.line.try_clone()?;
            std::thread::spawn(move || read_reports(line, &sender));
        }
        Ok(live)
    }

    /// The release of its kernel.
    pub fn release(&self) -> &str {
        &self.kernel.release
    }

    /// The id of the emulator's process.
    pub fn emulator(&self) -> u32 {
        self.emulator.id()
    }

    /// The line, as the terminal of a job that talks with a person.
    ///
    /// # Errors
    /// When the system has no more file descriptors.
    pub fn terminal(&self) -> Result<UnixStream> {
        self.line
            .try_clone()
            .context("cannot copy the line of the machine")
    }

    /// What comes next, until a moment.
    pub(super) fn next(&self, until: Instant) -> Result<Event, RecvTimeoutError> {
        self.events
            .recv_timeout(until.saturating_duration_since(Instant::now()))
    }

    /// Asks the kernel where its processors and the tasks that wait are, and gives what it says. A kernel
    /// that does not say anything hangs itself.
    pub(super) fn ask(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        for request in [b'l', b'w'] {
            // The emulator may be gone; then nothing comes.
            let _ = self.console.write_all(BREAK);
            let _ = self.console.write_all(&[request]);
            let _ = self.console.flush();
            let until = Instant::now() + ANSWER;
            while let Ok(event) = self.next(until) {
                if let Event::Console(text) = event {
                    said.push(text);
                }
            }
        }
        said
    }

    /// Ends it, and gives how the emulator ended and what it complained about.
    pub(super) fn end(&mut self) -> (Option<ExitStatus>, String) {
        let ended = self.emulator.try_wait().ok().flatten();
        if ended.is_none() {
            let _ = self.emulator.kill();
            let _ = self.emulator.wait();
        }
        let said = std::fs::read_to_string(self.scratch.path().join("errors"));
        (ended, said.unwrap_or_default())
    }

    /// The console's remaining lines, once it has ended.
    pub(super) fn rest(&self) -> Vec<String> {
        let until = Instant::now() + ANSWER;
        let mut lines = Vec::new();
        while let Ok(event) = self.next(until) {
            if let Event::Console(text) = event {
                lines.push(text);
            }
        }
        lines
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end();
    }
}

/// Fails, with the package to install, when the emulator is not there.
fn installed(emulator: &str) -> Result<()> {
    let asked = Command::new(emulator)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.map(drop).with_context(|| {
        format!(
            "cannot run {emulator} of the package {PACKAGE}; run tools/install-packages as root"
        )
    })
}

fn connected(listener: &UnixListener, emulator: &mut Child, errors: &Path) -> Result<UnixStream> {
    let line = wait::until(START, "the emulator to open its line", || {
        match listener.accept() {
            Ok((line, _)) => return Ok(Some(line)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(status) = emulator.try_wait()? {
            let said = std::fs::read_to_string(errors).unwrap_or_default();
            bail!("the emulator ended with {status}: {}", said.trim());
        }
        Ok(None)
    })?;
    line.set_nonblocking(false)?;
    Ok(line)
}

/// Passes lines on until there are no more or nobody listens.
fn read_lines(input: impl Read, to: &Sender<Event>, event: impl Fn(String) -> Event) {
    let mut input = BufReader::new(input);
    let mut bytes = Vec::new();
    while matches!(input.read_until(b'\n', &mut bytes), Ok(length) if length > 0) {
        let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        if to.send(event(text)).is_err() {
            return;
        }
        bytes.clear();
    }
}

fn read_reports(line: UnixStream, to: &Sender<Event>) {
    read_lines(line, to, |text| match serde_json::from_str(&text) {
        Ok(report) => Event::Report(report),
        // A kernel that crashes cuts a report in the middle.
        Err(_) => Event::Console(text),
    });
    // Whoever listened may be gone.
    let _ = to.send(Event::Closed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emulator_that_is_missing_names_its_package_and_the_remedy() {
        let error = installed("qemu-system-none").unwrap_err().to_string();
        assert!(error.contains("qemu-system-x86"), "{error}");
        assert!(error.contains("tools/install-packages"), "{error}");
    }
}
