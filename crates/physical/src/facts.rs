//! What the crate is told: rows of the Southbound, and facts of this chassis that no database holds.
//!
//! A [`Fact`] replaces what was known under its key; the order in which facts come does not matter.

use std::sync::Arc;

use model::{RowError, Table, Uuid, sb};
use openflow::Port;
use ovsdb::{RowChange, Str};

/// How this chassis is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The name of our row in `Chassis` (`external_ids:system-id`).
    pub chassis: Str,
    /// The index of `tun_metadata` that the Geneve option of OVN is mapped to.
    pub tunnel_metadata: u8,
    /// Whether the datapath takes a source translation to nothing, which keeps connections that are
    /// only filtered from colliding with translated ones. Linux 5.5 and the userspace datapath do.
    pub zero_snat: bool,
}

impl Settings {
    /// The settings of an up-to-date datapath.
    pub fn new(chassis: impl Into<Str>) -> Self {
        Self {
            chassis: chassis.into(),
            tunnel_metadata: 0,
            zero_snat: true,
        }
    }
}

/// What a connection tracking zone is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Zone {
    /// The filter of a logical port, by its name.
    Port(Str),
    /// Destination translation of a datapath.
    Dnat(Uuid),
    /// Source translation of a datapath.
    Snat(Uuid),
}

/// A tunnel's far end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The name of the chassis.
    pub chassis: Str,
    /// Its address.
    pub ip: Str,
}

/// How a tunnel encapsulates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encapsulation {
    /// With OVN's metadata: datapath, input and output port.
    Geneve,
    /// With twelve bits of datapath and twelve of output port.
    Vxlan,
}

/// A tunnel port of the integration bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tunnel {
    /// How it encapsulates.
    pub encapsulation: Encapsulation,
    /// Its OpenFlow port.
    pub port: Port,
}

/// One thing that is known; `None` takes it back.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// How this chassis is set up. Nothing is local without.
    Settings(Option<Settings>),
    /// The OpenFlow port of the interface with this `iface-id`.
    Interface(Str, Option<Port>),
    /// The OpenFlow port of the patch port that stands for this localnet or l2gateway port.
    Patch(Str, Option<Port>),
    /// The tunnel to an endpoint.
    Tunnel(Endpoint, Option<Tunnel>),
    /// The number of a connection tracking zone.
    Zone(Zone, Option<u16>),
    /// A logical flow.
    LogicalFlow(Uuid, Option<Arc<sb::LogicalFlow>>),
    /// A group of datapaths.
    DatapathGroup(Uuid, Option<Arc<sb::LogicalDpGroup>>),
    /// A logical switch or router.
    Datapath(Uuid, Option<Arc<sb::DatapathBinding>>),
    /// A logical port.
    Port(Uuid, Option<Arc<sb::PortBinding>>),
    /// A multicast group.
    Multicast(Uuid, Option<Arc<sb::MulticastGroup>>),
    /// An address set.
    AddressSet(Uuid, Option<Arc<sb::AddressSet>>),
    /// A port group on one switch.
    PortGroup(Uuid, Option<Arc<sb::PortGroup>>),
    /// A chassis.
    Chassis(Uuid, Option<Arc<sb::Chassis>>),
    /// Chassis of which one is active at a time.
    HaGroup(Uuid, Option<Arc<sb::HaChassisGroup>>),
    /// A chassis in such a group.
    HaChassis(Uuid, Option<Arc<sb::HaChassis>>),
    /// A tunnel end of a chassis.
    Encap(Uuid, Option<Arc<sb::Encap>>),
    /// A learned neighbour.
    MacBinding(Uuid, Option<Arc<sb::MacBinding>>),
    /// A configured neighbour.
    StaticMacBinding(Uuid, Option<Arc<sb::StaticMacBinding>>),
    /// A learned address of a switch.
    Fdb(Uuid, Option<Arc<sb::Fdb>>),
    /// The template variables of a chassis.
    Template(Uuid, Option<Arc<sb::ChassisTemplateVar>>),
}

