//! What a network remembers between packets. The caller has it, a run changes it.
//!
//! Nothing here ages: a state is that of a conversation whose packets follow each other at once.

use std::net::IpAddr;

use packet::Mac;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::conntrack::{Connections, Tuple};
use crate::network::{ChassisId, DatapathId, PortId};

/// How connection tracking is modelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tracking {
    /// Connections are remembered; a packet finds the state that those before it have made.
    Modelled,
    /// Nothing is known: each look-up takes the next of these states, and `trk|est` when none is left. This is how
    /// `ovn-trace` does it.
    Assumed(Vec<u32>),
}

/// Where something is remembered: a datapath on a chassis, or in the whole network as one place.
pub(crate) type Seat = (DatapathId, Option<ChassisId>);

/// Which client's choice of a backend is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    pub(crate) seat: Seat,
    pub(crate) from: IpAddr,
    pub(crate) vip: IpAddr,
    /// Protocol and port, when the virtual address has a port.
    pub(crate) port: Option<(u8, u16)>,
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
    /// Backends that clients were given, of load balancers that stay with their choice.
    pub(crate) affinity: FxHashMap<Client, (IpAddr, u16)>,
    /// From which next hop of an ECMP route a connection came.
    pub(crate) next_hops: FxHashSet<(Seat, Mac, Tuple)>,
    /// The other direction of those connections.
    pub(crate) towards_next_hops: FxHashSet<(Seat, Tuple)>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            tracking: Tracking::Modelled,
            connections: Connections::default(),
            neighbours: FxHashMap::default(),
            learned: FxHashMap::default(),
            affinity: FxHashMap::default(),
            next_hops: FxHashSet::default(),
            towards_next_hops: FxHashSet::default(),
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

    /// Whether what switches and chassis do is modelled, and not what `ovn-trace` assumes.
    pub(crate) fn is_modelled(&self) -> bool {
        self.tracking == Tracking::Modelled
    }
}
