//! Messages: a table, and a file for each of them.
//!
//! A message that is not in the table is [`Message::Unknown`], with its bytes. To add one, write a
//! file whose type has `Body`, and a line below with its numbers in each version.

mod async_config;
mod bundle;
mod config;
mod ct_flush;
mod error;
mod error_table;
mod features;
mod flow_mod;
mod flow_removed;
mod group_mod;
mod hello;
mod match10;
mod meter_mod;
pub mod multipart;
mod nicira;
mod packet_in;
mod packet_out;
mod port;
mod port_mod;
mod queue;
mod role;
mod status;
mod table_mod;

pub use async_config::AsyncConfig;
pub use bundle::{BundleAdd, BundleControl, BundleControlKind, BundleFlags};
pub use config::SwitchConfig;
pub use ct_flush::{CtFlush, CtTuple};
pub use error::ErrorMessage;
pub use features::Features;
pub use flow_mod::{FlowCommand, FlowMod};
pub use flow_removed::{FlowRemoved, RemovedReason};
pub use group_mod::{GroupCommand, GroupMod};
pub use hello::Hello;
pub use meter_mod::{Meter, MeterBand, MeterCommand, MeterMod};
pub use multipart::{MultipartReply, MultipartRequest};
pub use nicira::{
    CtFlushZone, FlowModTableId, MonitorId, SetControllerId, SetFlowFormat, SetPacketInFormat,
    TlvMap, TlvTable, TlvTableMod,
};
pub use packet_in::{PacketIn, PacketInNxm, PacketInStandard, REASONS};
pub use packet_out::PacketOut;
pub use port::{LinkFeatures, PortConfig, PortDesc, PortReason, PortState, PortStatus};
pub use port_mod::PortMod;
pub use queue::{QueueConfig, QueueConfigRequest};
pub use role::{Role, RoleMessage};
pub use status::{RequestForward, RoleStatus, TableStatus};
pub use table_mod::{TableConfig, TableMod};

use crate::error::{Error, Result};
use crate::version::{Version, Versions};
use crate::wire::{Reader, Writer};
use crate::{NICIRA, ONF};

/// The length of the header that every message has.
pub const HEADER: usize = 8;
/// The type of messages that are extensions.
const EXPERIMENTER: u8 = 4;

/// Whose numbers they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    /// OpenFlow's own.
    Standard,
    /// Nicira's.
    Nicira,
    /// The Open Networking Foundation's.
    Onf,
}

/// A number by which a message is known, and from which version to which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageCode {
    /// Whose number it is.
    pub space: Space,
    /// The type, or the subtype of an extension.
    pub number: u32,
    /// The first version that has it.
    pub first: Version,
    /// The last version that has it.
    pub last: Version,
}

impl MessageCode {
    const fn is_in(&self, version: Version) -> bool {
        self.first as u8 <= version as u8 && version as u8 <= self.last as u8
    }
}

/// What the table says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageInfo {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub says: &'static str,
    /// Its numbers; of those that a version has, the first is written.
    pub codes: &'static [MessageCode],
}

/// The body of a message.
pub(crate) trait Body: Sized {
    /// Reads it; the reader ends where the message does.
    fn read(reader: &mut Reader<'_>) -> Result<Self>;
    /// Writes it.
    fn write(&self, out: &mut Writer);
}

/// Bytes that only travel.
impl Body for Box<[u8]> {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(reader.take(reader.len())?.into())
    }

    fn write(&self, out: &mut Writer) {
        out.bytes(self);
    }
}

impl<T: Body> Body for Box<T> {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        T::read(reader).map(Self::new)
    }

    fn write(&self, out: &mut Writer) {
        T::write(self, out);
    }
}

