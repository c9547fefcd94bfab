//! `mod-port`.

use anyhow::{Context, bail};
use openflow::Message;
use openflow::message::{PortConfig, PortMod};

use super::Switch;

/// What `mod-port` calls the bits, and whether the word sets them to zero.
const PORT_ACTIONS: [(&str, PortConfig, bool); 14] = [
    ("up", PortConfig::DOWN, false),
    ("down", PortConfig::DOWN, true),
    ("stp", PortConfig::NO_STP, false),
    ("no-stp", PortConfig::NO_STP, true),
    ("receive", PortConfig::NO_RECV, false),
    ("no-receive", PortConfig::NO_RECV, true),
    ("receive-stp", PortConfig::NO_RECV_STP, false),
    ("no-receive-stp", PortConfig::NO_RECV_STP, true),
    ("flood", PortConfig::NO_FLOOD, false),
    ("no-flood", PortConfig::NO_FLOOD, true),
    ("forward", PortConfig::NO_FWD, false),
    ("no-forward", PortConfig::NO_FWD, true),
    ("packet-in", PortConfig::NO_PACKET_IN, false),
    ("no-packet-in", PortConfig::NO_PACKET_IN, true),
];

pub(super) async fn change(switch: &Switch, port: &str, action: &str) -> anyhow::Result<()> {
    let number = switch.port(port)?;
    let found = PORT_ACTIONS.iter().find(|(name, ..)| *name == action);
    let Some((_, mask, set)) = found else {
        let names: Vec<&str> = PORT_ACTIONS.iter().map(|(name, ..)| *name).collect();
        bail!("{action}: no such action; use one of {}", names.join(", "));
    };
    let known = switch.ports.iter().find(|known| known.number == number);
    let known = known.with_context(|| format!("{}: no port {port}", switch.name))?;
    let message = PortMod {
        port: number,
        address: known.address,
        config: if *set { *mask } else { PortConfig::default() },
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
