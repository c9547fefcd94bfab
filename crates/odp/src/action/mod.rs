//! Actions: what the datapath does with a packet. An empty list drops it.

mod codec;
mod ct;
mod types;

pub(crate) use codec::{read_actions, write_actions};

pub use ct::{Ct, Nat, NatDirection, NatRange};
pub use types::{
    AddMpls, CheckPacketLength, Hash, HashAlgorithm, PushEthernet, PushMpls, PushVlan, Sample,
    Sampled, Userspace,
};

use crate::attribute::{DecodeError, Raw, Writer};
use crate::id::{MeterId, PortNo};
use crate::key::{KeyField, Nsh, Tunnel};

/// One thing to do with a packet (`enum ovs_action_attr` of `linux/openvswitch.h`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Out of a port.
    Output(PortNo),
    /// To user space.
    Userspace(Box<Userspace>),
    /// Replaces a header, or what belongs to the packet: all of the field.
    Set(KeyField),
    /// Replaces bits of a header. A tunnel cannot be set in parts.
    SetMasked {
        /// The new value; bits that the mask lacks are to be zero.
        value: KeyField,
        /// Which bits to replace.
        mask: KeyField,
    },
    /// Adds a VLAN tag.
    PushVlan(PushVlan),
    /// Takes the outermost VLAN tag off.
    PopVlan,
    /// Does things to a part of all packets.
    Sample(Sample),
    /// Sends the packet through the flows again, with this number in its key.
    Recirc(u32),
    /// Computes a hash into the packet's key.
    Hash(Hash),
    /// Adds an MPLS label.
    PushMpls(PushMpls),
    /// Takes the outermost MPLS label off, leaving this Ethernet type.
    PopMpls(u16),
    /// To the connection tracker.
    Ct(Box<Ct>),
    /// Cuts what the next output sends to this many bytes, at least 14.
    Trunc(u32),
    /// Puts an Ethernet header before the packet.
    PushEthernet(PushEthernet),
    /// Takes the Ethernet header off.
    PopEthernet,
    /// Forgets what the connection tracker knows.
    CtClear,
    /// Puts a network service header before the packet.
    PushNsh(Box<Nsh>),
    /// Takes the network service header off.
    PopNsh,
    /// Through a meter, which may drop it.
    Meter(MeterId),
    /// Does these to a copy.
    Clone(Vec<Self>),
    /// Does one or the other, by the packet's length. Since Linux 5.2.
    CheckPacketLength(Box<CheckPacketLength>),
    /// Adds an MPLS label before the Ethernet header or behind it. Since Linux 5.14.
    AddMpls(AddMpls),
    /// Decrements the time to live; a packet that expires gets these. Since Linux 5.11.
    DecTtl(Vec<Self>),
    /// Ends here, with a reason that tracing shows: zero is a good one. Since Linux 6.7.
    Drop(u32),
    /// To the samples of the kernel (`psample`). Since Linux 6.11.
    Psample(Sampled),
    /// Something that nobody here knows.
    Unknown(Raw),
}

impl Action {
    /// Puts a tunnel around what goes out of a tunnel's port.
    #[must_use]
    pub fn set_tunnel(tunnel: Tunnel) -> Self {
        Self::Set(KeyField::Tunnel(Box::new(tunnel)))
    }

    /// Reads a list of actions, as messages hold it.
    ///
    /// # Errors
    /// When the bytes are no attributes. An action that is not understood is kept as
    /// [`Action::Unknown`].
    pub fn decode_all(bytes: &[u8]) -> Result<Vec<Self>, DecodeError> {
        read_actions(bytes, 0)
    }

    /// A list of actions as attributes.
    #[must_use]
    pub fn encode_all(actions: &[Self]) -> Vec<u8> {
        let mut writer = Writer::default();
        write_actions(actions, &mut writer);
        writer.into_bytes()
    }
}
