//! A machine that runs VMs: a namespace with Open vSwitch in it.
//!
//! The userspace datapath does not look into the kernel's stack for tunnels: their packets must come in
//! through one of its own bridges. So the underlay's cable is a port of `br-phys`, whose own port carries
//! the tunnel address, and the switch finds the way by the kernel's route to it.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::command::run;
use crate::namespace::Namespace;
use crate::process::Process;
use crate::underlay::{MTU, Underlay};
use crate::wait::until;

const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
const READY: Duration = Duration::from_secs(20);

/// What a hypervisor is to be like.
pub struct HypervisorSpec<'a> {
    /// Its name, which is also the name of its chassis.
    pub name: &'a str,
    /// An empty folder of its own, with a short path.
    pub folder: &'a Path,
    /// The network between hypervisors.
    pub underlay: &'a Underlay,
    /// Where its agent finds the Southbound; written to the local database.
    pub southbound: Option<&'a str>,
}

/// A hypervisor that runs.
pub struct Hypervisor {
    name: String,
    folder: PathBuf,
    address: Ipv4Addr,
    // Dropped in this order: the switch, its database, and the namespace last.
    switch: Process,
    database: Process,
    namespace: Namespace,
}

impl Hypervisor {
    /// Makes the namespace, starts the switch and its database, and lays the cable.
    ///
    /// # Errors
    /// When a program is missing or does not come up; its last words are in the message.
    pub fn start(spec: &HypervisorSpec<'_>) -> Result<Self> {
        Self::build(spec).with_context(|| format!("hypervisor {}", spec.name))
    }

