//! The one task that carries decisions out: written down first, then one bundle to the switch.
//!
//! Requests come through a bounded queue and are carried out one after the other. What nobody waits for any more is
//! not begun; what was begun comes to its end. Looking needs no queue: see [`Hypervisor::look`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hvflow::{Commit, Host, Installed, Ports};
use openflow::Message;
use openflow::message::{AsyncConfig, Meter, MultipartRequest, PortStatus};
use openflow::session::{BundleError, Config, Reply};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use transport::Remote;
use transport::openflow::{Client, Error, Event, Handle};

use crate::core::{self, Answer, Asked, Core, Decision, Kind, Reason, Refusal, Request};
use crate::store::{Store, Write};

/// How many requests wait.
const QUEUE: usize = 64;
/// Ports that were added, removed or modified.
const PORT_CHANGES: u32 = 0b111;
/// How long to wait before the switch is read again after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// How an engine is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The bridge's management socket.
    pub bridge: Remote,
    /// What the host has.
    pub host: Host,
    /// How often the switch is compared with what it should hold.
    pub audit: Duration,
}

/// Why a change has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It is refused, and nothing has changed.
    Refused(Refusal),
    /// The deadline passed before it was begun; nothing has changed.
    Late,
    /// The switch went away meanwhile: the change will be made when it is back.
    Pending(String),
    /// It could not be written down; nothing has changed.
    Store(String),
    /// The daemon ends.
    Ended,
}

struct Job {
    request: Request,
    asked: Asked,
    deadline: Instant,
    reply: oneshot::Sender<Result<(Answer, bool), Failure>>,
}

/// A hypervisor's machines, for those who ask. Cheap to clone.
#[derive(Clone)]
pub struct Hypervisor {
    core: Arc<Mutex<Core>>,
    jobs: mpsc::Sender<Job>,
    healthy: watch::Receiver<bool>,
}

impl Hypervisor {
    /// Reads what was written down and begins to keep the bridge. Call it inside a runtime; the task ends when the
    /// last clone is gone.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub fn start(path: &Path, settings: Settings) -> anyhow::Result<Self> {
        let store = Store::open(path, core::STORE)?;
        let [machines, requests] = [core::STORE.tables[0], core::STORE.tables[1]];
        // Numbers grow over restarts: nobody makes a million changes a second.
        let sequence = now() * 1000;
        let core = Core::load(
            settings.host,
            store.documents(machines),
            store.documents(requests),
            sequence,
        )?;
        let client = Client::new(settings.bridge, Config::default());
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (health, healthy) = watch::channel(false);
        let core = Arc::new(Mutex::new(core));
        let engine = Engine {
            handle: client.handle(),
            client,
            core: Arc::clone(&core),
            store: Some(store),
            queue,
            ports: BTreeMap::new(),
            other_ports: false,
            health,
            retry: None,
            audit: settings.audit,
        };
        tokio::spawn(engine.run());
        Ok(Self {
            core,
            jobs,
            healthy,
        })
    }

    /// Looks at what is known. Keep it short: the engine waits.
    pub fn look<T>(&self, look: impl FnOnce(&Core) -> T) -> T {
        look(&lock(&self.core))
    }

    /// Carries a change out. The answer says whether it is a remembered one.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn change(
        &self,
        request: Request,
        asked: Asked,
        deadline: Instant,
    ) -> Result<(Answer, bool), Failure> {
        let (reply, answer) = oneshot::channel();
        let job = Job {
            request,
            asked,
            deadline,
            reply,
        };
        self.jobs.send(job).await.map_err(|_| Failure::Ended)?;
        answer.await.unwrap_or(Err(Failure::Ended))
    }

    /// Whether the switch is there and holds what it should.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<bool> {
        self.healthy.clone()
    }
}

fn lock(core: &Mutex<Core>) -> MutexGuard<'_, Core> {
    // The core is whole between any two of its methods, so a panic elsewhere does not spoil it.
    core.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since 1970.
#[must_use]
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

