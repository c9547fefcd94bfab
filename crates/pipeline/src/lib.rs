//! What a logical network does with a packet, and why: an interpreter of logical flows.
//!
//! A [`Network`] is made of Southbound rows. [`Network::run`] takes a packet as [`Fields`], in at a logical port, and
//! follows it through switches, routers and patch ports to every place where it ends. What happened is a [`Trace`]:
//! a tree of what was visited and done, with the bits of the packet that each decision looked at. What the network
//! remembers between packets (connections, neighbours, learned addresses) is a [`State`] that the caller gives and
//! gets back, so a conversation can be run packet by packet.
//!
//! It must not know OpenFlow, chassis software, sockets or clocks.
//!
//! Invariants: the outcome is a function of the network, the packet and the state. It ends: how deep and how long a
//! run may be is bounded, and one that hits the bound says so. A flow that cannot be read is left out alone and named.

mod actions;
mod answers;
mod bytes;
mod classifier;
mod conntrack;
mod describe;
mod fields;
mod machine;
mod microflow;
mod network;
mod output;
mod port_security;
mod print;
mod say;
mod state;
mod trace;

pub use bytes::from_bytes;
pub use classifier::Consulted;
pub use conntrack::{Connection, STATE_NAMES, Tuple, ZoneId};
pub use describe::{DescribeError, Description, Service, ServiceError};
pub use fields::Fields;
pub use machine::Options;
pub use microflow::{MicroflowError, inport as microflow_inport, parse as parse_microflow};
pub use network::{
    Datapath, DatapathId, Flow, FlowId, Kind, Network, Port, PortId, Rows, endpoint,
};
pub use print::{Form, packet_text, print};
pub use say::sentence;
pub use state::{State, Tracking};
pub use trace::{Drop, End, Node, NodeKind, Trace};
