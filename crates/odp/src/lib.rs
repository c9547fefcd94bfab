//! The Linux Open vSwitch datapath over generic netlink, without the daemons of Open vSwitch.
//!
//! What it is for: to make datapaths ([`Connection`], [`NewDatapath`]), give them ports ([`NewVport`]) and
//! flows ([`FlowPut`]: a [`Match`] and [`Action`]s), to take the packets for which there is no flow
//! ([`Upcalls`]), and to read and write all of this as `ovs-dpctl` does ([`Format`], [`Actions`]).
//!
//! What it must not know: OVSDB, OpenFlow, and what a logical network is.
//!
//! Invariants:
//!
//! - Only [`socket`] touches the system. All else is bytes and values, and has no clock.
//! - Decoding never panics, whatever the bytes, and allocates no more than their size asks for.
//! - What is not understood is kept: an unknown message attribute, field, action or type of port is a
//!   [`Raw`] of its own, goes back as it came, and never spoils what stands beside it.
//! - A structure of the kernel is declared once, with how its fields lie in memory and how they are
//!   written; a field of keys is one line of the table in [`key`].
//!
//! # Connecting two network devices
//!
//! ```no_run
//! use odp::{Actions, Connection, FlowPut, NewDatapath, NewVport};
//!
//! let connection = Connection::open()?;
//! let datapath = connection.create_datapath(&NewDatapath::new("dp0"))?;
//! for device in ["veth0", "veth1"] {
//!     connection.create_vport(datapath.id, &NewVport::netdev(device))?;
//! }
//! let names = connection.port_names(datapath.id)?;
//! let text = Actions { names: Some(&names) };
//! for (from, to) in [("veth0", "veth1"), ("veth1", "veth0")] {
//!     let matches = text.key(&format!("in_port({from}),eth()"))?;
//!     connection.put_flow(datapath.id, &FlowPut::new(matches, text.parse(to)?))?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Answering misses
//!
//! ```no_run
//! # use odp::{Action, Connection, PortNo, UpcallOptions};
//! # let connection = Connection::open()?;
//! # let datapath = connection.datapath("dp0")?;
//! let upcalls = connection.upcalls(datapath.id, UpcallOptions::default())?;
//! for mut reader in upcalls.into_readers() {
//!     while let Some(upcall) = reader.next(None)? {
//!         let reply = upcall.reply(vec![Action::Output(PortNo(1))]);
//!         connection.execute(datapath.id, &reply)?;
//!     }
//! }
//! # Ok::<(), odp::Error>(())
//! ```
//!
//! `examples/learning_switch.rs` is a whole switch.
//!
//! # Looking at what the kernel says
//!
//! Without a socket, in a test or on a recording:
//!
//! ```
//! use odp::{Format, Key, KeyField};
//!
//! let bytes = [8, 0, 3, 0, 2, 0, 0, 0, 6, 0, 6, 0, 8, 6, 0, 0, 7, 0, 99, 0, 1, 2, 3, 0];
//! let key = Key::decode(&bytes)?;
//! assert_eq!(key.to_string(), "in_port(2),eth_type(0x0806),key99(01 02 03)");
//! assert_eq!(key.encode(), bytes);
//! # Ok::<(), odp::DecodeError>(())
//! ```

pub mod action;
mod attribute;
mod id;
pub mod key;
mod layout;
pub mod message;
pub mod socket;
mod text;

pub use action::{
    Action, AddMpls, CheckPacketLength, Ct, Hash, HashAlgorithm, Nat, NatDirection, NatRange,
    PushEthernet, PushMpls, PushVlan, Sample, Sampled, Userspace,
};
pub use attribute::{DecodeError, Raw};
pub use id::{DatapathId, MeterId, ParseUfidError, PortNo, Ufid, Zone};
pub use key::{
    Arp, CtTuple4, CtTuple6, Erspan, Ethernet, Fragment, GeneveOption, GeneveOptions, Icmp, Ipv4,
    Ipv6, Key, KeyField, Match, MplsEntry, Nd, NdExtensions, Nsh, NshBase, PacketType, Ports,
    Tunnel, Vlan, ct_state,
};
pub use message::{
    Band, BandStats, CtLimits, Datapath, DatapathRef, DatapathStats, Execute, Family, Features,
    Flow, FlowId, FlowPut, FlowStats, GENEVE_PORT, MegaflowStats, Meter, MeterFeatures, MeterStats,
    MeterUnit, NewDatapath, NewVport, Omit, PutMode, SetDatapath, Upcall, UpcallCount,
    UpcallReason, VXLAN_PORT, Vport, VportKind, VportOptions, VportRef, VportStats, ZoneLimit,
};
pub use socket::{
    Change, Connection, Dispatch, Dump, Error, Event, Events, Options, Support, UpcallOptions,
    UpcallReader, Upcalls, monotonic_milliseconds,
};
pub use text::{Actions, FlowText, Format, ParseError, PortNames};
