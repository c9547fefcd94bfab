//! What is asked without changing anything.
//!
//! The engine waits while its state is looked at, so rows are found and named under that look, and what takes longer is
//! done behind it.

use std::net::IpAddr;
use std::sync::Arc;

use hvd::door::refused;
use model::region::{Action, ActionState, Machine};
use model::{Str, Uuid};
use rpc::region::v1;
use tonic::{Code, Status};

use super::asked::{self, bad};
use super::pages::Asked;
use super::shown::{self, Shown};
use crate::engine::{Handle, Lead, State};
use crate::fleet::LinkState;
use crate::rollout::Counts;

type Result<T> = std::result::Result<T, Status>;

pub(super) fn status(handle: &Handle) -> v1::Status {
    handle.read(|state| {
        let view = state.view();
        let is_up = |uuid: &&Uuid| matches!(state.link(**uuid), Some(LinkState::Up { .. }));
        let numbers = |wanted: ActionState| {
            let rows = view.actions.values().filter(move |row| row.state == wanted);
            let mut numbers: Vec<u64> = rows
                .filter_map(|row| u64::try_from(row.number).ok())
                .collect();
            numbers.sort_unstable();
            numbers
        };
        let leader = match state.lead() {
            Lead::Elsewhere(name) => name.to_owned(),
            Lead::Here => {
                let row = view.leaders.values().next();
                row.map(|row| row.name.to_string()).unwrap_or_default()
            }
            Lead::Nobody => String::new(),
        };
        let machines = view.machines.values().filter(|row| !row.removed);
        v1::Status {
            leads: state.lead() == Lead::Here,
            leader,
            hypervisors: number(view.hypervisors.len()),
            connected: number(view.hypervisors.keys().filter(is_up).count()),
            machines: number(machines.count()),
            running: numbers(ActionState::Running),
            stopped: numbers(ActionState::Stopped),
        }
    })
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn link(state: &State, hypervisor: Uuid) -> (v1::Link, String) {
    match state.link(hypervisor) {
        None => (v1::Link::Unspecified, String::new()),
        Some(LinkState::Up { .. }) => (v1::Link::Up, String::new()),
        Some(LinkState::Connecting) => (v1::Link::Connecting, String::new()),
        Some(LinkState::Disabled) => (v1::Link::Disabled, String::new()),
        Some(LinkState::Down(reason)) => (v1::Link::Down, reason.to_owned()),
    }
}

fn missing(field: &str, what: &str) -> Status {
    refused(Code::NotFound, field, &format!("there is no {what}"))
}

pub(super) fn hypervisor(
    handle: &Handle,
    request: &v1::GetHypervisorRequest,
) -> Result<v1::Hypervisor> {
    let name = asked::name("name", &request.name)?;
    handle.read(|state| {
        let found = state.view().hypervisor(&name);
        let (uuid, row) = found.ok_or_else(|| missing("name", &format!("hypervisor {name:?}")))?;
        let link = link(state, uuid);
        Ok(Shown::counted(state.view()).hypervisor(uuid, row, link))
    })
}

pub(super) fn hypervisors(
    handle: &Handle,
    request: &v1::ListHypervisorsRequest,
) -> Result<v1::ListHypervisorsResponse> {
    let page: Asked<String> = Asked::read(request.page_size, &request.page_token)?;
    let wanted = request.link();
    let (hypervisors, next_page_token) = handle.read(|state| {
        let shown = Shown::counted(state.view());
        let rows = state.view().hypervisors.iter().filter(|(uuid, row)| {
            let tag = Str::from(request.tag.as_str());
            (tag.is_empty() || row.tags.contains(&tag))
                && (wanted == v1::Link::Unspecified || link(state, **uuid).0 == wanted)
        });
        let keyed = rows.map(|(uuid, row)| (row.name.to_string(), (*uuid, row)));
        let (rows, next) = page.of(keyed);
        let rows = rows.into_iter();
        let rows = rows.map(|(uuid, row)| shown.hypervisor(uuid, row, link(state, uuid)));
        (rows.collect(), next)
    });
    Ok(v1::ListHypervisorsResponse {
        hypervisors,
        next_page_token,
    })
}

pub(super) fn customers(
    handle: &Handle,
    request: &v1::ListCustomersRequest,
) -> Result<v1::ListCustomersResponse> {
    let page: Asked<String> = Asked::read(request.page_size, &request.page_token)?;
    let (customers, next_page_token) = handle.read(|state| {
        let shown = Shown::counted(state.view());
        let rows = state.view().customers.iter();
        let (rows, next) = page.of(rows.map(|(uuid, row)| (row.name.to_string(), (*uuid, row))));
        let rows = rows
            .into_iter()
            .map(|(uuid, row)| shown.customer(uuid, row));
        (rows.collect(), next)
    });
    Ok(v1::ListCustomersResponse {
        customers,
        next_page_token,
    })
}

pub(super) fn machine(handle: &Handle, request: &v1::GetMachineRequest) -> Result<v1::Machine> {
    let number = asked::machine(request.machine_id)?;
    handle.read(|state| {
        let mut rows = state.view().machines.iter();
        let found = rows.find(|(_, row)| row.number == i64::from(number));
        let (uuid, row) =
            found.ok_or_else(|| missing("machine_id", &format!("machine {number}")))?;
        let shown = Shown::new(state.view());
        let mut machine = shown.machine(row);
        shown::with_params(&mut machine, row);
        shown.with_told(&mut machine, *uuid, row);
        Ok(machine)
    })
}

pub(super) fn machines(
    handle: &Handle,
    request: &v1::ListMachinesRequest,
) -> Result<v1::ListMachinesResponse> {
    let page: Asked<i64> = Asked::read(request.page_size, &request.page_token)?;
    let (rows, next_page_token) = handle.read(|state| {
        let shown = Shown::new(state.view());
        let (customer, tag) = (request.customer.as_str(), Str::from(request.tag.as_str()));
        let place = request.hypervisor.as_str();
        let rows = state.view().machines.values().filter(|row| {
            (tag.is_empty() || row.tags.contains(&tag))
                && (customer.is_empty() || shown.customer_name(row.customer) == customer)
                && (place.is_empty() || shown.is_on(row, place))
        });
        let (rows, next) = page.of(rows.map(|row| (row.number, Arc::clone(row))));
        let named = |row: Arc<Machine>| (shown.machine(&row), row);
        (rows.into_iter().map(named).collect::<Vec<_>>(), next)
    });
    let with_params = |(mut machine, row): (v1::Machine, Arc<Machine>)| {
        shown::with_params(&mut machine, &row);
        machine
    };
    Ok(v1::ListMachinesResponse {
        machines: rows.into_iter().map(with_params).collect(),
        next_page_token,
    })
}

pub(super) fn rules(
    handle: &Handle,
    request: &v1::ListRulesRequest,
) -> Result<v1::ListRulesResponse> {
    let page: Asked<Uuid> = Asked::read(request.page_size, &request.page_token)?;
    let of = Some(request.machine_id).filter(|number| *number != 0);
    handle.read(|state| {
        let (view, shown) = (state.view(), Shown::new(state.view()));
        let (rows, next_page_token) = match of {
            None => page.of(view.rules.iter().map(|(uuid, row)| (*uuid, row))),
            Some(number) => {
                let mut machines = view.machines.iter();
                let found = machines.find(|(_, row)| row.number == i64::from(number));
                let (uuid, row) =
                    found.ok_or_else(|| missing("machine_id", &format!("machine {number}")))?;
                page.of(view.rules_for(*uuid, row))
            }
        };
        Ok(v1::ListRulesResponse {
            rules: rows.into_iter().map(|row| shown.rule(row)).collect(),
            next_page_token,
        })
    })
}

pub(super) fn floating_addresses(
    handle: &Handle,
    request: &v1::ListFloatingAddressesRequest,
) -> Result<v1::ListFloatingAddressesResponse> {
    let page: Asked<IpAddr> = Asked::read(request.page_size, &request.page_token)?;
    let customer = request.customer.as_str();
    let (floating_addresses, next_page_token) = handle.read(|state| {
        let shown = Shown::new(state.view());
        let rows = state
            .view()
            .floating
            .values()
            .filter(|row| customer.is_empty() || shown.customer_name(row.customer) == customer);
        let keyed = rows.filter_map(|row| Some((row.address.parse::<IpAddr>().ok()?, row)));
        let (rows, next) = page.of(keyed);
        (
            rows.into_iter().map(|row| shown.floating(row)).collect(),
            next,
        )
    });
    Ok(v1::ListFloatingAddressesResponse {
        floating_addresses,
        next_page_token,
    })
}

pub(super) fn action(handle: &Handle, request: &v1::GetActionRequest) -> Result<v1::Action> {
    let number = asked::action(request.number)?;
    let found = handle.read(|state| {
        let row = Arc::clone(state.action(number)?);
        let counts = state.counts(&row);
        Some((row, counts))
    });
    let (row, counts) = found.ok_or_else(|| missing("number", &format!("action {number}")))?;
    let mut action = shown::action(&row, counts);
    action.results = shown::results(&row).collect();
    Ok(action)
}

pub(super) fn actions(
    handle: &Handle,
    request: &v1::ListActionsRequest,
) -> Result<v1::ListActionsResponse> {
    // The newest first: the key is what is left above the number.
    let page: Asked<i64> = Asked::read(request.page_size, &request.page_token)?;
    let since = request.since.as_ref().map(millis).transpose()?;
    let hypervisor = Str::from(request.hypervisor.as_str());
    let wanted = request.state();
    let (rows, next_page_token) = handle.read(|state| {
        let rows = state.view().actions.values().filter(|row| {
            (request.who.is_empty() || row.who == request.who.as_str())
                && since.is_none_or(|since| row.time >= since)
                && (hypervisor.is_empty() || row.hypervisors.contains(&hypervisor))
                && (wanted == v1::ActionState::Unspecified || shown::state(row.state) == wanted)
        });
        let (rows, next) = page.of(rows.map(|row| (i64::MAX - row.number, Arc::clone(row))));
        let counted = |row: Arc<Action>| {
            let counts = state.counts(&row);
            (row, counts)
        };
        let rows: Vec<(Arc<Action>, Counts)> = rows.into_iter().map(counted).collect();
        (rows, next)
    });
    let actions = rows.iter();
    Ok(v1::ListActionsResponse {
        actions: actions
            .map(|(row, counts)| shown::action(row, *counts))
            .collect(),
        next_page_token,
    })
}

fn millis(time: &pbjson_types::Timestamp) -> Result<i64> {
    let millis = time.seconds.checked_mul(1000);
    let millis = millis.and_then(|millis| millis.checked_add(i64::from(time.nanos) / 1_000_000));
    millis.ok_or_else(|| bad("since", "is no time that can be"))
}
