//! Three hypervisors with machines on them, and the world outside, for the tests of the pipeline.
//!
//! Each hypervisor has a bridge `br-hv` of its own beside `br-int`; a patch leads from it to the bridge of the cable.
//! Outside is a fourth switch whose machines are on the VLANs of the public and of the private network.

#![allow(dead_code, reason = "each test uses a part")]

#[path = "../../examples/netparams/switch.rs"]
mod switch;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hvflow::params::{
    InterfaceType, Ipv4Address, Ipv6Address, NetworkParams, Rule, SecurityPolicies, Vnic,
};
use hvflow::{Commit, Host, Transaction, Uplink};
use socket2::{Domain, Protocol, Socket, Type};
use testbed::{
    Addressing, Hypervisor, HypervisorSpec, Kind, Namespace, Outcome, Probe, Scratch, Underlay, Vm,
    VmSpec,
};
use tokio::runtime::Runtime;

use self::switch::Bridge;

pub(crate) const PUBLIC_VLAN: u16 = 100;
pub(crate) const PRIVATE_VLAN: u16 = 200;

/// One hypervisor and what its machines are.
pub(crate) struct Site {
    pub(crate) hypervisor: Hypervisor,
    pub(crate) bridge: Bridge,
    pub(crate) host: Host,
}

/// Everything. What is dropped first stands first.
pub(crate) struct World {
    sites: Vec<Site>,
    vms: BTreeMap<String, Vm>,
    machines: BTreeMap<u32, (usize, NetworkParams)>,
    edge: Hypervisor,
    _underlay: Underlay,
    runtime: Runtime,
    _scratch: Scratch,
}

