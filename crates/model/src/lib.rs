//! Typed rows of the databases that Heddle reads and writes.
//!
//! Each table is declared once, in [`nb`], [`sb`] or [`vswitch`]: a plain struct whose fields are the columns.
//! From that declaration come the OVSDB schema, the conversion of a stored [`ovsdb::Row`] to the struct, and
//! the conversion back.
//!
//! This crate must not know how rows are stored, found or sent.
//!
//! Invariant: for every table `T` and value `t`, `T::from_row(&t.to_row()) == Ok(t)`, and the generated
//! schemas hold every table and column of OVN 26.03 and Open vSwitch 3.x with the same types, references,
//! indexes and constraints, plus the few columns that are marked as ours.

pub mod address;
pub mod column;
pub mod nb;
pub mod region;
pub mod sb;
mod spec;
mod table;
pub mod vswitch;

pub use column::{Column, Map, Reference, Scalar, Set, Strong, Weak};
pub use ovsdb::{Str, Uuid};
pub use table::{RowError, Table};
