//! The OVSDB client against a cluster of the real `ovsdb-server`, and against writers that are faster.

#![allow(clippy::unwrap_used)] // These are tests, though not all marked so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ovsdb::client::{Config, Replica, TransactError, Transaction};
use ovsdb::operation::Condition;
use ovsdb::{DatabaseSchema, Datum, Operation, Row, Uuid};
use serde_json::json;
use transport::Remote;
use transport::ovsdb::rpc::Rpc;
use transport::ovsdb::{Client, Event};

const SCHEMA: &str = r#"{"name":"Test","version":"1.0.0","tables":{
  "Counter":{"columns":{"name":{"type":"string"},"n":{"type":"integer"}},
   "isRoot":true,"indexes":[["name"]]}}}"#;
/// How long anything may take; a machine that is busy elects slowly.
const PATIENCE: Duration = Duration::from_secs(60);

/// A member of a cluster, killed at the end.
struct Member {
    dir: PathBuf,
    child: Child,
}

impl Member {
    /// The first member makes the cluster, the others join it.
    fn start(dir: &Path, number: usize) -> Self {
        let path = |name: &str| dir.join(name).display().to_string();
        let database = path(&format!("db{number}"));
        let raft = |number: usize| format!("unix:{}", path(&format!("raft{number}")));
        let mut tool = Command::new("ovsdb-tool");
        if number == 0 {
            std::fs::write(dir.join("schema"), SCHEMA).unwrap();
            tool.args(["create-cluster", &database, &path("schema"), &raft(0)]);
        } else {
            tool.args(["join-cluster", &database, "Test", &raft(number), &raft(0)]);
        }
        assert!(tool.stdout(Stdio::null()).status().unwrap().success());
        let dir = dir.join(number.to_string());
        std::fs::create_dir(&dir).unwrap();
        let child = Command::new("ovsdb-server")
            .arg(&database)
            .arg(format!("--remote=punix:{}", dir.join("sock").display()))
            .args(["--unixctl=none", "-vconsole:off", "-vsyslog:off"])
            .env("OVS_RUNDIR", &dir)
            .spawn()
            .unwrap();
        Self { dir, child }
    }

    fn remote(&self) -> Remote {
        Remote::Unix(self.dir.join("sock"))
    }

    /// Whether this member shows a counter of that value.
    async fn has(&self, value: i64) -> bool {
        let Ok(mut rpc) = Rpc::connect(&[self.remote()]).await else {
            return false;
        };
        let select = json!({"op": "select", "table": "Counter", "where": [["n", "==", value]]});
        let rows = rpc.call("transact", &json!(["Test", select])).await;
        rows.is_ok_and(|rows| rows[0]["rows"].as_array().is_some_and(|r| r.len() == 1))
    }

