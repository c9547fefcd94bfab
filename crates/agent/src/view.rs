//! The two databases as the agent sees them: typed rows, and the look-ups that decisions need.
//!
//! Invariant: a view is a function of the rows that were applied. A row that its type cannot hold is
//! left out, alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{RowError, Str, Table, Uuid, sb, vswitch};
use ovsdb::RowChange;
use physical::Fact;

/// The rows of one table.
#[derive(Clone, Debug)]
pub struct Rows<T>(BTreeMap<Uuid, Arc<T>>);

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Rows<T> {
    /// The row, if it is there.
    pub fn get(&self, uuid: Uuid) -> Option<&Arc<T>> {
        self.0.get(&uuid)
    }

    /// All rows, in the order of their UUIDs.
    pub fn iter(&self) -> impl Iterator<Item = (Uuid, &Arc<T>)> {
        self.0.iter().map(|(uuid, row)| (*uuid, row))
    }

    /// The first row, for tables of one row.
    pub fn first(&self) -> Option<(Uuid, &Arc<T>)> {
        self.iter().next()
    }

    /// Sets or removes a row; gives back the former one.
    pub fn set(&mut self, uuid: Uuid, row: Option<Arc<T>>) -> Option<Arc<T>> {
        match row {
            Some(row) => self.0.insert(uuid, row),
            None => self.0.remove(&uuid),
        }
    }
}

fn read<T: Table>(change: &RowChange) -> Result<Option<Arc<T>>, RowError> {
    change
        .new
        .as_deref()
        .map(|row| T::from_row(row).map(Arc::new))
        .transpose()
}

/// The local Open vSwitch database.
#[derive(Clone, Debug, Default)]
pub struct Vswitch {
    /// Open_vSwitch, one row.
    pub root: Rows<vswitch::OpenVswitch>,
    /// Bridge.
    pub bridges: Rows<vswitch::Bridge>,
    /// Port.
    pub ports: Rows<vswitch::Port>,
    /// Interface.
    pub interfaces: Rows<vswitch::Interface>,
}

impl Vswitch {
    /// Takes in one change.
    ///
    /// # Errors
    /// When the row cannot be read; it counts as absent then.
    pub fn apply(&mut self, change: &RowChange) -> Result<(), RowError> {
        let uuid = change.uuid;
        match change.table.as_str() {
            vswitch::OpenVswitch::NAME => put(&mut self.root, uuid, read(change)),
            vswitch::Bridge::NAME => put(&mut self.bridges, uuid, read(change)),
            vswitch::Port::NAME => put(&mut self.ports, uuid, read(change)),
            vswitch::Interface::NAME => put(&mut self.interfaces, uuid, read(change)),
            _ => Ok(()),
        }
    }

    /// The bridge of that name.
    pub fn bridge(&self, name: &str) -> Option<(Uuid, &Arc<vswitch::Bridge>)> {
        self.bridges.iter().find(|(_, bridge)| bridge.name == name)
    }

    /// The ports of a bridge.
    pub fn ports_of<'a>(
        &'a self,
        bridge: &'a vswitch::Bridge,
    ) -> impl Iterator<Item = (Uuid, &'a Arc<vswitch::Port>)> {
        bridge
            .ports
            .iter()
            .filter_map(|port| Some((port.uuid(), self.ports.get(port.uuid())?)))
    }

    /// The interfaces of a port.
    pub fn interfaces_of<'a>(
        &'a self,
        port: &'a vswitch::Port,
    ) -> impl Iterator<Item = (Uuid, &'a Arc<vswitch::Interface>)> {
        port.interfaces
            .iter()
            .filter_map(|i| Some((i.uuid(), self.interfaces.get(i.uuid())?)))
    }
}

fn put<T>(
    rows: &mut Rows<T>,
    uuid: Uuid,
    row: Result<Option<Arc<T>>, RowError>,
) -> Result<(), RowError> {
    match row {
        Ok(row) => {
            rows.set(uuid, row);
            Ok(())
        }
        Err(error) => {
            rows.set(uuid, None);
            Err(error)
        }
    }
}

