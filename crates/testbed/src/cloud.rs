//! A whole cloud: a server, hypervisors with an agent each, and virtual machines on them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};

use crate::centre::{Central, Centre};
use crate::command::run;
use crate::database::{Database, members};
use crate::hypervisor::{Hypervisor, HypervisorSpec};
use crate::process::Process;
use crate::scratch::Scratch;
use crate::underlay::Underlay;
use crate::vm::{Addressing, Vm, VmSpec};
use crate::wait::until;

/// How long the whole may take to follow a change.
const PATIENCE: Duration = Duration::from_secs(30);

/// What programs a hypervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    /// `heddle agent`.
    Heddle,
    /// Stock `ovn-controller`.
    Stock,
}

impl Agent {
    /// Starts it on a hypervisor; `heddle` is the binary under test.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(self, heddle: &Path, hypervisor: &Hypervisor) -> Result<Process> {
        let file = |kind: &str| hypervisor.folder().join(format!("agent.{kind}"));
        let mut command = match self {
            Self::Stock => Command::new("ovn-controller"),
            Self::Heddle => {
                let mut command = Command::new(heddle);
                command
                    .arg("agent")
                    .arg(format!("--unixctl={}", file("ctl").display()));
                command
            }
        };
        command
            .arg(hypervisor.database())
            .arg(format!("--log-file={}", file("log").display()))
            .arg("-vconsole:off");
        hypervisor.spawn("agent", &mut command)
    }
}

/// A cloud that runs. Dropping it ends everything.
pub struct Cloud {
    // Dropped in this order: who talks goes before who listens, and the folder goes last.
    vms: Vec<Vm>,
    agents: Vec<Process>,
    centre: Centre,
    hypervisors: Vec<Hypervisor>,
    kinds: Vec<Agent>,
    _underlay: Underlay,
    heddle: PathBuf,
    scratch: Scratch,
}

impl Cloud {
    /// Starts `heddle server`, and `heddle agent` on each of `hypervisors`, from the binary `heddle`.
    ///
    /// # Errors
    /// When something does not come up.
    pub fn start(heddle: &Path, hypervisors: &[&str]) -> Result<Self> {
        let agents: Vec<_> = hypervisors
            .iter()
            .map(|name| (*name, Agent::Heddle))
            .collect();
        Self::start_mixed(heddle, Central::Heddle, &agents)
    }

    /// Starts a cloud of which parts may be stock programs.
    ///
    /// # Errors
    /// When something does not come up.
    pub fn start_mixed(heddle: &Path, central: Central, agents: &[(&str, Agent)]) -> Result<Self> {
        let scratch = Scratch::new()?;
        let centre = Centre::start(central, heddle, &scratch)?;
        let underlay = Underlay::new()?;
        let names: Vec<&str> = agents.iter().map(|(name, _)| *name).collect();
        let southbound = centre.southbound();
        let mut cloud = Self {
            vms: vec![],
            agents: vec![],
            centre,
            hypervisors: start_hypervisors(&scratch, &underlay, &names, &southbound)?,
            kinds: agents.iter().map(|(_, kind)| *kind).collect(),
            _underlay: underlay,
            heddle: heddle.to_owned(),
            scratch,
        };
        // Asking for what it serves is how to know that it is ready.
        cloud.northbound()?;
        cloud.southbound()?;
        for number in 0..cloud.hypervisors.len() {
            let agent = cloud.start_agent(number)?;
            cloud.agents.push(agent);
        }
        Ok(cloud)
    }

    fn start_agent(&self, number: usize) -> Result<Process> {
        self.kinds[number].start(&self.heddle, &self.hypervisors[number])
    }

    /// The folder with all its files.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// The remote of the Northbound.
    pub fn northbound_remote(&self) -> String {
        self.centre.northbound()
    }

    /// The remote of the Southbound.
    pub fn southbound_remote(&self) -> String {
        self.centre.southbound()
    }

    /// A connection to the Northbound.
    ///
    /// # Errors
    /// When the server does not serve it.
    pub fn northbound(&mut self) -> Result<Database> {
        self.open(&self.northbound_remote(), "OVN_Northbound")
    }

