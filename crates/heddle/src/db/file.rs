//! `heddle db create`, `convert`, `compact`, `check` and `show-log`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use ovsdb::log::{FileLog, Log, read_database, write_database};
use ovsdb::tool::history::{self, Detail};
use ovsdb::{DatabaseSchema, Record, tool};
use serde_json::{Value, json};

use super::output::{note, write};
use super::source::{Target, read_schema};

#[derive(clap::Args)]
pub(super) struct Create {
    /// The file to make; it must not be there yet.
    file: PathBuf,
    /// A file with a schema in JSON, as in /usr/share/openvswitch/vswitch.ovsschema.
    schema: PathBuf,
}

pub(super) fn create(args: &Create) -> anyhow::Result<()> {
    FileLog::create(&args.file, read_schema(&args.schema)?)?;
    Ok(())
}

#[derive(clap::Args)]
pub(super) struct Convert {
    /// The database: a file that nobody has in use, or a server, which then does it itself.
    target: Target,
    /// A file with the new schema in JSON.
    schema: PathBuf,
    /// Leave the file as it is and write the result to this new one.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) async fn convert(args: &Convert) -> anyhow::Result<()> {
    let schema = read_schema(&args.schema)?;
    match &args.target {
        Target::File(path) => convert_file(path, &schema, args.output.as_deref()),
        Target::Server(_) if args.output.is_some() => {
            bail!("--output: a server converts its database in place; use export, then convert")
        }
        Target::Server(server) => {
            let json: Value = serde_json::from_str(&schema.to_json_text())?;
            let mut rpc = server.connect().await?;
            rpc.call("convert", &json!([schema.name, json])).await?;
            Ok(())
        }
    }
}

fn convert_file(
    path: &Path,
    schema: &Arc<DatabaseSchema>,
    output: Option<&Path>,
) -> anyhow::Result<()> {
    let (old, log) = match output {
        Some(_) => (read_database(path)?.0, None),
        None => {
            let opened = FileLog::open(path)?;
            (opened.database, Some(opened.log))
        }
    };
    if old.schema().name != schema.name {
        let (found, wanted) = (&old.schema().name, &schema.name);
        bail!(
            "{}: holds the database {found}; the schema is of {wanted}",
            path.display()
        );
    }
    let now = super::now();
    let new = tool::carry_over(&old, schema, now).with_context(|| {
        format!(
            "{}: the content does not fit the new schema; nothing was changed",
            path.display()
        )
    })?;
    for lost in tool::lost(old.schema(), schema) {
        note(&format!(
            "{}: {lost} is not in the new schema and was left out",
            path.display()
        ));
    }
    match (log, output) {
        (Some(mut log), _) => log.replace(&Record::schema(schema), &new.snapshot(now))?,
        (None, Some(output)) => write_database(output, &new, now)?,
        (None, None) => {}
    }
    Ok(())
}

#[derive(clap::Args)]
pub(super) struct Compact {
    /// The database file; nobody may have it in use.
    target: Target,
    /// Leave the file as it is and write the result to this new one.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn compact(args: &Compact) -> anyhow::Result<()> {
    let remedy = "a server compacts its own files; use ovs-appctl -t SERVER ovsdb-server/compact";
    let path = args.target.file(remedy)?;
    let now = super::now();
    if let Some(output) = &args.output {
        let (database, _) = read_database(path)?;
        return Ok(write_database(output, &database, now)?);
    }
    let mut opened = FileLog::open(path)?;
    let schema = Record::schema(opened.database.schema());
    Ok(opened
        .log
        .compact(&schema, &opened.database.snapshot(now))?)
}

#[derive(clap::Args)]
pub(super) struct Check {
    /// The database file; it may be in use.
    file: PathBuf,
}

/// Reads the whole file and checks its content as a transaction is checked.
pub(super) fn check(args: &Check) -> anyhow::Result<ExitCode> {
    const WRONG: u8 = 3;
    let path = args.file.display();
    let (database, torn) = read_database(&args.file)?;
    let schema = database.schema();
    let rows: usize = (0..schema.tables().len())
        .map(|at| database.row_count(at))
        .sum();
    let mut good = true;
    if let Some(torn) = torn {
        good = false;
        note(&format!(
            "{path}: the {} bytes behind byte {} are not a whole record ({}); the server cuts them off when it opens the file",
            torn.lost, torn.offset, torn.reason
        ));
    }
    match tool::carry_over(&database, schema, super::now()) {
        Err(error) => {
            good = false;
            note(&format!("{path}: the content breaks its schema: {error}"));
        }
        Ok(kept) => {
            let left: usize = (0..schema.tables().len())
                .map(|at| kept.row_count(at))
                .sum();
            if left != rows {
                good = false;
                note(&format!(
                    "{path}: {} rows are referred to by nothing",
                    rows - left
                ));
            }
        }
    }
    if !good {
        return Ok(ExitCode::from(WRONG));
    }
    let (name, version, tables) = (&schema.name, &schema.version, schema.tables().len());
    write(&format!(
        "{path}: {name} {version}: {tables} tables, {rows} rows, no fault\n"
    ))?;
    Ok(ExitCode::SUCCESS)
}

#[derive(clap::Args)]
pub(super) struct ShowLog {
    /// The database file; it may be in use.
    file: PathBuf,
    /// Say which rows changed; twice: which columns.
    #[arg(short, long, action = clap::ArgAction::Count)]
    more: u8,
}

pub(super) fn show_log(args: &ShowLog) -> anyhow::Result<()> {
    let detail = match args.more {
        0 => Detail::Records,
        1 => Detail::Rows,
        _ => Detail::Columns,
    };
    write(&history::show(&args.file, detail)?)
}
