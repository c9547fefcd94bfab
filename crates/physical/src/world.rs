//! What rules can look up: the inputs, and the small relations that most rules share.
//!
//! Each shared relation is a barrier: who needs only a port's key does not run again when the port's
//! chassis changes.

use std::sync::Arc;

use incremental::{Builder, Collected, Context, Index, Input, Rule};
use model::{Uuid, sb};
use openflow::Port;
use ovsdb::Str;

use crate::facts::{Encapsulation, Endpoint, Settings, Tunnel, Zone};
use crate::tables::FIRST_MULTICAST_KEY;

/// What is set from outside.
#[derive(Clone, Copy)]
pub(crate) struct Inputs {
    pub(crate) settings: Input<(), Settings>,
    pub(crate) interface: Input<Str, Port>,
    pub(crate) patch: Input<Str, Port>,
    pub(crate) tunnel: Input<Endpoint, Tunnel>,
    pub(crate) zone: Input<Zone, u16>,
    pub(crate) logical_flow: Input<Uuid, Arc<sb::LogicalFlow>>,
    pub(crate) datapath_group: Input<Uuid, Arc<sb::LogicalDpGroup>>,
    pub(crate) datapath: Input<Uuid, Arc<sb::DatapathBinding>>,
    pub(crate) port: Input<Uuid, Arc<sb::PortBinding>>,
    pub(crate) multicast: Input<Uuid, Arc<sb::MulticastGroup>>,
    pub(crate) address_set: Input<Uuid, Arc<sb::AddressSet>>,
    pub(crate) port_group: Input<Uuid, Arc<sb::PortGroup>>,
    pub(crate) chassis: Input<Uuid, Arc<sb::Chassis>>,
    pub(crate) ha_group: Input<Uuid, Arc<sb::HaChassisGroup>>,
    pub(crate) ha_chassis: Input<Uuid, Arc<sb::HaChassis>>,
    pub(crate) encap: Input<Uuid, Arc<sb::Encap>>,
    pub(crate) mac_binding: Input<Uuid, Arc<sb::MacBinding>>,
    pub(crate) static_mac_binding: Input<Uuid, Arc<sb::StaticMacBinding>>,
    pub(crate) fdb: Input<Uuid, Arc<sb::Fdb>>,
    pub(crate) template: Input<Uuid, Arc<sb::ChassisTemplateVar>>,
    /// What [`crate::local::Locality`] found.
    pub(crate) local: Input<Uuid, ()>,
}

impl Inputs {
    fn new(build: &mut Builder) -> Self {
        Self {
            settings: build.input("settings"),
            interface: build.input("interface"),
            patch: build.input("patch"),
            tunnel: build.input("tunnel"),
            zone: build.input("zone"),
            logical_flow: build.input("Logical_Flow"),
            datapath_group: build.input("Logical_DP_Group"),
            datapath: build.input("Datapath_Binding"),
            port: build.input("Port_Binding"),
            multicast: build.input("Multicast_Group"),
            address_set: build.input("Address_Set"),
            port_group: build.input("Port_Group"),
            chassis: build.input("Chassis"),
            ha_group: build.input("HA_Chassis_Group"),
            ha_chassis: build.input("HA_Chassis"),
            encap: build.input("Encap"),
            mac_binding: build.input("MAC_Binding"),
            static_mac_binding: build.input("Static_MAC_Binding"),
            fdb: build.input("FDB"),
            template: build.input("Chassis_Template_Var"),
            local: build.input("local datapath"),
        }
    }
}

/// Who we are, as the Southbound says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Here {
    pub(crate) chassis: Uuid,
    pub(crate) name: Str,
    pub(crate) hostname: Str,
}

/// What never changes of a port while it is the same port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) port: Uuid,
    pub(crate) datapath: Uuid,
    pub(crate) key: u32,
}

/// Where a port meets the integration bridge of this chassis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attachment {
    pub(crate) port: Port,
    /// The VLAN that tells its packets from others of the same OpenFlow port.
    pub(crate) tag: Option<u16>,
    /// The key of the port that it is nested in.
    pub(crate) parent: Option<u32>,
}

/// A datapath that this chassis holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Local {
    pub(crate) key: u32,
    pub(crate) is_switch: bool,
    /// The user chose the zone of source translation, so both directions share that one.
    pub(crate) snat_zone_is_common: bool,
    /// Joins availability zones: routers are reached on their own side only.
    pub(crate) is_transit: bool,
}

