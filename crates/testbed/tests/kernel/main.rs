//! The machine with a stock kernel by itself: what a case finds inside, and what the host learns when a case, the
//! kernel or the whole machine fails. What holds here does not depend on any part of Heddle.

#![allow(clippy::print_stdout, reason = "what cases print is looked for")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use testbed::qemu::{
    Case, Done, Fault, Job, Kernel, Live, Machine, Outcome, Theme, Verdict, ended, serve_if_first,
};
use testbed::{Namespace, run, until};

testbed::kernel_tests! {
    inside on Machine::new().loads(&["openvswitch", "veth"]).carries(&["vxlan", "vport-geneve"]) => [
        modules_are_loaded_and_others_come_on_demand,
        namespaces_are_joined_by_a_cable,
        a_case_is_root_and_has_its_own_files,
        a_case_does_not_meet_what_another_left,
    ]
}

fn modules_are_loaded_and_others_come_on_demand() -> Result<()> {
    ensure!(Path::new("/sys/module/openvswitch").exists());
    ensure!(!Path::new("/sys/module/vxlan").exists());
    let namespace = Namespace::new("a")?;
    namespace.ip("link add v0 type vxlan external dstport 4789")?;
    ensure!(Path::new("/sys/module/vxlan").exists());
    ensure!(
        namespace.ip("link add d0 type dummy").is_err(),
        "it carries no such module"
    );
    Ok(())
}

fn namespaces_are_joined_by_a_cable() -> Result<()> {
    let (left, right) = (Namespace::new("left")?, Namespace::new("right")?);
    let there = right.path();
    left.ip(&format!(
        "link add e0 type veth peer name e0 netns {}",
        there.display()
    ))?;
    for (namespace, address) in [(&left, "10.0.0.1/24"), (&right, "10.0.0.2/24")] {
        namespace.ip(&format!("addr add {address} dev e0"))?;
        namespace.ip("link set e0 up")?;
    }
    left.command("ping -c 2 -i 0.1 -W 5 10.0.0.2")?;
    Ok(())
}

fn a_case_is_root_and_has_its_own_files() -> Result<()> {
    ensure!(run(Command::new("sh").args(["-c", "id=$(cat /proc/self/loginuid); echo $0"])).is_ok());
    std::fs::write("/tmp/mark", "here")?;
    ensure!(std::fs::read_to_string("/etc/passwd")?.starts_with("root:"));
    // Left behind on purpose, in the case's own process group.
    Command::new("sleep").arg("1000").spawn()?;
    Ok(())
}

fn a_case_does_not_meet_what_another_left() -> Result<()> {
    for entry in std::fs::read_dir("/proc")? {
        let command = entry?.path().join("cmdline");
        let command = std::fs::read_to_string(command).unwrap_or_default();
        ensure!(
            !command.starts_with("sleep"),
            "a process of another case is there"
        );
    }
    Ok(())
}

const FAILING: &[Case] = &[
    Case::new("passes", || {}),
    Case::new("panics", || {
        println!("this is said before");
        panic!("a case that panics on purpose");
    }),
    Case::new("fails", || ended(gives_an_error())),
    Case::new("hangs", || {
        println!("this is said before it hangs");
        std::thread::sleep(Duration::from_secs(3600));
    }),
    Case::new("goes on", || {}),
    Case::new("crashes", || {
        println!("this is said before it crashes");
        std::thread::sleep(Duration::from_millis(300));
        ended(std::fs::write("/proc/sysrq-trigger", "c"));
    }),
    Case::new("is never run", || {}),
];

fn gives_an_error() -> Result<()> {
    std::fs::read("/no/such/file")
        .map(drop)
        .context("an error with a cause")
}

/// Which of the outcome's jobs has this name.
fn job<'a>(outcome: &'a Outcome, name: &str) -> Result<&'a Done> {
    let found = outcome.jobs.iter().find(|job| job.name == name);
    found.with_context(|| format!("no case {name} in {outcome}"))
}

