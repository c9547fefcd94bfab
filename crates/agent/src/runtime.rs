//! The shell: sockets, clocks and the one loop.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use daemon::{Daemon, Dirs, Family, Identity, Reason};
use model::{Str, sb, vswitch};
use openflow::Message;
use ovsdb::Operation;
use ovsdb::client::{Config, Monitor, TransactError};
use tokio::sync::mpsc;
use transport::ovsdb::{Client, Event as ClientEvent};
use transport::{Remote, Tls};

use crate::args::Args;
use crate::control::{self, Asked, Question};
use crate::core::{Command, Core, Database, Event};
use crate::interest::Interest;
use crate::switch::{self, Switch};
use crate::view::Southbound;

/// How many events are taken before the core draws its conclusions.
const BATCH: usize = 64;
/// How long the last transaction may take when the program ends.
const GOODBYE: Duration = Duration::from_secs(5);

/// Runs the agent until it is told to end. `identity` says what the process is called.
///
/// # Errors
/// When the daemon cannot start, or a flag cannot be used.
pub fn run(identity: Identity, args: &Args) -> Result<()> {
    let mut daemon = Daemon::start(identity, &args.daemon)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let result = runtime.block_on(serve(args, &mut daemon));
    // Tasks that are still connecting are not waited for.
    runtime.shutdown_background();
    result
}

async fn serve(args: &Args, daemon: &mut Daemon) -> Result<()> {
    let rundir = Dirs::from_env(Family::OpenvSwitch).run;
    let database = args.database(&rundir);
    let remotes = Remote::parse_list(&database).with_context(|| database.clone())?;
    let (registry, questions) = control::registry();
    daemon.serve(registry)?;
    let tls = args.tls.tls()?;
    let mut agent = Agent {
        core: Core::new(args.chassis.as_deref(), &hostname()),
        rundir,
        ovs: Client::with_tls(remotes, vswitch_config(), tls.clone()),
        tls,
        sb: None,
        interest: Interest::new(),
        switch: None,
        replies: mpsc::channel(4),
        questions,
        start: Instant::now(),
    };
    daemon.ready();
    let shutdown = daemon.shutdown();
    let reason = tokio::select! {
        reason = shutdown.requested() => reason,
        () = agent.run() => Reason::Internal("an event source ended".to_owned()),
    };
    agent.leave(&reason).await;
    Ok(())
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        name.to_owned()
    }
}

/// The columns of the local database that decisions depend on. Statistics change every few seconds, and
/// are not among them.
fn vswitch_config() -> Config {
    let monitor = |table: &'static str, columns: &[&'static str]| Monitor {
        columns: Some(columns.iter().map(|name| Str::new_static(name)).collect()),
        ..Monitor::all(Str::new_static(table))
    };
    let tables = vec![
        monitor(
            "Open_vSwitch",
            &["bridges", "external_ids", "iface_types", "datapath_types"],
        ),
        monitor(
            "Bridge",
            &[
                "name",
                "ports",
                "fail_mode",
                "datapath_type",
                "external_ids",
                "other_config",
            ],
        ),
        monitor("Port", &["name", "interfaces", "external_ids"]),
        monitor(
            "Interface",
            &["name", "type", "options", "external_ids", "ofport"],
        ),
    ];
    let mut config = Config::all(vswitch::schema().into());
    config.tables = tables;
    config
}

fn southbound_config(probe_ms: u64, interest: &Interest) -> Config {
    let tables = physical::Fact::TABLES.into_iter().chain(Southbound::TABLES);
    let probe_interval = (probe_ms > 0).then(|| Duration::from_millis(probe_ms));
    let mut config = Config::of_tables(sb::schema().into(), tables);
    config.probe_interval = probe_interval;
    for monitor in &mut config.tables {
        if let Some(rows) = interest.get(&*monitor.table) {
            monitor.rows = rows.clone();
        }
    }
    config
}

type Done = (Database, Result<(), String>);

