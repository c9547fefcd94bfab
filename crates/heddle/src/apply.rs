//! `heddle apply`: makes the Northbound what a document says.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use model::{Table, nb};
use ovsdb::operation::{Condition, Mutation, Mutator, Operation};
use ovsdb::{Datum, Uuid};

use crate::northbound::{DbArgs, Northbound};

/// Arguments of `heddle apply`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The document; `-` for the standard input.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Show what would be done and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Wait until the Southbound (sb) or every hypervisor (hv) has it.
    #[arg(long, value_enum, default_value_t = Wait::None)]
    wait: Wait,
    /// Give up waiting after this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait_timeout: u64,
    #[command(flatten)]
    db: DbArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Wait {
    None,
    Sb,
    Hv,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let name = args.file.display().to_string();
    let document = match api::read(&text(&args)?) {
        Ok(document) => document,
        Err(problems) => {
            let mut out = std::io::stderr().lock();
            for problem in &problems {
                writeln!(out, "{name}:{problem}")?;
            }
            writeln!(
                out,
                "{name}: {} problem(s); nothing was applied",
                problems.len()
            )?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let tables: Vec<&str> = api::plan::TABLES
        .into_iter()
        .chain([nb::NbGlobal::NAME])
        .collect();
    let mut northbound = Northbound::connect(&args.db, &tables).await?;
    let plan = match api::plan(&document, &view(&northbound)) {
        Ok(plan) => plan,
        Err(clashes) => {
            let mut out = std::io::stderr().lock();
            for clash in &clashes {
                writeln!(out, "{name}: {clash}")?;
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    show(&plan, args.dry_run)?;
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let mut operations = plan.operations;
    let sequence = (args.wait != Wait::None).then(|| next_sequence(&northbound, &mut operations));
    if !operations.is_empty() {
        northbound.transact(operations).await.with_context(
            || "the Northbound refused the change; if it was changed meanwhile, apply again",
        )?;
    }
    if let Some(sequence) = sequence {
        reached(&mut northbound, args.wait, sequence, args.wait_timeout).await?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(args: &Args) -> anyhow::Result<String> {
    if args.file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("the standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(&args.file).with_context(|| args.file.display().to_string())
}

fn view(northbound: &Northbound) -> api::Northbound {
    let mut view = api::Northbound::default();
    for table in api::plan::TABLES {
        for (uuid, row) in northbound.raw(table) {
            view.insert(table, uuid, row.clone());
        }
    }
    view
}

fn show(plan: &api::Plan, dry_run: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for change in &plan.changes {
        writeln!(out, "{change}")?;
    }
    match (plan.changes.len(), dry_run) {
        (0, _) => writeln!(out, "nothing to do"),
        (count, true) => writeln!(out, "{count} change(s) would be made"),
        (count, false) => writeln!(out, "{count} change(s)"),
    }
}

/// Adds the operation that counts up `nb_cfg`; gives the number to wait for.
fn next_sequence(northbound: &Northbound, operations: &mut Vec<Operation>) -> i64 {
    let table = nb::NbGlobal::NAME.into();
    let Some((uuid, global)) = northbound.global() else {
        let row = vec![("nb_cfg".into(), Datum::one(1))];
        operations.push(Operation::Insert {
            table,
            uuid: None::<Uuid>,
            uuid_name: None,
            row,
        });
        return 1;
    };
    let mutations = vec![Mutation::new("nb_cfg", Mutator::Add, Datum::one(1))];
    operations.push(Operation::Mutate {
        table,
        condition: vec![Condition::uuid(uuid)],
        mutations,
    });
    global.nb_cfg + 1
}

async fn reached(
    northbound: &mut Northbound,
    wait: Wait,
    sequence: i64,
    seconds: u64,
) -> anyhow::Result<()> {
    let done = async {
        loop {
            let global = northbound
                .global()
                .map(|(_, global)| global)
                .unwrap_or_default();
            let reached = if wait == Wait::Sb {
                global.sb_cfg
            } else {
                global.hv_cfg
            };
            if reached >= sequence {
                return anyhow::Ok(());
            }
            northbound.next().await?;
        }
    };
    match tokio::time::timeout(Duration::from_secs(seconds), done).await {
        Ok(result) => result,
        Err(_) if wait == Wait::Sb => {
            bail!(
                "the change is committed, but not in the Southbound after {seconds} s; is northd running?"
            )
        }
        Err(_) => bail!(
            "the change is committed, but not on every hypervisor after {seconds} s; `ovn-sbctl list \
             Chassis_Private` shows how far each one is"
        ),
    }
}
