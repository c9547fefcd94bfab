//! What a transaction comes to: messages for the switch.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use openflow::message::{
    CtFlushZone, FlowCommand, Message, Meter, MeterCommand, MeterMod, SwitchConfig,
};
use openflow::sync::{Mod, State};
use openflow::{Action, Field, Flow, FlowKey};

use crate::cookie::{Cookie, InterfaceId, Kind};
use crate::installed::Installed;
use crate::pipeline::{CLASSIFY, announced};

/// Changes for the switch: first `before`, then `bundle` as one bundle, then `after`, each when what stands before it
/// is acknowledged.
///
/// Only the bundle changes where a packet goes. Open vSwitch takes neither meters nor connections in bundles, so
/// meters come before the flows that use them and go after them, and the connections of a zone that changes hands are
/// forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commit {
    /// Meters, zones whose port has a new owner, and, with the host's own flows, how fragments are to be matched.
    pub before: Vec<Message>,
    /// Flows: those that come before those that go.
    pub bundle: Vec<Mod>,
    /// Meters that no flow uses any more, zones that have no owner, and packets that tell the network where addresses
    /// are now.
    pub after: Vec<Message>,
}

/// What a commit has beside flows.
#[derive(Default)]
pub(crate) struct Extras {
    /// The meters that are needed, by their numbers.
    pub(crate) meters: BTreeMap<u32, Meter>,
    /// What is told when a flow is new.
    pub(crate) announcements: HashMap<FlowKey, Message>,
}

impl Commit {
    /// Whether there is nothing to do.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.before.is_empty() && self.bundle.is_empty() && self.after.is_empty()
    }

    /// How many flows come or change, and how many go.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let is_add =
            |change: &&Mod| matches!(change, Mod::Flow(m) if m.command == FlowCommand::Add);
        let added = self.bundle.iter().filter(is_add).count();
        (added, self.bundle.len() - added)
    }

    /// The changes from `old` to `new`, and those of the meters and zones that belong to them.
    pub(crate) fn between(
        installed: &Installed,
        old: Vec<Flow>,
        new: HashMap<FlowKey, Flow>,
        extras: Extras,
    ) -> Self {
        let Extras {
            meters,
            mut announcements,
        } = extras;
        let mut out = Self::default();
        let used: BTreeSet<u32> = old.iter().filter_map(meter_of).collect();
        out.zones(&owners(&old), &owners(new.values()));
        for meter in meters.values() {
            let command = match installed.meters().get(&meter.id) {
                Some(there) if there == meter => continue,
                Some(_) => MeterCommand::Modify,
                None => MeterCommand::Add,
            };
            out.before.push(meter_mod(command, meter.clone()));
        }
        for id in used.into_iter().filter(|id| !meters.contains_key(id)) {
            if let Some(meter) = installed.meters().get(&id) {
                out.after
                    .push(meter_mod(MeterCommand::Delete, meter.clone()));
            }
        }
        out.bundle = State::new(new.into_values(), []).diff(&State::new(old, []));
        if out.bundle.iter().any(is_new_host_flow) {
            let config = SwitchConfig {
                flags: FIRST_FRAGMENTS,
                miss_send_len: 0,
            };
            out.before.insert(0, Message::SetConfig(config));
        }
        let told = out.bundle.iter().filter_map(|change| match change {
            Mod::Flow(change) => announcements.remove(&change.flow.key),
            Mod::Group(_) => None,
        });
        out.after.extend(told);
        out
    }

    /// Forgets the connections of zones that are no longer whose they were.
    fn zones(&mut self, old: &HashMap<u16, Owner>, new: &HashMap<u16, Owner>) {
        let mut zones: Vec<_> = old.iter().collect();
        zones.sort_unstable();
        for (zone, owner) in zones {
            let flush = Message::CtFlushZone(CtFlushZone { zone: *zone });
            match new.get(zone) {
                Some(now) if now == owner => {}
                Some(_) => self.before.push(flush),
                None => self.after.push(flush),
            }
        }
    }
}

/// The first fragments of packets have ports to match (`ovs-ofctl(8)`, `set-frags`, `nx-match`). A switch that has the
/// host's own flows was told so when it got them.
const FIRST_FRAGMENTS: u16 = 3;

fn is_new_host_flow(change: &Mod) -> bool {
    match change {
        Mod::Flow(change) => {
            let host = Cookie::unmarshal(change.flow.cookie) == Ok(Cookie::Host);
            host && change.command == FlowCommand::Add
        }
        Mod::Group(_) => false,
    }
}

fn meter_mod(command: MeterCommand, meter: Meter) -> Message {
    Message::MeterMod(MeterMod { command, meter })
}

type Owner = (u32, InterfaceId);

/// The zones that cards use, by the flows that put their packets there.
fn owners<'a>(flows: impl IntoIterator<Item = &'a Flow>) -> HashMap<u16, Owner> {
    let zone = |flow: &Flow| {
        let Ok(Cookie::Machine {
            machine,
            interface,
            kind: Kind::Link,
            ..
        }) = Cookie::unmarshal(flow.cookie)
        else {
            return None;
        };
        let set = flow.actions.iter().find_map(|action| match action {
            Action::SetField(value) if value.field() == Field::Reg(3) => Some(value.value()),
            _ => None,
        });
        let zone = u16::try_from(set.filter(|_| flow.key.table == CLASSIFY)?).ok()?;
        Some((zone, (machine, interface)))
    };
    flows.into_iter().filter_map(zone).collect()
}

fn meter_of(flow: &Flow) -> Option<u32> {
    flow.actions.iter().find_map(|action| match action {
        Action::Meter(id) => Some(id),
        _ => None,
    })
}

/// A line for each change; those of flows as `ovs-ofctl bundle` reads them.
impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for message in &self.before {
            write_message(f, message)?;
        }
        for change in &self.bundle {
            match change {
                Mod::Flow(change) if change.command == FlowCommand::Add => {
                    writeln!(f, "flow add {}", change.flow)?;
                }
                Mod::Flow(change) => writeln!(f, "flow delete_strict {}", change.flow.key)?,
                Mod::Group(change) => writeln!(f, "group {:?} {}", change.command, change.group)?,
            }
        }
        for message in &self.after {
            write_message(f, message)?;
        }
        Ok(())
    }
}

fn write_message(f: &mut fmt::Formatter<'_>, message: &Message) -> fmt::Result {
    match message {
        Message::MeterMod(change) => {
            let command = match change.command {
                MeterCommand::Add => "add",
                MeterCommand::Modify => "modify",
                MeterCommand::Delete => "delete",
            };
            writeln!(f, "meter {command} {}", change.meter)
        }
        Message::CtFlushZone(flush) => writeln!(f, "connections of zone {} forgotten", flush.zone),
        Message::SetConfig(_) => writeln!(f, "first fragments have ports"),
        Message::PacketOut(out) => match announced(&out.packet) {
            Some(text) => writeln!(f, "{text}"),
            None => writeln!(f, "packet of {} bytes sent", out.packet.len()),
        },
        other => writeln!(f, "{other:?}"),
    }
}
