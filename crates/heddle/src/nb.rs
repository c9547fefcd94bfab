//! `heddle nb`: looks at the Northbound.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use model::{Set, Strong, Table, nb};
use ovsdb::Uuid;

use crate::northbound::{DbArgs, Northbound};

/// Arguments of `heddle nb`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Print switches, routers, port groups and their rules, with what is wrong with them.
    Show {
        #[command(flatten)]
        db: DbArgs,
    },
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Command::Show { db } = args.command;
    let tables = [
        nb::LogicalSwitch::NAME,
        nb::LogicalSwitchPort::NAME,
        nb::LogicalRouter::NAME,
        nb::LogicalRouterPort::NAME,
        nb::LogicalRouterStaticRoute::NAME,
        nb::PortGroup::NAME,
        nb::Acl::NAME,
    ];
    let northbound = Northbound::connect(&db, &tables).await?;
    std::io::stdout()
        .lock()
        .write_all(picture(&northbound).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn picture(northbound: &Northbound) -> String {
    let mut out = String::new();
    let ports = northbound.rows::<nb::LogicalSwitchPort>();
    let acls = northbound.rows::<nb::Acl>();
    for switch in sorted(northbound.rows::<nb::LogicalSwitch>(), |switch| {
        switch.name.to_string()
    }) {
        line(&mut out, 0, format_args!("switch {}", switch.name));
        for port in members(&switch.ports, &ports, |port| port.name.to_string()) {
            line(
                &mut out,
                4,
                format_args!("port {}{}", port.name, switch_port(port)),
            );
        }
        show_acls(&mut out, &switch.acls, &acls);
    }
    let ports = northbound.rows::<nb::LogicalRouterPort>();
    let routes = northbound.rows::<nb::LogicalRouterStaticRoute>();
    for router in sorted(northbound.rows::<nb::LogicalRouter>(), |router| {
        router.name.to_string()
    }) {
        line(&mut out, 0, format_args!("router {}", router.name));
        for port in members(&router.ports, &ports, |port| port.name.to_string()) {
            let networks = words(&port.networks);
            line(
                &mut out,
                4,
                format_args!("port {}  {}  {networks}", port.name, port.mac),
            );
        }
        for route in members(&router.static_routes, &routes, |route| {
            route.ip_prefix.to_string()
        }) {
            line(
                &mut out,
                4,
                format_args!("route {} via {}", route.ip_prefix, route.nexthop),
            );
        }
    }
    let names = northbound.rows::<nb::LogicalSwitchPort>();
    for group in sorted(northbound.rows::<nb::PortGroup>(), |group| {
        group.name.to_string()
    }) {
        let mut members: Vec<&str> = group
            .ports
            .iter()
            .filter_map(|port| Some(names.get(&port.uuid())?.name.as_str()))
            .collect();
        members.sort_unstable();
        line(
            &mut out,
            0,
            format_args!("port group {}: {}", group.name, members.join(" ")),
        );
        show_acls(&mut out, &group.acls, &acls);
    }
    out
}

fn sorted<T>(rows: HashMap<Uuid, T>, name: impl Fn(&T) -> String) -> impl Iterator<Item = T> {
    let named = rows
        .into_iter()
        .map(|(uuid, row)| ((name(&row), uuid), row));
    named.collect::<BTreeMap<_, _>>().into_values()
}

fn members<'a, T>(
    references: &Set<Strong<T>>,
    rows: &'a HashMap<Uuid, T>,
    name: impl Fn(&T) -> String,
) -> Vec<&'a T> {
    let found = references
        .iter()
        .filter_map(|reference| rows.get(&reference.uuid()));
    let mut found: Vec<&T> = found.collect();
    found.sort_by_key(|row| name(row));
    found
}

fn switch_port(port: &nb::LogicalSwitchPort) -> String {
    let mut text = String::new();
    if !port.type_.is_empty() {
        let _ = write!(text, "  type {}", port.type_);
    }
    for (key, name) in [("router-port", "to"), ("network_name", "network")] {
        if let Some(value) = port.options.get(key) {
            let _ = write!(text, "  {name} {value}");
        }
    }
    if !port.addresses.is_empty() {
        let _ = write!(text, "  {}", words(&port.addresses));
    }
    if port.enabled == Some(false) {
        text.push_str("  disabled");
    } else if port.type_.is_empty() {
        text.push_str(if port.up == Some(true) {
            "  up"
        } else {
            "  down"
        });
    }
    text
}

fn show_acls(out: &mut String, references: &Set<Strong<nb::Acl>>, acls: &HashMap<Uuid, nb::Acl>) {
    let mut acls = members(references, acls, |acl| acl.match_.to_string());
    acls.sort_by_key(|acl| (acl.direction, std::cmp::Reverse(acl.priority)));
    for acl in acls {
        let name = acl
            .name
            .as_ref()
            .map(|name| format!("  \"{name}\""))
            .unwrap_or_default();
        let (direction, action) = (acl.direction, acl.action);
        line(
            out,
            4,
            format_args!(
                "{direction} {:5} {action} ({}){name}",
                acl.priority, acl.match_
            ),
        );
        for (key, value) in acl.status.iter() {
            line(out, 8, format_args!("{key}: {value}"));
        }
    }
}

fn words(values: &Set<ovsdb::Str>) -> String {
    let words: Vec<&str> = values.iter().map(|value| value.as_str()).collect();
    words.join(", ")
}

fn line(out: &mut String, indent: usize, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{:indent$}{text}", "");
}
