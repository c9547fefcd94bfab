//! The subcommands on flows.

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use openflow::message::multipart::{FlowDesc, FlowList, FlowQuery, FlowView, MultipartRequest};
use openflow::message::{FlowCommand, FlowMod};
use openflow::session::Reply;
use openflow::sync::{Mod, State};
use openflow::{Action, Field, FlowSet, Message, Parser};

use super::changes::{Change, Lines, change_flows, in_batches, read, text};
use super::explain;
use super::look::{LookArgs, answer, print_lines, query};
use super::print;
use super::switch::{Switch, SwitchArgs};

/// How flows are printed.
#[derive(clap::Args)]
pub(crate) struct FlowsArgs {
    #[command(flatten)]
    look: LookArgs,
    /// Print the counters of flows too.
    #[arg(long, overrides_with = "no_stats")]
    stats: bool,
    /// Print only what makes the flow (this is so by default).
    #[arg(long)]
    no_stats: bool,
    /// Print the names of ports instead of their numbers.
    #[arg(long, overrides_with = "no_names")]
    names: bool,
    /// Print the numbers of ports (this is so by default).
    #[arg(long)]
    no_names: bool,
    /// Sort by this field; by the priority if none is named.
    #[arg(long, value_name = "FIELD", num_args = 0..=1, require_equals = true, default_missing_value = "priority", conflicts_with = "rsort")]
    sort: Option<String>,
    /// Sort by this field, the greatest first.
    #[arg(long, value_name = "FIELD", num_args = 0..=1, require_equals = true, default_missing_value = "priority")]
    rsort: Option<String>,
    #[command(flatten)]
    explain: explain::ExplainArgs,
}

async fn fetch(switch: &Switch, query: FlowQuery) -> anyhow::Result<FlowList> {
    let reply = switch
        .dump(MultipartRequest::Flows(query), "its flows")
        .await?;
    Ok(answer!(switch, reply, Flows))
}

pub(super) async fn dump(
    args: &SwitchArgs,
    how: &FlowsArgs,
    filter: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let switch = args.connect().await?;
    let told = fetch(&switch, query(&switch, filter)?).await?;
    let mut flows: Vec<FlowView<'_>> = told.iter().collect();
    flows.sort_by_cached_key(|flow| flow.place());
    if let Some(name) = how.sort.as_ref().or(how.rsort.as_ref()) {
        sort(&mut flows, name, how.rsort.is_some())?;
    }
    if how.explain.is_asked() {
        let flows: Vec<FlowDesc> = flows.into_iter().map(FlowView::to_desc).collect();
        return how.explain.print(args, how.look, &flows).await;
    }
    if !(how.look.json || how.stats || how.names) {
        print_lines(&flows)?;
        return Ok(ExitCode::SUCCESS);
    }
    let names = names(&switch);
    let show = |flow: &FlowView<'_>| {
        let text = match how.stats {
            true => flow.with_counters().to_string(),
            false => flow.to_string(),
        };
        match how.names {
            true => with_names(&text, &names),
            false => text,
        }
    };
    let json = |flow: &FlowView<'_>| print::flow_desc_json(&flow.to_desc());
    how.look.print(&flows, show, json)
}

/// Sorts by a field; flows without it come last, or first when the greatest is to come first.
fn sort(flows: &mut [FlowView<'_>], name: &str, reverse: bool) -> anyhow::Result<()> {
    if name == "priority" {
        flows.sort_by_key(|flow| flow.priority());
    } else {
        let field = field(name)
            .with_context(|| format!("{name}: no such field; use priority or a field's name"))?;
        let key = |flow: &FlowView<'_>| {
            let value = flow.matches().get(field);
            (
                value.is_none(),
                value.map(|value| (value.value(), value.mask())),
            )
        };
        flows.sort_by_cached_key(key);
    }
    if reverse {
        flows.reverse();
    }
    Ok(())
}

