//! Requests about flows and packets.

use super::connection::{Connection, one};
use super::dump::Dump;
use super::error::Error;
use crate::id::DatapathId;
use crate::message::{Execute, Flow, FlowId, FlowPut, Omit, Request, flow};

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
