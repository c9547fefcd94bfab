//! OVSDB: values, schemas, transactions, monitors, the file format.
//!
//! The database engine is a pure state machine over a [`log`]; the protocol sessions of both sides are
//! sans-IO: they take bytes and the time, and give bytes.
//!
//! This crate must not know OVN's tables, and has no sockets, no clock and no source of randomness of its
//! own: time and UUIDs are passed in. Only the log of files touches the file system.
//!
//! Invariant: a database's state is a function of its log, and nothing is shown to anyone before the log
//! holds it. Input from a peer or a file never panics and never allocates without a bound.
//!
//! Standards: RFC 7047 and the extensions that `ovsdb-server(7)` documents.

pub mod client;
pub mod database;
mod datum;
mod datum_ops;
mod error;
pub mod json;
pub mod log;
pub mod operation;
pub mod record;
pub mod row;
pub mod schema;
pub mod server;
pub mod tool;
mod typed;
pub mod value;

pub use database::Database;
pub use datum::Datum;
pub use error::{Error, ErrorKind};
pub use operation::Operation;
pub use record::Record;
pub use row::{Row, RowChange};
pub use schema::{ColumnSchema, ColumnType, DatabaseSchema, TableSchema};
pub use uuid::Uuid;
pub use value::{Atom, AtomicType, Real};

/// Text as the databases hold it: cheap to clone, without allocation up to 23 bytes.
pub type Str = smol_str::SmolStr;
