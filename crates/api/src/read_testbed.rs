//! The section that only `heddle demo` reads.

use std::net::IpAddr;

use marked_yaml::Node;
use ovsdb::Str;

use crate::document::{Addressing, Expectation, Machine, Outcome, Probe, Target, Testbed};
use crate::fields::{Fields, Located, Problems};

pub(crate) fn testbed(node: &Node, problems: &mut Problems) -> Testbed {
    let mut fields = Fields::of(node, "testbed", problems);
    let hypervisors = fields.values("hypervisors", "the name of a hypervisor");
    let machines = fields.entries("machines");
    let expectations = fields.items("expectations");
    fields.finish();
    let machines = machines
        .into_iter()
        .filter_map(|(port, node)| machine(port, node, problems));
    Testbed {
        hypervisors,
        machines: machines.collect(),
        expectations: expectations
            .into_iter()
            .filter_map(|e| expectation(e, problems))
            .collect(),
    }
}

fn machine(port: Located<Str>, node: &Node, problems: &mut Problems) -> Option<Machine> {
    let mut fields = Fields::of(node, format!("machine {}", port.value), problems);
    let on = fields.required("on", "the name of a hypervisor");
    let word = fields.value::<Str>("addressing", "static or dhcp");
    let addressing = match word.as_ref().map(|word| word.value.as_str()) {
        None | Some("static") => Addressing::Static,
        Some("dhcp") => Addressing::Dhcp,
        Some(other) => {
            let at = fields.at;
            fields.problem(
                at,
                format!("addressing `{other}` is not known"),
                "write static or dhcp",
            );
            Addressing::Static
        }
    };
    fields.finish();
    Some(Machine {
        port,
        on: on?,
        addressing,
    })
}

fn expectation(node: &Node, problems: &mut Problems) -> Option<Expectation> {
    let mut fields = Fields::of(node, "expectation", problems);
    let from = fields.required("from", "the name of a machine");
    let spoof = fields.value("spoof", "an IP address");
    let to = fields.required::<Str>("to", "a machine, machine/ipv6 or an address");
    let probe = fields.required::<Str>("probe", "ping, tcp/PORT or udp/PORT");
    let ttl = fields.value("ttl", "a number from 1 to 255");
    let should = fields.required::<Str>("should", "pass, fail or expire");
    let probe = probe.and_then(|text| {
        let probe = self::probe(&text.value);
        if probe.is_none() {
            let what = format!("probe `{}` is not known", text.value);
            fields.problem(text.at, what, "write ping, tcp/PORT or udp/PORT");
        }
        probe
    });
    let should = should.and_then(|word| match word.value.as_str() {
        "pass" => Some(Outcome::Pass),
        "fail" => Some(Outcome::Fail),
        "expire" => Some(Outcome::Expire),
        other => {
            fields.problem(
                word.at,
                format!("outcome `{other}` is not known"),
                "write pass, fail or expire",
            );
            None
        }
    });
    let at = fields.at;
    fields.finish();
    Some(Expectation {
        at,
        from: from?,
        spoof: spoof.map(|address: Located<IpAddr>| address.value),
        to: target(&to?),
        probe: probe?,
        ttl: ttl.map(|ttl| ttl.value),
        should: should?,
    })
}

fn probe(text: &str) -> Option<Probe> {
    if text == "ping" {
        return Some(Probe::Ping);
    }
    let (protocol, port) = text.split_once('/')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    match protocol {
        "tcp" => Some(Probe::Tcp(port)),
        "udp" => Some(Probe::Udp(port)),
        _ => None,
    }
}

fn target(text: &Located<Str>) -> Target {
    if let Ok(address) = text.value.parse() {
        return Target::Address(address);
    }
    let (name, ipv6) = match text.value.strip_suffix("/ipv6") {
        Some(name) => (Str::new(name), true),
        None => (text.value.clone(), false),
    };
    Target::Machine {
        name: Located {
            value: name,
            at: text.at,
        },
        ipv6,
    }
}
