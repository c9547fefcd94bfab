//! Requests to the datapath.

use std::sync::Arc;
use std::time::Duration;

use super::dump::Dump;
use super::error::Error;
use super::events::Events;
use super::pool::{Outcome, Pool};
use super::upcalls::{UpcallOptions, Upcalls};
use crate::attribute::DecodeError;
use crate::id::{DatapathId, MeterId, Zone};
use crate::message::{
    CtLimits, Datapath, DatapathRef, Execute, Family, Flow, FlowId, FlowPut, Meter, MeterFeatures,
    MeterStats, NewDatapath, NewVport, Omit, Request, SetDatapath, Vport, VportOptions, VportRef,
    datapath, flow, vport,
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
    pool: Arc<Pool>,
}

/// What the kernel says of a meter that is not there.
const NO_METER: i32 = nix::errno::Errno::ENOENT as i32;

/// The one object that an answer is to bring.
fn one<T>(
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

    fn outcome(&self, request: Request, what: &dyn Fn() -> String) -> Outcome {
        let mut outcomes = self.pool.transact(&[request], |_| what())?;
        outcomes.pop().unwrap_or_else(|| Ok(Vec::new()))
    }

    fn done(&self, request: Request, what: &dyn Fn() -> String) -> Result<(), Error> {
        self.outcome(request, what).map(drop)
    }

    fn many(
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

/// Flows.
impl Connection {
    /// The flows of a datapath, as they come; `omit` says what is not needed of those with a UFID.
    ///
    /// # Errors
    /// When there is no such datapath.
    pub fn flows(&self, datapath: DatapathId, omit: Omit) -> Result<Dump<Flow>, Error> {
        let what = format!("list the flows of datapath {datapath}");
        let read = |body: &[u8]| Flow::decode(body).map(|(_, flow)| flow);
        Dump::start(&self.pool, flow::list(datapath, omit), what, read)
    }

    /// A flow, with what it has counted.
    ///
    /// # Errors
    /// When there is none.
    pub fn flow(&self, datapath: DatapathId, id: &FlowId) -> Result<Flow, Error> {
        let what = || format!("look at {id}");
        let read = |body: &[u8]| Flow::decode(body).map(|(_, flow)| flow);
        one(self.outcome(id.get(datapath), &what), &what, read)
    }

    /// Puts a flow into a datapath.
    ///
    /// # Errors
    /// When the kernel does not take it, or there is one or none against what its mode says.
    pub fn put_flow(&self, datapath: DatapathId, put: &FlowPut) -> Result<(), Error> {
        self.done(put.put(datapath), &|| format!("put flow {}", put.matches))
    }

    /// Puts many flows with few system calls, and says of each what came of it.
    ///
    /// # Errors
    /// When the kernel does not answer. Of a single flow it is no error here.
    pub fn put_flows(
        &self,
        datapath: DatapathId,
        puts: &[FlowPut],
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let requests: Vec<Request> = puts.iter().map(|put| put.put(datapath)).collect();
        self.many(&requests, |at| match puts.get(at) {
            Some(put) => format!("put flow {}", put.matches),
            None => "put flows".to_owned(),
        })
    }

    /// Removes a flow.
    ///
    /// # Errors
    /// When there is none.
    pub fn delete_flow(&self, datapath: DatapathId, id: &FlowId) -> Result<(), Error> {
        self.done(id.delete(datapath), &|| format!("delete {id}"))
    }

    /// Removes many flows with few system calls, and says of each what came of it.
    ///
    /// # Errors
    /// When the kernel does not answer. Of a single flow it is no error here.
    pub fn delete_flows(
        &self,
        datapath: DatapathId,
        ids: &[FlowId],
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let requests: Vec<Request> = ids.iter().map(|id| id.delete(datapath)).collect();
        self.many(&requests, |at| match ids.get(at) {
            Some(id) => format!("delete {id}"),
            None => "delete flows".to_owned(),
        })
    }

    /// Removes a flow, and gives it back with what it has counted.
    ///
    /// # Errors
    /// When there is none.
    pub fn take_flow(&self, datapath: DatapathId, id: &FlowId) -> Result<Flow, Error> {
        let what = || format!("delete {id}");
        let read = |body: &[u8]| Flow::decode(body).map(|(_, flow)| flow);
        one(self.outcome(id.take(datapath), &what), &what, read)
    }

    /// Sets the counters of a flow to zero.
    ///
    /// # Errors
    /// When there is none.
    pub fn clear_flow(&self, datapath: DatapathId, id: &FlowId) -> Result<(), Error> {
        self.done(id.clear(datapath), &|| format!("clear {id}"))
    }

    /// Removes all flows of a datapath.
    ///
    /// # Errors
    /// When there is no such datapath.
    pub fn flush_flows(&self, datapath: DatapathId) -> Result<(), Error> {
        let what = || format!("flush the flows of datapath {datapath}");
        self.done(flow::flush(datapath), &what)
    }

    /// Sends a packet through actions.
    ///
    /// # Errors
    /// When the kernel does not take the packet, its key or the actions.
    pub fn execute(&self, datapath: DatapathId, execute: &Execute) -> Result<(), Error> {
        let what = || format!("send a packet of {} bytes", execute.packet.len());
        self.done(execute.execute(datapath), &what)
    }
}

/// Meters and limits.
impl Connection {
    /// What meters can do.
    ///
    /// # Errors
    /// Where there are none.
    pub fn meter_features(&self, datapath: DatapathId) -> Result<MeterFeatures, Error> {
        let what = || format!("look at the meters of datapath {datapath}");
        let request = MeterFeatures::get(datapath);
        one(self.outcome(request, &what), &what, MeterFeatures::decode)
    }

    /// Makes or changes a meter.
    ///
    /// # Errors
    /// Where there are none, or not of that number or with so many bands.
    pub fn set_meter(&self, datapath: DatapathId, meter: &Meter) -> Result<(), Error> {
        self.done(meter.set(datapath), &|| format!("set meter {}", meter.id))
    }

    /// What a meter has counted; nothing if there is none.
    ///
    /// # Errors
    /// Where there are no meters.
    pub fn meter(&self, datapath: DatapathId, id: MeterId) -> Result<Option<MeterStats>, Error> {
        let what = || format!("look at meter {id}");
        let outcome = self.outcome(id.get(datapath), &what);
        // Kernels say so, or give an answer without counters.
        if outcome
            .as_ref()
            .is_err_and(|error| error.errno() == Some(NO_METER))
        {
            return Ok(None);
        }
        one(outcome, &what, MeterStats::decode)
    }

    /// Removes a meter. That there is none is no error, as for the kernel.
    ///
    /// # Errors
    /// Where there are no meters.
    pub fn delete_meter(&self, datapath: DatapathId, id: MeterId) -> Result<(), Error> {
        self.done(id.delete(datapath), &|| format!("delete meter {id}"))
    }

    /// The limits of zones; of all that have one, if none is named.
    ///
    /// # Errors
    /// Where there are no limits.
    pub fn ct_limits(&self, datapath: DatapathId, zones: &[Zone]) -> Result<CtLimits, Error> {
        let what = || "look at the limits of connections".to_owned();
        let request = CtLimits::get(datapath, zones);
        one(self.outcome(request, &what), &what, CtLimits::decode)
    }

    /// Sets limits of zones.
    ///
    /// # Errors
    /// Where there are no limits.
    pub fn set_ct_limits(&self, datapath: DatapathId, limits: &CtLimits) -> Result<(), Error> {
        let what = || "set limits of connections".to_owned();
        self.done(limits.set(datapath), &what)
    }

    /// Removes limits of zones, and the one of all zones if `default` says so.
    ///
    /// # Errors
    /// Where there are no limits.
    pub fn delete_ct_limits(
        &self,
        datapath: DatapathId,
        default: bool,
        zones: &[Zone],
    ) -> Result<(), Error> {
        let what = || "delete limits of connections".to_owned();
        self.done(CtLimits::delete(datapath, default, zones), &what)
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
