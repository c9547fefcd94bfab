//! What `heddle region` prints of what there is: the service, and lists.

use std::io::Write;

use rpc::region::v1;

use super::output::{json, or_dash, table, word};

fn yes(flag: bool) -> String {
    if flag { "yes" } else { "no" }.to_owned()
}

pub(super) fn status(status: &v1::Status, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(status);
    }
    let mut out = std::io::stdout();
    match (status.leads, status.leader.as_str()) {
        (true, _) => writeln!(out, "leader: this service")?,
        (false, "") => writeln!(out, "leader: none; changes are refused until there is one")?,
        (false, name) => writeln!(out, "leader: {name}; changes are refused here")?,
    }
    let (all, connected) = (status.hypervisors, status.connected);
    match status.leads {
        true => writeln!(out, "hypervisors: {all}, {connected} connected")?,
        false => writeln!(out, "hypervisors: {all}")?,
    }
    writeln!(out, "machines: {}", status.machines)?;
    let numbers = |list: &[u64]| {
        let list: Vec<String> = list.iter().map(ToString::to_string).collect();
        or_dash(&list.join(", "))
    };
    writeln!(out, "actions under way: {}", numbers(&status.running))?;
    Ok(writeln!(
        out,
        "actions stopped: {}",
        numbers(&status.stopped)
    )?)
}

pub(super) fn hypervisor(hypervisor: &v1::Hypervisor, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(hypervisor);
    }
    hypervisors(std::slice::from_ref(hypervisor), false)
}

pub(super) fn hypervisors(hypervisors: &[v1::Hypervisor], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(&hypervisors);
    }
    let row = |it: &v1::Hypervisor| {
        let mut link = match it.link() {
            v1::Link::Unspecified => "-".to_owned(),
            link => word(link.as_str_name(), "LINK_"),
        };
        if it.held_by > 0 {
            link.push_str(&format!(", held by action {}", it.held_by));
        }
        [
            it.name.clone(),
            link,
            it.machines.to_string(),
            it.endpoint.clone(),
            or_dash(&it.tags.join(", ")),
            it.reason.clone(),
        ]
    };
    let header = [
        "HYPERVISOR",
        "LINK",
        "MACHINES",
        "ENDPOINT",
        "TAGS",
        "REASON",
    ];
    table(header, hypervisors.iter().map(row))
}

pub(super) fn customers(customers: &[v1::Customer], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(&customers);
    }
    let row = |it: &v1::Customer| [it.name.clone(), yes(it.enabled), it.machines.to_string()];
    table(
        ["CUSTOMER", "ENABLED", "MACHINES"],
        customers.iter().map(row),
    )
}

pub(super) fn machine(machine: &v1::Machine, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(machine);
    }
    machines(std::slice::from_ref(machine), false)?;
    let params = machine.told.as_ref().or(machine.params.as_ref());
    if let Some(params) = params {
        writeln!(
            std::io::stdout(),
            "{}",
            serde_json::to_string_pretty(params)?
        )?;
    }
    if !machine.problem.is_empty() {
        writeln!(
            std::io::stderr(),
            "heddle: machine {}: {}",
            machine.machine_id,
            machine.problem
        )?;
    }
    Ok(())
}

pub(super) fn machines(machines: &[v1::Machine], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(&machines);
    }
    let row = |it: &v1::Machine| {
        let mut place = or_dash(&it.hypervisor);
        if !it.leaving.is_empty() {
            place = format!("{} to {place}", it.leaving);
        }
        if !it.departed.is_empty() {
            place.push_str(&format!(" (to be forgotten by {})", it.departed.join(", ")));
        }
        let enabled = if it.removed {
            "removed".to_owned()
        } else {
            yes(it.enabled)
        };
        let number = it.machine_id.to_string();
        [
            number,
            it.customer.clone(),
            place,
            enabled,
            or_dash(&it.tags.join(", ")),
            addresses(it),
        ]
    };
    let header = [
        "MACHINE",
        "CUSTOMER",
        "HYPERVISOR",
        "ENABLED",
        "TAGS",
        "ADDRESSES",
    ];
    table(header, machines.iter().map(row))
}

fn addresses(machine: &v1::Machine) -> String {
    let cards = machine.params.iter().flat_map(|params| &params.vnics);
    let addresses = cards.filter_map(|card| card.addresses.as_ref());
    let addresses = addresses.flat_map(|it| it.ipv4.iter().chain(&it.ipv6));
    let texts: Vec<String> = addresses.map(|it| it.ip_address.clone()).collect();
    or_dash(&texts.join(", "))
}

pub(super) fn rules(rules: &[v1::ScopedRule], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(&rules);
    }
    let row = |it: &v1::ScopedRule| {
        let rule = it
            .rule
            .as_ref()
            .and_then(|rule| serde_json::to_string(rule).ok());
        [scope(it.scope.as_ref()), rule.unwrap_or_default()]
    };
    table(["MACHINES", "RULE"], rules.iter().map(row))
}

fn scope(scope: Option<&v1::Scope>) -> String {
    let Some(scope) = scope.filter(|scope| !scope.all) else {
        return "all".to_owned();
    };
    let number = match scope.machine_id {
        0 => String::new(),
        number => number.to_string(),
    };
    let parts = [
        ("machine", &number),
        ("customer", &scope.customer),
        ("tag", &scope.tag),
    ];
    let said = parts.into_iter().filter(|(_, text)| !text.is_empty());
    let said = said.map(|(name, text)| format!("{name} {text}"));
    said.collect::<Vec<_>>().join(", ")
}

pub(super) fn floating(rows: &[v1::FloatingAddress], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(&rows);
    }
    let row = |it: &v1::FloatingAddress| {
        let machine = match it.machine_id {
            0 => "-".to_owned(),
            number => number.to_string(),
        };
        [
            it.address.clone(),
            it.customer.clone(),
            machine,
            or_dash(&it.card),
        ]
    };
    table(
        ["ADDRESS", "CUSTOMER", "MACHINE", "CARD"],
        rows.iter().map(row),
    )
}
