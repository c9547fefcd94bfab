//! A cluster of real etcd members on the loopback interface, whose members can be killed, held and started
//! again.
//!
//! It must not know what is kept in it. Members listen on ports that were free a moment before; when somebody
//! else was quicker, the whole cluster is begun again with other ports.
//!
//! Invariant: no member outlives us, held or not; its data go away with us.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::command::run;
use crate::leash::Leash;
use crate::scratch::Scratch;
use crate::wait::until;

/// How long members may take to agree on a leader. An election takes about a second on a quiet machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often other ports are tried.
const TRIES: usize = 5;

/// A running cluster. Dropping it ends it.
pub struct Etcd {
    members: Vec<Member>,
    /// What `--initial-cluster` says.
    peers: String,
    tls: Option<Tls>,
    /// More flags of every member.
    flags: Vec<String>,
    /// As whom `etcdctl` logs in: name, colon, password.
    login: Option<String>,
    scratch: Scratch,
}

/// The files with which members show who they are, and know their clients.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The certificate of whoever signs.
    pub ca: PathBuf,
    /// A certificate for 127.0.0.1, used by members, and by this testbed to ask them.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

struct Member {
    name: String,
    client: u16,
    peer: u16,
    running: Option<Running>,
}

struct Running {
    child: Child,
    leash: Leash,
}

