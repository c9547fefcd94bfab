//! From flags to requests. Nobody is called here: what is wrong with the input is found before that.

use std::io::Read;

use anyhow::Context;
use hvd::client::CallError;
use hvflow::params::{Direction, NetworkParams, Rule};
use rpc::region::v1;

use super::client::Ask;
use super::command::{
    Change, CustomerChange, FloatingChange, HypervisorChange, MachineChange, Ports, RuleChange,
};
use super::how::{How, Port};

/// Requests, one after the other, and how each is carried out.
pub(super) type Asked = (Vec<Ask>, How);

impl Change {
    pub(super) fn asks(self) -> Asked {
        match self {
            Self::Register { endpoint, how } => {
                // Who may only register may not look how an action goes on.
                let mut how = how;
                how.detach = true;
                let options = None;
                one(v1::RegisterRequest { endpoint, options }, how)
            }
            Self::Open(ports) => {
                let (rules, how) = ports.rules();
                let ask = |(scope, rule)| {
                    Ask::from(v1::AddRuleRequest {
                        scope,
                        rule,
                        options: None,
                    })
                };
                (rules.into_iter().map(ask).collect(), how)
            }
            Self::Close(ports) => {
                let (rules, how) = ports.rules();
                let ask = |(scope, rule)| {
                    Ask::from(v1::RemoveRuleRequest {
                        scope,
                        rule,
                        options: None,
                    })
                };
                (rules.into_iter().map(ask).collect(), how)
            }
            Self::Enable { scope, how } => {
                let (scope, options) = (Some(scope.scope()), None);
                one(v1::EnableRequest { scope, options }, how)
            }
            Self::Disable { scope, how } => {
                let (scope, options) = (Some(scope.scope()), None);
                one(v1::DisableRequest { scope, options }, how)
            }
            Self::Stop { action, how } => {
                let (number, options) = (action, None);
                one(v1::StopActionRequest { number, options }, how)
            }
            Self::Resume { action, how } => {
                let (number, options) = (action, None);
                one(v1::ResumeActionRequest { number, options }, how)
            }
        }
    }
}

fn one(ask: impl Into<Ask>, how: How) -> Asked {
    (vec![ask.into()], how)
}

/// A scope and a rule, as messages have them.
type Scoped = (Option<v1::Scope>, Option<rpc::hv::v1::Rule>);

impl Ports {
    fn rules(self) -> (Vec<Scoped>, How) {
        let direction = match self.outbound {
            true => Direction::Outbound,
            false => Direction::Inbound,
        };
        let scoped = |port: &Port| {
            let rule = port.rule(direction, &self.from);
            (Some(self.scope.scope()), Some((&rule).into()))
        };
        (self.ports.iter().map(scoped).collect(), self.how)
    }
}

impl HypervisorChange {
    pub(super) fn asks(self) -> Asked {
        let options = None;
        match self {
            Self::Put {
                name,
                endpoint,
                tag,
                disabled,
                how,
            } => {
                let (tags, enabled) = (tag, Some(!disabled));
                one(
                    v1::PutHypervisorRequest {
                        name,
                        endpoint,
                        tags,
                        enabled,
                        options,
                    },
                    how,
                )
            }
            Self::Remove { name, force, how } => one(
                v1::RemoveHypervisorRequest {
                    name,
                    force,
                    options,
                },
                how,
            ),
        }
    }
}

impl CustomerChange {
    pub(super) fn asks(self) -> Asked {
        let options = None;
        match self {
            Self::Put {
                name,
                disabled,
                how,
            } => {
                let enabled = Some(!disabled);
                one(
                    v1::PutCustomerRequest {
                        name,
                        enabled,
                        options,
                    },
                    how,
                )
            }
            Self::Remove { name, how } => one(v1::RemoveCustomerRequest { name, options }, how),
        }
    }
}

impl MachineChange {
    pub(super) fn asks(self) -> anyhow::Result<Asked> {
        let options = None;
        Ok(match self {
            Self::Put {
                file,
                customer,
                hypervisor,
                tag,
                disabled,
                how,
            } => {
                let params = NetworkParams::from_json(&read(&file)?);
                let params = params.map_err(|error| refused(&file, &error))?;
                let put = v1::PutMachineRequest {
                    params: Some((&params).into()),
                    customer,
                    hypervisor,
                    tags: tag,
                    enabled: Some(!disabled),
                    options,
                };
                one(put, how)
            }
            Self::Remove {
                machine: machine_id,
                how,
            } => one(
                v1::RemoveMachineRequest {
                    machine_id,
                    options,
                },
                how,
            ),
            Self::Move {
                machine: machine_id,
                to,
                how,
            } => one(
                v1::BeginMoveRequest {
                    machine_id,
                    to,
                    options,
                },
                how,
            ),
            Self::FinishMove {
                machine: machine_id,
                how,
            } => one(
                v1::FinishMoveRequest {
                    machine_id,
                    options,
                },
                how,
            ),
            Self::CancelMove {
                machine: machine_id,
                how,
            } => one(
                v1::CancelMoveRequest {
                    machine_id,
                    options,
                },
                how,
            ),
        })
    }
}

impl RuleChange {
    pub(super) fn asks(self) -> anyhow::Result<Asked> {
        let (is_added, file) = match self {
            Self::Add(file) => (true, file),
            Self::Remove(file) => (false, file),
        };
        let rule = Rule::from_json(&read(&file.file)?);
        let rule = rule.map_err(|error| refused(&file.file, &error))?;
        let (scope, rule, options) = (Some(file.scope.scope()), Some((&rule).into()), None);
        Ok(match is_added {
            true => one(
                v1::AddRuleRequest {
                    scope,
                    rule,
                    options,
                },
                file.how,
            ),
            false => one(
                v1::RemoveRuleRequest {
                    scope,
                    rule,
                    options,
                },
                file.how,
            ),
        })
    }
}

impl FloatingChange {
    pub(super) fn asks(self) -> Asked {
        let options = None;
        match self {
            Self::Put {
                address,
                customer,
                bearer,
                how,
            } => {
                let (machine_id, card) = (bearer.machine, bearer.card);
                let put = v1::PutFloatingAddressRequest {
                    address,
                    customer,
                    machine_id,
                    card,
                    options,
                };
                one(put, how)
            }
            Self::Remove { address, how } => {
                one(v1::RemoveFloatingAddressRequest { address, options }, how)
            }
        }
    }
}

/// A file, or the standard input; no more of it than a request may have.
pub(super) fn read(file: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than may be tells that there is more.
    let most = rpc::LONGEST_REQUEST as u64 + 1;
    let read = match file {
        "-" => std::io::stdin().lock().take(most).read_to_end(&mut bytes),
        path => std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)),
    };
    read.with_context(|| file.to_owned())?;
    Ok(bytes)
}

/// A file that is refused before anybody is asked.
pub(super) fn refused(file: &str, error: &dyn std::fmt::Display) -> CallError {
    CallError::Refused {
        field: None,
        text: format!("{file}: {error}"),
    }
}
