//! Remotes that a database names: `db:DATABASE,TABLE,COLUMN` (`ovsdb(7)`, "Database Remotes").
//!
//! The column holds addresses, or refers to rows of a table with a column `target`, one remote each. Such
//! rows may also have `inactivity_probe` and `max_backoff`, in milliseconds, `role` and `read_only`; they are told
//! `is_connected` and `status`.
//!
//! Invariant: once a change is durable the remotes are those of the database, whatever its schema has become; one
//! that cannot be used is a line in the log and nothing else. Of a relay's database they begin when it is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use ovsdb::operation::Condition;
use ovsdb::server::LocksOfSession;
use ovsdb::{Atom, Datum, Operation, RowChange, Str, Uuid};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use transport::ovsdb::Event;

use super::plan::{FollowError, Plan, Target};
use super::remotes::{Active, Ground, Remote};
use crate::connection::Terms;
use crate::core::Kept;
use crate::{Handle, Subscription};

/// How often the rows of remotes are told how they are, if that has changed.
const STATUS: Duration = Duration::from_millis(2500);

/// A column that is being followed.
pub(super) struct Followed {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Followed {
    /// Begins to follow the column that `text` names; returns when the remotes that it names now are there.
    ///
    /// # Errors
    /// When there is no such column.
    pub(super) async fn start(
        text: &str,
        handle: Handle,
        ground: Ground,
    ) -> Result<Self, FollowError> {
        let (plan, subscription) = subscribe(text, &handle).await?;
        let follower = Follower {
            text: text.to_owned(),
            handle,
            plan,
            ground,
            named: HashMap::new(),
            targets: HashMap::new(),
            running: BTreeMap::new(),
            told: HashMap::new(),
        };
        let (ready, first) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(follower.run(subscription, ready, stopped));
        // When the task ends at once there is nothing to be ready.
        let _ = first.await;
        Ok(Self { task, stop })
    }

    /// Ends all its remotes.
    pub(super) async fn close(self) {
        let Self { task, stop } = self;
        drop(stop);
        let _ = task.await;
    }
}

/// Finds the column, and begins to follow its database. A column of which nothing is known yet will be found when
/// the subscription ends.
async fn subscribe(
    text: &str,
    handle: &Handle,
) -> Result<(Option<Plan>, Subscription), FollowError> {
    let (database, plan) = Plan::find(text, handle).await?;
    let gone = || FollowError::Database(text.to_owned(), database.to_string());
    let subscription = handle.subscribe(&database, None).await.ok_or_else(gone)?;
    Ok((plan, subscription))
}

struct Follower {
    /// What names the column, and where it is.
    text: String,
    handle: Handle,
    plan: Option<Plan>,
    ground: Ground,
    /// What the column holds, by row.
    named: HashMap<Uuid, Vec<Atom>>,
    /// The rows that can be referred to.
    targets: HashMap<Uuid, Target>,
    /// The remotes by address, with the terms that they were started for.
    running: BTreeMap<Str, (Terms, Option<Remote>)>,
    /// What rows were told last.
    told: HashMap<Uuid, (bool, Datum)>,
}

impl Follower {
    async fn run(
        mut self,
        mut subscription: Subscription,
        ready: oneshot::Sender<()>,
        mut stopped: oneshot::Receiver<()>,
    ) {
        let mut ready = Some(ready);
        // What comes before the first complete view may be a part of it.
        let mut complete = false;
        let mut tick = tokio::time::interval(STATUS);
        loop {
            tokio::select! {
                event = subscription.next() => match event {
                    Some(Event::Changes(changes)) => self.take(&changes),
                    Some(Event::Connected) => {
                        complete = true;
                        drop(ready.take());
                    }
                    Some(_) => {}
                    // The database has another schema, or was removed. Its remotes serve until that is known.
                    None => match subscribe(&self.text, &self.handle).await {
                        Ok((plan, again)) => {
                            (self.plan, subscription) = (plan, again);
                            self.named.clear();
                            self.targets.clear();
                            self.told.clear();
                            complete = false;
                        }
                        Err(error) => {
                            tracing::warn!(target: "ovsdb_jsonrpc_server", "{error}; its remotes end");
                            break;
                        }
                    },
                },
                _ = tick.tick() => self.tell(&subscription).await,
                _ = &mut stopped => break,
            }
            if complete {
                self.apply().await;
            }
        }
        for (_, remote) in std::mem::take(&mut self.running).into_values() {
            if let Some(remote) = remote {
                remote.close().await;
            }
        }
    }

    fn take(&mut self, changes: &[RowChange]) {
        let Some(plan) = &self.plan else { return };
        for change in changes {
            let new = change.new.as_deref();
            if change.table == plan.table {
                let at = plan.column;
                replace(
                    &mut self.named,
                    change.uuid,
                    new.map(|row| row[at].atoms().to_vec()),
                );
            }
            if let Some(rows) = plan.rows.as_ref().filter(|r| r.table == change.table) {
                let target = new.map(|row| rows.target(row));
                replace(&mut self.targets, change.uuid, target);
            }
        }
    }

