//! A daemon in this process over a real switch, certificates, and ways to call it.

#![allow(dead_code, clippy::unwrap_used)]

pub(crate) mod http;
pub(crate) mod pki;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use hvd::client::Target;
use hvd::door::{Door, DoorArgs};
use hvd::engine::{Hypervisor, Settings};
use hvd::service;
use hvflow::{Host, Uplink};
use rpc::hv::v1;
use rpc::hv::v1::hypervisor_network_client::HypervisorNetworkClient;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use transport::{Remote, TlsArgs};

/// How long anything may take before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) type Client = HypervisorNetworkClient<Channel>;

/// A daemon in this process.
pub(crate) struct Daemon {
    pub(crate) hypervisor: Hypervisor,
    pub(crate) folder: PathBuf,
    pub(crate) ports: Vec<u16>,
    end: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    door: DoorArgs,
}

/// The engine of one that was stopped holds its store until its last caller is gone.
async fn started(folder: &Path, settings: &Settings) -> Hypervisor {
    let start = tokio::time::Instant::now();
    loop {
        match Hypervisor::start(&folder.join("hvd.db"), settings.clone()) {
            Ok(hypervisor) => return hypervisor,
            Err(error) => assert!(start.elapsed() < PATIENCE, "{error:#}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn host() -> Host {
    let uplink = |vlan| Uplink {
        port: "p1".to_owned(),
        vlan,
        router_mac: None,
    };
    Host {
        public: Some(uplink(0)),
        private: Some(uplink(7)),
        ..Host::default()
    }
}

impl Daemon {
    /// Starts one whose files are in `folder`, for the bridge behind `management`, with flags for its door. It
    /// listens at a unix socket as well.
    pub(crate) async fn start(folder: &Path, management: PathBuf, flags: &[&str]) -> Self {
        let socket = folder.join("hvd.sock");
        let listen = format!("--listen=punix:{}", socket.display());
        let flags = ["test", &listen].into_iter().chain(flags.iter().copied());
        let flags = Flags::parse_from(flags).door;
        let door = Door::open(&flags, "unused", folder);
        let door = door.await.unwrap();
        let settings = Settings {
            bridge: Remote::Unix(management),
            host: host(),
            audit: Duration::from_secs(3600),
        };
        let hypervisor = started(folder, &settings).await;
        let (end, ended) = watch::channel(false);
        let router = service::router(hypervisor.clone(), ended.clone());
        let ports = door
            .opened()
            .iter()
            .filter_map(|opened| opened.port)
            .collect();
        let serving = tokio::spawn(door.serve(router, ended));
        Self {
            hypervisor,
            folder: folder.to_owned(),
            ports,
            end,
            serving,
        }
    }

    /// Starts one and waits until it has read the switch.
    pub(crate) async fn ready(folder: &Path, management: PathBuf, flags: &[&str]) -> Self {
        let daemon = Self::start(folder, management, flags).await;
        daemon.health(true).await;
        daemon
    }

    /// Waits until the switch is there, or away.
    pub(crate) async fn health(&self, healthy: bool) {
        let mut health = self.hypervisor.health();
        let change = health.wait_for(|is| *is == healthy);
        drop(
            tokio::time::timeout(PATIENCE, change)
                .await
                .unwrap()
                .unwrap(),
        );
    }

    /// Ends it as a signal would.
    pub(crate) async fn stop(self) {
        self.end.send_replace(true);
        tokio::time::timeout(PATIENCE, self.serving)
            .await
            .unwrap()
            .unwrap();
    }

    /// A client at the unix socket.
    pub(crate) async fn client(&self) -> Client {
        let remote = Remote::Unix(self.folder.join("hvd.sock"));
        let target = Target::new(remote, None, &TlsArgs::default()).unwrap();
        Client::new(target.connect().await.unwrap())
    }

    pub(crate) fn channel(&self) -> Channel {
        let remote = Remote::Unix(self.folder.join("hvd.sock"));
        Target::new(remote, None, &TlsArgs::default())
            .unwrap()
            .lazy()
    }
}

/// Network parameters of a machine with one public card.
pub(crate) fn params(number: u32, name: &str, address: &str) -> v1::NetworkParams {
    v1::NetworkParams {
        droplet_id: number,
        vnics: vec![v1::Vnic {
            mac: format!("02:00:00:00:00:{number:02x}"),
            name: name.to_owned(),
            interface_type: v1::InterfaceType::Public.into(),
            addresses: Some(v1::Addresses {
                ipv4: vec![v1::Address {
                    ip_address: address.to_owned(),
                    masklen: 24,
                    gateway: None,
                }],
                ipv6: Vec::new(),
            }),
            ..v1::Vnic::default()
        }],
        ..v1::NetworkParams::default()
    }
}

pub(crate) fn add(params: v1::NetworkParams) -> v1::AddRequest {
    v1::AddRequest {
        params: Some(params),
        ..v1::AddRequest::default()
    }
}
