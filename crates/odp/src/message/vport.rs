//! Ports of datapaths.

use super::vport_kind::{VportKind, VportOptions};
use super::{Family, Request, command, keep, pids, u32_of, u64_at, u64_of, write_pids};
use crate::attribute::{DecodeError, Raw, Writer, attributes, text};
use crate::id::{DatapathId, PortNo};

const PORT_NO: u16 = 1;
const TYPE: u16 = 2;
const NAME: u16 = 3;
const OPTIONS: u16 = 4;
const UPCALL_PID: u16 = 5;
const STATS: u16 = 6;
const PAD: u16 = 7;
const IFINDEX: u16 = 8;
const NETNSID: u16 = 9;
const UPCALL_STATS: u16 = 10;

/// Inside [`UPCALL_STATS`].
const UPCALL_SUCCESS: u16 = 0;
const UPCALL_FAIL: u16 = 1;

/// What a port has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct VportStats {
    /// Packets in.
    pub rx_packets: u64,
    /// Packets out.
    pub tx_packets: u64,
    /// Bytes in.
    pub rx_bytes: u64,
    /// Bytes out.
    pub tx_bytes: u64,
    /// Bad packets in.
    pub rx_errors: u64,
    /// Packets that could not go out.
    pub tx_errors: u64,
    /// Packets in for which there was no room.
    pub rx_dropped: u64,
    /// Packets out for which there was no room.
    pub tx_dropped: u64,
}

fn read_stats(bytes: &[u8]) -> Option<VportStats> {
    Some(VportStats {
        rx_packets: u64_at(bytes, 0)?,
        tx_packets: u64_at(bytes, 8)?,
        rx_bytes: u64_at(bytes, 16)?,
        tx_bytes: u64_at(bytes, 24)?,
        rx_errors: u64_at(bytes, 32)?,
        tx_errors: u64_at(bytes, 40)?,
        rx_dropped: u64_at(bytes, 48)?,
        tx_dropped: u64_at(bytes, 56)?,
    })
}

/// How many packets of a port went to user space. Since Linux 6.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct UpcallCount {
    /// Taken by a socket.
    pub success: u64,
    /// Taken by none.
    pub fail: u64,
}

fn read_upcalls(bytes: &[u8]) -> Option<UpcallCount> {
    let mut count = UpcallCount::default();
    for attribute in attributes(bytes) {
        let attribute = attribute.ok()?;
        match attribute.kind() {
            UPCALL_SUCCESS => count.success = u64_of(attribute.value)?,
            UPCALL_FAIL => count.fail = u64_of(attribute.value)?,
            _ => {}
        }
    }
    Some(count)
}

/// A port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vport {
    /// The datapath that it belongs to.
    pub datapath: DatapathId,
    /// Its number there.
    pub number: PortNo,
    /// Its name: of a netdev or internal port, its network device's.
    pub name: String,
    /// What it is.
    pub kind: VportKind,
    /// What a tunnel's port was told.
    pub options: VportOptions,
    /// The sockets for its upcalls; zero is none.
    pub upcall_pids: Vec<u32>,
    /// What it has counted.
    pub stats: VportStats,
    /// How many packets went to user space.
    pub upcalls: Option<UpcallCount>,
    /// Its network device's number.
    pub ifindex: Option<u32>,
    /// In which network namespace its network device is, if in another.
    pub namespace: Option<u32>,
    /// What nobody here knows.
    pub unknown: Vec<Raw>,
}

impl Vport {
    /// Reads a port.
    ///
    /// # Errors
    /// When the bytes are no attributes, or lack number, type or name. A type that nobody here knows is
    /// [`VportKind::Other`].
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let (datapath, rest) = super::split_datapath(body, "a port")?;
        let (mut number, mut kind, mut name) = (None, None, None);
        let mut vport = Self {
            datapath,
            number: PortNo::LOCAL,
            name: String::new(),
            kind: VportKind::Netdev,
            options: VportOptions::default(),
            upcall_pids: Vec::new(),
            stats: VportStats::default(),
            upcalls: None,
            ifindex: None,
            namespace: None,
            unknown: Vec::new(),
        };
        for attribute in attributes(rest) {
            let attribute = attribute?;
            let value = attribute.value;
            let known = match attribute.kind() {
                PORT_NO => u32_of(value).map(|found| number = Some(PortNo(found))),
                TYPE => u32_of(value).map(|found| kind = Some(VportKind::from_number(found))),
                NAME => keep(&mut name, Some(Some(text(value)))),
                OPTIONS => VportOptions::read(value).map(|options| vport.options = options),
                UPCALL_PID => pids(value).map(|pids| vport.upcall_pids = pids),
                STATS => read_stats(value).map(|stats| vport.stats = stats),
                UPCALL_STATS => read_upcalls(value).map(|count| vport.upcalls = Some(count)),
                IFINDEX => u32_of(value).map(|index| vport.ifindex = Some(index)),
                NETNSID => u32_of(value).map(|id| vport.namespace = Some(id)),
                PAD => Some(()),
                _ => None,
            };
            if known.is_none() {
                vport.unknown.push(attribute.to_raw());
            }
        }
        let missing = |attribute| DecodeError::Missing {
            what: "a port",
            attribute,
        };
        vport.number = number.ok_or_else(|| missing("OVS_VPORT_ATTR_PORT_NO"))?;
        vport.kind = kind.ok_or_else(|| missing("OVS_VPORT_ATTR_TYPE"))?;
        vport.name = name.ok_or_else(|| missing("OVS_VPORT_ATTR_NAME"))?;
        Ok(vport)
    }
}

