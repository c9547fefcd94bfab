//! Certificates whose files a database names: `--private-key=db:DATABASE,TABLE,COLUMN` and its like
//! (`ovsdb-server(1)`, "Public Key Infrastructure Options").
//!
//! The value is the first text that is not empty in any row of the column; none means that the flag was not
//! given. Invariant: once a change is durable new connections follow it; settings that cannot be used are a line
//! in the log, and those before stay in force.

use std::collections::{BTreeMap, HashMap};

use ovsdb::{Atom, RowChange, Str, Uuid};
use tokio::task::JoinHandle;
use transport::ovsdb::Event;
use transport::{Tls, TlsArgs};

use super::plan::{FollowError, Plan};
use crate::{Handle, Subscription};

/// The certificates of a server, kept up to date.
#[derive(Debug)]
pub(super) struct Certificates {
    tls: Tls,
    task: Option<JoinHandle<()>>,
}

/// A flag whose value is in a database.
#[derive(Debug)]
struct Column {
    flag: Flag,
    table: Str,
    column: usize,
    values: BTreeMap<Uuid, Str>,
}

/// Which flag.
#[derive(Debug, Clone, Copy)]
enum Flag {
    PrivateKey,
    Certificate,
    CaCert,
    Bootstrap,
    Protocols,
    Ciphers,
    Ciphersuites,
}

