//! The crates stand in a line: each may depend only on crates to its left, and the wire and pure
//! crates touch no socket, clock or runtime, but in two named places: the log of a database is a file, and
//! the kernel's datapath is behind a socket.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use crate::metadata::{Metadata, Package};

/// The line. ARCHITECTURE.md says what each crate is.
const LINE: &[&str] = &[
    "packet",
    "openflow",
    "ovsdb",
    "odp",
    "model",
    "logic",
    "incremental",
    "compiler",
    "physical",
    "pipeline",
    "hvflow",
    "daemon",
    "transport",
    "etcd",
    "server",
    "agent",
    "api",
    "rpc",
    "hvd",
    "region",
    "testbed",
    "heddle",
    "xtask",
];

/// The crates that take input and `now`, and give output: all up to here.
const LAST_PURE: &str = "hvflow";

/// Libraries with which a pure crate would reach the outside, near or far below it.
const RUNTIMES: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "async-io",
    "hyper",
    "tracing-subscriber",
];

/// Libraries with which it would ask the system itself.
const SYSTEM: &[&str] = &["nix", "rustix", "libc"];

/// Names in the source by which it would reach the outside with std alone.
const OUTSIDE_SOURCE: &[&str] = &[
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "UnixListener",
    "std::process",
    "std::thread::sleep",
    CLOCK,
    "SystemTime::now",
    "std::env::var",
    FILES,
];
const FILES: &str = "std::fs";
const CLOCK: &str = "Instant::now";

/// The pure crates that may touch the system, where, and what they use there: a database is a log, and the
/// log may be a file; the kernel's datapath is behind netlink sockets, which have timeouts.
const KEEPERS: &[(&str, &str, &str)] =
    &[("ovsdb", "src/log", FILES), ("odp", "src/socket/", CLOCK)];

/// The crates that the tests and examples of any crate may use, wherever they stand: real switches, and the sockets to
/// them.
const FOR_TESTS: &[&str] = &["testbed", "transport"];

/// What breaks the rules, a line each.
pub(crate) fn check(metadata: &Metadata) -> Result<Vec<String>> {
    let mut wrong = wrong_dependencies(metadata);
    let last = place(LAST_PURE).context("the last pure crate is not in the line")?;
    for package in metadata.own() {
        if place(&package.name).is_some_and(|place| place <= last) {
            wrong.extend(impure_dependencies(metadata, package));
            wrong.extend(impure_source(&package.name, &package.folder().join("src"))?);
        }
    }
    Ok(wrong)
}

fn place(name: &str) -> Option<usize> {
    LINE.iter().position(|known| *known == name)
}

fn wrong_dependencies(metadata: &Metadata) -> Vec<String> {
    let own: BTreeMap<&String, &Package> = metadata
        .packages
        .iter()
        .filter(|(id, _)| metadata.members.contains(*id))
        .collect();
    let mut wrong = Vec::new();
    for package in own.values() {
        let Some(here) = place(&package.name) else {
            wrong.push(format!(
                "crate {} has no place in the line; give it one in crates/xtask/src/layers.rs",
                package.name
            ));
            continue;
        };
        for (id, target) in package
            .needs_any
            .iter()
            .filter_map(|id| Some((id, own.get(id)?)))
        {
            if FOR_TESTS.contains(&target.name.as_str()) && !package.needs.contains(id) {
                continue;
            }
            if place(&target.name).is_none_or(|there| there >= here) {
                wrong.push(format!(
                    "crate {} depends on {}, which is not to its left",
                    package.name, target.name
                ));
            }
        }
    }
    wrong
}

fn impure_dependencies(metadata: &Metadata, package: &Package) -> Vec<String> {
    let far = metadata
        .closure(package)
        .into_iter()
        .filter(|name| RUNTIMES.contains(name));
    let near = package
        .needs
        .iter()
        .filter_map(|id| Some(metadata.packages.get(id)?.name.as_str()));
    let near = near.filter(|name| SYSTEM.contains(name) && !is_keeper(&package.name));
    far.chain(near)
        .map(|name| format!("pure crate {} depends on {name}", package.name))
        .collect()
}

fn impure_source(name: &str, folder: &Path) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).with_context(|| path.display().to_string())?;
            waiting.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test(&path) {
            let text =
                std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            for (number, found) in outside_words(&text) {
                if may_use(name, &path, found) {
                    continue;
                }
                wrong.push(format!(
                    "pure crate {name} uses {found} in {}:{number}",
                    path.display()
                ));
            }
        }
    }
    wrong.sort();
    Ok(wrong)
}

fn is_keeper(name: &str) -> bool {
    KEEPERS.iter().any(|(keeper, ..)| *keeper == name)
}