macro_rules! messages {
    ($(
        $name:ident $(($body:ty))? $doc:literal
        [$($space:ident $number:literal $first:ident $last:ident),+];
    )*) => {
        /// A message.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Message {
            $(#[doc = $doc] $name $(($body))?,)*
            /// Anything else.
            Unknown {
                /// The type.
                kind: u8,
                /// All that follows the header.
                body: Box<[u8]>,
            },
        }

        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Kind {
            $($name,)*
        }

        impl Kind {
            const fn info(self) -> &'static MessageInfo {
                &Message::TABLE[self as usize]
            }

            fn of(version: Version, space: Space, number: u32) -> Option<Self> {
                match (space, number) {
                    $($((Space::$space, $number)
                        if (Version::$first..=Version::$last).contains(&version) =>
                    {
                        Some(Self::$name)
                    })+)*
                    _ => None,
                }
            }
        }

        impl Message {
            /// The table of messages.
            pub const TABLE: &[MessageInfo] = &[$(MessageInfo {
                name: stringify!($name),
                says: $doc,
                codes: &[$(MessageCode {
                    space: Space::$space,
                    number: $number,
                    first: Version::$first,
                    last: Version::$last,
                }),+],
            }),*];

            fn read_kind(kind: Kind, reader: &mut Reader<'_>) -> Result<Self> {
                Ok(match kind {
                    $(Kind::$name => Self::$name $((<$body as Body>::read(reader)?))?,)*
                })
            }

            /// What the table says of this message. `None` for one that is not understood.
            #[must_use]
            pub const fn info(&self) -> Option<&'static MessageInfo> {
                match self {
                    $(Self::$name { .. } => Some(Kind::$name.info()),)*
                    Self::Unknown { .. } => None,
                }
            }

            fn write_body(&self, out: &mut Writer) {
                match self {
                    $(Self::$name $((messages!(@bind $body, body)))? => {
                        $(<$body as Body>::write(body, out);)?
                    })*
                    Self::Unknown { body, .. } => out.bytes(body),
                }
            }
        }
    };
    (@bind $body:ty, $name:ident) => { $name };
}

