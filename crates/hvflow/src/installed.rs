//! What a bridge holds, as far as this crate is concerned.

use std::collections::{BTreeMap, HashMap};

use openflow::message::{FlowCommand, Message, Meter, MeterCommand};
use openflow::sync::Mod;
use openflow::{Flow, FlowKey};

use crate::commit::Commit;
use crate::cookie::{Cookie, Selection};

/// The greatest number of a meter that is this crate's; others of a bridge are left alone.
pub(crate) const LAST_METER: u32 = 0xffff;

/// What the bridge holds, as it was last read and as it was changed since.
///
/// Flows of other versions and other owners are known by their keys alone, so that none is ever replaced by accident.
///
/// Invariant: it tells of the bridge what [`Installed::new`] was given and [`Installed::apply`] was told of. Who loses
/// the connection to the bridge, or has a commit refused, reads it again.
#[derive(Debug, Clone, Default)]
pub struct Installed {
    /// This crate's flows by their cookies; no list is empty.
    own: BTreeMap<u64, Vec<Flow>>,
    /// The cookies of all flows.
    cookies: HashMap<FlowKey, u64>,
    meters: BTreeMap<u32, Meter>,
}

impl Installed {
    /// From all flows and all meters of the bridge.
    #[must_use]
    pub fn new(
        flows: impl IntoIterator<Item = Flow>,
        meters: impl IntoIterator<Item = Meter>,
    ) -> Self {
        let mut out = Self::default();
        for flow in flows {
            out.insert(flow);
        }
        let own = meters.into_iter().filter(|meter| meter.id <= LAST_METER);
        out.meters = own.map(|meter| (meter.id, meter)).collect();
        out
    }

    /// The flows that are selected, in the order of their cookies.
    pub fn flows(&self, selection: Selection) -> impl Iterator<Item = &Flow> {
        self.own
            .range(selection.range())
            .filter(move |(cookie, _)| selection.selects(**cookie))
            .flat_map(|(_, flows)| flows)
    }

    /// The numbers of the machines that have flows here, ascending.
    #[must_use]
    pub fn machines(&self) -> Vec<u32> {
        let mut out = Vec::new();
        for cookie in self.own.keys() {
            if let Ok(Cookie::Machine { machine, .. }) = Cookie::unmarshal(*cookie)
                && out.last() != Some(&machine)
            {
                out.push(machine);
            }
        }
        out
    }

    /// This crate's meters, by their numbers.
    #[must_use]
    pub const fn meters(&self) -> &BTreeMap<u32, Meter> {
        &self.meters
    }

    /// The cookie of the flow that has this key, whoever's it is.
    #[must_use]
    pub fn cookie_of(&self, key: &FlowKey) -> Option<u64> {
        self.cookies.get(key).copied()
    }

    /// Notes that the bridge took a commit.
    pub fn apply(&mut self, commit: &Commit) {
        for message in commit.before.iter().chain(&commit.after) {
            if let Message::MeterMod(change) = message {
                match change.command {
                    MeterCommand::Delete => _ = self.meters.remove(&change.meter.id),
                    MeterCommand::Add | MeterCommand::Modify => {
                        self.meters.insert(change.meter.id, change.meter.clone());
                    }
                }
            }
        }
        for change in &commit.bundle {
            if let Mod::Flow(change) = change {
                match change.command {
                    FlowCommand::Add => self.insert(change.flow.clone()),
                    _ => self.remove(&change.flow.key),
                }
            }
        }
    }

    fn insert(&mut self, flow: Flow) {
        self.remove(&flow.key);
        self.cookies.insert(flow.key.clone(), flow.cookie);
        if Cookie::unmarshal(flow.cookie).is_ok() {
            self.own.entry(flow.cookie).or_default().push(flow);
        }
    }

    fn remove(&mut self, key: &FlowKey) {
        let Some(cookie) = self.cookies.remove(key) else {
            return;
        };
        if let Some(flows) = self.own.get_mut(&cookie) {
            flows.retain(|flow| flow.key != *key);
            if flows.is_empty() {
                self.own.remove(&cookie);
            }
        }
    }
}
