//! The declarative document: a network written down as YAML.
//!
//! [`read()`] turns text into a [`Document`] or into problems, each with its line; [`plan()`] compares a document
//! with what the Northbound holds and gives the operations that make it so. Both are pure.
//!
//! [`hypervisors`] reads another document: the list of the hypervisors of a region.
//!
//! This crate must not know sockets: whoever calls it fetches the rows and commits the operations.
//!
//! Invariants: a document with a problem is never planned. A plan touches only rows that the document owns
//! (`external_ids:heddle-document`); planning again after the operations are committed gives nothing to do.

mod check;
mod desired;
pub mod document;
mod fields;
pub mod hypervisors;
pub mod plan;
mod read;
mod read_testbed;

pub use document::Document;
pub use fields::{Located, Position, Problem};
pub use plan::{Clash, Northbound, Plan, plan};
pub use read::read;