messages! {
    Hello(Hello) "The first message of either side." [Standard 0 V10 V15];
    Error(ErrorMessage) "A request was refused." [Standard 1 V10 V15];
    EchoRequest(Box<[u8]>) "Are you there?" [Standard 2 V10 V15];
    EchoReply(Box<[u8]>) "I am here." [Standard 3 V10 V15];
    FeaturesRequest "What are you?" [Standard 5 V10 V15];
    Features(Features) "What the switch is." [Standard 6 V10 V15];
    GetConfigRequest "How are you set?" [Standard 7 V10 V15];
    Config(SwitchConfig) "How the switch is set." [Standard 8 V10 V15];
    SetConfig(SwitchConfig) "Be set so." [Standard 9 V10 V15];
    PacketInStandard(PacketInStandard) "A packet, in the standard form." [Standard 10 V10 V15];
    PacketInNxm(PacketInNxm) "A packet, in Nicira's older form." [Nicira 17 V10 V15];
    PacketIn(Box<PacketIn>) "A packet, with all that is known of it." [Nicira 30 V10 V15];
    Resume(Box<PacketIn>) "Go on with a paused packet." [Nicira 28 V10 V15];
    FlowRemoved(FlowRemoved) "A flow has gone."
        [Nicira 14 V10 V10, Standard 11 V10 V15, Nicira 14 V13 V15];
    PortStatus(PortStatus) "A port has changed." [Standard 12 V10 V15];
    PacketOut(PacketOut) "Send a packet." [Standard 13 V10 V15];
    FlowMod(Box<FlowMod>) "Change flows."
        [Nicira 13 V10 V10, Standard 14 V10 V15, Nicira 13 V13 V15];
    GroupMod(Box<GroupMod>) "Change a group." [Nicira 31 V10 V10, Standard 15 V13 V15];
    PortMod(PortMod) "Change a port." [Standard 15 V10 V10, Standard 16 V13 V15];
    TableMod(TableMod) "Change a table." [Standard 17 V13 V15];
    MeterMod(MeterMod) "Change a meter." [Standard 29 V13 V15];
    MultipartRequest(MultipartRequest) "Tell me about many things."
        [Standard 16 V10 V10, Standard 18 V13 V15];
    MultipartReply(MultipartReply) "A part of the answer."
        [Standard 17 V10 V10, Standard 19 V13 V15];
    BarrierRequest "Finish what I asked before." [Standard 18 V10 V10, Standard 20 V13 V15];
    BarrierReply "What you asked before is finished." [Standard 19 V10 V10, Standard 21 V13 V15];
    QueueConfigRequest(QueueConfigRequest) "How are the queues of a port set?"
        [Standard 20 V10 V10, Standard 22 V13 V13];
    QueueConfig(QueueConfig) "How the queues of a port are set."
        [Standard 21 V10 V10, Standard 23 V13 V13];
    RoleRequest(RoleMessage) "Let me be this." [Nicira 10 V10 V10, Standard 24 V13 V15];
    RoleReply(RoleMessage) "This is what you are." [Nicira 11 V10 V10, Standard 25 V13 V15];
    RoleStatus(RoleStatus) "You are something else now." [Onf 1911 V13 V13, Standard 30 V14 V15];
    GetAsyncRequest "What do you tell me unasked?" [Standard 26 V13 V15];
    AsyncConfig(AsyncConfig) "What the switch tells unasked." [Standard 27 V13 V15];
    SetAsyncConfig(AsyncConfig) "Tell me this unasked."
        [Nicira 27 V10 V10, Standard 28 V13 V15, Nicira 27 V13 V13, Nicira 19 V10 V15];
    TableStatus(TableStatus) "A table fills or empties." [Standard 31 V14 V15];
    RequestForward(RequestForward) "Another controller asked this."
        [Nicira 132 V10 V10, Onf 2350 V13 V13, Standard 32 V14 V15];
    BundleControl(BundleControl) "Open, commit or discard a bundle."
        [Onf 2300 V13 V13, Standard 33 V14 V15];
    BundleAdd(BundleAdd) "Put a message into a bundle." [Onf 2301 V13 V13, Standard 34 V14 V15];
    SetFlowFormat(SetFlowFormat) "Speak of flows in this form." [Nicira 12 V10 V10];
    FlowModTableId(FlowModTableId) "Changes of flows name their table." [Nicira 15 V10 V15];
    SetPacketInFormat(SetPacketInFormat) "Send me packets in this form." [Nicira 16 V10 V15];
    FlowAge "Flows tell how long they have been idle." [Nicira 18 V10 V15];
    SetControllerId(SetControllerId) "I am the controller with this id." [Nicira 20 V10 V15];
    FlowMonitorCancel(MonitorId) "Watch these flows no longer."
        [Nicira 21 V10 V10, Onf 1870 V13 V13];
    FlowMonitorPaused "Changes of flows come too fast to be told."
        [Nicira 22 V10 V10, Onf 1871 V13 V13];
    FlowMonitorResumed "Changes of flows are told again."
        [Nicira 23 V10 V10, Onf 1872 V13 V13];
    TlvTableMod(TlvTableMod) "Change the mapping of tunnel options." [Nicira 24 V10 V15];
    TlvTableRequest "How are tunnel options mapped?" [Nicira 25 V10 V15];
    TlvTable(TlvTable) "How tunnel options are mapped." [Nicira 26 V10 V15];
    CtFlushZone(CtFlushZone) "Forget the connections of a zone." [Nicira 29 V10 V15];
    CtFlush(CtFlush) "Forget some connections." [Nicira 32 V10 V15];
}

/// A message is longer than OpenFlow can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message of {length} bytes is too long for OpenFlow")]
pub struct TooLong {
    /// The length it would have.
    pub length: usize,
}

/// Why a message cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// It is too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The version has no words for it, or for something in it.
    #[error("{version} cannot say {what}{}", remedy(*.others))]
    Unsayable {
        /// What it cannot say.
        what: &'static str,
        /// The version.
        version: Version,
        /// The versions that can say the message.
        others: Versions,
    },
}