/// A port to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVport {
    /// Its name: of a netdev port, the network device's. Fifteen bytes at most.
    pub name: String,
    /// What it is.
    pub kind: VportKind,
    /// What a tunnel's port is told.
    pub options: VportOptions,
    /// The number that it is to have; by default, a free one.
    pub number: Option<PortNo>,
    /// The sockets for its upcalls; by default none.
    pub upcall_pids: Vec<u32>,
}

impl NewVport {
    /// A port of any kind.
    #[must_use]
    pub fn new(kind: VportKind, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind,
            options: VportOptions::default(),
            number: None,
            upcall_pids: Vec::new(),
        }
    }

    /// A network device of the host.
    #[must_use]
    pub fn netdev(name: impl Into<String>) -> Self {
        Self::new(VportKind::Netdev, name)
    }

    /// A network device that the datapath makes.
    #[must_use]
    pub fn internal(name: impl Into<String>) -> Self {
        Self::new(VportKind::Internal, name)
    }

    /// GRE tunnels.
    #[must_use]
    pub fn gre(name: impl Into<String>) -> Self {
        Self::new(VportKind::Gre, name)
    }

    /// VXLAN tunnels over a UDP port, usually [`crate::VXLAN_PORT`].
    #[must_use]
    pub fn vxlan(name: impl Into<String>, port: u16) -> Self {
        let mut vport = Self::new(VportKind::Vxlan, name);
        vport.options.port = Some(port);
        vport
    }

    /// Geneve tunnels over a UDP port, usually [`crate::GENEVE_PORT`].
    #[must_use]
    pub fn geneve(name: impl Into<String>, port: u16) -> Self {
        let mut vport = Self::new(VportKind::Geneve, name);
        vport.options.port = Some(port);
        vport
    }

    /// VXLAN with a group policy in its header.
    #[must_use]
    pub const fn group_policy(mut self) -> Self {
        self.options.group_policy = true;
        self
    }

    /// A number of its own.
    #[must_use]
    pub const fn number(mut self, number: PortNo) -> Self {
        self.number = Some(number);
        self
    }

    /// Has it made; it comes back.
    #[must_use]
    pub fn create(&self, datapath: DatapathId) -> Request {
        let request = Request::new(Family::Vport, command::NEW, datapath.0, |writer| {
            if let Some(number) = self.number {
                writer.u32(PORT_NO, number.0);
            }
            writer.u32(TYPE, self.kind.number());
            writer.text(NAME, &self.name);
            let pids = match self.upcall_pids.as_slice() {
                [] => &[0],
                pids => pids,
            };
            write_pids(writer, UPCALL_PID, pids);
            if !self.options.is_empty() {
                writer.nested(OPTIONS, |writer| self.options.write(writer));
            }
        });
        request.echo()
    }
}

/// Which port is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VportRef<'a> {
    /// The one of a number, in a datapath.
    Number(DatapathId, PortNo),
    /// The one of a name, in any datapath.
    Name(&'a str),
}

impl<'a> From<&'a str> for VportRef<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name)
    }
}

impl From<(DatapathId, PortNo)> for VportRef<'_> {
    fn from((datapath, port): (DatapathId, PortNo)) -> Self {
        Self::Number(datapath, port)
    }
}

impl std::fmt::Display for VportRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(datapath, port) => write!(f, "port {port} of datapath {datapath}"),
            Self::Name(name) => write!(f, "port {name}"),
        }
    }
}

impl VportRef<'_> {
    fn request(&self, command: u8, more: impl FnOnce(&mut Writer)) -> Request {
        let datapath = match self {
            Self::Number(datapath, _) => datapath.0,
            Self::Name(_) => 0,
        };
        Request::new(Family::Vport, command, datapath, |writer| {
            match self {
                Self::Number(_, port) => writer.u32(PORT_NO, port.0),
                Self::Name(name) => writer.text(NAME, name),
            }
            more(writer);
        })
    }

    /// Asks for it.
    #[must_use]
    pub fn get(&self) -> Request {
        self.request(command::GET, |_| {})
    }

    /// Has it removed.
    #[must_use]
    pub fn delete(&self) -> Request {
        self.request(command::DEL, |_| {})
    }

    /// Has its upcalls sent to these sockets, or to none.
    #[must_use]
    pub fn set_upcall_pids(&self, pids: &[u32]) -> Request {
        let pids = if pids.is_empty() { &[0] } else { pids };
        self.request(command::SET, |writer| write_pids(writer, UPCALL_PID, pids))
    }

    /// Has a tunnel's port told something else, as far as its kind can change.
    #[must_use]
    pub fn set_options(&self, options: &VportOptions) -> Request {
        self.request(command::SET, |writer| {
            writer.nested(OPTIONS, |writer| options.write(writer));
        })
    }
}

/// Asks for all ports of a datapath.
pub(crate) fn list(datapath: DatapathId) -> Request {
    Request::new(Family::Vport, command::GET, datapath.0, |_| {}).dump()
}
