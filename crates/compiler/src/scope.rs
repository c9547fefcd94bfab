//! Where a flow holds: one datapath, or a group of datapaths that rules declare.
//!
//! Groups are never found by comparing flows. A datapath that joins a group changes the one row of
//! the group and no flow.

use uuid::Uuid;

/// Where a flow holds. Datapaths are named by the UUID of their Northbound row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// One switch or router.
    Datapath(Uuid),
    /// All members of a group.
    Group(Group),
}

/// A group of datapaths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Datapaths of one class.
    Class(Class),
    /// The switches with a port of a port group; those with connection tracking apart from the others,
    /// because ACLs are written differently for them.
    PortGroup {
        /// The Northbound port group.
        port_group: Uuid,
        /// Whether the switches have stateful ACLs.
        stateful: bool,
    },
    /// The routers with a port on a switch.
    RoutersOn(Uuid),
}

/// A class of datapaths whose flows are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// All switches.
    AllSwitches,
    /// Switches that refuse VLAN tags from their ports: all without `vlan-passthru`.
    Untagged,
    /// Switches with any ACL.
    WithAcls,
    /// Switches with an ACL that needs connection tracking.
    Stateful,
    /// Switches with a port for unknown destinations.
    WithUnknown,
    /// All enabled routers.
    AllRouters,
    /// Routers that learn a neighbour from any ARP request.
    LearnAlways,
    /// Routers that learn from ARP requests only what they already know or asked for.
    LearnKnown,
}

impl Scope {
    /// All datapaths of a class.
    #[must_use]
    pub const fn class(class: Class) -> Self {
        Self::Group(Group::Class(class))
    }

    /// The switches of a port group that have, or do not have, stateful ACLs.
    #[must_use]
    pub const fn port_group(port_group: Uuid, stateful: bool) -> Self {
        Self::Group(Group::PortGroup {
            port_group,
            stateful,
        })
    }

    /// The routers with a port on a switch.
    #[must_use]
    pub const fn routers_on(switch: Uuid) -> Self {
        Self::Group(Group::RoutersOn(switch))
    }
}