fn remedy(others: Versions) -> String {
    if others.is_empty() {
        "; no version can say all of it".to_owned()
    } else {
        format!("; {others} can")
    }
}

/// Why something could not be appended.
enum Bad {
    Unsayable(&'static str),
    TooLong(TooLong),
}

impl Bad {
    fn error(self, version: Version, others: impl FnOnce() -> Versions) -> EncodeError {
        match self {
            Self::TooLong(error) => error.into(),
            Self::Unsayable(what) => EncodeError::Unsayable {
                what,
                version,
                others: others(),
            },
        }
    }
}

/// Appends what `write` writes, one message. On an error, `out` is as it was.
fn append(out: &mut Vec<u8>, version: Version, write: impl FnOnce(&mut Writer)) -> Result<(), Bad> {
    let start = out.len();
    let mut writer = Writer::behind(std::mem::take(out), version);
    write(&mut writer);
    let unsayable = writer.first_unsayable();
    *out = writer.into_bytes();
    let length = out.len() - start;
    let result = match unsayable {
        Some(what) => Err(Bad::Unsayable(what)),
        None if length > usize::from(u16::MAX) => Err(Bad::TooLong(TooLong { length })),
        None => return Ok(()),
    };
    out.truncate(start);
    result
}

/// Writes a message of this kind with the number that the version has for it.
fn write_as(out: &mut Writer, info: &MessageInfo, xid: u32, body: impl FnOnce(&mut Writer)) {
    let Some(code) = info.codes.iter().find(|code| code.is_in(out.version)) else {
        return out.unsayable(info.name);
    };
    let (kind, extension) = match code.space {
        Space::Standard => (code.number as u8, None),
        Space::Nicira => (EXPERIMENTER, Some((NICIRA, code.number))),
        Space::Onf => (EXPERIMENTER, Some((ONF, code.number))),
    };
    write_frame(out, kind, extension, xid, body);
}

fn write_frame(
    out: &mut Writer,
    kind: u8,
    extension: Option<(u32, u32)>,
    xid: u32,
    body: impl FnOnce(&mut Writer),
) {
    let start = out.len();
    out.u8(out.version.number());
    out.u8(kind);
    out.u16(0);
    out.u32(xid);
    if let Some((experimenter, subtype)) = extension {
        out.u32(experimenter);
        out.u32(subtype);
    }
    body(out);
    out.patch_len(start + 2, start);
}

/// Writes a message into a bundle; both have the same transaction number.
fn bundle_add(out: &mut Writer, xid: u32, id: u32, message: impl FnOnce(&mut Writer)) {
    write_as(out, Kind::BundleAdd.info(), xid, |out| {
        BundleAdd::write_head(out, id, BundleFlags::ATOMIC_ORDERED);
        message(out);
    });
}

impl FlowMod {
    /// Appends the change to `out` as one of a bundle. On an error, `out` is as it was.
    pub(crate) fn write_in_bundle(
        &self,
        out: &mut Vec<u8>,
        version: Version,
        xid: u32,
        bundle: u32,
    ) -> Result<(), EncodeError> {
        let whole = |out: &mut Writer| {
            write_as(out, Kind::FlowMod.info(), xid, |out| self.write(out));
        };
        append(out, version, |out| bundle_add(out, xid, bundle, whole)).map_err(|bad| {
            let versions = || Message::FlowMod(Box::new(self.clone())).versions();
            bad.error(version, versions)
        })
    }
}

impl Message {
    /// The message's name, for logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.info() {
            Some(info) => info.name,
            None => "Unknown",
        }
    }

    /// The message in bytes of OpenFlow 1.5, under this transaction number.
    ///
    /// # Errors
    /// When it would be longer than 65,535 bytes, or only an older version has it.
    pub fn encode(&self, xid: u32) -> Result<Vec<u8>, EncodeError> {
        self.encode_as(Version::V15, xid)
    }

    /// The message in bytes of a version, under this transaction number.
    ///
    /// # Errors
    /// When it would be longer than 65,535 bytes, or the version cannot say it.
    pub fn encode_as(&self, version: Version, xid: u32) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::with_capacity(64);
        self.write(&mut out, version, xid)?;
        Ok(out)
    }

    /// Appends the message to `out`. On an error, `out` is as it was.
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        version: Version,
        xid: u32,
    ) -> Result<(), EncodeError> {
        append(out, version, |out| self.write_whole(out, xid))
            .map_err(|bad| bad.error(version, || self.versions()))
    }

    /// Appends the message to `out` as one of a bundle. On an error, `out` is as it was.
    pub(crate) fn write_in_bundle(
        &self,
        out: &mut Vec<u8>,
        version: Version,
        xid: u32,
        bundle: u32,
    ) -> Result<(), EncodeError> {
        let whole = |out: &mut Writer| self.write_whole(out, xid);
        append(out, version, |out| bundle_add(out, xid, bundle, whole))
            .map_err(|bad| bad.error(version, || self.versions()))
    }

    /// The versions that can say the message.
    fn versions(&self) -> Versions {
        let can = Version::ALL.into_iter().filter(|version| {
            let mut writer = Writer::behind(Vec::new(), *version);
            self.write_whole(&mut writer, 0);
            writer.first_unsayable().is_none()
        });
        can.fold(Versions::NONE, Versions::and)
    }

    fn write_whole(&self, out: &mut Writer, xid: u32) {
        match self.info() {
            Some(info) => write_as(out, info, xid, |out| self.write_body(out)),
            None => {
                let kind = match self {
                    Self::Unknown { kind, .. } => *kind,
                    _ => EXPERIMENTER,
                };
                write_frame(out, kind, None, xid, |out| self.write_body(out));
            }
        }
    }

    /// Reads one whole message, and its transaction number.
    ///
    /// # Errors
    /// When the bytes contradict themselves, or nobody here speaks their version. Greetings, errors and
    /// echoes are read in any version.
    pub fn decode(bytes: &[u8]) -> Result<(u32, Self)> {
        let mut reader = Reader::new(bytes);
        let number = reader.u8()?;
        let kind = reader.u8()?;
        let length = usize::from(reader.u16()?);
        let xid = reader.u32()?;
        if length != bytes.len() {
            return Err(Error::BadLength {
                what: "message",
                length,
            });
        }
        match Version::from_number(number) {
            Some(version) => reader.version = version,
            None if kind <= 3 => {}
            None => {
                return Err(Error::BadValue {
                    what: "version",
                    value: number.into(),
                });
            }
        }
        Ok((xid, Self::read_whole(kind, &mut reader)?))
    }

    /// What the table says of the message that begins with these bytes.
    pub(crate) fn kind_of(bytes: &[u8]) -> Option<&'static MessageInfo> {
        let version = Version::from_number(*bytes.first()?)?;
        let mut reader = Reader::of_version(bytes.get(HEADER..)?, version);
        let kind = Self::find(*bytes.get(1)?, &mut reader).ok()?;
        kind.map(Kind::info)
    }

    fn find(kind: u8, reader: &mut Reader<'_>) -> Result<Option<Kind>> {
        let version = reader.version;
        if kind != EXPERIMENTER {
            return Ok(Kind::of(version, Space::Standard, kind.into()));
        }
        let (experimenter, number) = (reader.u32()?, reader.u32()?);
        reader.extension = number;
        Ok(match experimenter {
            NICIRA => Kind::of(version, Space::Nicira, number),
            ONF => Kind::of(version, Space::Onf, number),
            _ => None,
        })
    }

    fn read_whole(kind: u8, reader: &mut Reader<'_>) -> Result<Self> {
        let whole = *reader;
        match Self::find(kind, reader)? {
            Some(found) => Self::read_kind(found, reader),
            None => Ok(Self::Unknown {
                kind,
                body: whole.rest().into(),
            }),
        }
    }
}
