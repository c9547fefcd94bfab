//! `--detach`: the parent waits until the daemon is ready, and returns.
//!
//! A process with threads cannot fork safely, so the program runs itself again instead: the copy gets
//! the same arguments, a session of its own, and the write end of a pipe as its standard input. A
//! byte on the pipe means "ready"; its end without a byte means that the copy died. Until it is
//! ready the copy keeps the standard error stream, so that a person sees why a start failed.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::StartError;

/// Names the parent that waits; holds its process number, so that only its own child believes it.
const PARENT: &str = "HEDDLE_DETACH_PARENT";

/// The detached copy, while its parent still waits.
#[derive(Debug)]
pub(crate) struct Detached;

/// In the parent: starts the copy, waits for it, exits. In the copy: returns.
pub(crate) fn detach() -> Result<Detached, StartError> {
    let parent = nix::unistd::getppid().to_string();
    if std::env::var(PARENT).is_ok_and(|value| value == parent) {
        // This fails only for the leader of a process group, which a child of ours never is.
        nix::unistd::setsid().map_err(|errno| StartError::Detach(errno.into()))?;
        return Ok(Detached);
    }
    let status = run_copy().map_err(StartError::Detach)?;
    std::process::exit(status)
}

/// Runs the program again and gives the status that this process is to end with.
fn run_copy() -> std::io::Result<i32> {
    let (mut reader, writer) = std::io::pipe()?;
    let mut args = std::env::args_os();
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = args.next() {
        command.arg0(name);
    }
    command
        .args(args)
        .env(PARENT, std::process::id().to_string())
        .stdin(Stdio::from(writer));
    let mut child = command.spawn()?;
    // The builder holds a write end too: as long as it is open, the pipe has no end.
    drop(command);
    let mut byte = [0];
    if reader.read(&mut byte)? == 1 {
        return Ok(0);
    }
    let status = child.wait()?;
    Ok(status.code().filter(|code| *code != 0).unwrap_or(1))
}

impl Detached {
    /// Lets the parent go and cuts the ties to its terminal.
    pub(crate) fn ready(self) {
        // If the parent is gone nobody waits for the byte, so a failure to write is no loss.
        let _ = nix::unistd::write(std::io::stdin(), b"1");
        if let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") {
            let _ = nix::unistd::dup2_stdin(&null);
            let _ = nix::unistd::dup2_stdout(&null);
            let _ = nix::unistd::dup2_stderr(&null);
        }
        crate::vlog::close_console();
    }
}
