//! The network between the hypervisors: one Linux bridge in a namespace of its own.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Result, ensure};

use crate::namespace::Namespace;

/// Room for a tunnel header around a packet of 1500 bytes.
pub(crate) const MTU: u32 = 1700;

/// A switch that hypervisors are cabled to.
pub struct Underlay {
    namespace: Namespace,
    cables: AtomicU8,
}

impl Underlay {
    /// Makes one.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new() -> Result<Self> {
        let namespace = Namespace::new("underlay")?;
        namespace.sysctl("ipv6/conf/default/disable_ipv6", "1")?;
        namespace.ip(&format!("link add underlay mtu {MTU} type bridge"))?;
        namespace.ip("link set underlay up")?;
        Ok(Self {
            namespace,
            cables: AtomicU8::new(0),
        })
    }

    /// Lays a cable to `hypervisor`, where its end is called `eth0`, and gives the address to use.
    ///
    /// # Errors
    /// When the kernel refuses, or after 250 cables.
    pub fn cable(&self, hypervisor: &Namespace) -> Result<Ipv4Addr> {
        let number = self.cables.fetch_add(1, Ordering::Relaxed) + 1;
        ensure!(number <= 250, "an underlay has room for 250 hypervisors");
        let far = hypervisor.path();
        self.namespace.ip(&format!(
            "link add hv{number} mtu {MTU} type veth peer name eth0 mtu {MTU} netns {}",
            far.display()
        ))?;
        self.namespace
            .ip(&format!("link set hv{number} master underlay up"))?;
        Ok(Ipv4Addr::new(172, 31, 0, number))
    }
}
