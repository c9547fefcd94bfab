//! The rest: choices among child ports, what goes to the agent, and what changes nothing about where a packet goes.

use logic::{Action, Field};

use super::unmodelled;
use crate::machine::{At, Machine, Moving, Outcome};
use crate::trace::{Node, NodeKind};

impl Machine<'_> {
    pub(super) fn mark(
        &mut self,
        at: At,
        action: &Action,
        moving: &mut Moving,
        out: &mut Vec<Node>,
        outcome: &mut Outcome,
    ) {
        match action {
            Action::FwdGroup {
                child_ports,
                liveness,
            } => {
                if *liveness {
                    self.note(out, || "/* all child ports are taken to be alive */".into());
                }
                let chosen = self.choose(moving, None, child_ports.len() as u64);
                let port = child_ports.get(chosen as usize);
                let key = port.and_then(|name| self.network.port(name));
                let key = key.map_or(0, |port| self.network[port].key);
                let mut there = moving.clone();
                there.set(Field::OutPort, key.into());
                outcome.led_on = true;
                self.output(at, &there, out);
            }
            Action::Mirror(name) => match self.network.port(name) {
                Some(port) => self.copy_to(port, moving, out),
                None => {
                    let text = format!("*** mirror(\"{name}\"): there is no such port");
                    out.push(NodeKind::Error(text).into());
                }
            },
            Action::Igmp => outcome.consumed = Some("for multicast snooping"),
            Action::HandleDhcpV6Reply => outcome.consumed = Some("for prefix delegation"),
            Action::HandleBfd => outcome.consumed = Some("for BFD"),
            Action::HandleSvcCheck(_) => outcome.consumed = Some("for a health check"),
            Action::BindVport { .. } => outcome.consumed = Some("to bind a virtual port"),
            Action::TriggerEvent { .. } => outcome.consumed = Some("to report an event"),
            Action::FloodRemote => self.flood_remote(out),
            _ => self.no_effect(action, out),
        }
    }

    fn flood_remote(&self, out: &mut Vec<Node>) {
        let others = self.network.chassis().filter(|it| it.1.is_remote);
        let names: Vec<&str> = others.map(|it| it.1.name.as_str()).collect();
        if names.is_empty() {
            self.note(out, || "/* no chassis of another cloud is known */".into());
        } else {
            let what = format!("what chassis of other clouds do ({})", names.join(", "));
            unmodelled(out, &what, "the copies for them end here");
        }
    }

    /// Queues, meters and samples change nothing about where a single packet goes.
    fn no_effect(&self, action: &Action, out: &mut Vec<Node>) {
        match action {
            Action::SetMeter { rate, burst } => self.note(out, || {
                let burst = burst.map_or(String::new(), |it| format!(", bursts of {it} kbit"));
                format!("/* dropped beyond {rate} kbit/s{burst}; one packet is not */")
            }),
            Action::SetQueue(queue) => self.note(out, || format!("/* sent by queue {queue} */")),
            Action::Sample {
                probability,
                collector_set,
                ..
            } => self.note(out, || {
                format!(
                    "/* {probability} of 65535 packets are told to collectors {collector_set} */"
                )
            }),
            Action::MacCacheUse => self.note(out, || "/* the neighbour is in use */".into()),
            other => unmodelled(out, &other.to_string(), "it does nothing here"),
        }
    }
}
