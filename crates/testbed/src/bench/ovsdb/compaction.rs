//! How long clients wait while a large database is compacted.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

use super::contents::{Kind, uuid};
use super::figures::Figures;
use super::side::Side;
use super::swarm::Swarm;
use super::{PATIENCE, Place};

/// Before and after the compaction.
const REST: Duration = Duration::from_millis(300);

pub(super) fn measure(
    place: &Place<'_>,
    side: Side,
    file: &Path,
    figures: &mut Figures,
) -> Result<()> {
    let server = place.start(side, file)?;
    let socket = server.socket();
    let ended = AtomicBool::new(false);
    let port = uuid(Kind::Port, 0);
    let echo = |_| r#"{"id":1,"method":"echo","params":[]}"#.to_owned();
    let transact = |number: u64| {
        format!(
            r#"{{"id":1,"method":"transact","params":["OVN_Southbound",{{"op":"update","table":"Port_Binding","where":[["_uuid","==",["uuid","{port}"]]],"row":{{"up":{}}}}},{{"op":"commit","durable":true}}]}}"#,
            number.is_multiple_of(2)
        )
    };
    let took = std::thread::scope(|scope| {
        let echo = scope.spawn(|| longest(&socket, &ended, echo));
        let transact = scope.spawn(|| longest(&socket, &ended, transact));
        let compacted = compact(&server);
        ended.store(true, Ordering::Relaxed);
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<Duration>>| {
            thread.join().map_err(|_| anyhow!("a client panicked"))?
        };
        anyhow::Ok((join(echo)?, join(transact)?, compacted?))
    })?;
    figures.time(side, "compaction: longest wait for an echo", took.0);
    figures.time(side, "compaction: longest wait for a transaction", took.1);
    figures.time(side, "compaction: time", took.2);
    Ok(())
}

fn compact(server: &super::Server) -> Result<Duration> {
    std::thread::sleep(REST);
    let (before, start) = (server.file()?, Instant::now());
    server.compact()?;
    while server.file()? == before {
        ensure!(start.elapsed() < PATIENCE, "the database is not compacted");
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = start.elapsed();
    std::thread::sleep(REST);
    Ok(took)
}

/// The longest time that one request after the other takes, with a little rest between them.
fn longest(socket: &Path, ended: &AtomicBool, request: impl Fn(u64) -> String) -> Result<Duration> {
    let mut client = Swarm::connect(socket, 1)?;
    let mut longest = Duration::ZERO;
    let mut number = 0;
    while !ended.load(Ordering::Relaxed) {
        longest = longest.max(client.ask(0, &request(number))?.1);
        number += 1;
        std::thread::sleep(Duration::from_micros(500));
    }
    Ok(longest)
}
