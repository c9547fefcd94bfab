//! What `heddle hv` prints.

use std::io::Write;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use rpc::hv::v1;
use rpc::hv::v1::dry_run_request::Change;
use serde::Serialize;

fn json(message: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string(message)?;
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

/// What a change is about.
pub(super) fn subject(change: &Change) -> String {
    let number = match change {
        Change::Add(it) => it.params.as_ref().map_or(0, |params| params.droplet_id),
        Change::Replace(it) => it.params.as_ref().map_or(0, |params| params.droplet_id),
        Change::Remove(it) => it.machine_id,
        Change::Disable(it) => it.machine_id,
        Change::DisableAll(_) => return "all machines".to_owned(),
    };
    format!("machine {number}")
}

pub(super) fn change(subject: &str, answer: &v1::Change, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(answer);
    }
    let again = if answer.replayed {
        " (done before, under the same key)"
    } else {
        ""
    };
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{subject}: {} flows added or changed, {} deleted{again}",
        answer.flows_added, answer.flows_deleted
    )?;
    waiting(&answer.waiting)
}

fn waiting(names: &[String]) -> anyhow::Result<()> {
    if !names.is_empty() {
        let names = names.join(", ");
        writeln!(
            std::io::stderr(),
            "heddle: not on the bridge yet: {names}; their flows are installed when they come"
        )?;
    }
    Ok(())
}

pub(super) fn dry_run(answer: &v1::DryRunResponse, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(answer);
    }
    let mut out = std::io::stdout();
    for line in &answer.changes {
        writeln!(out, "{line}")?;
    }
    waiting(&answer.waiting)
}

pub(super) fn machine(machine: &v1::Machine, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(machine);
    }
    machines(std::slice::from_ref(machine), false)?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", machine.cookie)?;
    if let Some(params) = &machine.params {
        writeln!(out, "{}", serde_json::to_string_pretty(params)?)?;
    }
    Ok(())
}

pub(super) fn machines(machines: &[v1::Machine], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(&machines);
    }
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header([
            "MACHINE",
            "STATE",
            "FLOWS",
            "INTERFACE",
            "TYPE",
            "ADDRESSES",
        ]);
    for machine in machines {
        let state = word(machine.state().as_str_name(), "MACHINE_STATE_");
        let own = [
            machine.machine_id.to_string(),
            state,
            machine.flows.to_string(),
        ];
        let vnics = machine
            .params
            .as_ref()
            .map_or(&[][..], |params| &params.vnics);
        if vnics.is_empty() {
            table.add_row(
                own.into_iter()
                    .chain(["-".to_owned(), "-".to_owned(), "-".to_owned()]),
            );
            continue;
        }
        for (place, vnic) in vnics.iter().enumerate() {
            let own = if place == 0 {
                own.clone()
            } else {
                <[String; 3]>::default()
            };
            let missing = machine.waiting.contains(&vnic.name);
            let name = format!("{}{}", vnic.name, if missing { " (not there)" } else { "" });
            let kind = word(vnic.interface_type().as_str_name(), "INTERFACE_TYPE_");
            table.add_row(own.into_iter().chain([name, kind, addresses(vnic)]));
        }
    }
    Ok(writeln!(std::io::stdout(), "{}", table.trim_fmt())?)
}

/// A word of an enumeration as people write it.
fn word(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase()
}

fn addresses(vnic: &v1::Vnic) -> String {
    let own = vnic
        .addresses
        .iter()
        .flat_map(|it| it.ipv4.iter().chain(&it.ipv6));
    let own = own.map(|it| format!("{}/{}", it.ip_address, it.masklen));
    let floating = vnic
        .floating_ips
        .iter()
        .flat_map(|it| it.ipv4.iter().chain(&it.ipv6));
    let floating = floating.map(|it| format!("{} (floating)", it.ip_address));
    own.chain(floating).collect::<Vec<_>>().join(", ")
}

pub(super) fn outcome(outcome: &v1::Outcome, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(outcome);
    }
    let kind = word(outcome.kind().as_str_name(), "OUTCOME_KIND_");
    let machine = match outcome.machine_id {
        0 => String::new(),
        number => format!(" machine {number}"),
    };
    let counts = match (outcome.flows_added, outcome.flows_deleted) {
        (0, 0) => String::new(),
        (added, deleted) => format!(", {added} flows added or changed, {deleted} deleted"),
    };
    let said = |word: &str, text: &str| match text {
        "" => String::new(),
        text => format!("{word}{text}"),
    };
    let (by, why) = (said(", by ", &outcome.caller), said(": ", &outcome.error));
    let number = outcome.sequence;
    Ok(writeln!(
        std::io::stdout(),
        "{number} {kind}{machine}{counts}{by}{why}"
    )?)
}
