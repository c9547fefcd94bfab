//! Commands that few use: emergency reset, auto attach, connection tracking zones, capabilities of a data path.

use anyhow::{Context as _, bail, ensure};
use ovsdb::{Atom, Datum};

use super::bridges::{bridge, leading_number};
use super::command::{Call, Context};
use super::world::{Id, World};

/// Puts everything back that a manager sets, and keeps the bridges and ports.
pub(super) fn reset(context: &mut Context, _: &Call) -> anyhow::Result<()> {
    let world = &mut context.world;
    let root = world.root()?;
    empty(world, root, &["manager_options", "ssl"])?;
    for bridge in world.rows_of("Bridge") {
        let columns = [
            "controller",
            "fail_mode",
            "mirrors",
            "netflow",
            "sflow",
            "ipfix",
            "flood_vlans",
        ];
        empty(world, bridge, &columns)?;
        // The address is what the bridge is known by.
        let config = world.get(bridge, "other_config");
        let address = config.get(&Atom::from("hwaddr")).cloned();
        let kept = Datum::map(address.map(|address| (Atom::from("hwaddr"), address)));
        world.set(bridge, "other_config", kept)?;
    }
    for port in world.rows_of("Port") {
        empty(world, port, &["other_config"])?;
    }
    for interface in world.rows_of("Interface") {
        world.set(interface, "ingress_policing_rate", 0_i64)?;
        world.set(interface, "ingress_policing_burst", 0_i64)?;
    }
    for table in [
        "Mirror",
        "Controller",
        "Manager",
        "NetFlow",
        "SSL",
        "sFlow",
        "IPFIX",
        "Flow_Sample_Collector_Set",
    ] {
        for row in world.rows_of(table) {
            world.delete(row);
        }
    }
    context.invalidate();
    Ok(())
}

fn empty(world: &mut World, id: Id, columns: &[&str]) -> anyhow::Result<()> {
    for name in columns {
        let column = world.table(id.table).column(name);
        let nothing = column.map(|column| Datum::default_of(&column.column_type));
        world.set(id, name, nothing.unwrap_or_default())?;
    }
    Ok(())
}

/// The row of the bridge, for auto attach that of the parent of a VLAN bridge.
fn attached(context: &mut Context, call: &Call) -> anyhow::Result<(Id, Option<Id>)> {
    let row = bridge(context, call.arg(0))?.row;
    context.world.verify(row, "auto_attach");
    let attach = context.world.references(row, "auto_attach");
    if let Some(attach) = attach.first() {
        context.world.verify(*attach, "mappings");
    }
    Ok((row, attach.first().copied()))
}

fn pair(call: &Call) -> anyhow::Result<(i64, i64)> {
    let number = |at: usize| {
        let text = call.arg(at);
        let begins = text.trim_start().starts_with(|c: char| c.is_ascii_digit());
        ensure!(begins, "Invalid argument {text}");
        Ok(leading_number(text))
    };
    Ok((number(1)?, number(2)?))
}

pub(super) fn add_mapping(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let (service, vlan) = pair(call)?;
    let (bridge, attach) = attached(context, call)?;
    let world = &mut context.world;
    let attach = match attach {
        Some(attach) => attach,
        None => {
            let attach = world.create("AutoAttach")?;
            world.set(bridge, "auto_attach", attach.uuid)?;
            attach
        }
    };
    let mappings = Datum::map([(service, vlan)]).union(world.get(attach, "mappings"));
    world.set(attach, "mappings", mappings)
}

pub(super) fn delete_mapping(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let (service, vlan) = pair(call)?;
    if let (_, Some(attach)) = attached(context, call)? {
        let world = &mut context.world;
        let mappings = world.get(attach, "mappings");
        let mappings = mappings.without(&Datum::map([(service, vlan)]));
        world.set(attach, "mappings", mappings)?;
    }
    Ok(())
}

pub(super) fn mappings(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    if let (_, Some(attach)) = attached(context, call)? {
        let mappings = context.world.get(attach, "mappings").clone();
        for (service, vlan) in mappings.pairs() {
            context.say(format!("{service} {vlan}"));
        }
    }
    Ok(())
}

