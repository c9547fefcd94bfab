//! `heddle region machine migrate`: a whole move, around the command that moves the machine itself.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use rpc::region::v1;

use super::FAILED;
use super::follow::Asker;
use super::how::How;

/// Which machine, where to, and how it is known that it has arrived.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The machine's number.
    machine: u32,
    /// The hypervisor to which it goes.
    to: String,
    /// Do not wait for anything between the two halves.
    #[arg(long, conflicts_with = "command")]
    yes: bool,
    /// What moves the machine itself, such as virsh migrate; if it fails the machine stays where it was.
    /// Without it you are asked when the machine runs there.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
    #[command(flatten)]
    how: How,
}

pub(super) async fn migrate(asker: &mut Asker, args: Args) -> anyhow::Result<ExitCode> {
    if args.how.dry_run || args.how.detach {
        bail!(
            "a migration is waited for; for one step of it there are move, finish-move and cancel-move"
        );
    }
    let asks = !args.yes && args.command.is_empty();
    if asks && !std::io::stdin().is_terminal() {
        bail!("say what moves the machine, behind --, or --yes to wait for nothing");
    }
    let (machine_id, to, options) = (args.machine, args.to.clone(), None);
    let begin = v1::BeginMoveRequest {
        machine_id,
        to,
        options,
    };
    let ready = asker.ask(begin.into(), &args.how).await?;
    let stays = match (ready, asks) {
        (false, _) => Some(format!("it is not ready on {}", args.to)),
        (true, true) => confirm(&args)?,
        (true, false) => carry(&args.command).await?,
    };
    let options = None;
    let Some(reason) = stays else {
        let finish = v1::FinishMoveRequest {
            machine_id,
            options,
        };
        return asker.carry_out(vec![finish.into()], &args.how).await;
    };
    writeln!(
        std::io::stderr(),
        "heddle: machine {machine_id} stays where it was: {reason}"
    )?;
    let cancel = v1::CancelMoveRequest {
        machine_id,
        options,
    };
    asker.carry_out(vec![cancel.into()], &args.how).await?;
    Ok(ExitCode::from(FAILED))
}

/// Asks whether the machine has arrived; the reason why it stays, if it does.
fn confirm(args: &Args) -> anyhow::Result<Option<String>> {
    let mut out = std::io::stderr();
    let (machine, to) = (args.machine, &args.to);
    write!(
        out,
        "Machine {machine} is ready on {to}. Press Enter when it runs there, or type no: "
    )?;
    out.flush()?;
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    let read = read.context("reading the answer")?;
    let stays = read == 0 || !["", "y", "yes"].contains(&line.trim());
    Ok(stays.then(|| "you said so".to_owned()))
}

/// Runs the command; the reason why the machine stays, if that fails.
async fn carry(command: &[String]) -> anyhow::Result<Option<String>> {
    let Some((program, arguments)) = command.split_first() else {
        return Ok(None);
    };
    let status = tokio::process::Command::new(program)
        .args(arguments)
        .status()
        .await;
    Ok(match status {
        Ok(status) if status.success() => None,
        Ok(status) => Some(format!("{program}: {status}")),
        Err(error) => Some(format!("{program}: {error}")),
    })
}