/// The relations that rules share.
#[derive(Clone, Copy)]
pub(crate) struct World {
    pub(crate) inputs: Inputs,
    pub(crate) here: Rule<(), Here>,
    pub(crate) datapath_by_key: Index<i64, Uuid>,
    pub(crate) port_named: Rule<Str, Identity>,
    pub(crate) attachment: Rule<Uuid, Attachment>,
    /// Whether a port resides on this chassis, for `is_chassis_resident`; by name.
    pub(crate) resident: Rule<Str, ()>,
    /// Tunnels by the chassis they lead to.
    pub(crate) tunnels: Rule<Uuid, Arc<[(Str, Tunnel)]>>,
    pub(crate) datapath: Rule<Uuid, Local>,
    pub(crate) localnet_of: Index<Uuid, Uuid>,
    pub(crate) multicast_named: Collected<(Uuid, Str), u32>,
    pub(crate) address_set_named: Index<Str, Uuid>,
    pub(crate) port_group_named: Index<Str, Uuid>,
    /// By chassis and name: what a template variable stands for.
    pub(crate) template_value: Collected<(Str, Str), Str>,
    pub(crate) templates_of: Index<Str, Uuid>,
}

impl World {
    pub(crate) fn new(build: &mut Builder) -> Self {
        let inputs = Inputs::new(build);
        let chassis_named = build.index("chassis by name", inputs.chassis, |_, row| {
            [row.name.clone()]
        });
        let here = build.filter("here", inputs.settings, move |cx, ()| {
            let settings = cx.get(inputs.settings, &())?;
            let chassis = *cx.items(chassis_named, &settings.chassis).next()?;
            let row = cx.get(inputs.chassis, &chassis)?;
            Some(Here {
                chassis,
                name: row.name.clone(),
                hostname: row.hostname.clone(),
            })
        });
        let datapath_by_key =
            build.index(
                "datapath by key",
                inputs.datapath,
                |_, row| [row.tunnel_key],
            );
        let port_by_name = build.index("port by name", inputs.port, |_, row| {
            [row.logical_port.clone()]
        });
        let port_named = build.filter("port key", port_by_name, move |cx, name| {
            let port = *cx.items(port_by_name, name).next()?;
            let row = cx.get(inputs.port, &port)?;
            Some(Identity {
                port,
                datapath: row.datapath.uuid(),
                key: port_key(row)?,
            })
        });
        let resident = build.filter("resident port", port_named, move |cx, name| {
            let row = cx.get(inputs.port, &cx.get(port_named, name)?.port)?;
            (row.chassis?.uuid() == cx.get(here, &())?.chassis).then_some(())
        });
        let tunnel_ports = build.index("tunnel by port", inputs.tunnel, |_, tunnel| [tunnel.port]);
        let attachment = build.filter("attachment", inputs.port, move |cx, port| {
            let row = cx.get(inputs.port, port)?;
            let found = attach(cx, inputs, here, port_named, row)?;
            // The agent can know an old number of a port that is gone; tunnels claim theirs first.
            cx.get(tunnel_ports, &found.port).is_none().then_some(found)
        });
        Self {
            inputs,
            here,
            datapath_by_key,
            port_named,
            attachment,
            resident,
            tunnels: chassis_tunnels(build, inputs),
            datapath: build.filter("datapath", inputs.local, move |cx, datapath| {
                Local::new(cx.get(inputs.datapath, datapath)?)
            }),
            localnet_of: build.index("localnet of", inputs.port, |_, row| {
                (row.type_ == "localnet").then(|| row.datapath.uuid())
            }),
            multicast_named: build.collect("multicast key", inputs.multicast, |_, row| {
                multicast_key(row).map(|key| ((row.datapath.uuid(), row.name.clone()), key))
            }),
            address_set_named: build.index("address set by name", inputs.address_set, |_, row| {
                [row.name.clone()]
            }),
            port_group_named: build.index("port group by name", inputs.port_group, |_, row| {
                [row.name.clone()]
            }),
            template_value: build.collect("template variable", inputs.template, |_, row| {
                let key = |name: &Str| (row.chassis.clone(), name.clone());
                let values = row.variables.iter();
                values
                    .map(|(name, value)| (key(name), value.clone()))
                    .collect::<Vec<_>>()
            }),
            templates_of: build.index("templates of a chassis", inputs.template, |_, row| {
                [row.chassis.clone()]
            }),
        }
    }

