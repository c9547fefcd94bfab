//! The daemon of a hypervisor: takes network parameters over gRPC and REST and keeps a bridge as they say.
//!
//! [`core`] decides, without a socket, a file or a clock: what a request would change, whether it is refused, what
//! was answered before. [`engine`] is the one task that carries decisions out: into the [`store`], then into the
//! switch as one bundle, then to whoever asked or watches. [`service`] is gRPC over it, [`door`] lets callers in
//! (addresses, certificates, names, deadlines), serves REST beside gRPC, and is there for other services as well.
//! [`client`] is the way in from the other side.
//!
//! The crate must not know what the flows of a machine are: that is `hvflow`.
//!
//! Which is the truth: what machines *should* be is in the store alone; what *is* there is in the switch alone, where
//! cookies tell whose a flow is. So a restart reads both and changes what differs, most often nothing. A machine whose
//! flows are there and whose parameters are not (the store was lost) is found, shown, and left alone until it is
//! replaced or removed. Flows whose cookies are not ours, or of a version that we do not know, are never touched.
//!
//! Invariants: a request is in force when it is answered, or it has changed nothing; but for a change during which
//! the switch went away or the daemon was killed, which is carried out when both are back. Everything that grows has
//! a bound.

pub mod args;
pub mod client;
pub mod core;
pub mod door;
pub mod engine;
mod run;
pub mod service;
pub mod store;

pub use args::Args;
pub use run::run;
