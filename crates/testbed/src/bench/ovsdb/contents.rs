//! A Southbound made up for the benchmark: a cloud of many small tenants on many hypervisors.
//!
//! A tenant has a switch, a router, ports on a few hypervisors and the logical flows of these; what all have in
//! common is small, as it is in a cloud. The file is one transaction behind the stock schema, in the form that
//! both servers read.
//!
//! Invariant: the same size gives the same bytes.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use sha1::{Digest, Sha1};

/// Where Debian keeps the schema.
const SCHEMA: &str = "/usr/share/ovn/ovn-sb.ovsschema";
/// Ports of virtual machines of a tenant.
pub(super) const PORTS: usize = 20;
/// On how many hypervisors they are.
pub(super) const SPREAD: usize = 4;
/// Logical flows of a tenant.
const FLOWS: usize = 165;
/// Rows of a tenant, and of the hypervisor that stands for it.
const ROWS: usize = 2 + PORTS + 2 + 2 + 4 + FLOWS + 3;

/// How large it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contents {
    /// Tenants, and as many hypervisors.
    pub(super) tenants: usize,
}

/// What a row is; with a number it names the row.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Switch = 1,
    Router,
    Port,
    Patch,
    Multicast,
    Mac,
    Flow,
    Chassis,
    Private,
    Encap,
    Group,
    Global,
    CommonFlow,
}

