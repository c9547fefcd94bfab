//! Logical flows, and the tables that they make.
//!
//! Flows are parsed and tables are made ready when a packet first comes to them. A table is made ready once for all
//! chassis, unless a match of it asks who resides where, or a flow has template variables: then once for each chassis.

use std::sync::OnceLock;

use logic::{Actions, Expr, Limits, Pipeline};
use model::Uuid;
use ovsdb::Str;

use super::environment::Place;
use super::{ChassisId, DatapathId, FlowId, Network};
use crate::classifier::{Builder, Classifier, Consulted};
use crate::fields::Fields;

/// A logical flow.
#[derive(Debug)]
pub struct Flow {
    /// The UUID of its `Logical_Flow`.
    pub uuid: Uuid,
    /// Of which pipeline.
    pub pipeline: Pipeline,
    /// In which table.
    pub table: u8,
    /// Its priority.
    pub priority: u16,
    /// The match as it stands in the database.
    pub matches: Str,
    /// The actions as they stand in the database.
    pub actions: Str,
    /// The name of the stage.
    pub stage: Option<Str>,
    /// Where the code is that made it.
    pub source: Option<Str>,
    /// The beginning of the UUID of the Northbound row that it is for.
    pub hint: Option<Str>,
    pub(super) readings: Readings,
}

/// What a flow reads as: the same everywhere, or with template variables, on each chassis, and at the end in the
/// whole network as one place.
#[derive(Debug)]
pub(super) struct Readings(Box<[OnceLock<Result<Parsed, String>>]>);

impl Readings {
    /// Of a flow in a network of so many chassis.
    pub(super) fn new(matches: &str, actions: &str, chassis: usize) -> Self {
        let varies = matches.contains('^') || actions.contains('^');
        let count = if varies { chassis + 1 } else { 1 };
        Self((0..count).map(|_| OnceLock::new()).collect())
    }

    fn of(&self, chassis: Option<ChassisId>) -> (usize, &OnceLock<Result<Parsed, String>>) {
        let last = self.0.len() - 1;
        let at = chassis.map_or(last, |it| it.0 as usize).min(last);
        (at, &self.0[at])
    }

    const fn varies(&self) -> bool {
        self.0.len() > 1
    }
}

#[derive(Debug)]
pub(super) struct Parsed {
    matches: Expr,
    actions: Actions,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    /// The best first.
    pub(super) flows: Vec<FlowId>,
    ready: OnceLock<Ready>,
}

#[derive(Debug)]
enum Ready {
    /// The same on every chassis.
    Everywhere(Classifier),
    /// One for each chassis, and at the end one for the whole network as one place.
    ByChassis(Box<[OnceLock<Classifier>]>),
}

impl Flow {
    fn parsed(&self, network: &Network, chassis: Option<ChassisId>) -> Result<&Parsed, &str> {
        let (at, reading) = self.readings.of(chassis);
        let parse = || {
            let symbols = logic::Symbols::ovn();
            let read = |what: &str, error: logic::Error| format!("{what}: {error}");
            // Where nothing varies, no variable has a value that could be missed.
            let values = if self.readings.varies() {
                network.templates.get(at)
            } else {
                None
            };
            let (matches, actions) = match values {
                Some(values) => (
                    logic::expand_match(&self.matches, symbols, values),
                    logic::expand_actions(&self.actions, symbols, values),
                ),
                None => (
                    logic::parse_match_with(&self.matches),
                    logic::parse_actions(&self.actions, symbols),
                ),
            };
            Ok(Parsed {
                matches: matches.map_err(|error| read("match", error))?,
                actions: actions.map_err(|error| read("actions", error))?,
            })
        };
        reading.get_or_init(parse).as_ref().map_err(String::as_str)
    }

    /// The actions on a chassis; none when the flow cannot be read.
    pub(crate) fn parsed_actions(
        &self,
        network: &Network,
        chassis: Option<ChassisId>,
    ) -> &[logic::Action] {
        self.parsed(network, chassis)
            .map_or(&[], |parsed| &parsed.actions.0)
    }

    /// Whether the match holds for every packet.
    pub(crate) fn is_catch_all(&self, network: &Network) -> bool {
        matches!(self.parsed(network, None), Ok(parsed) if parsed.matches == Expr::Const(true))
    }

    /// Whether it means another thing on each chassis.
    fn depends_on_chassis(&self, network: &Network) -> bool {
        // The text is looked at first: few flows have the word, and collecting references costs.
        let asks = || match self.parsed(network, None) {
            Ok(parsed) => !parsed.matches.references().residents.is_empty(),
            Err(_) => false,
        };
        self.readings.varies() || self.matches.contains("is_chassis_resident") && asks()
    }
}

impl Network {
    /// The flow of a table that a packet matches, on a chassis or in the whole network as one place.
    pub(crate) fn look_up(
        &self,
        datapath: DatapathId,
        chassis: Option<ChassisId>,
        (pipeline, table): (Pipeline, u8),
        packet: &Fields,
        consulted: &mut Consulted,
    ) -> Option<FlowId> {
        let table = self[datapath].tables.get(&(pipeline, table))?;
        let ready = match table.ready.get_or_init(|| self.ready(datapath, table)) {
            Ready::Everywhere(classifier) => classifier,
            Ready::ByChassis(places) => {
                let at = chassis.map_or(places.len() - 1, |it| it.0 as usize);
                let place = Place::new(self, datapath, chassis);
                places[at].get_or_init(|| self.prepare(&place, &table.flows))
            }
        };
        let rank = ready.find(packet, consulted)?;
        table.flows.get(rank as usize).copied()
    }

    /// The flows that cannot be read, with what is wrong with them. Reads all of them.
    pub fn unreadable(&self) -> impl Iterator<Item = (&Flow, &str)> {
        self.flows
            .iter()
            .filter_map(|flow| Some((flow, flow.parsed(self, None).err()?)))
    }

    fn ready(&self, datapath: DatapathId, table: &Table) -> Ready {
        let mut flows = table.flows.iter();
        if flows.any(|id| self[*id].depends_on_chassis(self)) {
            let places = (0..=self.chassis.len()).map(|_| OnceLock::new());
            return Ready::ByChassis(places.collect());
        }
        let place = Place::new(self, datapath, None);
        Ready::Everywhere(self.prepare(&place, &table.flows))
    }

    fn prepare(&self, place: &Place<'_>, flows: &[FlowId]) -> Classifier {
        let mut builder = Builder::default();
        for (rank, id) in (0..).zip(flows) {
            let Ok(parsed) = self[*id].parsed(self, place.chassis()) else {
                continue;
            };
            // A flow whose actions need something of a packet is not for others.
            let guarded = Expr::and([parsed.matches.clone(), parsed.actions.prerequisites()]);
            // A set that does not exist matches nothing, nor does a match that is too large to be tried.
            if let Ok(form) = guarded.normalise(place, Limits::default()) {
                builder.add(rank, &form);
            }
        }
        builder.finish()
    }
}