fn may_use(name: &str, path: &Path, word: &str) -> bool {
    let path = path.to_string_lossy();
    KEEPERS
        .iter()
        .any(|(keeper, place, used)| *keeper == name && path.contains(place) && *used == word)
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
        || path
            .file_stem()
            .is_some_and(|stem| stem.to_string_lossy().ends_with("tests"))
}

/// Line numbers and words. Comments do not count, and neither does what follows `#[cfg(test)]`: tests
/// stand last in a file, and may start the peers they are checked against.
fn outside_words(text: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("#[cfg(test)]") {
            break;
        }
        let code = line.split("//").next().unwrap_or_default();
        for word in OUTSIDE_SOURCE.iter().filter(|word| code.contains(**word)) {
            found.push((index + 1, *word));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A workspace of the named crates, with edges between them and to crates from outside.
    fn workspace(own: &[&str], edges: &[(&str, &str)]) -> Metadata {
        let mut names: Vec<&str> = own.to_vec();
        names.extend(edges.iter().flat_map(|(from, to)| [*from, *to]));
        names.sort_unstable();
        names.dedup();
        let packages: Vec<Value> = names
            .iter()
            .map(|name| json!({"id": name, "name": name, "version": "1.0.0", "manifest_path": "/none/Cargo.toml"}))
            .collect();
        let nodes: Vec<Value> = names
            .iter()
            .map(|name| {
                let deps: Vec<Value> = edges
                    .iter()
                    .filter(|(from, _)| from == name)
                    .map(|(_, to)| json!({"pkg": to, "dep_kinds": [{"kind": null}]}))
                    .collect();
                json!({"id": name, "deps": deps})
            })
            .collect();
        let document =
            json!({"workspace_members": own, "packages": packages, "resolve": {"nodes": nodes}});
        Metadata::parse(&document).unwrap()
    }

    #[test]
    fn a_dependency_to_the_left_is_right() {
        let metadata = workspace(&["ovsdb", "model"], &[("model", "ovsdb")]);
        assert_eq!(wrong_dependencies(&metadata), Vec::<String>::new());
    }

    /// Sockets are for the tests of a pure crate, never for the crate.
    #[test]
    fn what_is_for_tests_alone_is_named_anywhere_else() {
        let metadata = workspace(&["hvflow", "transport"], &[("hvflow", "transport")]);
        let wrong = wrong_dependencies(&metadata);
        assert_eq!(
            wrong,
            ["crate hvflow depends on transport, which is not to its left"]
        );
    }

    #[test]
    fn a_dependency_to_the_right_is_named() {
        let metadata = workspace(&["ovsdb", "model"], &[("ovsdb", "model")]);
        let wrong = wrong_dependencies(&metadata);
        assert_eq!(
            wrong,
            ["crate ovsdb depends on model, which is not to its left"]
        );
    }

    #[test]
    fn a_crate_without_a_place_is_named() {
        let wrong = wrong_dependencies(&workspace(&["loom"], &[]));
        assert!(wrong[0].starts_with("crate loom has no place"), "{wrong:?}");
    }

    #[test]
    fn a_runtime_far_below_a_pure_crate_is_found() {
        let metadata = workspace(&["logic"], &[("logic", "helper"), ("helper", "tokio")]);
        let package = metadata.own().next().unwrap();
        assert_eq!(
            impure_dependencies(&metadata, package),
            ["pure crate logic depends on tokio"]
        );
    }

    #[test]
    fn only_the_named_keepers_ask_the_system() {
        let edges = [("ovsdb", "nix"), ("odp", "nix"), ("model", "ovsdb")];
        let metadata = workspace(&["ovsdb", "odp", "model"], &edges);
        for package in metadata.own() {
            assert_eq!(
                impure_dependencies(&metadata, package),
                Vec::<String>::new()
            );
        }
        let metadata = workspace(&["logic"], &[("logic", "nix")]);
        let package = metadata.own().next().unwrap();
        assert_eq!(
            impure_dependencies(&metadata, package),
            ["pure crate logic depends on nix"]
        );
    }

    #[test]
    fn a_keeper_may_use_one_thing_in_one_place() {
        let socket = Path::new("crates/odp/src/socket/netlink.rs");
        assert!(may_use("odp", socket, CLOCK));
        assert!(!may_use("odp", socket, FILES));
        assert!(!may_use(
            "odp",
            Path::new("crates/odp/src/key/mod.rs"),
            CLOCK
        ));
        assert!(!may_use(
            "ovsdb",
            Path::new("crates/ovsdb/src/log/file.rs"),
            CLOCK
        ));
    }

    #[test]
    fn clocks_and_files_are_found_outside_tests_and_comments() {
        let text = "// std::fs\nlet now = Instant::now();\n#[cfg(test)]\nuse std::fs;\n";
        assert_eq!(outside_words(text), [(2, "Instant::now")]);
    }
}
