//! Our rows `Chassis`, `Chassis_Private` and `Encap`.

use model::{Map, Str, Strong, Uuid, Weak, sb};
use ovsdb::Operation;

use crate::config::Config;
use crate::ops;
use crate::view::Southbound;

/// What must be written so that the Southbound describes this chassis, and what is wrong.
pub fn plan(
    config: &Config,
    datapath_type: &str,
    sb: &Southbound,
) -> (Vec<Operation>, Vec<String>) {
    let mut problems = Vec::new();
    if config.encap_ips.is_empty() || config.encap_types.is_empty() {
        problems.push("Need to specify an encap type and ip".to_owned());
        return (Vec::new(), problems);
    }
    let mut plan = Vec::new();
    let encaps = encaps(config, sb, &mut plan, &mut problems);
    if encaps.is_empty() {
        return (Vec::new(), problems);
    }
    let found = sb.chassis_named(&config.chassis);
    let mut chassis = found.map(|(_, row)| (**row).clone()).unwrap_or_default();
    chassis.name = config.chassis.clone();
    chassis.hostname = config.hostname.clone();
    chassis.encaps = encaps.into_iter().map(Strong::new).collect();
    chassis.transport_zones = config.transport_zones.iter().cloned().collect();
    for (key, value) in &config.published {
        chassis.other_config.insert(key.clone(), value.clone());
    }
    chassis
        .other_config
        .insert("datapath-type".into(), datapath_type.into());
    let uuid = match found {
        Some((uuid, old)) => {
            plan.extend(ops::update(uuid, &**old, &chassis));
            uuid
        }
        None => {
            let uuid = ops::row_id::<sb::Chassis>(&config.chassis);
            plan.push(ops::insert(uuid, &chassis));
            uuid
        }
    };
    plan.extend(private(config, sb, uuid));
    (plan, problems)
}

/// The encapsulations that are ours, made where missing. An end that another chassis already has is
/// left to it: two chassis with one address would take each other's packets.
fn encaps(
    config: &Config,
    sb: &Southbound,
    plan: &mut Vec<Operation>,
    problems: &mut Vec<String>,
) -> Vec<Uuid> {
    let mut ours = Vec::new();
    for ip in &config.encap_ips {
        for kind in &config.encap_types {
            let wanted = encap(config, *kind, ip);
            let found = sb
                .encaps
                .iter()
                .find(|(_, row)| row.type_ == *kind && row.ip == *ip);
            match found {
                Some((uuid, row)) if row.chassis_name == config.chassis => {
                    plan.extend(ops::update(uuid, &**row, &wanted));
                    ours.push(uuid);
                }
                Some((_, row)) => problems.push(format!(
                    "'{}' already has encap ip '{ip}' and type '{kind}', cannot duplicate on '{}'",
                    row.chassis_name, config.chassis
                )),
                None => {
                    let key = format!("{}|{kind}|{ip}", config.chassis);
                    let uuid = ops::row_id::<sb::Encap>(&key);
                    plan.push(ops::insert(uuid, &wanted));
                    ours.push(uuid);
                }
            }
        }
    }
    ours
}

fn encap(config: &Config, type_: sb::EncapType, ip: &Str) -> sb::Encap {
    let csum = if config.encap_csum { "true" } else { "false" };
    let options: Map<Str, Str> = [(Str::new_static("csum"), Str::new_static(csum))]
        .into_iter()
        .collect();
    sb::Encap {
        type_,
        options,
        ip: ip.clone(),
        chassis_name: config.chassis.clone(),
    }
}

fn private(config: &Config, sb: &Southbound, chassis: Uuid) -> Option<Operation> {
    let chassis = Some(Weak::new(chassis));
    match sb.private_named(&config.chassis) {
        Some((uuid, old)) => ops::update(
            uuid,
            &**old,
            &sb::ChassisPrivate {
                chassis,
                ..(**old).clone()
            },
        ),
        None => {
            let name = config.chassis.clone();
            let row = sb::ChassisPrivate {
                name,
                chassis,
                ..sb::ChassisPrivate::default()
            };
            Some(ops::insert(
                ops::row_id::<sb::ChassisPrivate>(&config.chassis),
                &row,
            ))
        }
    }
}

/// What removes us from the Southbound when we leave for good. References to the rows go with them.
pub fn leave(chassis: &str, sb: &Southbound) -> Vec<Operation> {
    let mut plan = Vec::new();
    if let Some((uuid, _)) = sb.chassis_named(chassis) {
        for (port, row) in sb.ports_on(&uuid) {
            let new = sb::PortBinding {
                chassis: None,
                encap: None,
                up: row.up.map(|_| false),
                ..(**row).clone()
            };
            plan.extend(ops::update(port, &**row, &new));
        }
        plan.push(ops::delete::<sb::Chassis>(uuid));
    }
    plan.extend(
        sb.private_named(chassis)
            .map(|(uuid, _)| ops::delete::<sb::ChassisPrivate>(uuid)),
    );
    plan
}
