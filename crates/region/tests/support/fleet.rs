//! Simulated hypervisors: the real daemon with its store and its door at a unix socket, over a switch that is none.
//!
//! The benchmark uses it too.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use hvd::door::{Door, DoorArgs};
use hvd::engine::{Hypervisor, Settings};
use hvflow::{Host, Uplink};
use openflow::message::{LinkFeatures, PortDesc};
use openflow::server::{Limits, Switch};
use openflow::{Port, Versions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use transport::Remote;

/// How long a daemon may take to start.
const PATIENCE: Duration = Duration::from_secs(60);
/// The ports of each switch: the first is the uplink, the others are for machines.
const PORTS: u32 = 16;

/// A daemon over a simulated switch.
pub(crate) struct Simulated {
    pub(crate) hypervisor: Hypervisor,
    /// The TCP ports at which it listens.
    pub(crate) ports: Vec<u16>,
    mood: watch::Sender<Mood>,
    end: watch::Sender<bool>,
    serving: JoinHandle<()>,
    switch: JoinHandle<()>,
}

/// How a switch behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It does what it is told.
    Good,
    /// It has no room for more flows.
    Full,
    /// It hears nothing and says nothing.
    Silent,
}

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    door: DoorArgs,
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.end.send_replace(true);
        self.switch.abort();
    }
}

/// Where the daemon of a name listens.
pub(crate) fn socket(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.sock"))
}

impl Simulated {
    /// Starts one whose files are in `folder`, and waits until it is ready. It listens at a unix socket.
    pub(crate) async fn start(folder: &Path, name: &str) -> Self {
        Self::start_with(folder, name, &[]).await
    }

    /// The same with more flags for its door.
    pub(crate) async fn start_with(folder: &Path, name: &str, flags: &[String]) -> Self {
        let management = folder.join(format!("{name}.mgmt"));
        // One that was stopped leaves its socket.
        let _ = std::fs::remove_file(&management);
        let listener = UnixListener::bind(&management).expect("a socket");
        let (mood, moods) = watch::channel(Mood::Good);
        let switch = tokio::spawn(serve_switch(listener, moods));
        let uplink = Uplink {
            port: "p1".to_owned(),
            vlan: 0,
            router_mac: None,
        };
        let settings = Settings {
            bridge: Remote::Unix(management),
            host: Host {
                public: Some(uplink),
                ..Host::default()
            },
            audit: Duration::from_secs(3600),
        };
        let hypervisor = hypervisor(&folder.join(format!("{name}.db")), &settings).await;
        let listen = format!("--listen=punix:{}", socket(folder, name).display());
        let words = ["simulated", &listen].into_iter();
        let flags = Flags::parse_from(words.chain(flags.iter().map(String::as_str))).door;
        let door = Door::open(&flags, "unused", folder).await.expect("a door");
        let ports = door
            .opened()
            .iter()
            .filter_map(|opened| opened.port)
            .collect();
        let (end, ended) = watch::channel(false);
        let router = hvd::service::router(hypervisor.clone(), ended.clone());
        let serving = tokio::spawn(door.serve(router, ended));
        let mut health = hypervisor.health();
        let ready = tokio::time::timeout(PATIENCE, health.wait_for(|healthy| *healthy)).await;
        drop(ready.expect("in time").expect("the engine runs"));
        Self {
            hypervisor,
            ports,
            mood,
            end,
            serving,
            switch,
        }
    }

    /// Has the switch behave otherwise from now on.
    pub(crate) fn set_mood(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// Ends it; its files stay.
    pub(crate) async fn stop(mut self) {
        self.end.send_replace(true);
        let _ = (&mut self.serving).await;
    }
}

/// The engine of one that was stopped holds its store until its last caller is gone.
async fn hypervisor(store: &Path, settings: &Settings) -> Hypervisor {
    let start = tokio::time::Instant::now();
    loop {
        match Hypervisor::start(store, settings.clone()) {
            Ok(hypervisor) => return hypervisor,
            Err(error) => assert!(start.elapsed() < PATIENCE, "{error:#}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Each connection is to a switch of its own, without flows.
async fn serve_switch(listener: UnixListener, moods: watch::Receiver<Mood>) {
    while let Ok((stream, _)) = listener.accept().await {
        // It ends by itself when the other side does.
        let _ = converse(stream, moods.clone()).await;
    }
}

async fn converse(mut stream: UnixStream, mut moods: watch::Receiver<Mood>) -> std::io::Result<()> {
    let port = |number: u32| PortDesc {
        number: Port(number),
        name: format!("p{number}"),
        link: Some(LinkFeatures::default()),
        ..PortDesc::default()
    };
    let mut switch = Switch::new(Versions::default(), (1..=PORTS).map(port).collect());
    let mut buffer = vec![0; 16 << 10];
    while !switch.is_closed() {
        while let Some(bytes) = switch.poll_transmit() {
            stream.write_all(&bytes).await?;
        }
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        // Whoever could change the mood may be gone.
        let _ = moods.wait_for(|mood| *mood != Mood::Silent).await;
        let flows = match *moods.borrow() {
            Mood::Full => 0,
            Mood::Good | Mood::Silent => Limits::default().flows,
        };
        switch = switch.with_limits(Limits {
            flows,
            ..Limits::default()
        });
        switch.handle_bytes(&buffer[..count]);
    }
    Ok(())
}
