//! Small networks made by hand, for tests and the benchmark.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by two programs, each uses a part"
)]

use model::{Map, Set, Strong, Uuid, Weak, sb};
use ovsdb::Str;
use pipeline::{Network, Rows};

/// Makes rows of a Southbound.
#[derive(Default)]
pub struct Maker {
    pub rows: Rows,
    next: u128,
}

impl Maker {
    fn uuid(&mut self) -> Uuid {
        self.next += 1;
        Uuid::from_u128(self.next)
    }

    pub fn datapath(&mut self, name: &str, kind: &str) -> Uuid {
        let (uuid, northbound) = (self.uuid(), self.uuid());
        let ids = [
            (Str::from(kind), Str::from(northbound.to_string())),
            ("name".into(), name.into()),
        ];
        let row = sb::DatapathBinding {
            tunnel_key: self.rows.datapaths.len() as i64 + 1,
            load_balancers: Set::default(),
            type_: None,
            nb_uuid: None,
            external_ids: ids.into_iter().collect(),
        };
        self.rows.datapaths.push((uuid, row));
        uuid
    }

    pub fn port(&mut self, datapath: Uuid, name: &str, key: i64, kind: &str, peer: Option<&str>) {
        let uuid = self.uuid();
        let options = peer.map(|peer| ("peer".into(), peer.into()));
        let row = sb::PortBinding {
            logical_port: name.into(),
            type_: kind.into(),
            gateway_chassis: Set::default(),
            ha_chassis_group: None,
            options: options.into_iter().collect(),
            datapath: Strong::new(datapath),
            tunnel_key: key,
            parent_port: None,
            mirror_port: None,
            tag: None,
            virtual_parent: None,
            chassis: None,
            additional_chassis: Set::default(),
            encap: None,
            additional_encap: Set::default(),
            mirror_rules: Set::default(),
            mac: Set::default(),
            port_security: Set::default(),
            nat_addresses: Set::default(),
            up: None,
            external_ids: Map::default(),
            requested_chassis: None,
            requested_additional_chassis: Set::default(),
        };
        self.rows.ports.push((uuid, row));
    }

    pub fn flow(&mut self, datapath: Uuid, place: (&str, i64, i64), matches: &str, actions: &str) {
        let uuid = self.uuid();
        let (pipeline, table_id, priority) = place;
        let row = sb::LogicalFlow {
            logical_datapath: Some(Strong::new(datapath)),
            logical_dp_group: None,
            pipeline: if pipeline == "in" {
                sb::Pipeline::Ingress
            } else {
                sb::Pipeline::Egress
            },
            table_id,
            priority,
            match_: matches.into(),
            actions: actions.into(),
            tags: Map::default(),
            controller_meter: None,
            external_ids: Map::default(),
            flow_desc: None,
        };
        self.rows.flows.push((uuid, row));
    }

    /// A chassis with tunnels of some kinds.
    pub fn chassis(&mut self, name: &str, kinds: &[sb::EncapType]) -> Uuid {
        let uuid = self.uuid();
        let mut encaps = Vec::new();
        for kind in kinds {
            let encap = sb::Encap {
                type_: *kind,
                options: Map::default(),
                ip: format!("192.0.2.{}", self.rows.chassis.len() + 1).into(),
                chassis_name: name.into(),
            };
            let id = self.uuid();
            self.rows.encaps.push((id, encap));
            encaps.push(Strong::new(id));
        }
        let row = sb::Chassis {
            name: name.into(),
            hostname: name.into(),
            encaps: encaps.into_iter().collect(),
            vtep_logical_switches: Set::default(),
            nb_cfg: 0,
            external_ids: Map::default(),
            other_config: Map::default(),
            transport_zones: Set::default(),
        };
        self.rows.chassis.push((uuid, row));
        uuid
    }

    /// What a template variable stands for on a chassis.
    pub fn template(&mut self, chassis: &str, name: &str, value: &str) {
        let uuid = self.uuid();
        let row = sb::ChassisTemplateVar {
            chassis: chassis.into(),
            variables: [(Str::from(name), Str::from(value))].into_iter().collect(),
        };
        self.rows.templates.push((uuid, row));
    }

    /// The row of a port.
    pub fn row(&mut self, port: &str) -> &mut sb::PortBinding {
        let found = self
            .rows
            .ports
            .iter_mut()
            .find(|it| it.1.logical_port == port);
        &mut found.expect("a port that was made").1
    }

    /// Puts a port on a chassis.
    pub fn bind(&mut self, port: &str, chassis: Uuid) {
        self.row(port).chassis = Some(Weak::new(chassis));
    }

    /// A multicast group with all ports of a datapath.
    pub fn group(&mut self, datapath: Uuid, name: &str, key: i64) {
        let uuid = self.uuid();
        let all = self
            .rows
            .ports
            .iter()
            .filter(|it| it.1.datapath.uuid() == datapath);
        let row = sb::MulticastGroup {
            datapath: Strong::new(datapath),
            name: name.into(),
            tunnel_key: key,
            ports: all.map(|it| Weak::new(it.0)).collect(),
        };
        self.rows.multicast_groups.push((uuid, row));
    }

    /// Names that are answered on a datapath.
    pub fn names(&mut self, datapath: Uuid, records: &[(&str, &str)], is_owned: bool) {
        let uuid = self.uuid();
        let owned = ("ovn-owned".into(), is_owned.to_string().into());
        let records = records.iter().map(|it| (Str::from(it.0), Str::from(it.1)));
        let row = sb::Dns {
            records: records.collect(),
            datapaths: [Strong::new(datapath)].into_iter().collect(),
            options: [owned].into_iter().collect(),
            external_ids: Map::default(),
        };
        self.rows.dns.push((uuid, row));
    }

    /// A switch with the ports `a` and `b` that gives each what is for its address.
    pub fn switch(&mut self) -> Uuid {
        let switch = self.datapath("s", "logical-switch");
        self.port(switch, "a", 1, "", None);
        self.port(switch, "b", 2, "", None);
        let to = ["outport = \"a\"; output;", "outport = \"b\"; output;"];
        self.flow(switch, ("in", 9, 50), "eth.dst == 00:00:00:00:00:01", to[0]);
        self.flow(switch, ("in", 9, 50), "eth.dst == 00:00:00:00:00:02", to[1]);
        self.flow(switch, ("out", 0, 0), "1", "next(9);");
        self.flow(switch, ("out", 9, 0), "1", "output;");
        switch
    }

    pub fn network(&self) -> Network {
        Network::new(&self.rows)
    }
}