struct Agent {
    core: Core,
    rundir: std::path::PathBuf,
    tls: Tls,
    ovs: Client,
    sb: Option<Client>,
    /// What a connection to the Southbound begins with.
    interest: Interest,
    switch: Option<Switch>,
    replies: (mpsc::Sender<Done>, mpsc::Receiver<Done>),
    questions: mpsc::Receiver<Asked>,
    start: Instant,
}

/// What the loop waits for.
enum Input {
    Database(Database, ClientEvent),
    Done(Done),
    Switch(switch::Event),
    Asked(Asked),
    Deadline,
}

impl Agent {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Runs until an event source ends, which none does while the process lives.
    async fn run(&mut self) {
        while let Some(input) = self.next().await {
            self.take(input);
            for _ in 0..BATCH {
                let Some(input) = self.next_now() else { break };
                self.take(input);
            }
            let commands = self.core.run(self.now(), stamp());
            for command in commands {
                self.carry_out(command).await;
            }
        }
    }

    async fn next(&mut self) -> Option<Input> {
        let deadline = self.core.deadline().map(|at| self.start + at);
        let deadline = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let sb = async {
            match &mut self.sb {
                Some(client) => client.next().await,
                None => std::future::pending().await,
            }
        };
        let switch = async {
            match &mut self.switch {
                Some(switch) => switch.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = self.ovs.next() => event.map(|e| Input::Database(Database::Vswitch, e)),
            event = sb => event.map(|e| Input::Database(Database::Southbound, e)),
            event = switch => event.map(Input::Switch),
            done = self.replies.1.recv() => done.map(Input::Done),
            asked = self.questions.recv() => asked.map(Input::Asked),
            () = deadline => Some(Input::Deadline),
        }
    }

    /// What is there already. Rows come before the ends of transactions, because a plan made after one
    /// must see what it did.
    fn next_now(&mut self) -> Option<Input> {
        if let Some(event) = self.ovs.try_next() {
            return Some(Input::Database(Database::Vswitch, event));
        }
        let event = self.sb.as_mut().and_then(Client::try_next);
        event.map(|event| Input::Database(Database::Southbound, event))
    }

    fn take(&mut self, input: Input) {
        let event = match input {
            Input::Database(database, ClientEvent::Connected) => Event::Connected(database),
            Input::Database(database, ClientEvent::Disconnected) => Event::Disconnected(database),
            Input::Database(database, ClientEvent::Changes(rows)) => Event::Changes(database, rows),
            Input::Database(Database::Southbound, ClientEvent::ConditionsApplied) => {
                Event::RowsCame
            }
            Input::Database(..) | Input::Deadline => return,
            Input::Done((database, result)) => {
                while let Some(rows) = self.next_now() {
                    self.take(rows);
                }
                Event::Done(database, result)
            }
            Input::Switch(switch::Event::Connected { tunnel_metadata }) => {
                Event::SwitchReady { tunnel_metadata }
            }
            Input::Switch(switch::Event::Installed(step)) => Event::Confirmed(step),
            Input::Switch(switch::Event::Message(Message::PacketIn(packet))) => {
                Event::Packet(packet)
            }
            Input::Switch(_) => return,
            Input::Asked(asked) => return self.answer(asked),
        };
        let now = self.now();
        self.core.handle(event, now);
    }

    async fn carry_out(&mut self, command: Command) {
        match command {
            Command::Southbound(remote) => self.connect_southbound(&remote).await,
            Command::Rows(interest) => self.ask_for(interest).await,
            Command::Bridge(name) => {
                let socket = self.rundir.join(format!("{name}.mgmt"));
                self.switch = Some(Switch::new(Remote::Unix(socket)));
            }
            Command::Transact(database, operations) => self.transact(database, operations),
            Command::Flows(changes, step) => {
                if let Some(switch) = &self.switch {
                    switch.update(changes);
                    switch.complete();
                    switch.mark(step);
                }
            }
            Command::Send(message) => {
                if let Some(switch) = &self.switch {
                    switch.sender().send(message);
                }
            }
        }
    }

    async fn connect_southbound(&mut self, remote: &str) {
        match Remote::parse_list(remote) {
            Ok(remotes) => match &self.sb {
                Some(client) => client.handle().set_remotes(remotes).await,
                None => {
                    let probe = self.core.probe_interval();
                    self.sb = Some(Client::with_tls(
                        remotes,
                        southbound_config(probe, &self.interest),
                        self.tls.clone(),
                    ));
                }
            },
            Err(error) => tracing::error!(target: "main", "ovn-remote {remote}: {error}"),
        }
    }

    async fn ask_for(&mut self, interest: Interest) {
        match &self.sb {
            Some(client) => {
                let rows = interest.into_iter();
                let rows = rows.map(|(table, rows)| (Str::new_static(table), rows));
                client.handle().set_rows(rows.collect()).await;
            }
            None => self.interest.extend(interest),
        }
    }

    /// Sends a transaction; its end comes back as an input. The loop does not wait for it.
    fn transact(&self, database: Database, operations: Vec<Operation>) {
        let client = match database {
            Database::Vswitch => Some(self.ovs.handle()),
            Database::Southbound => self.sb.as_ref().map(Client::handle),
        };
        let replies = self.replies.0.clone();
        tokio::spawn(async move {
            let result = match client {
                Some(client) => client.transact(operations).await.map(drop),
                None => Err(TransactError::NotConnected),
            };
            // The loop is gone when the program ends; nobody wants to know then.
            let _ = replies
                .send((database, result.map_err(|error| error.to_string())))
                .await;
        });
    }

    fn answer(&mut self, (question, answer): Asked) {
        let text = match question {
            Question::ConnectionStatus if self.core.is_connected() => "connected".to_owned(),
            Question::ConnectionStatus => "not connected".to_owned(),
            Question::Status if self.core.is_paused() => "paused".to_owned(),
            Question::Status => "running".to_owned(),
            Question::Pause | Question::Resume => {
                self.core.pause(question == Question::Pause);
                String::new()
            }
            Question::Recompute => {
                self.core.recompute();
                String::new()
            }
            Question::ZoneList => self.core.zone_list(),
            Question::RelatedPorts => self.core.related_ports(),
            Question::LocalBindings => self.core.local_bindings(),
            Question::Statistics => self.core.statistics(),
            Question::ClearStatistics => {
                self.core.clear_statistics();
                String::new()
            }
            Question::Audit => return self.audit(answer),
        };
        // Who asked may have gone.
        let _ = answer.send(Ok(text));
    }

    fn audit(&self, answer: tokio::sync::oneshot::Sender<daemon::unixctl::Reply>) {
        let Some(switch) = &self.switch else {
            let _ = answer.send(Err("no integration bridge".to_owned()));
            return;
        };
        let audit = switch.audit();
        tokio::spawn(async move {
            let reply = match audit.await {
                Ok(audit) => Ok(format!(
                    "{} flows, {} missing, {} foreign, {} different, {} groups differ\n",
                    audit.flows,
                    audit.missing.len(),
                    audit.foreign.len(),
                    audit.different.len(),
                    audit.groups.len()
                )),
                Err(error) => Err(error.to_string()),
            };
            let _ = answer.send(reply);
        });
    }

    /// The end. Our rows go only on `exit` without `--restart`: a signal is how service managers end what
    /// they start again. Flows and tunnels stay in any case.
    async fn leave(&mut self, reason: &Reason) {
        let clean = matches!(reason, Reason::Exit(args) if !args.iter().any(|a| a == "--restart"));
        let text = match reason {
            Reason::Exit(_) if clean => "True",
            Reason::Exit(_) => "False (--restart)",
            Reason::Signal(_) | Reason::Internal(_) => "False",
        };
        tracing::info!(target: "main", "Exiting ovn-controller, resource cleanup: {text}");
        if !clean {
            return;
        }
        let operations = self.core.leave();
        if let (Some(client), false) = (&self.sb, operations.is_empty()) {
            match tokio::time::timeout(GOODBYE, client.transact(operations)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(target: "main", "OVNSB commit failed: {error}"),
                Err(_) => tracing::warn!(target: "main", "the Southbound does not answer"),
            }
        }
    }
}

/// Milliseconds since 1970.
fn stamp() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
