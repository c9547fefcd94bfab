//! Flows.

use super::{Family, Request, command, keep, u64_at, u64_of};
use crate::action::{Action, read_actions, write_actions};
use crate::attribute::{DecodeError, Raw, Writer, attributes};
use crate::id::{DatapathId, Ufid};
use crate::key::{Key, Match};

const KEY: u16 = 1;
const ACTIONS: u16 = 2;
const STATS: u16 = 3;
const TCP_FLAGS: u16 = 4;
const USED: u16 = 5;
const CLEAR: u16 = 6;
const MASK: u16 = 7;
const PROBE: u16 = 8;
const UFID: u16 = 9;
const UFID_FLAGS: u16 = 10;
const PAD: u16 = 11;

/// What a flow has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FlowStats {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// When the last packet came, in milliseconds of the monotonic clock; nothing if none did.
    pub used: Option<u64>,
    /// All TCP flags that its packets had.
    pub tcp_flags: u8,
}

/// A flow as the datapath has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flow {
    /// Which packets it is for. The key is empty where it was not asked for.
    pub matches: Match,
    /// What happens to them; nothing where it was not asked for.
    pub actions: Option<Vec<Action>>,
    /// Its identifier, if it was given one.
    pub ufid: Option<Ufid>,
    /// What it has counted.
    pub stats: FlowStats,
    /// What nobody here knows.
    pub unknown: Vec<Raw>,
}

impl Flow {
    /// Reads a flow, and the datapath that it belongs to.
    ///
    /// # Errors
    /// When the bytes are no attributes.
    pub fn decode(body: &[u8]) -> Result<(DatapathId, Self), DecodeError> {
        let (datapath, rest) = super::split_datapath(body, "a flow")?;
        let mut flow = Self::default();
        for attribute in attributes(rest) {
            let attribute = attribute?;
            let value = attribute.value;
            let known = match attribute.kind() {
                KEY => keep(&mut flow.matches.key, Some(Key::decode(value)?)),
                MASK => keep(&mut flow.matches.mask, Some(Some(Key::decode(value)?))),
                ACTIONS => keep(&mut flow.actions, Some(Some(read_actions(value, 0)?))),
                STATS => u64_at(value, 0)
                    .zip(u64_at(value, 8))
                    .map(|(packets, bytes)| {
                        flow.stats.packets = packets;
                        flow.stats.bytes = bytes;
                    }),
                TCP_FLAGS => value.first().map(|flags| flow.stats.tcp_flags = *flags),
                USED => u64_of(value).map(|used| flow.stats.used = Some(used)),
                UFID => <[u8; 16]>::try_from(value)
                    .ok()
                    .map(|bytes| flow.ufid = Some(crate::id::Ufid(bytes))),
                PAD => Some(()),
                _ => None,
            };
            if known.is_none() {
                flow.unknown.push(attribute.to_raw());
            }
        }
        Ok((datapath, flow))
    }

    /// By what the datapath finds it.
    #[must_use]
    pub fn id(&self) -> FlowId {
        self.ufid
            .map_or_else(|| FlowId::Key(self.matches.key.clone()), FlowId::Ufid)
    }
}

/// By what the datapath finds a flow.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FlowId {
    /// The whole key that it was made with, if it has no UFID.
    Key(Key),
    /// Its UFID.
    Ufid(Ufid),
}

impl From<Ufid> for FlowId {
    fn from(ufid: Ufid) -> Self {
        Self::Ufid(ufid)
    }
}

impl From<Key> for FlowId {
    fn from(key: Key) -> Self {
        Self::Key(key)
    }
}

impl std::fmt::Display for FlowId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(key) => write!(f, "flow {key}"),
            Self::Ufid(ufid) => write!(f, "flow {ufid}"),
        }
    }
}

impl FlowId {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Key(key) => writer.nested(KEY, |writer| key.write(writer)),
            Self::Ufid(ufid) => writer.attribute(UFID, &ufid.0),
        }
    }

    fn request(&self, command: u8, datapath: DatapathId) -> Request {
        Request::new(Family::Flow, command, datapath.0, |writer| {
            self.write(writer);
        })
    }

    /// Asks for it.
    #[must_use]
    pub fn get(&self, datapath: DatapathId) -> Request {
        self.request(command::GET, datapath)
    }

    /// Has it removed.
    #[must_use]
    pub fn delete(&self, datapath: DatapathId) -> Request {
        self.request(command::DEL, datapath)
    }

    /// Has it removed, and wants it back with what it has counted.
    #[must_use]
    pub fn take(&self, datapath: DatapathId) -> Request {
        self.request(command::DEL, datapath).echo()
    }

    /// Has its counters set to zero.
    #[must_use]
    pub fn clear(&self, datapath: DatapathId) -> Request {
        Request::new(Family::Flow, command::SET, datapath.0, |writer| {
            self.write(writer);
            writer.flag(CLEAR, true);
        })
    }
}

/// What is to be so of a flow before it is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PutMode {
    /// There may be one: then it gets these actions.
    #[default]
    Replace,
    /// There must be none.
    Create,
    /// There must be one.
    Modify,
}

