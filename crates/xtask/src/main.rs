//! Checks of the house that cargo itself does not make: who may depend on whom, and under which
//! licences. Run as `cargo xtask <check>`; `make check` runs all of them. `cargo xtask vm-test` runs tests in a
//! machine with a stock kernel.
//!
//! It must not know what any crate does; it reads `cargo metadata` and source text only.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool"
)]

mod advisories;
mod layers;
mod licences;
mod metadata;
mod vm_test;

use std::process::ExitCode;

use metadata::Metadata;

/// One check: gives what is wrong, a line each.
type Check = fn(&Metadata) -> anyhow::Result<Vec<String>>;

const CHECKS: &[(&str, Check)] = &[
    ("layers", layers::check),
    ("licences", licences::check),
    ("advisories", advisories::check),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let name = words.first().cloned().unwrap_or_default();
    if name == "vm-test" {
        return vm_test::run(&words[1..]).unwrap_or_else(|error| {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        });
    }
    let Some((_, check)) = CHECKS.iter().find(|(known, _)| *known == name) else {
        let names: Vec<_> = CHECKS.iter().map(|(name, _)| *name).collect();
        eprintln!("usage: cargo xtask <{}|vm-test>", names.join("|"));
        return ExitCode::from(2);
    };
    match Metadata::load().and_then(|metadata| check(&metadata)) {
        Ok(wrong) if wrong.is_empty() => ExitCode::SUCCESS,
        Ok(wrong) => {
            for line in wrong {
                eprintln!("{name}: {line}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
