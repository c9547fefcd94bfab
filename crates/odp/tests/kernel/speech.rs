//! Every key and every action, through the kernel and back, beside what Debian's program makes of it.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use odp::{Flow, FlowPut, Format, Omit};

use crate::lab::{Lab, NAME, dpctl, flow};
use crate::listing::{COMMON, Line, NEWER, OURS, PRINTED};

/// Flows of the list, each with a port of its own, and that port.
fn flows(lines: &[Line]) -> Result<Vec<(u32, FlowPut)>> {
    let mut all = Vec::new();
    for (port, (matches, actions)) in (1000..).zip(lines) {
        all.push((port, flow(&numbered(matches, port), actions)?));
    }
    Ok(all)
}

fn numbered(matches: &str, port: u32) -> String {
    matches.replace('@', &port.to_string())
}

/// The datapath's flows, by their port.
fn ours(lab: &Lab) -> Result<BTreeMap<u32, Flow>> {
    let mut found = BTreeMap::new();
    for flow in lab.connection.flows(lab.id, Omit::default())? {
        let flow = flow?;
        let port = flow
            .matches
            .key
            .in_port()
            .context("a flow without a port")?;
        ensure!(flow.unknown.is_empty(), "{flow:?}");
        found.insert(port.0, flow);
    }
    Ok(found)
}

fn text(flow: &Flow) -> (String, String) {
    let format = Format::default();
    let key = format.key(&flow.matches.key, flow.matches.mask.as_ref());
    (
        key,
        format.actions(flow.actions.as_deref().unwrap_or_default()),
    )
}

/// What it says of IPv6 extension headers, which it does not know, in every flow of IPv6. They do not count.
const UNKNOWN: &str = ",key32(00 00/00 00)";

/// What Debian's program prints of the flows, by their port: key and actions.
fn theirs() -> Result<BTreeMap<u32, (String, String)>> {
    let mut found = BTreeMap::new();
    for line in dpctl(&["dump-flows", NAME])?.lines() {
        let (key, rest) = line
            .split_once(", packets:")
            .context("a flow has counters")?;
        let (_, actions) = rest
            .split_once(", actions:")
            .context("a flow has actions")?;
        let (_, port) = key.split_once("in_port(").context("a flow has a port")?;
        let (port, _) = port.split_once(')').context("a port ends")?;
        found.insert(
            port.parse()?,
            (key.replace(UNKNOWN, ""), actions.to_owned()),
        );
    }
    Ok(found)
}

pub(crate) fn every_key_and_action_reads_back_as_ovs_dpctl_reads_it() -> Result<()> {
    let lab = Lab::new(0)?;
    let puts = flows(&[COMMON, PRINTED].concat())?;
    let mut wrong = put_all(&lab, &puts)?;
    let (ours, theirs) = (ours(&lab)?, theirs()?);
    for (port, put) in &puts {
        let Some(found) = ours.get(port) else {
            wrong.push(format!("{}: is not there", put.matches));
            continue;
        };
        wrong.extend(differences(put, found));
        let (ours, theirs) = (text(found), theirs.get(port));
        if theirs != Some(&ours) {
            wrong.push(format!("ours   {ours:?}\ntheirs {theirs:?}"));
        }
    }
    lab.connection.flush_flows(lab.id)?;
    let mut more = OURS.to_vec();
    if lab.connection.probe()?.drop_reason {
        more.extend(NEWER);
    }
    let puts = flows(&more)?;
    wrong.extend(put_all(&lab, &puts)?);
    let found = self::ours(&lab)?;
    for (port, put) in &puts {
        match found.get(port) {
            Some(found) => wrong.extend(differences(put, found)),
            None => wrong.push(format!("{}: is not there", put.matches)),
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn put_all(lab: &Lab, puts: &[(u32, FlowPut)]) -> Result<Vec<String>> {
    let flows: Vec<FlowPut> = puts.iter().map(|(_, put)| put.clone()).collect();
    let results = lab.connection.put_flows(lab.id, &flows)?;
    Ok(results
        .into_iter()
        .filter_map(|result| Some(result.err()?.to_string()))
        .collect())
}

/// Where the kernel has another flow than it was given. It may say more: what does not count.
fn differences(put: &FlowPut, found: &Flow) -> Vec<String> {
    let format = Format::default();
    let wanted = format.key(&put.matches.key, put.matches.mask.as_ref());
    let (key, actions) = text(found);
    let mut wrong: Vec<String> = parts(&wanted)
        .into_iter()
        .filter(|part| !parts(&key).contains(part))
        .map(|part| format!("no {part} in {key}"))
        .collect();
    let wanted = format.actions(&put.actions);
    if wanted != actions {
        wrong.push(format!("actions {actions}, and not {wanted}"));
    }
    wrong
}

/// The parts of a text that no parentheses hold together.
fn parts(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

pub(crate) fn every_key_and_action_of_ovs_dpctl_is_read() -> Result<()> {
    let lab = Lab::new(0)?;
    let mut file = String::new();
    for (port, (matches, actions)) in (1000..).zip(COMMON) {
        file.push_str(&format!("{} {actions}\n", numbered(matches, port)));
    }
    std::fs::write("/tmp/flows", file)?;
    // It goes on after an error, and succeeds.
    let said = Command::new("ovs-dpctl")
        .args(["add-flows", NAME, "/tmp/flows"])
        .output()?;
    let said = String::from_utf8_lossy(&said.stderr);
    let (ours, theirs) = (ours(&lab)?, theirs()?);
    let missing: Vec<&Line> = (1000..)
        .zip(COMMON)
        .filter_map(|(port, line)| (!theirs.contains_key(&port)).then_some(line))
        .collect();
    ensure!(missing.is_empty(), "{missing:#?} are not there: {said}");
    let mut wrong = Vec::new();
    for (port, put) in flows(COMMON)? {
        let found = ours.get(&port).context("a flow is not there")?;
        wrong.extend(differences(&put, found));
        let ours = text(found);
        if theirs.get(&port) != Some(&ours) {
            wrong.push(format!("ours   {ours:?}\ntheirs {:?}", theirs.get(&port)));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
