//! What becomes of the parameters of a machine.

use hvflow::Ports;
use hvflow::params::{InterfaceType, NetworkParams, Problems};

use super::{Reason, Refusal};

/// The machine with those cards alone whose ports are there. A card without a port has no flows, and the places of
/// the others stay what they are.
pub(super) fn present(ports: &Ports, params: &NetworkParams) -> NetworkParams {
    let mut present = params.clone();
    for vnic in &mut present.vnics {
        vnic.enabled &= ports.number(&vnic.name).is_some();
    }
    present
}

/// The names of cards whose ports are not there.
pub(super) fn waiting(ports: &Ports, params: &NetworkParams) -> Vec<String> {
    let absent = params.vnics.iter();
    let absent = absent.filter(|vnic| vnic.enabled && ports.number(&vnic.name).is_none());
    absent.map(|vnic| vnic.name.clone()).collect()
}

/// The first problem names the field; the text has all of them.
pub(super) fn wrong(problems: &Problems) -> Refusal {
    let field = problems.iter().next().map(|problem| problem.path.clone());
    let texts: Vec<String> = problems
        .iter()
        .enumerate()
        .map(|(place, problem)| {
            if place == 0 {
                problem.message.clone()
            } else {
                problem.to_string()
            }
        })
        .collect();
    Refusal {
        reason: Reason::Invalid,
        field,
        text: texts.join("; "),
    }
}

/// The machine with interfaces added.
pub(super) fn added(
    old: Option<&NetworkParams>,
    new: &NetworkParams,
    only: Option<InterfaceType>,
) -> Result<NetworkParams, Refusal> {
    let mut all = old.cloned().unwrap_or_else(|| NetworkParams {
        droplet_id: new.droplet_id,
        ..NetworkParams::default()
    });
    for (place, vnic) in new.vnics.iter().enumerate() {
        if only.is_some_and(|only| only != vnic.interface_type) {
            continue;
        }
        match all.vnics.iter().find(|known| known.name == vnic.name) {
            Some(known) if known == vnic => {}
            Some(_) => {
                let text = format!(
                    "{} is there with other parameters; replace the machine to change it",
                    vnic.name
                );
                return Err(Refusal::field(
                    Reason::Exists,
                    format!("vnics[{place}]"),
                    text,
                ));
            }
            None => all.vnics.push(vnic.clone()),
        }
    }
    for (name, members) in &new.address_groups {
        match all.address_groups.get(name) {
            Some(known) if known == members => {}
            Some(_) => {
                let field = format!("address_groups.{name}");
                let text = "is there with other members; replace the machine to change it";
                return Err(Refusal::field(Reason::Exists, field, text));
            }
            None => drop(all.address_groups.insert(name.clone(), members.clone())),
        }
    }
    all.check().map_err(|problems| wrong(&problems))?;
    Ok(all)
}

/// The machine with interfaces disabled.
pub(super) fn disabled(old: &NetworkParams, only: Option<InterfaceType>) -> NetworkParams {
    let mut all = old.clone();
    for vnic in &mut all.vnics {
        if only.is_none_or(|only| only == vnic.interface_type) {
            vnic.enabled = false;
        }
    }
    all
}