    fn build(spec: &HypervisorSpec<'_>) -> Result<Self> {
        let namespace = Namespace::new(spec.name)?;
        let address = spec.underlay.cable(&namespace)?;
        // Without this the kernel hands over packets whose checksums nobody will ever complete.
        namespace.command("ethtool -K eth0 tx off")?;
        // The kernel sees the cable's packets beside the switch. It must not answer in its name.
        namespace.sysctl("ipv4/conf/all/arp_ignore", "1")?;
        namespace.sysctl("ipv6/conf/default/disable_ipv6", "1")?;
        namespace.ip("link set eth0 up")?;
        let folder = spec.folder.to_path_buf();
        let database = start_database(&namespace, &folder)?;
        let socket = remote(&folder);
        vsctl(&folder, &configuration(spec, address), false)?;
        let mut switch = start_switch(&namespace, &folder, &socket)?;
        until(READY, "ovs-vswitchd to listen", || {
            switch.expect_alive()?;
            Ok(control(&folder, "ovs-vswitchd", switch.id())
                .exists()
                .then_some(()))
        })?;
        vsctl(&folder, &words(BRIDGES), true)?;
        namespace.ip(&format!("addr add {address}/24 dev br-phys"))?;
        namespace.ip(&format!("link set br-phys mtu {MTU} up"))?;
        Ok(Self {
            name: spec.name.to_owned(),
            folder,
            address,
            switch,
            database,
            namespace,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address of its tunnels.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Its folder: what `OVS_RUNDIR` is to programs on this host.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The remote of its switch's database.
    pub fn database(&self) -> String {
        remote(&self.folder)
    }

    /// Process ids of the switch and of its database.
    pub fn processes(&self) -> [u32; 2] {
        [self.switch.id(), self.database.id()]
    }

    /// Starts a program on this host; what it prints goes to `NAME.out` in the host's folder.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, name: &str, command: &mut Command) -> Result<Process> {
        environment(command, &self.folder);
        Process::start(
            &self.namespace,
            &format!("{name} on {}", self.name),
            command,
            &self.folder.join(format!("{name}.out")),
        )
    }

    /// Tells the switch who has the tunnel's far address on `other`. It would ask by itself, but a tunnel's
    /// first packet is lost to that question, and in a test that looks like a packet lost for a reason.
    ///
    /// # Errors
    /// When a switch does not answer.
    pub fn meet(&self, other: &Self) -> Result<()> {
        let said = other.namespace.ip("-o link show dev br-phys")?;
        let mut words = said
            .split_whitespace()
            .skip_while(|word| *word != "link/ether");
        let mac = words
            .nth(1)
            .with_context(|| format!("no address in {said:?}"))?;
        let address = other.address.to_string();
        self.appctl(&["tnl/neigh/set", "br-phys", &address, mac])
            .map(drop)
    }

    /// Changes the switch's configuration as an operator would, and waits until the switch has followed.
    ///
    /// # Errors
    /// When `ovs-vsctl` does not succeed.
    pub fn vsctl<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<String> {
        vsctl(&self.folder, arguments, true)
    }

    /// Asks the switch.
    ///
    /// # Errors
    /// When it does not answer, or answers with an error.
    pub fn appctl(&self, arguments: &[&str]) -> Result<String> {
        let socket = control(&self.folder, "ovs-vswitchd", self.switch.id());
        run(Command::new("ovs-appctl")
            .arg("-t")
            .arg(socket)
            .args(arguments))
    }

    /// The flows of `br-int` as text, as a person would look at them.
    ///
    /// # Errors
    /// When the switch does not answer.
    pub fn flows(&self) -> Result<String> {
        let mut command = Command::new("ovs-ofctl");
        environment(&mut command, &self.folder);
        let target = format!("unix:{}", self.folder.join("br-int.mgmt").display());
        run(command.args(["-O", "OpenFlow15", "dump-flows"]).arg(target))
    }
}

const BRIDGES: &str = "\
    --may-exist add-br br-phys -- set Bridge br-phys datapath_type=netdev \
    -- --may-exist add-port br-phys eth0 \
    -- --may-exist add-br br-int -- set Bridge br-int datapath_type=netdev fail_mode=secure";

/// Where a daemon of this host listens for `ovs-appctl`, if nothing else is said.
fn control(folder: &Path, daemon: &str, process: u32) -> PathBuf {
    folder.join(format!("{daemon}.{process}.ctl"))
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn remote(folder: &Path) -> String {
    format!("unix:{}", folder.join("db.sock").display())
}

fn configuration(spec: &HypervisorSpec<'_>, address: Ipv4Addr) -> Vec<String> {
    let mut all = words(&format!(
        "init -- set Open_vSwitch . external_ids:system-id={} external_ids:hostname={} \
         external_ids:ovn-encap-type=geneve external_ids:ovn-encap-ip={address}",
        spec.name, spec.name
    ));
    if let Some(southbound) = spec.southbound {
        all.push(format!("external_ids:ovn-remote=\"{southbound}\""));
    }
    all
}

fn environment(command: &mut Command, folder: &Path) {
    for key in [
        "OVS_RUNDIR",
        "OVS_LOGDIR",
        "OVS_DBDIR",
        "OVN_RUNDIR",
        "OVN_LOGDIR",
        "OVN_DBDIR",
    ] {
        command.env(key, folder);
    }
}

fn vsctl<S: AsRef<OsStr>>(folder: &Path, arguments: &[S], wait: bool) -> Result<String> {
    let mut command = Command::new("ovs-vsctl");
    command
        .arg("--timeout=20")
        .arg(format!("--db={}", remote(folder)));
    if !wait {
        command.arg("--no-wait");
    }
    run(command.args(arguments))
}

fn start_database(namespace: &Namespace, folder: &Path) -> Result<Process> {
    let file = folder.join("conf.db");
    run(Command::new("ovsdb-tool")
        .arg("create")
        .arg(&file)
        .arg(SCHEMA))?;
    let mut command = Command::new("ovsdb-server");
    environment(&mut command, folder);
    command
        .arg(format!("--remote=p{}", remote(folder)))
        .arg(format!(
            "--unixctl={}",
            folder.join("ovsdb-server.ctl").display()
        ))
        .arg(format!(
            "--log-file={}",
            folder.join("ovsdb-server.log").display()
        ))
        .args(["-vconsole:off", "--no-chdir"])
        .arg(file);
    let mut process = Process::start(
        namespace,
        "ovsdb-server",
        &command,
        &folder.join("ovsdb-server.out"),
    )?;
    until(READY, "ovsdb-server to listen", || {
        process.expect_alive()?;
        Ok(folder.join("db.sock").exists().then_some(()))
    })?;
    Ok(process)
}

fn start_switch(namespace: &Namespace, folder: &Path, socket: &str) -> Result<Process> {
    let mut command = Command::new("ovs-vswitchd");
    environment(&mut command, folder);
    // The kernel's datapath is not asked for: it need not exist, and it would be shared by all hosts.
    command
        .arg(socket)
        .arg("--disable-system")
        .arg(format!(
            "--pidfile={}",
            folder.join("ovs-vswitchd.pid").display()
        ))
        .arg(format!(
            "--log-file={}",
            folder.join("ovs-vswitchd.log").display()
        ))
        .args(["-vconsole:off", "--no-chdir"]);
    Process::start(
        namespace,
        "ovs-vswitchd",
        &command,
        &folder.join("ovs-vswitchd.out"),
    )
}
