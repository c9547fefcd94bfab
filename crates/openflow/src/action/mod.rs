//! What a flow does with a packet (`ovs-actions(7)`).
//!
//! Instructions other than "apply these actions" stand in the same list, as in the text language of
//! `ovs-ofctl`: [`Action::GotoTable`] and its kin. They are put in their place when a message is
//! written.

use crate::field::{Field, FieldValue, IntoValue, Subfield};
use crate::port::Port;

mod builder;
mod encap;
mod extra;
mod instruction;
mod large;
mod list;
mod old;
mod plain;
mod types;
mod wire;

pub(crate) use instruction::rank;
use instruction::read_flow_actions;
pub(crate) use plain::instructions_are_plain;
pub(crate) use wire::{read_actions, write_actions};

pub use list::{Actions, Iter};

pub use encap::{Encap, EncapProperty, Header};
pub use types::{
    Bundle, BundleAlgorithm, Controller, Ct, CtZone, HashFields, Learn, LearnSource, LearnSpec,
    LearnTarget, Multipath, Nat, NatDirection, NatRange, Observation, Sample,
};

/// One thing to do. An empty list drops the packet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Out of a port. `max_len` counts for the controller only.
    Output {
        /// The port.
        port: Port,
        /// How much of the packet the controller gets; zero for none, 0xffff for all.
        max_len: u16,
    },
    /// Out of a port, cut to a length.
    OutputTrunc {
        /// The port.
        port: Port,
        /// The length, in bytes.
        max_len: u32,
    },
    /// Out of the port whose number is in a field.
    OutputReg {
        /// The field.
        source: Subfield,
        /// How much of the packet the controller gets.
        max_len: u16,
    },
    /// To the controller, with everything that can be said about it.
    Controller(Box<Controller>),
    /// Look up another table and come back.
    Resubmit {
        /// As if the packet had come from this port; by default, from where it came.
        in_port: Option<Port>,
        /// The table; by default, the current one.
        table: Option<u8>,
        /// With the connection tracker's original direction in place of the packet's addresses.
        ct: bool,
    },
    /// Write bits of a field.
    SetField(FieldValue),
    /// Copy bits from one field to another, as many as `destination` has.
    Move {
        /// From.
        source: Subfield,
        /// To; of the same number of bits.
        destination: Subfield,
    },
    /// Onto the stack.
    Push(Subfield),
    /// From the stack.
    Pop(Subfield),
    /// Add a VLAN header with this Ethernet type.
    PushVlan(u16),
    /// Remove the VLAN header.
    PopVlan,
    /// Add an MPLS header with this Ethernet type.
    PushMpls(u16),
    /// Remove an MPLS header, leaving this Ethernet type.
    PopMpls(u16),
    /// Decrement the MPLS time to live.
    DecMplsTtl,
    /// Decrement the time to live; a packet that expires goes to the controllers.
    DecTtl,
    /// Decrement the time to live; a packet that expires goes to the controllers of these ids.
    DecTtlTo(Vec<u16>),
    /// To the connection tracker.
    Ct(Box<Ct>),
    /// Forget the connection-tracking state.
    CtClear,
    /// Translate addresses; inside [`Ct`] only.
    Nat(Box<Nat>),
    /// Do these, then carry on as if they had not been done.
    Clone(Vec<Self>),
    /// Make a flow out of this packet.
    Learn(Box<Learn>),
    /// One clause of a conjunctive match.
    Conjunction {
        /// The conjunction.
        id: u32,
        /// Which clause, counted from zero.
        clause: u8,
        /// Of how many.
        clauses: u8,
    },
    /// To a group.
    Group(u32),
    /// Through a meter.
    Meter(u32),
    /// Choose a queue.
    SetQueue(u32),
    /// Undo [`Action::SetQueue`].
    PopQueue,
    /// Nothing, with bytes for somebody to find. A multiple of eight plus six of them fit exactly;
    /// others are padded with zeros.
    Note(Vec<u8>),
    /// Tell a collector.
    Sample(Box<Sample>),
    /// Set a bit if the packet is longer than this.
    CheckPktLarger {
        /// The length, in bytes.
        len: u16,
        /// The bit.
        destination: Subfield,
    },
    /// One of several ports.
    Bundle(Box<Bundle>),
    /// One of several links, by hash.
    Multipath(Box<Multipath>),
    /// Stop here.
    Exit,
    /// Shorten the timeouts of this flow once a connection ends.
    FinTimeout {
        /// The new idle timeout, in seconds.
        idle: u16,
        /// The new hard timeout, in seconds.
        hard: u16,
    },
    /// Remove a tunnel option.
    DeleteField(Field),
    /// Decrement the time to live of a network service header.
    DecNshTtl,
    /// Put a header before the packet.
    Encap(Box<Encap>),
    /// Take the outermost header away. `None` leaves it to the switch to see what is behind it; otherwise
    /// this is what is there, as `packet_type` says it.
    Decap(Option<u32>),
    /// Set the VLAN identifier, with a header added where there is none: OpenFlow 1.0 alone has it. It
    /// stands only where the flow's match leaves open which of the two it does.
    ModVlanVid(u16),
    /// The same for the priority.
    ModVlanPcp(u8),
    /// Instruction: empty the action set.
    ClearActions,
    /// Instruction: add to the action set.
    WriteActions(Vec<Self>),
    /// Instruction: write metadata.
    WriteMetadata {
        /// The value.
        value: u64,
        /// The bits written.
        mask: u64,
    },
    /// Instruction: go on in this table.
    GotoTable(u8),
    /// An action that is not understood, header included.
    Unknown(Box<[u8]>),
    /// An instruction that is not understood, header included.
    UnknownInstruction(Box<[u8]>),
}

