//! What ports have counted (OpenFlow 1.5, section 7.3.5.6).

use crate::error::{Error, Result};
use crate::port::Port;
use crate::property::{Properties, put_property};
use crate::version::Version;
use crate::wire::{Reader, Writer, fixed_name};

/// What a port has counted. `None` where the switch does not know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortStats {
    /// The port.
    pub port: Port,
    /// For how long it has been there: seconds and nanoseconds. OpenFlow 1.0 does not say it.
    pub duration: Option<(u32, u32)>,
    /// Packets received.
    pub rx_packets: Option<u64>,
    /// Packets sent.
    pub tx_packets: Option<u64>,
    /// Bytes received.
    pub rx_bytes: Option<u64>,
    /// Bytes sent.
    pub tx_bytes: Option<u64>,
    /// Packets dropped that had been received.
    pub rx_dropped: Option<u64>,
    /// Packets dropped that were to be sent.
    pub tx_dropped: Option<u64>,
    /// Errors of receiving.
    pub rx_errors: Option<u64>,
    /// Errors of sending.
    pub tx_errors: Option<u64>,
    /// Frames that were not aligned.
    pub rx_frame_errors: Option<u64>,
    /// Packets that came too fast.
    pub rx_over_errors: Option<u64>,
    /// Packets whose checksum was wrong.
    pub rx_crc_errors: Option<u64>,
    /// Collisions.
    pub collisions: Option<u64>,
    /// Counters in Open vSwitch's own property (OpenFlow 1.4 and later) and any other property that is
    /// not understood: type and value.
    pub other: Vec<(u16, Box<[u8]>)>,
}

const ETHERNET: u16 = 0;
const EXPERIMENTER: u16 = 0xffff;
/// The experimenter of the counters below, and the type of their property.
const INTEL: u32 = 0x0000_aa01;
const RFC2819: u32 = 1;
const CUSTOM: u32 = 2;

fn count(reader: &mut Reader<'_>) -> Result<Option<u64>> {
    Ok(Some(reader.u64()?).filter(|count| *count != u64::MAX))
}

fn put(out: &mut Writer, counts: &[Option<u64>]) {
    counts
        .iter()
        .for_each(|count| out.u64(count.unwrap_or(u64::MAX)));
}

impl PortStats {
    /// The names of the counters of [`PortStats::rfc2819`], as `ovs-ofctl` writes them.
    pub const RFC2819: [&str; 21] = [
        "rx_1_to_64_packets",
        "rx_65_to_127_packets",
        "rx_128_to_255_packets",
        "rx_256_to_511_packets",
        "rx_512_to_1023_packets",
        "rx_1024_to_1522_packets",
        "rx_1523_to_max_packets",
        "tx_1_to_64_packets",
        "tx_65_to_127_packets",
        "tx_128_to_255_packets",
        "tx_256_to_511_packets",
        "tx_512_to_1023_packets",
        "tx_1024_to_1522_packets",
        "tx_1523_to_max_packets",
        "tx_multicast_packets",
        "rx_broadcast_packets",
        "tx_broadcast_packets",
        "rx_undersized_errors",
        "rx_oversize_errors",
        "rx_fragmented_errors",
        "rx_jabber_errors",
    ];

    /// The counters of RFC 2819 that a switch with such ports adds, in the order of
    /// [`PortStats::RFC2819`]. None where it does not.
    #[must_use]
    pub fn rfc2819(&self) -> Vec<Option<u64>> {
        for (kind, value) in &self.other {
            let mut reader = Reader::new(value);
            if *kind != EXPERIMENTER || (reader.u32(), reader.u32()) != (Ok(INTEL), Ok(RFC2819)) {
                continue;
            }
            if reader.skip(4).is_err() {
                continue;
            }
            let mut out = Vec::new();
            while let Ok(value) = count(&mut reader) {
                out.push(value);
            }
            out.truncate(Self::RFC2819.len());
            return out;
        }
        Vec::new()
    }

