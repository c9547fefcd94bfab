//! A database as the driver reaches it: in this process or over a connection.

use ovsdb::{Operation, Str};
use transport::ovsdb::{Client, Event, TransactResult};

use crate::Subscription;

/// Either way the same events come.
#[derive(Debug)]
pub(super) enum Source {
    Local(Subscription),
    Remote(Client),
}

impl Source {
    /// The next event; nothing any more when the database is gone for good.
    pub(super) async fn next(&mut self) -> Option<Event> {
        match self {
            Self::Local(subscription) => subscription.next().await,
            Self::Remote(client) => client.next().await,
        }
    }

    pub(super) fn try_next(&mut self) -> Option<Event> {
        match self {
            Self::Local(subscription) => subscription.try_next(),
            Self::Remote(client) => client.try_next(),
        }
    }

    /// How often events were merged because they had waited for long.
    pub(super) fn merged(&self) -> u64 {
        match self {
            Self::Local(subscription) => subscription.merged(),
            Self::Remote(_) => 0,
        }
    }

    pub(super) async fn transact(&self, operations: Vec<Operation>) -> TransactResult {
        match self {
            Self::Local(subscription) => subscription.transact(operations).await,
            Self::Remote(client) => client.transact(operations).await,
        }
    }

    pub(super) async fn set_lock(&self, lock: Option<Str>) {
        match self {
            Self::Local(subscription) => subscription.set_lock(lock).await,
            Self::Remote(client) => client.handle().set_lock(lock).await,
        }
    }
}
