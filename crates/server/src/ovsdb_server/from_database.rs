//! Remotes that a database names: `db:DATABASE,TABLE,COLUMN` (`ovsdb(7)`, "Database Remotes").
//!
//! The column holds addresses, or refers to rows of a table with a column `target`, one remote each. Such
//! rows may also have `inactivity_probe`, in milliseconds, and are told `is_connected` and `status`.
//!
//! Invariant: once a change is durable the remotes are those of the database; one that cannot be used is a
//! line in the log and nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ovsdb::operation::Condition;
use ovsdb::schema::Constraint;
use ovsdb::{Atom, AtomicType, DatabaseSchema, Datum, Operation, Row, RowChange, Str, Uuid};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use transport::ovsdb::Event;

use super::remotes::Remote;
use crate::core::Inputs;
use crate::{Handle, Subscription};

/// How often the rows of remotes are told how they are, if that has changed.
const STATUS: Duration = Duration::from_millis(2500);

/// Why a text names no remotes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FollowError {
    #[error("\"{0}\": invalid syntax; write db:DATABASE,TABLE,COLUMN")]
    Syntax(String),
    #[error("\"{0}\": no database named {1}")]
    Database(String, String),
    #[error("\"{0}\": no table named {1}")]
    Table(String, String),
    #[error("\"{0}\": table \"{1}\" has no column \"{2}\"")]
    Column(String, String, String),
    #[error(
        "\"{0}\": column \"{1}\" has no addresses: its type must be text, or a reference to a table with a column \"target\""
    )]
    Type(String, String),
}

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
        inputs: Inputs,
        run: &Path,
    ) -> Result<Self, FollowError> {
        let (database, plan) = Plan::find(text, &handle).await?;
        let gone = || FollowError::Database(text.to_owned(), database.to_string());
        let subscription = handle.subscribe(&database, None).await.ok_or_else(gone)?;
        let follower = Follower {
            plan,
            inputs,
            run: run.to_owned(),
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

/// Where addresses are found.
#[derive(Debug)]
struct Plan {
    table: Str,
    column: usize,
    rows: Option<Rows>,
}

/// The table whose rows describe remotes.
#[derive(Debug)]
struct Rows {
    table: Str,
    target: usize,
    probe: Option<usize>,
    told: bool,
}

impl Plan {
    async fn find(text: &str, handle: &Handle) -> Result<(Str, Self), FollowError> {
        let names = text.strip_prefix("db:").unwrap_or(text);
        let names: Vec<&str> = names.split(',').collect();
        let [database, table, column] = names[..] else {
            return Err(FollowError::Syntax(text.to_owned()));
        };
        let schemas = handle.schemas().await;
        let schema = schemas.iter().find(|schema| schema.name == database);
        let schema =
            schema.ok_or_else(|| FollowError::Database(text.to_owned(), database.to_owned()))?;
        Ok((database.into(), Self::of(text, schema, table, column)?))
    }

    fn of(
        text: &str,
        schema: &DatabaseSchema,
        table: &str,
        column: &str,
    ) -> Result<Self, FollowError> {
        let found = schema
            .table(table)
            .ok_or_else(|| FollowError::Table(text.to_owned(), table.to_owned()))?;
        let at = found.column_index(column).ok_or_else(|| {
            FollowError::Column(text.to_owned(), table.to_owned(), column.to_owned())
        })?;
        let key = &found.columns()[at].column_type.key;
        let rows = match (&key.atomic, &key.constraint) {
            (AtomicType::String, _) => None,
            (_, Constraint::Reference { table, .. }) => Rows::of(schema, table)
                .map(Some)
                .ok_or_else(|| FollowError::Type(text.to_owned(), column.to_owned()))?,
            _ => return Err(FollowError::Type(text.to_owned(), column.to_owned())),
        };
        Ok(Self {
            table: table.into(),
            column: at,
            rows,
        })
    }
}

impl Rows {
    fn of(schema: &DatabaseSchema, table: &Str) -> Option<Self> {
        let found = schema.table(table)?;
        let is = |name: &str, atomic| {
            let column = found.column(name)?;
            (column.column_type.key.atomic == atomic).then(|| found.column_index(name))?
        };
        Some(Self {
            table: table.clone(),
            target: is("target", AtomicType::String)?,
            probe: is("inactivity_probe", AtomicType::Integer),
            told: is("is_connected", AtomicType::Boolean).is_some()
                && found
                    .column("status")
                    .is_some_and(|column| column.column_type.is_map()),
        })
    }
}

/// What a row says of its remote.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    address: Str,
    probe: Option<Duration>,
}

struct Follower {
    plan: Plan,
    inputs: Inputs,
    run: PathBuf,
    /// What the column holds, by row.
    named: HashMap<Uuid, Vec<Atom>>,
    /// The rows that can be referred to.
    targets: HashMap<Uuid, Target>,
    /// The remotes by address, with the probe that they were started with.
    running: BTreeMap<Str, (Option<Duration>, Option<Remote>)>,
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
        let mut tick = tokio::time::interval(STATUS);
        loop {
            tokio::select! {
                event = subscription.next() => match event {
                    Some(Event::Changes(changes)) => self.take(&changes),
                    Some(Event::Connected) => drop(ready.take()),
                    Some(_) => {}
                    // The database was removed.
                    None => break,
                },
                _ = tick.tick() => self.tell(&subscription).await,
                _ = &mut stopped => break,
            }
            // What comes before the first complete view may be a part of it.
            if ready.is_none() {
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
        for change in changes {
            let new = change.new.as_deref();
            if change.table == self.plan.table {
                let at = self.plan.column;
                replace(&mut self.named, change.uuid, new.map(|row| atoms(&row[at])));
            }
            if let Some(rows) = self.plan.rows.as_ref().filter(|r| r.table == change.table) {
                let target = new.map(|row| target(rows, row));
                replace(&mut self.targets, change.uuid, target);
            }
        }
    }

    /// The remotes that the database asks for now.
    fn wanted(&self) -> BTreeMap<Str, Option<Duration>> {
        let atoms = self.named.values().flatten();
        let wanted = atoms.filter_map(|atom| match atom {
            Atom::String(address) => Some((address.clone(), None)),
            Atom::Uuid(uuid) => {
                let target = self.targets.get(uuid)?;
                Some((target.address.clone(), target.probe))
            }
            _ => None,
        });
        wanted.collect()
    }

    /// Ends what is not wanted any more and starts what is new.
    async fn apply(&mut self) {
        let wanted = self.wanted();
        let over: Vec<Str> = self
            .running
            .iter()
            .filter(|(address, (probe, _))| wanted.get(*address) != Some(probe))
            .map(|(address, _)| address.clone())
            .collect();
        for address in over {
            if let Some((_, Some(remote))) = self.running.remove(&address) {
                remote.close().await;
            }
        }
        for (address, probe) in wanted {
            if self.running.contains_key(&address) {
                continue;
            }
            let started = Remote::start(&address, &self.inputs, &self.run, probe).await;
            if let Err(error) = &started {
                tracing::warn!(target: "ovsdb_jsonrpc_server", "{error:#}");
            }
            self.running.insert(address, (probe, started.ok()));
        }
    }

    /// Writes to the rows how their remotes are, where that has changed.
    async fn tell(&mut self, subscription: &Subscription) {
        let Some(rows) = self.plan.rows.as_ref().filter(|rows| rows.told) else {
            return;
        };
        let atoms = self.named.values().flatten().filter_map(Atom::as_uuid);
        let rows_in_use: BTreeSet<Uuid> = atoms.collect();
        self.told.retain(|uuid, _| rows_in_use.contains(uuid));
        let mut operations = Vec::new();
        for uuid in rows_in_use {
            let Some(remote) = self.remote_of(uuid) else {
                continue;
            };
            let now = (remote.connections() > 0, status(remote));
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
}

fn replace<T>(map: &mut HashMap<Uuid, T>, uuid: Uuid, value: Option<T>) {
    match value {
        Some(value) => drop(map.insert(uuid, value)),
        None => drop(map.remove(&uuid)),
    }
}

fn atoms(datum: &Datum) -> Vec<Atom> {
    datum.atoms().to_vec()
}

fn target(rows: &Rows, row: &Row) -> Target {
    let address = row[rows.target].as_one().and_then(Atom::as_str);
    let probe = rows.probe.and_then(|at| row[at].as_one()?.as_integer());
    Target {
        address: address.cloned().unwrap_or_default(),
        probe: probe.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0))),
    }
}

fn status(remote: &Remote) -> Datum {
    let port = remote.port().map(|port| ("bound_port", port.to_string()));
    let state = remote.state().map(|state| ("state", state.to_owned()));
    let count = remote.connections();
    let count = (count > 1).then(|| ("n_connections", count.to_string()));
    Datum::map(port.into_iter().chain(state).chain(count))
}