    /// Counters that a switch names itself.
    #[must_use]
    pub fn custom(&self) -> Vec<(String, u64)> {
        let mut out = Vec::new();
        for (kind, value) in &self.other {
            let mut reader = Reader::new(value);
            if *kind != EXPERIMENTER || (reader.u32(), reader.u32()) != (Ok(INTEL), Ok(CUSTOM)) {
                continue;
            }
            let header = reader.skip(2).and_then(|()| reader.u16());
            for _ in 0..header.unwrap_or(0) {
                let mut one = || {
                    let length = usize::from(reader.u8()?);
                    let name = fixed_name(reader.take(length)?);
                    Ok::<_, Error>((name, reader.u64()?))
                };
                match one() {
                    Ok(counter) => out.push(counter),
                    Err(_) => break,
                }
            }
        }
        out
    }

    pub(super) fn read_all(reader: &mut Reader<'_>) -> Result<Vec<Self>> {
        let mut out = Vec::new();
        while !reader.is_empty() {
            out.push(match reader.version {
                Version::V10 => {
                    let mut one = Self {
                        port: Port::from_u16(reader.u16()?),
                        ..Self::default()
                    };
                    reader.skip(6)?;
                    one.read_common(reader)?;
                    one.read_ethernet(reader)?;
                    one
                }
                Version::V13 => {
                    let mut one = Self {
                        port: Port(reader.u32()?),
                        ..Self::default()
                    };
                    reader.skip(4)?;
                    one.read_common(reader)?;
                    one.read_ethernet(reader)?;
                    one.read_duration(reader)?;
                    one
                }
                Version::V14 | Version::V15 => Self::read_sized(reader)?,
            });
        }
        Ok(out)
    }

    fn read_sized(reader: &mut Reader<'_>) -> Result<Self> {
        let length = usize::from(reader.u16()?);
        let rest = length.checked_sub(2).ok_or(Error::BadLength {
            what: "port statistics",
            length,
        })?;
        let mut body = reader.sub(rest)?;
        body.skip(2)?;
        let mut out = Self {
            port: Port(body.u32()?),
            ..Self::default()
        };
        out.read_duration(&mut body)?;
        out.read_common(&mut body)?;
        for property in Properties::new(&mut body) {
            let (kind, mut value) = property?;
            if kind == ETHERNET && value.len() == 36 {
                value.skip(4)?;
                out.read_ethernet(&mut value)?;
            } else {
                out.other.push((kind, value.rest().into()));
            }
        }
        Ok(out)
    }

    fn read_duration(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let duration = (reader.u32()?, reader.u32()?);
        self.duration = Some(duration).filter(|d| *d != (u32::MAX, u32::MAX));
        Ok(())
    }

    fn read_common(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        self.rx_packets = count(reader)?;
        self.tx_packets = count(reader)?;
        self.rx_bytes = count(reader)?;
        self.tx_bytes = count(reader)?;
        self.rx_dropped = count(reader)?;
        self.tx_dropped = count(reader)?;
        self.rx_errors = count(reader)?;
        self.tx_errors = count(reader)?;
        Ok(())
    }

    fn read_ethernet(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        self.rx_frame_errors = count(reader)?;
        self.rx_over_errors = count(reader)?;
        self.rx_crc_errors = count(reader)?;
        self.collisions = count(reader)?;
        Ok(())
    }

    pub(super) fn write(&self, out: &mut Writer) {
        let start = out.len();
        let (seconds, nanoseconds) = self.duration.unwrap_or((u32::MAX, u32::MAX));
        let common = [
            self.rx_packets,
            self.tx_packets,
            self.rx_bytes,
            self.tx_bytes,
            self.rx_dropped,
            self.tx_dropped,
            self.rx_errors,
            self.tx_errors,
        ];
        let ethernet = [
            self.rx_frame_errors,
            self.rx_over_errors,
            self.rx_crc_errors,
            self.collisions,
        ];
        match out.version {
            Version::V10 => {
                out.port16(self.port);
                out.zeros(6);
                put(out, &common);
                put(out, &ethernet);
            }
            Version::V13 => {
                out.u32(self.port.0);
                out.zeros(4);
                put(out, &common);
                put(out, &ethernet);
                out.u32(seconds);
                out.u32(nanoseconds);
            }
            Version::V14 | Version::V15 => {
                out.zeros(4);
                out.u32(self.port.0);
                out.u32(seconds);
                out.u32(nanoseconds);
                put(out, &common);
                put_property(out, ETHERNET, |out| {
                    out.zeros(4);
                    put(out, &ethernet);
                });
                for (kind, value) in &self.other {
                    put_property(out, *kind, |out| out.bytes(value));
                }
                out.patch_len(start, start);
            }
        }
    }
}
