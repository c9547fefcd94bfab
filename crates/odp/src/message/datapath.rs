//! Datapaths.

use super::{Family, Request, command, pids, u32_at, u32_of, u64_at, write_pids};
use crate::attribute::{DecodeError, Raw, Writer, attributes, text};
use crate::id::DatapathId;

const NAME: u16 = 1;
const UPCALL_PID: u16 = 2;
const STATS: u16 = 3;
const MEGAFLOW_STATS: u16 = 4;
const USER_FEATURES: u16 = 5;
const PAD: u16 = 6;
const MASKS_CACHE_SIZE: u16 = 7;
const PER_CPU_PIDS: u16 = 8;
const IFINDEX: u16 = 9;

/// What user space says that it can do (`OVS_DP_F_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Features(pub u32);

impl Features {
    /// The last attribute of a message may be without padding.
    pub const UNALIGNED: Self = Self(1);
    /// A port may have several sockets for its upcalls.
    pub const VPORT_PIDS: Self = Self(1 << 1);
    /// Recirculation numbers are shared with traffic control. Since Linux 5.4.
    pub const TC_RECIRC_SHARING: Self = Self(1 << 2);
    /// The datapath has a socket for upcalls for each CPU. Since Linux 5.15.
    pub const PER_CPU_UPCALLS: Self = Self(1 << 3);

    /// These and those.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These without those.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// True if all of those are in these.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What a datapath has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct DatapathStats {
    /// Packets for which there was a flow.
    pub hit: u64,
    /// Packets for which there was none.
    pub missed: u64,
    /// Those of them that no socket took.
    pub lost: u64,
    /// How many flows there are.
    pub flows: u64,
}

/// What a datapath has counted about masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MegaflowStats {
    /// Masks that were tried for packets.
    pub mask_hit: u64,
    /// How many masks there are.
    pub masks: u32,
    /// Packets whose mask the cache knew. Since Linux 5.9.
    pub cache_hit: Option<u64>,
}

/// A datapath.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Datapath {
    /// Its number.
    pub id: DatapathId,
    /// Its name, and that of its local port's network device.
    pub name: String,
    /// What it has counted.
    pub stats: DatapathStats,
    /// What it has counted about masks.
    pub megaflow: Option<MegaflowStats>,
    /// What user space has said that it can do.
    pub features: Features,
    /// How many masks the cache of each CPU remembers. Since Linux 5.9.
    pub masks_cache_size: Option<u32>,
    /// With dispatch per CPU, the socket of each.
    pub per_cpu_pids: Vec<u32>,
    /// What nobody here knows.
    pub unknown: Vec<Raw>,
}

impl Datapath {
    /// Reads a datapath.
    ///
    /// # Errors
    /// When the bytes are no attributes, or have no name.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let (id, rest) = super::split_datapath(body, "a datapath")?;
        let mut datapath = Self {
            id,
            ..Self::default()
        };
        let mut named = false;
        for attribute in attributes(rest) {
            let attribute = attribute?;
            let value = attribute.value;
            let known = match attribute.kind() {
                NAME => {
                    datapath.name = text(value);
                    named = true;
                    Some(())
                }
                STATS => read_stats(value).map(|stats| datapath.stats = stats),
                MEGAFLOW_STATS => read_megaflow(value).map(|stats| datapath.megaflow = Some(stats)),
                USER_FEATURES => u32_of(value).map(|bits| datapath.features = Features(bits)),
                MASKS_CACHE_SIZE => {
                    u32_of(value).map(|size| datapath.masks_cache_size = Some(size))
                }
                PER_CPU_PIDS => pids(value).map(|pids| datapath.per_cpu_pids = pids),
                PAD => Some(()),
                _ => None,
            };
            if known.is_none() {
                datapath.unknown.push(attribute.to_raw());
            }
        }
        match named {
            true => Ok(datapath),
            false => Err(DecodeError::Missing {
                what: "a datapath",
                attribute: "OVS_DP_ATTR_NAME",
            }),
        }
    }
}

