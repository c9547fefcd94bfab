//! `bundle`, `save` and `restore`: changes of several kinds as one step.
//!
//! A saved switch is a bundle file: `group` and `flow` lines. Meters, which no bundle can hold, stand before them in
//! lines that begin with `meter`. `restore` makes the switch what the file says with as few changes as can be.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use openflow::Flow;
use openflow::message::FlowCommand;
use openflow::sync::{Mod, State};

use super::changes::{Lines, lines, read_file, text};
use super::look::print_lines;
use super::switch::{Switch, SwitchArgs};

pub(super) async fn bundle(args: &SwitchArgs, file: &Path) -> anyhow::Result<ExitCode> {
    let switch = args.connect().await?;
    let changes = read_file(&switch, file, Lines::Mixed)?;
    switch.apply(changes).await?;
    Ok(ExitCode::SUCCESS)
}

/// What a file says.
fn wanted(switch: &Switch, file: &Path) -> anyhow::Result<State> {
    let (mut flows, mut groups, mut meters) = (Vec::new(), Vec::new(), Vec::new());
    let text = text(file)?;
    for (number, line) in lines(&text) {
        let said = || format!("{}, line {number}", file.display());
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "flow" => flows.push(switch.read(|p| p.flow(rest)).with_context(said)?),
            "group" => groups.push(switch.read(|p| p.group(rest)).with_context(said)?),
            "meter" => meters.push(switch.read(|p| p.meter(rest)).with_context(said)?),
            _ => {
                let error = anyhow::anyhow!("expected flow, group or meter, not {word}");
                return Err(error).with_context(said);
            }
        }
    }
    Ok(State::new(flows, groups).with_meters(meters))
}

fn saved(state: &State) -> impl Iterator<Item = String> {
    let mut flows: Vec<&Flow> = state.flows.iter().collect();
    flows.sort_by(|a, b| a.key.cmp(&b.key));
    let meters = state.meters.values().map(|meter| format!("meter {meter}"));
    let groups = state.groups.values().map(|group| format!("group {group}"));
    let flows = flows.into_iter().map(|flow| format!("flow {flow}"));
    meters.chain(groups).chain(flows)
}

pub(super) async fn save(args: &SwitchArgs) -> anyhow::Result<ExitCode> {
    let switch = args.connect().await?;
    print_lines(saved(&switch.held().await?))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn restore(args: &SwitchArgs, file: &Path) -> anyhow::Result<ExitCode> {
    let switch = args.connect().await?;
    let wanted = wanted(&switch, file)?;
    let plan = wanted.plan(&switch.held().await?);
    let said: Vec<String> = plan.bundle.iter().map(say).collect();
    let done = switch.handle.carry_out(plan).await;
    done.map_err(|error| switch.unchanged(error, |place| said.get(place).cloned()))?;
    Ok(ExitCode::SUCCESS)
}

fn say(change: &Mod) -> String {
    match change {
        Mod::Flow(change) if change.command == FlowCommand::Add => format!("flow {}", change.flow),
        Mod::Flow(change) => format!("the removal of flow {}", change.flow.key),
        Mod::Group(change) => format!("group {}", change.group.id),
    }
}
