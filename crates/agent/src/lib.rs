//! One a host: makes the data plane what the Southbound says, and answers what the host can answer.
//!
//! The agent reads the local Open vSwitch database and the Southbound, binds ports, keeps tunnels,
//! programs the integration bridge over OpenFlow, and handles packets that flows send to it.
//!
//! What it must not know: the Northbound, and how logical flows come about.
//!
//! Decisions are pure: each module takes a view of the two databases and says what should be
//! different ([`chassis`], [`binding`], [`encaps`], [`patch`], [`zones`], [`nbcfg`]), or takes a packet
//! and says what to do ([`local`]). The shell ([`run`]) is one loop over one closed enum of events; it
//! sends what they say and asks them again when something changed.
//!
//! Invariants: what is written follows from the current state, never from history; a transaction that
//! fails is made again from the then current state; nothing is removed before the first complete view;
//! everything made here can be recognised as ours after a restart.

pub mod binding;
pub mod bridge;
pub mod chassis;
pub mod config;
pub mod encaps;
pub mod local;
pub mod nbcfg;
pub mod ops;
pub mod patch;
pub mod ports;
pub mod view;
pub mod zones;
