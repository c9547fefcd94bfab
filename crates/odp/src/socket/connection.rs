//! Requests to the datapath.

use std::sync::Arc;
use std::time::Duration;

use super::dump::Dump;
use super::error::Error;
use super::events::Events;
use super::pool::{Outcome, Pool};
use super::upcalls::{UpcallOptions, Upcalls};
use crate::attribute::DecodeError;
use crate::id::DatapathId;
use crate::message::{
    Datapath, DatapathRef, Family, NewDatapath, NewVport, Request, SetDatapath, Vport,
    VportOptions, VportRef, datapath, vport,
};
use crate::text::PortNames;

/// How requests are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long an answer is waited for.
    pub timeout: Duration,
}

impl Default for Options {
    /// Ten seconds: the kernel answers at once, but may wait for its own locks.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
        }
    }
}

/// A way to the kernel's datapaths in the network namespace in which it was opened. Copies share it; any
/// number of threads may use it at once.
///
/// ```no_run
/// use odp::{Action, Connection, FlowPut, Match, NewDatapath, NewVport};
///
/// let connection = Connection::open()?;
/// let datapath = connection.create_datapath(&NewDatapath::new("dp0"))?;
/// let left = connection.create_vport(datapath.id, &NewVport::netdev("veth0"))?;
/// let right = connection.create_vport(datapath.id, &NewVport::netdev("veth1"))?;
/// for (from, to) in [(left.number, right.number), (right.number, left.number)] {
///     let flow = FlowPut::new(Match::new(from), vec![Action::Output(to)]);
///     connection.put_flow(datapath.id, &flow)?;
/// }
/// # Ok::<(), odp::Error>(())
/// ```
#[derive(Clone)]
pub struct Connection {
    pub(super) pool: Arc<Pool>,
}

/// The one object that an answer is to bring.
pub(super) fn one<T>(
    outcome: Outcome,
    what: &dyn Fn() -> String,
    read: impl Fn(&[u8]) -> Result<T, DecodeError>,
) -> Result<T, Error> {
    let objects = outcome?;
    let body = objects
        .first()
        .ok_or_else(|| Error::NoAnswer { what: what() })?;
    read(body).map_err(|source| Error::decode("an answer", source))
}

impl Connection {
    /// Opens one. Where the module is missing and the system can load modules, the kernel loads it.
    ///
    /// # Errors
    /// [`Error::ModuleMissing`] where the kernel has no datapath.
    pub fn open() -> Result<Self, Error> {
        Self::open_with(Options::default())
    }

    /// As [`Self::open`], with other options.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(options: Options) -> Result<Self, Error> {
        Ok(Self {
            pool: Arc::new(Pool::open(options.timeout)?),
        })
    }

    /// True if the kernel has this family.
    #[must_use]
    pub fn has(&self, family: Family) -> bool {
        self.pool.family(family).is_some()
    }

    pub(super) fn outcome(&self, request: Request, what: &dyn Fn() -> String) -> Outcome {
        let mut outcomes = self.pool.transact(&[request], |_| what())?;
        outcomes.pop().unwrap_or_else(|| Ok(Vec::new()))
    }

    pub(super) fn done(&self, request: Request, what: &dyn Fn() -> String) -> Result<(), Error> {
        self.outcome(request, what).map(drop)
    }

    pub(super) fn many(
        &self,
        requests: &[Request],
        what: impl Fn(usize) -> String,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let outcomes = self.pool.transact(requests, what)?;
        Ok(outcomes
            .into_iter()
            .map(|outcome| outcome.map(drop))
            .collect())
    }
}

/// Datapaths.
impl Connection {
    /// All datapaths of the network namespace.
    ///
    /// # Errors
    /// When the kernel refuses it, or cannot be understood.
    pub fn datapaths(&self) -> Result<Vec<Datapath>, Error> {
        let what = "list the datapaths".to_owned();
        Dump::start(&self.pool, datapath::list(), what, Datapath::decode)?.collect()
    }