/// A row by its key in a map of references.
fn member(world: &World, id: Id, (column, target): (&str, &str), key: &Atom) -> Option<Id> {
    let table = world.schema().table_index(target)?;
    let uuid = world.get(id, column).get(key)?.as_uuid()?;
    Some(Id { table, uuid }).filter(|id| world.has(*id))
}

fn datapath(context: &mut Context, call: &Call) -> anyhow::Result<Id> {
    let name = call.arg(0);
    let root = context.world.root()?;
    context.world.verify(root, "datapaths");
    let found = member(
        &context.world,
        root,
        ("datapaths", "Datapath"),
        &Atom::from(name),
    );
    let found = found.with_context(|| format!("datapath {name} does not exist"))?;
    context.world.verify(found, "ct_zones");
    Ok(found)
}

fn zone(context: &Context, datapath: Id, number: i64) -> Option<Id> {
    let map = ("ct_zones", "CT_Zone");
    member(&context.world, datapath, map, &Atom::Integer(number))
}

/// `zone=NUMBER`
fn zone_argument(call: &Call) -> anyhow::Result<i64> {
    let text = call.arg(1);
    let number = text.strip_prefix("zone=").and_then(|n| n.parse().ok());
    number.with_context(|| format!("invalid zone argument, {text}; use zone=NUMBER"))
}

fn set_zone(world: &mut World, datapath: Id, number: i64, zone: Option<Id>) -> anyhow::Result<()> {
    let zones = world.get(datapath, "ct_zones");
    let zones = match zone {
        Some(zone) => Datum::map([(number, zone.uuid)]).union(zones),
        None => zones.without(&Datum::one(number)),
    };
    world.set(datapath, "ct_zones", zones)
}

pub(super) fn add_policy(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let number = zone_argument(call)?;
    let datapath = datapath(context, call)?;
    let zone = zone(context, datapath, number);
    let policy = zone.map(|zone| context.world.get(zone, "timeout_policy"));
    let has = policy.is_some_and(|policy| !policy.is_empty());
    ensure!(
        !has || call.has("--may-exist"),
        "zone id {number} already has a policy"
    );
    let mut timeouts = Vec::new();
    for text in call.args[2..]
        .iter()
        .flat_map(|text| text.split([' ', ',']))
    {
        let pair = text.split_once('=');
        let (key, value) = pair.with_context(|| format!("{text}: is no KEY=SECONDS"))?;
        timeouts.push((key, leading_number(value)));
    }
    let timeouts = Datum::map(timeouts);
    let world = &mut context.world;
    let same = |id: &Id| *world.get(*id, "timeouts") == timeouts;
    let found = world.rows_of("CT_Timeout_Policy").into_iter().find(same);
    let policy = match found {
        Some(policy) => policy,
        None => {
            let policy = world.create("CT_Timeout_Policy")?;
            world.set(policy, "timeouts", timeouts)?;
            policy
        }
    };
    let zone = match zone {
        Some(zone) => zone,
        None => world.create("CT_Zone")?,
    };
    world.set(zone, "timeout_policy", policy.uuid)?;
    set_zone(world, datapath, number, Some(zone))
}

/// Takes a column of a zone away, and the zone when it has nothing else.
fn strip(
    context: &mut Context,
    datapath: Id,
    number: i64,
    columns: [&str; 2],
) -> anyhow::Result<()> {
    let [gone, other] = columns;
    if let Some(zone) = zone(context, datapath, number) {
        let world = &mut context.world;
        if world.get(zone, other).is_empty() {
            set_zone(world, datapath, number, None)?;
        } else {
            world.set(zone, gone, Datum::EMPTY_SET)?;
        }
    }
    Ok(())
}

/// Fails when a zone has nothing in a column, unless that is allowed.
fn check(context: &Context, call: &Call, zone: Option<Id>, column: &str) -> anyhow::Result<()> {
    let has = zone.is_some_and(|zone| !context.world.get(zone, column).is_empty());
    ensure!(
        has || call.has("--if-exists"),
        "{} does not have a {}",
        call.arg(1),
        column.replace("timeout_", "")
    );
    Ok(())
}

