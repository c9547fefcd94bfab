//! Which UUID a Southbound row has.
//!
//! It is a version-5 UUID of the table and the row's natural key, unless the Southbound already had a
//! row with that natural key when the compiler began: then it is that row's. So a restart, or a second
//! compiler, changes nothing.

use std::fmt::Write;
use std::sync::Arc;

use model::{Table, sb};
use ovsdb::{Row, Str};
use rustc_hash::FxHashMap;
use uuid::Uuid;

/// The name space of the UUIDs that the compiler makes.
const SPACE: Uuid = Uuid::from_u128(0x6f85_1a2e_90b5_4f0a_a7c3_6865_6464_6c65);

/// The UUID of a row that is named by its natural key.
#[must_use]
pub(crate) fn derived(table: &str, key: &str) -> Uuid {
    let mut name = String::with_capacity(table.len() + 1 + key.len());
    let _ = write!(name, "{table}\0{key}");
    Uuid::new_v5(&SPACE, name.as_bytes())
}

/// The UUIDs of rows, cheap to clone into rules. It never changes after the compiler began.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    adopted: Arc<FxHashMap<(&'static str, Str), Uuid>>,
}

impl Identity {
    /// Adopts rows that the Southbound holds already.
    pub(crate) fn adopt<'a>(rows: impl Iterator<Item = (&'a str, Uuid, &'a Row)>) -> Self {
        let mut adopted = FxHashMap::default();
        for (table, uuid, row) in rows {
            if let Some((table, key)) = natural_key(table, row) {
                adopted.entry((table, key)).or_insert(uuid);
            }
        }
        Self {
            adopted: Arc::new(adopted),
        }
    }

    /// The UUID of the row of table `T` with the natural key `key`.
    #[must_use]
    pub(crate) fn of<T: Table>(&self, key: &str) -> Uuid {
        if !self.adopted.is_empty()
            && let Some(uuid) = self.adopted.get(&(T::NAME, Str::new(key)))
        {
            return *uuid;
        }
        derived(T::NAME, key)
    }

    /// The Datapath_Binding of a Northbound switch or router.
    #[must_use]
    pub(crate) fn datapath(&self, northbound: Uuid) -> Uuid {
        self.of::<sb::DatapathBinding>(&northbound.to_string())
    }

    /// The Port_Binding of a logical port.
    #[must_use]
    pub(crate) fn port(&self, logical_port: &str) -> Uuid {
        self.of::<sb::PortBinding>(logical_port)
    }
}

/// The natural key of a row, in tables whose rows may be adopted.
fn natural_key(table: &str, row: &Row) -> Option<(&'static str, Str)> {
    match table {
        sb::DatapathBinding::NAME => {
            let row = sb::DatapathBinding::from_row(row).ok()?;
            Some((
                sb::DatapathBinding::NAME,
                northbound_of(&row)?.to_string().into(),
            ))
        }
        sb::PortBinding::NAME => {
            let row = sb::PortBinding::from_row(row).ok()?;
            Some((sb::PortBinding::NAME, row.logical_port))
        }
        sb::AddressSet::NAME => Some((
            sb::AddressSet::NAME,
            sb::AddressSet::from_row(row).ok()?.name,
        )),
        sb::PortGroup::NAME => Some((sb::PortGroup::NAME, sb::PortGroup::from_row(row).ok()?.name)),
        sb::HaChassisGroup::NAME => Some((
            sb::HaChassisGroup::NAME,
            sb::HaChassisGroup::from_row(row).ok()?.name,
        )),
        sb::SbGlobal::NAME => Some((sb::SbGlobal::NAME, Str::default())),
        sb::DhcpOptions::NAME => Some((
            sb::DhcpOptions::NAME,
            sb::DhcpOptions::from_row(row).ok()?.name,
        )),
        sb::Dhcpv6Options::NAME => Some((
            sb::Dhcpv6Options::NAME,
            sb::Dhcpv6Options::from_row(row).ok()?.name,
        )),
        sb::ChassisTemplateVar::NAME => Some((
            sb::ChassisTemplateVar::NAME,
            sb::ChassisTemplateVar::from_row(row).ok()?.chassis,
        )),
        sb::MulticastGroup::NAME => {
            let row = sb::MulticastGroup::from_row(row).ok()?;
            let key = multicast_key(row.datapath.uuid(), &row.name);
            Some((sb::MulticastGroup::NAME, key))
        }
        _ => None,
    }
}

/// The natural key of a multicast group: its (Southbound) datapath and its name.
#[must_use]
pub(crate) fn multicast_key(datapath: Uuid, name: &str) -> Str {
    format!("{datapath} {name}").into()
}

/// The Northbound row that a datapath stands for: the column of 26.03, or the keys of before.
#[must_use]
pub(crate) fn northbound_of(row: &sb::DatapathBinding) -> Option<Uuid> {
    row.nb_uuid.or_else(|| {
        let ids = &row.external_ids;
        let text = ids
            .get("logical-switch")
            .or_else(|| ids.get("logical-router"))?;
        Uuid::parse_str(text).ok()
    })
}