#[test]
fn every_way_to_fail_is_told_apart() -> Result<()> {
    let machine = Machine::new().case_limit(Duration::from_secs(5));
    let theme = Theme::of_test(
        module_path!(),
        "every_way_to_fail_is_told_apart",
        machine,
        FAILING,
    );
    let outcome = theme.run()?;
    let text = outcome.to_string();
    assert!(!outcome.passed());
    assert_eq!(job(&outcome, "passes")?.verdict, Verdict::Passed, "{text}");
    assert_eq!(job(&outcome, "goes on")?.verdict, Verdict::Passed, "{text}");
    for name in ["panics", "fails"] {
        let verdict = &job(&outcome, name)?.verdict;
        assert!(
            matches!(
                verdict,
                Verdict::Failed {
                    code: Some(101),
                    ..
                }
            ),
            "{text}"
        );
    }
    for said in [
        "a case that panics on purpose",
        "kernel/main.rs",
        "this is said before",
        "an error with a cause",
        "No such file",
    ] {
        assert!(text.contains(said), "no {said:?} in {text}");
    }
    let Verdict::Hung { threads } = &job(&outcome, "hangs")?.verdict else {
        bail!("{text}");
    };
    assert!(threads.contains("--exact"), "{threads}");
    assert!(threads.contains("nanosleep"), "{threads}");
    assert_eq!(
        job(&outcome, "hangs")?.output.last().map(String::as_str),
        Some("this is said before it hangs")
    );
    assert_eq!(outcome.fault, Some(Fault::Crashed), "{text}");
    assert_eq!(job(&outcome, "crashes")?.verdict, Verdict::Cut, "{text}");
    assert_eq!(
        job(&outcome, "is never run")?.verdict,
        Verdict::NotRun,
        "{text}"
    );
    assert!(text.contains("this is said before it crashes"), "{text}");
    assert!(text.contains("sysrq triggered crash"), "{text}");
    Ok(())
}

const SILENT: &[Case] = &[Case::new("sleeps", || {
    println!("good night");
    std::thread::sleep(Duration::from_secs(3600));
})];

#[test]
fn a_machine_that_stops_to_answer_is_ended_and_says_where_it_was() -> Result<()> {
    let machine = Machine::new()
        .limit(Duration::from_secs(15))
        .case_limit(Duration::from_secs(3600));
    let test = "a_machine_that_stops_to_answer_is_ended_and_says_where_it_was";
    let outcome = Theme::of_test(module_path!(), test, machine, SILENT).run()?;
    let text = outcome.to_string();
    let Some(Fault::Stalled { tasks, .. }) = &outcome.fault else {
        bail!("{text}");
    };
    assert!(
        tasks
            .iter()
            .any(|line| line.contains("sysrq: Show Blocked State")),
        "{text}"
    );
    assert_eq!(job(&outcome, "sleeps")?.verdict, Verdict::Cut, "{text}");
    assert!(text.contains("good night"), "{text}");
    Ok(())
}

#[test]
fn a_module_that_the_kernel_lacks_is_named() {
    let machine = Machine::new().loads(&["no_such_module"]);
    let theme = Theme::of_test(
        module_path!(),
        "a_module_that_the_kernel_lacks_is_named",
        machine,
        SILENT,
    );
    let error = theme.run().map(|outcome| outcome.to_string()).unwrap_err();
    assert!(
        format!("{error:#}").contains("no module no_such_module"),
        "{error:#}"
    );
}

/// Says that this process is the one that is killed.
const VICTIM: &str = "HEDDLE_TEST_VICTIM";

#[test]
fn a_machine_ends_with_a_test_that_is_killed() -> Result<()> {
    serve_if_first();
    let name = "a_machine_ends_with_a_test_that_is_killed";
    let program = std::env::current_exe()?;
    let arguments = ["--exact", name, "--nocapture", "--test-threads=1"].map(str::to_owned);
    if std::env::var_os(VICTIM).is_some() {
        let jobs = [Job::new("sleep", &["sleep", "3600"])];
        let machine = Machine::new();
        let live = Live::start(
            &machine,
            Kernel::named("stock")?,
            &program,
            &arguments,
            &jobs,
        )?;
        println!("\nemulator {}", live.emulator());
        std::thread::sleep(Duration::from_secs(3600));
        return Ok(());
    }
    let mut victim = Command::new(&program)
        .args(&arguments)
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()?;
    let output = victim.stdout.take().context("the output of the victim")?;
    let emulator = BufReader::new(output)
        .lines()
        .map_while(|line| line.ok())
        .find_map(|line| line.strip_prefix("emulator ").map(str::to_owned));
    let emulator = emulator.context("the victim started no machine")?;
    let runs = || {
        Path::new("/proc")
            .join(&emulator)
            .join("exe")
            .read_link()
            .is_ok()
    };
    ensure!(runs(), "the emulator is not there");
    victim.kill()?;
    victim.wait()?;
    until(Duration::from_secs(20), "the emulator to end", || {
        Ok((!runs()).then_some(()))
    })
}
