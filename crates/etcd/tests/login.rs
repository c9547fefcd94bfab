//! An etcd that wants a name and a password.

mod support;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use etcd::{Cluster, Options, User};
use support::{Replica, options};
use testbed::{Etcd, Scratch, until};

const PATIENCE: Duration = Duration::from_secs(60);
const PASSWORD: &str = "correct horse battery staple";

/// Has etcd know a user who may read and write what is below `heddle/`, and let in nobody else.
fn close(etcd: &mut Etcd, password: &str) -> Result<()> {
    for line in [
        &["user", "add", "root:toor"][..],
        &["role", "add", "keeper"],
        &[
            "role",
            "grant-permission",
            "keeper",
            "readwrite",
            "--prefix=true",
            "heddle/",
        ],
        &["user", "add", &format!("heddle:{password}")],
        &["user", "grant-role", "heddle", "keeper"],
        &["auth", "enable"],
    ] {
        etcd.ctl(line)?;
    }
    etcd.log_in("root:toor");
    Ok(())
}

fn as_user(etcd: &Etcd, password_file: PathBuf, patience: Duration) -> Options {
    Options {
        user: Some(User {
            name: "heddle".into(),
            password_file,
        }),
        patience,
        ..options(etcd)
    }
}

#[test]
fn a_password_lets_in_and_stays_secret() -> Result<()> {
    let (mut etcd, scratch) = (Etcd::start(1)?, Scratch::new()?);
    close(&mut etcd, PASSWORD)?;
    let file = scratch.write("password", &format!("{PASSWORD}\n"))?;
    let options = as_user(&etcd, file, PATIENCE);
    ensure!(!format!("{options:?}").contains(PASSWORD));
    let cluster = Cluster::connect(&options)?;
    let (mut a, mut b) = (Replica::open(&cluster)?, Replica::open(&cluster)?);
    a.append(1, "as somebody")?;
    b.catch_up_with(&a)?;

    // Who is nobody, or has another password, is told so, without the password.
    let wrong = scratch.write("wrong", "tr0ub4dor\n")?;
    let short = Duration::from_millis(500);
    let nobody = Options {
        patience: short,
        ..support::options(&etcd)
    };
    for options in [as_user(&etcd, wrong, short), nobody] {
        let error = Cluster::connect(&options).err().map(|it| it.to_string());
        let error = error.unwrap_or_default();
        ensure!(error.contains("etcd at http://127.0.0.1:"), "{error}");
        ensure!(!error.contains("tr0ub4dor"), "{error}");
    }

    // A member that starts again has forgotten who was logged in.
    etcd.kill(0)?;
    etcd.restart(0)?;
    a.append(2, "logged in anew")?;
    until(PATIENCE, "the record", || {
        // What fails while the watch and the calls log in anew is tried again, as the server does.
        let read = b.catch_up();
        Ok((read.is_ok() && b.names().len() == 2).then_some(()))
    })
}

/// Another password is taken from the file when etcd has it, without a restart.
#[test]
fn a_password_changes_in_service() -> Result<()> {
    let (mut etcd, scratch) = (Etcd::start(1)?, Scratch::new()?);
    close(&mut etcd, PASSWORD)?;
    let file = scratch.write("password", PASSWORD)?;
    let cluster = Cluster::connect(&as_user(&etcd, file, PATIENCE))?;
    let mut replica = Replica::open(&cluster)?;
    replica.append(1, "with the first")?;
    etcd.ctl(&["user", "delete", "heddle"])?;
    etcd.ctl(&["user", "add", "heddle:another one"])?;
    etcd.ctl(&["user", "grant-role", "heddle", "keeper"])?;
    scratch.write("password", "another one")?;
    // Who was logged in is not any more.
    etcd.kill(0)?;
    etcd.restart(0)?;
    replica.append(2, "with the second")?;
    let late = Replica::open(&cluster)?;
    ensure!(late.names() == replica.names());
    Ok(())
}
