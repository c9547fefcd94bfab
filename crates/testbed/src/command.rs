//! Running a short command and reading what it prints.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The same command, killed when the thread that starts it ends, so that it cannot outlive us.
///
/// `setpriv` asks the kernel for that and then becomes the program: the process id stays the same.
pub(crate) fn guarded(command: &Command) -> Command {
    let mut guarded = Command::new("setpriv");
    guarded
        .args(["--pdeathsig", "KILL"])
        .arg(command.get_program())
        .args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => guarded.env(key, value),
            None => guarded.env_remove(key),
        };
    }
    guarded
}

/// Runs `command` to its end and gives its standard output.
///
/// # Errors
/// When it cannot start or does not succeed; the message holds the command and what it said.
pub fn run(command: &mut Command) -> Result<String> {
    let output = guarded(command)
        .stdin(Stdio::null())
        .env("LC_ALL", "C")
        .output()
        .with_context(|| format!("cannot run {}", text(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{} ended with {}: {}",
            text(command),
            output.status,
            said.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as a person would type it.
pub(crate) fn text(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs a program with arguments given as one string of words. For fixed words only: nothing is quoted.
pub(crate) fn words(line: &str) -> Result<String> {
    let mut parts = line.split_whitespace();
    run(Command::new(parts.next().unwrap_or_default()).args(parts))
}