fn hypervisor(name: &str, scratch: &Scratch, underlay: &Underlay) -> Result<Hypervisor> {
    let folder = scratch.path().join(name);
    std::fs::create_dir(&folder)?;
    Hypervisor::start(&HypervisorSpec {
        name,
        folder: &folder,
        underlay,
        southbound: None,
    })
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn site(name: &str, scratch: &Scratch, underlay: &Underlay, runtime: &Runtime) -> Result<Site> {
    let hypervisor = hypervisor(name, scratch, underlay)?;
    hypervisor.vsctl(&words(
        "add-br br-hv -- set Bridge br-hv datapath_type=netdev fail_mode=secure \
         -- add-port br-hv uplink -- set Interface uplink type=patch options:peer=downlink \
         -- add-port br-phys downlink -- set Interface downlink type=patch options:peer=uplink",
    ))?;
    let socket = hypervisor.folder().join("br-hv.mgmt");
    let remote = format!("unix:{}", socket.display()).parse()?;
    let bridge = runtime.block_on(Bridge::connect(remote))?;
    let uplink = |vlan| {
        Some(Uplink {
            port: "uplink".to_owned(),
            vlan,
            router_mac: None,
        })
    };
    let host = Host {
        public: uplink(PUBLIC_VLAN),
        private: uplink(PRIVATE_VLAN),
        ..Host::default()
    };
    Ok(Site {
        hypervisor,
        bridge,
        host,
    })
}

impl World {
    /// Hypervisors without machines; outside are `out` on the public network and `inner` on the private one.
    pub(crate) fn empty() -> Result<Self> {
        let scratch = Scratch::in_memory()?;
        let underlay = Underlay::new()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let edge = hypervisor("edge", &scratch, &underlay)?;
        let sites = ["hv1", "hv2", "hv3"].map(|name| site(name, &scratch, &underlay, &runtime));
        let sites = sites.into_iter().collect::<Result<Vec<_>>>()?;
        let mut world = Self {
            sites,
            vms: BTreeMap::new(),
            machines: BTreeMap::new(),
            edge,
            _underlay: underlay,
            runtime,
            _scratch: scratch,
        };
        let public = [
            "192.0.2.1/24",
            "8.8.8.8/32",
            "2001:db8::1/64",
            "2001:4860::8/128",
        ];
        world.outsider("out", "0a:00:00:00:ff:01", PUBLIC_VLAN, &public)?;
        let private = [
            "8.8.4.4/32",
            "10.60.0.1/16",
            "2001:4860::4/128",
            "fd00:60::1/64",
        ];
        world.outsider("inner", "0a:00:00:00:ff:02", PRIVATE_VLAN, &private)?;
        Ok(world)
    }

    /// The usual machines: 1 and 2 on the first hypervisor, 3 on the second, 4 on the third, each with a public card
    /// `dN` (192.0.2.N0) and a private one `pN` (10.60.5.N). 1 and 3 have floating addresses, 192.0.2.1N0.
    pub(crate) fn new() -> Result<Self> {
        let mut world = Self::empty()?;
        for (number, at) in [(1, 0), (2, 0), (3, 1), (4, 2)] {
            let mut public = world.card(
                at,
                InterfaceType::Public,
                &format!("d{number}"),
                &[
                    &format!("192.0.2.{number}0/24"),
                    &format!("2001:db8::{number}0/64"),
                ],
                &["192.0.2.1", "2001:db8::1"],
            )?;
            if number % 2 == 1 {
                public.floating_ips = serde_json::from_value(serde_json::json!({
                    "ipv4": [{"ip_address": format!("192.0.2.1{number}0")}],
                    "ipv6": [{"ip_address": format!("2001:db8::1{number}0")}]
                }))?;
            }
            let addresses = [
                format!("10.60.5.{number}/16"),
                format!("fd00:60::5:{number}/64"),
            ];
            let addresses = [addresses[0].as_str(), addresses[1].as_str()];
            let name = format!("p{number}");
            let private = world.card(at, InterfaceType::Private, &name, &addresses, &[])?;
            let params = NetworkParams {
                droplet_id: number,
                vnics: vec![public, private],
                address_groups: BTreeMap::new(),
            };
            world.set(at, params)?;
        }
        Ok(world)
    }

    /// A machine on a VLAN outside.
    fn outsider(&mut self, name: &str, mac: &str, vlan: u16, addresses: &[&str]) -> Result<()> {
        let spec = VmSpec {
            name: name.to_owned(),
            port: name.to_owned(),
            mac: mac.to_owned(),
            addressing: Addressing::parse(addresses, &[])?,
        };
        let vm = Vm::start(spec, &self.edge)?;
        let port = vm.interface();
        self.edge.vsctl(&words(&format!(
            "del-port br-int {port} -- add-port br-phys {port} tag={vlan}"
        )))?;
        self.vms.insert(name.to_owned(), vm);
        Ok(())
    }

    /// A card on a hypervisor's bridge, with a namespace behind it, and its parameters.
    pub(crate) fn card(
        &mut self,
        at: usize,
        interface_type: InterfaceType,
        name: &str,
        addresses: &[&str],
        gateways: &[&str],
    ) -> Result<Vnic> {
        let mac = format!("0a:00:00:00:00:{:02x}", self.vms.len() + 0x10);
        let addressing = Addressing::parse(addresses, gateways)?;
        let spec = VmSpec {
            name: name.to_owned(),
            port: name.to_owned(),
            mac: mac.clone(),
            addressing: addressing.clone(),
        };
        let site = &mut self.sites[at];
        let vm = Vm::start(spec, &site.hypervisor)?;
        let port = vm.interface().to_owned();
        site.hypervisor.vsctl(&words(&format!(
            "del-port br-int {port} -- add-port br-hv {port}"
        )))?;
        self.runtime.block_on(site.bridge.read())?;
        self.vms.insert(name.to_owned(), vm);
        let mut vnic = Vnic {
            mac: mac.parse()?,
            name: port,
            interface_type,
            ..Vnic::default()
        };
        for (address, masklen) in addressing.addresses {
            match address {
                IpAddr::V4(ip_address) => vnic.addresses.ipv4.push(Ipv4Address {
                    ip_address,
                    masklen,
                    gateway: None,
                }),
                IpAddr::V6(ip_address) => vnic.addresses.ipv6.push(Ipv6Address {
                    ip_address,
                    masklen,
                    gateway: None,
                }),
            }
        }
        Ok(vnic)
    }

    /// What a machine is now.
    pub(crate) fn params(&self, droplet_id: u32) -> NetworkParams {
        self.machines[&droplet_id].1.clone()
    }

    /// Where a machine is.
    pub(crate) fn place(&self, droplet_id: u32) -> usize {
        self.machines[&droplet_id].0
    }

    /// Gives a machine its network, in place of what it had.
    pub(crate) fn set(&mut self, at: usize, params: NetworkParams) -> Result<()> {
        self.transact(at, |tx| Ok(tx.set(&params)?))?;
        self.machines.insert(params.droplet_id, (at, params));
        Ok(())
    }

    /// Changes a machine where it is.
    pub(crate) fn change(
        &mut self,
        droplet_id: u32,
        change: impl FnOnce(&mut NetworkParams),
    ) -> Result<()> {
        let mut params = self.params(droplet_id);
        change(&mut params);
        self.set(self.place(droplet_id), params)
    }

    /// Gives a machine's public card these rules, all else denied inbound.
    pub(crate) fn rules(&mut self, droplet_id: u32, rules: serde_json::Value) -> Result<()> {
        let rules: Vec<Rule> = serde_json::from_value(rules)?;
        let policies = SecurityPolicies {
            rules,
            default_outbound: hvflow::params::RuleAction::Allow,
            ..serde_json::from_str("{}")?
        };
        self.change(droplet_id, |params| {
            params.vnics[0].security_policies = Some(policies);
        })
    }

    /// Commits a transaction on a hypervisor.
    pub(crate) fn transact(
        &mut self,
        at: usize,
        operations: impl FnOnce(&mut Transaction<'_>) -> Result<()>,
    ) -> Result<Commit> {
        let site = &mut self.sites[at];
        let mut transaction = Transaction::new(&site.host, &site.bridge.ports);
        operations(&mut transaction)?;
        let commit = transaction.commit(&site.bridge.installed)?;
        self.runtime.block_on(site.bridge.send(commit.clone()))?;
        Ok(commit)
    }

    /// Carries a machine that has one card to another hypervisor, where it keeps its network.
    pub(crate) fn migrate(&mut self, droplet_id: u32, name: &str, to: usize) -> Result<()> {
        let (from, params) = (self.place(droplet_id), self.params(droplet_id));
        let port = self.vms[name].interface().to_owned();
        let there = self.sites[to].hypervisor.namespace().path();
        let here = &self.sites[from].hypervisor;
        here.vsctl(&["del-port", "br-hv", &port])?;
        here.namespace()
            .ip(&format!("link set {port} netns {}", there.display()))?;
        let site = &mut self.sites[to];
        site.hypervisor
            .namespace()
            .ip(&format!("link set {port} up"))?;
        site.hypervisor.vsctl(&["add-port", "br-hv", &port])?;
        self.runtime.block_on(site.bridge.read())?;
        self.set(to, params)?;
        self.transact(from, |tx| {
            tx.disable_machine(droplet_id);
            Ok(())
        })?;
        Ok(())
    }

    /// Reads a bridge again.
    pub(crate) fn read(&mut self, at: usize) -> Result<()> {
        self.runtime.block_on(self.sites[at].bridge.read())
    }

    pub(crate) fn site(&mut self, at: usize) -> &mut Site {
        &mut self.sites[at]
    }

    /// The namespace of a card or of somebody outside.
    pub(crate) fn namespace(&self, name: &str) -> Result<&Namespace> {
        let vm = self.vms.get(name).with_context(|| format!("no {name}"))?;
        Ok(vm.namespace())
    }

    pub(crate) fn vm(&self, name: &str) -> &Vm {
        &self.vms[name]
    }

    /// Asks, from one of the sender's addresses or from any.
    pub(crate) fn ask(&self, from: (&str, Option<&str>), kind: Kind, to: &str) -> Result<Outcome> {
        let source = from.1.map(str::parse).transpose()?;
        let probe = Probe {
            from: source,
            ..Probe::new(kind, to.parse()?)
        };
        probe.ask(self.namespace(from.0)?)
    }

    pub(crate) fn expect_pass(&self, from: &str, kind: Kind, to: &str) -> Result<()> {
        let outcome = self.ask((from, None), kind, to)?;
        ensure!(
            outcome.is_answered(),
            "{from} to {to} by {kind:?}: {outcome:?}"
        );
        Ok(())
    }

    pub(crate) fn expect_fail(&self, from: &str, kind: Kind, to: &str) -> Result<()> {
        let outcome = self.ask((from, None), kind, to)?;
        ensure!(
            outcome == Outcome::Silence,
            "{from} to {to} by {kind:?}: {outcome:?}"
        );
        Ok(())
    }

    /// Whether a frame that `wanted` recognises reaches a card while `act` runs, and shortly after.
    pub(crate) fn hears(
        &self,
        name: &str,
        wanted: impl Fn(&[u8]) -> bool,
        act: impl FnOnce() -> Result<()>,
    ) -> Result<bool> {
        /// Every protocol, in network order.
        const ALL: i32 = 0x0300;
        let open = || Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(ALL)));
        let mut socket = self.namespace(name)?.run(open)??;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        act()?;
        let end = Instant::now() + Duration::from_millis(300);
        let mut frame = [0; 2048];
        while Instant::now() < end {
            if let Ok(length) = socket.read(&mut frame)
                && wanted(&frame[..length])
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