impl Action {
    /// Out of a port.
    #[must_use]
    pub fn output(port: impl Into<Port>) -> Self {
        let port = port.into();
        Self::Output {
            port,
            max_len: if port == Port::CONTROLLER {
                u16::MAX
            } else {
                0
            },
        }
    }

    /// Look up another table and come back.
    #[must_use]
    pub const fn resubmit(table: u8) -> Self {
        Self::Resubmit {
            in_port: None,
            table: Some(table),
            ct: false,
        }
    }

    /// Write all of a field.
    #[must_use]
    pub fn set_field(field: Field, value: impl IntoValue) -> Self {
        Self::SetField(FieldValue::exact(field, value.into_value()))
    }

    /// Write the low bits of `value` to a sub-field.
    #[must_use]
    pub fn load(value: impl IntoValue, destination: impl Into<Subfield>) -> Self {
        let destination = destination.into();
        let value = value
            .into_value()
            .checked_shl(destination.offset.into())
            .unwrap_or(0);
        Self::SetField(FieldValue::masked(
            destination.field,
            value,
            destination.mask(),
        ))
    }

    /// Copy from one field to another.
    #[must_use]
    pub fn mov(source: impl Into<Subfield>, destination: impl Into<Subfield>) -> Self {
        Self::Move {
            source: source.into(),
            destination: destination.into(),
        }
    }

    /// The tunnel key of packets that leave through a tunnel port.
    #[must_use]
    pub fn set_tunnel(key: u64) -> Self {
        Self::set_field(Field::TunId, key)
    }
}

/// Actions in bytes, as they stand in messages. Instructions among them are left out.
#[must_use]
pub fn encode(actions: &[Action]) -> Vec<u8> {
    let mut out = crate::wire::Writer::new(crate::Version::V15);
    write_actions(&mut out, actions);
    out.into_bytes()
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// When the lengths contradict the bytes.
pub fn decode(bytes: &[u8]) -> crate::error::Result<Vec<Action>> {
    read_actions(&mut crate::wire::Reader::new(bytes))
}
