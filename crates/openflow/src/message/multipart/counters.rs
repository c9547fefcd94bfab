//! What flows have counted, one by one or in sum (OpenFlow 1.5, sections 7.2.4 and 7.3.5.4).

use crate::error::{Error, Result};
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// What a flow has counted. `None` where the switch does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlowCounters {
    /// For how long it has been there: seconds and nanoseconds.
    pub duration: Option<(u32, u32)>,
    /// For how long it has matched nothing: seconds and nanoseconds.
    pub idle: Option<(u32, u32)>,
    /// How many packets.
    pub packets: Option<u64>,
    /// How many bytes.
    pub bytes: Option<u64>,
}

const OXS_CLASS: u16 = 0x8002;
const OXS_DURATION: u8 = 0;
const OXS_IDLE: u8 = 1;
const OXS_FLOWS: u8 = 3;
const OXS_PACKETS: u8 = 4;
const OXS_BYTES: u8 = 5;

/// Goes through an OXS list with its padding (OpenFlow 1.5, section 7.2.4).
fn read_oxs(
    reader: &mut Reader<'_>,
    mut each: impl FnMut(u8, &mut Reader<'_>) -> Result<()>,
) -> Result<()> {
    reader.skip(2)?;
    let length = usize::from(reader.u16()?);
    let rest = length.checked_sub(4).ok_or(Error::BadLength {
        what: "statistics",
        length,
    })?;
    let mut body = reader.sub(rest)?;
    reader.skip_padding(length.next_multiple_of(8) - length);
    while !body.is_empty() {
        let class = body.u16()?;
        let field = body.u8()? >> 1;
        let bytes = usize::from(body.u8()?);
        let mut value = body.sub(bytes)?;
        if class == OXS_CLASS {
            each(field, &mut value)?;
        }
    }
    Ok(())
}

fn write_oxs(out: &mut Writer, entries: &[(u8, u8, Option<u64>)]) {
    let start = out.len();
    out.zeros(4);
    for (field, bytes, value) in entries {
        if let Some(value) = value {
            out.u16(OXS_CLASS);
            out.u8(field << 1);
            out.u8(*bytes);
            out.uint((*value).into(), usize::from(*bytes));
        }
    }
    out.patch_len(start + 2, start);
    out.pad8(start);
}

impl FlowCounters {
    /// Whether counters are just as they would be written.
    pub(super) fn are_plain(bytes: &[u8]) -> bool {
        let [_, _, high, low, rest @ ..] = bytes else {
            return false;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((list, padding)) = length
            .checked_sub(4)
            .and_then(|at| rest.split_at_checked(at))
        else {
            return false;
        };
        let mut last = None;
        let (entries, odd) = list.as_chunks::<12>();
        odd.is_empty()
            && bytes[..2] == [0; 2]
            && padding.iter().all(|byte| *byte == 0)
            && entries.iter().all(|[class, of, field, bytes, ..]| {
                let known = matches!(
                    *field >> 1,
                    OXS_DURATION | OXS_IDLE | OXS_PACKETS | OXS_BYTES
                );
                known
                    && [*class, *of, *bytes] == [0x80, 0x02, 8]
                    && field & 1 == 0
                    && last.replace(*field) < Some(*field)
            })
    }

    pub(in super::super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self::default();
        read_oxs(reader, |field, value| {
            match field {
                OXS_DURATION => out.duration = Some((value.u32()?, value.u32()?)),
                OXS_IDLE => out.idle = Some((value.u32()?, value.u32()?)),
                OXS_PACKETS => out.packets = Some(value.u64()?),
                OXS_BYTES => out.bytes = Some(value.u64()?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(out)
    }

    pub(in super::super) fn write(&self, out: &mut Writer) {
        let pair =
            |pair: Option<(u32, u32)>| pair.map(|(s, ns)| u64::from(s) << 32 | u64::from(ns));
        write_oxs(
            out,
            &[
                (OXS_DURATION, 8, pair(self.duration)),
                (OXS_IDLE, 8, pair(self.idle)),
                (OXS_PACKETS, 8, self.packets),
                (OXS_BYTES, 8, self.bytes),
            ],
        );
    }

    pub(super) fn set_counts(&mut self, packets: u64, bytes: u64) {
        let known = |count: u64| Some(count).filter(|count| *count != u64::MAX);
        (self.packets, self.bytes) = (known(packets), known(bytes));
    }

    pub(super) fn write_counts(&self, out: &mut Writer) {
        out.u64(self.packets.unwrap_or(u64::MAX));
        out.u64(self.bytes.unwrap_or(u64::MAX));
    }
}

/// What several flows have counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Aggregate {
    /// How many packets; `None` if the switch cannot say.
    pub packets: Option<u64>,
    /// How many bytes; `None` if the switch cannot say.
    pub bytes: Option<u64>,
    /// How many flows.
    pub flows: u32,
}

impl Aggregate {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self::default();
        let known = |count: u64| Some(count).filter(|count| *count != u64::MAX);
        if reader.version == Version::V15 {
            read_oxs(reader, |field, value| {
                match field {
                    OXS_FLOWS => out.flows = value.u32()?,
                    OXS_PACKETS => out.packets = known(value.u64()?),
                    OXS_BYTES => out.bytes = known(value.u64()?),
                    _ => {}
                }
                Ok(())
            })?;
            return Ok(out);
        }
        out.packets = known(reader.u64()?);
        out.bytes = known(reader.u64()?);
        out.flows = reader.u32()?;
        reader.skip(4)?;
        Ok(out)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        if out.version == Version::V15 {
            write_oxs(
                out,
                &[
                    (OXS_FLOWS, 4, Some(self.flows.into())),
                    (OXS_PACKETS, 8, self.packets),
                    (OXS_BYTES, 8, self.bytes),
                ],
            );
            return;
        }
        out.u64(self.packets.unwrap_or(u64::MAX));
        out.u64(self.bytes.unwrap_or(u64::MAX));
        out.u32(self.flows);
        out.zeros(4);
    }
}
