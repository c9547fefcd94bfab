//! What somebody asks for, and the plan to do it: changes of rows, and the hypervisors that they concern.
//!
//! It must not know who may ask, nor how rows are written. Invariants: a plan is a function of the view and the
//! request; a request that cannot be carried out changes nothing and says which part of it is wrong; after a plan every
//! machine that it touches has parameters that make sense.

mod concerned;
mod describe;
mod edit;
mod log;
mod machines;
mod refused;
#[cfg(test)]
mod tests;

use hvflow::params::Rule;
use model::region::{Action, ActionState, Hypervisor};
use model::{Map, Set, Str, Uuid};
use ovsdb::RowChange;

use crate::view::View;
use edit::Edit;
pub(crate) use edit::change;
pub use log::{ACTIONS, OUTCOMES};
pub use refused::{Reason, Refused};

/// A set of machines: for which all holds that is said. With nothing said it is all machines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// The machine of this number.
    pub machine: Option<u32>,
    /// Those of a customer.
    pub customer: Option<Str>,
    /// Those with a tag.
    pub tag: Option<Str>,
}

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A hypervisor is there, or is another than before.
    PutHypervisor {
        /// Its name.
        name: Str,
        /// Where its daemon is reached.
        endpoint: Str,
        /// What it is, for people.
        tags: Set<Str>,
        /// Whether it is told anything.
        enabled: bool,
    },
    /// A hypervisor says itself where it is reached. Everything else stays as it was; one that is new is enabled.
    Register {
        /// Its name.
        name: Str,
        /// Where its daemon is reached.
        endpoint: Str,
    },
    /// A hypervisor is there no longer. It must have no machines; with `force`, those that leave it or were on it
    /// are taken to be gone.
    RemoveHypervisor {
        /// Its name.
        name: Str,
        /// Whether it is gone for good.
        force: bool,
    },
    /// A customer is there, or is another than before.
    PutCustomer {
        /// The name.
        name: Str,
        /// Whether the machines have connectivity.
        enabled: bool,
    },
    /// A customer is there no longer; no machine, rule or address may be left.
    RemoveCustomer {
        /// The name.
        name: Str,
    },
    /// A machine is to be, or is to be another than before. To move it, begin a move.
    PutMachine {
        /// The JSON of its network parameters.
        parameters: Str,
        /// Whose it is.
        customer: Str,
        /// Where it runs, if anywhere.
        hypervisor: Option<Str>,
        /// What it is, for scopes.
        tags: Set<Str>,
        /// Whether it has connectivity.
        enabled: bool,
    },
    /// A machine is to be no longer.
    RemoveMachine {
        /// Its number.
        machine: u32,
    },
    /// Adds a rule to the policies of machines, those to come included.
    AddRule {
        /// Which machines.
        scope: Scope,
        /// The rule.
        rule: Box<Rule>,
    },
    /// Takes a rule away that was added for just this scope.
    RemoveRule {
        /// Which machines.
        scope: Scope,
        /// The rule.
        rule: Box<Rule>,
    },
    /// Gives machines connectivity, or takes it. If the scope is just a customer, that holds for machines to come as
    /// well.
    Enable {
        /// Which machines.
        scope: Scope,
        /// Whether they have it.
        enabled: bool,
    },
    /// A customer has a floating address, and perhaps a machine bears it.
    PutFloating {
        /// The address.
        address: Str,
        /// Whose it is.
        customer: Str,
        /// The machine's number.
        machine: Option<u32>,
        /// The name of the machine's card, if not its first public one.
        card: Option<Str>,
    },
    /// A floating address is given back.
    RemoveFloating {
        /// The address.
        address: Str,
    },
    /// Makes a machine ready on another hypervisor, where it is passive.
    BeginMove {
        /// Its number.
        machine: u32,
        /// Where it goes.
        to: Str,
    },
    /// A machine has arrived: it is no longer passive there, and is forgotten where it was.
    FinishMove {
        /// Its number.
        machine: u32,
    },
    /// A machine stays where it was.
    CancelMove {
        /// Its number.
        machine: u32,
    },
    /// Stops an action: who has not been told is held.
    Stop {
        /// Its number.
        action: i64,
    },
    /// Goes on with an action that has stopped.
    Resume {
        /// Its number.
        action: i64,
    },
}

/// Who asks, and how it is to be carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Milliseconds since 1970.
    pub time: i64,
    /// The name in the caller's certificate, or the user of a local socket.
    pub who: Str,
    /// As `policy` of [`Action`].
    pub policy: Map<Str, i64>,
    /// What the caller names the request.
    pub key: Option<Str>,
}

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The rows, in one transaction; the action's own included.
    pub changes: Vec<RowChange>,
    /// The number of the action.
    pub action: i64,
    /// Names of the hypervisors that it concerns.
    pub hypervisors: Set<Str>,
}

