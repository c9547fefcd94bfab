//! `heddle db`: looks at databases of any schema and changes them, in a file or at a server.
//!
//! Exit status: 0 done; 1 it failed, or an operation of a transaction did; 2 wrong usage; 3 `check` found
//! something wrong. The work is done by `ovsdb::tool`, `ovsdb::log` and `transport::ovsdb::rpc`.

mod copy;
mod file;
mod look;
mod output;
mod run;
mod source;
mod watch;

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Arguments of `heddle db`.
#[derive(clap::Args)]
#[command(
    after_help = "A TARGET is a database file, or a server: unix:FILE, tcp:HOST:PORT or ssl:HOST:PORT, several with commas between.
Flags for TLS stand before the command.
Exit status: 0 done; 1 it failed, or an operation of a transaction did; 2 wrong usage; 3 check found a fault."
)]
pub(crate) struct Args {
    /// Give up after this many seconds.
    #[arg(short = 't', long, global = true, value_name = "SECONDS")]
    timeout: Option<u64>,
    #[command(flatten)]
    tls: transport::TlsArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Make a database file for a schema.
    Create(file::Create),
    /// Bring a database to another schema.
    Convert(file::Convert),
    /// Begin a database file anew, with just the present content.
    Compact(file::Compact),
    /// Check that a database file can be served; changes nothing.
    Check(file::Check),
    /// Print the records of a database file.
    ShowLog(file::ShowLog),
    /// Print the content of tables.
    Dump(look::Dump),
    /// Print the names of the databases.
    ListDbs(look::ListDbs),
    /// Print the schema of a database.
    Schema(look::Schema),
    /// Run a transaction that changes nothing.
    Query(run::Transaction),
    /// Run a transaction.
    Transact(run::Transaction),
    /// Print the content of tables at a server, and then each change.
    Monitor(watch::Monitor),
    /// Wait until a server has, follows or no longer has a database.
    Wait(watch::Wait),
    /// Take a lock at a server and hold it until the end of the command.
    Lock(watch::Lock),
    /// Write a copy of a database, as a database file, to the standard output or to a file.
    Backup(copy::Backup),
    /// Put a copy in the place of the content of a database.
    Restore(copy::Restore),
    /// Add the rows of a database file to a database.
    Import(copy::Import),
    /// Copy a database into a new database file, which can then be served.
    Export(copy::Export),
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let work = source::TLS.scope(args.tls.tls()?, dispatch(args.command));
    match args.timeout {
        None => work.await,
        Some(seconds) => tokio::time::timeout(Duration::from_secs(seconds), work)
            .await
            .unwrap_or_else(|_| {
                anyhow::bail!("not done within {seconds} s; give more time with --timeout")
            }),
    }
}

async fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create(args) => file::create(&args)?,
        Command::Convert(args) => file::convert(&args).await?,
        Command::Compact(args) => file::compact(&args)?,
        Command::Check(args) => return file::check(&args),
        Command::ShowLog(args) => file::show_log(&args)?,
        Command::Dump(args) => look::dump(&args).await?,
        Command::ListDbs(args) => look::list_dbs(&args).await?,
        Command::Schema(args) => look::schema(&args).await?,
        Command::Query(args) => return run::run(&args, false).await,
        Command::Transact(args) => return run::run(&args, true).await,
        Command::Monitor(args) => watch::monitor(&args).await?,
        Command::Wait(args) => watch::wait(&args).await?,
        Command::Lock(args) => watch::lock(&args).await?,
        Command::Backup(args) => copy::backup(&args).await?,
        Command::Restore(args) => copy::restore(&args).await?,
        Command::Import(args) => copy::import(&args).await?,
        Command::Export(args) => copy::export(&args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
