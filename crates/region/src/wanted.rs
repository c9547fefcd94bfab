//! What a hypervisor is to have of a machine: its parameters, and what the region adds to them.
//!
//! Invariant: a pure function of the view. Rows whose order does not matter give the same parameters in any order.

use std::net::IpAddr;

use hvflow::params::{FloatingIpv4, FloatingIpv6, InterfaceType, NetworkParams, Rule, Vnic};
use model::region::{FloatingAddress, Hypervisor, Machine};
use model::{Str, Strong, Uuid};

use crate::view::View;

/// Why nobody can say what a machine is to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("machine {machine}: {text}")]
pub struct Wrong {
    /// The machine's number.
    pub machine: i64,
    /// What is wrong, and with which row.
    pub text: String,
}

/// What is wanted from a hypervisor about one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing: the machine has nothing to do with it.
    Nothing,
    /// That it forgets the machine.
    Absent,
    /// That the machine is this.
    Present(Box<NetworkParams>),
}

/// What is wanted from a hypervisor about a machine.
///
/// While a machine moves, where it goes has it passive and where it leaves has it as it was: both are connected until
/// the move is finished.
///
/// # Errors
/// When its parameters, or what is added to them, make no sense.
pub fn wanted(view: &View, uuid: Uuid, hypervisor: Uuid) -> Result<Wanted, Wrong> {
    let Some(machine) = view.machines.get(&uuid) else {
        return Ok(Wanted::Nothing);
    };
    let is_here =
        |place: Option<Strong<Hypervisor>>| place.is_some_and(|at| at.uuid() == hypervisor);
    let (arrives, leaves) = (is_here(machine.hypervisor), is_here(machine.leaving));
    if !arrives && !leaves {
        let departed = machine.departed.iter().any(|at| at.uuid() == hypervisor);
        return Ok(if departed {
            Wanted::Absent
        } else {
            Wanted::Nothing
        });
    }
    let wrong = |text: String| Wrong {
        machine: machine.number,
        text,
    };
    let mut params = NetworkParams::from_json(machine.parameters.as_bytes())
        .map_err(|error| wrong(format!("its parameters: {error}")))?;
    if i64::from(params.droplet_id) != machine.number {
        return Err(wrong(format!(
            "its parameters are of machine {}",
            params.droplet_id
        )));
    }
    if !is_enabled(view, machine) {
        params
            .vnics
            .iter_mut()
            .for_each(|card| card.enabled = false);
    }
    if arrives && machine.leaving.is_some() {
        params.vnics.iter_mut().for_each(|card| card.passive = true);
    }
    for (uuid, row) in view.rules_for(uuid, machine) {
        let rule: Rule = serde_json::from_str(&row.rule)
            .map_err(|error| wrong(format!("rule {uuid}: {error}")))?;
        add_rule(&mut params, &rule);
    }
    for row in view.floating_of(uuid) {
        add_floating(&mut params, row).map_err(wrong)?;
    }
    params
        .check()
        .map_err(|problems| wrong(problems.to_string()))?;
    Ok(Wanted::Present(Box::new(params)))
}

fn is_enabled(view: &View, machine: &Machine) -> bool {
    let customer = view.customers.get(&machine.customer.uuid());
    machine.enabled && customer.is_none_or(|customer| customer.enabled)
}

/// Adds a rule to each card that has policies; one without lets everything through already.
fn add_rule(params: &mut NetworkParams, rule: &Rule) {
    let policies = params
        .vnics
        .iter_mut()
        .filter_map(|card| card.security_policies.as_mut());
    for policies in policies {
        if !policies.rules.contains(rule) {
            policies.rules.push(rule.clone());
        }
    }
}

fn add_floating(params: &mut NetworkParams, row: &FloatingAddress) -> Result<(), String> {
    let address: IpAddr = row
        .address
        .parse()
        .map_err(|_| format!("floating address {}: is no address", row.address))?;
    let card = bearer(&mut params.vnics, row.card.as_ref())
        .ok_or_else(|| format!("floating address {address}: the machine has no such card"))?;
    let floating = &mut card.floating_ips;
    // Connections that the machine opens can bear one address only: the first.
    match address {
        IpAddr::V4(ip_address) => {
            let outbound = floating.ipv4.is_empty();
            floating.ipv4.push(FloatingIpv4 {
                ip_address,
                fixed_address: None,
                outbound,
            });
        }
        IpAddr::V6(ip_address) => {
            let outbound = floating.ipv6.is_empty();
            floating.ipv6.push(FloatingIpv6 {
                ip_address,
                fixed_address: None,
                outbound,
            });
        }
    }
    Ok(())
}

/// The card of that name, or the first public one.
fn bearer<'a>(cards: &'a mut [Vnic], name: Option<&Str>) -> Option<&'a mut Vnic> {
    cards.iter_mut().find(|card| match name {
        Some(name) => card.name == name.as_str(),
        None => card.interface_type == InterfaceType::Public,
    })
}