/// The UUID of a row: in no order, as those of a real database.
pub(super) fn uuid(kind: Kind, number: usize) -> String {
    let mix = |value: u64| {
        let value = (value ^ (value >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (value ^ (value >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ (value >> 32)
    };
    let high = mix(number as u64 * 64 + kind as u64 + 1);
    let low = mix(high);
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

/// The hypervisor of a port of a tenant.
pub(super) fn host(tenants: usize, tenant: usize, port: usize) -> usize {
    (tenant + (port % SPREAD) * 37) % tenants
}

/// The tenants that have ports on a hypervisor.
pub(super) fn guests(tenants: usize, host: usize) -> impl Iterator<Item = usize> {
    (0..SPREAD).map(move |at| (host + tenants * SPREAD - at * 37) % tenants)
}

pub(super) fn port_name(tenant: usize, port: usize) -> String {
    format!("{}-p{port}", uuid(Kind::Switch, tenant))
}

/// A table that is being written.
struct Table<'a> {
    out: &'a mut String,
    first: bool,
}

impl Table<'_> {
    fn row(&mut self, kind: Kind, number: usize, columns: std::fmt::Arguments<'_>) {
        let comma = if std::mem::take(&mut self.first) {
            ""
        } else {
            ","
        };
        // Text takes every write.
        let _ = write!(self.out, "{comma}\"{}\":{{{columns}}}", uuid(kind, number));
    }
}

impl Contents {
    /// About so many rows.
    pub(super) const fn of_rows(rows: usize) -> Self {
        Self {
            tenants: rows / ROWS,
        }
    }

    pub(super) const fn rows(self) -> usize {
        self.tenants * ROWS
    }

    /// Writes the database file.
    pub(super) fn write(self, path: &Path) -> Result<()> {
        let schema = std::fs::read(SCHEMA).with_context(|| format!("cannot read {SCHEMA}"))?;
        let schema: serde_json::Value = serde_json::from_slice(&schema)?;
        let mut bytes = record(&schema.to_string());
        bytes.extend(record(&self.transaction()));
        std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
    }

    fn transaction(self) -> String {
        let mut out = "{".to_owned();
        let mut table = |name: &str, rows: &dyn Fn(&mut Table<'_>)| {
            let _ = write!(out, "\"{name}\":{{");
            let (out, first) = (&mut out, true);
            rows(&mut Table { out, first });
            out.push_str("},");
        };
        table("SB_Global", &|table| {
            table.row(Kind::Global, 0, format_args!("\"nb_cfg\":1"));
        });
        table("Chassis", &|table| self.chassis(table));
        table("Chassis_Private", &|table| self.private(table));
        table("Encap", &|table| self.encaps(table));
        table("Datapath_Binding", &|table| self.datapaths(table));
        table("Logical_DP_Group", &|table| self.groups(table));
        table("Port_Binding", &|table| self.ports(table));
        table("Multicast_Group", &|table| self.multicast(table));
        table("MAC_Binding", &|table| self.macs(table));
        table("Logical_Flow", &|table| self.flows(table));
        out.push_str("\"_date\":1700000000000,\"_comment\":\"made for a benchmark\"}");
        out
    }

    fn chassis(self, table: &mut Table<'_>) {
        for host in 0..self.tenants {
            table.row(Kind::Chassis, host, format_args!(
                r#""name":"{}","hostname":"host-{host}.example.org","encaps":["uuid","{}"],"other_config":["map",[["ovn-bridge-mappings","physnet1:br-ex"],["datapath-type","system"],["iface-types","bareudp,erspan,geneve,gre,internal,vxlan"],["ovn-monitor-all","false"],["port-up-notif","true"]]]"#,
                chassis_name(host), uuid(Kind::Encap, host)));
        }
    }

    fn private(self, table: &mut Table<'_>) {
        for host in 0..self.tenants {
            table.row(Kind::Private, host, format_args!(
                r#""name":"{}","chassis":["uuid","{}"],"nb_cfg":1,"nb_cfg_timestamp":1700000000000"#,
                chassis_name(host), uuid(Kind::Chassis, host)));
        }
    }

    fn encaps(self, table: &mut Table<'_>) {
        for host in 0..self.tenants {
            table.row(Kind::Encap, host, format_args!(
                r#""type":"geneve","ip":"10.{}.{}.1","chassis_name":"{}","options":["map",[["csum","true"]]]"#,
                host / 250, host % 250, chassis_name(host)));
        }
    }

    fn datapaths(self, table: &mut Table<'_>) {
        for tenant in 0..self.tenants {
            for (kind, name, key) in [
                (Kind::Switch, "logical-switch", 2 * tenant + 1),
                (Kind::Router, "logical-router", 2 * tenant + 2),
            ] {
                let id = uuid(kind, tenant + (1 << 30));
                table.row(kind, tenant, format_args!(
                    r#""tunnel_key":{key},"external_ids":["map",[["{name}","{id}"],["name","neutron-{id}"],["name2","tenant-{tenant}"]]]"#));
            }
        }
    }

    fn groups(self, table: &mut Table<'_>) {
        for (number, kind) in [Kind::Switch, Kind::Router].into_iter().enumerate() {
            let of = |tenant| format!(r#"["uuid","{}"]"#, uuid(kind, tenant));
            let members: Vec<String> = (0..self.tenants).map(of).collect();
            table.row(
                Kind::Group,
                number,
                format_args!(r#""datapaths":["set",[{}]]"#, members.join(",")),
            );
        }
    }

    fn ports(self, table: &mut Table<'_>) {
        for tenant in 0..self.tenants {
            let switch = uuid(Kind::Switch, tenant);
            for port in 0..PORTS {
                let mac = mac(tenant, port);
                table.row(Kind::Port, tenant * PORTS + port, format_args!(
                    r#""logical_port":"{}","datapath":["uuid","{switch}"],"tunnel_key":{},"mac":"{mac}","port_security":"{mac}","chassis":["uuid","{}"],"encap":["uuid","{}"],"up":true,"options":["map",[["requested-chassis","host-{}.example.org"],["mcast_flood_reports","true"]]],"external_ids":["map",[["neutron:cidrs","10.{}.0.{}/24"],["neutron:device_owner","compute:nova"],["neutron:port_name","port-{port}"],["neutron:revision_number","4"]]]"#,
                    port_name(tenant, port), port + 2,
                    uuid(Kind::Chassis, host(self.tenants, tenant, port)),
                    uuid(Kind::Encap, host(self.tenants, tenant, port)),
                    host(self.tenants, tenant, port), tenant % 250, port + 3));
            }
            for (number, kind, peer) in [(0, Kind::Switch, "lrp"), (1, Kind::Router, "lsp")] {
                table.row(Kind::Patch, 2 * tenant + number, format_args!(
                    r#""logical_port":"{}-{number}-{switch}","type":"patch","datapath":["uuid","{}"],"tunnel_key":1,"mac":"{}","options":["map",[["peer","{peer}-{switch}"]]]"#,
                    if number == 0 { "lsp" } else { "lrp" }, uuid(kind, tenant), mac(tenant, 250)));
            }
        }
    }

    fn multicast(self, table: &mut Table<'_>) {
        for tenant in 0..self.tenants {
            let of = |port| format!(r#"["uuid","{}"]"#, uuid(Kind::Port, tenant * PORTS + port));
            let members: Vec<String> = (0..PORTS).map(of).collect();
            for (number, name, key) in [(0, "_MC_flood", 32768), (1, "_MC_flood_l2", 32773)] {
                table.row(Kind::Multicast, 2 * tenant + number, format_args!(
                    r#""datapath":["uuid","{}"],"name":"{name}","tunnel_key":{key},"ports":["set",[{}]]"#,
                    uuid(Kind::Switch, tenant), members.join(",")));
            }
        }
    }

    fn macs(self, table: &mut Table<'_>) {
        for tenant in 0..self.tenants {
            for number in 0..4 {
                table.row(Kind::Mac, 4 * tenant + number, format_args!(
                    r#""logical_port":"lrp-1-{}","ip":"10.0.0.{}","mac":"{}","datapath":["uuid","{}"],"timestamp":1700000000000"#,
                    uuid(Kind::Switch, tenant), number + 3, mac(tenant, number), uuid(Kind::Router, tenant)));
            }
        }
    }

    fn flows(self, table: &mut Table<'_>) {
        for tenant in 0..self.tenants {
            for flow in 0..FLOWS {
                self.flow(table, tenant, flow);
            }
        }
        for flow in 0..200 {
            let (pipeline, stage, table_id, group) = (
                ["ingress", "egress"][flow % 2],
                STAGES[flow % STAGES.len()],
                flow % 25,
                flow % 2,
            );
            table.row(Kind::CommonFlow, flow, format_args!(
                r#""logical_dp_group":["uuid","{}"],"pipeline":"{pipeline}","table_id":{table_id},"priority":{},"match":"{}","actions":"next;","external_ids":["map",[["source","northd.c:{}"],["stage-name","{stage}"]]]"#,
                uuid(Kind::Group, group), 100 + flow, if flow.is_multiple_of(3) { "1" } else { "ct.est && ct_mark.blocked == 0" }, 5000 + flow));
        }
    }

    fn flow(self, table: &mut Table<'_>, tenant: usize, flow: usize) {
        let port = flow % PORTS;
        let (name, mac, ip) = (
            port_name(tenant, port),
            mac_alone(tenant, port),
            format!("10.{}.0.{}", tenant % 250, port + 3),
        );
        let datapath = uuid(
            if flow % 4 == 3 {
                Kind::Router
            } else {
                Kind::Switch
            },
            tenant,
        );
        let (priority, matches, actions) = match flow % 8 {
            0 => (
                50,
                format!(r#"inport == \"{name}\" && eth.src == {{{mac}}}"#),
                "next;".to_owned(),
            ),
            1 => (
                90,
                format!(r#"inport == \"{name}\" && eth.src == {mac} && ip4.src == {{{ip}}}"#),
                "next;".to_owned(),
            ),
            2 => (
                50,
                format!("arp.tpa == {ip} && arp.op == 1"),
                format!(
                    r#"eth.dst = eth.src; eth.src = {mac}; arp.op = 2; /* ARP reply */ arp.tha = arp.sha; arp.sha = {mac}; arp.tpa = arp.spa; arp.spa = {ip}; outport = inport; flags.loopback = 1; output;"#
                ),
            ),
            3 => (
                100,
                format!(r#"outport == \"lrp-1-{datapath}\" && reg0 == {ip}"#),
                format!("eth.dst = {mac}; next;"),
            ),
            4 => (
                50,
                format!("eth.dst == {mac}"),
                format!(r#"outport = \"{name}\"; output;"#),
            ),
            5 => (
                2002,
                format!(
                    r#"((reg0[7] == 1) || (reg0[8] == 1)) && (outport == \"{name}\" && ip4 && ip4.src == 10.0.0.0/8 && tcp.dst == {})"#,
                    1000 + flow
                ),
                "reg0[1] = 1; next;".to_owned(),
            ),
            6 => (1, "1".to_owned(), "next;".to_owned()),
            _ => (
                49,
                format!("ip4.dst == {ip}/32 && ip.ttl > 1"),
                format!(
                    r#"ip.ttl--; reg8[0..15] = 0; reg0 = ip4.dst; reg1 = {ip}; eth.src = {mac}; outport = \"lrp-1-{datapath}\"; flags.loopback = 1; next;"#
                ),
            ),
        };
        let stage = STAGES[flow % STAGES.len()];
        table.row(Kind::Flow, tenant * FLOWS + flow, format_args!(
            r#""logical_datapath":["uuid","{datapath}"],"pipeline":"{}","table_id":{},"priority":{priority},"match":"{matches}","actions":"{actions}","external_ids":["map",[["source","northd.c:{}"],["stage-hint","{:08x}"],["stage-name","{stage}"]]]"#,
            ["ingress", "egress"][flow % 2], flow % 25, 5000 + flow, (tenant * 31 + port) as u32));
    }
}

const STAGES: [&str; 8] = [
    "ls_in_check_port_sec",
    "ls_in_apply_port_sec",
    "ls_in_arp_rsp",
    "lr_in_arp_resolve",
    "ls_in_l2_lkup",
    "ls_out_acl",
    "ls_in_pre_acl",
    "lr_in_ip_routing",
];

pub(super) fn chassis_name(host: usize) -> String {
    uuid(Kind::Chassis, host + (1 << 30))
}

fn mac_alone(tenant: usize, port: usize) -> String {
    format!(
        "fa:16:3e:{:02x}:{:02x}:{port:02x}",
        tenant >> 8,
        tenant & 255
    )
}

fn mac(tenant: usize, port: usize) -> String {
    format!(
        "{} 10.{}.0.{}",
        mac_alone(tenant, port),
        tenant % 250,
        port + 3
    )
}

/// A record as database files have it.
fn record(json: &str) -> Vec<u8> {
    let data = format!("{json}\n");
    let sum: String = Sha1::digest(data.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("OVSDB JSON {} {sum}\n{data}", data.len()).into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn hosts_and_guests_are_each_others() {
        for host_number in 0..200 {
            for tenant in guests(200, host_number) {
                assert!((0..PORTS).any(|port| host(200, tenant, port) == host_number));
            }
        }
    }

    #[test]
    fn each_row_has_its_uuid() {
        let text = Contents { tenants: 50 }.transaction();
        let tables: serde_json::Value = serde_json::from_str(&text).unwrap();
        let rows = tables
            .as_object()
            .unwrap()
            .values()
            .filter_map(|table| table.as_object());
        let uuids: Vec<&String> = rows.flat_map(|rows| rows.keys()).collect();
        assert_eq!(uuids.iter().collect::<HashSet<_>>().len(), uuids.len());
        assert_eq!(uuids.len(), 50 * ROWS + 203);
    }
}
