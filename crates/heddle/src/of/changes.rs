//! The lines that say how flows and groups are to change (`ovs-ofctl(8)`, "Flow Syntax", "Group Syntax", "Bundle").
//!
//! Invariant: every change knows where it was said, so that a refusal can name the place.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use openflow::message::{FlowCommand, FlowMod, GroupCommand, GroupMod, PacketOut};
use openflow::{Group, Message, Parser};

use super::switch::Switch;

/// A change, and where it comes from.
pub(super) struct Change {
    pub(super) said: String,
    pub(super) message: Message,
}

impl Change {
    pub(super) fn new(said: impl Into<String>, message: Message) -> Self {
        Self {
            said: said.into(),
            message,
        }
    }
}

/// What the lines of a file are about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// Flows, with this command where a line does not name one.
    Flows(FlowCommand),
    /// Groups, likewise.
    Groups(GroupCommand),
    /// Lines that begin with `flow`, `group` or `packet-out`.
    Mixed,
}

/// The text of a file, or of the standard input for `-`.
pub(super) fn text(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("standard input: cannot read")?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| format!("{}: cannot read", file.display()))
}

/// The lines of a text with their numbers, without comments, which begin with `#`.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..)
        .zip(text.lines())
        .map(|(number, line)| (number, line.split('#').next().unwrap_or("").trim()))
        .filter(|(_, line)| !line.is_empty())
}

/// The changes that a file says.
pub(super) fn read_file(switch: &Switch, file: &Path, about: Lines) -> anyhow::Result<Vec<Change>> {
    let text = text(file)?;
    let changes = lines(&text).map(|(number, line)| {
        let said = place(file, number);
        let message = read(switch, line, about).with_context(|| said.clone())?;
        Ok(Change::new(said, message))
    });
    changes.collect()
}

/// So many lines are read before the switch gets them, and the next are read.
const BATCH: usize = 1024;

/// Reads the items of lines in batches. Between two of them, what was read goes on its way.
pub(super) async fn in_batches<'a, T>(
    switch: &Switch,
    file: &Path,
    text: &'a str,
    read: impl Fn(Parser<'_>, &'a str) -> anyhow::Result<T>,
    mut take: impl AsyncFnMut(Vec<T>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut lines = lines(text).peekable();
    while lines.peek().is_some() {
        let batch = lines.by_ref().take(BATCH);
        let read = switch.read(|parser| {
            let items =
                batch.map(|(number, line)| read(parser, line).with_context(|| place(file, number)));
            items.collect::<anyhow::Result<Vec<T>>>()
        });
        take(read?).await?;
        tokio::task::yield_now().await;
    }
    Ok(())
}

fn place(file: &Path, number: usize) -> String {
    format!("{}, line {number}", file.display())
}

/// Changes flows as the lines of a file say, while they are read.
pub(super) async fn change_flows(
    switch: &Switch,
    file: &Path,
    otherwise: FlowCommand,
) -> anyhow::Result<()> {
    let text = text(file)?;
    let begun = switch.handle.begin().await;
    let mut bundle = begun.with_context(|| switch.name.clone())?;
    let read = |parser: Parser<'_>, line| flow_change(parser, line, otherwise);
    let give = async |changes| {
        let given = bundle.add_flows(changes).await;
        given.with_context(|| switch.name.clone())
    };
    in_batches(switch, file, &text, read, give).await?;
    let done = bundle.commit().await;
    done.map_err(|error| {
        let said = |at: usize| lines(&text).nth(at).map(|(number, _)| place(file, number));
        switch.unchanged(error, said)
    })
}

/// Takes a word off the beginning of a line.
fn first_word(line: &str) -> (&str, &str) {
    let end = line.find(char::is_whitespace).unwrap_or(line.len());
    (&line[..end], line[end..].trim_start())
}

/// Reads one line.
pub(super) fn read(switch: &Switch, line: &str, about: Lines) -> anyhow::Result<Message> {
    match about {
        Lines::Flows(otherwise) => flow(switch, line, otherwise),
        Lines::Groups(otherwise) => group(switch, line, otherwise),
        Lines::Mixed => match first_word(line) {
            ("flow", rest) => flow(switch, rest, FlowCommand::Add),
            ("group", rest) => group(switch, rest, GroupCommand::Add),
            ("packet-out", rest) => packet_out(switch, rest),
            (word, _) => bail!("a line begins with flow, group or packet-out, not {word}"),
        },
    }
}

fn flow(switch: &Switch, line: &str, otherwise: FlowCommand) -> anyhow::Result<Message> {
    let change = switch.read(|parser| flow_change(parser, line, otherwise))?;
    Ok(Message::FlowMod(Box::new(change)))
}

