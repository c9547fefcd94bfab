//! `bundle`, `save` and `restore`: changes of several kinds as one step.
//!
//! A saved switch is a bundle file: `group` and `flow` lines. Meters, which no bundle can hold, stand before them in
//! lines that begin with `meter`. `restore` makes the switch what the file says with as few changes as can be.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use openflow::message::multipart::{FlowQuery, MultipartRequest};
use openflow::message::{FlowCommand, Meter, MeterCommand};
use openflow::session::Reply;
use openflow::sync::{Mod, State};
use openflow::{Flow, Group, Message};

use super::alter::tell_meter;
use super::changes::{Change, Lines, lines, read_file, text};
use super::look::{all_groups, all_meters, answer, print_lines};
use super::switch::{Switch, SwitchArgs};

pub(super) async fn bundle(args: &SwitchArgs, file: &Path) -> anyhow::Result<ExitCode> {
    let switch = args.connect().await?;
    let changes = read_file(&switch, file, Lines::Mixed)?;
    switch.apply(changes).await?;
    Ok(ExitCode::SUCCESS)
}

/// What a switch holds, or a file says.
struct Saved {
    state: State,
    meters: BTreeMap<u32, Meter>,
}

impl Saved {
    fn new(flows: Vec<Flow>, groups: Vec<Group>, meters: Vec<Meter>) -> Self {
        Self {
            state: State::new(flows, groups),
            meters: meters.into_iter().map(|meter| (meter.id, meter)).collect(),
        }
    }

    /// What a switch holds.
    async fn of(switch: &Switch) -> anyhow::Result<Self> {
        let meters = all_meters(switch, Meter::ALL).await?;
        let groups = all_groups(switch, Group::ALL).await?;
        let question = MultipartRequest::Flows(FlowQuery::default());
        let reply = switch.dump(question, "its flows").await?;
        let flows = answer!(switch, reply, Flows);
        let flows = flows.into_iter().map(|desc| desc.flow).collect();
        Ok(Self::new(flows, groups, meters))
    }

    fn read(switch: &Switch, file: &Path) -> anyhow::Result<Self> {
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
        Ok(Self::new(flows, groups, meters))
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        let meters = self.meters.values();
        let groups = self.state.groups.values();
        let mut flows: Vec<&Flow> = self.state.flows.iter().collect();
        flows.sort_by(|a, b| a.key.cmp(&b.key));
        meters
            .map(|meter| format!("meter {meter}"))
            .chain(groups.map(|group| format!("group {group}")))
            .chain(flows.into_iter().map(|flow| format!("flow {flow}")))
    }
}

pub(super) async fn save(args: &SwitchArgs) -> anyhow::Result<ExitCode> {
    let switch = args.connect().await?;
    let saved = Saved::of(&switch).await?;
    print_lines(saved.lines())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn restore(args: &SwitchArgs, file: &Path) -> anyhow::Result<ExitCode> {
    let switch = args.connect().await?;
    let desired = Saved::read(&switch, file)?;
    let actual = Saved::of(&switch).await?;
    // Meters that flows are to use come before the flows, and those that no flow uses any more go after them.
    let undo = new_meters(&switch, &desired, &actual).await?;
    let changes = desired.state.diff(&actual.state).into_iter().map(say);
    if let Err(error) = switch.apply(changes.collect()).await {
        for (command, meter) in undo.into_iter().rev() {
            tell_meter(&switch, command, meter).await?;
        }
        return Err(error);
    }
    for meter in actual.meters.into_values() {
        if !desired.meters.contains_key(&meter.id) {
            tell_meter(&switch, MeterCommand::Delete, meter).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Adds and changes meters; gives what takes that back.
async fn new_meters(
    switch: &Switch,
    desired: &Saved,
    actual: &Saved,
) -> anyhow::Result<Vec<(MeterCommand, Meter)>> {
    let mut undo = Vec::new();
    for (id, meter) in &desired.meters {
        let (command, back) = match actual.meters.get(id) {
            Some(old) if old == meter => continue,
            Some(old) => (MeterCommand::Modify, (MeterCommand::Modify, old.clone())),
            None => (MeterCommand::Add, (MeterCommand::Delete, meter.clone())),
        };
        if let Err(error) = tell_meter(switch, command, meter.clone()).await {
            for (command, meter) in undo.into_iter().rev() {
                tell_meter(switch, command, meter).await?;
            }
            return Err(error);
        }
        undo.push(back);
    }
    Ok(undo)
}

fn say(change: Mod) -> Change {
    let said = match &change {
        Mod::Flow(change) if change.command == FlowCommand::Add => format!("flow {}", change.flow),
        Mod::Flow(change) => format!("the removal of flow {}", change.flow.key),
        Mod::Group(change) => format!("group {}", change.group.id),
    };
    Change::new(said, Message::from(change))
}
