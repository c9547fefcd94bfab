//! A connection to one switch.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, bail};
use openflow::message::multipart::MultipartRequest;
use openflow::message::{EncodeError, PortDesc};
use openflow::session::{BundleError, Config, Reply, RequestError, SendError};
use openflow::sync::State;
use openflow::{Message, Parser, Port, Version, Versions};
use tokio::time::timeout;
use transport::openflow::{Client, Error, Event, Handle};
use transport::{Connection, Remote};

use super::changes::Change;
use crate::trace::source::SourceArgs;

/// Which switch.
#[derive(clap::Args)]
pub(crate) struct SwitchArgs {
    /// The switch: unix:PATH, tcp:HOST:PORT, ssl:HOST:PORT, or the name of a bridge of this host.
    switch: String,
    /// Give up after this many seconds without a connection.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
    /// Speak only these versions, as in OpenFlow13,OpenFlow15.
    #[arg(short = 'O', long = "protocols", value_name = "VERSIONS", value_delimiter = ',', value_parser = version)]
    versions: Vec<Version>,
    #[command(flatten)]
    tls: transport::TlsArgs,
}

/// A version by the name that Open vSwitch uses.
fn version(text: &str) -> Result<Version, String> {
    let named = Version::ALL.into_iter().find(|v| v.name() == text);
    named.ok_or_else(|| {
        let names = Version::ALL.map(Version::name).join(", ");
        format!("not supported: {text}; use {names}")
    })
}

/// A switch that is connected.
pub(crate) struct Switch {
    client: Client,
    pub(crate) handle: Handle,
    pub(crate) name: String,
    /// The version that is spoken.
    pub(super) version: Version,
    pub(super) ports: Vec<PortDesc>,
    by_name: HashMap<String, Port>,
}

impl SwitchArgs {
    /// The switch at an address or with a name, in whatever version it speaks.
    pub(crate) fn of(switch: String, timeout: u64, tls: transport::TlsArgs) -> Self {
        Self {
            switch,
            timeout,
            versions: Vec::new(),
            tls,
        }
    }

    /// The databases behind the switch, reached in the same time and with the same certificates.
    pub(super) fn source(&self, db: Option<String>, nb_db: Option<String>) -> SourceArgs {
        SourceArgs {
            db,
            nb_db,
            timeout: self.timeout,
            tls: self.tls.clone(),
        }
    }

    /// Where the switch is. The sockets of a bridge of this host end with `suffix`.
    fn remote(&self, suffix: &str) -> anyhow::Result<Remote> {
        let name = &self.switch;
        let address = if name.contains(':') {
            name.clone()
        } else {
            let dirs = daemon::Dirs::from_env(daemon::Family::OpenvSwitch);
            format!(
                "unix:{}",
                dirs.run.join(format!("{name}.{suffix}")).display()
            )
        };
        let remote: Remote = address.parse().with_context(|| name.clone())?;
        if remote.is_passive() {
            bail!("{name} is a place to listen; name one to connect to, unix:, tcp: or ssl:");
        }
        Ok(remote)
    }

    /// The versions that may be spoken.
    pub(super) fn versions(&self) -> Versions {
        match self.versions.as_slice() {
            [] => Versions::ALL,
            [first, rest @ ..] => {
                let first = Versions::only(*first);
                rest.iter().fold(first, |all, version| all.and(*version))
            }
        }
    }

    /// The switch as it was named.
    pub(super) fn name(&self) -> &str {
        &self.switch
    }

    /// Connects to where a bridge shows what it and its controllers say to each other.
    pub(super) async fn connect_to_snoop(&self) -> anyhow::Result<Connection> {
        let (remote, tls) = (self.remote("snoop")?, self.tls.tls()?);
        let connected = Connection::connect(&remote, &tls);
        let connected = timeout(Duration::from_secs(self.timeout), connected).await;
        let connected = connected.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        connected.with_context(|| format!("{remote}: is ovs-vswitchd running?"))
    }

    /// Connects, and learns the names of the ports.
    pub(crate) async fn connect(&self) -> anyhow::Result<Switch> {
        let versions = self.versions();
        let config = Config {
            versions,
            ..Config::default()
        };
        let mut client = Client::with_tls(self.remote("mgmt")?, config, self.tls.tls()?);
        let connected = async {
            while let Some(event) = client.next().await {
                if event == Event::Connected {
                    return;
                }
            }
        };
        let wait = Duration::from_secs(self.timeout);
        if timeout(wait, connected).await.is_err() {
            bail!(
                "{}: no connection within {} s; is ovs-vswitchd running, and does the bridge allow one of {versions}?",
                self.switch,
                self.timeout
            );
        }
        let handle = client.handle();
        let version = handle.version().await;
        let version = version.with_context(|| self.switch.clone())?;
        let ports = handle.dump_ports().await;
        let mut ports = ports.with_context(|| format!("{}: its ports", self.switch))?;
        ports.sort_by_key(|port| port.number);
        let by_name = ports.iter().map(|port| (port.name.clone(), port.number));
        Ok(Switch {
            handle,
            name: self.switch.clone(),
            version,
            by_name: by_name.collect(),
            ports,
            client,
        })
    }
}

