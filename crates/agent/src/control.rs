//! The commands of the control socket, as `ovn-appctl -t ovn-controller` knows them.
//!
//! A command is a question to the loop, which owns the state.

use daemon::unixctl::{Registry, Reply};
use tokio::sync::{mpsc, oneshot};

/// How many questions wait for the loop.
const QUEUE: usize = 16;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// `connection-status`
    ConnectionStatus,
    /// `recompute`
    Recompute,
    /// `ct-zone-list`
    ZoneList,
    /// `debug/status`
    Status,
    /// `debug/pause`
    Pause,
    /// `debug/resume`
    Resume,
    /// `debug/dump-related-ports`
    RelatedPorts,
    /// `debug/dump-local-bindings`
    LocalBindings,
    /// `inc-engine/show-stats`
    Statistics,
    /// `inc-engine/clear-stats`
    ClearStatistics,
    /// `audit`: whether the switch holds what it should.
    Audit,
}

const COMMANDS: [(&str, Question); 12] = [
    ("connection-status", Question::ConnectionStatus),
    ("recompute", Question::Recompute),
    ("inc-engine/recompute", Question::Recompute),
    ("ct-zone-list", Question::ZoneList),
    ("debug/status", Question::Status),
    ("debug/pause", Question::Pause),
    ("debug/resume", Question::Resume),
    ("debug/dump-related-ports", Question::RelatedPorts),
    ("debug/dump-local-bindings", Question::LocalBindings),
    ("inc-engine/show-stats", Question::Statistics),
    ("inc-engine/clear-stats", Question::ClearStatistics),
    ("audit", Question::Audit),
];

/// Commands of `ovn-controller` that are not there yet.
const MISSING: [&str; 22] = [
    "meter-table-list",
    "group-table-list",
    "inject-pkt",
    "lflow-cache/flush",
    "lflow-cache/show-stats",
    "flush-lflow-cache",
    "sb-cluster-state-reset",
    "inc-engine/compute-log-timeout",
    "inc-engine/list-stopwatches",
    "debug/delay-nb-cfg-report",
    "debug/dump-local-datapaths",
    "debug/dump-lflow-conj-ids",
    "debug/dump-peer-ports",
    "debug/dump-local-template-vars",
    "debug/dump-mac-bindings",
    "evpn/remote-vtep-list",
    "evpn/vtep-binding-list",
    "evpn/vtep-multicast-group-list",
    "evpn/vtep-fdb-list",
    "evpn/vtep-arp-list",
    "stopwatch/show",
    "stopwatch/reset",
];

/// A question and where its answer goes.
pub(crate) type Asked = (Question, oneshot::Sender<Reply>);

/// The commands, and the end at which the loop takes their questions.
pub(crate) fn registry() -> (Registry, mpsc::Receiver<Asked>) {
    let (sender, receiver) = mpsc::channel::<Asked>(QUEUE);
    let mut registry = Registry::new();
    for (name, question) in COMMANDS {
        let sender = sender.clone();
        registry.register(name, "", 0, 0, move |_| {
            let sender = sender.clone();
            async move { ask(&sender, question).await }
        });
    }
    registry.register_sync("exit", "[--restart]", 0, 1, |args| match args {
        [] => Ok(String::new()),
        [flag] if flag == "--restart" => Ok(String::new()),
        [other, ..] => Err(format!("unknown argument {other}")),
    });
    registry.not_supported(&MISSING);
    (registry, receiver)
}

async fn ask(sender: &mpsc::Sender<Asked>, question: Question) -> Reply {
    let gone = || "the program is ending".to_owned();
    let (answer, answered) = oneshot::channel();
    sender.send((question, answer)).await.map_err(|_| gone())?;
    answered.await.map_err(|_| gone())?
}
