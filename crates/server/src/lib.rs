//! Serves the databases over a durable file log and runs the compiler beside them in one process;
//! [`northd`] runs the compiler alone against other servers.
//!
//! One task, the `core`, owns the state machine [`ovsdb::server::Server`]. Connections are tasks
//! that pass bytes to it and from it; each database has a thread that writes its log. Parts of the same
//! process reach the databases through a [`Handle`], without JSON.
//!
//! This crate must not know how a host is programmed. Invariants: nothing is acknowledged or shown before
//! the log holds it; a client that is slow, silent or sends garbage costs its own connection and one log
//! line.

mod args;
mod cluster;
mod connection;
mod core;
mod embedded;
mod local;
mod log_thread;
mod mailbox;
pub mod northd;
mod open;
pub mod operations;
pub mod ovsdb_server;
mod relay;

pub use args::{ServerArgs, run_server};
pub use cluster::EtcdArgs;
pub use embedded::{Embedded, Place, Running};
pub use local::{Handle, Subscription};
pub use relay::{RelayArgs, Source, SourceError, run_relay};
pub use transport::TlsArgs;
