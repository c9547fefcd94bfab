//! What a logical network does with a packet, and why: an interpreter of logical flows.
//!
//! A [`Network`] is made of Southbound rows. [`Network::run`] takes a packet as [`Fields`], in at a logical port, and
//! follows it through switches, routers, patch ports and tunnels between chassis to every place where it ends, with
//! the answers that chassis give on the way ([`Payload`]). What happened is a [`Trace`]:
//! a tree of what was visited and done, with the bits of the packet that each decision looked at. What the network
//! remembers between packets (connections, neighbours, learned addresses, choices that last) is a [`State`] that the
//! caller gives and gets back, so a conversation can be run packet by packet. What has no model is named in the trace,
//! with what was assumed in its place.
//!
//! It must not know OpenFlow, chassis software, sockets or clocks.
//!
//! Invariants: the outcome is a function of the network, the packet and the state. It ends: how deep and how long a
//! run may be is bounded, and one that hits the bound says so. A flow that cannot be read is left out alone and named.

mod actions;
mod answers;
mod bytes;
mod choice;
mod classifier;
mod conntrack;
mod describe;
mod fields;
mod frame;
mod machine;
mod microflow;
mod network;
mod output;
mod packet_text;
mod payload;
mod port_security;
mod print;
mod say;
mod state;
mod trace;
mod travel;

pub use bytes::from_bytes;
pub use choice::Choice;
pub use classifier::Consulted;
pub use conntrack::{Connection, STATE_NAMES, Tuple, ZoneId};
pub use describe::{DescribeError, Description, Service, ServiceError};
pub use fields::Fields;
pub use frame::{Filling, to_bytes};
pub use machine::Options;
pub use microflow::{MicroflowError, inport as microflow_inport, parse as parse_microflow};
pub use network::{
    Chassis, ChassisId, Datapath, DatapathId, Encapsulation, Flow, FlowId, Kind, Naming, Network,
    Port, PortId, Rows, endpoint,
};
pub use packet_text::packet_text;
pub use payload::{Dhcp4, Payload};
pub use print::{Form, print};
pub use say::sentence;
pub use state::{State, Tracking};
pub use trace::{Drop, End, Node, NodeKind, Trace, Tunnel};