/// The Southbound, without what only `physical` looks at.
#[derive(Clone, Debug, Default)]
pub struct Southbound {
    /// SB_Global, one row.
    pub global: Rows<sb::SbGlobal>,
    /// Chassis.
    pub chassis: Rows<sb::Chassis>,
    /// Chassis_Private.
    pub chassis_private: Rows<sb::ChassisPrivate>,
    /// Encap.
    pub encaps: Rows<sb::Encap>,
    /// Datapath_Binding.
    pub datapaths: Rows<sb::DatapathBinding>,
    /// Port_Binding.
    pub ports: Rows<sb::PortBinding>,
    /// MAC_Binding.
    pub mac_bindings: Rows<sb::MacBinding>,
    /// FDB.
    pub fdb: Rows<sb::Fdb>,
    port_named: BTreeMap<Str, Uuid>,
    port_keyed: BTreeMap<(Uuid, i64), Uuid>,
    datapath_keyed: BTreeMap<i64, Uuid>,
    mac_binding_of: BTreeMap<(Str, Str), Uuid>,
    fdb_of: BTreeMap<(i64, Str), Uuid>,
    ports_on: BTreeSet<(Uuid, Uuid)>,
    children: BTreeSet<(Str, Uuid)>,
    special: BTreeSet<(Str, Uuid)>,
}

impl Southbound {
    /// Tables that the agent looks at besides those of [`Fact::TABLES`].
    pub const TABLES: [&'static str; 2] = [sb::SbGlobal::NAME, sb::ChassisPrivate::NAME];

    /// Takes in one change; gives what `physical` is to be told of it. Rows are shared with it.
    ///
    /// # Errors
    /// When the row cannot be read; it counts as absent then, and `physical` should be told
    /// [`Fact::forget`].
    pub fn apply(&mut self, change: &RowChange) -> Result<Option<Fact>, RowError> {
        let uuid = change.uuid;
        match change.table.as_str() {
            sb::SbGlobal::NAME => put(&mut self.global, uuid, read(change)).map(|()| None),
            sb::ChassisPrivate::NAME => {
                put(&mut self.chassis_private, uuid, read(change)).map(|()| None)
            }
            sb::Chassis::NAME => {
                let row = self.known(change, |s| &mut s.chassis)?;
                Ok(Some(Fact::Chassis(uuid, row.1)))
            }
            sb::Encap::NAME => {
                let row = self.known(change, |s| &mut s.encaps)?;
                Ok(Some(Fact::Encap(uuid, row.1)))
            }
            sb::DatapathBinding::NAME => {
                let (old, new) = self.known(change, |s| &mut s.datapaths)?;
                let key = |row: &Arc<sb::DatapathBinding>| row.tunnel_key;
                index(
                    &mut self.datapath_keyed,
                    uuid,
                    old.as_ref().map(key),
                    new.as_ref().map(key),
                );
                Ok(Some(Fact::Datapath(uuid, new)))
            }
            sb::PortBinding::NAME => {
                let (old, new) = self.known(change, |s| &mut s.ports)?;
                let name = |row: &Arc<sb::PortBinding>| row.logical_port.clone();
                index(
                    &mut self.port_named,
                    uuid,
                    old.as_ref().map(name),
                    new.as_ref().map(name),
                );
                let key = |row: &Arc<sb::PortBinding>| (row.datapath.uuid(), row.tunnel_key);
                index(
                    &mut self.port_keyed,
                    uuid,
                    old.as_ref().map(key),
                    new.as_ref().map(key),
                );
                if let Some(old) = &old {
                    self.group_port(uuid, old, false);
                }
                if let Some(new) = &new {
                    self.group_port(uuid, new, true);
                }
                Ok(Some(Fact::Port(uuid, new)))
            }
            sb::MacBinding::NAME => {
                let (old, new) = self.known(change, |s| &mut s.mac_bindings)?;
                let key = |row: &Arc<sb::MacBinding>| (row.logical_port.clone(), row.ip.clone());
                index(
                    &mut self.mac_binding_of,
                    uuid,
                    old.as_ref().map(key),
                    new.as_ref().map(key),
                );
                Ok(Some(Fact::MacBinding(uuid, new)))
            }
            sb::Fdb::NAME => {
                let (old, new) = self.known(change, |s| &mut s.fdb)?;
                let key = |row: &Arc<sb::Fdb>| (row.dp_key, row.mac.clone());
                index(
                    &mut self.fdb_of,
                    uuid,
                    old.as_ref().map(key),
                    new.as_ref().map(key),
                );
                Ok(Some(Fact::Fdb(uuid, new)))
            }
            _ => Fact::from_change(change),
        }
    }

    /// Reads a row into its table; an unreadable one is taken out of it, indexes included.
    #[allow(clippy::type_complexity)] // Old and new row, as every caller needs them.
    fn known<T: Table>(
        &mut self,
        change: &RowChange,
        rows: impl Fn(&mut Self) -> &mut Rows<T>,
    ) -> Result<(Option<Arc<T>>, Option<Arc<T>>), RowError> {
        match read::<T>(change) {
            Ok(new) => {
                let old = rows(self).set(change.uuid, new.clone());
                Ok((old, new))
            }
            Err(error) => {
                if rows(self).get(change.uuid).is_some() {
                    let gone = RowChange {
                        new: None,
                        ..change.clone()
                    };
                    self.apply(&gone)?;
                }
                Err(error)
            }
        }
    }

    /// Keeps the indexes that have many ports to a key.
    fn group_port(&mut self, uuid: Uuid, row: &sb::PortBinding, present: bool) {
        fn mark<K: Ord>(set: &mut BTreeSet<(K, Uuid)>, key: K, uuid: Uuid, present: bool) {
            if present {
                set.insert((key, uuid))
            } else {
                set.remove(&(key, uuid))
            };
        }
        if let Some(chassis) = row.chassis {
            mark(&mut self.ports_on, chassis.uuid(), uuid, present);
        }
        if let Some(parent) = &row.parent_port {
            mark(&mut self.children, parent.clone(), uuid, present);
        }
        if matches!(row.type_.as_str(), "localnet" | "l2gateway" | "l3gateway") {
            mark(&mut self.special, row.type_.clone(), uuid, present);
        }
    }

    fn of<'a, K: Ord + Clone>(
        &'a self,
        set: &'a BTreeSet<(K, Uuid)>,
        key: &'a K,
    ) -> impl Iterator<Item = (Uuid, &'a Arc<sb::PortBinding>)> {
        let range = (key.clone(), Uuid::nil())..=(key.clone(), Uuid::max());
        set.range(range)
            .filter_map(|(_, uuid)| Some((*uuid, self.ports.get(*uuid)?)))
    }

