//! `heddle odp execute`: a packet through actions.

use anyhow::{Context as _, bail, ensure};
use odp::{Actions, Execute, Key};

use super::{Context, which};

/// Arguments of `execute`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The datapath, by name or number.
    datapath: String,
    /// The packet in hexadecimal, from its Ethernet header on; spaces and colons are not looked at.
    packet: String,
    /// What is to happen to it, in the words of ovs-dpctl: `push_vlan(vid=7,pcp=0),2`.
    actions: String,
    /// What is known of it, in the words of ovs-dpctl: `in_port(2),skb_mark(7)`.
    #[arg(long, default_value = "", value_name = "KEY")]
    key: String,
}

pub(super) fn run(context: &Context, args: &Args) -> anyhow::Result<()> {
    let datapath = which::find(&context.connection, &args.datapath)?.id;
    let names = context.connection.port_names(datapath)?;
    let text = Actions {
        names: Some(&names),
    };
    let execute = Execute {
        packet: packet(&args.packet)?,
        key: match args.key.as_str() {
            "" => Key::default(),
            key => text.key(key).with_context(|| key.to_owned())?.key,
        },
        actions: text
            .parse(&args.actions)
            .with_context(|| args.actions.clone())?,
        ..Execute::default()
    };
    Ok(context.connection.execute(datapath, &execute)?)
}

fn packet(text: &str) -> anyhow::Result<Vec<u8>> {
    let digits: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != ':')
        .collect();
    ensure!(
        digits.len().is_multiple_of(2) && digits.is_ascii(),
        "the packet is not pairs of hexadecimal digits"
    );
    let pairs = (0..digits.len()).step_by(2).map(|at| &digits[at..at + 2]);
    let bytes: Result<Vec<u8>, _> = pairs.map(|pair| u8::from_str_radix(pair, 16)).collect();
    let bytes = bytes.context("the packet is not pairs of hexadecimal digits")?;
    if bytes.len() < 14 {
        bail!(
            "the packet has {} bytes, and its Ethernet header alone 14",
            bytes.len()
        );
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_read_with_or_without_what_separates_it() {
        let text = "ffffffffffff 02:00:00:00:00:01 0806 00";
        assert_eq!(packet(text).unwrap().len(), 15);
        assert!(packet("ff").unwrap_err().to_string().contains("1 bytes"));
        assert!(packet("fff").is_err());
        assert!(packet("+f").is_err());
    }
}
