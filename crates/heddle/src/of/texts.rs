//! The subcommands that need no switch.

use std::process::ExitCode;

use anyhow::{Context, bail};
use openflow::{Flow, Message};

use super::flows::print;

pub(super) fn parse(flow: &str) -> anyhow::Result<ExitCode> {
    let flow: Flow = flow.parse().context("the flow")?;
    print([flow.to_string()])?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn decode(hex: &str) -> anyhow::Result<ExitCode> {
    let digits: Vec<char> = hex.chars().filter(|c| !c.is_whitespace()).collect();
    if !digits.len().is_multiple_of(2) {
        bail!("the message: an odd number of digits; each byte has two");
    }
    let bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&String::from_iter(pair), 16))
        .collect::<Result<_, _>>()
        .context("the message: not hexadecimal")?;
    let (xid, message) = Message::decode(&bytes).context("the message")?;
    print([match &message {
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
        other => format!("{} (xid={xid:#x}): {other:?}", other.name()),
    }])?;
    Ok(ExitCode::SUCCESS)
}