impl Request {
    /// What it is called in the log of actions.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PutHypervisor { .. } => "put hypervisor",
            Self::Register { .. } => "register hypervisor",
            Self::RemoveHypervisor { .. } => "remove hypervisor",
            Self::PutCustomer { .. } => "put customer",
            Self::RemoveCustomer { .. } => "remove customer",
            Self::PutMachine { .. } => "put machine",
            Self::RemoveMachine { .. } => "remove machine",
            Self::AddRule { .. } => "add rule",
            Self::RemoveRule { .. } => "remove rule",
            Self::Enable { enabled: true, .. } => "enable",
            Self::Enable { enabled: false, .. } => "disable",
            Self::PutFloating { .. } => "put floating address",
            Self::RemoveFloating { .. } => "remove floating address",
            Self::BeginMove { .. } => "begin move",
            Self::FinishMove { .. } => "finish move",
            Self::CancelMove { .. } => "cancel move",
            Self::Stop { .. } => "stop",
            Self::Resume { .. } => "resume",
        }
    }

    /// How to carry it out. The view is tried out on, and is as before then.
    ///
    /// # Errors
    /// When it names what is not there, or would leave what makes no sense.
    pub fn plan(
        &self,
        view: &mut View,
        about: &About,
        new_uuid: &mut dyn FnMut() -> Uuid,
    ) -> Result<Plan, Refused> {
        let mut edit = Edit::new(view, new_uuid);
        self.edit(&mut edit)?;
        let (mut changes, uuid) = edit.finish();
        let number = view
            .actions
            .values()
            .map(|action| action.number)
            .max()
            .unwrap_or(0)
            + 1;
        let hypervisors = concerned::concerned(view, &changes)?;
        let is_over = hypervisors.is_empty();
        let action = Action {
            number,
            time: about.time,
            who: about.who.clone(),
            what: self.name().into(),
            request: self.describe(),
            hypervisors: hypervisors.clone(),
            policy: about.policy.clone(),
            state: if is_over {
                ActionState::Done
            } else {
                ActionState::Running
            },
            outcomes: Map::default(),
            key: about.key.clone(),
        };
        changes.push(change(uuid, None, Some(action)));
        changes.extend(log::forgotten(view));
        Ok(Plan {
            changes,
            action: number,
            hypervisors,
        })
    }

    fn edit(&self, edit: &mut Edit<'_>) -> Result<(), Refused> {
        match self {
            Self::PutHypervisor {
                name,
                endpoint,
                tags,
                enabled,
            } => edit.put_hypervisor(name, |row| {
                row.endpoint = endpoint.clone();
                row.tags = tags.clone();
                row.enabled = *enabled;
            }),
            Self::Register { name, endpoint } => edit.register(name, endpoint),
            Self::RemoveHypervisor { name, force } => edit.remove_hypervisor(name, *force),
            Self::PutCustomer { name, enabled } => {
                edit.put_customer(name, *enabled);
                Ok(())
            }
            Self::RemoveCustomer { name } => edit.remove_customer(name),
            Self::PutMachine {
                parameters,
                customer,
                hypervisor,
                tags,
                enabled,
            } => {
                let customer = edit.customer(customer)?;
                let place = hypervisor
                    .as_ref()
                    .map(|name| edit.hypervisor(name))
                    .transpose()?;
                edit.put_machine(
                    parameters,
                    |row| {
                        row.customer = customer;
                        row.tags = tags.clone();
                        row.enabled = *enabled;
                    },
                    place,
                )
            }
            Self::RemoveMachine { machine } => edit.remove_machine(*machine),
            Self::AddRule { scope, rule } => edit.add_rule(scope, rule),
            Self::RemoveRule { scope, rule } => edit.remove_rule(scope, rule),
            Self::Enable { scope, enabled } => edit.enable(scope, *enabled),
            Self::PutFloating {
                address,
                customer,
                machine,
                card,
            } => edit.put_floating(address, customer, *machine, card.as_ref()),
            Self::RemoveFloating { address } => edit.remove_floating(address),
            Self::BeginMove { machine, to } => edit.begin_move(*machine, to),
            Self::FinishMove { machine } => edit.end_move(*machine, true),
            Self::CancelMove { machine } => edit.end_move(*machine, false),
            Self::Stop { action } => edit.stop(*action),
            Self::Resume { action } => edit.resume(*action),
        }
    }
}

/// Whether an endpoint is a place to connect to.
fn check_endpoint(row: &Hypervisor) -> Result<(), Refused> {
    let kinds = ["unix:", "tcp:", "ssl:"];
    if kinds.iter().any(|kind| {
        row.endpoint
            .strip_prefix(kind)
            .is_some_and(|rest| !rest.is_empty())
    }) {
        return Ok(());
    }
    Err(Refused::invalid(
        format!("endpoint {:?}", row.endpoint),
        "is no place to connect to; write unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT",
    ))
}