    /// The settings; rules that run while there are none have nothing to say.
    pub(crate) fn settings<'a>(&self, cx: &Context<'a>) -> Option<&'a Settings> {
        cx.get(self.inputs.settings, &())
    }

    /// Whether a row's chassis column names us.
    pub(crate) fn is_here(&self, cx: &Context<'_>, row: &sb::PortBinding) -> bool {
        let here = cx.get(self.here, &()).map(|here| here.chassis);
        here.is_some() && row.chassis.map(|chassis| chassis.uuid()) == here
    }

    /// The number of a zone, where it has one.
    pub(crate) fn zone(&self, cx: &Context<'_>, zone: &Zone) -> Option<u16> {
        cx.get(self.inputs.zone, zone).copied()
    }

    /// The localnet port of a datapath that has one.
    pub(crate) fn localnet<'a>(
        &self,
        cx: &Context<'a>,
        datapath: Uuid,
    ) -> Option<(Uuid, &'a Arc<sb::PortBinding>)> {
        let port = *cx.items(self.localnet_of, &datapath).next()?;
        Some((port, cx.get(self.inputs.port, &port)?))
    }
}

impl Local {
    fn new(row: &sb::DatapathBinding) -> Option<Self> {
        let is_switch = match row.type_ {
            Some(sb::DatapathType::LogicalSwitch) => true,
            Some(sb::DatapathType::LogicalRouter) => false,
            None => row.external_ids.get("logical-switch").is_some(),
        };
        Some(Self {
            key: u32::try_from(row.tunnel_key).ok()?,
            is_switch,
            snat_zone_is_common: row.external_ids.get("snat-ct-zone").is_some(),
            is_transit: row.external_ids.get("interconn-ts").is_some(),
        })
    }
}

/// The key of a port, where it is in the range of ports: what keeps its flows apart from those of groups.
pub(crate) fn port_key(row: &sb::PortBinding) -> Option<u32> {
    let in_range = 0 < row.tunnel_key && row.tunnel_key < i64::from(FIRST_MULTICAST_KEY);
    u32::try_from(row.tunnel_key).ok().filter(|_| in_range)
}

/// The key of a multicast group, where it is in the range of groups.
pub(crate) fn multicast_key(row: &sb::MulticastGroup) -> Option<u32> {
    let key = u16::try_from(row.tunnel_key).ok()?;
    (key >= FIRST_MULTICAST_KEY).then(|| key.into())
}

fn chassis_tunnels(build: &mut Builder, inputs: Inputs) -> Rule<Uuid, Arc<[(Str, Tunnel)]>> {
    let of_name = build.collect("tunnels by chassis", inputs.tunnel, |endpoint, tunnel| {
        [(endpoint.chassis.clone(), (endpoint.ip.clone(), *tunnel))]
    });
    build.filter("tunnels", inputs.chassis, move |cx, chassis| {
        let name = &cx.get(inputs.chassis, chassis)?.name;
        let mut tunnels: Vec<(Str, Tunnel)> = cx.items(of_name, name).cloned().collect();
        // Geneve carries more, so it comes first where a chassis offers both.
        tunnels.sort_by_key(|(_, tunnel)| tunnel.encapsulation == Encapsulation::Vxlan);
        (!tunnels.is_empty()).then(|| tunnels.into())
    })
}

fn attach(
    cx: &Context<'_>,
    inputs: Inputs,
    here: Rule<(), Here>,
    port_named: Rule<Str, Identity>,
    row: &sb::PortBinding,
) -> Option<Attachment> {
    let tag = row
        .tag
        .and_then(|tag| u16::try_from(tag).ok())
        .filter(|tag| (1..4096).contains(tag));
    if let Some(parent) = row.parent_port.as_ref().filter(|parent| !parent.is_empty()) {
        let port = *cx.get(inputs.interface, parent)?;
        let parent = cx.get(port_named, parent).map(|parent| parent.key);
        return Some(Attachment {
            port,
            tag: Some(tag?),
            parent: Some(parent?),
        });
    }
    match &*row.type_ {
        "localnet" | "l2gateway" => Some(Attachment {
            port: *cx.get(inputs.patch, &row.logical_port)?,
            tag,
            parent: None,
        }),
        "" if may_bind(cx.get(here, &())?, row) => {
            let port = *cx.get(inputs.interface, &row.logical_port)?;
            Some(Attachment {
                port,
                tag: None,
                parent: None,
            })
        }
        "localport" => {
            let port = *cx.get(inputs.interface, &row.logical_port)?;
            Some(Attachment {
                port,
                tag: None,
                parent: None,
            })
        }
        _ => None,
    }
}

/// Whether the port may be bound here: it asks for no chassis, or for ours by name or host name.
fn may_bind(here: &Here, row: &sb::PortBinding) -> bool {
    let requested = row.options.get("requested-chassis").map_or("", Str::as_str);
    let mut wanted = requested
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .peekable();
    wanted.peek().is_none() || wanted.any(|name| name == here.name || name == here.hostname)
}
