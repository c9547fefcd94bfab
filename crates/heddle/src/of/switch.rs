//! A connection to one switch.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, bail};
use openflow::message::FlowMod;
use openflow::session::Config;
use openflow::sync::Mod;
use openflow::{Parser, Port};
use tokio::time::timeout;
use transport::Remote;
use transport::openflow::{Client, Error, Event, Handle};

/// Which switch.
#[derive(clap::Args)]
pub(crate) struct SwitchArgs {
    /// The switch: unix:PATH, tcp:HOST:PORT, or the name of a bridge of this host.
    switch: String,
    /// Give up after this many seconds without a connection.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
}

/// A switch that is connected.
pub(super) struct Switch {
    _client: Client,
    pub(super) handle: Handle,
    pub(super) name: String,
    ports: HashMap<String, Port>,
}

impl SwitchArgs {
    fn remote(&self) -> anyhow::Result<Remote> {
        let name = &self.switch;
        let address = if name.contains(':') {
            name.clone()
        } else {
            let dirs = daemon::Dirs::from_env(daemon::Family::OpenvSwitch);
            format!("unix:{}", dirs.run.join(format!("{name}.mgmt")).display())
        };
        let remote: Remote = address.parse().with_context(|| name.clone())?;
        if remote.is_passive() {
            bail!("{name} is a place to listen; name one to connect to, unix: or tcp:");
        }
        Ok(remote)
    }

    /// Connects, and learns the names of the ports.
    pub(super) async fn connect(&self) -> anyhow::Result<Switch> {
        let mut client = Client::new(self.remote()?, Config::default());
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
                "{}: no connection within {} s; is ovs-vswitchd running, and does the bridge allow OpenFlow15?",
                self.switch,
                self.timeout
            );
        }
        let handle = client.handle();
        let ports = handle.dump_ports().await;
        let ports = ports.with_context(|| format!("{}: its ports", self.switch))?;
        Ok(Switch {
            _client: client,
            handle,
            name: self.switch.clone(),
            ports: ports
                .into_iter()
                .map(|port| (port.name, port.number))
                .collect(),
        })
    }
}

impl Switch {
    /// Calls `read` with a parser that knows the names of the ports.
    pub(super) fn read<T>(&self, read: impl FnOnce(Parser<'_>) -> T) -> T {
        let names = |name: &str| self.ports.get(name).copied();
        read(Parser::with_names(&names))
    }

    /// Applies changes, all of them or none. `say` tells where a change comes from.
    pub(super) async fn apply(
        &self,
        changes: Vec<FlowMod>,
        say: impl Fn(usize) -> String,
    ) -> anyhow::Result<()> {
        let mods = changes
            .into_iter()
            .map(|change| Mod::Flow(Box::new(change)))
            .collect();
        match self.handle.bundle(mods).await {
            Ok(()) => Ok(()),
            Err(Error::Bundle(failure)) => {
                let refused: Vec<_> = failure
                    .messages
                    .iter()
                    .map(|(place, error)| format!("{}: {error}", say(*place)))
                    .collect();
                let refused = match refused.as_slice() {
                    [] => failure.to_string(),
                    _ => refused.join("; "),
                };
                bail!("{}: nothing was changed: {refused}", self.name)
            }
            Err(error) => Err(error).with_context(|| self.name.clone()),
        }
    }
}
