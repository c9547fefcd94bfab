//! From the definitions to requests. What makes no sense by itself is refused here, by the name of its field; what makes
//! none beside what there is, is for the plan to find.

use std::ops::RangeInclusive;
use std::time::Duration;

use hvd::door::refused;
use hvd::service::wrong;
use hvflow::params::{NetworkParams, Rule};
use model::{Set, Str};
use rpc::region::v1;
use tonic::{Code, Status};
use transport::Remote;

use crate::request::{Request, Scope};
use crate::rollout::Policy;

/// The longest name in bytes.
const NAME: usize = 128;
/// How many tags there may be.
const TAGS: usize = 64;
/// An hour, in milliseconds.
const HOUR: u32 = 3_600_000;

type Result<T> = std::result::Result<T, Status>;

/// A message that asks for a change.
pub(super) trait Asks: Sized {
    /// Takes out how it is to be carried out.
    fn options(&mut self) -> v1::Options;

    /// What is to be changed.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with the field that makes no sense.
    fn request(self) -> Result<Request>;
}

macro_rules! asks {
    ($($message:ident => |$it:ident| $request:expr;)*) => {$(
        impl Asks for v1::$message {
            fn options(&mut self) -> v1::Options {
                self.options.take().unwrap_or_default()
            }

            fn request(self) -> Result<Request> {
                let $it = self;
                Ok($request)
            }
        }
    )*};
}

asks! {
    PutHypervisorRequest => |it| Request::PutHypervisor {
        name: name("name", &it.name)?,
        endpoint: endpoint(&it.endpoint)?,
        tags: tags(&it.tags)?,
        enabled: it.enabled.unwrap_or(true),
    };
    RemoveHypervisorRequest => |it| Request::RemoveHypervisor {
        name: name("name", &it.name)?,
        force: it.force,
    };
    PutCustomerRequest => |it| Request::PutCustomer {
        name: name("name", &it.name)?,
        enabled: it.enabled.unwrap_or(true),
    };
    RemoveCustomerRequest => |it| Request::RemoveCustomer { name: name("name", &it.name)? };
    PutMachineRequest => |it| Request::PutMachine {
        parameters: parameters(it.params.as_ref())?,
        customer: name("customer", &it.customer)?,
        hypervisor: optional("hypervisor", &it.hypervisor)?,
        tags: tags(&it.tags)?,
        enabled: it.enabled.unwrap_or(true),
    };
    RemoveMachineRequest => |it| Request::RemoveMachine { machine: machine(it.machine_id)? };
    BeginMoveRequest => |it| Request::BeginMove {
        machine: machine(it.machine_id)?,
        to: name("to", &it.to)?,
    };
    FinishMoveRequest => |it| Request::FinishMove { machine: machine(it.machine_id)? };
    CancelMoveRequest => |it| Request::CancelMove { machine: machine(it.machine_id)? };
    AddRuleRequest => |it| Request::AddRule {
        scope: scope(it.scope)?,
        rule: rule(it.rule.as_ref())?,
    };
    RemoveRuleRequest => |it| Request::RemoveRule {
        scope: scope(it.scope)?,
        rule: rule(it.rule.as_ref())?,
    };
    EnableRequest => |it| Request::Enable { scope: scope(it.scope)?, enabled: true };
    DisableRequest => |it| Request::Enable { scope: scope(it.scope)?, enabled: false };
    PutFloatingAddressRequest => |it| Request::PutFloating {
        address: name("address", &it.address)?,
        customer: name("customer", &it.customer)?,
        machine: Some(it.machine_id).filter(|number| *number != 0),
        card: optional("card", &it.card)?,
    };
    RemoveFloatingAddressRequest => |it| Request::RemoveFloating {
        address: name("address", &it.address)?,
    };
    StopActionRequest => |it| Request::Stop { action: action(it.number)? };
    ResumeActionRequest => |it| Request::Resume { action: action(it.number)? };
}

/// The request of a hypervisor that says itself where it is; the name is the one in its certificate.
pub(super) fn register(own: &str, it: &v1::RegisterRequest) -> Result<Request> {
    Ok(Request::Register {
        name: name("the name in the certificate", own)?,
        endpoint: endpoint(&it.endpoint)?,
    })
}

