//! What packets taught us, on its way to the Southbound: MAC_Binding and FDB.
//!
//! A lesson waits here until the view shows it, so a transaction that fails is simply made again. What
//! waits has a bound, an age and a counter; a lesson that the Southbound holds already costs nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Str, sb};
use ovsdb::Operation;
use packet::Mac;

use crate::local::{Binding, Now};
use crate::ops;
use crate::view::Southbound;

/// How many lessons of each kind wait.
pub const MAX_WAITING: usize = 1000;
/// How long a lesson waits before it is given up.
pub const MAX_AGE: Duration = Duration::from_secs(30);

/// Lessons that the Southbound does not show yet.
#[derive(Debug, Default)]
pub struct Learned {
    neighbours: BTreeMap<Binding, (Mac, Now)>,
    addresses: BTreeMap<(u64, Mac), (u32, Now)>,
    /// Lessons that found no room.
    pub refused: u64,
    /// Lessons that were given up.
    pub expired: u64,
}

impl Learned {
    /// A router port has seen a neighbour.
    pub fn neighbour(&mut self, key: Binding, mac: Mac, now: Now) {
        if self.neighbours.len() >= MAX_WAITING && !self.neighbours.contains_key(&key) {
            self.refused += 1;
        } else {
            self.neighbours.insert(key, (mac, now));
        }
    }

    /// A switch port has seen a source address.
    pub fn address(&mut self, datapath: u64, port: u32, mac: Mac, now: Now) {
        let key = (datapath, mac);
        if self.addresses.len() >= MAX_WAITING && !self.addresses.contains_key(&key) {
            self.refused += 1;
        } else {
            self.addresses.insert(key, (port, now));
        }
    }

    /// The address of a neighbour that is not in the Southbound yet.
    pub fn waiting(&self, key: Binding) -> Option<Mac> {
        self.neighbours.get(&key).map(|(mac, _)| *mac)
    }

    /// Whether anything waits.
    pub fn is_empty(&self) -> bool {
        self.neighbours.is_empty() && self.addresses.is_empty()
    }

    /// What must be written. Lessons that the view shows, or that are too old, are forgotten.
    /// `stamp` is milliseconds since 1970.
    pub fn plan(&mut self, sb: &Southbound, now: Now, stamp: i64) -> Vec<Operation> {
        let mut plan = Vec::new();
        let mut expired = 0;
        self.neighbours.retain(|key, (mac, since)| {
            let old = now >= *since + MAX_AGE;
            expired += u64::from(old);
            let operation = neighbour(sb, *key, *mac, stamp).filter(|_| !old);
            let keep = operation.is_some();
            plan.extend(operation);
            keep
        });
        self.addresses.retain(|(datapath, mac), (port, since)| {
            let old = now >= *since + MAX_AGE;
            expired += u64::from(old);
            let operation = address(sb, *datapath, *port, *mac).filter(|_| !old);
            let keep = operation.is_some();
            plan.extend(operation);
            keep
        });
        self.expired += expired;
        plan
    }
}

/// The operation that a lesson needs; none when it is known, or when its port is gone.
fn neighbour(sb: &Southbound, key: Binding, mac: Mac, stamp: i64) -> Option<Operation> {
    let datapath = i64::try_from(key.datapath).ok()?;
    let (_, port) = sb.port_keyed(datapath, i64::from(key.port))?;
    let (ip, mac) = (Str::from(key.ip.to_string()), Str::from(mac.to_string()));
    match sb.mac_binding(&port.logical_port, &ip) {
        Some((uuid, old)) => {
            // A time stamp alone is no reason to write: this runs for each packet that teaches.
            let timestamp = if old.mac == mac { old.timestamp } else { stamp };
            ops::update(
                uuid,
                &**old,
                &sb::MacBinding {
                    mac,
                    timestamp,
                    ..(**old).clone()
                },
            )
        }
        None => {
            let row = sb::MacBinding {
                logical_port: port.logical_port.clone(),
                ip,
                mac,
                timestamp: stamp,
                datapath: port.datapath,
            };
            let uuid = ops::row_id::<sb::MacBinding>(&format!("{}|{}", row.logical_port, row.ip));
            Some(ops::insert(uuid, &row))
        }
    }
}

fn address(sb: &Southbound, datapath: u64, port: u32, mac: Mac) -> Option<Operation> {
    let datapath = i64::try_from(datapath).ok()?;
    let port_key = i64::from(port);
    sb.port_keyed(datapath, port_key)?;
    let mac = Str::from(mac.to_string());
    match sb.fdb(datapath, &mac) {
        Some((uuid, old)) => ops::update(
            uuid,
            &**old,
            &sb::Fdb {
                port_key,
                ..(**old).clone()
            },
        ),
        None => {
            let row = sb::Fdb {
                mac,
                dp_key: datapath,
                port_key,
                ..sb::Fdb::default()
            };
            let uuid = ops::row_id::<sb::Fdb>(&format!("{datapath}|{}", row.mac));
            Some(ops::insert(uuid, &row))
        }
    }
}