    /// Whether this member says that it leads.
    async fn leads(&self) -> bool {
        let Ok(mut rpc) = Rpc::connect(&[self.remote()]).await else {
            return false;
        };
        let select = json!({"op": "select", "table": "Database", "columns": ["leader"],
            "where": [["name", "==", "Test"], ["connected", "==", true]]});
        let rows = rpc.call("transact", &json!(["_Server", select])).await;
        rows.is_ok_and(|rows| rows[0]["rows"][0]["leader"] == true)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn leader(members: &[Member]) -> usize {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        for (at, member) in members.iter().enumerate() {
            if member.leads().await {
                return at;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nobody leads");
}

fn config() -> Config {
    Config::all(Arc::new(DatabaseSchema::from_json_text(SCHEMA).unwrap()))
}

/// The sum of what a client was told.
#[derive(Default)]
struct View(BTreeMap<Uuid, Arc<Row>>);

impl View {
    fn take(&mut self, event: &Event) {
        let Event::Changes(changes) = event else {
            return;
        };
        for change in changes {
            assert_eq!(self.0.get(&change.uuid), change.old.as_ref());
            match &change.new {
                Some(row) => drop(self.0.insert(change.uuid, Arc::clone(row))),
                None => drop(self.0.remove(&change.uuid)),
            }
        }
    }

    fn value(&self, name: &str) -> Option<i64> {
        let row = self.0.values().find(|row| row[0] == name.into())?;
        row[1].as_one()?.as_integer()
    }

    /// Takes events up to one like this.
    async fn until(&mut self, client: &mut Client, wanted: impl Fn(&Self, &Event) -> bool) {
        let wait = async {
            loop {
                let event = client.next().await.unwrap();
                self.take(&event);
                if wanted(self, &event) {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("in time");
    }
}

/// One more in the counter, which is made when it is missing.
fn count(replica: &Replica) -> Transaction {
    let mut transaction = Transaction::new();
    let table = replica.schema().table("Counter").unwrap();
    match replica
        .rows("Counter")
        .find(|(_, row)| row[0] == "c".into())
    {
        None => {
            transaction.push(Operation::Insert {
                table: "Counter".into(),
                uuid: None,
                uuid_name: None,
                row: vec![("name".into(), "c".into()), ("n".into(), 1.into())],
            });
        }
        Some((uuid, row)) => {
            let n = row[1].as_one().unwrap().as_integer().unwrap();
            transaction.verify_row(table, *uuid, row, &["n"]);
            transaction.push(Operation::Update {
                table: "Counter".into(),
                condition: vec![Condition::uuid(*uuid)],
                row: vec![("n".into(), Datum::one(n + 1))],
            });
        }
    }
    transaction
}

/// Counts until that is acknowledged.
async fn counted(client: &Client) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match client.handle().commit(count).await {
            Ok(_) => return,
            // Between two leaders.
            Err(TransactError::Lost | TransactError::NotConnected) => {
                assert!(Instant::now() < deadline, "never acknowledged");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn the_leader_is_killed_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut members: Vec<Member> = (0..3).map(|n| Member::start(dir.path(), n)).collect();
    let remotes: Vec<Remote> = members.iter().map(Member::remote).collect();
    let mut led = Client::new(remotes.clone(), config().from_leader());
    let mut any = Client::new(remotes.clone(), config());
    let (mut led_view, mut any_view) = (View::default(), View::default());
    led_view
        .until(&mut led, |_, event| *event == Event::Connected)
        .await;
    any_view
        .until(&mut any, |_, event| *event == Event::Connected)
        .await;
    for _ in 0..5 {
        counted(&led).await;
    }
    // A member that has not joined yet would not do for long.
    for member in &members {
        let deadline = Instant::now() + PATIENCE;
        while !member.has(5).await {
            assert!(Instant::now() < deadline, "a member does not join");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let leads = leader(&members).await;
    drop(members.remove(leads));

    // Whatever was acknowledged while the others elect is there afterwards.
    let acknowledged = 15;
    for _ in 5..acknowledged {
        counted(&any).await;
        while let Some(event) = any.try_next() {
            any_view.take(&event);
        }
    }
    led_view
        .until(&mut led, |view, _| view.value("c") >= Some(acknowledged))
        .await;
    counted(&led).await;
    let last = loop {
        let event = tokio::time::timeout(PATIENCE, led.next()).await.unwrap();
        led_view.take(&event.unwrap());
        let value = led_view.value("c").unwrap();
        if value > acknowledged {
            break value;
        }
    };
    any_view
        .until(&mut any, |view, _| view.value("c") == Some(last))
        .await;
    assert_eq!(led_view.0, any_view.0);
    assert_eq!(led_view.0.len(), 1);
}

/// Each of several writers counts on what it has read; none overwrites what another has counted.
#[tokio::test]
async fn writers_in_each_others_way() {
    const EACH: i64 = 25;
    let dir = tempfile::tempdir().unwrap();
    let member = Member::start(dir.path(), 0);
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let mut client = Client::new(vec![member.remote()], config());
            tokio::spawn(async move {
                while client.next().await.unwrap() != Event::Connected {}
                let handle = client.handle();
                let counting = async move {
                    let mut done = 0;
                    while done < EACH {
                        match handle.commit(count).await {
                            Ok(results) => {
                                assert_eq!(results.len(), 1);
                                done += 1;
                            }
                            // The first row is made by several at once.
                            Err(TransactError::Refused { error, .. }) => {
                                assert_eq!(error, "constraint violation");
                            }
                            Err(error) => panic!("{error}"),
                        }
                    }
                };
                tokio::pin!(counting);
                loop {
                    tokio::select! {
                        () = &mut counting => return,
                        event = client.next() => drop(event.unwrap()),
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        tokio::time::timeout(PATIENCE, writer)
            .await
            .unwrap()
            .unwrap();
    }
    let mut reader = Client::in_order(vec![member.remote()], config());
    let mut view = View::default();
    view.until(&mut reader, |_, event| *event == Event::Connected)
        .await;
    assert_eq!(view.value("c"), Some(4 * EACH));
}