impl Etcd {
    /// Starts a cluster with its data in memory, and waits until it has a leader.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn start(members: usize) -> Result<Self> {
        Self::start_with(members, &[])
    }

    /// As [`Self::start`], with more flags for every member.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn start_with(members: usize, flags: &[&str]) -> Result<Self> {
        Self::begin(members, None, flags, Scratch::in_memory)
    }

    /// As [`Self::start`], with the data on disk, for measurements.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn start_on_disk(members: usize) -> Result<Self> {
        Self::begin(members, None, &[], Scratch::new)
    }

    /// As [`Self::start`], for clients that speak TLS and have a certificate.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn start_tls(members: usize, tls: &Tls) -> Result<Self> {
        Self::begin(members, Some(tls), &[], Scratch::in_memory)
    }

    fn begin(
        members: usize,
        tls: Option<&Tls>,
        flags: &[&str],
        scratch: impl Fn() -> Result<Scratch>,
    ) -> Result<Self> {
        let mut last = None;
        for _ in 0..TRIES {
            let mut cluster = Self::with_free_ports(members, tls.cloned(), scratch()?)?;
            cluster.flags = flags.iter().map(|&flag| flag.to_owned()).collect();
            match cluster.start_all() {
                Ok(()) => return Ok(cluster),
                Err(error) if format!("{error:#}").contains("address already in use") => {
                    last = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.context("no cluster was tried")?)
    }

    fn with_free_ports(members: usize, tls: Option<Tls>, scratch: Scratch) -> Result<Self> {
        // All are held at once, so that no port is given twice.
        let held: Vec<TcpListener> = (0..2 * members)
            .map(|_| TcpListener::bind("127.0.0.1:0"))
            .collect::<std::io::Result<_>>()
            .context("cannot find free ports")?;
        let ports: Vec<u16> = held
            .iter()
            .map(|listener| Ok(listener.local_addr()?.port()))
            .collect::<std::io::Result<_>>()?;
        let members: Vec<Member> = ports
            .chunks_exact(2)
            .enumerate()
            .map(|(at, ports)| Member {
                name: format!("m{at}"),
                client: ports[0],
                peer: ports[1],
                running: None,
            })
            .collect();
        let peers = members
            .iter()
            .map(|member| format!("{}=http://127.0.0.1:{}", member.name, member.peer))
            .collect::<Vec<_>>()
            .join(",");
        Ok(Self {
            members,
            peers,
            tls,
            flags: Vec::new(),
            login: None,
            scratch,
        })
    }

    fn start_all(&mut self) -> Result<()> {
        for at in 0..self.members.len() {
            self.spawn(at)?;
        }
        (0..self.members.len()).try_for_each(|at| self.wait(at))
    }

    /// How clients reach the members, in order.
    pub fn endpoints(&self) -> Vec<String> {
        (0..self.members.len())
            .map(|at| self.endpoint(at))
            .collect()
    }

    /// How clients reach one member.
    pub fn endpoint(&self, member: usize) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.members[member].client)
    }

    /// Ends a member as a crash would.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&mut self, member: usize) -> Result<()> {
        let Some(mut running) = self.members[member].running.take() else {
            return Ok(());
        };
        running.child.kill().context("cannot kill a member")?;
        running.child.wait().context("cannot wait for a member")?;
        running.leash.release();
        Ok(())
    }

    /// Starts a member again that was killed, and waits until it takes part.
    ///
    /// # Errors
    /// When it does not.
    pub fn restart(&mut self, member: usize) -> Result<()> {
        self.spawn(member)?;
        self.wait(member)
    }

    /// Holds a member: it keeps its connections, and answers nothing.
    ///
    /// # Errors
    /// When it is not running.
    pub fn pause(&self, member: usize) -> Result<()> {
        self.signal(member, Signal::SIGSTOP)
    }

    /// Lets a member go on.
    ///
    /// # Errors
    /// When it is not running.
    pub fn resume(&self, member: usize) -> Result<()> {
        self.signal(member, Signal::SIGCONT)
    }

    /// Whether a member is running, or held.
    pub fn is_running(&self, member: usize) -> bool {
        self.members[member].running.is_some()
    }

    /// Which member leads.
    ///
    /// # Errors
    /// When none does for long.
    pub fn leader(&self) -> Result<usize> {
        until(PATIENCE, "etcd to have a leader", || {
            Ok((0..self.members.len()).find(|at| self.leads(*at)))
        })
    }

    fn leads(&self, member: usize) -> bool {
        let status = || -> Result<bool> {
            let text = self.ctl_of(member, &["endpoint", "status", "-w", "json"])?;
            let status: serde_json::Value = serde_json::from_str(&text)?;
            let status = &status[0]["Status"];
            Ok(status["leader"] == status["header"]["member_id"] && !status["leader"].is_null())
        };
        self.is_running(member) && status().unwrap_or(false)
    }

    /// Says as whom `etcdctl` is to log in from now on: name, colon, password.
    pub fn log_in(&mut self, login: &str) {
        self.login = Some(login.to_owned());
    }

    /// Runs `etcdctl` against all members and gives what it says.
    ///
    /// # Errors
    /// When it fails.
    pub fn ctl(&self, arguments: &[&str]) -> Result<String> {
        self.ctl_at(&self.endpoints().join(","), arguments)
    }

    /// Runs `etcdctl` against one member and gives what it says.
    ///
    /// # Errors
    /// When it fails.
    pub fn ctl_of(&self, member: usize, arguments: &[&str]) -> Result<String> {
        self.ctl_at(&self.endpoint(member), arguments)
    }

    fn ctl_at(&self, endpoints: &str, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("etcdctl");
        command
            .env("ETCDCTL_API", "3")
            .args(["--dial-timeout", "2s", "--command-timeout", "5s"])
            .args(["--endpoints", endpoints]);
        if let Some(login) = &self.login {
            command.args(["--user", login]);
        }
        if let Some(tls) = &self.tls {
            let option = |name: &str, path: &Path| format!("--{name}={}", path.display());
            command.args([
                option("cacert", &tls.ca),
                option("cert", &tls.cert),
                option("key", &tls.key),
            ]);
        }
        run(command.args(arguments))
    }

    fn signal(&self, member: usize, signal: Signal) -> Result<()> {
        let running = self.members[member].running.as_ref();
        let id = running.context("the member is not running")?.child.id();
        kill(Pid::from_raw(i32::try_from(id)?), signal).context("cannot signal a member")
    }

    fn output(&self, member: usize) -> PathBuf {
        let name = format!("{}.log", self.members[member].name);
        self.scratch.path().join(name)
    }

    fn spawn(&mut self, member: usize) -> Result<()> {
        let output = self.output(member);
        let log = File::options().create(true).append(true).open(&output);
        let log = log.with_context(|| format!("cannot write {}", output.display()))?;
        let data = self.scratch.path().join(&self.members[member].name);
        let (client, this) = (self.endpoint(member), &self.members[member]);
        let peer = format!("http://127.0.0.1:{}", this.peer);
        let mut command = Command::new("etcd");
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .args(["--name", &this.name, "--data-dir"])
            .arg(&data)
            .args(["--listen-client-urls", &client])
            .args(["--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer])
            .args(["--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &self.peers])
            .args(["--logger", "zap", "--log-outputs", "stderr"])
            .args(&self.flags);
        if let Some(tls) = &self.tls {
            command
                .arg("--client-cert-auth")
                .arg("--trusted-ca-file")
                .arg(&tls.ca)
                .arg("--cert-file")
                .arg(&tls.cert)
                .arg("--key-file")
                .arg(&tls.key);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start etcd; is the package etcd-server installed?")?;
        let leash = Leash::new(child.id())?;
        self.members[member].running = Some(Running { child, leash });
        Ok(())
    }

    /// Waits until a member answers what only one can that is in touch with the others.
    fn wait(&mut self, member: usize) -> Result<()> {
        let what = format!("etcd member {member} to take part");
        until(PATIENCE, &what, || {
            let running = self.members[member].running.as_mut();
            let running = running.context("the member is not running")?;
            if let Some(status) = running.child.try_wait()? {
                let said = std::fs::read_to_string(self.output(member)).unwrap_or_default();
                let skip = said.lines().count().saturating_sub(10);
                let last: Vec<&str> = said.lines().skip(skip).collect();
                bail!("etcd ended with {status}: {}", last.join("\n"));
            }
            let answered = self.ctl_of(member, &["get", "no-such-key"]);
            Ok(answered.is_ok().then_some(()))
        })
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for member in 0..self.members.len() {
            // It fails only for one that has ended by itself.
            let _ = self.kill(member);
        }
    }
}
