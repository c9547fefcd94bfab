//! Several services of a region over one etcd, as programs, and callers with certificates.

#![allow(clippy::unwrap_used)] // These are tests, though not marked so.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use testbed::{Etcd, Leash, Scratch, until};

const HEDDLE: &str = env!("CARGO_BIN_EXE_heddle");
const PATIENCE: Duration = Duration::from_secs(60);

/// A `heddle region run`. Dropping it kills it.
struct Service {
    child: Child,
    _leash: Leash,
}

impl Drop for Service {
    fn drop(&mut self) {
        // It fails only for one that has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    /// Starts one of this name, and waits until it serves.
    fn start(scratch: &Scratch, name: &str, flags: &[String]) -> Self {
        let folder = scratch.folder(name).unwrap();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = Command::new(HEDDLE)
            .args(["region", "run", "--name", name])
            .arg(format!(
                "--listen=punix:{}",
                socket(scratch, name).display()
            ))
            .args(flags)
            .env("OVN_RUNDIR", &folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let leash = Leash::new(child.id()).unwrap();
        let mut service = Self {
            child,
            _leash: leash,
        };
        until(PATIENCE, "the service to serve", || {
            if let Some(status) = service.child.try_wait()? {
                let log = std::fs::read_to_string(folder.join("log"))?;
                anyhow::bail!("it ended with {status}: {log}");
            }
            let address = format!("unix:{}", socket(scratch, name).display());
            let output = region(&[&format!("--service={address}"), "status"]);
            Ok(output.status.success().then_some(()))
        })
        .unwrap();
        service
    }
}

fn socket(scratch: &Scratch, name: &str) -> PathBuf {
    scratch.path().join(name).join("region.sock")
}

fn region(arguments: &[&str]) -> Output {
    Command::new(HEDDLE)
        .arg("region")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The exit status of a command, and what it prints.
fn said(arguments: &[&str]) -> (i32, String, String) {
    let output = region(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap();
    (code, text(&output.stdout), text(&output.stderr))
}

/// Waits until a service leads, or another does.
fn until_leads(service: &str, what: &str) {
    until(PATIENCE, what, || {
        let (_, text, _) = said(&[service, "status"]);
        Ok(text.contains(what).then_some(()))
    })
    .unwrap();
}

#[test]
fn what_one_service_cannot_do_is_asked_of_the_next() {
    let (scratch, etcd) = (Scratch::new().unwrap(), Etcd::start(1).unwrap());
    let flags = [format!("--etcd={}", etcd.endpoints().join(","))];
    let first = Service::start(&scratch, "first", &flags);
    let address = |name: &str| format!("unix:{}", socket(&scratch, name).display());
    let [one, two] = ["first", "second"].map(|name| format!("--service={}", address(name)));
    until_leads(&one, "leader: this service");
    let second = Service::start(&scratch, "second", &flags);
    until_leads(&two, "leader: first");
    // The second reads, and refuses changes by naming who leads; its exit status says to ask elsewhere.
    assert_eq!(said(&[&one, "customer", "put", "acme"]).0, 0);
    let (code, _, error) = said(&[&two, "customer", "put", "other"]);
    assert_eq!(code, 4, "{error}");
    assert!(error.contains("the service \"first\" leads"), "{error}");
    until(PATIENCE, "the second to have heard", || {
        let (code, text, _) = said(&[&two, "customer", "list"]);
        Ok((code == 0 && text.contains("acme") && !text.contains("other")).then_some(()))
    })
    .unwrap();
    // With both addresses the right one is found.
    let both = format!("--service={},{}", address("second"), address("first"));
    let (code, _, error) = said(&[&both, "customer", "put", "other"]);
    assert_eq!((code, error.as_str()), (0, ""));
    // When the leader is killed the other goes on.
    drop(first);
    until_leads(&two, "leader: this service");
    let both = format!("--service={},{}", address("first"), address("second"));
    let (code, _, error) = said(&[&both, "customer", "remove", "other"]);
    assert_eq!((code, error.as_str()), (0, ""));
    drop(second);
    let (code, _, error) = said(&[&both, "status"]);
    assert_eq!(code, 4);
    assert!(error.contains("is heddle region running?"), "{error}");
}

/// A certificate of the authority of this folder, for a name.
fn issue(folder: &Path, name: &str) {
    let script = format!(
        "cd {folder}
         test -e ca.pem || openssl req -x509 -newkey rsa:2048 -nodes -keyout ca-key.pem -out ca.pem -days 2 -subj /CN=authority
         openssl req -newkey rsa:2048 -nodes -keyout {name}-key.pem -out {name}.csr -subj /CN={name}
         openssl x509 -req -in {name}.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -out {name}.pem -days 2",
        folder = folder.display()
    );
    let mut shell = Command::new("sh");
    shell.args(["-ec", &script]);
    testbed::run(&mut shell).unwrap();
}

/// The flags with the certificate of a name.
fn certificate(folder: &Path, name: &str) -> Vec<String> {
    let file = |suffix: &str| folder.join(format!("{name}{suffix}.pem"));
    vec![
        format!("--private-key={}", file("-key").display()),
        format!("--certificate={}", file("").display()),
        format!("--ca-cert={}", folder.join("ca.pem").display()),
    ]
}

#[test]
fn a_hypervisor_registers_with_its_certificate_and_an_operator_sees_it() {
    let scratch = Scratch::new().unwrap();
    for name in ["region", "operator", "hv7"] {
        issue(scratch.path(), name);
    }
    let log = scratch.path().join("region").join("log");
    let mut flags = certificate(scratch.path(), "region");
    flags.extend([
        format!("--db={}", scratch.path().join("region.db").display()),
        "--listen=pssl:0:127.0.0.1".to_owned(),
        "--allow-client=operator".to_owned(),
        "--allow-hypervisor=hv7".to_owned(),
    ]);
    let _service = Service::start(&scratch, "region", &flags);
    let log = std::fs::read_to_string(log).unwrap();
    let port = log.split("listening on port ").nth(1).unwrap();
    let port = port.lines().next().unwrap();
    let call = |name: &str, command: &[&str]| {
        let mut words = certificate(scratch.path(), name);
        words.push(format!("--service=ssl:127.0.0.1:{port}"));
        words.push("--server-name=region".to_owned());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        said(&[&words, command].concat())
    };
    let endpoint = "ssl:127.0.0.1:9";
    let (code, _, error) = call("operator", &["register", endpoint]);
    assert_eq!(code, 3, "{error}");
    // The answer is all that it may see.
    let (code, text, error) = call("hv7", &["register", endpoint]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(text.contains("added hypervisor hv7"), "{text}");
    let (code, _, error) = call("hv7", &["hypervisor", "list"]);
    assert_eq!(code, 3, "{error}");
    let (code, text, error) = call("operator", &["hypervisor", "list"]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(text.contains("hv7") && text.contains(endpoint), "{text}");
    let (_, text, _) = call("operator", &["audit", "--who", "hv7", "--since", "1h"]);
    assert!(text.contains("register hypervisor"), "{text}");
}
