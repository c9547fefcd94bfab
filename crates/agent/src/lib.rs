//! One a host: makes the data plane what the Southbound says, and answers what the host can answer.
//!
//! The agent reads the local Open vSwitch database and the Southbound, binds ports, keeps tunnels,
//! programs the integration bridge over OpenFlow, and handles packets that flows send to it.
//!
//! What it must not know: the Northbound, and how logical flows come about.
//!
//! Decisions are pure: each module takes a view of the two databases and says what should be
//! different ([`chassis`], [`binding`], [`bridge`], [`encaps`], [`patch`], [`zones`], [`nbcfg`],
//! [`learned`]), says which rows it needs for that ([`interest`]), or takes a packet and says what to do ([`local`]). [`core`] puts them together, without
//! sockets: events in, commands out. The shell ([`run`]) is one loop; [`switch`] keeps the OpenFlow
//! state of the integration bridge.
//!
//! Invariants: what is written follows from the current state, never from history; a transaction that
//! fails is made again from the then current state; nothing is removed before the first complete view;
//! everything made here can be recognised as ours after a restart.

pub mod args;
pub mod binding;
pub mod bridge;
pub mod chassis;
pub mod config;
mod control;
pub mod core;
pub mod encaps;
pub mod interest;
pub mod learned;
pub mod local;
pub mod nbcfg;
pub mod ops;
pub mod packet_in;
pub mod patch;
pub mod ports;
mod runtime;
pub mod switch;
pub mod view;
pub mod zones;

pub use runtime::run;
