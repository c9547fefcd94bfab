//! How rules say what flows they want, and how those meet by key.

use std::sync::Arc;

use incremental::{Builder, Collected, Key, Rule};
use model::Uuid;
use openflow::{Action, Actions, Field, FlowKey, Match};

use crate::facts::Zone;
use crate::output::{Candidate, Claim};
use crate::tables::{self, flag};
use crate::world::World;

/// The flows that one rule instance wants.
pub(crate) type Flows = Arc<[(FlowKey, Candidate)]>;

/// All claims on flow keys from one kind of source. Keys of different kinds of sources are apart by
/// construction, so each kind settles its own.
pub(crate) type Claims = Collected<FlowKey, Candidate>;

/// Gathers the flows of a rule by key, and keeps their changes for the output.
pub(crate) fn publish<K: Key>(
    build: &mut Builder,
    name: &'static str,
    rule: Rule<K, Flows>,
) -> Claims {
    let claims = build.collect(name, rule, |_, flows| flows.to_vec());
    build.watch(claims);
    claims
}

/// Collects the flows of one row.
pub(crate) struct Emit {
    owner: Uuid,
    flows: Vec<(FlowKey, Candidate)>,
}

impl Emit {
    /// Flows of a row; of none when the UUID is nil.
    pub(crate) fn new(owner: Uuid) -> Self {
        Self {
            owner,
            flows: Vec::new(),
        }
    }

    pub(crate) fn flow(
        &mut self,
        table: u8,
        priority: u16,
        matches: Match,
        actions: impl Into<Actions>,
    ) {
        let candidate = Candidate::flow(self.owner, actions);
        self.flows.push((
            FlowKey {
                table,
                priority,
                matches,
            },
            candidate,
        ));
    }

    /// A flow that several rows ask for alike, so that no row's cookie is right.
    pub(crate) fn shared(
        &mut self,
        table: u8,
        priority: u16,
        matches: Match,
        actions: Vec<Action>,
    ) {
        let mut candidate = Candidate::flow(self.owner, actions);
        if let Claim::Flow(body) = &mut candidate.claim {
            body.cookie = 0;
        }
        self.flows.push((
            FlowKey {
                table,
                priority,
                matches,
            },
            candidate,
        ));
    }

    pub(crate) fn finish(self) -> Flows {
        self.flows.into()
    }
}

/// Writes a whole register.
pub(crate) fn set_reg(register: u8, value: u32) -> Action {
    Action::set_field(Field::Reg(register), value)
}

/// Writes one bit of the flags.
pub(crate) fn set_flag(bit: u8, value: bool) -> Action {
    Action::load(value, Field::Reg(tables::FLAGS).slice(bit.into(), 1))
}

/// Adds "this flag is so" to a match.
pub(crate) fn with_flag(matches: Match, bit: u8, value: bool) -> Match {
    matches.reg_masked(tables::FLAGS, u32::from(value) << bit, 1 << bit)
}

/// Matches what leaves by a port or group of a datapath.
pub(crate) fn leaving(datapath: u32, key: u32) -> Match {
    Match::new()
        .metadata(datapath.into())
        .reg(tables::OUTPORT, key)
}

/// Matches what came in by a port of a datapath.
pub(crate) fn entering(datapath: u32, key: u32) -> Match {
    Match::new()
        .metadata(datapath.into())
        .reg(tables::INPORT, key)
}

/// Empties the registers that belong to logical flows.
pub(crate) fn clear_registers() -> impl Iterator<Item = Action> {
    (0..tables::LOGICAL_REGISTERS).map(|register| set_reg(register, 0))
}

/// Hides the input port, so that a packet may leave by it, and shows it again.
///
/// It becomes "no port" and not zero: a packet that is recirculated in between would be dropped by the
/// switch for having come from port zero.
pub(crate) fn hide_input_port() -> Vec<Action> {
    let input: openflow::Subfield = Field::InPort.whole();
    vec![
        Action::Push(input),
        Action::set_field(Field::InPort, 0xffff_u16),
        Action::resubmit(tables::LOG_TO_PHY),
        Action::Pop(input),
    ]
}

/// The connection tracking zones of a port.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Zones {
    ct: Option<u16>,
    dnat: Option<u16>,
    snat: Option<u16>,
}

impl Zones {
    pub(crate) fn of(
        cx: &incremental::Context<'_>,
        world: World,
        row: &model::sb::PortBinding,
    ) -> Self {
        let datapath = row.datapath.uuid();
        Self {
            ct: world.zone(cx, &Zone::Port(row.logical_port.clone())),
            dnat: world.zone(cx, &Zone::Dnat(datapath)),
            snat: world.zone(cx, &Zone::Snat(datapath)),
        }
    }

    /// Loads the zones that there are.
    pub(crate) fn load(self) -> impl Iterator<Item = Action> {
        let zones = [
            (tables::CT_ZONE, self.ct),
            (tables::DNAT_ZONE, self.dnat),
            (tables::SNAT_ZONE, self.snat),
        ];
        zones
            .into_iter()
            .filter_map(|(register, zone)| Some(set_reg(register, zone?.into())))
    }
}

/// What makes a packet one that came in by this port: zones, datapath, input port.
pub(crate) fn enter(zones: Zones, datapath: u32, key: u32) -> impl Iterator<Item = Action> {
    let place = [
        Action::set_field(Field::Metadata, u64::from(datapath)),
        set_reg(tables::INPORT, key),
    ];
    zones.load().chain(place)
}

/// Marks a packet that came from a port of a kind that later tables treat apart.
pub(crate) fn mark_nested() -> Action {
    set_flag(flag::NESTED_CONTAINER, true)
}