/// The field of a name, in all the spellings that the flow language knows.
fn field(name: &str) -> Option<Field> {
    let actions = Parser::default().actions(&format!("output:{name}[]"));
    match actions.ok()?.as_slice() {
        [Action::OutputReg { source, .. }] => Some(source.field),
        _ => None,
    }
}

/// The names of ports by their numbers.
fn names(switch: &Switch) -> HashMap<String, String> {
    let ports = switch.ports.iter();
    ports
        .map(|port| (port.number.to_string(), name(&port.name)))
        .collect()
}

/// A name, in quotes unless it is a plain word.
fn name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins && name.chars().all(plain) {
        name.to_owned()
    } else {
        serde_json::Value::from(name).to_string()
    }
}

/// A flow's text with the names of ports, where the text has numbers.
fn with_names(text: &str, names: &HashMap<String, String>) -> String {
    let mut out = text.to_owned();
    for key in ["in_port=", "output:", "watch_port:"] {
        let mut parts = out.split(key);
        let mut named = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(|c: char| !c.is_ascii_alphanumeric());
            let (number, rest) = part.split_at(end.unwrap_or(part.len()));
            // A range of bits is the name of a field, not a port.
            let port = names.get(number).filter(|_| !rest.starts_with('['));
            named.push_str(key);
            named.push_str(port.map_or(number, String::as_str));
            named.push_str(rest);
        }
        out = named;
    }
    out
}

/// Changes flows as one line or a file says.
pub(super) async fn change(
    args: &SwitchArgs,
    source: Source<'_>,
    command: FlowCommand,
) -> anyhow::Result<ExitCode> {
    let switch = args.connect().await?;
    match source {
        Source::File(file) | Source::Line("-", file) => {
            change_flows(&switch, file, command).await?;
        }
        Source::Line(line, _) => {
            let said = if command == FlowCommand::Delete {
                "the filter"
            } else {
                "the flow"
            };
            let message = read(&switch, line, Lines::Flows(command)).context(said)?;
            switch.apply(vec![Change::new(said, message)]).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where changes are said.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// In a file.
    File(&'a Path),
    /// In an argument; `-` is the file.
    Line(&'a str, &'a Path),
}

/// The flows of a file.
async fn flows_of(switch: &Switch, file: &Path) -> anyhow::Result<FlowSet> {
    let text = text(file)?;
    let mut out = FlowSet::default();
    let read = |parser: Parser<'_>, line| Ok(parser.flow(line)?);
    let take = async |flows| {
        for flow in flows {
            out.insert(flow);
        }
        Ok(())
    };
    in_batches(switch, file, &text, read, take).await?;
    Ok(out)
}

/// What makes the flows of a switch those of a file. Groups stay as they are.
async fn changes(switch: &Switch, file: &Path) -> anyhow::Result<Vec<FlowMod>> {
    // The switch tells what it holds while the file is read.
    let (desired, actual) =
        tokio::join!(flows_of(switch, file), fetch(switch, FlowQuery::default()),);
    let desired = State {
        flows: desired?,
        ..State::default()
    };
    let changes = desired.diff_told(&actual?).into_iter();
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
    let changes = changes(&switch, file).await?.into_iter();
    let changes = changes.map(|change| {
        let said = say(&change);
        Change::new(said, Message::FlowMod(Box::new(change)))
    });
    switch.apply(changes.collect()).await?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn diff(args: &SwitchArgs, file: &Path) -> anyhow::Result<ExitCode> {
    let switch = args.connect().await?;
    let changes = changes(&switch, file).await?;
    print_lines(changes.iter().map(say))?;
    Ok(if changes.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_by_their_names() {
        let names = HashMap::from([
            ("1".to_owned(), "p1".to_owned()),
            ("10".to_owned(), name("1st port")),
        ]);
        let text = "in_port=1,reg1=0x1 actions=output:10,output:NXM_NX_REG1[],output:1,output:2";
        assert_eq!(
            with_names(text, &names),
            "in_port=p1,reg1=0x1 actions=output:\"1st port\",output:NXM_NX_REG1[],output:p1,output:2"
        );
    }
}
