//! The regional service: knows hypervisors, customers and machines, and drives a fleet of hypervisor daemons.
//!
//! What is wanted is rows of a database of its own, kept as any other database here is: in a file or in etcd
//! ([`model::region`]). What the hypervisors have they say themselves when they are connected to. The [`fleet`] takes
//! both and says who is told what: at once when a hypervisor comes back, and in the order and at the pace of a
//! [`rollout`] when an action changes what many are to have. So nothing has to be remembered of what was told: whoever
//! was away, or is a new one of that name, gets what it lacks.
//!
//! What people ask for is a [`request`]; its plan is rows, written in one transaction together with the row that says who
//! did what.
//!
//! All of that is decided without a socket or a clock; the [`engine`] runs it, and [`service`] is gRPC and REST over it,
//! at the door of [`hvd`].
//!
//! It must not know how a hypervisor is programmed, nor how a database is kept.

pub mod args;
pub mod engine;
pub mod fleet;
pub mod request;
pub mod rollout;
mod run;
#[cfg(test)]
mod samples;
pub mod service;
pub mod verdict;
pub mod view;
pub mod wanted;

pub use args::Args;
pub use run::run;
