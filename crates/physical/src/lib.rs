//! Logical flows and bindings, as one chassis sees them, to OpenFlow flows and groups.
//!
//! This crate is pure: it opens nothing, waits for nothing and does not know where its inputs come
//! from (a Southbound replica today, a compiler in the same process later) nor how its output reaches
//! a switch. It must not know sockets, clocks, OVSDB or the agent.
//!
//! # How it is made
//!
//! Everything is a rule of the [`incremental`] engine; nobody writes a change handler.
//!
//! ```text
//!  Port_Binding ─┬─► adjacency, roots ──► breadth-first search ──► local datapaths ─┐
//!  local facts  ─┤                                                                  ▼
//!  Logical_Flow ─┼─► parsed (one a flow) ──────────────► expanded (one a flow and local datapath) ─┐
//!  Address_Set  ─┤                                                                                 ├─► flows,
//!  Port_Group   ─┼─► port flows, multicast, tunnels, neighbours, FDB, port security ───────────────┘   groups
//!  ...          ─┘
//! ```
//!
//! - A logical flow is parsed once, however many datapaths share it, and expanded once for each *local*
//!   datapath: one with a port bound here, or one that such a datapath reaches over patch ports.
//! - Reachability is cyclic, which rules cannot be. So [`local::Locality`] computes it outside of the
//!   engine, a pure breadth-first search over the adjacency that rules produce; its result is an input of
//!   the rules that follow. An edit costs the connected component that it touches, not the network.
//! - What rules emit is collected by OpenFlow key (table, priority, match). Where two flows claim one
//!   key the smaller UUID wins, so the result depends on the inputs alone, never on their order.
//!
//! # Invariants
//!
//! - The output is a function of the present inputs: incremental state equals a fresh computation.
//! - A logical flow that cannot be expressed is left out alone, and [`Physical::diagnostics`] names it.
//! - Table numbers, registers, flag bits and user data are those of OVN 23.03 (see [`tables`],
//!   [`opcode`]), so that its tools read our switch.

mod emit;
mod facts;
mod fixed;
mod lflow;
pub mod local;
mod multicast;
mod neighbours;
pub mod opcode;
mod output;
mod physical;
mod port_security;
mod ports;
mod reach;
pub mod tables;
mod tunnels;
mod world;

pub use facts::{Encapsulation, Endpoint, Fact, Settings, Tunnel, Zone};
pub use output::{Body, Changes, Diagnostic, FlowChange, GroupChange};
pub use physical::Physical;
