//! How many small transactions a second: what hypervisors do in a Southbound all day.
//!
//! Each client waits for the answer to one transaction before it sends the next: a row of `MAC_Binding` comes, is
//! refreshed and goes, and between these a port is reported up or down.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::contents::{Contents, Kind, PORTS, uuid};
use super::figures::Figures;
use super::side::Side;
use super::swarm::{Swarm, check};
use super::{Arguments, Place};

/// How many clients there are at once.
const CLIENTS: [usize; 3] = [1, 8, 64];
/// Rows beside those that change.
const ROWS: usize = 10_000;
/// The bytes of a record of such a transaction in the log, about.
const APPEND: usize = 300;
/// Not measured, before what is.
const WARM_UP: Duration = Duration::from_millis(300);

pub(super) fn measure(
    place: &Place<'_>,
    side: Side,
    arguments: &Arguments,
    figures: &mut Figures,
) -> Result<()> {
    let contents = Contents::of_rows(ROWS);
    let file = place.file(contents, "small.db")?;
    figures.rate(
        side,
        "the disk alone, one small write after the other",
        disk(&file, Duration::from_secs(arguments.seconds.min(1)))?,
    );
    for durable in [true, false] {
        let server = place.start(side, &file)?;
        for count in CLIENTS {
            let mut swarm = Swarm::connect(&server.socket(), count)?;
            let mut work = Work {
                tenants: contents.tenants,
                durable,
                rows: vec![None; count],
                steps: vec![0; count],
                done: 0,
            };
            for client in 0..count {
                let request = work.next(client);
                swarm.send(client, &request)?;
            }
            work.go_on(&mut swarm, WARM_UP)?;
            let (before, done, start) = (server.processor()?, work.done, Instant::now());
            work.go_on(&mut swarm, Duration::from_secs(arguments.seconds))?;
            let (took, done) = (start.elapsed(), work.done - done);
            let cost = server.processor()?.saturating_sub(before);
            // Ours knows only one kind of commit: one that the disk holds.
            let kind = if durable {
                "durable"
            } else {
                "as the client says nothing (stock: not on disk)"
            };
            figures.rate(
                side,
                &format!("transactions, {kind}, {count} clients"),
                done as f64 / took.as_secs_f64(),
            );
            figures.time(
                side,
                &format!("processor time of one, {kind}, {count} clients"),
                cost.div_f64(done.max(1) as f64),
            );
        }
    }
    Ok(())
}

/// How many small appends a second the disk takes, each waited for: no server does more for one client.
fn disk(beside: &Path, time: Duration) -> Result<f64> {
    let path = beside.with_file_name("disk");
    let mut file = File::create(&path)?;
    let (start, mut done) = (Instant::now(), 0_u32);
    while start.elapsed() < time {
        file.write_all(&[b'x'; APPEND])?;
        file.sync_data()?;
        done += 1;
    }
    let took = start.elapsed();
    std::fs::remove_file(path)?;
    Ok(f64::from(done) / took.as_secs_f64())
}

struct Work {
    tenants: usize,
    durable: bool,
    /// The row that each client has made.
    rows: Vec<Option<String>>,
    steps: Vec<usize>,
    done: u64,
}

impl Work {
    /// Lets all clients go on for a while.
    fn go_on(&mut self, swarm: &mut Swarm, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        let mut ready = Vec::new();
        while Instant::now() < end {
            swarm.turn(Duration::from_millis(10), |client, answer| {
                check(answer)?;
                if self.steps[client] % 4 == 1 {
                    self.rows[client] = Some(inserted(answer)?);
                }
                self.done += 1;
                ready.push(client);
                Ok(())
            })?;
            for client in ready.drain(..) {
                let request = self.next(client);
                swarm.send(client, &request)?;
            }
        }
        Ok(())
    }

    /// The next request of a client.
    fn next(&mut self, client: usize) -> String {
        let step = self.steps[client];
        self.steps[client] += 1;
        let tenant = client % self.tenants;
        // Rows of other numbers of clients may be left.
        let count = self.rows.len();
        let row = self.rows[client].as_deref().unwrap_or_default();
        let operation = match step % 4 {
            0 => format!(
                r#"{{"op":"insert","table":"MAC_Binding","uuid-name":"row1","row":{{"logical_port":"lrp-1-{}","ip":"192.{count}.{client}.{}","mac":"fa:16:3e:00:00:{client:02x}","datapath":["uuid","{}"],"timestamp":1700000000000}}}}"#,
                uuid(Kind::Switch, tenant),
                step % 250,
                uuid(Kind::Router, tenant)
            ),
            1 => format!(
                r#"{{"op":"update","table":"Port_Binding","where":[["_uuid","==",["uuid","{}"]]],"row":{{"up":{}}}}}"#,
                uuid(Kind::Port, tenant * PORTS + client / self.tenants),
                step % 8 == 1
            ),
            2 => format!(
                r#"{{"op":"update","table":"MAC_Binding","where":[["_uuid","==",["uuid","{row}"]]],"row":{{"timestamp":{step}}}}}"#
            ),
            _ => format!(
                r#"{{"op":"delete","table":"MAC_Binding","where":[["_uuid","==",["uuid","{row}"]]]}}"#
            ),
        };
        let commit = if self.durable {
            r#",{"op":"commit","durable":true}"#
        } else {
            ""
        };
        format!(
            r#"{{"id":{step},"method":"transact","params":["OVN_Southbound",{operation}{commit}]}}"#
        )
    }
}

/// The UUID in the answer to an `insert`.
fn inserted(answer: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(answer)?;
    let uuid = text
        .split("[\"uuid\",\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    Ok(uuid
        .with_context(|| format!("no row was inserted: {text}"))?
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_json_and_follow_each_other() {
        let mut work = Work {
            tenants: 3,
            durable: true,
            rows: vec![None; 8],
            steps: vec![0; 8],
            done: 0,
        };
        let mut operations = Vec::new();
        for _ in 0..4 {
            let request: serde_json::Value = serde_json::from_str(&work.next(7)).unwrap();
            assert_eq!(request["params"][2]["durable"], true);
            operations.push(request["params"][1]["op"].as_str().unwrap().to_owned());
        }
        assert_eq!(operations, ["insert", "update", "update", "delete"]);
        let answer = br#"{"id":0,"result":[{"uuid":["uuid","x-y"]},{}],"error":null}"#;
        assert_eq!(inserted(answer).unwrap(), "x-y");
    }
}
