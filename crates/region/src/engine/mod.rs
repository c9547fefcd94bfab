//! What makes the regional service run: the database, the one task that owns the [fleet](crate::fleet), and the links
//! to the hypervisors.
//!
//! Any number of services may have one database in etcd. The one that has its lock leads: it alone drives the fleet and
//! takes changes, and it does neither any more the moment the lock is lost. The others follow the rows, answer what is
//! read, and refuse changes naming who leads.
//!
//! A change is one transaction, the row of its action included. It is planned on what the rows are, and written only if
//! they still are so and the lock is held; otherwise it is planned again. What comes of actions is written the same way.
//!
//! It must not know who may ask, or over what.
//!
//! Invariants: nothing is told to a hypervisor before what is told stands in the database; what was begun goes on after
//! a restart, here or in another service; everything that waits has a bound.

mod answer;
mod driver;
mod handle;
mod link;
mod links;
mod pending;
mod state;
mod tell;
mod watching;

use std::sync::{Arc, RwLock};
use std::time::Duration;

use anyhow::Context;
use model::{Str, region};
use server::{Embedded, Place, Running};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use transport::Tls;

pub use answer::{Answer, Edited, How, Refusal, RefusalKind};
pub use handle::{Ask, Handle};
pub use state::{Lead, State};
pub use watching::{Progress, Watch};

use driver::Driver;
use links::Links;

/// The lock that the leading service has.
pub const LOCK: &str = "heddle_region";
/// How many requests wait.
const QUEUE: usize = 64;
/// How many happenings of links wait.
const HAPPENINGS: usize = 1024;

/// How a service is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the service calls itself; others name it so when they refuse a change. Say where it is reached.
    pub name: Str,
    /// What to show to hypervisors at `ssl:`, and whom to trust. Their certificates must bear their names.
    pub tls: Tls,
    /// How soon a hypervisor that is away is tried again.
    pub pace: Pace,
}

/// How soon a link is tried again, and how many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long to wait after the first failure; it doubles with each further one.
    pub first: Duration,
    /// How long to wait at most.
    pub most: Duration,
    /// How many links are set up at once.
    pub connecting: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            most: Duration::from_secs(15),
            connecting: 64,
        }
    }
}

/// A service that runs.
pub struct Engine {
    handle: Handle,
    end: watch::Sender<bool>,
    driver: JoinHandle<()>,
    database: Running,
}

/// Opens the database of a region, or makes it. Blocks; not for a thread of a runtime.
///
/// # Errors
/// When it cannot be used.
pub fn open(place: &Place) -> anyhow::Result<Embedded> {
    Embedded::open(place, region::schema())
}

impl Engine {
    /// Begins to serve a database. Call it inside a runtime with several threads.
    ///
    /// # Errors
    /// When the database has ended already.
    pub async fn start(database: Embedded, settings: Settings) -> anyhow::Result<Self> {
        let database = database.start();
        let lock = Some(Str::from(LOCK));
        let subscription = database.handle().subscribe(region::NAME, lock).await;
        let subscription = subscription.context("the database has ended")?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (happenings, happened) = mpsc::channel(HAPPENINGS);
        let (end, ended) = watch::channel(false);
        let (news, seen) = watch::channel(0);
        let (complete, healthy) = watch::channel(false);
        let state = Arc::new(RwLock::new(State::new(settings.name.clone())));
        let links = Links::new(settings.tls, settings.pace, happenings);
        let driver = Driver::new(
            settings.name,
            subscription,
            Arc::clone(&state),
            links,
            driver::Inputs {
                jobs: queue,
                happened,
                ended,
            },
            driver::Outputs { news, complete },
        );
        Ok(Self {
            handle: Handle::new(jobs, state, seen, healthy),
            end,
            driver: tokio::spawn(driver.run()),
            database,
        })
    }

    /// How others reach it.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Ends it: nothing is told any more, the lock goes to another, and the database holds what was answered.
    pub async fn stop(self) {
        self.end.send_replace(true);
        // A panic in there is in the log.
        let _ = self.driver.await;
        self.database.stop().await;
    }
}
