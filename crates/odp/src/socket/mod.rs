//! The one place of this crate that touches the system: netlink sockets, a clock for their timeouts, and
//! nothing else.
//!
//! A [`Connection`] makes requests, from as many threads as like: each request takes a socket out of a
//! pool. [`Upcalls`] and [`Events`] have sockets of their own. All calls block, for no longer than they
//! are told.
//!
//! Invariants: a socket goes back to the pool only when nothing more can come for who used it; what the
//! kernel refuses is an [`Error`] that names the object, the reason and what to do.

mod connection;
mod dump;
mod error;
mod events;
mod flows;
mod meters;
mod netlink;
mod pool;
mod probe;
mod remedy;
mod upcalls;

pub use connection::{Connection, Options};
pub use dump::Dump;
pub use error::Error;
pub use events::{Change, Event, Events};
pub use probe::Support;
pub use upcalls::{Dispatch, UpcallOptions, UpcallReader, Upcalls};

use nix::time::{ClockId, clock_gettime};

/// The monotonic clock in milliseconds, by which the datapath says when a flow was used.
///
/// # Errors
/// When the system has no such clock.
pub fn monotonic_milliseconds() -> Result<u64, Error> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_err(|errno| Error::io("read the clock", errno.into()))?;
    let milliseconds = now.tv_sec() * 1000 + now.tv_nsec() / 1_000_000;
    Ok(u64::try_from(milliseconds).unwrap_or(0))
}
