//! The commands of `ovn-northd(8)` on the control socket, and the state that they show.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use daemon::unixctl::{Registry, Reply};
use tokio::sync::{mpsc, oneshot};

use super::Options;

/// What the driver is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Pause,
    Resume,
    /// Compile everything anew.
    Recompute,
    SetThreads(usize),
    /// Say what the engine holds and did.
    Stats(oneshot::Sender<String>),
    ClearStats,
}

/// What the driver is doing, for those who ask.
#[derive(Debug)]
pub(super) struct Status {
    pub(super) paused: AtomicBool,
    /// Whether the lock is held.
    pub(super) active: AtomicBool,
    pub(super) nb_connected: AtomicBool,
    pub(super) sb_connected: AtomicBool,
    pub(super) threads: AtomicUsize,
}

impl Status {
    fn text(&self) -> &'static str {
        if self.paused.load(Ordering::Relaxed) {
            "Status: paused"
        } else if self.active.load(Ordering::Relaxed) {
            "Status: active"
        } else {
            "Status: standby"
        }
    }
}

/// Sends commands to the driver.
pub(super) type Commands = mpsc::Sender<Command>;

pub(super) fn channel(options: &Options) -> (Commands, Arc<Status>, mpsc::Receiver<Command>) {
    let (sender, receiver) = mpsc::channel(16);
    let status = Arc::new(Status {
        paused: options.paused.into(),
        active: false.into(),
        nb_connected: false.into(),
        sb_connected: false.into(),
        threads: options.threads.max(1).into(),
    });
    (sender, status, receiver)
}

/// Adds the commands to a registry.
pub(super) fn register(registry: &mut Registry, commands: &Commands, status: &Arc<Status>) {
    let mut state = |name: &str, show: fn(&Status) -> String| {
        let status = Arc::clone(status);
        registry.register_sync(name, "", 0, 0, move |_| Ok(show(&status)));
    };
    state("status", |status| status.text().to_owned());
    state("is-paused", |status| {
        status.paused.load(Ordering::Relaxed).to_string()
    });
    state("nb-connection-status", |status| {
        connection(&status.nb_connected)
    });
    state("sb-connection-status", |status| {
        connection(&status.sb_connected)
    });
    state("parallel-build/get-n-threads", |status| {
        status.threads.load(Ordering::Relaxed).to_string()
    });

    let mut action = |name: &str, command: fn() -> Command| {
        let commands = commands.clone();
        registry.register(name, "", 0, 0, move |_| send(commands.clone(), command()));
    };
    action("pause", || Command::Pause);
    action("resume", || Command::Resume);
    action("recompute", || Command::Recompute);
    action("inc-engine/recompute", || Command::Recompute);
    action("inc-engine/clear-stats", || Command::ClearStats);

    let sender = commands.clone();
    registry.register(
        "inc-engine/show-stats",
        "[engine_node_name [counter_name]]",
        0,
        2,
        move |_| {
            let sender = sender.clone();
            async move {
                let (reply, text) = oneshot::channel();
                send(sender, Command::Stats(reply)).await?;
                text.await.map_err(|_| "the compiler has ended".to_owned())
            }
        },
    );
    let sender = commands.clone();
    registry.register(
        "parallel-build/set-n-threads",
        "N_THREADS",
        1,
        1,
        move |args| {
            let threads = args.first().and_then(|text| text.parse::<usize>().ok());
            let sender = sender.clone();
            async move {
                match threads {
                    Some(threads @ 1..=256) => send(sender, Command::SetThreads(threads)).await,
                    _ => Err("invalid n_threads: use 1 to 256".to_owned()),
                }
            }
        },
    );
    registry.not_supported(&[
        "sb-cluster-state-reset",
        "nb-cluster-state-reset",
        "inc-engine/compute-log-timeout",
        "inc-engine/list-stopwatches",
        "debug/chassis-features-list",
        "stopwatch/show",
        "stopwatch/reset",
    ]);
}

fn connection(connected: &AtomicBool) -> String {
    let text = if connected.load(Ordering::Relaxed) {
        "connected"
    } else {
        "not connected"
    };
    text.to_owned()
}

async fn send(commands: Commands, command: Command) -> Reply {
    let sent = commands.send(command).await;
    sent.map(|()| String::new())
        .map_err(|_| "the compiler has ended".to_owned())
}
