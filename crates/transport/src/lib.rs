//! Sockets for the sans-IO sessions.
//!
//! [`remote`] is the text form of addresses (`unix:`, `tcp:`, `ssl:`, `punix:`, `ptcp:`, `pssl:`), [`stream`]
//! connects and listens, [`tls`] is the certificates, [`reconnect`] decides when to try again, [`ovsdb`] and
//! [`openflow`] are clients for tokio.
//!
//! This crate must not know OVN, nor what is in a database or a flow. Invariant: every queue between a
//! socket and the program has a bound; a peer that is slow or sends garbage costs one connection.

pub mod openflow;
pub mod ovsdb;
pub mod reconnect;
pub mod remote;
pub mod stream;
pub mod tls;

pub use remote::{Remote, RemoteError};
pub use stream::{Connection, Listener};
pub use tls::{Tls, TlsArgs};