impl Certificates {
    /// Returns when everything that the databases say now is in force.
    ///
    /// # Errors
    /// When there is no such column, or a value of the command line cannot be used.
    pub(super) async fn start(args: &TlsArgs, handle: &Handle) -> anyhow::Result<Self> {
        let mut columns: HashMap<Str, Vec<Column>> = HashMap::new();
        let mut plain = args.clone();
        for flag in Flag::ALL {
            let value = flag.of(&mut plain).filter(|value| value.starts_with("db:"));
            let Some(text) = value else { continue };
            flag.set(&mut plain, None);
            let (database, plan) = match Plan::find(&text, handle).await {
                Ok(found) => found,
                // Stock scripts name the database of a relay too, which has no rows yet.
                Err(error @ FollowError::Database(..)) => {
                    tracing::warn!(target: "stream_ssl", "{error}; that flag has no effect");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let column = Column {
                flag,
                table: plan.table,
                column: plan.column,
                values: BTreeMap::new(),
            };
            if plan.rows.is_some() {
                return Err(FollowError::Type(text, column.table.to_string()).into());
            }
            columns.entry(database).or_default().push(column);
        }
        if columns.is_empty() {
            let tls = plain.tls()?;
            return Ok(Self { tls, task: None });
        }
        // What the command line says itself has to be right.
        plain.options()?;
        let mut followed = Vec::new();
        for (database, columns) in columns {
            let gone = || FollowError::Database("db:".to_owned(), database.to_string());
            let mut subscription = handle.subscribe(&database, None).await.ok_or_else(gone)?;
            let mut source = Source { columns };
            while let Some(event) = subscription.next().await {
                match event {
                    Event::Changes(changes) => drop(source.take(&changes)),
                    Event::Connected => break,
                    _ => {}
                }
            }
            followed.push((subscription, source));
        }
        let tls = Tls::default();
        let follower = Follower {
            plain,
            tls: tls.clone(),
        };
        let values: Vec<_> = followed.iter().flat_map(|(_, it)| it.values()).collect();
        follower.apply(values);
        let task = tokio::spawn(follower.run(followed));
        let task = Some(task);
        Ok(Self { tls, task })
    }

    /// What connections use.
    pub(super) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// Follows the databases no longer.
    pub(super) fn stop(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// The columns of one database.
struct Source {
    columns: Vec<Column>,
}

impl Source {
    /// Takes changes over; whether a value may be another now.
    fn take(&mut self, changes: &[RowChange]) -> bool {
        let mut changed = false;
        for change in changes {
            for column in self
                .columns
                .iter_mut()
                .filter(|it| it.table == change.table)
            {
                let atoms = change.new.as_ref().map(|row| row[column.column].atoms());
                let mut texts = atoms.unwrap_or_default().iter().filter_map(Atom::as_str);
                match texts.find(|text| !text.is_empty()) {
                    Some(text) => drop(column.values.insert(change.uuid, text.clone())),
                    None => drop(column.values.remove(&change.uuid)),
                }
                changed = true;
            }
        }
        changed
    }

    fn values(&self) -> impl Iterator<Item = (Flag, Option<Str>)> {
        let columns = self.columns.iter();
        columns.map(|it| (it.flag, it.values.values().next().cloned()))
    }
}

struct Follower {
    /// The flags with the values that are not in a database.
    plain: TlsArgs,
    tls: Tls,
}

impl Follower {
    async fn run(self, mut followed: Vec<(Subscription, Source)>) {
        loop {
            let events = followed
                .iter_mut()
                .map(|(subscription, _)| Box::pin(subscription.next()));
            let Some((event, at)) = first(events.collect()).await else {
                return;
            };
            match event {
                Some(Event::Changes(changes)) => {
                    if followed[at].1.take(&changes) {
                        let values = followed.iter().flat_map(|(_, it)| it.values());
                        self.apply(values.collect());
                    }
                }
                Some(_) => {}
                // The database was removed; its last word stays in force.
                None => drop(followed.remove(at)),
            }
        }
    }

    fn apply(&self, values: Vec<(Flag, Option<Str>)>) {
        let mut args = self.plain.clone();
        for (flag, value) in values {
            flag.set(&mut args, value.as_deref());
        }
        match args.options() {
            Ok(options) => self.tls.set(options),
            Err(error) => {
                tracing::error!(target: "stream_ssl", "{error}; what was said before stays in force");
            }
        }
    }
}

/// The first of several that is ready, with its place; nothing when there are none.
async fn first<T>(mut all: Vec<impl Future<Output = T> + Unpin>) -> Option<(T, usize)> {
    if all.is_empty() {
        return None;
    }
    std::future::poll_fn(|context| {
        for (at, one) in all.iter_mut().enumerate() {
            if let std::task::Poll::Ready(it) = std::pin::Pin::new(one).poll(context) {
                return std::task::Poll::Ready(Some((it, at)));
            }
        }
        std::task::Poll::Pending
    })
    .await
}

impl Flag {
    const ALL: [Self; 7] = [
        Self::PrivateKey,
        Self::Certificate,
        Self::CaCert,
        Self::Bootstrap,
        Self::Protocols,
        Self::Ciphers,
        Self::Ciphersuites,
    ];

    fn of(self, args: &mut TlsArgs) -> Option<String> {
        let path = |it: &Option<std::path::PathBuf>| Some(it.as_ref()?.to_str()?.to_owned());
        match self {
            Self::PrivateKey => path(&args.private_key),
            Self::Certificate => path(&args.certificate),
            Self::CaCert => path(&args.ca_cert),
            Self::Bootstrap => path(&args.bootstrap_ca_cert),
            Self::Protocols => args.ssl_protocols.clone(),
            Self::Ciphers => args.ssl_ciphers.clone(),
            Self::Ciphersuites => args.ssl_ciphersuites.clone(),
        }
    }

    fn set(self, args: &mut TlsArgs, value: Option<&str>) {
        let text = value.map(str::to_owned);
        match self {
            Self::PrivateKey => args.private_key = text.map(Into::into),
            Self::Certificate => args.certificate = text.map(Into::into),
            Self::CaCert => args.ca_cert = text.map(Into::into),
            Self::Bootstrap => args.bootstrap_ca_cert = text.map(Into::into),
            Self::Protocols => args.ssl_protocols = text,
            Self::Ciphers => args.ssl_ciphers = text,
            Self::Ciphersuites => args.ssl_ciphersuites = text,
        }
    }
}
