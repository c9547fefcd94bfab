//! One job inside of a machine: run it, pass on what it prints, end it when it hangs and say where.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::first::{Line, with_path};
use super::protocol::{End, Job, Report};
use crate::wait;

/// How long what a job printed may take to arrive once it has ended. Something that it left behind may hold
/// the pipe for good.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs a job that reports.
pub(super) fn run(
    job: &Job,
    environment: &BTreeMap<String, String>,
    line: &Arc<Line>,
) -> Result<End> {
    let (output, input) = std::io::pipe().context("cannot make a pipe")?;
    let mut command = command(job);
    command
        .envs(environment)
        .envs(&job.environment)
        .stdin(Stdio::null())
        .stdout(input.try_clone()?)
        .stderr(input)
        .process_group(0);
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            return Ok(End::Failed {
                status: format!("cannot start {}: {error}", job.command.join(" ")),
                code: None,
            });
        }
    };
    drop(command);
    let said = Arc::clone(line);
    let reader = std::thread::spawn(move || pass_on(output, &said));
    let end = follow(child, job.limit)?;
    // Without all of it the end is still true.
    let _ = wait::until(LAST_WORDS, "the last words of a job", || {
        Ok(reader.is_finished().then_some(()))
    });
    Ok(end)
}

/// Runs a job that talks with a person over the line.
pub(super) fn talk(job: &Job, line: &File) -> Result<End> {
    let mut shell = Command::new("setsid");
    with_path(&mut shell)
        .args(["--ctty", "--wait"])
        .args(&job.command)
        .envs(&job.environment)
        .stdin(line.try_clone()?)
        .stdout(line.try_clone()?)
        .stderr(line.try_clone()?);
    Ok(ended(shell.status().context("cannot start a shell")?))
}

fn command(job: &Job) -> Command {
    let mut words = job.command.iter();
    let mut command = Command::new(words.next().map_or("", String::as_str));
    command.args(words);
    with_path(&mut command);
    command
}

fn pass_on(output: impl Read, line: &Line) {
    let mut output = BufReader::new(output);
    let mut bytes = Vec::new();
    while matches!(output.read_until(b'\n', &mut bytes), Ok(length) if length > 0) {
        let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        line.say(&Report::Output { text });
        bytes.clear();
    }
}

/// Waits for its end, or makes one.
fn follow(mut child: Child, limit: Duration) -> Result<End> {
    let group = Pid::from_raw(i32::try_from(child.id())?);
    let began = Instant::now();
    let end = loop {
        if let Some(status) = child.try_wait()? {
            break ended(status);
        }
        if began.elapsed() >= limit {
            let threads = threads();
            break End::Hung { threads };
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    // What it left behind ends too, so that cases do not meet. It fails when there is nothing.
    let _ = killpg(group, Signal::SIGKILL);
    if matches!(end, End::Hung { .. }) {
        child.wait()?;
    }
    Ok(end)
}

fn ended(status: ExitStatus) -> End {
    if status.success() {
        return End::Passed;
    }
    End::Failed {
        status: status.to_string(),
        code: status
            .code()
            .or_else(|| status.signal().map(|signal| 128 + signal)),
    }
}

/// Where every thread of every program is: its name, what it waits for in the kernel, and the kernel's stack.
fn threads() -> String {
    let mut text = String::new();
    for process in numbers(Path::new("/proc")) {
        let folder = format!("/proc/{process}");
        let command = std::fs::read(format!("{folder}/cmdline")).unwrap_or_default();
        // The first process is us; a process of the kernel has no command.
        if process == 1 || command.is_empty() {
            continue;
        }
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let _ = writeln!(text, "process {process}: {command}");
        for thread in numbers(Path::new(&format!("{folder}/task"))) {
            let read = |name: &str| {
                std::fs::read_to_string(format!("{folder}/task/{thread}/{name}"))
                    .unwrap_or_default()
            };
            let _ = writeln!(
                text,
                "  thread {thread} ({}) in {}, system call {}",
                read("comm").trim(),
                read("wchan"),
                read("syscall").trim()
            );
            for call in read("stack").lines() {
                let _ = writeln!(text, "    {call}");
            }
        }
    }
    text
}

fn numbers(folder: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut numbers: Vec<u32> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers
}