/// The policy: what is said, and defaults for the rest.
pub(super) fn policy(given: Option<&v1::Policy>) -> Result<Policy> {
    let Some(given) = given else {
        return Ok(Policy::default());
    };
    let within = |field: &str, value: Option<u32>, range: RangeInclusive<u32>| match value {
        Some(value) if !range.contains(&value) => {
            let (first, last) = (range.start(), range.end());
            let reason = format!("{value} is not in {first}..={last}");
            Err(bad(&format!("options.policy.{field}"), &reason))
        }
        value => Ok(value),
    };
    let count = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
    let time = |value: u32| Duration::from_millis(value.into());
    let mut policy = Policy::default();
    if let Some(value) = within("parallel", given.parallel, 1..=1024)? {
        policy.parallel = count(value);
    }
    if let Some(value) = within("attempts", given.attempts, 1..=100)? {
        policy.attempts = value;
    }
    if let Some(value) = given.stop_after {
        policy.stop_after = count(value);
    }
    if let Some(value) = within("deadline_ms", given.deadline_ms, 1..=HOUR)? {
        policy.deadline = time(value);
    }
    if let Some(value) = within("backoff_ms", given.backoff_ms, 0..=HOUR)? {
        policy.backoff = time(value);
    }
    if let Some(value) = within("max_backoff_ms", given.max_backoff_ms, 0..=HOUR)? {
        policy.max_backoff = time(value);
    }
    Ok(policy)
}

/// The idempotency key, if there is one.
pub(super) fn key(given: &str) -> Result<Option<Str>> {
    if given.len() > rpc::LONGEST_KEY {
        let reason = format!("has {} bytes, more than {}", given.len(), rpc::LONGEST_KEY);
        return Err(bad("options.idempotency_key", &reason));
    }
    Ok(Some(Str::from(given)).filter(|key| !key.is_empty()))
}

pub(super) fn bad(field: &str, reason: &str) -> Status {
    refused(Code::InvalidArgument, field, reason)
}

/// A name that can stand in a path and in a line of a table.
pub(super) fn name(field: &str, text: &str) -> Result<Str> {
    if text.is_empty() {
        return Err(bad(field, "must be said"));
    }
    if text.len() > NAME {
        let reason = format!("has {} bytes, more than {NAME}", text.len());
        return Err(bad(field, &reason));
    }
    let is_bad = |letter: char| letter.is_control() || letter.is_whitespace() || letter == '/';
    if text.contains(is_bad) {
        return Err(bad(
            field,
            "may have no spaces, slashes and control characters",
        ));
    }
    Ok(text.into())
}

fn optional(field: &str, text: &str) -> Result<Option<Str>> {
    if text.is_empty() {
        return Ok(None);
    }
    name(field, text).map(Some)
}

fn tags(given: &[String]) -> Result<Set<Str>> {
    if given.len() > TAGS {
        let reason = format!("{} entries are more than {TAGS}", given.len());
        return Err(bad("tags", &reason));
    }
    let tags = given.iter().enumerate();
    tags.map(|(index, tag)| name(&format!("tags[{index}]"), tag))
        .collect()
}

fn endpoint(text: &str) -> Result<Str> {
    let remote: std::result::Result<Remote, _> = text.parse();
    match remote {
        Ok(Remote::Unix(_) | Remote::Tcp(..) | Remote::Ssl(..)) => Ok(text.into()),
        Ok(_) => Err(bad(
            "endpoint",
            "is a place to listen; name one to connect to",
        )),
        Err(error) => Err(bad(
            "endpoint",
            &format!("{error}; write unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT"),
        )),
    }
}

pub(super) fn machine(number: u32) -> Result<u32> {
    match number {
        0 => Err(bad("machine_id", "must be said; numbers begin with 1")),
        number => Ok(number),
    }
}

pub(super) fn action(number: u64) -> Result<i64> {
    let number = i64::try_from(number).ok().filter(|number| *number > 0);
    number.ok_or_else(|| bad("number", "is not the number of an action"))
}

fn parameters(given: Option<&rpc::hv::v1::NetworkParams>) -> Result<Str> {
    let given = given.ok_or_else(|| bad("params", "must be there: the network parameters"))?;
    let params = NetworkParams::try_from(given).map_err(|problems| wrong(&problems))?;
    let text = serde_json::to_string(&params);
    let text = text.map_err(|error| Status::internal(error.to_string()))?;
    Ok(text.into())
}

