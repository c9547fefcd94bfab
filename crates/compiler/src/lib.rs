//! Northbound rows to Southbound rows and logical flows.
//!
//! The compiler is a program of pure rules on the [`incremental`] engine. `topology` has the views of
//! Northbound rows that rules share; `rows` has a file for each kind of Southbound row; `switch` and
//! `router` have a file for each pipeline stage, written once for both directions where a stage exists
//! in both. [`Compiler`] feeds changed rows in and takes changed rows out.
//!
//! It must not know of sockets, clocks or files, nor how rows are stored or sent.
//!
//! # Invariants
//!
//! - What comes out is a function of the rows that went in and of the tunnel keys already given out;
//!   the order of edits does not matter.
//! - A flow that holds for many datapaths is written once, in a [`Group`] that a rule declares. The
//!   number of flows and rows is linear in the number of objects.
//! - An object that cannot be compiled is left out and a [`Diagnostic`] says so; what is beside it
//!   works.
//! - Columns that agents write (`Port_Binding.chassis`, `up`, `encap`, ...) are never touched.

mod acl;
mod address;
mod alloc;
mod compiler;
mod diagnose;
mod diagnostic;
mod flow;
mod identity;
mod inputs;
mod ownership;
mod program;
mod router;
mod rows;
mod scope;
mod sink;
mod stage;
mod stray;
mod switch;
mod topology;

pub use compiler::{Compiler, Output, WriteBack};
pub use diagnostic::Diagnostic;
pub use flow::LogicalFlow;
pub use incremental::{Footprint, Ran};
pub use rows::global::Progress;
pub use scope::{Class, Group, Scope};
pub use stage::{DatapathKind, Pipeline, Stage};
