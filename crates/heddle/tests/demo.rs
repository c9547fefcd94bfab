//! `heddle demo` as a person runs it.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use support::{file, heddle};

const SMALL: &str = "
version: 1
name: small
switches:
  s:
    subnets: [10.0.1.0/24]
    ports:
      a: {addresses: [10.0.1.11]}
      b: {addresses: [10.0.1.12]}
testbed:
  hypervisors: [hv1]
  machines: {a: {on: hv1}, b: {on: hv1}}
  expectations:
    - {from: a, to: b, probe: ping, should: SHOULD}
    - {from: a, to: 10.0.1.99, probe: ping, should: fail}
";

fn small(should: &str) -> String {
    SMALL.replace("SHOULD", should)
}

fn demo(arguments: &[&str]) -> Result<(Output, String)> {
    let output = Command::new(heddle())
        .arg("demo")
        .args(arguments)
        .output()?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok((output, said))
}

/// Process ids whose command line names this folder.
fn processes_in(folder: &Path) -> Vec<String> {
    let name = folder.to_string_lossy().into_owned();
    let of_process = |entry: std::fs::DirEntry| {
        let said = std::fs::read(entry.path().join("cmdline")).ok()?;
        let said = String::from_utf8_lossy(&said).replace('\0', " ");
        said.contains(&format!("{name}/")).then_some(said)
    };
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(of_process).collect()
}

fn expect_nothing_left(folder: &Path) -> Result<()> {
    testbed::until(Duration::from_secs(10), "the folder to go away", || {
        Ok((!folder.exists()).then_some(()))
    })?;
    testbed::until(Duration::from_secs(5), "the processes to end", || {
        Ok(processes_in(folder).is_empty().then_some(()))
    })
    .with_context(|| processes_in(folder).join("\n"))
}

#[test]
fn the_example_holds() -> Result<()> {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/two-tier.yaml");
    let (output, said) = demo(&[example])?;
    assert!(output.status.success(), "{said}");
    let line = said.lines().last().context("a line of totals")?;
    let mut numbers = line
        .split(|sign: char| !sign.is_ascii_digit())
        .filter_map(|text| text.parse().ok());
    let mut number = || numbers.next().unwrap_or(0_u32);
    let (all, held, failed, differed) = (number(), number(), number(), number());
    assert!(all >= 20 && failed >= 6, "{line}");
    assert_eq!((held, differed), (all, 0), "{said}");
    Ok(())
}

#[test]
fn an_expectation_that_does_not_hold_is_the_exit_status() -> Result<()> {
    let document = file(&small("fail"))?;
    let (output, said) = demo(&[document.path().to_str().context("UTF-8")?])?;
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("DIFFERS").count(), 1, "{said}");
    assert!(said.contains("2 expectations: 1 held"), "{said}");
    Ok(())
}

#[test]
fn a_bad_document_starts_nothing() -> Result<()> {
    let document = file(&small("pass").replace("subnets:", "subnet:"))?;
    let name = document.path().to_str().context("UTF-8")?;
    let (output, said) = demo(&[name])?;
    assert!(!output.status.success());
    assert!(
        said.contains(&format!("{name}:6:")) && said.contains("subnet"),
        "{said}"
    );
    assert!(!said.contains("hv1 ..."), "{said}");
    Ok(())
}

#[test]
fn a_kept_demo_can_be_entered_looked_at_and_ended() -> Result<()> {
    let document = file(&small("pass"))?;
    let (output, said) = demo(&["--keep", document.path().to_str().context("UTF-8")?])?;
    assert!(output.status.success(), "{said}");
    let folder = said
        .lines()
        .rev()
        .find_map(|line| line.split_once("demo stop "));
    let folder = PathBuf::from(folder.context("how to end it")?.1);

    let inside = Command::new(folder.join("enter"))
        .args(["a", "ping", "-c1", "10.0.1.12"])
        .output()?;
    assert!(inside.status.success(), "{inside:?}");
    let on_host = Command::new(folder.join("enter"))
        .args(["hv1", "ovs-vsctl", "show"])
        .output()?;
    assert!(
        String::from_utf8_lossy(&on_host.stdout).contains("br-int"),
        "{on_host:?}"
    );
    let northbound = format!("unix:{}", folder.join("ovnnb_db.sock").display());
    let shown = Command::new(heddle())
        .args(["nb", "show", "--db", &northbound])
        .output()?;
    assert!(
        String::from_utf8_lossy(&shown.stdout).contains("switch s"),
        "{shown:?}"
    );

    let (output, said) = demo(&["stop", folder.to_str().context("UTF-8")?])?;
    assert!(output.status.success(), "{said}");
    expect_nothing_left(&folder)
}

#[test]
fn a_demo_that_is_killed_leaves_nothing() -> Result<()> {
    let document = file(&small("pass"))?;
    let mut child = Command::new(heddle())
        .arg("demo")
        .arg(document.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let folder = std::env::temp_dir().join(format!("heddle-{}-0", child.id()));
    // Half way: the switch is up and its bridge exists.
    testbed::until(Duration::from_secs(20), "the switch to be there", || {
        Ok(folder.join("hv1/br-int.mgmt").exists().then_some(()))
    })?;
    assert!(!processes_in(&folder).is_empty());
    child.kill()?;
    child.wait()?;
    expect_nothing_left(&folder)
}
