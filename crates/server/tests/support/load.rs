//! Clients that write as fast as they can, and the proof that what they were told is done is in the file: each
//! transaction once, and in order.
//!
//! A transaction of a writer waits until the writer's last number is the one before, so no number can be there
//! twice or be left out without the contents showing it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ovsdb::server::Framer;
use ovsdb::{Atom, Database, Datum};

pub(crate) const WRITERS: usize = 4;

/// How many transactions a writer has on their way.
const WINDOW: usize = 6;

pub(crate) const SCHEMA: &str = r#"{"name":"Crash","version":"1.0.0","tables":{
 "Writer":{"isRoot":true,"indexes":[["name"]],"columns":{"name":{"type":"integer"},"last":{"type":"integer"}}},
 "Entry":{"isRoot":true,"indexes":[["writer","number"]],"columns":{
   "writer":{"type":"integer"},"number":{"type":"integer"},"filler":{"type":"string"}}},
 "Total":{"isRoot":true,"columns":{"n":{"type":"integer"}}}}}"#;

/// Makes an empty database and the rows that the writers begin with.
pub(crate) fn create(file: &Path) {
    let schema = file.with_extension("schema");
    std::fs::write(&schema, SCHEMA).unwrap();
    stock("create", &[file, &schema]);
    let writers = (0..WRITERS)
        .map(|name| format!(r#"{{"op":"insert","table":"Writer","row":{{"name":{name}}}}}"#));
    let writers: Vec<String> = writers.collect();
    let total = r#"{"op":"insert","table":"Total","row":{}}"#;
    let text = format!(r#"["Crash",{},{total}]"#, writers.join(","));
    stock("transact", &[file, Path::new(&text)]);
}

/// Runs `ovsdb-tool` and gives what it prints.
pub(crate) fn stock(command: &str, args: &[&Path]) -> String {
    let output = Command::new("ovsdb-tool")
        .arg(command)
        .args(args)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "ovsdb-tool {command} {args:?}: {error}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// What a stock server shows of the file.
fn backup_by_stock(file: &Path, out: &Path) {
    let socket = file.with_extension("theirs.sock");
    let _ = std::fs::remove_file(&socket);
    let script = format!(
        "ovsdb-client backup unix:{} Crash > {}",
        socket.display(),
        out.display()
    );
    let mut server = Command::new("ovsdb-server");
    server
        .arg(file)
        .args(["--unixctl=none", "-vconsole:off", "-vsyslog:off"]);
    server.arg(format!("--remote=punix:{}", socket.display()));
    let output = server.arg(format!("--run={script}")).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "ovsdb-server {}: {error}",
        file.display()
    );
}

/// What a writer knows of a transaction, on a clock that all share.
#[derive(Debug, Clone, Copy)]
struct Known {
    sent: u64,
    acknowledged: Option<u64>,
    refused: bool,
}

/// Everything that was sent to one file.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    clock: AtomicU64,
    known: BTreeMap<(usize, u64), Known>,
    last: [u64; WRITERS],
}

impl Ledger {
    /// How many transactions were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.known
            .values()
            .filter(|known| known.acknowledged.is_some())
            .count()
    }

    /// Lets the writers run until `end` returns; it is called with the number of acknowledgements so far.
    pub(crate) fn load(&mut self, socket: &Path, end: impl FnOnce(&AtomicU64)) {
        let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
        let (stop, count, clock) = (&stop, &count, &self.clock);
        let last = self.last;
        let heard: Vec<Vec<(u64, Known)>> = std::thread::scope(|scope| {
            let writers: Vec<_> = last
                .into_iter()
                .enumerate()
                .map(|(name, last)| {
                    scope.spawn(move || Writer::run(socket, name, last, clock, stop, count))
                })
                .collect();
            end(count);
            stop.store(true, Ordering::Relaxed);
            writers
                .into_iter()
                .map(|writer| writer.join().unwrap())
                .collect()
        });
        for (name, heard) in heard.into_iter().enumerate() {
            self.known.extend(
                heard
                    .into_iter()
                    .map(|(number, known)| ((name, number), known)),
            );
        }
    }

    /// Proves that the file holds what was acknowledged, and that stock reads the same in it.
    pub(crate) fn check(&mut self, file: &Path) {
        let (database, _) = ovsdb::log::read_database(file).unwrap();
        self.check_contents(&database);
        self.check_order(file);
        let copy = file.with_extension("copy");
        let _ = std::fs::remove_file(&copy);
        std::fs::copy(file, &copy).unwrap();
        let same = |theirs: &Path| {
            let (theirs, torn) = ovsdb::log::read_database(theirs).unwrap();
            assert_eq!(torn, None);
            assert!(
                contents(&theirs) == contents(&database),
                "stock reads something else"
            );
        };
        // The stock server takes a torn file as it is, the tool after ours has cut it.
        let theirs = file.with_extension("theirs");
        backup_by_stock(&copy, &theirs);
        same(&theirs);
        std::fs::copy(file, &copy).unwrap();
        drop(ovsdb::log::FileLog::open(&copy).unwrap());
        std::fs::remove_file(&theirs).unwrap();
        stock("compact", &[&copy, &theirs]);
        same(&theirs);
        std::fs::remove_file(&theirs).unwrap();
    }

    fn check_contents(&mut self, database: &Database) {
        let writers = rows(database, "Writer");
        assert_eq!(writers.len(), WRITERS);
        let mut entries: Vec<(u64, u64)> = rows(database, "Entry")
            .iter()
            .map(|row| (row["writer"], row["number"]))
            .collect();
        entries.sort_unstable();
        let mut expected = Vec::new();
        for writer in writers {
            let (name, last) = (writer["name"], writer["last"]);
            expected.extend((1..=last).map(|number| (name, number)));
            let name = usize::try_from(name).unwrap();
            let range = (name, 0)..=(name, u64::MAX);
            let of_writer = || self.known.range(range.clone());
            let acknowledged = of_writer().filter(|(_, known)| known.acknowledged.is_some());
            let acknowledged = acknowledged
                .map(|((_, number), _)| *number)
                .max()
                .unwrap_or(0);
            let sent = of_writer()
                .map(|((_, number), _)| *number)
                .max()
                .unwrap_or(0);
            assert!(
                (acknowledged..=sent).contains(&last),
                "writer {name}: {acknowledged} acknowledged, {last} there, {sent} sent"
            );
            let refused = of_writer().any(|((_, number), known)| known.refused && *number <= last);
            assert!(
                !refused,
                "writer {name}: something up to {last} was refused, and is there"
            );
            self.last[name] = last;
        }
        expected.sort_unstable();
        assert_eq!(entries, expected, "every number is there, once");
        let total = rows(database, "Total")[0]["n"];
        assert_eq!(
            total,
            entries.len() as u64,
            "each transaction was carried out once"
        );
    }

    /// The records stand in an order that the writers could have seen: what was acknowledged before something
    /// else was sent stands before it.
    fn check_order(&self, file: &Path) {
        // It prints what it can and then says that the end is torn.
        let output = Command::new("ovsdb-tool")
            .arg("show-log")
            .arg(file)
            .output()
            .unwrap();
        let log = String::from_utf8(output.stdout).unwrap();
        let comments = log
            .lines()
            .filter_map(|line| line.split_once('"')?.1.split_once('"'));
        let order: Vec<(usize, u64)> = comments
            .filter_map(|(comment, _)| {
                let (writer, number) = comment.strip_prefix("w ")?.split_once(' ')?;
                Some((writer.parse().ok()?, number.parse().ok()?))
            })
            .collect();
        let mut earliest = u64::MAX;
        let mut before = [u64::MAX; WRITERS];
        for (writer, number) in order.into_iter().rev() {
            assert!(
                number < before[writer],
                "{number} of writer {writer} is out of order"
            );
            before[writer] = number;
            let known = self.known[&(writer, number)];
            assert!(
                known.sent < earliest,
                "{number} of writer {writer} stands too early"
            );
            earliest = earliest.min(known.acknowledged.unwrap_or(u64::MAX));
        }
    }
}

/// Everything in a database: table, row and column, with the value.
pub(crate) fn contents(database: &Database) -> BTreeMap<(String, ovsdb::Uuid, String), Datum> {
    let all = database.contents().flat_map(|change| {
        let table = database.schema().table(&change.table).unwrap();
        let row = change.new.unwrap();
        let columns = table.columns().iter().enumerate().map(|(at, column)| {
            let name = column.name.to_string();
            (
                (change.table.to_string(), change.uuid, name),
                row[at].clone(),
            )
        });
        columns.collect::<Vec<_>>()
    });
    all.collect()
}

/// The rows of a table, their integers by column.
fn rows(database: &Database, table: &str) -> Vec<BTreeMap<String, u64>> {
    let schema = database.schema();
    let index = schema.table_index(table).unwrap();
    let columns = schema.tables()[index].columns();
    let all = database.rows(index).map(|(_, row)| {
        let named = columns.iter().zip(row.iter());
        let numbers = named.filter_map(|(column, value)| {
            let [Atom::Integer(number)] = value.atoms() else {
                return None;
            };
            Some((column.name.to_string(), u64::try_from(*number).ok()?))
        });
        numbers.collect()
    });
    all.collect()
}

/// One client.
struct Writer<'a> {
    stream: UnixStream,
    framer: Framer,
    name: usize,
    clock: &'a AtomicU64,
    heard: Vec<(u64, Known)>,
}

