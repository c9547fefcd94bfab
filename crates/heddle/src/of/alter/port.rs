//! `mod-port`.

use anyhow::{Context, bail};
use openflow::Message;
use openflow::message::{PortConfig, PortMod};

use super::Switch;

/// What `mod-port` calls each thing that a bit switches off: on, and off.
const WORDS: [(PortConfig, &str, &str); 7] = [
    (PortConfig::DOWN, "up", "down"),
    (PortConfig::NO_STP, "stp", "no-stp"),
    (PortConfig::NO_RECV, "receive", "no-receive"),
    (PortConfig::NO_RECV_STP, "receive-stp", "no-receive-stp"),
    (PortConfig::NO_FLOOD, "flood", "no-flood"),
    (PortConfig::NO_FWD, "forward", "no-forward"),
    (PortConfig::NO_PACKET_IN, "packet-in", "no-packet-in"),
];

pub(super) async fn change(switch: &Switch, port: &str, action: &str) -> anyhow::Result<()> {
    let number = switch.port(port)?;
    let found = WORDS
        .iter()
        .find(|(_, on, off)| [*on, *off].contains(&action));
    let Some((mask, _, off)) = found else {
        let names: Vec<&str> = WORDS.iter().flat_map(|(_, on, off)| [*on, *off]).collect();
        bail!("{action}: no such action; use one of {}", names.join(", "));
    };
    let known = switch.ports.iter().find(|known| known.number == number);
    let known = known.with_context(|| format!("{}: no port {port}", switch.name))?;
    let message = PortMod {
        port: number,
        address: known.address,
        config: if *off == action {
            *mask
        } else {
            PortConfig::default()
        },
        mask: *mask,
        advertise: 0,
        other: Vec::new(),
    };
    let wanted = message.config;
    let what = format!("{action} of port {port}");
    switch.tell(Message::PortMod(message), &what).await?;
    // A switch ignores what it does not know, and newer versions do not know all of these.
    let ports = switch.handle.dump_ports().await;
    let ports = ports.with_context(|| format!("{}: its ports", switch.name))?;
    let now = ports.iter().find(|port| port.number == number);
    if now.is_none_or(|now| now.config.0 & mask.0 != wanted.0) {
        bail!(
            "{}: {what}: the switch did not do it; perhaps only an older version can say it: -O OpenFlow10",
            switch.name
        );
    }
    Ok(())
}
