//! What the hypervisor itself has: uplinks, connection-tracking zones, and the numbers of its ports.

use std::collections::BTreeMap;

use packet::Mac;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::params::{Findings, InterfaceType, Path, Problems, bounds};

/// A hypervisor's part in the networks: the same for all of its machines.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Where public cards reach the world. Default: they cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<Uplink>,
    /// Where private cards reach other machines. Default: they cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<Uplink>,
    /// The first of the connection-tracking zones that are used: a port's zone is this plus its number. Zones are
    /// common to all bridges of a datapath, and OVN takes its own from 1 upwards. Default: 32768.
    #[serde(default, skip_serializing_if = "ZoneBase::is_default")]
    pub zone_base: ZoneBase,
}

/// The first connection-tracking zone, 1 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ZoneBase(pub u16);

impl Default for ZoneBase {
    fn default() -> Self {
        Self(0x8000)
    }
}

impl ZoneBase {
    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A port of the bridge that leads out of the hypervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Uplink {
    /// The port's name, 1 to 15 bytes. Both types may share a port, on different VLANs.
    #[schemars(length(min = 1, max = bounds::INTERFACE_NAME))]
    pub port: String,
    /// The VLAN of cards that name none, 1 to 4094, or 0 for none. Default: 0.
    #[serde(default)]
    #[schemars(range(max = 4094))]
    pub vlan: u16,
    /// The Ethernet address of the routers behind it, if they have one in common. Then the hypervisor answers for
    /// gateways itself. Default: machines ask the network.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "optional_mac"
    )]
    #[schemars(with = "Option<String>")]
    pub router_mac: Option<Mac>,
}

mod optional_mac {
    use packet::Mac;
    use serde::{Deserialize, Deserializer, Serializer, de};

    #[allow(clippy::ref_option, reason = "serde passes a reference")]
    pub(super) fn serialize<S: Serializer>(mac: &Option<Mac>, to: S) -> Result<S::Ok, S::Error> {
        match mac {
            Some(mac) => to.collect_str(mac),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Mac>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse().map_err(de::Error::custom))
            .transpose()
    }
}

impl Host {
    /// The uplink of a type.
    #[must_use]
    pub const fn uplink(&self, interface_type: InterfaceType) -> Option<&Uplink> {
        match interface_type {
            InterfaceType::Public => self.public.as_ref(),
            InterfaceType::Private => self.private.as_ref(),
        }
    }

    /// Whether this makes sense in itself.
    ///
    /// # Errors
    /// All that does not, by its path.
    pub fn check(&self) -> Result<(), Problems> {
        let mut found = Findings::default();
        let root = Path::root();
        for interface_type in InterfaceType::ALL {
            let Some(uplink) = self.uplink(interface_type) else {
                continue;
            };
            let at = root.field(interface_type);
            found.length(&at.field("port"), &uplink.port, 1, bounds::INTERFACE_NAME);
            found.in_range(&at.field("vlan"), uplink.vlan.into(), 0, 4094);
            if uplink
                .router_mac
                .is_some_and(|mac| mac.is_zero() || mac.is_multicast())
            {
                found.add(&at.field("router_mac"), "not the address of one router");
            }
        }
        if let (Some(public), Some(private)) = (&self.public, &self.private)
            && (&public.port, public.vlan) == (&private.port, private.vlan)
        {
            let text =
                "the same port and VLAN as public; private machines need a network of their own";
            found.add(&root.field("private"), text);
        }
        found.in_range(
            &root.field("zone_base"),
            self.zone_base.0.into(),
            1,
            u16::MAX.into(),
        );
        found.finish()
    }
}

/// The numbers of the bridge's ports, by their names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ports(BTreeMap<String, u16>);

impl Ports {
    /// The number of a port, if the bridge has it.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u16> {
        self.0.get(name).copied()
    }
}

impl<N: Into<String>> FromIterator<(N, u16)> for Ports {
    fn from_iter<T: IntoIterator<Item = (N, u16)>>(ports: T) -> Self {
        Self(
            ports
                .into_iter()
                .map(|(name, number)| (name.into(), number))
                .collect(),
        )
    }
}

/// From what a switch says of its ports. Reserved ones, such as the bridge's own, are left out.
impl<'a> FromIterator<&'a openflow::message::PortDesc> for Ports {
    fn from_iter<T: IntoIterator<Item = &'a openflow::message::PortDesc>>(ports: T) -> Self {
        let physical = |port: &openflow::message::PortDesc| {
            let number = u16::try_from(port.number.0)
                .ok()
                .filter(|number| *number < 0xff00);
            number.map(|number| (port.name.clone(), number))
        };
        ports.into_iter().filter_map(physical).collect()
    }
}
