//! Logical flows, and the tables that they make.
//!
//! Flows are parsed and tables are made ready when a packet first comes to them. A table is made ready once for all
//! chassis, unless a match of it asks who resides where: then once for each chassis.

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
    pub(super) parsed: OnceLock<Result<Parsed, String>>,
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
    pub(super) fn parsed(&self) -> Result<&Parsed, &str> {
        let parse = || {
            let matches = logic::parse_match_with(&self.matches)
                .map_err(|error| format!("match: {error}"))?;
            let actions = logic::parse_actions(&self.actions, logic::Symbols::ovn())
                .map_err(|error| format!("actions: {error}"))?;
            Ok(Parsed { matches, actions })
        };
        self.parsed
            .get_or_init(parse)
            .as_ref()
            .map_err(String::as_str)
    }

    /// The actions; none when the flow cannot be read.
    pub(crate) fn parsed_actions(&self) -> &[logic::Action] {
        self.parsed().map_or(&[], |parsed| &parsed.actions.0)
    }

    /// Whether the match holds for every packet.
    pub(crate) fn is_catch_all(&self) -> bool {
        matches!(self.parsed(), Ok(parsed) if parsed.matches == Expr::Const(true))
    }

    /// Whether its match asks who resides where.
    fn asks_residence(&self) -> bool {
        // The text is looked at first: few flows have the word, and collecting references costs.
        self.matches.contains("is_chassis_resident")
            && matches!(self.parsed(), Ok(parsed) if !parsed.matches.references().residents.is_empty())
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

    fn ready(&self, datapath: DatapathId, table: &Table) -> Ready {
        if table.flows.iter().any(|id| self[*id].asks_residence()) {
            let places = (0..=self.chassis.len()).map(|_| OnceLock::new());
            return Ready::ByChassis(places.collect());
        }
        let place = Place::new(self, datapath, None);
        Ready::Everywhere(self.prepare(&place, &table.flows))
    }

    fn prepare(&self, place: &Place<'_>, flows: &[FlowId]) -> Classifier {
        let mut builder = Builder::default();
        for (rank, id) in (0..).zip(flows) {
            let Ok(parsed) = self[*id].parsed() else {
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
