//! What one hypervisor does for its virtual machines: network parameters become OpenFlow flows, in transactions.
//!
//! What it is for: builders of their own cloud hand over what a machine's network shall be
//! ([`params::NetworkParams`]), or do one thing after the other ([`Transaction`]), and get the changes that a switch
//! needs as values ([`Commit`]). [`Desired`] is the same for all machines of a host at once. Every flow says by its
//! cookie whose it is ([`cookie`]); what the flows do together is in [`pipeline`].
//!
//! What it must not know: RPC, sockets, clocks, where parameters come from, who else uses the switch.
//!
//! Invariants: nothing is changed but by a commit, and a commit is one bundle for all that decides where packets go;
//! what the switch holds after it is a function of the parameters, never of the order in which they came; flows of
//! others are never touched.

mod commit;
pub mod cookie;
mod desired;
mod host;
mod installed;
pub mod params;
pub mod pipeline;
mod transaction;

pub use commit::Commit;
pub use desired::{Desired, Waiting};
pub use host::{Host, Ports, Uplink, ZoneBase};
pub use installed::Installed;
pub use transaction::{CommitError, Transaction};
