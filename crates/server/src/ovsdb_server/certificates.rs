//! Certificates whose files a database names: `--private-key=db:DATABASE,TABLE,COLUMN` and its like
//! (`ovsdb-server(1)`, "Public Key Infrastructure Options").
//!
//! The value is the first text that is not empty in any row of the column; none means that the flag was not
//! given. Invariant: once a change is durable new connections follow it, whatever the schema of the database has
//! become; settings that cannot be used are a line in the log, and those before stay in force.

use std::collections::BTreeMap;

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
    /// The flags with the values that are not in a database.
    plain: TlsArgs,
    columns: Vec<Column>,
    task: Option<JoinHandle<()>>,
}

/// A flag whose value is in a database.
#[derive(Debug)]
struct Column {
    flag: Flag,
    text: String,
    /// The table and the column, if they are known.
    place: Option<(Str, usize)>,
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
    /// What the command line says itself is in force when this returns.
    ///
    /// # Errors
    /// When a value of the command line cannot be used.
    pub(super) fn new(args: &TlsArgs) -> anyhow::Result<Self> {
        let mut plain = args.clone();
        let mut columns = Vec::new();
        for flag in Flag::ALL {
            let value = flag.of(&plain).filter(|value| value.starts_with("db:"));
            let Some(text) = value else { continue };
            flag.set(&mut plain, None);
            columns.push(Column {
                flag,
                text,
                place: None,
                values: BTreeMap::new(),
            });
        }
        let tls = if columns.is_empty() {
            plain.tls()?
        } else {
            Tls::new(plain.options()?)
        };
        Ok(Self {
            tls,
            plain,
            columns,
            task: None,
        })
    }

    /// What connections use.
    pub(super) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// Follows the databases; returns when everything that they say now is in force.
    ///
    /// # Errors
    /// When there is no such column.
    pub(super) async fn follow(&mut self, handle: &Handle) -> Result<(), FollowError> {
        let sources = Source::group(std::mem::take(&mut self.columns), handle).await?;
        if sources.is_empty() {
            return Ok(());
        }
        let mut follower = Follower {
            handle: handle.clone(),
            plain: self.plain.clone(),
            tls: self.tls.clone(),
            sources: Vec::new(),
        };
        for mut source in sources {
            let mut subscription = source.begin(handle).await?;
            while !source.complete
                && let Some(event) = subscription.next().await
            {
                source.take(event);
            }
            follower.sources.push((subscription, source));
        }
        follower.apply();
        self.task = Some(tokio::spawn(follower.run()));
        Ok(())
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
    database: Str,
    columns: Vec<Column>,
    /// Whether all rows have come.
    complete: bool,
}

impl Source {
    /// The columns by their databases.
    async fn group(columns: Vec<Column>, handle: &Handle) -> Result<Vec<Self>, FollowError> {
        let mut sources: Vec<Self> = Vec::new();
        for column in columns {
            let (database, _) = Plan::find(&column.text, handle).await?;
            match sources.iter_mut().find(|it| it.database == database) {
                Some(source) => source.columns.push(column),
                None => sources.push(Self {
                    database,
                    columns: vec![column],
                    complete: false,
                }),
            }
        }
        Ok(sources)
    }

    /// Finds the columns, and begins to follow the database.
    async fn begin(&mut self, handle: &Handle) -> Result<Subscription, FollowError> {
        let mut places = Vec::new();
        for Column { text, .. } in &self.columns {
            let (_, plan) = Plan::find(text, handle).await?;
            if plan.as_ref().is_some_and(|plan| plan.rows.is_some()) {
                let name = text.rsplit(',').next().unwrap_or_default();
                return Err(FollowError::Type(text.clone(), name.to_owned()));
            }
            places.push(plan.map(|plan| (plan.table, plan.column)));
        }
        let subscription = handle.subscribe(&self.database, None).await;
        let gone = || FollowError::Database("db:".to_owned(), self.database.to_string());
        let subscription = subscription.ok_or_else(gone)?;
        for (column, place) in self.columns.iter_mut().zip(places) {
            column.place = place;
            column.values.clear();
        }
        self.complete = false;
        Ok(subscription)
    }

    /// Takes an event over; whether a value may be another now.
    fn take(&mut self, event: Event) -> bool {
        match event {
            Event::Changes(changes) => self.take_changes(&changes),
            Event::Connected => self.complete = true,
            _ => return false,
        }
        self.complete
    }

    fn take_changes(&mut self, changes: &[RowChange]) {
        for column in &mut self.columns {
            let Some((table, at)) = &column.place else {
                continue;
            };
            for change in changes.iter().filter(|change| change.table == *table) {
                let atoms = change.new.as_ref().map(|row| row[*at].atoms());
                let mut texts = atoms.unwrap_or_default().iter().filter_map(Atom::as_str);
                match texts.find(|text| !text.is_empty()) {
                    Some(text) => drop(column.values.insert(change.uuid, text.clone())),
                    None => drop(column.values.remove(&change.uuid)),
                }
            }
        }
    }

    /// Says in the flags what the columns say.
    fn tell(&self, args: &mut TlsArgs) {
        for column in &self.columns {
            let value = column.values.values().next();
            column.flag.set(args, value.map(Str::as_str));
        }
    }
}

struct Follower {
    handle: Handle,
    /// The flags with the values that are not in a database that is followed.
    plain: TlsArgs,
    tls: Tls,
    sources: Vec<(Subscription, Source)>,
}

impl Follower {
    async fn run(mut self) {
        loop {
            let events = self
                .sources
                .iter_mut()
                .map(|(subscription, _)| Box::pin(subscription.next()));
            let Some((event, at)) = first(events.collect()).await else {
                return;
            };
            match event {
                Some(event) => {
                    if self.sources[at].1.take(event) {
                        self.apply();
                    }
                }
                None => self.begin_again(at).await,
            }
        }
    }

    /// Goes on with a database that has another schema, or is gone; then its last word stays in force.
    async fn begin_again(&mut self, at: usize) {
        let (_, mut source) = self.sources.swap_remove(at);
        let mut last = self.plain.clone();
        source.tell(&mut last);
        match source.begin(&self.handle).await {
            Ok(subscription) => self.sources.push((subscription, source)),
            Err(error) => {
                tracing::warn!(target: "stream_ssl", "{error}; what was said before stays in force");
                self.plain = last;
            }
        }
    }

    /// Puts in force what all say. What one says of which not all rows have come would be too little.
    fn apply(&self) {
        if self.sources.iter().any(|(_, source)| !source.complete) {
            return;
        }
        let mut args = self.plain.clone();
        for (_, source) in &self.sources {
            source.tell(&mut args);
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

    fn of(self, args: &TlsArgs) -> Option<String> {
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
