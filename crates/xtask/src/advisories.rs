//! Known security advisories against our dependencies. The list of them is not ours to keep: this asks
//! `cargo deny` or `cargo audit`, whichever is installed, and says so when neither is.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::metadata::Metadata;

/// The tools that know, with the arguments that make them look.
const TOOLS: &[(&str, &[&str])] = &[("deny", &["check", "advisories"]), ("audit", &[])];

/// One line when the tool found something; what it found it has printed itself.
pub(crate) fn check(_metadata: &Metadata) -> Result<Vec<String>> {
    for (tool, arguments) in TOOLS {
        if !is_installed(tool) {
            continue;
        }
        let status = Command::new("cargo")
            .arg(tool)
            .args(*arguments)
            .status()
            .with_context(|| format!("cannot run cargo {tool}"))?;
        return Ok(if status.success() {
            vec![]
        } else {
            vec![format!("cargo {tool} found some")]
        });
    }
    println!("advisories: not checked, as neither cargo-deny nor cargo-audit is installed");
    Ok(vec![])
}

fn is_installed(tool: &str) -> bool {
    Command::new("cargo")
        .args([tool, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