    /// The remotes that the database asks for now.
    fn wanted(&self) -> BTreeMap<Str, Terms> {
        let atoms = self.named.values().flatten();
        let wanted = atoms.filter_map(|atom| match atom {
            Atom::String(address) => Some((address.clone(), Terms::default())),
            Atom::Uuid(uuid) => {
                let target = self.targets.get(uuid)?;
                Some((target.address.clone(), target.terms.clone()))
            }
            _ => None,
        });
        let mut all: BTreeMap<Str, Terms> = BTreeMap::new();
        for (address, terms) in wanted {
            // Of two rows with one address the one that gives less counts.
            let known = all.entry(address).or_default();
            *known = terms.max(std::mem::take(known));
        }
        all
    }

    /// Ends what is not wanted any more and starts what is new.
    async fn apply(&mut self) {
        let wanted = self.wanted();
        let over: Vec<Str> = self
            .running
            .iter()
            .filter(|(address, (terms, _))| wanted.get(*address) != Some(terms))
            .map(|(address, _)| address.clone())
            .collect();
        for address in over {
            if let Some((_, Some(remote))) = self.running.remove(&address) {
                remote.close().await;
            }
        }
        for (address, terms) in wanted {
            if self.running.contains_key(&address) {
                continue;
            }
            let started = Remote::start(&address, &self.ground, terms.clone()).await;
            if let Err(error) = &started {
                tracing::warn!(target: "ovsdb_jsonrpc_server", "{error:#}");
            }
            self.running.insert(address, (terms, started.ok()));
        }
    }

    /// Writes to the rows how their remotes are, where that has changed. Rows that other servers have too are not
    /// told: each would say something else.
    async fn tell(&mut self, subscription: &Subscription) {
        if subscription.kept() != Kept::Here {
            return;
        }
        let rows = self.plan.as_ref().and_then(|plan| plan.rows.as_ref());
        let Some(rows) = rows.filter(|rows| rows.told) else {
            return;
        };
        let atoms = self.named.values().flatten().filter_map(Atom::as_uuid);
        let rows_in_use: BTreeSet<Uuid> = atoms.collect();
        self.told.retain(|uuid, _| rows_in_use.contains(uuid));
        let mut operations = Vec::new();
        for uuid in rows_in_use {
            let now = match self.remote_of(uuid) {
                Some(remote) => (remote.connections() > 0, self.status(remote).await),
                // What an earlier process has said is not true any more.
                None => (false, Datum::EMPTY_MAP),
            };
            if self.told.get(&uuid) != Some(&now) {
                operations.push(Operation::Update {
                    table: rows.table.clone(),
                    condition: vec![Condition::uuid(uuid)],
                    row: vec![
                        (Str::new_static("is_connected"), now.0.into()),
                        (Str::new_static("status"), now.1.clone()),
                    ],
                });
                self.told.insert(uuid, now);
            }
        }
        if !operations.is_empty()
            && let Err(error) = subscription.transact(operations).await
        {
            tracing::warn!(target: "ovsdb_server", "cannot write the status of remotes: {error}");
        }
    }

    fn remote_of(&self, uuid: Uuid) -> Option<&Remote> {
        let address = &self.targets.get(&uuid)?.address;
        self.running.get(address)?.1.as_ref()
    }

    /// What a row is told, in the words of `ovsdb-server(1)`.
    async fn status(&self, remote: &Remote) -> Datum {
        let port = remote.port().map(|port| ("bound_port", port.to_string()));
        let count = remote.connections();
        let count = (count > 1).then(|| ("n_connections", count.to_string()));
        let active = match remote.active() {
            Some(active) => {
                let locks = match active.session {
                    Some(session) => self.handle.locks_of(session).await,
                    None => LocksOfSession::default(),
                };
                of_active(active, &locks)
            }
            None => Vec::new(),
        };
        Datum::map(port.into_iter().chain(count).chain(active))
    }
}

/// What the row of a remote that connects is told.
fn of_active(active: Active, locks: &LocksOfSession) -> Vec<(&'static str, String)> {
    let seconds = |since: Instant| since.elapsed().as_secs().to_string();
    let names = |names: &[Str]| (!names.is_empty()).then(|| names.join(" "));
    let all = [
        ("state", Some(active.state.to_owned())),
        ("sec_since_connect", active.connected.map(seconds)),
        ("sec_since_disconnect", active.disconnected.map(seconds)),
        ("last_error", active.last_error),
        ("locks_held", names(&locks.held)),
        ("locks_waiting", names(&locks.waiting)),
        ("locks_lost", names(&locks.lost)),
    ];
    let all = all.into_iter();
    all.filter_map(|(key, value)| Some((key, value?))).collect()
}

fn replace<T>(map: &mut HashMap<Uuid, T>, uuid: Uuid, value: Option<T>) {
    match value {
        Some(value) => drop(map.insert(uuid, value)),
        None => drop(map.remove(&uuid)),
    }
}
