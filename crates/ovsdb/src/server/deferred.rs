//! What waits until nothing is pending: monitors that begin, change or end, and conversions.
//!
//! Whoever begins to monitor is shown the state that is durable, and hears of every commit after it. The
//! database only has that state while nothing is pending; so these requests wait for such a moment, and let no
//! new transaction begin before them, so that it comes as soon as the log has answered.
//!
//! Invariant: the messages of a session that concern one database are handled in their order, and what has to
//! wait is bounded as other output of the session is.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;
use serde_json::Value;

use super::hosted::{Deferred, Hosted};
use super::{DatabaseId, Environment, Server, SessionId};

impl Hosted {
    /// Whether new transactions have to wait.
    pub(crate) fn holds_back(&self) -> bool {
        !self.deferred.is_empty() || self.conversion.is_some()
    }
}

impl Server {
    /// The database for which a request has to wait, if so.
    pub(super) fn must_wait(
        &self,
        session: SessionId,
        method: &str,
        params: &[Value],
    ) -> Option<DatabaseId> {
        let of_name = || self.database_id(params.first()?.as_str()?);
        let holds_back = |id: &DatabaseId| self.databases[id.0].holds_back();
        match method {
            "transact" => of_name().filter(holds_back),
            "monitor" | "monitor_cond" | "monitor_cond_since" | "convert" => {
                of_name().filter(|id| holds_back(id) || self.databases[id.0].is_ahead())
            }
            "monitor_cond_change" | "monitor_cancel" => {
                // The request that begins the monitor may itself be waiting.
                let waits = |hosted: &Hosted| {
                    hosted.deferred.iter().any(|it| it.session() == session)
                        || ((hosted.holds_back() || hosted.is_ahead())
                            && hosted.monitors.has(session, params.first()))
                };
                self.databases.iter().position(waits).map(DatabaseId)
            }
            _ => None,
        }
    }

    /// Keeps something until nothing is pending.
    pub(super) fn defer(&mut self, id: DatabaseId, deferred: Deferred) {
        let (session, bytes) = (deferred.session(), deferred.len());
        self.databases[id.0].deferred.push_back(deferred);
        self.hold(session, bytes);
    }

    /// Does what had to wait and need not any more. To be called after [`Server::durable`], [`Server::failed`],
    /// [`Server::set_log_state`], [`Server::converted`] and [`Server::conversion_failed`], once for several of them.
    pub fn proceed(&mut self, environment: &mut Environment<'_>) {
        for id in (0..self.databases.len()).map(DatabaseId) {
            let hosted = &mut self.databases[id.0];
            if hosted.deferred.is_empty() || hosted.is_ahead() || hosted.conversion.is_some() {
                continue;
            }
            // Those that began to wait first, of all sessions; then the transactions that they kept waiting.
            let all = std::mem::take(&mut hosted.deferred);
            let rest = self.run_deferred(id, all, false, environment);
            let rest = self.run_deferred(id, rest, true, environment);
            let hosted = &mut self.databases[id.0];
            let newer = std::mem::replace(&mut hosted.deferred, rest);
            hosted.deferred.extend(newer);
            // Waiting transactions were not tried while others were kept back.
            self.tried_at = u64::MAX;
        }
        self.retry(environment);
    }

    /// Does what is a transaction, or what is not; gives what is left, in order.
    fn run_deferred(
        &mut self,
        id: DatabaseId,
        all: VecDeque<Deferred>,
        transactions: bool,
        environment: &mut Environment<'_>,
    ) -> VecDeque<Deferred> {
        let mut rest = VecDeque::new();
        let mut behind = FxHashSet::default();
        for deferred in all {
            let session = deferred.session();
            let converts = self.databases[id.0].conversion.is_some();
            if converts || behind.contains(&session) || deferred.is_transaction() != transactions {
                behind.insert(session);
                rest.push_back(deferred);
                continue;
            }
            self.let_go(session, deferred.len());
            match deferred {
                Deferred::Transaction(transaction) => self.begin(transaction, environment),
                Deferred::Message { bytes, .. } => {
                    if let Err(reason) = self.handle_message(session, &bytes, environment) {
                        self.close(session, reason);
                    }
                }
            }
        }
        rest
    }
}
