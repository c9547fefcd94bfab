//! Messages: a table, and a file for each of them.
//!
//! A message that is not in the table is [`Message::Unknown`], with its bytes. To add one, write a
//! file whose type has `Body`, and a line below.

mod async_config;
mod bundle;
mod config;
mod error;
mod error_names;
mod features;
mod flow_mod;
mod flow_removed;
mod group_mod;
mod hello;
mod meter_mod;
pub mod multipart;
mod nicira;
mod packet_in;
mod packet_out;
mod port;
mod role;

pub use async_config::AsyncConfig;
pub use bundle::{BundleAdd, BundleControl, BundleControlKind, BundleFlags};
pub use config::SwitchConfig;
pub use error::ErrorMessage;
pub use features::Features;
pub use flow_mod::{FlowCommand, FlowMod};
pub use flow_removed::FlowRemoved;
pub use group_mod::{GroupCommand, GroupMod};
pub use hello::Hello;
pub use meter_mod::{Meter, MeterBand, MeterCommand, MeterMod};
pub use multipart::{MultipartReply, MultipartRequest};
pub use nicira::{CtFlushZone, SetControllerId, SetPacketInFormat, TlvMap, TlvTable, TlvTableMod};
pub use packet_in::{PacketIn, PacketInStandard};
pub use packet_out::PacketOut;
pub use port::{PortDesc, PortReason, PortStatus};
pub use role::{Role, RoleMessage};

use crate::error::{Error, Result};
use crate::wire::{Put, Reader};
use crate::{NICIRA, VERSION_15};

/// The length of the header that every message has.
pub const HEADER: usize = 8;
/// The type of messages that are extensions.
const EXPERIMENTER: u8 = 4;

/// The body of a message.
pub(crate) trait Body: Sized {
    /// Reads it; the reader ends where the message does.
    fn read(reader: &mut Reader<'_>) -> Result<Self>;
    /// Writes it.
    fn write(&self, out: &mut Vec<u8>);
}

/// Bytes that only travel.
impl Body for Box<[u8]> {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(reader.take(reader.len())?.into())
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.bytes(self);
    }
}

macro_rules! messages {
    (
        standard {$($number:literal $name:ident $(($body:ty))? $doc:literal;)*}
        nicira {$($subtype:literal $extension:ident $(($ebody:ty))? $edoc:literal;)*}
    ) => {
        /// A message.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Message {
            $(#[doc = $doc] $name $(($body))?,)*
            $(#[doc = $edoc] $extension $(($ebody))?,)*
            /// Anything else.
            Unknown {
                /// The type.
                kind: u8,
                /// All that follows the header.
                body: Box<[u8]>,
            },
        }

        impl Message {
            fn read_body(kind: u8, reader: &mut Reader<'_>) -> Result<Self> {
                let whole = *reader;
                Ok(match kind {
                    $($number => Self::$name $((<$body as Body>::read(reader)?))?,)*
                    EXPERIMENTER => match (reader.u32()?, reader.u32()?) {
                        $((NICIRA, $subtype) => Self::$extension $((<$ebody as Body>::read(reader)?))?,)*
                        _ => Self::Unknown { kind, body: whole.rest().into() },
                    },
                    _ => Self::Unknown { kind, body: whole.rest().into() },
                })
            }

            /// The type, and the subtype of one of Nicira's extensions.
            const fn code(&self) -> (u8, Option<u32>) {
                match self {
                    $(Self::$name { .. } => ($number, None),)*
                    $(Self::$extension { .. } => (EXPERIMENTER, Some($subtype)),)*
                    Self::Unknown { kind, .. } => (*kind, None),
                }
            }

            fn write_body(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$name $((messages!(@bind $body, body)))? => {
                        $(<$body as Body>::write(body, out);)?
                    })*
                    $(Self::$extension $((messages!(@bind $ebody, body)))? => {
                        $(<$ebody as Body>::write(body, out);)?
                    })*
                    Self::Unknown { body, .. } => out.bytes(body),
                }
            }

            /// The message's name, for logs.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => stringify!($name),)*
                    $(Self::$extension { .. } => stringify!($extension),)*
                    Self::Unknown { .. } => "Unknown",
                }
            }
        }
    };
    (@bind $body:ty, $name:ident) => { $name };
}

