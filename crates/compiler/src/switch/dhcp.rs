//! `ls_in_dhcp_options`, `ls_in_dhcp_response`: answers DHCPv4, and lets the answer pass the ACLs.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use logic::{DHCP_V4_OPTIONS, OptionKind};
use model::nb;
use uuid::Uuid;

use crate::address::{Mac, Station};
use crate::diagnostic::Diagnostic;
use crate::flow::{Emitter, quote};
use crate::program::Program;
use crate::scope::{Class, Scope};
use crate::stage::Stage::*;
use crate::switch::bit::{ALLOW, COMMIT, DHCP};
use crate::topology::{AclKind, PortKind, SwitchPort};

pub(super) fn declare(program: &mut Program) {
    program.switch_class_flows("switch/dhcp", |class, out| {
        if class == Class::AllSwitches {
            let mut flows = out.on(Scope::class(class));
            flows
                .add(LsInDhcpOptions, 0, "1", "next;")
                .add(LsInDhcpResponse, 0, "1", "next;");
        }
    });
    let topology = program.topology;
    program.flows(
        "switch/dhcp port",
        topology.switch_port,
        move |cx, id, out| {
            let Some(port) = cx.get(topology.switch_port, id) else {
                return;
            };
            let row = cx
                .get(topology.nb.switch_port, id)
                .and_then(|row| row.dhcpv4_options);
            let Some(reference) = row.filter(|_| port.enabled && port.kind == PortKind::Vif) else {
                return;
            };
            let Some(options) = cx.get(topology.nb.dhcp_options, &reference.uuid()) else {
                return;
            };
            let Some(server) = Server::read(options) else {
                return;
            };
            let acl = cx
                .get(topology.acl_kind, &port.switch)
                .copied()
                .unwrap_or_default();
            for station in &port.stations {
                let leased = station.v4.iter().find(|ip| server.network.contains(*ip));
                if let Some(ip) = leased {
                    serve(out, *id, port, station, *ip, &server, acl);
                }
            }
        },
    );
    program.flows(
        "switch/dhcp options",
        topology.nb.dhcp_options,
        move |cx, id, out| {
            if let Some(row) = cx.get(topology.nb.dhcp_options, id) {
                diagnose(row, *id, out);
            }
        },
    );
}

/// What a row of DHCPv4 options says.
struct Server {
    network: Ipv4Net,
    id: Ipv4Addr,
    mac: Mac,
    /// The options as they are put, after `offerip`.
    options: String,
}

impl Server {
    /// None when the row is not one of DHCPv4, or lacks what a server must have.
    fn read(row: &nb::DhcpOptions) -> Option<Self> {
        let network: Ipv4Net = row.cidr.parse().ok()?;
        let id: Ipv4Addr = row.options.get("server_id")?.parse().ok()?;
        let mac: Mac = row.options.get("server_mac")?.parse().ok()?;
        row.options.get("lease_time")?.parse::<u32>().ok()?;
        let mut options = Vec::new();
        for (name, value) in row.options.iter().filter(|(name, _)| *name != "server_mac") {
            if let Ok(option) = option(name, value) {
                options.push(option);
            }
        }
        if row.options.get("netmask").is_none() {
            options.push(format!("netmask = {}", network.netmask()));
        }
        Some(Self {
            network,
            id,
            mac,
            options: options.join(", "),
        })
    }
}

/// An option in the logical language, or why it cannot be one. What agents could not parse would
/// take the whole flow with it, so it is checked here.
fn option(name: &str, value: &str) -> Result<String, String> {
    let unknown = || format!("not supported: DHCP option {name}");
    let definition = DHCP_V4_OPTIONS
        .iter()
        .find(|option| option.name == name && option.code != 0);
    let kind = definition.ok_or_else(unknown)?.kind;
    let quoted = matches!(
        kind,
        OptionKind::Text | OptionKind::Domains | OptionKind::HostId
    ) && !value.starts_with('"')
        && (kind != OptionKind::HostId || value.parse::<Ipv4Addr>().is_err());
    let text = format!(
        "{name} = {}",
        if quoted { quote(value) } else { value.into() }
    );
    let trial = format!("{DHCP} = put_dhcp_opts(offerip = 192.0.2.1, {text}); next;");
    match logic::parse_actions(&trial, logic::Symbols::ovn()) {
        Ok(_) => Ok(text),
        Err(error) => Err(format!(
            "the value of DHCP option {name} is left out: {}",
            error.message
        )),
    }
}

fn diagnose(row: &nb::DhcpOptions, id: Uuid, out: &mut Emitter) {
    let mut say = |message: String| {
        out.diagnose(Diagnostic::new(
            "DHCP_Options",
            id,
            row.cidr.clone(),
            message,
        ));
    };
    if row.cidr.contains(':') {
        return;
    }
    if row.cidr.parse::<Ipv4Net>().is_err() {
        return say(format!(
            "cidr {} is not a network, for example 192.0.2.0/24",
            row.cidr
        ));
    }
    if Server::read(row).is_none() {
        return say("server_id, server_mac and lease_time are required and must be valid".into());
    }
    for (name, value) in row.options.iter().filter(|(name, _)| *name != "server_mac") {
        if let Err(message) = option(name, value) {
            say(message);
        }
    }
}

fn serve(
    out: &mut Emitter,
    id: Uuid,
    port: &SwitchPort,
    station: &Station,
    ip: Ipv4Addr,
    server: &Server,
    acl: AclKind,
) {
    let from = format!("inport == {} && eth.src == {}", port.quoted, station.mac);
    let asked = format!(
        "{from} && ip4.src == {{{ip}, 0.0.0.0}} && ip4.dst == {{{}, 255.255.255.255}} && \
         udp.src == 68 && udp.dst == 67",
        server.id
    );
    let put = format!(
        "{DHCP} = put_dhcp_opts(offerip = {ip}, {}); next;",
        server.options
    );
    let answered = format!("{from} && ip4 && udp.src == 68 && udp.dst == 67 && {DHCP}");
    let answer = format!(
        "eth.dst = eth.src; eth.src = {}; ip4.src = {}; udp.src = 67; udp.dst = 68; \
         outport = inport; flags.loopback = 1; output;",
        server.mac, server.id
    );
    let mut flows = out.of(Scope::Datapath(port.switch), id);
    flows
        .add(LsInDhcpOptions, 100, asked, put)
        .add(LsInDhcpResponse, 100, answered, answer);
    if acl != AclKind::None {
        let reply = format!(
            "outport == {} && eth.src == {} && ip4.src == {} && udp && udp.src == 67 && \
             udp.dst == 68",
            port.quoted, server.mac, server.id
        );
        let commit = if acl == AclKind::Stateful {
            format!("{COMMIT} = 1; ")
        } else {
            String::new()
        };
        flows.add(
            LsOutAclEval,
            34_000,
            reply,
            format!("{commit}{ALLOW} = 1; next;"),
        );
    }
}
