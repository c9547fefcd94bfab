//! Servers over etcd, clients that write to whichever lives, and clients that follow and come back.

#![allow(dead_code, reason = "each test uses a part")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::de::IoRead;
use serde_json::{Deserializer, StreamDeserializer, Value, json};
use testbed::{Leash, Scratch, run, until};

const PATIENCE: Duration = Duration::from_secs(120);
/// How long a client waits for an answer before it asks another server.
const ANSWER: Duration = Duration::from_secs(20);

/// Whether this machine has more to do than it can.
pub(crate) fn is_busy() -> bool {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load
        .split(' ')
        .next()
        .and_then(|text| text.parse::<f64>().ok());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    #[allow(
        clippy::cast_precision_loss,
        reason = "a number of processors is small"
    )]
    load.is_none_or(|load| load > processors as f64)
}

/// A `heddle server`.
pub(crate) struct Server {
    folder: PathBuf,
    endpoints: String,
    flags: Vec<String>,
    running: Option<(Child, Leash)>,
}

impl Server {
    pub(crate) fn start(scratch: &Scratch, name: &str, endpoints: &[String]) -> Result<Self> {
        Self::start_with(scratch, name, endpoints, &[])
    }

    pub(crate) fn start_with(
        scratch: &Scratch,
        name: &str,
        endpoints: &[String],
        flags: &[String],
    ) -> Result<Self> {
        let mut server = Self {
            folder: scratch.folder(name)?,
            endpoints: endpoints.join(","),
            flags: flags.to_vec(),
            running: None,
        };
        server.restart()?;
        Ok(server)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("db.sock")
    }