impl Fact {
    /// The fact that a change of a Southbound row is, or `None` where it is none of ours.
    ///
    /// # Errors
    /// When the row holds a value that its type cannot. The caller should take back what was known of it.
    pub fn from_change(change: &RowChange) -> Result<Option<Self>, RowError> {
        fn row<T: Table>(change: &RowChange) -> Result<Option<Arc<T>>, RowError> {
            change
                .new
                .as_deref()
                .map(|row| T::from_row(row).map(Arc::new))
                .transpose()
        }
        let uuid = change.uuid;
        Ok(Some(match &*change.table {
            sb::LogicalFlow::NAME => Self::LogicalFlow(uuid, row(change)?),
            sb::LogicalDpGroup::NAME => Self::DatapathGroup(uuid, row(change)?),
            sb::DatapathBinding::NAME => Self::Datapath(uuid, row(change)?),
            sb::PortBinding::NAME => Self::Port(uuid, row(change)?),
            sb::MulticastGroup::NAME => Self::Multicast(uuid, row(change)?),
            sb::AddressSet::NAME => Self::AddressSet(uuid, row(change)?),
            sb::PortGroup::NAME => Self::PortGroup(uuid, row(change)?),
            sb::Chassis::NAME => Self::Chassis(uuid, row(change)?),
            sb::HaChassisGroup::NAME => Self::HaGroup(uuid, row(change)?),
            sb::HaChassis::NAME => Self::HaChassis(uuid, row(change)?),
            sb::Encap::NAME => Self::Encap(uuid, row(change)?),
            sb::MacBinding::NAME => Self::MacBinding(uuid, row(change)?),
            sb::StaticMacBinding::NAME => Self::StaticMacBinding(uuid, row(change)?),
            sb::Fdb::NAME => Self::Fdb(uuid, row(change)?),
            sb::ChassisTemplateVar::NAME => Self::Template(uuid, row(change)?),
            _ => return Ok(None),
        }))
    }

    /// Takes back what is known of a row, where the table is one of ours: for a row that does not read.
    pub fn forget(table: &str, uuid: Uuid) -> Option<Self> {
        Some(match table {
            sb::LogicalFlow::NAME => Self::LogicalFlow(uuid, None),
            sb::LogicalDpGroup::NAME => Self::DatapathGroup(uuid, None),
            sb::DatapathBinding::NAME => Self::Datapath(uuid, None),
            sb::PortBinding::NAME => Self::Port(uuid, None),
            sb::MulticastGroup::NAME => Self::Multicast(uuid, None),
            sb::AddressSet::NAME => Self::AddressSet(uuid, None),
            sb::PortGroup::NAME => Self::PortGroup(uuid, None),
            sb::Chassis::NAME => Self::Chassis(uuid, None),
            sb::HaChassisGroup::NAME => Self::HaGroup(uuid, None),
            sb::HaChassis::NAME => Self::HaChassis(uuid, None),
            sb::Encap::NAME => Self::Encap(uuid, None),
            sb::MacBinding::NAME => Self::MacBinding(uuid, None),
            sb::StaticMacBinding::NAME => Self::StaticMacBinding(uuid, None),
            sb::Fdb::NAME => Self::Fdb(uuid, None),
            sb::ChassisTemplateVar::NAME => Self::Template(uuid, None),
            _ => return None,
        })
    }

    /// The tables of the Southbound that matter here, for a monitor.
    pub const TABLES: [&'static str; 15] = [
        sb::LogicalFlow::NAME,
        sb::LogicalDpGroup::NAME,
        sb::DatapathBinding::NAME,
        sb::PortBinding::NAME,
        sb::MulticastGroup::NAME,
        sb::AddressSet::NAME,
        sb::PortGroup::NAME,
        sb::Chassis::NAME,
        sb::HaChassisGroup::NAME,
        sb::HaChassis::NAME,
        sb::Encap::NAME,
        sb::MacBinding::NAME,
        sb::StaticMacBinding::NAME,
        sb::Fdb::NAME,
        sb::ChassisTemplateVar::NAME,
    ];
}
