//! `heddle vs`: the configuration of Open vSwitch, in the words of `ovs-vsctl(8)`, over OVSDB.
//!
//! All commands of one call are one transaction: they see what the ones before them did, and either all of them
//! take effect or none. What they looked at is checked again by the server; when it has changed meanwhile they run
//! again on what is there then. Nothing is printed before the transaction is done.
//!
//! Exit status: 0 done; 1 it failed, and nothing was changed; 2 the bridge of `br-exists` does not exist; 65 the
//! database was changed, but the switch did not set it up.

mod bridges;
mod command;
mod database;
mod extras;
mod find;
mod options;
mod ports;
mod replica;
mod settings;
mod show;
mod topology;
mod value;
mod world;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use ovsdb::Uuid;
use ovsdb::tool::tabular::{Format, Tabular};
use serde_json::json;
use transport::ovsdb::rpc::Rpc;

use command::{Context, Exit};
use options::Options;
use replica::Replica;
use world::{Id, Operations, ROOT, World};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long to wait between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(200);
/// The status of a call whose changes the switch did not set up.
const NOT_SET_UP: u8 = 65;

/// Arguments of `heddle vs`.
#[derive(clap::Args)]
#[command(
    override_usage = "heddle vs [OPTIONS] [--] COMMAND [ARG...] [-- COMMAND [ARG...]]...",
    after_help = "Several commands with -- between them are one transaction.
