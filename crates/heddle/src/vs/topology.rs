//! Bridges, their ports and their interfaces by name, VLAN bridges included (`ovs-vsctl(8)`, "Bridge Commands").
//!
//! Invariant: it is what the rows say; whoever changes it changes the rows too.

use std::collections::BTreeMap;

use anyhow::{Context, bail};

use super::world::{Id, World};

/// A bridge, or a VLAN bridge, which is a port of another.
#[derive(Debug, Clone)]
pub(super) struct Bridge {
    pub(super) name: String,
    /// The row of the bridge; for a VLAN bridge that of its parent.
    pub(super) row: Id,
    /// The parent of a VLAN bridge.
    pub(super) parent: Option<String>,
    pub(super) vlan: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Port {
    pub(super) row: Id,
    /// The name of the bridge or VLAN bridge.
    pub(super) bridge: String,
}

#[derive(Debug, Clone)]
pub(super) struct Interface {
    pub(super) row: Id,
    /// The name of the port.
    pub(super) port: String,
}

/// All of them by name.
#[derive(Debug, Default)]
pub(super) struct Topology {
    pub(super) bridges: BTreeMap<String, Bridge>,
    pub(super) ports: BTreeMap<String, Port>,
    pub(super) interfaces: BTreeMap<String, Interface>,
}

impl Topology {
    pub(super) fn of(world: &World) -> anyhow::Result<Self> {
        let mut out = Self::default();
        let rows = world.references(world.root()?, "bridges");
        for row in &rows {
            let name = world.text(*row, "name");
            let bridge = Bridge {
                name: name.clone(),
                row: *row,
                parent: None,
                vlan: 0,
            };
            out.bridges.entry(name).or_insert(bridge);
        }
        for row in &rows {
            for port in world.references(*row, "ports") {
                out.add_vlan_bridge(world, *row, port);
            }
        }
        for row in &rows {
            let bridge = world.text(*row, "name");
            for port in world.references(*row, "ports") {
                out.add_port(world, &bridge, port);
            }
        }
        Ok(out)
    }

    fn add_vlan_bridge(&mut self, world: &World, row: Id, port: Id) {
        let fake = world.get(port, "fake_bridge").as_one();
        let fake = fake.and_then(ovsdb::Atom::as_boolean) == Some(true);
        if let Some(vlan) = tag(world, port).filter(|_| fake) {
            let name = world.text(port, "name");
            let bridge = Bridge {
                name: name.clone(),
                row,
                parent: Some(world.text(row, "name")),
                vlan,
            };
            self.bridges.entry(name).or_insert(bridge);
        }
    }

    /// Takes in a port of a bridge with its interfaces.
    pub(super) fn add_port(&mut self, world: &World, bridge: &str, row: Id) {
        let name = world.text(row, "name");
        if self.ports.contains_key(&name) {
            return;
        }
        let child = tag(world, row).and_then(|vlan| self.child(bridge, vlan));
        let bridge = child.map_or_else(|| bridge.to_owned(), |child| child.name.clone());
        self.ports.insert(name.clone(), Port { row, bridge });
        for row in world.references(row, "interfaces") {
            let interface = Interface {
                row,
                port: name.clone(),
            };
            let name = world.text(row, "name");
            self.interfaces.entry(name).or_insert(interface);
        }
    }

    /// The VLAN bridge of a bridge for a VLAN.
    pub(super) fn child(&self, parent: &str, vlan: i64) -> Option<&Bridge> {
        self.bridges
            .values()
            .find(|bridge| bridge.parent.as_deref() == Some(parent) && bridge.vlan == vlan)
    }

    /// The bridge of a name.
    pub(super) fn bridge(&self, name: &str) -> anyhow::Result<&Bridge> {
        self.bridges
            .get(name)
            .with_context(|| format!("no bridge named {name}"))
    }

    /// The bridge of a name, which may not be a VLAN bridge.
    pub(super) fn real_bridge(&self, name: &str) -> anyhow::Result<&Bridge> {
        let bridge = self.bridge(name)?;
        match bridge.parent {
            None => Ok(bridge),
            Some(_) => bail!("{name} is a fake bridge"),
        }
    }

    /// The port of a name, unless it is the port that a bridge has for itself.
    pub(super) fn port(&self, name: &str) -> Option<&Port> {
        self.ports.get(name).filter(|port| port.bridge != name)
    }

    /// The bridge that an interface belongs to.
    pub(super) fn bridge_of(&self, interface: &Interface) -> &str {
        self.ports
            .get(&interface.port)
            .map_or("", |port| &port.bridge)
    }

    /// The interface of a name, unless it is the one that a bridge has for itself.
    pub(super) fn interface(&self, name: &str) -> Option<&Interface> {
        let interface = self.interfaces.get(name)?;
        (self.bridge_of(interface) != name).then_some(interface)
    }

    /// Fails when something has this name. `what` begins the message.
    pub(super) fn check_free(&self, name: &str, what: &str) -> anyhow::Result<()> {
        if self.bridges.contains_key(name) {
            bail!("{what} because a bridge named {name} already exists");
        }
        if let Some(port) = self.ports.get(name) {
            bail!(
                "{what} because a port named {name} already exists on bridge {}",
                port.bridge
            );
        }
        if let Some(interface) = self.interfaces.get(name) {
            bail!(
                "{what} because an interface named {name} already exists on bridge {}",
                self.bridge_of(interface)
            );
        }
        Ok(())
    }
}

/// The VLAN of an access port.
fn tag(world: &World, port: Id) -> Option<i64> {
    let tag = world.number(port, "tag");
    tag.filter(|tag| (0..=4095).contains(tag))
}

/// Makes the transaction depend on which bridges, ports and interfaces there are.
pub(super) fn verify(world: &mut World) -> anyhow::Result<()> {
    let root = world.root()?;
    world.verify(root, "bridges");
    for bridge in world.rows_of("Bridge") {
        world.verify(bridge, "ports");
    }
    for port in world.rows_of("Port") {
        world.verify(port, "interfaces");
    }
    Ok(())
}
