//! What a network remembers between packets. The caller has it, a run changes it.

use std::net::IpAddr;

use packet::Mac;
use rustc_hash::FxHashMap;

use crate::conntrack::Connections;
use crate::network::{DatapathId, PortId};

/// How connection tracking is modelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tracking {
    /// Connections are remembered; a packet finds the state that those before it have made.
    Modelled,
    /// Nothing is known: each look-up takes the next of these states, and `trk|est` when none is left. This is how
    /// `ovn-trace` does it.
    Assumed(Vec<u32>),
}

/// What a network remembers.
#[derive(Debug, Clone)]
pub struct State {
    /// How connection tracking is modelled.
    pub tracking: Tracking,
    /// The connections, with [`Tracking::Modelled`].
    pub connections: Connections,
    /// Neighbours that routers have learned, beside those of the database.
    pub(crate) neighbours: FxHashMap<(PortId, IpAddr), Mac>,
    /// Addresses that switches have learned, beside those of the database.
    pub(crate) learned: FxHashMap<(DatapathId, Mac), u32>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            tracking: Tracking::Modelled,
            connections: Connections::default(),
            neighbours: FxHashMap::default(),
            learned: FxHashMap::default(),
        }
    }
}

impl State {
    /// Nothing is remembered, and connection tracking is assumed to say `states`, one look-up each.
    pub fn assuming(states: Vec<u32>) -> Self {
        Self {
            tracking: Tracking::Assumed(states),
            ..Self::default()
        }
    }
}
