//! What a fleet has its shell do.

use std::sync::Arc;
use std::time::Duration;

use hvflow::params::NetworkParams;
use model::region::ActionState;
use model::{Map, Str, Uuid};

/// What the shell is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Keep a link to a hypervisor, in place of any former one to it: say [`super::Fleet::up`] with all its machines whenever
    /// it is there, and [`super::Fleet::down`] when it is not.
    Link {
        /// Its name.
        host: Str,
        /// Where.
        endpoint: Str,
    },
    /// End the link.
    Unlink {
        /// Its name.
        host: Str,
    },
    /// Carry out changes, one after the other up to the first that fails; say [`super::Fleet::told`] then.
    Tell {
        /// Its name.
        host: Str,
        /// To be given back.
        number: u64,
        /// In order.
        changes: Vec<Change>,
        /// How long all of it may take.
        deadline: Duration,
    },
    /// Write down how far an action is; say [`super::Fleet::recorded`] then.
    Record {
        /// The action's number.
        action: i64,
        /// How far.
        state: ActionState,
        /// Hypervisors with what came of them since the last record.
        outcomes: Map<Str, Str>,
        /// Hypervisors that it holds from now on: their `held_by`.
        held: Vec<Str>,
    },
    /// Write down that a hypervisor has forgotten a machine: take it from `departed`.
    Forgotten {
        /// The machine.
        machine: Uuid,
        /// The hypervisor.
        hypervisor: Uuid,
    },
}

/// One change of what a hypervisor has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Let a machine be this.
    Replace(Arc<NetworkParams>),
    /// Forget the machine of this number.
    Remove(u32),
}

impl Change {
    /// The machine's number.
    pub fn machine(&self) -> u32 {
        match self {
            Self::Replace(params) => params.droplet_id,
            Self::Remove(number) => *number,
        }
    }
}
