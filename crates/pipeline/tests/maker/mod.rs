//! Small networks made by hand, for tests and the benchmark.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by two programs, each uses a part"
)]

use model::{Map, Set, Strong, Uuid, sb};
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
