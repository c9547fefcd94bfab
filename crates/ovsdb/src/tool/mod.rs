//! What tools do with databases: carrying content over to another schema, and texts for people.
//!
//! It must not know where a database comes from; only [`history`] reads a file. Invariant: what is carried
//! over has passed every check that a transaction has to pass.

mod content;
pub mod history;
pub mod tabular;
pub mod text;

pub(crate) use content::carry_over_rows;
pub use content::{Lost, carry_over, inserts, lost, replacement};
