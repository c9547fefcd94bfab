//! Between the definitions and the core.

use hvflow::params::{InterfaceType, NetworkParams, Problems};
use prost::Message;
use rpc::hv::v1;
use rpc::hv::v1::dry_run_request::Change as DryRun;
use sha1::{Digest, Sha1};
use tonic::{Code, Status};

use crate::core::{Answer, Event, Kind, Reason, Refusal, Request, View, selection};
use crate::door::refused;
use crate::engine::Failure;

/// The idempotency key, if there is one, and what stands for the rest of the request.
pub(super) fn key<Q: Message>(
    method: &str,
    message: &mut Q,
    key: impl Fn(&mut Q) -> &mut String,
) -> Option<(String, String)> {
    let given = std::mem::take(key(message));
    if given.is_empty() {
        return None;
    }
    let mut digest = Sha1::new();
    digest.update(method);
    digest.update([0]);
    digest.update(message.encode_to_vec());
    let digest: String = digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Some((given, digest))
}

pub(super) fn add(request: &v1::AddRequest) -> Result<Request, Status> {
    let params = params(request.params.as_ref())?;
    Ok(Request::Add(
        params,
        interface_type(&request.interface_type)?,
    ))
}

pub(super) fn replace(request: &v1::ReplaceRequest) -> Result<Request, Status> {
    params(request.params.as_ref()).map(Request::Replace)
}

pub(super) fn remove(request: &v1::RemoveRequest) -> Result<Request, Status> {
    Ok(Request::Remove(request.machine_id, request.allow_missing))
}

pub(super) fn disable(request: &v1::DisableRequest) -> Result<Request, Status> {
    Ok(Request::Disable(
        request.machine_id,
        interface_type(&request.interface_type)?,
    ))
}

pub(super) fn disable_all(_: &v1::DisableAllRequest) -> Result<Request, Status> {
    Ok(Request::DisableAll)
}

pub(super) fn dry_run(request: &v1::DryRunRequest) -> Result<Request, Status> {
    match &request.change {
        Some(DryRun::Add(request)) => add(request),
        Some(DryRun::Replace(request)) => replace(request),
        Some(DryRun::Remove(request)) => remove(request),
        Some(DryRun::Disable(request)) => disable(request),
        Some(DryRun::DisableAll(request)) => disable_all(request),
        None => {
            let reason = "say add, replace, remove, disable or disable_all";
            Err(refused(Code::InvalidArgument, "change", reason))
        }
    }
}

fn params(given: Option<&v1::NetworkParams>) -> Result<NetworkParams, Status> {
    let given = given.ok_or_else(|| {
        refused(
            Code::InvalidArgument,
            "params",
            "must be there: the network parameters of the machine",
        )
    })?;
    NetworkParams::try_from(given).map_err(|problems| wrong(&problems))
}

/// The refusal of parameters that make no sense, which names the first field that is wrong.
#[must_use]
pub fn wrong(problems: &Problems) -> Status {
    let first = problems.iter().next();
    let status = first.map(|first| (first.path.as_str(), problems.to_string()));
    let (path, text) = status.unwrap_or_default();
    let reason = text.strip_prefix(&format!("{path}: ")).unwrap_or(&text);
    refused(Code::InvalidArgument, path, reason)
}

fn interface_type(text: &str) -> Result<Option<InterfaceType>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let found = InterfaceType::ALL
        .into_iter()
        .find(|known| known.name() == text);
    found.map(Some).ok_or_else(|| {
        let reason = format!("{text:?} is no type; there are public and private");
        refused(Code::InvalidArgument, "interface_type", &reason)
    })
}

pub(super) fn page_token(text: &str) -> Result<u32, Status> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| {
        refused(
            Code::InvalidArgument,
            "page_token",
            "is not what a page before said",
        )
    })
}

pub(super) fn no_machine(number: u32) -> Status {
    let reason = format!("there is no machine {number}");
    refused(Code::NotFound, "machine_id", &reason)
}

pub(super) fn refusal(refusal: &Refusal) -> Status {
    let code = match refusal.reason {
        Reason::Invalid => Code::InvalidArgument,
        Reason::Exists => Code::AlreadyExists,
        Reason::NotFound => Code::NotFound,
        Reason::Unavailable => Code::Unavailable,
        Reason::Full => Code::ResourceExhausted,
    };
    match &refusal.field {
        Some(field) => refused(code, field, &refusal.text),
        None => Status::new(code, &refusal.text),
    }
}

pub(super) fn failure(failure: &Failure) -> Status {
    match failure {
        Failure::Refused(it) => refusal(it),
        Failure::Late => Status::deadline_exceeded(
            "the deadline passed before the change was begun; nothing has changed",
        ),
        Failure::Pending(reason) => Status::unknown(format!(
            "{reason}; the change is written down and will be in force when the switch is back; send it again with the same idempotency key to hear"
        )),
        Failure::Store(reason) => {
            Status::internal(format!("{reason}; nothing has changed on the switch"))
        }
        Failure::Ended => Status::unavailable("the daemon ends; nothing has changed"),
    }
}

pub(super) fn change(answer: Answer, replayed: bool) -> v1::Change {
    v1::Change {
        sequence: answer.sequence,
        flows_added: answer.added,
        flows_deleted: answer.deleted,
        waiting: answer.waiting,
        replayed,
    }
}

pub(super) fn machine(view: View) -> v1::Machine {
    let is_enabled = |params: &NetworkParams| params.vnics.iter().any(|vnic| vnic.enabled);
    let state = match (&view.params, view.flows) {
        (_, None) => v1::MachineState::Pending,
        (None, Some(_)) => v1::MachineState::Found,
        (Some(params), Some(_)) if is_enabled(params) => v1::MachineState::Installed,
        (Some(_), Some(_)) => v1::MachineState::Disabled,
    };
    v1::Machine {
        machine_id: view.machine,
        params: view.params.as_ref().map(v1::NetworkParams::from),
        state: state.into(),
        flows: view
            .flows
            .map_or(0, |flows| u32::try_from(flows).unwrap_or(u32::MAX)),
        waiting: view.waiting,
        cookie: selection(view.machine).to_string(),
    }
}

pub(super) fn outcome(event: &Event) -> v1::Outcome {
    let kind = match event.kind {
        Kind::Added => v1::OutcomeKind::Added,
        Kind::Replaced => v1::OutcomeKind::Replaced,
        Kind::Removed => v1::OutcomeKind::Removed,
        Kind::Disabled => v1::OutcomeKind::Disabled,
        Kind::Refused => v1::OutcomeKind::Refused,
        Kind::Repaired => v1::OutcomeKind::Repaired,
        Kind::Connected => v1::OutcomeKind::Connected,
        Kind::Disconnected => v1::OutcomeKind::Disconnected,
    };
    let seconds = i64::try_from(event.time / 1000).unwrap_or(i64::MAX);
    let nanos = i32::try_from(event.time % 1000 * 1_000_000).unwrap_or(0);
    v1::Outcome {
        sequence: event.sequence,
        time: Some(pbjson_types::Timestamp { seconds, nanos }),
        kind: kind.into(),
        machine_id: event.machine.unwrap_or(0),
        flows_added: event.added,
        flows_deleted: event.deleted,
        caller: event.caller.clone(),
        error: event.error.clone(),
    }
}