pub(super) fn delete_policy(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let number = zone_argument(call)?;
    let datapath = datapath(context, call)?;
    check(
        context,
        call,
        zone(context, datapath, number),
        "timeout_policy",
    )?;
    strip(context, datapath, number, ["timeout_policy", "limit"])
}

/// The zones of a data path in order of their numbers.
fn zones(context: &mut Context, call: &Call) -> anyhow::Result<(Id, Vec<(i64, Id)>)> {
    let datapath = datapath(context, call)?;
    let zones = context.world.get(datapath, "ct_zones").clone();
    let numbers = zones.pairs().iter().filter_map(|(key, _)| key.as_integer());
    let found = numbers.filter_map(|number| Some((number, zone(context, datapath, number)?)));
    Ok((datapath, found.collect()))
}

pub(super) fn policies(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    for (number, zone) in zones(context, call)?.1 {
        let world = &context.world;
        let policy = world.references(zone, "timeout_policy");
        let shown = match policy.first() {
            None => "system default".to_owned(),
            Some(policy) => pairs(world.get(*policy, "timeouts")),
        };
        context.say(format!("Zone:{number}, Timeout Policies: {shown}"));
    }
    Ok(())
}

fn pairs(map: &Datum) -> String {
    let text = |atom: &Atom| {
        atom.as_str()
            .map_or_else(|| atom.to_string(), ToString::to_string)
    };
    let pairs = map.pairs().iter();
    let pairs: Vec<String> = pairs
        .map(|(k, v)| format!("{}={}", text(k), text(v)))
        .collect();
    pairs.join(" ")
}

/// The number of a zone, none for `default`.
fn limit_argument(call: &Call) -> anyhow::Result<Option<i64>> {
    match (call.arg(1), call.arg(1).parse::<u16>()) {
        ("default", _) => Ok(None),
        (_, Ok(number)) => Ok(Some(i64::from(number))),
        (text, Err(_)) => bail!("invalid zone id, {text}; use 0 to 65535 or default"),
    }
}

pub(super) fn set_limit(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let number = limit_argument(call)?;
    let limit: Result<u32, _> = call.arg(2).parse();
    let limit = limit.with_context(|| format!("invalid limit, {}", call.arg(2)))?;
    let limit = i64::from(limit);
    let datapath = datapath(context, call)?;
    let Some(number) = number else {
        let world = &mut context.world;
        return world.set(datapath, "ct_zone_default_limit", limit);
    };
    let found = zone(context, datapath, number);
    let world = &mut context.world;
    let zone = match found {
        Some(zone) => zone,
        None => world.create("CT_Zone")?,
    };
    set_zone(world, datapath, number, Some(zone))?;
    world.set(zone, "limit", limit)
}

pub(super) fn delete_limit(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let number = limit_argument(call)?;
    let datapath = datapath(context, call)?;
    let Some(number) = number else {
        let world = &mut context.world;
        let has = !world.get(datapath, "ct_zone_default_limit").is_empty();
        ensure!(
            has || call.has("--if-exists"),
            "datapath {} does not have a limit",
            call.arg(0)
        );
        return world.set(datapath, "ct_zone_default_limit", Datum::EMPTY_SET);
    };
    check(context, call, zone(context, datapath, number), "limit")?;
    strip(context, datapath, number, ["limit", "timeout_policy"])
}

pub(super) fn limits(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let (datapath, zones) = zones(context, call)?;
    if let Some(limit) = context.world.number(datapath, "ct_zone_default_limit") {
        context.say(format!("Default, Limit: {limit}"));
    }
    for (number, zone) in zones {
        if let Some(limit) = context.world.number(zone, "limit") {
            context.say(format!("Zone: {number}, Limit: {limit}"));
        }
    }
    Ok(())
}

pub(super) fn capabilities(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let datapath = datapath(context, call)?;
    let shown = pairs(context.world.get(datapath, "capabilities"));
    context.say(shown);
    Ok(())
}
