//! Guides of the documentation, followed to the letter.

#![allow(clippy::unwrap_used)] // These are tests, though not marked so.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use testbed::{Hypervisor, Scratch};

/// Makes a folder with `heddle` for scripts to find.
pub(crate) fn offer(scratch: &Scratch, heddle: &str) {
    let bin = scratch.folder("bin").unwrap();
    std::os::unix::fs::symlink(heddle, bin.join("heddle")).unwrap();
}

/// Runs the commands of a guide on a host, in their order; what they print.
pub(crate) fn follow(hypervisor: &Hypervisor, scratch: &Scratch, guide: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/");
    let text = std::fs::read_to_string(Path::new(path).join(guide)).unwrap();
    let blocks = text.split("\n```sh\n").skip(1);
    let blocks: Vec<&str> = blocks
        .filter_map(|block| block.split("\n```").next())
        .collect();
    let commands = blocks.join("\n");
    let text = format!("#!/bin/bash\nset -eux -o pipefail\n{commands}\n");
    let file = scratch.write("guide", &text).unwrap();
    testbed::run(Command::new("chmod").arg("+x").arg(&file)).unwrap();
    let output = script(hypervisor, scratch, &file, &[], Stdio::null());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}\n{error}");
    said
}

/// Runs a script on a host with processes, mounts and named namespaces of its own, which end with it.
pub(crate) fn script(
    hypervisor: &Hypervisor,
    scratch: &Scratch,
    script: &Path,
    arguments: &[&str],
    input: Stdio,
) -> Output {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("setpriv");
    command
        .args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
        ])
        .args([
            "sh",
            "-c",
            "mkdir -p /run/netns && mount -t tmpfs none /run/netns && exec \"$@\"",
            "sh",
        ])
        .arg(script)
        .args(arguments)
        .current_dir(scratch.path())
        .env(
            "PATH",
            format!("{}:{path}", scratch.path().join("bin").display()),
        )
        .env("HEDDLE_MACHINES", scratch.path())
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for family in ["OVS", "OVN"] {
        for kind in ["RUNDIR", "DBDIR", "LOGDIR"] {
            command.env(format!("{family}_{kind}"), hypervisor.folder());
        }
    }
    let child = hypervisor
        .namespace()
        .run(move || command.spawn())
        .unwrap()
        .unwrap();
    child.wait_with_output().unwrap()
}