/// A flow to be put into a datapath.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowPut {
    /// Which packets it is for.
    pub matches: Match,
    /// What happens to them.
    pub actions: Vec<Action>,
    /// An identifier, by which the datapath will find it.
    pub ufid: Option<Ufid>,
    /// What is to be so before.
    pub mode: PutMode,
    /// Set its counters to zero.
    pub clear: bool,
    /// It is only tried: the kernel does not log why it refuses it.
    pub probe: bool,
}

impl FlowPut {
    /// A flow that takes the place of one with the same key, if there is one.
    ///
    /// ```
    /// use odp::{Action, FlowPut, Match, PortNo};
    ///
    /// let cross = FlowPut::new(Match::new(PortNo(1)), vec![Action::Output(PortNo(2))]);
    /// assert_eq!(cross.matches.to_string(), "in_port(1),eth()");
    /// ```
    #[must_use]
    pub fn new(matches: impl Into<Match>, actions: Vec<Action>) -> Self {
        Self {
            matches: matches.into(),
            actions,
            ..Self::default()
        }
    }

    /// With an identifier.
    #[must_use]
    pub const fn with_ufid(mut self, ufid: Ufid) -> Self {
        self.ufid = Some(ufid);
        self
    }

    /// Only if this is so before.
    #[must_use]
    pub const fn with_mode(mut self, mode: PutMode) -> Self {
        self.mode = mode;
        self
    }

    /// By what the datapath will find it.
    #[must_use]
    pub fn id(&self) -> FlowId {
        self.ufid
            .map_or_else(|| FlowId::Key(self.matches.key.clone()), FlowId::Ufid)
    }

    /// Has it put.
    #[must_use]
    pub fn put(&self, datapath: DatapathId) -> Request {
        let command = match self.mode {
            PutMode::Modify => command::SET,
            PutMode::Create | PutMode::Replace => command::NEW,
        };
        let request = Request::new(Family::Flow, command, datapath.0, |writer| {
            if let Some(ufid) = self.ufid {
                writer.attribute(UFID, &ufid.0);
            }
            writer.nested(KEY, |writer| self.matches.key.write(writer));
            if let Some(mask) = &self.matches.mask {
                writer.nested(MASK, |writer| mask.write(writer));
            }
            writer.nested(ACTIONS, |writer| write_actions(&self.actions, writer));
            writer.flag(CLEAR, self.clear);
            writer.flag(PROBE, self.probe);
        });
        match self.mode {
            PutMode::Create => request.create(),
            PutMode::Replace | PutMode::Modify => request,
        }
    }

    /// Has it put, and wants it back with what it had counted.
    #[must_use]
    pub fn put_and_return(&self, datapath: DatapathId) -> Request {
        self.put(datapath).echo()
    }
}

/// What a list of flows need not have, of flows with a UFID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Omit {
    /// The keys.
    pub key: bool,
    /// The masks.
    pub mask: bool,
    /// The actions.
    pub actions: bool,
}

impl Omit {
    /// All but identifiers and counters.
    pub const TERSE: Self = Self {
        key: true,
        mask: true,
        actions: true,
    };
}

/// Asks for all flows.
pub(crate) fn list(datapath: DatapathId, omit: Omit) -> Request {
    let bits = u32::from(omit.key) | u32::from(omit.mask) << 1 | u32::from(omit.actions) << 2;
    let request = Request::new(Family::Flow, command::GET, datapath.0, |writer| {
        if bits != 0 {
            writer.u32(UFID_FLAGS, bits);
        }
    });
    request.dump()
}

/// Has all flows removed.
pub(crate) fn flush(datapath: DatapathId) -> Request {
    Request::new(Family::Flow, command::DEL, datapath.0, |_| {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_put_reads_back_as_the_flow_that_it_is() {
        let matches: Match = "in_port(1),eth(),eth_type(0x0800),ipv4(proto=6)"
            .parse()
            .unwrap();
        let actions = crate::Actions::default().parse("2").unwrap();
        let put = FlowPut::new(matches, actions).with_ufid(crate::id::Ufid([7; 16]));
        let mut bytes = Vec::new();
        put.put(DatapathId(9)).encode(30, 1, &mut bytes);
        let (datapath, flow) = Flow::decode(&bytes[20..]).unwrap();
        assert_eq!(datapath, DatapathId(9));
        assert_eq!(flow.matches, put.matches);
        assert_eq!(flow.actions, Some(put.actions));
        assert_eq!(flow.ufid, put.ufid);
        assert_eq!(flow.unknown, Vec::new());
    }

    #[test]
    fn an_attribute_that_nobody_knows_is_kept() {
        let mut body = 5u32.to_ne_bytes().to_vec();
        let mut writer = Writer::default();
        writer.u32(77, 3);
        body.extend(writer.into_bytes());
        let (_, flow) = Flow::decode(&body).unwrap();
        assert_eq!(flow.unknown[0].kind, 77);
    }
}
