//! A bridge at the other end of an OpenFlow connection: what it has, and how a commit gets there.

use anyhow::{Result, bail};
use hvflow::{Commit, Installed, Ports};
use openflow::Message;
use openflow::message::{Meter, MultipartRequest};
use openflow::session::{Config, Reply};
use transport::Remote;
use transport::openflow::{Client, Event, Handle};

/// A connection to a bridge, with what the bridge was last known to hold.
pub(crate) struct Bridge {
    // Dropped, it ends the connection.
    _client: Client,
    handle: Handle,
    /// The bridge's ports.
    pub(crate) ports: Ports,
    /// What it holds.
    pub(crate) installed: Installed,
}

impl Bridge {
    /// Connects, and reads what is there.
    pub(crate) async fn connect(remote: Remote) -> Result<Self> {
        let mut client = Client::new(remote, Config::default());
        while client.next().await != Some(Event::Connected) {}
        let mut bridge = Self {
            handle: client.handle(),
            _client: client,
            ports: Ports::default(),
            installed: Installed::default(),
        };
        bridge.read().await?;
        Ok(bridge)
    }

    /// Reads ports, flows and meters again.
    pub(crate) async fn read(&mut self) -> Result<()> {
        self.ports = self.handle.dump_ports().await?.iter().collect();
        let flows = self.handle.dump_flows().await?;
        let all = MultipartRequest::Meters(Meter::ALL);
        let Reply::Meters(meters) = self.handle.ask(Message::MultipartRequest(all)).await? else {
            bail!("the switch does not say which meters it has");
        };
        self.installed = Installed::new(flows.into_iter().map(|desc| desc.flow), meters);
        Ok(())
    }

    /// Sends a commit. When it fails, nothing of the bundle has happened, and what the bridge holds is read again.
    pub(crate) async fn send(&mut self, commit: Commit) -> Result<()> {
        if let Err(error) = self.try_send(&commit).await {
            self.read().await?;
            return Err(error);
        }
        self.installed.apply(&commit);
        Ok(())
    }

    async fn try_send(&self, commit: &Commit) -> Result<()> {
        for message in &commit.before {
            self.handle.send(message.clone()).await?;
        }
        self.handle.barrier().await?;
        self.handle.bundle(commit.bundle.clone()).await?;
        for message in &commit.after {
            self.handle.send(message.clone()).await?;
        }
        Ok(self.handle.barrier().await?)
    }
}
