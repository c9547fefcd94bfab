//! OpenFlow 1.0, 1.3, 1.4 and 1.5 with the extensions of Open vSwitch, as types.
//!
//! What it is for: to say what a switch shall do ([`Flow`], [`Group`], [`Action`], [`Match`]), to put
//! that on the wire and read it back ([`message`]), to hold a conversation with a switch without
//! touching a socket ([`session`]) or to play the switch ([`server`]), to read and write the text of
//! `ovs-ofctl` ([`Parser`]), and to find the smallest set of changes between two states ([`sync`]).
//!
//! What it must not know: what a logical network is, and anything about sockets, clocks or tasks.
//!
//! Invariants:
//!
//! - Decoding never panics, whatever the bytes, and never allocates more than the message's own size.
//! - What is not understood is kept as opaque bytes, so that it is never altered or lost.
//! - There is one type for a thing in all versions. What a version cannot say is an error when the message
//!   is written ([`message::EncodeError`]), never left out.
//! - A [`Match`] has one form: two matches that a switch would treat alike compare equal, whether they
//!   were built here or read back. The same holds for [`Action`] lists.
//! - A field is one line of the table in [`field`]; a message is one file and one line of the table in
//!   [`message`].
//!
//! # Adding a flow
//!
//! The session has no socket: what [`session::Session::poll_transmit`] gives goes to the switch, and what
//! comes from there goes into [`session::Session::handle_bytes`]. Here a [`server::Switch`] is on the other
//! side.
//!
//! ```
//! use std::time::Instant;
//! use openflow::message::FlowMod;
//! use openflow::server::Switch;
//! use openflow::session::{Config, Event, Session};
//! use openflow::{Action, Field, Flow, Match, Message, Versions};
//!
//! fn exchange(session: &mut Session, switch: &mut Switch) {
//!     while let Some(bytes) = switch.poll_transmit() {
//!         session.handle_bytes(&bytes, Instant::now()).expect("a good switch");
//!     }
//!     while let Some(bytes) = session.poll_transmit() {
//!         switch.handle_bytes(&bytes);
//!     }
//!     while let Some(bytes) = switch.poll_transmit() {
//!         session.handle_bytes(&bytes, Instant::now()).expect("a good switch");
//!     }
//! }
//!
//! let mut switch = Switch::new(Versions::ALL, Vec::new());
//! let mut session = Session::new(Config::default(), Instant::now());
//! exchange(&mut session, &mut switch);
//! assert_eq!(session.poll_event(), Some(Event::Ready));
//!
//! let web = Match::new().ip().ip_proto(6).with(Field::TcpDst, 80u16);
//! let flow = Flow::new(0, 100, web, [Action::output(2)]);
//! flow.check()?;
//! session.send(&Message::FlowMod(Box::new(FlowMod::add(flow))))?;
//! exchange(&mut session, &mut switch);
//! let texts: Vec<_> = switch.flows().map(ToString::to_string).collect();
//! assert_eq!(texts, ["priority=100,tcp,tp_dst=80 actions=output:2"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A transaction
//!
//! All of it takes effect together, or nothing; a refusal names the message. What is not committed is
//! forgotten.
//!
//! ```
//! # use std::time::Instant;
//! # use openflow::server::Switch;
//! # use openflow::session::{Config, Event, Session};
//! # use openflow::{Versions, message::FlowMod, Message, Flow};
//! # fn exchange(session: &mut Session, switch: &mut Switch) {
//! #     loop {
//! #         let (ours, theirs) = (session.poll_transmit(), switch.poll_transmit());
//! #         if ours.is_none() && theirs.is_none() { break; }
//! #         if let Some(bytes) = ours { switch.handle_bytes(&bytes); }
//! #         if let Some(bytes) = theirs { session.handle_bytes(&bytes, Instant::now()).unwrap(); }
//! #     }
//! # }
//! # let mut switch = Switch::new(Versions::ALL, Vec::new());
//! # let mut session = Session::new(Config::default(), Instant::now());
//! # exchange(&mut session, &mut switch);
//! # session.poll_event();
//! let mut transaction = session.transaction()?;
//! for text in ["ip,actions=output:1", "arp,actions=group:9"] {
//!     let flow: Flow = text.parse()?;
//!     transaction.add(&Message::FlowMod(Box::new(FlowMod::add(flow))))?;
//! }
//! let id = transaction.commit()?;
//! exchange(&mut session, &mut switch);
//! let Some(Event::Bundle(done, Err(failure))) = session.poll_event() else {
//!     panic!("there is no group 9")
//! };
//! assert_eq!(done, id);
//! assert_eq!(failure.messages[0].0, 1);
//! assert_eq!(failure.messages[0].1.name(), Some("OFPBAC_BAD_OUT_GROUP"));
//! assert_eq!(switch.flows().count(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Reading statistics
//!
//! ```
//! # use std::time::Instant;
//! # use openflow::server::Switch;
//! # use openflow::session::{Config, Event, Session};
//! # use openflow::{Versions, Message};
//! # fn exchange(session: &mut Session, switch: &mut Switch) {
//! #     loop {
//! #         let (ours, theirs) = (session.poll_transmit(), switch.poll_transmit());
//! #         if ours.is_none() && theirs.is_none() { break; }
//! #         if let Some(bytes) = ours { switch.handle_bytes(&bytes); }
//! #         if let Some(bytes) = theirs { session.handle_bytes(&bytes, Instant::now()).unwrap(); }
//! #     }
//! # }
//! # let mut switch = Switch::new(Versions::ALL, Vec::new());
//! # let mut session = Session::new(Config::default(), Instant::now());
//! # exchange(&mut session, &mut switch);
//! # session.poll_event();
//! use openflow::message::MultipartRequest;
//! use openflow::message::multipart::FlowQuery;
//! use openflow::session::Reply;
//!
//! let query = MultipartRequest::Aggregate(FlowQuery::default());
//! let id = session.request(&Message::MultipartRequest(query))?;
//! exchange(&mut session, &mut switch);
//! match session.poll_event() {
//!     Some(Event::Reply(answered, Ok(Reply::Aggregate(sum)))) => {
//!         assert_eq!(answered, id);
//!         assert_eq!(sum.flows, 0);
//!     }
//!     other => panic!("{other:?}"),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Packets for the controller
//!
//! A flow with `controller(...,pause)` stops a packet; sent back as [`Message::Resume`], it goes on.
//!
//! ```
//! use openflow::message::PacketIn;
//! use openflow::session::Event;
//! use openflow::{Field, Message};
//!
//! fn handle(event: Event) -> Option<Message> {
//!     let Event::Message(Message::PacketIn(mut packet)) = event else {
//!         return None;
//!     };
//!     packet.continuation.as_ref()?;
//!     // What the packet carries may be changed before it goes on.
//!     packet.metadata = packet.metadata.reg(0, 1);
//!     Some(Message::Resume(packet))
//! }
//!
//! let packet = PacketIn {
//!     continuation: Some([1, 2, 3, 4].into()),
//!     ..PacketIn::default()
//! };
//! let Some(Message::Resume(back)) = handle(Event::Message(Message::PacketIn(Box::new(packet)))) else {
//!     panic!("it goes on")
//! };
//! assert_eq!(back.metadata.exact(Field::Reg(0)), Some(1));
//! ```
//!
//! # Making a switch hold exactly these flows
//!
//! ```
//! use openflow::sync::State;
//! use openflow::{Flow, Message};
//!
//! let flows = |texts: &[&str]| -> Result<Vec<Flow>, openflow::ParseError> {
//!     texts.iter().map(|text| text.parse()).collect()
//! };
//! let actual = State::new(flows(&["ip,actions=output:1", "arp,actions=drop"])?, []);
//! let wanted = State::new(flows(&["ip,actions=output:2", "arp,actions=drop"])?, []);
//! // One change; as messages, they make one bundle.
//! let messages: Vec<Message> = wanted.diff(&actual).into_iter().map(Message::from).collect();
//! assert_eq!(messages.len(), 1);
//! # Ok::<(), openflow::ParseError>(())
//! ```

pub mod action;
mod check;
mod cookie;
pub mod error;
pub mod field;
pub mod flow;
mod flow_set;
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

pub use action::{Action, Actions};
pub use check::FlowError;
pub use cookie::Cookie;
pub use error::Error;
pub use field::{Field, FieldValue, Subfield};
pub use flow::{Flow, FlowFlags, FlowKey};
pub use flow_set::FlowSet;
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