Options: --db=SERVER (unix:FILE, tcp:HOST:PORT, ssl:HOST:PORT; default: this host's), --no-wait, --dry-run, --oneline, --retry,
  -t/--timeout=SECONDS, -f/--format=table|list|csv|json, -d/--data=string|bare|json, --no-headings, --bare, --json,
  -p/--private-key, -c/--certificate, -C/--ca-cert, --bootstrap-ca-cert=FILE, --ssl-protocols, --ssl-ciphers=LIST.
Commands are those of ovs-vsctl(8); heddle vs --commands prints their names.
Exit status: 0 done; 1 failed, nothing was changed; 2 br-exists: it does not; 65 the switch did not set it up."
)]
pub(crate) struct Args {
    /// Options and commands.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let options = Options::parse(&args.words)?;
    if options.only_names() {
        let names = command::names().map(|name| format!("{name}\n"));
        print(&names.collect::<String>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let work = serve(&options);
    let result = match options.timeout {
        None => work.await,
        Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            bail!("not done within {limit:?}; give more time with --timeout, or use --no-wait")
        }),
    };
    match result {
        Err(error) => match error.downcast::<Exit>() {
            Ok(Exit(code)) => Ok(ExitCode::from(code)),
            Err(error) => Err(error),
        },
        done => done,
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

fn note(text: &str) {
    // Nobody is left to tell when the standard error is closed.
    let _ = writeln!(std::io::stderr(), "heddle: {text}");
}

async fn connect(options: &Options) -> anyhow::Result<Rpc> {
    let tls = options.tls.tls()?;
    loop {
        let attempt = Rpc::connect_with(&options.servers, &tls);
        let attempt = tokio::time::timeout(CONNECT, attempt).await;
        match attempt {
            Ok(Ok(rpc)) => return Ok(rpc),
            _ if options.retry => tokio::time::sleep(PAUSE).await,
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => bail!("{}: no connection within {CONNECT:?}", options.servers[0]),
        }
    }
}

/// What one run of the commands came to.
enum Attempt {
    Done(Done),
    /// Something must change first.
    Again,
}

struct Done {
    outputs: Vec<Output>,
    interfaces: Vec<Id>,
    /// The number that the switch is to reach.
    next: Option<i64>,
}

enum Output {
    Text(String),
    Table(Tabular),
}

async fn serve(options: &Options) -> anyhow::Result<ExitCode> {
    let rpc = connect(options).await?;
    let mut replica = Replica::new(rpc, |schema| {
        let mut tables = std::collections::BTreeSet::new();
        for call in &options.calls {
            tables.extend(call.tables(schema)?);
        }
        Ok(tables)
    })
    .await?;
    let done = loop {
        match attempt(options, &mut replica).await? {
            Attempt::Done(done) => break done,
            Attempt::Again => replica.changed().await?,
        }
    };
    print_outputs(options, &done.outputs)?;
    let Some(next) = done.next.filter(|_| options.wait) else {
        return Ok(ExitCode::SUCCESS);
    };
    let root = World::new(&replica)?.root()?.table;
    while !replica.rows().iter().any(|(id, row)| {
        let column = replica.schema().tables()[root].column_index("cur_cfg");
        let current = column.and_then(|at| row[at].as_one()?.as_integer());
        id.table == root && current.is_some_and(|current| current >= next)
    }) {
        replica.changed().await?;
    }
    Ok(check_interfaces(&World::new(&replica)?, &done.interfaces))
}

/// Tells of new interfaces that the switch could not set up.
fn check_interfaces(world: &World, interfaces: &[Id]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for id in interfaces.iter().copied().filter(|id| world.has(*id)) {
        if world.number(id, "ofport").is_some_and(|port| port != -1) {
            continue;
        }
        code = ExitCode::from(NOT_SET_UP);
        let (name, error) = (world.text(id, "name"), world.text(id, "error"));
        let error = if error.is_empty() {
            "the switch gave no reason".to_owned()
        } else {
            error
        };
        note(&format!(
            "interface {name}: {error}; it is in the database, but the switch did not set it up: see its log"
        ));
    }
    code
}

/// Runs the commands on what the replica has, and then their transaction.
async fn attempt(options: &Options, replica: &mut Replica) -> anyhow::Result<Attempt> {
    let mut context = Context::new(World::new(replica)?);
    let mut outputs = Vec::new();
    for call in &options.calls {
        call.run(&mut context)?;
        if context.again {
            return Ok(Attempt::Again);
        }
        let text = std::mem::take(&mut context.output);
        outputs.push(match context.table.take() {
            Some(table) => Output::Table(table),
            None => Output::Text(text),
        });
    }
    for (name, symbol) in context.symbols.iter() {
        if !symbol.created {
            bail!(
                "row id \"{name}\" is referenced but never created (e.g. with \"-- --id={name} create ...\")"
            );
        }
        if !symbol.kept {
            context.notes.push(format!(
                "row id \"{name}\" was created but no strong reference to it was inserted, so it will not \
                 actually appear in the database"
            ));
        }
    }
    let mut done = Done {
        outputs,
        interfaces: context.interfaces,
        next: None,
    };
    let operations = context.world.operations().filter(|_| !options.dry_run);
    if let Some(operations) = operations {
        let root = context.world.root()?;
        match commit(options, replica, operations, root).await? {
            None => return Ok(Attempt::Again),
            Some(committed) => done.finish(committed),
        }
    }
    context.notes.iter().for_each(|text| note(text));
    Ok(Attempt::Done(done))
}

/// What the server made of a transaction.
struct Committed {
    /// The UUIDs that new rows have got.
    uuids: BTreeMap<Uuid, Uuid>,
    next: Option<i64>,
}

impl Done {
    fn finish(&mut self, committed: Committed) {
        self.next = committed.next;
        let real = |uuid: Uuid| committed.uuids.get(&uuid).copied().unwrap_or(uuid);
        for id in &mut self.interfaces {
            id.uuid = real(id.uuid);
        }
        for output in &mut self.outputs {
            if let Output::Text(text) = output
                && let Some(uuid) = ovsdb::json::parse_uuid(text.trim_end())
            {
                *text = format!("{}\n", real(uuid));
            }
        }
    }
}

/// Runs the transaction; gives nothing when something that it depends on is no longer as it was.
async fn commit(
    options: &Options,
    replica: &mut Replica,
    mut operations: Operations,
    root: Id,
) -> anyhow::Result<Option<Committed>> {
    let comment = format!("heddle vs: {}", options.text);
    if options.wait {
        let is_new = operations.inserted.iter().find(|(_, id)| *id == root);
        if let Some((at, _)) = is_new {
            operations.list[*at]["row"]["next_cfg"] = json!(1);
        } else {
            let only = world::by_uuid(root.uuid);
            operations.list.push(json!({
                "op": "mutate", "table": ROOT, "where": only, "mutations": [["next_cfg", "+=", 1]],
            }));
            operations.list.push(json!({
                "op": "select", "table": ROOT, "where": only, "columns": ["next_cfg"],
            }));
        }
    }
    let last = operations.list.len().saturating_sub(1);
    operations
        .list
        .push(json!({"op": "comment", "comment": comment}));
    let results = replica.transact(operations.list).await?;
    if results.iter().any(|result| result["error"] == "timed out") {
        return Ok(None);
    }
    if let Some(error) = results.iter().find(|result| result["error"].is_string()) {
        let kind = error["error"].as_str().unwrap_or_default();
        let details = error["details"].as_str().unwrap_or_default();
        bail!("the database refused the transaction, and nothing was changed: {kind}: {details}");
    }
    let mut uuids = BTreeMap::new();
    for (at, id) in operations.inserted {
        let uuid = results
            .get(at)
            .and_then(|result| result["uuid"][1].as_str());
        let uuid = uuid.and_then(ovsdb::json::parse_uuid);
        uuids.insert(id.uuid, uuid.context("the result of an insert is no UUID")?);
    }
    let next = results
        .get(last)
        .and_then(|r| r["rows"][0]["next_cfg"].as_i64());
    Ok(Some(Committed {
        next: options.wait.then(|| next.unwrap_or(1)),
        uuids,
    }))
}

fn print_outputs(options: &Options, outputs: &[Output]) -> anyhow::Result<()> {
    let mut text = String::new();
    let mut tables = 0;
    for output in outputs {
        match output {
            Output::Table(table) => {
                if tables > 0 && options.layout.format != Format::Json {
                    text.push('\n');
                }
                tables += 1;
                text.push_str(&table.print(options.layout));
            }
            Output::Text(own) if options.oneline => {
                let own = own.strip_suffix('\n').unwrap_or(own);
                text.push_str(&own.replace('\\', "\\\\").replace('\n', "\\n"));
                text.push('\n');
            }
            Output::Text(own) => text.push_str(own),
        }
    }
    print(&text)
}