impl Switch {
    /// Calls `read` with a parser that knows the names of the ports.
    pub(super) fn read<T>(&self, read: impl FnOnce(Parser<'_>) -> T) -> T {
        let names = |name: &str| self.by_name.get(name).copied();
        read(Parser::with_names(&names))
    }

    /// A port by its name or number.
    pub(super) fn port(&self, text: &str) -> anyhow::Result<Port> {
        if let Some(port) = self.by_name.get(text) {
            return Ok(*port);
        }
        if text.eq_ignore_ascii_case("LOCAL") {
            return Ok(Port::LOCAL);
        }
        match text.parse() {
            Ok(number) => Ok(Port(number)),
            Err(_) => {
                let mut names: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
                names.sort_unstable();
                bail!("{}: no port {text}; it has {}", self.name, names.join(", "))
            }
        }
    }

    /// What happens unasked.
    pub(super) async fn event(&mut self) -> Option<Event> {
        self.client.next().await
    }

    /// Asks. `what` is what is asked for, for messages.
    pub(super) async fn ask(&self, question: Message, what: &str) -> anyhow::Result<Reply> {
        let reply = self.handle.ask(question).await.map_err(with_remedy);
        reply.with_context(|| format!("{}: {what}", self.name))
    }

    /// Asks for one of the many things that a switch tells.
    pub(super) async fn dump(
        &self,
        question: MultipartRequest,
        what: &str,
    ) -> anyhow::Result<Reply> {
        self.ask(Message::MultipartRequest(question), what).await
    }

    /// All flows, groups and meters.
    pub(super) async fn held(&self) -> anyhow::Result<State> {
        let held = self.handle.held().await.map_err(with_remedy);
        held.with_context(|| format!("{}: what it holds", self.name))
    }

    /// Tells the switch something that it answers only to refuse it.
    pub(super) async fn tell(&self, message: Message, what: &str) -> anyhow::Result<()> {
        match self.handle.tell(message).await {
            Err(Error::Request(RequestError::Refused(error))) => {
                bail!("{}: {what} was refused: {error}", self.name)
            }
            done => done
                .map_err(with_remedy)
                .with_context(|| format!("{}: {what}", self.name)),
        }
    }

    /// Applies changes, all of them or none.
    pub(super) async fn apply(&self, changes: Vec<Change>) -> anyhow::Result<()> {
        let (said, messages): (Vec<String>, Vec<Message>) = changes
            .into_iter()
            .map(|change| (change.said, change.message))
            .unzip();
        let done = self.handle.bundle(messages).await;
        done.map_err(|error| self.unchanged(error, |place| said.get(place).cloned()))
    }

    /// Why a bundle had no effect. `said` tells where the message at a place comes from.
    pub(super) fn unchanged(
        &self,
        error: Error,
        said: impl Fn(usize) -> Option<String>,
    ) -> anyhow::Error {
        let said = |place| said(place).unwrap_or_else(|| "a change".to_owned());
        match error {
            Error::Bundle(failure) => {
                let refused = failure.messages.iter();
                let refused: Vec<_> = refused
                    .map(|(place, error)| format!("{}: {error}", said(*place)))
                    .collect();
                let refused = match refused.as_slice() {
                    [] => failure.to_string(),
                    _ => refused.join("; "),
                };
                anyhow::anyhow!("{}: nothing was changed: {refused}", self.name)
            }
            Error::BundleSend(BundleError::Message { index, error }) => {
                let error = with_remedy(SendError::Encode(error).into());
                error.context(format!(
                    "{}: nothing was changed: {}",
                    self.name,
                    said(index)
                ))
            }
            error => with_remedy(error).context(self.name.clone()),
        }
    }
}

/// The error, and which flag helps if the version that is spoken cannot say something.
fn with_remedy(error: Error) -> anyhow::Error {
    let others = match &error {
        Error::Send(SendError::Encode(error))
        | Error::BundleSend(
            BundleError::Send(SendError::Encode(error)) | BundleError::Message { error, .. },
        ) => match error {
            EncodeError::Unsayable { others, .. } => others.iter().next_back(),
            EncodeError::TooLong(_) => None,
        },
        _ => None,
    };
    match others {
        Some(version) => anyhow::anyhow!("{error}: use -O {version}"),
        None => error.into(),
    }
}
