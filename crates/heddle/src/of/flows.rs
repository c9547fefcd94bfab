//! The subcommands that need a switch.

use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use openflow::message::multipart::{FlowDesc, FlowQuery};
use openflow::message::{FlowCommand, FlowMod, MultipartRequest};
use openflow::session::Reply;
use openflow::sync::{Mod, State};
use openflow::{Flow, Message};

use super::switch::{Switch, SwitchArgs};

pub(super) fn print(lines: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

async fn fetch(switch: &Switch, query: FlowQuery) -> anyhow::Result<Vec<FlowDesc>> {
    let ask = Message::MultipartRequest(MultipartRequest::Flows(query));
    let reply = switch.handle.ask(ask).await;
    match reply.with_context(|| format!("{}: its flows", switch.name))? {
        Reply::Flows(flows) => Ok(flows),
        _ => anyhow::bail!("{}: the answer is not a list of flows", switch.name),
    }
}

pub(super) async fn dump(args: &SwitchArgs, filter: Option<&str>) -> anyhow::Result<ExitCode> {
    let switch = args.connect().await?;
    let query = match filter {
        Some(filter) => switch
            .read(|parser| parser.flow_spec(filter))
            .context("the filter")?
            .query(),
        None => FlowQuery::default(),
    };
    let mut flows = fetch(&switch, query).await?;
    flows.sort_by(|a, b| {
        let place = |desc: &FlowDesc| (desc.flow.key.table, u16::MAX - desc.flow.key.priority);
        (place(a), &a.flow.key.matches).cmp(&(place(b), &b.flow.key.matches))
    });
    print(flows.iter().map(|desc| desc.flow.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn dump_groups(args: &SwitchArgs) -> anyhow::Result<ExitCode> {
    let switch = args.connect().await?;
    let groups = switch.handle.dump_groups().await;
    let groups = groups.with_context(|| format!("{}: its groups", switch.name))?;
    print(groups.iter().map(ToString::to_string))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn add(args: &SwitchArgs, line: &str) -> anyhow::Result<ExitCode> {
    let switch = args.connect().await?;
    let flow = switch
        .read(|parser| parser.flow(line))
        .context("the flow")?;
    let said = |_| "the flow".to_owned();
    switch.apply(vec![FlowMod::add(flow)], said).await?;
    Ok(ExitCode::SUCCESS)
}

/// The flows of a file, each with the number of its line. Comments begin with `#`.
fn read_file(switch: &Switch, file: &Path) -> anyhow::Result<Vec<(usize, Flow)>> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    }
    let mut out = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let flow = line.split('#').next().unwrap_or("");
        if flow.trim().is_empty() {
            continue;
        }
        let flow = switch.read(|parser| parser.flow(flow));
        let flow = flow.with_context(|| format!("{}, line {number}", file.display()))?;
        out.push((number, flow));
    }
    Ok(out)
}

pub(super) async fn add_file(args: &SwitchArgs, file: &Path) -> anyhow::Result<ExitCode> {
    let switch = args.connect().await?;
    let (lines, flows): (Vec<_>, Vec<_>) = read_file(&switch, file)?.into_iter().unzip();
    let said = |place: usize| match lines.get(place) {
        Some(number) => format!("{}, line {number}", file.display()),
        None => file.display().to_string(),
    };
    let adds = flows.into_iter().map(FlowMod::add).collect();
    switch.apply(adds, said).await?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn delete(args: &SwitchArgs, filter: &str) -> anyhow::Result<ExitCode> {
    let switch = args.connect().await?;
    let spec = switch.read(|parser| parser.flow_spec(filter));
    let change = spec.context("the filter")?.change(FlowCommand::Delete);
    let said = |_| "the filter".to_owned();
    switch.apply(vec![change], said).await?;
    Ok(ExitCode::SUCCESS)
}

/// What makes the flows of a switch those of a file. Groups stay as they are.
async fn changes(switch: &Switch, file: &Path) -> anyhow::Result<Vec<FlowMod>> {
    let desired = read_file(switch, file)?.into_iter().map(|(_, flow)| flow);
    let actual = fetch(switch, FlowQuery::default()).await?;
    let actual = State::new(actual.into_iter().map(|desc| desc.flow), []);
    let changes = State::new(desired, []).diff(&actual).into_iter();
    let flows = changes.filter_map(|change| match change {
        Mod::Flow(change) => Some(*change),
        Mod::Group(_) => None,
    });
    Ok(flows.collect())
}

fn say(change: &FlowMod) -> String {
    match change.command {
        FlowCommand::Delete | FlowCommand::DeleteStrict => format!("-{}", change.flow.key),
        _ => format!("+{}", change.flow),
    }
}

pub(super) async fn replace(args: &SwitchArgs, file: &Path) -> anyhow::Result<ExitCode> {
    let switch = args.connect().await?;
    let changes = changes(&switch, file).await?;
    let said: Vec<_> = changes.iter().map(say).collect();
    let place = |place: usize| said.get(place).cloned().unwrap_or_default();
    switch.apply(changes, place).await?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn diff(args: &SwitchArgs, file: &Path) -> anyhow::Result<ExitCode> {
    let switch = args.connect().await?;
    let changes = changes(&switch, file).await?;
    print(changes.iter().map(say))?;
    Ok(if changes.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}
