//! Commands on ports, bonds and interfaces (`ovs-vsctl(8)`, "Port Commands", "Bond Commands", "Interface Commands").

use anyhow::{Context as _, bail, ensure};
use ovsdb::Datum;

use super::bridges::{bridge, delete_port, forget, refer};
use super::command::{Call, Context};
use super::database::set_column;
use super::topology::verify;
use super::world::Id;

/// A port to add.
struct Wanted<'a> {
    bridge: &'a str,
    port: &'a str,
    interfaces: &'a [String],
    settings: &'a [String],
    fake_interface: bool,
}

/// The command as it was written, for messages.
fn written(call: &Call) -> String {
    let mut words: Vec<String> = Vec::new();
    for option in ["--may-exist", "--fake-iface"] {
        if call.has(option) {
            words.push(option.to_owned());
        }
    }
    words.push(call.name().to_owned());
    words.extend(call.args.iter().cloned());
    words.join(" ")
}

/// Whether the port that is to be added is there already; then it must be what is asked for.
fn is_there(context: &mut Context, call: &Call, wanted: &Wanted<'_>) -> anyhow::Result<bool> {
    let name = wanted.port;
    let Some(port) = context.topology()?.port(name).cloned() else {
        return Ok(false);
    };
    let said = written(call);
    ensure!(
        port.bridge == wanted.bridge,
        "\"{said}\" but {name} is actually attached to bridge {}",
        port.bridge
    );
    let rows = context.world.references(port.row, "interfaces");
    let names = rows.iter().map(|row| context.world.text(*row, "name"));
    let mut have: Vec<String> = names.collect();
    let mut want = wanted.interfaces.to_vec();
    have.sort_unstable();
    want.sort_unstable();
    ensure!(
        have == want,
        "\"{said}\" but {name} actually has interface(s) {}",
        have.join(", ")
    );
    Ok(true)
}

fn add_port(context: &mut Context, call: &Call, wanted: &Wanted<'_>) -> anyhow::Result<()> {
    let name = wanted.port;
    ensure!(!name.is_empty(), "port name must not be empty string");
    let empty = wanted.interfaces.iter().any(String::is_empty);
    ensure!(!empty, "interface name must not be empty string");
    verify(&mut context.world)?;
    if call.has("--may-exist") && is_there(context, call, wanted)? {
        return Ok(());
    }
    let topology = context.topology()?;
    topology.check_free(name, &format!("cannot create a port named {name}"))?;
    for interface in wanted.interfaces {
        let what = format!("cannot create an interface named {interface}");
        topology.check_free(interface, &what)?;
    }
    let bridge = topology.bridge(wanted.bridge)?.clone();
    let world = &mut context.world;
    let mut interfaces = Vec::new();
    for name in wanted.interfaces {
        let row = world.create("Interface")?;
        world.set(row, "name", name.as_str())?;
        interfaces.push(row);
    }
    let port = world.create("Port")?;
    world.set(port, "name", name)?;
    let uuids = interfaces.iter().map(|row| row.uuid);
    world.set(port, "interfaces", Datum::set(uuids))?;
    if wanted.fake_interface {
        world.set(port, "bond_fake_iface", true)?;
    }
    if bridge.parent.is_some() {
        world.set(port, "tag", bridge.vlan)?;
    }
    for setting in wanted.settings {
        set_column(context, port, setting)?;
    }
    refer(&mut context.world, bridge.row, "ports", port)?;
    context.interfaces.extend(interfaces);
    let parent = bridge.parent.unwrap_or(bridge.name);
    context.port_added(&parent, port);
    Ok(())
}

pub(super) fn add(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let wanted = Wanted {
        bridge: call.arg(0),
        port: call.arg(1),
        interfaces: &call.args[1..2],
        settings: &call.args[2..],
        fake_interface: false,
    };
    add_port(context, call, &wanted)
}

pub(super) fn add_bond(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let behind = &call.args[2..];
    let settings = behind.iter().position(|arg| arg.contains('='));
    let (interfaces, settings) = behind.split_at(settings.unwrap_or(behind.len()));
    ensure!(
        interfaces.len() >= 2,
        "add-bond requires at least 2 interfaces, but only {} were specified",
        interfaces.len()
    );
    let wanted = Wanted {
        bridge: call.arg(0),
        port: call.arg(1),
        interfaces,
        settings,
        fake_interface: call.has("--fake-iface"),
    };
    add_port(context, call, &wanted)
}