fn read_stats(bytes: &[u8]) -> Option<DatapathStats> {
    Some(DatapathStats {
        hit: u64_at(bytes, 0)?,
        missed: u64_at(bytes, 8)?,
        lost: u64_at(bytes, 16)?,
        flows: u64_at(bytes, 24)?,
    })
}

fn read_megaflow(bytes: &[u8]) -> Option<MegaflowStats> {
    Some(MegaflowStats {
        mask_hit: u64_at(bytes, 0)?,
        masks: u32_at(bytes, 8)?,
        cache_hit: u64_at(bytes, 16),
    })
}

/// Which datapath is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatapathRef<'a> {
    /// The one of a number.
    Id(DatapathId),
    /// The one of a name.
    Name(&'a str),
}

impl From<DatapathId> for DatapathRef<'_> {
    fn from(id: DatapathId) -> Self {
        Self::Id(id)
    }
}

impl<'a> From<&'a str> for DatapathRef<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name)
    }
}

impl std::fmt::Display for DatapathRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => write!(f, "datapath {id}"),
            Self::Name(name) => write!(f, "datapath {name}"),
        }
    }
}

impl DatapathRef<'_> {
    const fn number(&self) -> u32 {
        match self {
            Self::Id(id) => id.0,
            Self::Name(_) => 0,
        }
    }

    fn write(&self, writer: &mut Writer) {
        if let Self::Name(name) = self {
            writer.text(NAME, name);
        }
    }

    /// Asks for it.
    #[must_use]
    pub fn get(&self) -> Request {
        Request::new(Family::Datapath, command::GET, self.number(), |writer| {
            self.write(writer);
        })
    }

    /// Has it removed.
    #[must_use]
    pub fn delete(&self) -> Request {
        Request::new(Family::Datapath, command::DEL, self.number(), |writer| {
            self.write(writer);
        })
    }
}

/// A datapath to be made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewDatapath {
    /// Its name: that of the network device of its local port. Fifteen bytes at most.
    pub name: String,
    /// What user space can do.
    pub features: Features,
    /// The socket for upcalls of the local port; zero for none.
    pub upcall_pid: u32,
    /// The number that the local port's network device gets. Since Linux 6.1.
    pub ifindex: Option<u32>,
}

impl NewDatapath {
    /// One of a name, with the features that every reader of this crate has.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            features: Features::UNALIGNED.with(Features::VPORT_PIDS),
            upcall_pid: 0,
            ifindex: None,
        }
    }

    /// Has it made; it comes back.
    #[must_use]
    pub fn create(&self) -> Request {
        let request = Request::new(Family::Datapath, command::NEW, 0, |writer| {
            writer.text(NAME, &self.name);
            writer.u32(UPCALL_PID, self.upcall_pid);
            writer.u32(USER_FEATURES, self.features.0);
            if let Some(index) = self.ifindex {
                writer.u32(IFINDEX, index);
            }
        });
        request.echo()
    }
}

/// What to change of a datapath.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SetDatapath {
    /// What user space can do.
    pub features: Option<Features>,
    /// The socket for the upcalls of each CPU; with [`Features::PER_CPU_UPCALLS`].
    pub per_cpu_pids: Option<Vec<u32>>,
    /// How many masks the cache of each CPU remembers: zero, or a power of two.
    pub masks_cache_size: Option<u32>,
}

impl SetDatapath {
    /// Has it changed; it comes back.
    #[must_use]
    pub fn set(&self, datapath: DatapathRef<'_>) -> Request {
        let request = Request::new(
            Family::Datapath,
            command::SET,
            datapath.number(),
            |writer| {
                datapath.write(writer);
                if let Some(features) = self.features {
                    writer.u32(USER_FEATURES, features.0);
                }
                if let Some(pids) = &self.per_cpu_pids {
                    write_pids(writer, PER_CPU_PIDS, pids);
                }
                if let Some(size) = self.masks_cache_size {
                    writer.u32(MASKS_CACHE_SIZE, size);
                }
            },
        );
        request.echo()
    }
}

/// Asks for all datapaths.
pub(crate) fn list() -> Request {
    Request::new(Family::Datapath, command::GET, 0, |_| {}).dump()
}
