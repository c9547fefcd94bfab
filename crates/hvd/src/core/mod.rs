//! What a request changes, and what the switch shall hold. Pure: no socket, no file, no clock.
//!
//! The life of a change: [`Core::plan`] says what it would do, or why not; the shell writes [`Plan::writes`] down,
//! tells the switch [`Plan::commit`], whose flows are one bundle, and then calls [`Core::done`], or writes [`Plan::undo`] down
//! when the switch refused. Nothing in here changes before that. When it is not known what the switch did, the shell
//! calls [`Core::done`] and [`Core::disconnected`]: what was written down counts, and the next [`Core::connected`]
//! makes the switch agree.
//!
//! Invariant: what the switch should hold is a function of the documents that are written down, of the host and of
//! the ports, never of history. Flows of machines that nobody here knows are shown and left alone.

mod keys;
mod machine;
mod outcomes;
mod plan;
mod repair;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use hvflow::cookie::Selection;
use hvflow::params::{InterfaceType, NetworkParams};
use hvflow::{Host, Installed, Ports};

pub use keys::{Answer, Keys};
pub use outcomes::{Event, Kind, Lost, Outcomes, Watched};
pub use plan::{Asked, Decision, Plan};

use crate::store::{Kind as StoreKind, Write};

/// The tables of the store.
pub const STORE: StoreKind = StoreKind {
    name: "Heddle_Hypervisor",
    tables: &[MACHINES, REQUESTS],
};
const MACHINES: &str = "Machine";
const REQUESTS: &str = "Request";
/// The document of a machine whose flows are to go.
const LEAVING: &str = "leaving";

/// Machines of one hypervisor at most. What is beyond is refused.
pub const MOST_MACHINES: usize = 4096;

/// A change that somebody asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Adds interfaces, of one type or all.
    Add(NetworkParams, Option<InterfaceType>),
    /// Makes a machine this.
    Replace(NetworkParams),
    /// Forgets a machine; whether it is a success if there is none.
    Remove(u32, bool),
    /// Disables interfaces, of one type or all.
    Disable(u32, Option<InterfaceType>),
    /// Disables everything.
    DisableAll,
}

impl Request {
    /// The machine that it is about, if it is one.
    #[must_use]
    pub const fn machine(&self) -> Option<u32> {
        match self {
            Self::Add(params, _) | Self::Replace(params) => Some(params.droplet_id),
            Self::Remove(number, _) | Self::Disable(number, _) => Some(*number),
            Self::DisableAll => None,
        }
    }

    /// For log lines.
    #[must_use]
    pub fn subject(&self) -> String {
        let verb = match self {
            Self::Add(..) => "add",
            Self::Replace(_) => "replace",
            Self::Remove(..) => "remove",
            Self::Disable(..) | Self::DisableAll => "disable",
        };
        match self.machine() {
            Some(number) => format!("{verb} machine {number}"),
            None => format!("{verb} all machines"),
        }
    }
}

/// Which kind of reason a refusal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The request is wrong in itself.
    Invalid,
    /// Something is there already.
    Exists,
    /// There is no such machine.
    NotFound,
    /// It cannot be now; the same request may succeed later.
    Unavailable,
    /// There is no room.
    Full,
}

/// Why a request is refused. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of reason.
    pub reason: Reason,
    /// The field of the request that is wrong, if it is one.
    pub field: Option<String>,
    /// What is wrong, and what to do.
    pub text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.text)
    }
}

impl Refusal {
    fn new(reason: Reason, text: impl Into<String>) -> Self {
        Self {
            reason,
            field: None,
            text: text.into(),
        }
    }

    fn field(reason: Reason, field: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            reason,
            field: Some(field.into()),
            text: text.into(),
        }
    }
}

/// A machine, for somebody who looks.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Its number.
    pub machine: u32,
    /// What it is to be, if that is known.
    pub params: Option<NetworkParams>,
    /// Names of interfaces that are not on the bridge.
    pub waiting: Vec<String>,
    /// How many flows the switch holds for it; nothing while the switch is away.
    pub flows: Option<usize>,
}

