//! Packets for the agent: through [`crate::local`], and what comes of it to the switch, the log and the
//! lessons.

use openflow::message::PacketIn;

use super::{Command, Core, facts};
use crate::local::{Effect, Module, Now};
use crate::packet_in;

impl Core {
    pub(super) fn packet(&mut self, packet: PacketIn, now: Now) {
        let Some(input) = packet_in::input(&packet) else {
            return;
        };
        tracing::debug!(
            target: "pinctrl",
            "pinctrl received  packet-in | OF_Table_ID={} | datapath={} | in-port={}",
            input.table,
            input.metadata.datapath,
            input.metadata.inport()
        );
        let effects = self.local.handle(&input, now);
        for effect in &effects {
            match effect {
                Effect::Learn(key, mac) => {
                    self.learned.neighbour(*key, *mac, now);
                    // Packets that wait for this neighbour need not wait for the database as well.
                    let released = self.local.resolved(*key, *mac);
                    self.effects(released, None);
                }
                Effect::LearnFdb {
                    datapath,
                    port,
                    mac,
                } => {
                    self.learned.address(*datapath, *port, *mac, now);
                }
                _ => {}
            }
        }
        self.effects(effects, Some(packet));
        if let Some(key) = self.local.take_held() {
            let mac = facts::known(&self.sb, key).or_else(|| self.learned.waiting(key));
            let released = mac.map(|mac| self.local.resolved(key, mac));
            self.effects(released.unwrap_or_default(), None);
        }
    }

    /// Carries out what the packets asked for, as far as the switch is concerned, and the log.
    pub(super) fn effects(&mut self, effects: Vec<Effect>, mut paused: Option<PacketIn>) {
        for effect in effects {
            let message = match effect {
                Effect::PacketOut {
                    packet,
                    metadata,
                    actions,
                } => packet_in::packet_out(packet, metadata, &actions),
                Effect::Resume { packet, result } => paused
                    .take()
                    .map(|paused| packet_in::resume(paused, packet, result)),
                Effect::Log(Module::AclLog, line) => {
                    tracing::info!(target: "acl_log", "{line}");
                    None
                }
                Effect::Log(Module::Info, line) => {
                    tracing::info!(target: "pinctrl", "{line}");
                    None
                }
                Effect::Log(Module::Warn, line) => {
                    tracing::warn!(target: "pinctrl", "{line}");
                    None
                }
                Effect::Learn(..) | Effect::LearnFdb { .. } => None,
            };
            self.commands.extend(message.map(Command::Send));
        }
    }
}
