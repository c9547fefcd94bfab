//! OpenFlow 1.5 with the Nicira extensions, as types.
//!
//! What it is for: to say what a switch shall do ([`Flow`], [`Group`], [`Action`], [`Match`]), to put
//! that on the wire and read it back ([`message`]), to hold a conversation with a switch without
//! touching a socket ([`session`]), to read and write the text of `ovs-ofctl` ([`Parser`]), and to find the smallest set of changes between two states
//! ([`sync`]).
//!
//! What it must not know: what a logical network is, and anything about sockets, clocks or tasks.
//!
//! Invariants:
//!
//! - Decoding never panics, whatever the bytes, and never allocates more than the message's own size.
//! - What is not understood is kept as opaque bytes, so that it is never altered or lost.
//! - A [`Match`] has one form: two matches that a switch would treat alike compare equal, whether they
//!   were built here or read back. The same holds for [`Action`] lists.
//! - A field is one line of the table in [`field`]; a message is one file and one line of the table in
//!   [`message`].

pub mod action;
mod check;
mod cookie;
pub mod error;
pub mod field;
pub mod flow;
pub mod group;
mod matching;
pub mod message;
mod port;
mod property;
mod ranged;
pub mod server;
pub mod session;
pub mod sync;
mod text;
mod version;
mod wire;

pub use action::Action;
pub use check::FlowError;
pub use cookie::Cookie;
pub use error::Error;
pub use field::{Field, FieldValue, Subfield};
pub use flow::{Flow, FlowFlags, FlowKey};
pub use group::{Bucket, Group, GroupKind};
pub use matching::{Match, MissingPrerequisite, port_masks};
pub use message::Message;
pub use port::Port;
pub use ranged::{
    ArpOp, Dscp, Ecn, FlowLabel, MplsLabel, MplsTc, OutOfRange, Vlan, VlanId, VlanPriority,
};
pub use text::{FlowSpec, ParseError, Parser, PortNames};
pub use version::{Version, Versions};

/// The experimenter number of the extensions that Open vSwitch inherited from Nicira.
pub const NICIRA: u32 = 0x0000_2320;
/// The experimenter number of the Open Networking Foundation.
pub const ONF: u32 = 0x4f4e_4600;