    fn control(&self) -> PathBuf {
        self.folder.join("ctl")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> Result<u32> {
        let (child, _) = self.running.as_ref().context("the server is not running")?;
        Ok(child.id())
    }

    /// Starts it, and waits until it serves.
    pub(crate) fn restart(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.log())?;
        let child = Command::new(env!("CARGO_BIN_EXE_heddle"))
            .args(["server", "--etcd", &self.endpoints])
            .arg(format!("--remote=punix:{}", self.socket().display()))
            .arg(format!("--unixctl={}", self.control().display()))
            .args(&self.flags)
            .env("OVN_RUNDIR", &self.folder)
            .env("OVS_RUNDIR", &self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start heddle server")?;
        let leash = Leash::new(child.id())?;
        let (child, _) = self.running.insert((child, leash));
        let folder = self.folder.clone();
        until(PATIENCE, "a server to serve", || {
            if let Some(status) = child.try_wait()? {
                let said = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
                bail!("heddle server ended with {status}: {said}");
            }
            Ok(Client::connect(&folder.join("db.sock")).ok().map(drop))
        })
    }

    pub(crate) fn kill(&mut self) -> Result<()> {
        if let Some((mut child, leash)) = self.running.take() {
            child.kill()?;
            child.wait()?;
            leash.release();
        }
        Ok(())
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) -> Result<()> {
        let (child, _) = self.running.as_ref().context("the server is not running")?;
        let mut kill = Command::new("kill");
        run(kill.args(["-s", signal, &child.id().to_string()])).map(drop)
    }

    /// Whether its compiler is the active one.
    pub(crate) fn compiles(&self) -> bool {
        let mut status = Command::new("ovs-appctl");
        status
            .args(["--timeout=5", "-t"])
            .arg(self.control())
            .arg("status");
        self.running.is_some() && run(&mut status).is_ok_and(|text| text.contains("active"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It fails only for one that has ended by itself.
        let _ = self.kill();
    }
}

/// A connection to a server.
pub(crate) struct Client {
    stream: UnixStream,
    messages: StreamDeserializer<'static, IoRead<UnixStream>, Value>,
    number: u64,
}

impl Client {
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(ANSWER))?;
        let messages = Deserializer::from_reader(stream.try_clone()?).into_iter();
        let mut client = Self {
            stream,
            messages,
            number: 0,
        };
        client.call("list_dbs", &json!([]))?;
        Ok(client)
    }

    fn send(&mut self, message: &Value) -> Result<()> {
        Ok(self.stream.write_all(message.to_string().as_bytes())?)
    }

    /// The next message that is not just a question whether we are there.
    fn receive(&mut self) -> Result<Value> {
        loop {
            let message = self
                .messages
                .next()
                .context("the server closed the connection")??;
            if message["method"] != "echo" {
                return Ok(message);
            }
            self.send(&json!({"id": message["id"], "result": message["params"], "error": null}))?;
        }
    }

    fn call(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.number += 1;
        self.send(&json!({"id": self.number, "method": method, "params": params}))?;
        loop {
            let mut message = self.receive()?;
            if message["id"] == self.number {
                ensure!(message["error"].is_null(), "{method}: {}", message["error"]);
                return Ok(message["result"].take());
            }
        }
    }

    /// One operation as a transaction; an error of it is the text.
    pub(crate) fn transact(&mut self, database: &str, operation: &Value) -> Result<Value> {
        self.transact_all(database, std::slice::from_ref(operation))
    }

    pub(crate) fn transact_all(&mut self, database: &str, operations: &[Value]) -> Result<Value> {
        let mut params = vec![json!(database)];
        params.extend_from_slice(operations);
        let result = self.call("transact", &Value::Array(params))?;
        let results = result.as_array().map(Vec::as_slice).unwrap_or_default();
        match results.iter().find(|result| !result["error"].is_null()) {
            Some(wrong) => bail!("refused: {wrong}"),
            None => Ok(result),
        }
    }

    pub(crate) fn select(&mut self, database: &str, table: &str) -> Result<Vec<Value>> {
        let select = json!({"op": "select", "table": table, "where": []});
        let result = self.transact(database, &select)?;
        Ok(result[0]["rows"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until `_Server` says that the Northbound is connected, or that it is not.
    pub(crate) fn wait_connected(&mut self, connected: bool) -> Result<()> {
        until(PATIENCE, &format!("connected={connected}"), || {
            let rows = self.select("_Server", "Database")?;
            let row = rows.iter().find(|row| row["name"] == "OVN_Northbound");
            let row = row.context("no row of the Northbound")?;
            ensure!(row["model"] == "clustered", "{row}");
            Ok((row["connected"] == connected).then_some(()))
        })
    }
}

/// The table that is written to: nobody compiles its rows.
const TABLE: &str = "DHCP_Options";

/// What a row says: which writer's, and which of his.
fn mark(row: &Value) -> Option<(usize, usize)> {
    let pairs = row["external_ids"][1].as_array()?;
    let value = |name: &str| {
        let pair = pairs.iter().find(|pair| pair[0] == name)?;
        pair[1].as_str()?.parse().ok()
    };
    value("writer").zip(value("number"))
}

/// All marks that a server has.
pub(crate) fn options_of(client: &mut Client) -> Result<Vec<(usize, usize)>> {
    let rows = client.select("OVN_Northbound", TABLE)?;
    Ok(rows.iter().filter_map(mark).collect())
}

/// The id of the last transaction of a server.
pub(crate) fn last_id(socket: &Path) -> Result<String> {
    let mut client = Client::connect(socket)?;
    let columns = json!({TABLE: [{"columns": ["cidr"]}]});
    let reply = client.call(
        "monitor_cond_since",
        &json!(["OVN_Northbound", "id", columns, NO_ID]),
    )?;
    Ok(reply[1].as_str().unwrap_or_default().to_owned())
}

/// What a client sends that knows nothing yet.
const NO_ID: &str = "00000000-0000-0000-0000-000000000000";

/// Writes numbered rows to whichever server answers.
pub(crate) struct Writer<'s> {
    id: usize,
    sockets: &'s [PathBuf],
    client: Option<Client>,
    server: usize,
}

impl<'s> Writer<'s> {
    pub(crate) fn new(id: usize, sockets: &'s [PathBuf]) -> Self {
        Self {
            id,
            sockets,
            client: None,
            server: id,
        }
    }

    /// Inserts a row unless it is there: so it can be tried again when the answer was lost.
    pub(crate) fn insert(client: &mut Client, writer: usize, number: usize) -> Result<()> {
        let ids = json!([
            "map",
            [
                ["number", number.to_string()],
                ["writer", writer.to_string()]
            ]
        ]);
        let absent = json!({"op": "wait", "table": TABLE, "columns": ["cidr"], "timeout": 0,
            "where": [["external_ids", "==", ids]], "until": "==", "rows": []});
        let insert = json!({"op": "insert", "table": TABLE,
            "row": {"cidr": "10.0.0.0/8", "external_ids": ids}});
        client
            .transact_all("OVN_Northbound", &[absent, insert])
            .map(drop)
    }

    /// Until told to stop; gives how many were acknowledged.
    pub(crate) fn write(mut self, stop: &AtomicBool, count: &AtomicUsize) -> Result<usize> {
        let mut number = 0;
        let mut unsure = false;
        while !stop.load(Ordering::Relaxed) || unsure {
            match self.try_insert(number) {
                Ok(()) => {}
                // An earlier request, whose answer was lost, has done it.
                Err(error) if unsure && error.to_string().contains("timed out") => {}
                Err(_) => {
                    unsure = true;
                    self.client = None;
                    self.server += 1;
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                }
            }
            unsure = false;
            number += 1;
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(number)
    }

    fn try_insert(&mut self, number: usize) -> Result<()> {
        let client = match &mut self.client {
            Some(client) => client,
            None => {
                let socket = &self.sockets[self.server % self.sockets.len()];
                self.client.insert(Client::connect(socket)?)
            }
        };
        Self::insert(client, self.id, number)
    }
}

/// Follows the table with `monitor_cond_since`, on whichever server lives.
pub(crate) struct Watcher {
    sockets: Vec<PathBuf>,
    server: usize,
    client: Option<Client>,
    /// The id of the last transaction that was seen.
    id: String,
    /// How many rows of each writer were seen.
    seen: BTreeMap<usize, usize>,
    /// How often the server knew where to go on, and how often it did not.
    pub(crate) resumed: usize,
    pub(crate) restarted: usize,
}

impl Watcher {
    pub(crate) fn new(server: usize, sockets: &[PathBuf]) -> Self {
        Self {
            sockets: sockets.to_vec(),
            server,
            client: None,
            id: NO_ID.into(),
            seen: BTreeMap::new(),
            resumed: 0,
            restarted: 0,
        }
    }

    pub(crate) fn watch(mut self, stop: &AtomicBool) -> Result<Self> {
        while !stop.load(Ordering::Relaxed) {
            self.step()?;
        }
        Ok(self)
    }

    /// Reads on until all is seen.
    pub(crate) fn finish(&mut self, expected: &BTreeMap<usize, usize>) -> Result<()> {
        until(PATIENCE, "a follower to see all", || {
            if self.seen == *expected {
                return Ok(Some(()));
            }
            self.step()?;
            Ok(None)
        })
    }

    /// One message, or another server.
    fn step(&mut self) -> Result<()> {
        let Some(client) = &mut self.client else {
            if self.connect().is_err() {
                self.client = None;
                self.server += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            return Ok(());
        };
        client
            .stream
            .set_read_timeout(Some(Duration::from_millis(200)))?;
        match client.receive() {
            Ok(message) if message["method"] == "update3" => {
                let id = message["params"][1].as_str().unwrap_or_default().to_owned();
                self.take(&message["params"][2])?;
                self.id = id;
            }
            Ok(_) => {}
            Err(error) if is_timeout(&error) => {
                // What was read so far of a message is lost with the deserializer: a connection that is quiet goes
                // on, and one that broke off within a message is begun anew.
                let rest = client.stream.try_clone()?;
                client.messages = Deserializer::from_reader(rest).into_iter();
            }
            Err(_) => {
                self.client = None;
                self.server += 1;
            }
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<()> {
        let socket = self.sockets[self.server % self.sockets.len()].clone();
        let mut client = Client::connect(&socket)?;
        let columns = json!({TABLE: [{"columns": ["external_ids"]}]});
        let params = json!(["OVN_Northbound", "watch", columns, self.id]);
        let reply = client.call("monitor_cond_since", &params)?;
        let known = reply[0] == true;
        let first = self.seen.is_empty();
        if !known {
            self.restarted += usize::from(!first);
            self.seen.clear();
            self.take_unordered(&reply[2]);
        } else {
            self.resumed += 1;
            self.take(&reply[2])?;
        }
        self.id = reply[1].as_str().unwrap_or_default().to_owned();
        self.client = Some(client);
        Ok(())
    }

    fn marks(updates: &Value) -> Vec<(usize, usize)> {
        let rows = updates[TABLE].as_object();
        let rows = rows.into_iter().flat_map(|rows| rows.values());
        let new = |row: &Value| mark(row.get("insert").or_else(|| row.get("initial"))?);
        let mut marks: Vec<_> = rows.filter_map(new).collect();
        marks.sort_unstable();
        marks
    }

    /// Rows that are new: for each writer those that follow what was seen.
    fn take(&mut self, updates: &Value) -> Result<()> {
        for (writer, number) in Self::marks(updates) {
            let seen = self.seen.entry(writer).or_default();
            ensure!(
                *seen == number,
                "writer {writer}: {number} after {seen} others"
            );
            *seen += 1;
        }
        Ok(())
    }

    /// All rows that there are.
    fn take_unordered(&mut self, updates: &Value) {
        for (writer, _) in Self::marks(updates) {
            *self.seen.entry(writer).or_default() += 1;
        }
    }
}

fn is_timeout(error: &anyhow::Error) -> bool {
    let io = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<serde_json::Error>());
    io.and_then(serde_json::Error::io_error_kind)
        .is_some_and(|kind| {
            matches!(
                kind,
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            )
        })
}