messages! {
    standard {
        0 Hello(Hello) "The first message of either side.";
        1 Error(ErrorMessage) "A request was refused.";
        2 EchoRequest(Box<[u8]>) "Are you there?";
        3 EchoReply(Box<[u8]>) "I am here.";
        5 FeaturesRequest "What are you?";
        6 Features(Features) "What the switch is.";
        7 GetConfigRequest "How are you set?";
        8 Config(SwitchConfig) "How the switch is set.";
        9 SetConfig(SwitchConfig) "Be set so.";
        10 PacketInStandard(PacketInStandard) "A packet, in the standard form.";
        11 FlowRemoved(FlowRemoved) "A flow has gone.";
        12 PortStatus(PortStatus) "A port has changed.";
        13 PacketOut(PacketOut) "Send a packet.";
        14 FlowMod(Box<FlowMod>) "Change flows.";
        15 GroupMod(Box<GroupMod>) "Change a group.";
        18 MultipartRequest(MultipartRequest) "Tell me about many things.";
        19 MultipartReply(MultipartReply) "A part of the answer.";
        20 BarrierRequest "Finish what I asked before.";
        21 BarrierReply "What you asked before is finished.";
        24 RoleRequest(RoleMessage) "Let me be this.";
        25 RoleReply(RoleMessage) "This is what you are.";
        26 GetAsyncRequest "What do you tell me unasked?";
        27 AsyncConfig(AsyncConfig) "What the switch tells unasked.";
        28 SetAsyncConfig(AsyncConfig) "Tell me this unasked.";
        29 MeterMod(MeterMod) "Change a meter.";
        33 BundleControl(BundleControl) "Open, commit or discard a bundle.";
        34 BundleAdd(BundleAdd) "Put a message into a bundle.";
    }
    nicira {
        16 SetPacketInFormat(SetPacketInFormat) "Send me packets in this form.";
        20 SetControllerId(SetControllerId) "I am the controller with this id.";
        24 TlvTableMod(TlvTableMod) "Change the mapping of tunnel options.";
        25 TlvTableRequest "How are tunnel options mapped?";
        26 TlvTable(TlvTable) "How tunnel options are mapped.";
        28 Resume(Box<PacketIn>) "Go on with a paused packet.";
        29 CtFlushZone(CtFlushZone) "Forget the connections of a zone.";
        30 PacketIn(Box<PacketIn>) "A packet, with all that is known of it.";
    }
}

impl<T: Body> Body for Box<T> {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        T::read(reader).map(Self::new)
    }

    fn write(&self, out: &mut Vec<u8>) {
        T::write(self, out);
    }
}

/// A message is longer than OpenFlow can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message of {length} bytes is too long for OpenFlow")]
pub struct TooLong {
    /// The length it would have.
    pub length: usize,
}

impl Message {
    /// The message in bytes, under this transaction number.
    ///
    /// # Errors
    /// When it would be longer than 65,535 bytes.
    pub fn encode(&self, xid: u32) -> Result<Vec<u8>, TooLong> {
        let mut out = Vec::with_capacity(64);
        self.write(&mut out, xid)?;
        Ok(out)
    }

    /// Appends the message to `out`. On an error, `out` is as it was.
    pub(crate) fn write(&self, out: &mut Vec<u8>, xid: u32) -> Result<(), TooLong> {
        let (kind, extension) = self.code();
        let start = out.len();
        out.u8(VERSION_15);
        out.u8(kind);
        out.u16(0);
        out.u32(xid);
        if let Some(subtype) = extension {
            out.u32(NICIRA);
            out.u32(subtype);
        }
        self.write_body(out);
        let length = out.len() - start;
        if length > usize::from(u16::MAX) {
            out.truncate(start);
            return Err(TooLong { length });
        }
        out.patch_len(start + 2, start);
        Ok(())
    }

    /// Reads one whole message, and its transaction number.
    ///
    /// # Errors
    /// When the bytes contradict themselves, or the version is not 1.5. Greetings and errors are read
    /// in any version.
    pub fn decode(bytes: &[u8]) -> Result<(u32, Self)> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8()?;
        let kind = reader.u8()?;
        let length = usize::from(reader.u16()?);
        let xid = reader.u32()?;
        if length != bytes.len() {
            return Err(Error::BadLength {
                what: "message",
                length,
            });
        }
        if version != VERSION_15 && kind > 3 {
            return Err(Error::BadValue {
                what: "version",
                value: version.into(),
            });
        }
        Ok((xid, Self::read_body(kind, &mut reader)?))
    }
}