fn rule(given: Option<&rpc::hv::v1::Rule>) -> Result<Box<Rule>> {
    let given = given.ok_or_else(|| bad("rule", "must be there"))?;
    let rule = Rule::try_from(given).map_err(|problems| wrong(&problems))?;
    Ok(Box::new(rule))
}

/// A scope. All machines must be meant: what is left out by mistake must not concern everybody.
fn scope(given: Option<v1::Scope>) -> Result<Scope> {
    let given = given.unwrap_or_default();
    let scope = Scope {
        machine: Some(given.machine_id).filter(|number| *number != 0),
        customer: optional("scope.customer", &given.customer)?,
        tag: optional("scope.tag", &given.tag)?,
    };
    match (scope == Scope::default(), given.all) {
        (true, false) => {
            let reason = "say a machine, a customer or a tag; or all, for all machines";
            Err(bad("scope", reason))
        }
        (false, true) => Err(bad("scope.all", "is all machines; leave out the others")),
        _ => Ok(scope),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(result: Result<Request>) -> String {
        let status = result.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        hvd::door::field(&status).unwrap_or_default().to_owned()
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_field() {
        let put = |name: &str, endpoint: &str| {
            let request = v1::PutHypervisorRequest {
                name: name.into(),
                endpoint: endpoint.into(),
                ..Default::default()
            };
            request.request()
        };
        assert!(put("hv1", "ssl:hv1:6651").is_ok());
        for bad in ["", "a b", "a/b", "a\n", &"x".repeat(129)] {
            assert_eq!(field(put(bad, "ssl:hv1:6651")), "name");
        }
        for bad in ["", "hv1", "pssl:6651", "ptcp:1", "ssl:"] {
            assert_eq!(field(put("hv1", bad)), "endpoint", "{bad}");
        }
        let remove = v1::RemoveMachineRequest::default();
        assert_eq!(field(remove.request()), "machine_id");
        let rule = v1::AddRuleRequest {
            scope: Some(v1::Scope {
                tag: "web".into(),
                ..Default::default()
            }),
            rule: Some(rpc::hv::v1::Rule {
                direction: rpc::hv::v1::Direction::Inbound.into(),
                protocol: Some(1),
                ports: vec![rpc::hv::v1::PortRange { first: 1, last: 1 }],
                ..Default::default()
            }),
            options: None,
        };
        assert_eq!(field(rule.request()), "ports");
        let tags = v1::PutMachineRequest {
            params: Some(rpc::hv::v1::NetworkParams {
                droplet_id: 1,
                ..Default::default()
            }),
            customer: "acme".into(),
            tags: vec!["web".into(), String::new()],
            ..Default::default()
        };
        assert_eq!(field(tags.request()), "tags[1]");
    }

    #[test]
    fn all_machines_must_be_meant() {
        let disable = |scope: Option<v1::Scope>| {
            let request = v1::DisableRequest {
                scope,
                options: None,
            };
            request.request()
        };
        let all = v1::Scope {
            all: true,
            ..Default::default()
        };
        let customer = v1::Scope {
            customer: "acme".into(),
            ..Default::default()
        };
        assert_eq!(field(disable(None)), "scope");
        assert_eq!(field(disable(Some(v1::Scope::default()))), "scope");
        let both = v1::Scope {
            all: true,
            ..customer.clone()
        };
        assert_eq!(field(disable(Some(both))), "scope.all");
        let of = |scope| Request::Enable {
            scope,
            enabled: false,
        };
        assert_eq!(disable(Some(all)).unwrap(), of(Scope::default()));
        let acme = Scope {
            customer: Some("acme".into()),
            ..Scope::default()
        };
        assert_eq!(disable(Some(customer)).unwrap(), of(acme));
    }

    #[test]
    fn a_policy_is_what_was_said_and_defaults() {
        let given = v1::Policy {
            parallel: Some(4),
            deadline_ms: Some(250),
            ..Default::default()
        };
        let expected = Policy {
            parallel: 4,
            deadline: Duration::from_millis(250),
            ..Policy::default()
        };
        assert_eq!(policy(Some(&given)).unwrap(), expected);
        let none = v1::Policy {
            parallel: Some(0),
            ..Default::default()
        };
        let status = policy(Some(&none)).unwrap_err();
        assert_eq!(hvd::door::field(&status), Some("options.policy.parallel"));
        assert!(key(&"k".repeat(129)).is_err());
        assert_eq!(key("").unwrap(), None);
    }
}
