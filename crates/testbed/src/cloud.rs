//! A whole cloud: a server, hypervisors with an agent each, and virtual machines on them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};

use crate::command::run;
use crate::database::Database;
use crate::hypervisor::{Hypervisor, HypervisorSpec};
use crate::namespace::Namespace;
use crate::process::Process;
use crate::scratch::Scratch;
use crate::underlay::Underlay;
use crate::vm::{Vm, VmSpec};
use crate::wait::until;

/// How long the whole may take to follow a change.
const PATIENCE: Duration = Duration::from_secs(30);

/// A cloud that runs. Dropping it ends everything.
pub struct Cloud {
    // Dropped in this order: who talks goes before who listens, and the folder goes last.
    vms: Vec<Vm>,
    agents: Vec<Process>,
    server: Process,
    hypervisors: Vec<Hypervisor>,
    _underlay: Underlay,
    centre: Namespace,
    heddle: PathBuf,
    scratch: Scratch,
}

impl Cloud {
    /// Starts the server and an agent on each of `hypervisors`, all from the binary `heddle`.
    ///
    /// # Errors
    /// When something does not come up.
    pub fn start(heddle: &Path, hypervisors: &[&str]) -> Result<Self> {
        let scratch = Scratch::new()?;
        let centre = Namespace::new("centre")?;
        let server = start_server(&centre, heddle, &scratch)?;
        let underlay = Underlay::new()?;
        let mut cloud = Self {
            vms: vec![],
            agents: vec![],
            server,
            hypervisors: start_hypervisors(&scratch, &underlay, hypervisors)?,
            _underlay: underlay,
            centre,
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
        let hypervisor = &self.hypervisors[number];
        let folder = hypervisor.folder();
        hypervisor.spawn(
            "agent",
            Command::new(&self.heddle)
                .arg("agent")
                .arg(hypervisor.database())
                .arg(format!("--unixctl={}", folder.join("agent.ctl").display()))
                .arg(format!("--log-file={}", folder.join("agent.log").display())),
        )
    }

    /// The folder with all its files.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// The remote of the Northbound.
    pub fn northbound_remote(&self) -> String {
        remote(&self.scratch, "ovnnb_db.sock")
    }

    /// The remote of the Southbound.
    pub fn southbound_remote(&self) -> String {
        remote(&self.scratch, "ovnsb_db.sock")
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
        Database::open(remote, name).or_else(|error| self.server.expect_alive().and(Err(error)))
    }

    /// The server.
    pub fn server(&mut self) -> &mut Process {
        &mut self.server
    }

    /// Ends the server, at once and without a word, and starts it again over the same files.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn restart_server(&mut self) -> Result<()> {
        self.server.kill();
        self.server = start_server(&self.centre, &self.heddle, &self.scratch)?;
        self.northbound().map(drop)
    }

    /// The agents, in the order of the hypervisors.
    pub fn agents(&mut self) -> &mut [Process] {
        &mut self.agents
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

    /// Ends a virtual machine.
    ///
    /// # Errors
    /// When there is none of the name.
    pub fn remove_vm(&mut self, name: &str) -> Result<()> {
        let number = self.vms.iter().position(|vm| vm.name() == name);
        let vm = self
            .vms
            .swap_remove(number.with_context(|| format!("no machine is called {name}"))?);
        let hypervisor = self
            .hypervisors
            .iter()
            .find(|hypervisor| vm.is_on(hypervisor));
        vm.unplug(hypervisor.context("a machine is on a hypervisor")?)
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
        self.server.expect_alive()?;
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

fn remote(scratch: &Scratch, socket: &str) -> String {
    format!("unix:{}", scratch.path().join(socket).display())
}

fn start_server(centre: &Namespace, heddle: &Path, scratch: &Scratch) -> Result<Process> {
    let folder = scratch.path();
    let mut command = Command::new(heddle);
    command
        .arg("server")
        .env("OVN_RUNDIR", folder)
        .arg(format!("--db-dir={}", scratch.folder("db")?.display()))
        .arg(format!("--remote=p{}", remote(scratch, "ovnnb_db.sock")))
        .arg(format!("--remote=p{}", remote(scratch, "ovnsb_db.sock")))
        .arg(format!("--unixctl={}", folder.join("server.ctl").display()))
        .arg(format!(
            "--log-file={}",
            folder.join("server.log").display()
        ));
    Process::start(centre, "server", &command, &folder.join("server.out"))
}

fn start_hypervisors(
    scratch: &Scratch,
    underlay: &Underlay,
    names: &[&str],
) -> Result<Vec<Hypervisor>> {
    let southbound = remote(scratch, "ovnsb_db.sock");
    let hypervisors = std::thread::scope(|scope| {
        let start = |name| {
            let (folder, southbound) = (scratch.folder(name), southbound.as_str());
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
