//! A virtual machine: a namespace with one interface, `eth0`, whose other end is a port of `br-int`.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use crate::dhcp;
use crate::hypervisor::Hypervisor;
use crate::namespace::Namespace;

/// The addresses that a VM gets when it starts. One that asks with [`Vm::lease`] needs none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addressing {
    /// What `eth0` gets, each with the length of its prefix.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Where the default route goes: at most one a family.
    pub gateways: Vec<IpAddr>,
}

impl Addressing {
    /// From text: addresses such as `10.0.0.2/24`, and gateways.
    ///
    /// # Errors
    /// When one is not an address.
    pub fn parse(addresses: &[&str], gateways: &[&str]) -> Result<Self> {
        let interface = |text: &&str| {
            let (address, prefix) = text
                .split_once('/')
                .with_context(|| format!("{text} has no prefix"))?;
            Ok((address.parse()?, prefix.parse()?))
        };
        let addresses = addresses.iter().map(interface).collect::<Result<_>>()?;
        let gateways = gateways
            .iter()
            .map(|text| text.parse())
            .collect::<Result<_, _>>()?;
        Ok(Self {
            addresses,
            gateways,
        })
    }
}

/// What a VM is to be like.
#[derive(Clone, Debug)]
pub struct VmSpec {
    /// Its name, for messages.
    pub name: String,
    /// The logical port that its interface belongs to.
    pub port: String,
    /// The address of its network card.
    pub mac: String,
    /// Its addresses.
    pub addressing: Addressing,
}

/// A VM that runs.
pub struct Vm {
    spec: VmSpec,
    interface: String,
    namespace: Namespace,
}

/// Names of interfaces are 15 bytes at most, so they are numbered instead of taken from the VM.
static NUMBER: AtomicU32 = AtomicU32::new(1);

impl Vm {
    /// Makes a VM on `hypervisor` and plugs it in.
    ///
    /// # Errors
    /// When the kernel or the switch refuses.
    pub fn start(spec: VmSpec, hypervisor: &Hypervisor) -> Result<Self> {
        let name = spec.name.clone();
        Self::build(spec, hypervisor).with_context(|| format!("VM {name}"))
    }

    fn build(spec: VmSpec, hypervisor: &Hypervisor) -> Result<Self> {
        let namespace = Namespace::new(&spec.name)?;
        // The address of a VM is its own from the first packet: nobody else can have it here.
        namespace.sysctl("ipv6/conf/default/accept_dad", "0")?;
        namespace.sysctl("ipv6/conf/default/accept_ra", "0")?;
        let interface = format!("tap{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        hypervisor.namespace().ip(&format!(
            "link add {interface} type veth peer name eth0 address {} netns {}",
            spec.mac,
            namespace.path().display()
        ))?;
        hypervisor
            .namespace()
            .ip(&format!("link set {interface} up"))?;
        namespace.command("ethtool -K eth0 tx off")?;
        namespace.ip("link set eth0 up")?;
        configure(&namespace, &spec.addressing)?;
        let vm = Self {
            interface,
            namespace,
            spec,
        };
        vm.plug(hypervisor)?;
        Ok(vm)
    }

    /// What it was asked to be.
    pub fn spec(&self) -> &VmSpec {
        &self.spec
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The interface of the hypervisor that belongs to it.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// Makes the interface a port of `br-int` with the logical port's name on it, as libvirt does.
    ///
    /// # Errors
    /// When the switch refuses.
    pub fn plug(&self, hypervisor: &Hypervisor) -> Result<()> {
        let interface = &self.interface;
        let words = [
            "--may-exist".to_owned(),
            "add-port".to_owned(),
            "br-int".to_owned(),
            interface.clone(),
            "--".to_owned(),
            "set".to_owned(),
            "Interface".to_owned(),
            interface.clone(),
            format!("external_ids:iface-id=\"{}\"", self.spec.port),
            format!("external_ids:attached-mac=\"{}\"", self.spec.mac),
        ];
        hypervisor.vsctl(&words).map(drop)
    }

    /// Takes the port out of `br-int`; the VM goes on with its cable cut.
    ///
    /// # Errors
    /// When the switch refuses.
    pub fn unplug(&self, hypervisor: &Hypervisor) -> Result<()> {
        hypervisor
            .vsctl(&["--if-exists", "del-port", "br-int", &self.interface])
            .map(drop)
    }

    /// Asks for a lease by DHCP, and sets what the answer says.
    ///
    /// # Errors
    /// When nobody answers in time.
    pub fn lease(&self) -> Result<dhcp::Lease> {
        let mac = self.spec.mac.clone();
        let lease = self
            .namespace
            .run(move || dhcp::ask("eth0", &mac))?
            .with_context(|| format!("VM {}", self.spec.name))?;
        let granted = Addressing {
            addresses: vec![(lease.address.into(), lease.prefix)],
            gateways: lease.gateway.map(IpAddr::V4).into_iter().collect(),
        };
        configure(&self.namespace, &granted)?;
        if let Some(mtu) = lease.mtu {
            self.namespace.ip(&format!("link set eth0 mtu {mtu}"))?;
        }
        Ok(lease)
    }
}

fn configure(namespace: &Namespace, addressing: &Addressing) -> Result<()> {
    for (address, prefix) in &addressing.addresses {
        let nodad = if address.is_ipv6() { "nodad" } else { "" };
        namespace.ip(&format!("addr replace {address}/{prefix} dev eth0 {nodad}"))?;
    }
    for gateway in &addressing.gateways {
        let family = if gateway.is_ipv6() { "-6" } else { "-4" };
        namespace.ip(&format!(
            "{family} route replace default via {gateway} dev eth0"
        ))?;
    }
    Ok(())
}
