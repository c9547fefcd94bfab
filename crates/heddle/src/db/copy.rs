//! `heddle db backup`, `restore`, `import` and `export`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ovsdb::log::{FileLog, Log, write_database};
use ovsdb::{Database, Record, tool};
use serde_json::Value;

use super::output::{note, write_bytes};
use super::source::{Target, fetch, read_file};

#[derive(clap::Args)]
pub(super) struct Backup {
    /// A database file or a server.
    target: Target,
    /// The database, where the server has several.
    #[arg(long, value_name = "NAME")]
    db: Option<String>,
    /// Write to this new file, durably.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) async fn backup(args: &Backup) -> anyhow::Result<()> {
    let database = args.target.read(args.db.as_deref()).await?;
    match &args.output {
        Some(path) => Ok(write_database(path, &database, super::now())?),
        None => write_bytes(&ovsdb::log::image(&database, super::now())),
    }
}

#[derive(clap::Args)]
pub(super) struct Export {
    /// A database file or a server.
    target: Target,
    /// The file to make; it must not be there yet.
    file: PathBuf,
    /// The database, where the server has several.
    #[arg(long, value_name = "NAME")]
    db: Option<String>,
}

pub(super) async fn export(args: &Export) -> anyhow::Result<()> {
    let database = args.target.read(args.db.as_deref()).await?;
    Ok(write_database(&args.file, &database, super::now())?)
}

#[derive(clap::Args)]
pub(super) struct Restore {
    /// A server, or a database file that nobody has in use.
    target: Target,
    /// The copy: a database file.
    copy: PathBuf,
    /// Restore also what has another version of the schema: what it does not have is left out.
    #[arg(long)]
    force: bool,
}

pub(super) async fn restore(args: &Restore) -> anyhow::Result<()> {
    put(&args.target, &args.copy, args.force, true).await
}

#[derive(clap::Args)]
pub(super) struct Import {
    /// A server, or a database file that nobody has in use.
    target: Target,
    /// The database file whose rows are added.
    file: PathBuf,
    /// Import also from another version of the schema: what the target does not have is left out.
    #[arg(long)]
    force: bool,
}

pub(super) async fn import(args: &Import) -> anyhow::Result<()> {
    put(&args.target, &args.file, args.force, false).await
}

/// Puts the content of a file into a database, beside what is there or in its place.
async fn put(target: &Target, copy: &Path, force: bool, replace: bool) -> anyhow::Result<()> {
    let from = read_file(copy, None)?;
    match target {
        Target::File(path) => put_into_file(path, copy, &from, force, replace),
        Target::Server(server) => {
            let mut rpc = server.connect().await?;
            let schema = rpc.schema(&from.schema().name).await?;
            let fitted = fit(&from, &schema.into(), copy, force)?;
            let from = fitted.as_ref().unwrap_or(&from);
            let params = if replace {
                let now = fetch(&mut rpc, &from.schema().name, None).await?;
                tool::replacement(&now, from)
            } else {
                tool::inserts(from)
            };
            let results = rpc.call("transact", &Value::Array(params)).await?;
            refuse_errors(&results)
        }
    }
}

fn put_into_file(
    path: &Path,
    copy: &Path,
    from: &Database,
    force: bool,
    replace: bool,
) -> anyhow::Result<()> {
    let mut opened = FileLog::open(path)?;
    let fitted = fit(from, opened.database.schema(), copy, force)?;
    let from = fitted.as_ref().unwrap_or(from);
    if replace {
        let schema = Record::schema(from.schema());
        return Ok(opened.log.replace(&schema, &from.snapshot(super::now()))?);
    }
    let params = tool::inserts(from);
    let (results, record) = super::run::execute(&mut opened.database, &params[1..], true)
        .with_context(|| path.display().to_string())?;
    refuse_errors(&results)?;
    Ok(opened.log.append(record.as_slice(), &[])?)
}

/// The content under the schema of the database that it goes to; nothing when it has that already.
fn fit(
    from: &Database,
    schema: &std::sync::Arc<ovsdb::DatabaseSchema>,
    copy: &Path,
    force: bool,
) -> anyhow::Result<Option<Database>> {
    let path = copy.display();
    let (own, other) = (from.schema(), schema);
    if own.name != other.name {
        bail!(
            "{path}: holds the database {}, not {}",
            own.name,
            other.name
        );
    }
    if own.version == other.version && tool::lost(own, other).is_empty() {
        return Ok(None);
    }
    if !force {
        bail!(
            "{path}: has version {} of the schema where the database has {}; --force carries over what fits",
            own.version,
            other.version
        );
    }
    for lost in tool::lost(own, other) {
        note(&format!(
            "{path}: {lost} is not in the schema of the database and was left out"
        ));
    }
    let fitted = tool::carry_over(from, schema, super::now());
    Ok(Some(
        fitted.with_context(|| format!("{path}: does not fit"))?,
    ))
}

/// One error among the results is the failure of the whole.
fn refuse_errors(results: &Value) -> anyhow::Result<()> {
    let error = results
        .as_array()
        .into_iter()
        .flatten()
        .find(|r| r.get("error").is_some());
    match error {
        Some(error) => bail!("the database refused, and is as it was: {error}"),
        None => Ok(()),
    }
}