    /// The ports that are bound to a chassis.
    pub fn ports_on<'a>(
        &'a self,
        chassis: &'a Uuid,
    ) -> impl Iterator<Item = (Uuid, &'a Arc<sb::PortBinding>)> {
        self.of(&self.ports_on, chassis)
    }

    /// The ports of containers inside a virtual machine.
    pub fn children_of<'a>(
        &'a self,
        parent: &'a Str,
    ) -> impl Iterator<Item = (Uuid, &'a Arc<sb::PortBinding>)> {
        self.of(&self.children, parent)
    }

    /// The ports of type `localnet`, `l2gateway` or `l3gateway`.
    pub fn ports_of_type<'a>(
        &'a self,
        kind: &'a Str,
    ) -> impl Iterator<Item = (Uuid, &'a Arc<sb::PortBinding>)> {
        self.of(&self.special, kind)
    }

    /// The chassis of that name.
    pub fn chassis_named(&self, name: &str) -> Option<(Uuid, &Arc<sb::Chassis>)> {
        self.chassis.iter().find(|(_, row)| row.name == name)
    }

    /// The private row of the chassis of that name.
    pub fn private_named(&self, name: &str) -> Option<(Uuid, &Arc<sb::ChassisPrivate>)> {
        self.chassis_private
            .iter()
            .find(|(_, row)| row.name == name)
    }

    /// The port of that name.
    pub fn port_named(&self, name: &str) -> Option<(Uuid, &Arc<sb::PortBinding>)> {
        let uuid = *self.port_named.get(name)?;
        Some((uuid, self.ports.get(uuid)?))
    }

    /// The port with these tunnel keys.
    pub fn port_keyed(&self, datapath: i64, port: i64) -> Option<(Uuid, &Arc<sb::PortBinding>)> {
        let datapath = *self.datapath_keyed.get(&datapath)?;
        let uuid = *self.port_keyed.get(&(datapath, port))?;
        Some((uuid, self.ports.get(uuid)?))
    }

    /// What is known of a neighbour of a router port.
    pub fn mac_binding(&self, port: &Str, ip: &Str) -> Option<(Uuid, &Arc<sb::MacBinding>)> {
        let uuid = *self.mac_binding_of.get(&(port.clone(), ip.clone()))?;
        Some((uuid, self.mac_bindings.get(uuid)?))
    }

    /// What is known of an address of a switch.
    pub fn fdb(&self, datapath: i64, mac: &Str) -> Option<(Uuid, &Arc<sb::Fdb>)> {
        let uuid = *self.fdb_of.get(&(datapath, mac.clone()))?;
        Some((uuid, self.fdb.get(uuid)?))
    }
}

/// Moves a row from its old key to its new one. Changes of one transaction come in any order, so a key
/// that another row has taken over meanwhile is left to it.
fn index<K: Ord>(map: &mut BTreeMap<K, Uuid>, uuid: Uuid, old: Option<K>, new: Option<K>) {
    if let Some(old) = old
        && map.get(&old) == Some(&uuid)
    {
        map.remove(&old);
    }
    if let Some(new) = new {
        map.insert(new, uuid);
    }
}
