//! How callers come in: listening, who they are and what they may, deadlines, and REST beside gRPC on one address.
//!
//! Nothing here knows what is served: [`Door::serve`] takes any router, [`rest`] any service of the definitions.
//!
//! Invariants: over TCP nobody comes in without a certificate whose name is on the list, unless the address is this
//! machine's own or it was allowed by name. A caller costs at most one connection's bounds.

mod callers;
mod deadline;
mod refusal;
pub mod rest;
mod serve;

pub use callers::{Access, Caller, Rights};
pub use deadline::Deadline;
pub use refusal::{FIELD, field, http_status, refused};
pub use serve::{Door, DoorArgs, Opened};