/// Everything that is known of a hypervisor's machines.
#[derive(Debug)]
pub struct Core {
    host: Host,
    ports: Ports,
    machines: BTreeMap<u32, NetworkParams>,
    /// Machines that were removed, whose flows may still be there.
    leaving: BTreeSet<u32>,
    /// What the switch holds; nothing while that is not known.
    installed: Option<Installed>,
    /// Answers that are remembered.
    pub keys: Keys,
    /// What has happened.
    pub outcomes: Outcomes,
}

/// Why what was written down cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The host does not make sense.
    #[error("the host: {0}")]
    Host(hvflow::params::Problems),
    /// A document is none of ours.
    #[error("{table} {key}: {what}; the store is damaged, or of a newer program")]
    Document {
        /// The table.
        table: &'static str,
        /// The key.
        key: String,
        /// What is wrong.
        what: String,
    },
}

impl Core {
    /// With what was written down. `sequence` is less than the number of any outcome to come.
    ///
    /// # Errors
    /// When a document cannot be read.
    pub fn load<'a>(
        host: Host,
        machines: impl Iterator<Item = (&'a str, &'a str)>,
        requests: impl Iterator<Item = (&'a str, &'a str)>,
        sequence: u64,
    ) -> Result<Self, LoadError> {
        host.check().map_err(LoadError::Host)?;
        let mut core = Self {
            host,
            ports: Ports::default(),
            machines: BTreeMap::new(),
            leaving: BTreeSet::new(),
            installed: None,
            keys: Keys::default(),
            outcomes: Outcomes::new(sequence),
        };
        for (key, document) in machines {
            core.load_machine(key, document)
                .map_err(|what| LoadError::Document {
                    table: MACHINES,
                    key: key.to_owned(),
                    what,
                })?;
        }
        core.keys = Keys::load(requests).map_err(|(key, what)| LoadError::Document {
            table: REQUESTS,
            key,
            what,
        })?;
        Ok(core)
    }

    fn load_machine(&mut self, key: &str, document: &str) -> Result<(), String> {
        let number: u32 = key.parse().map_err(|_| "is no number".to_owned())?;
        if document == LEAVING {
            self.leaving.insert(number);
            return Ok(());
        }
        let params = NetworkParams::from_json(document.as_bytes()).map_err(|e| e.to_string())?;
        self.machines.insert(number, params);
        Ok(())
    }

    /// Whether it is known what the switch holds.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.installed.is_some()
    }

    /// The switch is away.
    pub fn disconnected(&mut self) {
        self.installed = None;
    }

    /// One machine.
    #[must_use]
    pub fn view(&self, number: u32) -> Option<View> {
        let params = self.machines.get(&number);
        let count = |installed: &Installed| installed.flows(Selection::Machine(number)).count();
        let flows = self.installed.as_ref().map(count);
        if params.is_none() && (self.leaving.contains(&number) || flows.unwrap_or(0) == 0) {
            return None;
        }
        Some(View {
            machine: number,
            params: params.cloned(),
            waiting: params.map_or_else(Vec::new, |params| machine::waiting(&self.ports, params)),
            flows,
        })
    }

    /// Machines with numbers above `after`, in their order.
    pub fn views(&self, after: u32) -> impl Iterator<Item = View> {
        let found = self
            .installed
            .as_ref()
            .map(Installed::machines)
            .unwrap_or_default();
        let numbers: BTreeSet<u32> = self.machines.keys().copied().chain(found).collect();
        numbers
            .into_iter()
            .filter(move |number| *number > after)
            .filter_map(|number| self.view(number))
    }

    /// The documents of machines that have left can go now.
    fn swept(&self, numbers: impl IntoIterator<Item = u32>) -> Vec<Write> {
        let gone = |number: u32| Write {
            table: MACHINES,
            key: number.to_string(),
            document: None,
        };
        numbers.into_iter().map(gone).collect()
    }
}

/// What the cookies of a machine's flows have in common.
#[must_use]
pub fn selection(number: u32) -> Selection {
    Selection::Machine(number)
}