struct Engine {
    client: Client,
    handle: Handle,
    core: Arc<Mutex<Core>>,
    /// Not there while a thread writes.
    store: Option<Store>,
    queue: mpsc::Receiver<Job>,
    ports: BTreeMap<String, u16>,
    /// Whether ports came or went since they were read, of which no machine that is known has any.
    other_ports: bool,
    health: watch::Sender<bool>,
    retry: Option<Instant>,
    audit: Duration,
}

impl Engine {
    async fn run(mut self) {
        let mut audit = tokio::time::interval(self.audit);
        audit.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = self.client.next() => match event {
                    Some(event) => self.event(event).await,
                    None => return,
                },
                job = self.queue.recv() => match job {
                    Some(job) => self.job(job).await,
                    None => return,
                },
                () = sleep_until(self.retry) => self.read(Kind::Connected).await,
                _ = audit.tick() => {
                    if self.is_healthy() {
                        self.read(Kind::Repaired).await;
                    }
                }
            }
        }
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        lock(&self.core)
    }

    fn is_healthy(&self) -> bool {
        *self.health.borrow()
    }

    async fn event(&mut self, event: Event) {
        match event {
            Event::Connected => self.read(Kind::Connected).await,
            Event::Disconnected => self.away("the connection to the switch ended"),
            Event::Message(Message::PortStatus(status)) => self.port(&status).await,
            Event::Message(_) => {}
        }
    }

    /// The switch is away, or must be read anew before anything can be said of it.
    fn away(&mut self, reason: &str) {
        self.retry = None;
        let was = self.health.send_replace(false);
        let mut core = self.core();
        core.disconnected();
        if was {
            core.happened(Kind::Disconnected, None, (0, 0), now(), reason);
        }
    }

    /// Reads what the switch has, and makes it agree.
    async fn read(&mut self, kind: Kind) {
        self.retry = None;
        match self.read_and_repair(kind).await {
            Ok(()) => {}
            // The event that says so is on its way.
            Err(Error::Lost | Error::NotConnected) => {}
            Err(error) => {
                tracing::error!(target: "hvd", "the switch cannot be read or put right: {error}");
                self.away(&error.to_string());
                self.retry = Some(Instant::now() + RETRY);
            }
        }
    }

    async fn read_and_repair(&mut self, kind: Kind) -> Result<(), Error> {
        self.ask_for_ports().await?;
        let ports = self.handle.dump_ports().await?;
        let flows = self.handle.dump_flows().await?;
        let meters = self.meters().await?;
        self.ports = ports.iter().filter_map(numbered).collect();
        self.other_ports = false;
        let installed = Installed::new(flows.into_iter().map(|desc| desc.flow), meters);
        let ports = self.named_ports();
        let numbers = self.core().connected(ports, installed);
        self.repair(&numbers).await?;
        if self.other_ports {
            // What came or went while nothing was told.
            self.ports_changed().await?;
        }
        let settled = self.core().settle();
        if let Err(error) = self.write(settled).await {
            tracing::error!(target: "hvd", "{error}");
        }
        if kind == Kind::Connected {
            self.core()
                .happened(Kind::Connected, None, (0, 0), now(), "");
        }
        self.health.send_replace(true);
        Ok(())
    }

    /// A connection to the management socket is told of nothing before it asks.
    async fn ask_for_ports(&self) -> Result<(), Error> {
        let masks = vec![(AsyncConfig::PORT_STATUS, PORT_CHANGES)];
        let wanted = Message::SetAsyncConfig(AsyncConfig { masks });
        self.handle.send(wanted).await
    }

    async fn meters(&self) -> Result<Vec<Meter>, Error> {
        let query = Message::MultipartRequest(MultipartRequest::Meters(Meter::ALL));
        match self.handle.ask(query).await? {
            Reply::Meters(meters) => Ok(meters),
            _ => Err(Error::Unexpected),
        }
    }

    fn named_ports(&self) -> Ports {
        self.ports
            .iter()
            .map(|(name, number)| (name.clone(), *number))
            .collect()
    }

    /// A port came, went or changed. All are read again: what waits in the queue may be older than what is known.
    async fn port(&mut self, status: &PortStatus) {
        if !self.is_healthy() {
            return;
        }
        if !self.core().cares_for(&status.port.name) {
            // It may be of a machine that is still to come.
            self.other_ports = true;
            return;
        }
        self.read_ports().await;
    }

    async fn read_ports(&mut self) {
        if let Err(error) = self.ports_changed().await {
            tracing::warn!(target: "hvd", "{error}");
            self.away(&error.to_string());
            self.retry = Some(Instant::now() + RETRY);
        }
    }

    async fn ports_changed(&mut self) -> Result<(), Error> {
        self.other_ports = false;
        let ports = self.handle.dump_ports().await?;
        let ports: BTreeMap<String, u16> = ports.iter().filter_map(numbered).collect();
        let both = ports.keys().chain(self.ports.keys());
        let changed = both.filter(|name| ports.get(*name) != self.ports.get(*name));
        let changed: BTreeSet<String> = changed.cloned().collect();
        self.ports = ports;
        let ports = self.named_ports();
        let numbers = self.core().ports_changed(ports, &changed);
        self.repair(&numbers).await
    }

    /// Makes the switch agree on these machines: all at once; if that cannot be, each alone, so that one that the
    /// switch does not take keeps no other waiting.
    async fn repair(&mut self, numbers: &BTreeSet<u32>) -> Result<(), Error> {
        let Err(reason) = self.repair_at_once(numbers, None).await? else {
            return Ok(());
        };
        tracing::warn!(target: "hvd", "machines are put right one by one: {reason}");
        for number in numbers {
            let alone = BTreeSet::from([*number]);
            if let Err(reason) = self.repair_at_once(&alone, Some(*number)).await? {
                tracing::error!(target: "hvd", "machine {number}: {reason}; its flows stay as they are");
                self.core()
                    .happened(Kind::Refused, Some(*number), (0, 0), now(), &reason);
            }
        }
        Ok(())
    }

    /// The inner error is why the switch, or the core, does not take it.
    async fn repair_at_once(
        &mut self,
        numbers: &BTreeSet<u32>,
        machine: Option<u32>,
    ) -> Result<Result<(), String>, Error> {
        let commit = match self.core().repair(numbers) {
            Ok(commit) if commit.is_empty() => return Ok(Ok(())),
            Ok(commit) => commit,
            Err(reason) => return Ok(Err(reason)),
        };
        match self.send(&commit).await {
            Ok(()) => self.core().repaired(&commit, machine, now()),
            Err(error) if is_refusal(&error) => return Ok(Err(refusal(&commit, &error))),
            Err(error) => return Err(error),
        }
        Ok(Ok(()))
    }

    /// Tells the switch, in the order that a commit asks for.
    async fn send(&mut self, commit: &Commit) -> Result<(), Error> {
        self.each(&commit.before).await?;
        let is_config = |message: &Message| matches!(message, Message::SetConfig(_));
        if commit.before.iter().any(is_config) {
            // With a new configuration the switch forgets what it was asked to tell.
            self.ask_for_ports().await?;
            self.other_ports = true;
        }
        if !commit.bundle.is_empty() {
            self.handle.bundle(commit.bundle.clone()).await?;
            self.handle.barrier().await?;
        }
        self.each(&commit.after).await
    }

    async fn each(&self, messages: &[Message]) -> Result<(), Error> {
        if messages.is_empty() {
            return Ok(());
        }
        for message in messages {
            self.handle.send(message.clone()).await?;
        }
        self.handle.barrier().await
    }

    async fn write(&mut self, writes: Vec<Write>) -> Result<(), String> {
        let Some(mut store) = self.store.take() else {
            return Err("the store is gone: a thread that wrote to it has panicked".to_owned());
        };
        let write = move || {
            let result = store.write(&writes, now());
            (store, result)
        };
        match tokio::task::spawn_blocking(write).await {
            Ok((store, result)) => {
                self.store = Some(store);
                result.map_err(|error| format!("{:#}", anyhow::Error::from(error)))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    async fn job(&mut self, job: Job) {
        let Job {
            request,
            asked,
            deadline,
            reply,
        } = job;
        if reply.is_closed() || Instant::now() >= deadline {
            // Who asked may be gone.
            let _ = reply.send(Err(Failure::Late));
            return;
        }
        let result = self.change(&request, &asked).await;
        let (caller, what) = (&asked.caller, request.subject());
        match &result {
            Ok((_, true)) => tracing::debug!(target: "hvd", "{caller}: {what}: done before"),
            Ok((answer, false)) => {
                let (added, deleted) = (answer.added, answer.deleted);
                tracing::info!(target: "hvd", "{caller}: {what}: {added} flows added or changed, {deleted} deleted");
            }
            Err(Failure::Refused(refusal)) => {
                let text = refusal.to_string();
                tracing::info!(target: "hvd", "{caller}: {what}: refused: {text}");
                self.core().refused(&request, &asked, &text);
            }
            Err(failure) => tracing::warn!(target: "hvd", "{caller}: {what}: {failure:?}"),
        }
        let _ = reply.send(result);
    }

    async fn change(
        &mut self,
        request: &Request,
        asked: &Asked,
    ) -> Result<(Answer, bool), Failure> {
        if self.other_ports && self.is_healthy() {
            self.read_ports().await;
        }
        let decision = self.core().plan(request, asked);
        let plan = match decision.map_err(Failure::Refused)? {
            Decision::Done(answer) => return Ok((answer, true)),
            Decision::Do(plan) => *plan,
        };
        self.write(plan.writes.clone())
            .await
            .map_err(Failure::Store)?;
        match self.send(&plan.commit).await {
            Ok(()) => Ok((self.core().done(plan), false)),
            Err(error) if is_refusal(&error) => {
                let text = refusal(&plan.commit, &error);
                if let Err(error) = self.write(plan.undo).await {
                    tracing::error!(target: "hvd", "a refused change is still written down: {error}");
                }
                if !plan.commit.before.is_empty() {
                    // Meters are not in the bundle, and some may be there now.
                    self.retry = Some(Instant::now());
                }
                Err(Failure::Refused(Refusal {
                    reason: Reason::Invalid,
                    field: None,
                    text,
                }))
            }
            // Nothing went out.
            Err(Error::NotConnected) => {
                self.away("the switch is not connected");
                self.write(plan.undo).await.map_err(Failure::Store)?;
                let text = "the switch is not connected; nothing has changed".to_owned();
                Err(Failure::Refused(Refusal {
                    reason: Reason::Unavailable,
                    field: None,
                    text,
                }))
            }
            Err(error) => {
                self.core().done(plan);
                self.away(&error.to_string());
                // Unless the connection ended, nobody else has it read again.
                self.retry = Some(Instant::now() + RETRY);
                Err(Failure::Pending(error.to_string()))
            }
        }
    }
}

/// Whether the switch, or the codec, does not take a bundle; no flow has changed then.
const fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Bundle(_) | Error::BundleSend(_))
}

/// Which flow the switch does not take, and why.
fn refusal(commit: &Commit, error: &Error) -> String {
    let first = match error {
        Error::Bundle(failure) => failure
            .messages
            .first()
            .map(|(at, error)| (*at, error.to_string())),
        Error::BundleSend(BundleError::Message { index, error }) => {
            Some((*index, error.to_string()))
        }
        _ => None,
    };
    let Some((at, reason)) = first else {
        return format!("the switch refuses: {error}");
    };
    let text = commit.to_string();
    let line = text
        .lines()
        .nth(commit.before.len() + at)
        .unwrap_or("a flow");
    format!("the switch refuses \"{line}\": {reason}")
}

/// The name and number of a port that a flow can name.
fn numbered(port: &openflow::message::PortDesc) -> Option<(String, u16)> {
    let number = u16::try_from(port.number.0).ok()?;
    Some((port.name.clone(), number))
}

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
