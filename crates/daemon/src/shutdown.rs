//! The end of the process: by signal, by the `exit` command, or by the program itself.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Why the process is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// SIGTERM, SIGINT or SIGHUP.
    Signal(&'static str),
    /// The `exit` command, with its arguments (for example `--restart`).
    Exit(Vec<String>),
    /// The program itself, which says why.
    Internal(String),
}

/// A request to end that any task can make or wait for. The first request counts.
#[derive(Debug, Clone)]
pub struct Shutdown {
    sender: watch::Sender<Option<Reason>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// One that nobody has requested; for programs that are no daemons, and tests.
    #[must_use]
    pub fn new() -> Self {
        Self {
            sender: watch::Sender::new(None),
        }
    }

    /// Asks the process to end.
    pub fn request(&self, reason: Reason) {
        self.sender.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(reason);
            }
            first
        });
    }

    /// Waits until somebody asks, and says why. Returns at once if that has happened already.
    pub async fn requested(&self) -> Reason {
        let mut receiver = self.sender.subscribe();
        let reason = receiver.wait_for(Option::is_some).await;
        reason
            .ok()
            .and_then(|reason| reason.clone())
            .expect("the sender lives in self, and the value waited for is there")
    }

    /// Whether somebody has asked.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.sender.borrow().is_some()
    }

    /// Makes the signals that end an OVS daemon such requests. Call it inside a runtime.
    pub(crate) fn watch_signals(&self) -> std::io::Result<()> {
        let kinds = [
            ("SIGTERM", SignalKind::terminate()),
            ("SIGINT", SignalKind::interrupt()),
            ("SIGHUP", SignalKind::hangup()),
        ];
        for (name, kind) in kinds {
            let mut stream = signal(kind)?;
            let shutdown = self.clone();
            tokio::spawn(async move {
                if stream.recv().await.is_some() {
                    shutdown.request(Reason::Signal(name));
                }
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_request_counts_and_stays() {
        let shutdown = Shutdown::new();
        let waiter = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.requested().await }
        });
        assert!(!shutdown.is_requested());
        shutdown.request(Reason::Exit(vec!["--restart".into()]));
        shutdown.request(Reason::Internal("later".into()));
        let expected = Reason::Exit(vec!["--restart".into()]);
        assert_eq!(waiter.await.unwrap(), expected);
        assert_eq!(shutdown.requested().await, expected);
    }
}
