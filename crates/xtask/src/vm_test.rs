//! `cargo xtask vm-test`: the tests that run in a machine with a stock kernel, alone and with all they print;
//! or such a machine for a person. The work is done by the tests and by `testbed`; here are the words.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

/// The crates whose test binary `kernel` runs in such a machine.
const CRATES: &[&str] = &["testbed", "odp", "heddle"];
const BINARY: &str = "kernel";
/// What the test of a theme is called on each kernel.
const KERNELS: [&str; 2] = ["stock", "newer"];

const USAGE: &str = "\
usage: cargo xtask vm-test [FILTER] [--kernel NAME]
       cargo xtask vm-test --shell [--kernel NAME] [--module NAME]... [--program NAME]... [--binary PATH]...
       cargo xtask vm-test [--kernel NAME] [--module NAME]... -- COMMAND...
  FILTER is a part of THEME::KERNEL::CASE; only cases with it run. Kernels are stock and newer.";

#[derive(Debug, Default, PartialEq, Eq)]
struct Request {
    filter: Option<String>,
    kernel: Option<String>,
    /// For the machine of a person.
    options: Vec<String>,
    command: Option<Vec<String>>,
}

/// Does what the words ask for.
pub(crate) fn run(words: &[String]) -> Result<ExitCode> {
    let request = parse(words)?;
    let (cargo, mut command) = (cargo(), Command::new(cargo()));
    let status = match &request.command {
        Some(wanted) => visit(&mut command, &request, wanted).status(),
        None => test(&mut command, &request, has_nextest(&cargo)).status(),
    };
    let status = status.context("cannot run cargo")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

fn parse(words: &[String]) -> Result<Request> {
    let mut request = Request::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .with_context(|| format!("{word} needs a value\n{USAGE}"))
        };
        match word.as_str() {
            "--kernel" => request.kernel = Some(value()?.clone()),
            "--module" | "--program" | "--binary" | "--memory" => {
                request.options.extend([word.clone(), value()?.clone()]);
            }
            "--shell" => request.command = Some(Vec::new()),
            "--" => {
                request.command = Some(words.by_ref().cloned().collect());
            }
            "--help" => bail!("{USAGE}"),
            filter if !filter.starts_with('-') && request.filter.is_none() => {
                request.filter = Some(filter.to_owned());
            }
            other => bail!("{other} is not understood\n{USAGE}"),
        }
    }
    if request.command.is_none() && !request.options.is_empty() {
        bail!(
            "{} is for --shell or a command\n{USAGE}",
            request.options[0]
        );
    }
    if request.command.is_some() && request.filter.is_some() {
        bail!("a filter is for tests\n{USAGE}");
    }
    Ok(request)
}

fn visit<'a>(command: &'a mut Command, request: &Request, wanted: &[String]) -> &'a mut Command {
    command.args([
        "run",
        "--quiet",
        "--locked",
        "-p",
        "testbed",
        "--bin",
        "heddle-vm",
        "--",
    ]);
    if let Some(kernel) = &request.kernel {
        command.args(["--kernel", kernel]);
    }
    command.args(&request.options).arg("--").args(wanted)
}

fn test<'a>(command: &'a mut Command, request: &Request, nextest: bool) -> &'a mut Command {
    if nextest {
        command.args(["nextest", "run", "--no-capture"]);
    } else {
        command.arg("test");
    }
    command.arg("--locked");
    for name in CRATES {
        command.args(["-p", name]);
    }
    command.args(["--test", BINARY]);
    if !nextest {
        command.arg("--");
        command.args(["--nocapture", "--test-threads=1"]);
    }
    // Tests are called by theme and kernel; what is inside of them chooses its cases by itself. The tests of the
    // machine itself have no cases to choose from.
    match (&request.kernel, &request.filter) {
        (Some(kernel), _) => command.arg(kernel),
        (None, Some(_)) => command.args(KERNELS.map(|kernel| format!("::{kernel}"))),
        (None, None) => command,
    };
    command.env("HEDDLE_VM_ECHO", "1");
    if let Some(filter) = &request.filter {
        command.env("HEDDLE_VM_ONLY", filter);
    }
    command
}

fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn has_nextest(cargo: &std::ffi::OsStr) -> bool {
    let asked = Command::new(cargo)
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn words_are_understood_or_refused() -> Result<()> {
        let request = parse(&words("flows --kernel newer"))?;
        assert_eq!(request.filter.as_deref(), Some("flows"));
        assert_eq!(request.kernel.as_deref(), Some("newer"));
        assert_eq!(request.command, None);
        let request = parse(&words("--module geneve -- ip --brief link"))?;
        assert_eq!(request.options, words("--module geneve"));
        assert_eq!(request.command, Some(words("ip --brief link")));
        assert_eq!(parse(&words("--shell"))?.command, Some(Vec::new()));
        for wrong in [
            "a b",
            "--kernel",
            "--other",
            "--module geneve",
            "flows --shell",
        ] {
            assert!(parse(&words(wrong)).is_err(), "{wrong}");
        }
        Ok(())
    }
}
