//! The subcommands that need no switch.

use std::process::ExitCode;

use anyhow::{Context, bail};
use openflow::{Flow, Message};

use super::look::print_lines;

pub(super) fn parse(flow: &str) -> anyhow::Result<ExitCode> {
    let flow: Flow = flow.parse().context("the flow")?;
    print_lines([flow.to_string()])?;
    Ok(ExitCode::SUCCESS)
}

/// Bytes that are given in hexadecimal, with or without blanks.
pub(super) fn bytes(hex: &str) -> anyhow::Result<Vec<u8>> {
    let digits: Vec<char> = hex.chars().filter(|c| !c.is_whitespace()).collect();
    if !digits.len().is_multiple_of(2) {
        bail!("an odd number of digits; each byte has two");
    }
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&String::from_iter(pair), 16))
        .collect::<Result<_, _>>()
        .context("not hexadecimal")
}

pub(super) fn decode(hex: &str) -> anyhow::Result<ExitCode> {
    let bytes = bytes(hex).context("the message")?;
    let (xid, message) = Message::decode(&bytes).context("the message")?;
    print_lines([describe(xid, &message)])?;
    Ok(ExitCode::SUCCESS)
}

/// A message in one line.
pub(super) fn describe(xid: u32, message: &Message) -> String {
    match message {
        Message::FlowMod(change) => {
            format!(
                "FlowMod (xid={xid:#x}): {:?} {}",
                change.command, change.flow
            )
        }
        Message::GroupMod(change) => {
            format!(
                "GroupMod (xid={xid:#x}): {:?} {}",
                change.command, change.group
            )
        }
        Message::BundleAdd(add) => match add.inner() {
            Ok(inner) => format!("BundleAdd {:#x}: {}", add.id, describe(xid, &inner)),
            Err(_) => format!("BundleAdd (xid={xid:#x}): {add:?}"),
        },
        other => format!("{} (xid={xid:#x}): {other:?}", other.name()),
    }
}
