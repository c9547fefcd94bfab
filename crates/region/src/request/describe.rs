//! A request as the log of actions has it.

use model::{Map, Str};

use super::{Request, Scope};

impl Request {
    /// The request for people who read the log of actions.
    pub(crate) fn describe(&self) -> Map<Str, Str> {
        let mut words = Map::default();
        let mut say = |name: &str, value: String| drop(words.insert(name.into(), value.into()));
        match self {
            Self::PutHypervisor {
                name,
                endpoint,
                enabled,
                ..
            } => {
                say("hypervisor", name.to_string());
                say("endpoint", endpoint.to_string());
                say("enabled", enabled.to_string());
            }
            Self::Register { name, endpoint } => {
                say("hypervisor", name.to_string());
                say("endpoint", endpoint.to_string());
            }
            Self::RemoveHypervisor { name, force } => {
                say("hypervisor", name.to_string());
                say("force", force.to_string());
            }
            Self::PutCustomer { name, enabled } => {
                say("customer", name.to_string());
                say("enabled", enabled.to_string());
            }
            Self::RemoveCustomer { name } => say("customer", name.to_string()),
            Self::PutMachine {
                parameters,
                customer,
                hypervisor,
                ..
            } => {
                say("parameters", parameters.to_string());
                say("customer", customer.to_string());
                hypervisor
                    .iter()
                    .for_each(|name| say("hypervisor", name.to_string()));
            }
            Self::AddRule { scope, rule } | Self::RemoveRule { scope, rule } => {
                scope.describe(&mut say);
                say("rule", serde_json::to_string(rule).unwrap_or_default());
            }
            Self::Enable { scope, .. } => scope.describe(&mut say),
            Self::PutFloating {
                address,
                customer,
                machine,
                card,
            } => {
                say("address", address.to_string());
                say("customer", customer.to_string());
                machine
                    .iter()
                    .for_each(|number| say("machine", number.to_string()));
                card.iter().for_each(|name| say("card", name.to_string()));
            }
            Self::RemoveFloating { address } => say("address", address.to_string()),
            Self::BeginMove { machine, to } => {
                say("machine", machine.to_string());
                say("to", to.to_string());
            }
            Self::RemoveMachine { machine }
            | Self::FinishMove { machine }
            | Self::CancelMove { machine } => say("machine", machine.to_string()),
            Self::Stop { action } | Self::Resume { action } => say("action", action.to_string()),
        }
        words
    }
}

impl Scope {
    fn describe(&self, say: &mut impl FnMut(&str, String)) {
        self.machine
            .iter()
            .for_each(|number| say("machine", number.to_string()));
        self.customer
            .iter()
            .for_each(|name| say("customer", name.to_string()));
        self.tag.iter().for_each(|tag| say("tag", tag.to_string()));
    }
}