pub(super) fn add_bond_interface(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let (port_name, name) = (call.arg(0), call.arg(1));
    verify(&mut context.world)?;
    let port = port_row(context, port_name)?;
    let topology = context.topology()?;
    if call.has("--may-exist")
        && let Some(interface) = topology.interface(name)
    {
        ensure!(
            interface.port == port_name,
            "\"{}\" but {name} is actually attached to port {}",
            written(call),
            interface.port
        );
        return Ok(());
    }
    topology.check_free(name, &format!("cannot create an interface named {name}"))?;
    let world = &mut context.world;
    let interface = world.create("Interface")?;
    world.set(interface, "name", name)?;
    refer(world, port, "interfaces", interface)?;
    context.interfaces.push(interface);
    context.invalidate();
    Ok(())
}

pub(super) fn delete_bond_interface(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let name = call.args.last().map_or("", String::as_str);
    verify(&mut context.world)?;
    let Some(interface) = context.topology()?.interface(name).cloned() else {
        ensure!(call.has("--if-exists"), "no interface named {name}");
        return Ok(());
    };
    if call.args.len() > 1 {
        port_row(context, call.arg(0))?;
        ensure!(
            interface.port == call.arg(0),
            "port {} does not have an interface {name}",
            call.arg(0)
        );
    }
    let port = context.topology()?.ports.get(&interface.port);
    let port = port.context("an interface has a port")?.row;
    let world = &mut context.world;
    ensure!(
        world.references(port, "interfaces").len() > 1,
        "cannot delete last interface from port {}",
        interface.port
    );
    forget(world, port, "interfaces", interface.row)?;
    world.delete(interface.row);
    context.invalidate();
    Ok(())
}

fn port_row(context: &mut Context, name: &str) -> anyhow::Result<Id> {
    let port = context.topology()?.port(name);
    Ok(port.with_context(|| format!("no port named {name}"))?.row)
}

/// The name of the port that `del-port` means.
fn port_to_delete(
    context: &mut Context,
    call: &Call,
    target: &str,
) -> anyhow::Result<Option<String>> {
    let must = !call.has("--if-exists");
    let topology = context.topology()?;
    if topology.bridges.contains_key(target) {
        ensure!(
            !must,
            "cannot delete port {target} because it is the local port for bridge {target} \
             (deleting this port requires deleting the entire bridge)"
        );
        return Ok(None);
    }
    let port = topology.port(target).map(|_| target.to_owned());
    let interface = topology
        .interface(target)
        .filter(|_| call.has("--with-iface"));
    let found = port.or_else(|| interface.map(|interface| interface.port.clone()));
    match found {
        None if must && call.has("--with-iface") => bail!("no port or interface named {target}"),
        None if must => bail!("no port named {target}"),
        found => Ok(found),
    }
}

pub(super) fn delete(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let target = call.args.last().map_or("", String::as_str);
    verify(&mut context.world)?;
    let Some(name) = port_to_delete(context, call, target)? else {
        return Ok(());
    };
    let topology = context.topology()?;
    let port = topology.ports.get(&name).context("it was found")?.clone();
    let owner = topology.bridge(&port.bridge)?.clone();
    if call.args.len() == 2 {
        let wanted = topology.bridge(call.arg(0))?;
        if wanted.name != owner.name && owner.parent.as_ref() == Some(&wanted.name) {
            bail!(
                "bridge {} does not have a port {target} (although its child bridge {} does)",
                wanted.name,
                owner.name
            );
        }
        ensure!(
            wanted.name == owner.name,
            "bridge {} does not have a port {target}",
            wanted.name
        );
    }
    delete_port(&mut context.world, owner.row, port.row)?;
    let topology = context.topology()?;
    topology.ports.remove(&name);
    topology
        .interfaces
        .retain(|_, interface| interface.port != name);
    Ok(())
}

pub(super) fn list(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let name = call.arg(0);
    bridge(context, name)?;
    let ports = context.topology()?.ports.iter();
    let ports = ports.filter(|(port, of)| of.bridge == name && *port != name);
    let names: Vec<String> = ports.map(|(port, _)| port.clone()).collect();
    names.iter().for_each(|name| context.say(name));
    Ok(())
}

pub(super) fn bridge_of_port(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let name = call.arg(0);
    let port = context.topology()?.port(name);
    let port = port.with_context(|| format!("no port named {name}"))?;
    let bridge = port.bridge.clone();
    context.say(bridge);
    Ok(())
}

pub(super) fn list_interfaces(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let name = call.arg(0);
    bridge(context, name)?;
    let topology = context.topology()?;
    let interfaces = topology.interfaces.iter();
    let interfaces = interfaces.filter(|(own, of)| topology.bridge_of(of) == name && *own != name);
    let names: Vec<String> = interfaces.map(|(name, _)| name.clone()).collect();
    names.iter().for_each(|name| context.say(name));
    Ok(())
}

pub(super) fn bridge_of_interface(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let name = call.arg(0);
    let topology = context.topology()?;
    let interface = topology.interface(name);
    let interface = interface.with_context(|| format!("no interface named {name}"))?;
    let bridge = topology.bridge_of(interface).to_owned();
    context.say(bridge);
    Ok(())
}
