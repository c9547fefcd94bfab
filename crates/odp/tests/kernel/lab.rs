//! A datapath with machines (network namespaces) on its ports.

use std::process::Command;

use anyhow::{Context, Result};
use odp::{Connection, DatapathId, FlowPut, NewDatapath, NewVport, PortNo};
use testbed::{Namespace, run};

/// Its name, everywhere.
pub(crate) const NAME: &str = "dp0";

pub(crate) struct Lab {
    pub(crate) connection: Connection,
    pub(crate) id: DatapathId,
    /// Machine `n` is the namespace `m{n}`, whose `e0` has the address `10.0.0.{n}` and [`mac`]; its port is
    /// called `v{n}`.
    pub(crate) machines: Vec<Namespace>,
    /// Their ports.
    pub(crate) ports: Vec<PortNo>,
}

impl Lab {
    /// A datapath with so many machines. They speak IPv4 only, and do not ask for addresses of others in the
    /// machine: they know them.
    pub(crate) fn new(machines: u8) -> Result<Self> {
        std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")?;
        let connection = Connection::open()?;
        let id = connection.create_datapath(&NewDatapath::new(NAME))?.id;
        let mut lab = Self {
            connection,
            id,
            machines: Vec::new(),
            ports: Vec::new(),
        };
        for number in 1..=machines {
            let (machine, port) = lab.machine(number)?;
            lab.machines.push(machine);
            lab.ports.push(port);
        }
        Ok(lab)
    }

    fn machine(&self, number: u8) -> Result<(Namespace, PortNo)> {
        let machine = Namespace::new(&format!("m{number}"))?;
        machine.sysctl("ipv6/conf/default/disable_ipv6", "1")?;
        join(&format!("v{number}"), &machine, &mac(number))?;
        machine.ip(&format!("addr add 10.0.0.{number}/24 dev e0"))?;
        let vport = NewVport::netdev(format!("v{number}"));
        Ok((
            machine,
            self.connection.create_vport(self.id, &vport)?.number,
        ))
    }

    /// Lets every machine know the addresses of the others, so that none asks.
    pub(crate) fn introduce(&self) -> Result<()> {
        for (at, machine) in self.machines.iter().enumerate() {
            for other in 1..=u8::try_from(self.machines.len())? {
                if usize::from(other) != at + 1 {
                    let mac = mac(other);
                    machine.ip(&format!("neigh replace 10.0.0.{other} lladdr {mac} dev e0"))?;
                }
            }
        }
        Ok(())
    }

    /// A flow by its text.
    pub(crate) fn put(&self, matches: &str, actions: &str) -> Result<FlowPut> {
        let put = flow(matches, actions)?;
        self.connection.put_flow(self.id, &put)?;
        Ok(put)
    }

    /// Flows both ways between the first two machines.
    pub(crate) fn cross(&self) -> Result<()> {
        let (left, right) = (self.ports[0], self.ports[1]);
        self.put(&format!("in_port({left}),eth()"), &right.to_string())?;
        self.put(&format!("in_port({right}),eth()"), &left.to_string())?;
        Ok(())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // A test may have removed them. The kernel removes namespaces when it has time; cables must not wait.
        let _ = self.connection.delete_datapath(self.id);
        for number in 1..=self.machines.len() {
            let _ = ip(&format!("link del v{number}"));
        }
    }
}

/// A flow by its text.
pub(crate) fn flow(matches: &str, actions: &str) -> Result<FlowPut> {
    let key = matches
        .parse::<odp::Match>()
        .with_context(|| matches.to_owned())?;
    let parsed = odp::Actions::default().parse(actions);
    Ok(FlowPut::new(
        key,
        parsed.with_context(|| actions.to_owned())?,
    ))
}

/// A cable from `name` here to `e0` in a namespace, with this address there.
pub(crate) fn join(name: &str, namespace: &Namespace, mac: &str) -> Result<()> {
    ip(&format!(
        "link add {name} type veth peer name e0 address {mac} netns {}",
        namespace.path().display()
    ))?;
    ip(&format!("link set {name} up"))?;
    namespace.command("ethtool -K e0 tx off")?;
    namespace.ip("link set e0 up")?;
    Ok(())
}

/// The hardware address of a machine.
pub(crate) fn mac(number: u8) -> String {
    format!("02:00:00:00:00:{number:02x}")
}

/// Runs `ip` here.
pub(crate) fn ip(words: &str) -> Result<String> {
    run(Command::new("ip").args(words.split_whitespace()))
}

/// Runs Debian's program.
pub(crate) fn dpctl(words: &[&str]) -> Result<String> {
    run(Command::new("ovs-dpctl").args(words))
}