    /// A datapath, with what it has counted.
    ///
    /// # Errors
    /// When there is none.
    pub fn datapath<'a>(&self, which: impl Into<DatapathRef<'a>>) -> Result<Datapath, Error> {
        let which = which.into();
        let what = || format!("look at {which}");
        one(self.outcome(which.get(), &what), &what, Datapath::decode)
    }

    /// Makes a datapath.
    ///
    /// # Errors
    /// When there is a network device of its name.
    pub fn create_datapath(&self, new: &NewDatapath) -> Result<Datapath, Error> {
        let what = || format!("make datapath {}", new.name);
        one(self.outcome(new.create(), &what), &what, Datapath::decode)
    }

    /// Removes a datapath, its ports and its flows.
    ///
    /// # Errors
    /// When there is none.
    pub fn delete_datapath<'a>(&self, which: impl Into<DatapathRef<'a>>) -> Result<(), Error> {
        let which = which.into();
        self.done(which.delete(), &|| format!("delete {which}"))
    }

    /// Changes a datapath.
    ///
    /// # Errors
    /// When there is none, or the kernel cannot do that.
    pub fn set_datapath<'a>(
        &self,
        which: impl Into<DatapathRef<'a>>,
        change: &SetDatapath,
    ) -> Result<Datapath, Error> {
        let which = which.into();
        let what = || format!("change {which}");
        one(
            self.outcome(change.set(which), &what),
            &what,
            Datapath::decode,
        )
    }
}

/// Ports.
impl Connection {
    /// The ports of a datapath.
    ///
    /// # Errors
    /// When there is no such datapath.
    pub fn vports(&self, datapath: DatapathId) -> Result<Vec<Vport>, Error> {
        let what = format!("list the ports of datapath {datapath}");
        Dump::start(&self.pool, vport::list(datapath), what, Vport::decode)?.collect()
    }

    /// The names of a datapath's ports.
    ///
    /// # Errors
    /// As [`Self::vports`].
    pub fn port_names(&self, datapath: DatapathId) -> Result<PortNames, Error> {
        let vports = self.vports(datapath)?;
        Ok(vports
            .into_iter()
            .map(|vport| (vport.number, vport.name))
            .collect())
    }

    /// A port, with what it has counted.
    ///
    /// # Errors
    /// When there is none.
    pub fn vport<'a>(&self, which: impl Into<VportRef<'a>>) -> Result<Vport, Error> {
        let which = which.into();
        let what = || format!("look at {which}");
        one(self.outcome(which.get(), &what), &what, Vport::decode)
    }

    /// Makes a port.
    ///
    /// # Errors
    /// When its name, number or UDP port is taken, its device cannot be a port, or the kernel has no
    /// such type.
    pub fn create_vport(&self, datapath: DatapathId, new: &NewVport) -> Result<Vport, Error> {
        let what = || format!("add {} port {} to datapath {datapath}", new.kind, new.name);
        one(
            self.outcome(new.create(datapath), &what),
            &what,
            Vport::decode,
        )
    }

    /// Removes a port.
    ///
    /// # Errors
    /// When there is none, or it is the local port.
    pub fn delete_vport<'a>(&self, which: impl Into<VportRef<'a>>) -> Result<(), Error> {
        let which = which.into();
        self.done(which.delete(), &|| format!("delete {which}"))
    }

    /// Has the upcalls of a port sent to these sockets; to none, if there are none.
    ///
    /// # Errors
    /// When there is no such port.
    pub fn set_upcall_pids<'a>(
        &self,
        which: impl Into<VportRef<'a>>,
        pids: &[u32],
    ) -> Result<(), Error> {
        let which = which.into();
        let what = || format!("set the upcall sockets of {which}");
        self.done(which.set_upcall_pids(pids), &what)
    }

    /// Tells a tunnel's port something else.
    ///
    /// # Errors
    /// When there is no such port, or its kind cannot change.
    pub fn set_vport_options<'a>(
        &self,
        which: impl Into<VportRef<'a>>,
        options: &VportOptions,
    ) -> Result<(), Error> {
        let which = which.into();
        let what = || format!("change the options of {which}");
        self.done(which.set_options(options), &what)
    }
}

/// What comes by itself.
impl Connection {
    /// Takes the packets of a datapath that come to user space.
    ///
    /// # Errors
    /// When there is no such datapath, or the kernel cannot dispatch as is said.
    pub fn upcalls(&self, datapath: DatapathId, options: UpcallOptions) -> Result<Upcalls, Error> {
        Upcalls::start(self, datapath, options)
    }

    /// Hears of the changes of datapaths, ports and flows, whoever makes them.
    ///
    /// # Errors
    /// When the kernel has no such group.
    pub fn events(&self, families: &[Family]) -> Result<Events, Error> {
        Events::start(&self.pool, families)
    }
}
