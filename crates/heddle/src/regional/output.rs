//! What `heddle region` prints.

use std::io::Write;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use rpc::region::v1;
use serde::Serialize;

/// How wide the bar is, in characters.
const WIDTH: usize = 30;

pub(super) fn json(message: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string(message)?;
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

pub(super) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> anyhow::Result<()> {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    for row in rows {
        table.add_row(row);
    }
    Ok(writeln!(std::io::stdout(), "{}", table.trim_fmt())?)
}

/// A word of an enumeration as people write it.
pub(super) fn word(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase()
}

/// What stands for nothing in a table.
pub(super) fn or_dash(text: &str) -> String {
    if text.is_empty() { "-" } else { text }.to_owned()
}

/// How an action goes on, in one line of a terminal; nothing where there is none.
pub(super) struct Bar {
    is_shown: bool,
    is_drawn: bool,
}

impl Bar {
    pub(super) const fn new(is_shown: bool) -> Self {
        Self {
            is_shown,
            is_drawn: false,
        }
    }

    pub(super) fn show(&mut self, number: u64, progress: &v1::Progress) {
        if self.is_shown {
            self.is_drawn = true;
            let counts = progress.counts.unwrap_or_default();
            // Nobody is left to tell when the terminal is closed.
            let _ = write!(std::io::stderr(), "\r\x1b[K{}", line(number, &counts));
            let _ = std::io::stderr().flush();
        }
    }

    pub(super) fn end(&mut self) {
        if self.is_drawn {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// The line of an action that is so far.
fn line(number: u64, counts: &v1::Counts) -> String {
    let (all, over) = (counts.all, counts.done + counts.failed + counts.held);
    let share = usize::try_from(u64::from(over.min(all)) * WIDTH as u64 / u64::from(all.max(1)));
    let full = share.unwrap_or(WIDTH).min(WIDTH);
    let bar = format!("{}{}", "#".repeat(full), ".".repeat(WIDTH - full));
    format!("action {number} [{bar}] {}", summary(counts))
}

fn summary(counts: &v1::Counts) -> String {
    if counts.all == 0 {
        return "it concerns no hypervisor".to_owned();
    }
    let mut text = format!("{} of {} hypervisors done", counts.done, counts.all);
    for (count, what) in [
        (counts.telling, "being told"),
        (counts.failed, "failed"),
        (counts.held, "held"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    text
}

/// A change whose end nobody waits for, or that was not made.
pub(super) fn change(change: &v1::Change, is_dry: bool, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(change);
    }
    let mut out = std::io::stdout();
    edits(&change.edits, is_dry)?;
    let hosts = change.hypervisors.len();
    match (is_dry, change.action) {
        (true, _) if change.edits.is_empty() => writeln!(out, "everything is so already")?,
        (true, _) if hosts == 0 => writeln!(out, "would concern no hypervisor")?,
        (true, _) => writeln!(
            out,
            "would concern {hosts} hypervisors: {}",
            change.hypervisors.join(", ")
        )?,
        (false, 0) => writeln!(out, "everything is so already")?,
        (false, number) if hosts == 0 => {
            writeln!(out, "action {number}: it concerns no hypervisor")?;
        }
        (false, number) => writeln!(
            out,
            "action {number}: {hosts} hypervisors; heddle region watch {number} waits for them"
        )?,
    }
    Ok(())
}

fn edits(edits: &[v1::Edit], is_dry: bool) -> anyhow::Result<()> {
    let (would, colon) = if is_dry { ("would be ", ":") } else { ("", "") };
    for edit in edits {
        let how = word(edit.edit().as_str_name(), "EDIT_KIND_");
        let kind = edit.kind.replace('_', " ").to_lowercase();
        let name = &edit.name;
        writeln!(std::io::stdout(), "{would}{how}{colon} {kind} {name}")?;
    }
    Ok(())
}

/// A change, and the action that it was.
pub(super) fn done(change: &v1::Change, action: &v1::Action, as_json: bool) -> anyhow::Result<()> {
    if !as_json {
        edits(&change.edits, false)?;
    }
    self::action(action, as_json)
}

pub(super) fn action(action: &v1::Action, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(action);
    }
    let state = word(action.state().as_str_name(), "ACTION_STATE_");
    let counts = action.counts.unwrap_or_default();
    let number = action.number;
    if !action.results.is_empty() {
        let row = |it: &v1::Result| {
            let result = word(it.state().as_str_name(), "RESULT_STATE_");
            [it.hypervisor.clone(), result, it.reason.clone()]
        };
        table(
            ["HYPERVISOR", "RESULT", "REASON"],
            action.results.iter().map(row),
        )?;
    }
    let mut out = std::io::stdout();
    writeln!(out, "action {number}: {state}: {}", summary(&counts))?;
    if action.state() == v1::ActionState::Stopped && counts.held > 0 {
        let text = format!(
            "heddle: {} hypervisors are held; heddle region resume {number} goes on",
            counts.held
        );
        writeln!(std::io::stderr(), "{text}")?;
    }
    Ok(())
}

pub(super) fn actions(actions: &[v1::Action], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(&actions);
    }
    let row = |it: &v1::Action| {
        let state = word(it.state().as_str_name(), "ACTION_STATE_");
        let counts = it.counts.unwrap_or_default();
        [
            it.number.to_string(),
            state,
            it.what.clone(),
            words(it),
            summary(&counts),
        ]
    };
    table(
        ["ACTION", "STATE", "WHAT", "OF", "HYPERVISORS"],
        actions.iter().map(row),
    )
}

pub(super) fn audit(actions: &[v1::Action], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(&actions);
    }
    let row = |it: &v1::Action| {
        let state = word(it.state().as_str_name(), "ACTION_STATE_");
        let counts = it.counts.unwrap_or_default();
        let state = format!("{state} {}/{}", counts.done, counts.all);
        [
            it.number.to_string(),
            time(it),
            it.who.clone(),
            it.what.clone(),
            words(it),
            state,
        ]
    };
    table(
        ["ACTION", "TIME", "WHO", "WHAT", "OF", "STATE"],
        actions.iter().map(row),
    )
}

fn time(action: &v1::Action) -> String {
    let written = action
        .time
        .as_ref()
        .and_then(|it| serde_json::to_value(it).ok());
    let text = written.as_ref().and_then(|it| it.as_str());
    text.unwrap_or("-").to_owned()
}

/// What was said with a request, in the order of the names.
fn words(action: &v1::Action) -> String {
    let mut words: Vec<_> = action.request.iter().collect();
    words.sort_unstable();
    let word = |(name, text): (&String, &String)| match name.as_str() {
        // A document is too long for a line.
        "parameters" => None,
        _ => Some(format!("{name}={text}")),
    };
    words
        .into_iter()
        .filter_map(word)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_as_full_as_what_is_over() {
        let counts = |all, done, failed, telling| v1::Counts {
            all,
            done,
            failed,
            telling,
            ..v1::Counts::default()
        };
        assert_eq!(
            line(7, &counts(4, 2, 1, 1)),
            format!(
                "action 7 [{}{}] 2 of 4 hypervisors done, 1 being told, 1 failed",
                "#".repeat(22),
                ".".repeat(8)
            )
        );
        let none = line(1, &counts(0, 0, 0, 0));
        assert!(none.contains(&".".repeat(WIDTH)) && none.ends_with("no hypervisor"));
        assert!(line(1, &counts(u32::MAX, u32::MAX, 0, 0)).contains(&"#".repeat(WIDTH)));
    }
}
