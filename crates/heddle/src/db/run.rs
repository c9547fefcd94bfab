//! `heddle db query` and `transact`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use ovsdb::database::{Context, Outcome};
use ovsdb::log::{FileLog, Log, read_database};
use ovsdb::{Database, Record, Uuid};
use serde_json::{Value, json};

use super::output::write;
use super::source::Target;

#[derive(clap::Args)]
pub(super) struct Transaction {
    /// A database file or a server. A file that is written may not be in use.
    target: Target,
    /// The parameters of a transact request: ["DATABASE", OPERATION...]; - reads them from standard input.
    transaction: String,
}

/// Runs it and prints the results. With an error among them the status is that of a failure.
pub(super) async fn run(args: &Transaction, writes: bool) -> anyhow::Result<ExitCode> {
    let mut params = parse(&args.transaction)?;
    let results = match &args.target {
        Target::File(path) => on_file(path, &params, writes)?,
        Target::Server(server) => {
            if !writes {
                // What would have changed is taken back.
                params.push(json!({"op": "abort"}));
            }
            let results = server
                .connect()
                .await?
                .call("transact", &Value::Array(params))
                .await;
            if writes {
                results?
            } else {
                without_abort(results?)
            }
        }
    };
    write(&format!("{results}\n"))?;
    let failed = results
        .as_array()
        .into_iter()
        .flatten()
        .any(|r| r.get("error").is_some());
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn parse(text: &str) -> anyhow::Result<Vec<Value>> {
    let text = match text {
        "-" => std::io::read_to_string(std::io::stdin()).context("standard input: cannot read")?,
        text => text.to_owned(),
    };
    let params: Value = serde_json::from_str(&text).context("the transaction is not JSON")?;
    match params {
        Value::Array(params) if params.first().is_some_and(Value::is_string) => Ok(params),
        _ => bail!(
            "a transaction is an array that begins with the name of the database: [\"NAME\", {{\"op\": ...}}, ...]"
        ),
    }
}

/// The results without that of the `abort` at their end.
fn without_abort(mut results: Value) -> Value {
    if let Value::Array(results) = &mut results
        && results
            .last()
            .is_some_and(|last| last["error"] == "aborted")
    {
        results.pop();
    }
    results
}

fn on_file(path: &Path, params: &[Value], writes: bool) -> anyhow::Result<Value> {
    let (mut database, log) = if writes {
        let opened = FileLog::open(path)?;
        (opened.database, Some(opened.log))
    } else {
        (read_database(path)?.0, None)
    };
    let name = &database.schema().name;
    if params[0] != name.as_str() {
        bail!(
            "{}: holds the database {name}, not {}",
            path.display(),
            params[0]
        );
    }
    let (results, record) =
        execute(&mut database, &params[1..], writes).with_context(|| path.display().to_string())?;
    if let (Some(mut log), Some(record)) = (log, record) {
        log.append(&[record], &[])?;
    }
    Ok(results)
}

/// Runs operations on a database of this process; gives the results and what the log must hold.
pub(super) fn execute(
    database: &mut Database,
    operations: &[Value],
    writes: bool,
) -> anyhow::Result<(Value, Option<Record>)> {
    let mut context = Context {
        now: super::now(),
        new_uuid: &mut Uuid::new_v4,
        holds_lock: &|_| false,
        // Nobody else changes a file, so a `wait` has waited for as long as it ever will.
        waited: u64::MAX,
        read_only: (!writes).then_some("a query changes nothing; use transact"),
    };
    match database.execute_json(operations, &mut context) {
        Outcome::Done(executed) => {
            let record = executed.commit.and_then(|commit| commit.record);
            Ok((json!(executed.results), record))
        }
        Outcome::Blocked(_) => bail!("a wait is not satisfied, and nothing can change that"),
    }
}
