//! The regional service: knows hypervisors, customers and machines, and drives a fleet of hypervisor daemons.
//!
//! What is wanted is rows of a database of its own, kept as any other database here is: in a file or in etcd. What the
//! hosts have they say themselves when they are connected to. The difference is told to them: at once when a host
//! comes back, and in the order and at the pace of a [`rollout`] when an action changes what many are to have.
//!
//! It must not know how a host is programmed, nor how a database is kept.

pub mod rollout;