    /// A connection to the Southbound.
    ///
    /// # Errors
    /// When the server does not serve it.
    pub fn southbound(&mut self) -> Result<Database> {
        self.open(&self.southbound_remote(), "OVN_Southbound")
    }

    fn open(&mut self, remote: &str, name: &str) -> Result<Database> {
        // What the server said last is worth more than "cannot connect".
        Database::open(remote, name).or_else(|error| self.centre.expect_alive().and(Err(error)))
    }

    /// The central programs.
    pub fn centre(&mut self) -> &mut Centre {
        &mut self.centre
    }

    /// Ends the central programs, at once and without a word, and starts them again over the same files.
    ///
    /// # Errors
    /// When they do not come up.
    pub fn restart_centre(&mut self) -> Result<()> {
        self.centre.restart()?;
        self.northbound().map(drop)
    }

    /// Ends an agent, at once and without a word, and starts it again.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn restart_agent(&mut self, hypervisor: &str) -> Result<()> {
        let number = self.number(hypervisor)?;
        self.agents[number].kill();
        self.agents[number] = self.start_agent(number)?;
        Ok(())
    }

    /// The hypervisors.
    pub fn hypervisors(&self) -> &[Hypervisor] {
        &self.hypervisors
    }

    fn number(&self, name: &str) -> Result<usize> {
        let found = self
            .hypervisors
            .iter()
            .position(|hypervisor| hypervisor.name() == name);
        found.with_context(|| format!("no hypervisor is called {name}"))
    }

    /// A hypervisor by its name.
    ///
    /// # Errors
    /// When there is none.
    pub fn hypervisor(&self, name: &str) -> Result<&Hypervisor> {
        Ok(&self.hypervisors[self.number(name)?])
    }

    /// The virtual machines.
    pub fn vms(&self) -> &[Vm] {
        &self.vms
    }

    /// A virtual machine by its name.
    ///
    /// # Errors
    /// When there is none.
    pub fn vm(&self, name: &str) -> Result<&Vm> {
        let found = self.vms.iter().find(|vm| vm.name() == name);
        found.with_context(|| format!("no machine is called {name}"))
    }

    /// Starts a virtual machine on a hypervisor.
    ///
    /// # Errors
    /// When it cannot be plugged in.
    pub fn add_vm(&mut self, spec: VmSpec, hypervisor: &str) -> Result<&Vm> {
        let vm = Vm::start(spec, self.hypervisor(hypervisor)?)?;
        self.vms.push(vm);
        self.vms.last().context("a machine was added")
    }

    /// Starts a virtual machine on a logical port that the Northbound knows, with its MAC address.
    ///
    /// # Errors
    /// When the Northbound has no such port, or it cannot be plugged in.
    pub fn add_machine(
        &mut self,
        port: &str,
        hypervisor: &str,
        addressing: Addressing,
    ) -> Result<&Vm> {
        let mac = self.network_card(port)?;
        let spec = VmSpec {
            name: port.to_owned(),
            port: port.to_owned(),
            mac,
            addressing,
        };
        self.add_vm(spec, hypervisor)
    }

    /// The MAC address of a logical port. The Northbound knows it where a document need not name it.
    fn network_card(&mut self, port: &str) -> Result<String> {
        let rows = self.northbound()?.select(
            "Logical_Switch_Port",
            json!([["name", "==", port]]),
            &["addresses"],
        )?;
        let addresses = rows
            .first()
            .map(|row| members(&row["addresses"]))
            .unwrap_or_default();
        let mac = addresses
            .first()
            .and_then(Value::as_str)
            .and_then(|text| text.split(' ').next());
        Ok(mac
            .with_context(|| format!("port {port} has no MAC address"))?
            .to_owned())
    }

    /// Runs a subcommand of the binary under test to its end and gives what it prints.
    ///
    /// # Errors
    /// When it does not succeed.
    pub fn heddle(&self, arguments: &[&str]) -> Result<String> {
        run(Command::new(&self.heddle).args(arguments))
    }

    /// Applies a document as a person would.
    ///
    /// # Errors
    /// When it is refused.
    pub fn apply(&self, file: &Path) -> Result<String> {
        let file = file
            .to_str()
            .ok_or_else(|| anyhow!("{} is not UTF-8", file.display()))?;
        self.heddle(&["apply", "-f", file, "--db", &self.northbound_remote()])
    }

    /// Runs stock `ovn-nbctl`.
    ///
    /// # Errors
    /// When it does not succeed.
    pub fn nbctl(&self, arguments: &[&str]) -> Result<String> {
        let db = format!("--db={}", self.northbound_remote());
        run(Command::new("ovn-nbctl")
            .args([&db, "--timeout=30"])
            .args(arguments))
    }

    /// Runs stock `ovn-sbctl`.
    ///
    /// # Errors
    /// When it does not succeed.
    pub fn sbctl(&self, arguments: &[&str]) -> Result<String> {
        let db = format!("--db={}", self.southbound_remote());
        run(Command::new("ovn-sbctl")
            .args([&db, "--timeout=30"])
            .args(arguments))
    }

    /// Waits until every hypervisor has done all that the Northbound says by now.
    ///
    /// # Errors
    /// When one does not in time; the message has the last words of a program that ended.
    pub fn settle(&mut self) -> Result<()> {
        let mut northbound = self.northbound()?;
        let ports: Vec<String> = self.vms.iter().map(|vm| vm.spec().port.clone()).collect();
        let settled = until(PATIENCE, "the ports of all machines to be up", || {
            self.expect_alive()?;
            let rows = northbound.select("Logical_Switch_Port", json!([]), &["name", "up"])?;
            let up = |port: &String| {
                rows.iter()
                    .any(|row| row["name"] == **port && row["up"] == Value::Bool(true))
            };
            Ok(ports.iter().all(up).then_some(()))
        });
        settled
            .and_then(|()| northbound.sync("hv_cfg", PATIENCE).map(drop))
            .or_else(|error| self.expect_alive().and(Err(error)))
    }

    /// Fails when a program of the cloud has ended.
    ///
    /// # Errors
    /// With its last words.
    pub fn expect_alive(&mut self) -> Result<()> {
        self.centre.expect_alive()?;
        self.agents.iter_mut().try_for_each(Process::expect_alive)
    }

    /// Writes `enter` into the folder, a script that puts a person into a machine or a hypervisor for as
    /// long as the cloud lives, and gives its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_enter(&self) -> Result<PathBuf> {
        let mut script = String::from(
            "#!/bin/sh\n# usage: enter NAME [COMMAND...]    runs a command, or a shell, inside\n\
             name=${1-}; [ $# = 0 ] || shift; [ $# != 0 ] || set -- sh\ncase $name in\n",
        );
        for hypervisor in &self.hypervisors {
            let folder = hypervisor.folder().display();
            script += &format!(
                "{}) export OVS_RUNDIR={folder} OVN_RUNDIR={folder}\n    \
                 exec nsenter --net={} \"$@\";;\n",
                hypervisor.name(),
                hypervisor.namespace().path().display(),
            );
        }
        for vm in &self.vms {
            let path = vm.namespace().path();
            script += &format!(
                "{}) exec nsenter --net={} \"$@\";;\n",
                vm.name(),
                path.display()
            );
        }
        script += "*) echo \"usage: enter NAME [COMMAND...]\" >&2; exit 2;;\nesac\n";
        let path = self.folder().join("enter");
        fs::write(&path, script).with_context(|| format!("cannot write {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(path)
    }
}

fn start_hypervisors(
    scratch: &Scratch,
    underlay: &Underlay,
    names: &[&str],
    southbound: &str,
) -> Result<Vec<Hypervisor>> {
    let hypervisors = std::thread::scope(|scope| {
        let start = |name| {
            let folder = scratch.folder(name);
            scope.spawn(move || {
                let folder = &folder?;
                let southbound = Some(southbound);
                Hypervisor::start(&HypervisorSpec {
                    name,
                    folder,
                    underlay,
                    southbound,
                })
            })
        };
        let threads: Vec<_> = names.iter().copied().map(start).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread
                .join()
                .unwrap_or_else(|_| Err(anyhow!("starting a hypervisor panicked")))
        };
        threads.into_iter().map(join).collect::<Result<Vec<_>>>()
    })?;
    for one in &hypervisors {
        for other in hypervisors
            .iter()
            .filter(|other| other.name() != one.name())
        {
            one.meet(other)?;
        }
    }
    Ok(hypervisors)
}