impl<'a> Writer<'a> {
    /// Writes until told to stop, or the connection ends, or the server refuses.
    fn run(
        socket: &Path,
        name: usize,
        mut last: u64,
        clock: &'a AtomicU64,
        stop: &AtomicBool,
        count: &AtomicU64,
    ) -> Vec<(u64, Known)> {
        let Ok(stream) = UnixStream::connect(socket) else {
            return Vec::new();
        };
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let mut writer = Self {
            stream,
            framer: Framer::new(1 << 20, 50),
            name,
            clock,
            heard: Vec::new(),
        };
        let mut waiting = 0;
        let first = last + 1;
        let mut answered = 0;
        loop {
            while waiting < WINDOW && !stop.load(Ordering::Relaxed) {
                last += 1;
                if !writer.send(last) {
                    return writer.heard;
                }
                waiting += 1;
            }
            if waiting == 0 || !writer.answer(first + answered) {
                return writer.heard;
            }
            waiting -= 1;
            answered += 1;
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn send(&mut self, number: u64) -> bool {
        let (name, before) = (self.name, number - 1);
        // Mostly short, sometimes of several pages.
        let length = if number.is_multiple_of(23) {
            9000
        } else {
            number * 37 % 300
        };
        let filler = "x".repeat(usize::try_from(length).unwrap());
        let message = format!(
            r#"{{"id":{number},"method":"transact","params":["Crash",
{{"op":"wait","timeout":0,"table":"Writer","where":[["name","==",{name}]],"columns":["last"],"until":"==","rows":[{{"last":{before}}}]}},
{{"op":"update","table":"Writer","where":[["name","==",{name}]],"row":{{"last":{number}}}}},
{{"op":"insert","table":"Entry","row":{{"writer":{name},"number":{number},"filler":"{filler}"}}}},
{{"op":"mutate","table":"Total","where":[],"mutations":[["n","+=",1]]}},
{{"op":"comment","comment":"w {name} {number}"}}]}}"#
        );
        let sent = self.clock.fetch_add(1, Ordering::SeqCst);
        // It may arrive also when not all of it could be sent.
        self.heard.push((
            number,
            Known {
                sent,
                acknowledged: None,
                refused: false,
            },
        ));
        self.stream.write_all(message.as_bytes()).is_ok()
    }

    /// Takes the next answer, which must be to `number`; whether it says that the transaction is done.
    fn answer(&mut self, number: u64) -> bool {
        let mut piece = [0; 1 << 14];
        let message = loop {
            if let Some(message) = self.framer.next_message().unwrap() {
                break message;
            }
            match self.stream.read(&mut piece) {
                Ok(count) if count > 0 => self.framer.push(&piece[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    panic!("no answer to {number} of writer {}", self.name)
                }
                _ => return false,
            }
        };
        let text = std::str::from_utf8(&message).unwrap();
        let id = text.split_once(r#""id":"#).map(|(_, rest)| rest);
        let is = |end| id.is_some_and(|id| id.starts_with(&format!("{number}{end}")));
        assert!(is(',') || is('}'), "answers come in order: {text}");
        let done = text.contains(r#""uuid""#)
            && text.contains(r#""error":null"#)
            && !text.contains(r#""details""#);
        let now = self.clock.fetch_add(1, Ordering::SeqCst);
        let known = self
            .heard
            .iter_mut()
            .rev()
            .find(|(sent, _)| *sent == number);
        let (_, known) = known.unwrap();
        known.acknowledged = done.then_some(now);
        known.refused = !done;
        done
    }
}

/// A fixed sequence of numbers that looks like chance.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// The rounds of a crash test: few by default, `HEDDLE_CRASH_ROUNDS` for more.
pub(crate) fn rounds(default: u64) -> u64 {
    let given = std::env::var("HEDDLE_CRASH_ROUNDS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A path as a flag's value.
pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}
