//! What was acknowledged is there after the worst end of a process.

#![allow(clippy::unwrap_used)] // These are tests, though not all marked so.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use support::Sandbox;

#[test]
fn role_body() {
    support::role_body();
}

/// Four clients insert as fast as they can while the server is killed again and again.
#[test]
fn kill_loses_nothing_that_was_acknowledged() {
    let mut sandbox = Sandbox::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..8_u64 {
        let server = sandbox.serve("--no-northd");
        let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
        let remote: transport::Remote = sandbox.nb().parse().unwrap();
        let names: Vec<Vec<String>> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..4)
                .map(|client| {
                    let (stop, count, remote, runtime) = (&stop, &count, remote.clone(), &runtime);
                    scope.spawn(move || {
                        runtime.block_on(insert_until(
                            stop,
                            count,
                            remote,
                            &format!("{round}-{client}"),
                        ))
                    })
                })
                .collect();
            sandbox.wait("progress", |_| {
                count.load(Ordering::Relaxed) > 40 * (round + 1)
            });
            sandbox.kill(server);
            stop.store(true, Ordering::Relaxed);
            clients
                .into_iter()
                .map(|client| client.join().unwrap())
                .collect()
        });
        acknowledged.extend(names.into_iter().flatten());
    }
    sandbox.serve("--no-northd");
    let found = sandbox.line("ovn-nbctl --bare --columns=name list Address_Set");
    let found: std::collections::BTreeSet<&str> = found.split_whitespace().collect();
    assert!(acknowledged.len() > 300, "{}", acknowledged.len());
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|name| !found.contains(name.as_str()))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} lost: {lost:?}",
        lost.len(),
        acknowledged.len()
    );
}

/// The names of the rows whose insert was acknowledged.
async fn insert_until(
    stop: &AtomicBool,
    count: &AtomicU64,
    remote: transport::Remote,
    prefix: &str,
) -> Vec<String> {
    let config = ovsdb::client::Config::of_tables(model::nb::schema().into(), []);
    let mut client = transport::ovsdb::Client::new(vec![remote], config);
    while client.next().await != Some(transport::ovsdb::Event::Connected) {}
    let mut names = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let name = format!("{prefix}-{}", names.len());
        let insert = ovsdb::Operation::Insert {
            table: "Address_Set".into(),
            uuid: None,
            uuid_name: None,
            row: vec![("name".into(), name.as_str().into())],
        };
        let result = client.transact(vec![insert]);
        match tokio::time::timeout(Duration::from_secs(20), result)
            .await
            .expect("an answer")
        {
            Ok(_) => names.push(name),
            Err(_) => break,
        }
        count.fetch_add(1, Ordering::Relaxed);
    }
    names
}

/// A log that fails refuses, and takes over again when it can; nobody sees what it did not hold.
#[test]
fn a_full_disk_refuses_and_recovers() {
    let mut sandbox = Sandbox::new();
    let mount = sandbox.file("small");
    std::fs::create_dir(&mount).unwrap();
    let path = mount.to_str().unwrap().to_owned();
    sandbox.run("mount", &["-t", "tmpfs", "-o", "size=256k", "tmpfs", &path]);
    let _unmount = Unmount(path.clone());
    sandbox.serve(&format!("--no-northd --db-dir={path}"));
    sandbox.line("ovn-nbctl ls-add before");
    // Until nothing more fits.
    let filler = std::fs::write(mount.join("filler"), vec![0; 1 << 20]);
    assert!(filler.is_err());
    let big = format!("big={}", "x".repeat(20_000));
    let insert = format!(r#"{{"op":"insert","table":"Logical_Switch","row":{{"name":"{big}"}}}}"#);
    let query = format!(r#"["OVN_Northbound",{insert}]"#);
    let (_, text) = sandbox.try_run("ovsdb-client", &["transact", &sandbox.nb(), &query]);
    assert!(
        !text.contains("\"uuid\"") && text.contains("I/O error"),
        "{text}"
    );
    // Stock programs say so as well.
    let (success, text) = sandbox.try_run("ovn-nbctl", &["ls-add", &big]);
    assert!(!success && text.contains("I/O error"), "{text}");
    let show = sandbox.line("ovn-nbctl show");
    assert!(show.contains("(before)") && !show.contains("big="));
    std::fs::remove_file(mount.join("filler")).unwrap();
    sandbox.wait("the repair", |it| {
        it.log("heddle-server")
            .contains("the log can be written again")
    });
    sandbox.line("ovn-nbctl ls-add after");
    assert!(sandbox.line("ovn-nbctl show").contains("(after)"));
    assert!(
        sandbox
            .log("heddle-server")
            .contains("cannot write the log")
    );
}

struct Unmount(String);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .args(["-l", &self.0])
            .status();
    }
}