/// Reads a line that says how flows change.
fn flow_change(parser: Parser<'_>, line: &str, otherwise: FlowCommand) -> anyhow::Result<FlowMod> {
    let (word, rest) = first_word(line);
    let command = match word {
        "add" => Some(FlowCommand::Add),
        "modify" => Some(FlowCommand::Modify),
        "modify_strict" => Some(FlowCommand::ModifyStrict),
        "delete" => Some(FlowCommand::Delete),
        "delete_strict" => Some(FlowCommand::DeleteStrict),
        _ => None,
    };
    let (command, line) = command.map_or((otherwise, line), |command| (command, rest));
    let deletes = matches!(command, FlowCommand::Delete | FlowCommand::DeleteStrict);
    let spec = parser.flow_spec(line)?;
    if !deletes && !spec.has_actions {
        bail!("column {}: expected actions=", line.chars().count() + 1);
    }
    Ok(spec.change(command))
}

fn group(switch: &Switch, line: &str, otherwise: GroupCommand) -> anyhow::Result<Message> {
    let (word, rest) = first_word(line);
    let command = match word {
        "add" => Some(GroupCommand::Add),
        "modify" => Some(GroupCommand::Modify),
        "add_or_mod" => Some(GroupCommand::AddOrModify),
        "delete" => Some(GroupCommand::Delete),
        "insert_bucket" | "insert_buckets" => Some(GroupCommand::InsertBucket),
        "remove_bucket" | "remove_buckets" => Some(GroupCommand::RemoveBucket),
        _ => None,
    };
    let (command, line) = command.map_or((otherwise, line), |command| (command, rest));
    let change = match command {
        GroupCommand::Delete => GroupMod::delete(group_id(line)?),
        GroupCommand::InsertBucket | GroupCommand::RemoveBucket => {
            return buckets(switch, line, command);
        }
        _ => GroupMod::new(command, switch.read(|parser| parser.group(line))?),
    };
    Ok(Message::GroupMod(Box::new(change)))
}

/// `group_id=N` or `group_id=all`; nothing means all.
pub(super) fn group_id(text: &str) -> anyhow::Result<u32> {
    let text = text.trim();
    let number = text.strip_prefix("group_id=").unwrap_or(text);
    match number {
        "" | "all" => Ok(Group::ALL),
        number => number
            .parse()
            .with_context(|| format!("`{text}`: expected group_id=NUMBER")),
    }
}

/// A line with `command_bucket_id=`, which says where buckets come in or which go.
fn buckets(switch: &Switch, line: &str, command: GroupCommand) -> anyhow::Result<Message> {
    const KEY: &str = "command_bucket_id=";
    let at = line
        .find(KEY)
        .with_context(|| format!("`{line}`: expected {KEY}first, last, all or a number"))?;
    let behind = &line[at + KEY.len()..];
    let end = behind.find([',', ' ']).unwrap_or(behind.len());
    let bucket = match &behind[..end] {
        "all" => GroupMod::ALL_BUCKETS,
        "first" => 0xffff_fffd,
        "last" => 0xffff_fffe,
        number => number
            .parse()
            .with_context(|| format!("`{number}`: expected first, last, all or a number"))?,
    };
    // What is left is a group without its type.
    let rest = format!(
        "{}{}",
        &line[..at],
        behind[end..].trim_start_matches([',', ' '])
    );
    let rest = rest.trim_end_matches([',', ' ']);
    let group = if command == GroupCommand::RemoveBucket && !rest.contains("bucket=") {
        Group {
            id: group_id(rest)?,
            ..Group::default()
        }
    } else {
        let (head, buckets) = rest
            .split_once("bucket=")
            .with_context(|| format!("`{rest}`: expected bucket="))?;
        let line = format!("{head}type=all,bucket={buckets}");
        switch.read(|parser| parser.group(&line))?
    };
    Ok(Message::GroupMod(Box::new(GroupMod {
        command,
        group,
        bucket,
    })))
}

/// `in_port=..,FIELD=..,packet=HEX,actions=..`
pub(super) fn packet_out(switch: &Switch, line: &str) -> anyhow::Result<Message> {
    const KEY: &str = "packet=";
    let (head, actions) = line
        .split_once("actions=")
        .context("expected actions= at the end")?;
    let at = head.find(KEY).context("expected packet=HEX")?;
    let behind = &head[at + KEY.len()..];
    let end = behind.find([',', ' ']).unwrap_or(behind.len());
    let packet = super::texts::bytes(&behind[..end]).context("the packet")?;
    let metadata = format!(
        "{}{}",
        &head[..at],
        behind[end..].trim_start_matches([',', ' '])
    );
    let metadata = metadata.trim_matches([',', ' ']);
    let actions = switch.read(|parser| parser.actions(actions))?;
    let metadata = switch.read(|parser| parser.matches(metadata))?;
    let mut message = PacketOut::new(packet, actions);
    // Without a port the packet comes from the controller.
    for entry in metadata.fields() {
        message.metadata = message.metadata.with_value(entry);
    }
    Ok(Message::PacketOut(message))
}
