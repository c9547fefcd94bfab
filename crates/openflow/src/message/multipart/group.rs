//! Groups: what they are, have counted and can be (OpenFlow 1.5, sections 7.3.5.10 to 7.3.5.12).

use crate::error::{Error, Result};
use crate::group::{Group, GroupKind};
use crate::message::group_mod::{
    is_old, read_buckets, read_group_properties, read_old_buckets, write_buckets,
    write_group_properties, write_old_buckets,
};
use crate::version::Version;
use crate::wire::{Reader, Writer};

pub(super) fn read_group(reader: &mut Reader<'_>) -> Result<Group> {
    let kind = GroupKind::from_code(reader.u8()?);
    reader.skip(1)?;
    let mut group = Group {
        id: reader.u32()?,
        kind,
        ..Group::default()
    };
    if is_old(reader.version) {
        group.buckets = read_old_buckets(reader)?;
        return Ok(group);
    }
    let buckets = usize::from(reader.u16()?);
    reader.skip(6)?;
    group.buckets = read_buckets(&mut reader.sub(buckets)?)?;
    read_group_properties(reader, &mut group)?;
    Ok(group)
}

pub(super) fn write_group(out: &mut Writer, group: &Group) {
    out.u8(group.kind.code());
    out.zeros(1);
    out.u32(group.id);
    if is_old(out.version) {
        return write_old_buckets(out, group);
    }
    let length_at = out.len();
    out.zeros(8);
    let start = out.len();
    write_buckets(out, group);
    out.patch_len(length_at, start);
    write_group_properties(out, group);
}

/// What a group has counted. `None` where the switch does not know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupStats {
    /// The group.
    pub id: u32,
    /// How many flows and groups use it.
    pub references: u32,
    /// How many packets.
    pub packets: Option<u64>,
    /// How many bytes.
    pub bytes: Option<u64>,
    /// For how long it has been there: seconds and nanoseconds.
    pub duration: Option<(u32, u32)>,
    /// Packets and bytes of each bucket.
    pub buckets: Vec<(Option<u64>, Option<u64>)>,
}

fn count(reader: &mut Reader<'_>) -> Result<Option<u64>> {
    Ok(Some(reader.u64()?).filter(|count| *count != u64::MAX))
}

impl GroupStats {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        reader.skip(2)?;
        let mut out = Self {
            id: reader.u32()?,
            references: reader.u32()?,
            ..Self::default()
        };
        reader.skip(4)?;
        out.packets = count(reader)?;
        out.bytes = count(reader)?;
        if reader.version != Version::V10 {
            out.duration = Some((reader.u32()?, reader.u32()?));
        }
        while !reader.is_empty() {
            out.buckets.push((count(reader)?, count(reader)?));
        }
        Ok(out)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.zeros(2);
        out.u32(self.id);
        out.u32(self.references);
        out.zeros(4);
        out.u64(self.packets.unwrap_or(u64::MAX));
        out.u64(self.bytes.unwrap_or(u64::MAX));
        if out.version != Version::V10 {
            let (seconds, nanoseconds) = self.duration.unwrap_or_default();
            out.u32(seconds);
            out.u32(nanoseconds);
        }
        for (packets, bytes) in &self.buckets {
            out.u64(packets.unwrap_or(u64::MAX));
            out.u64(bytes.unwrap_or(u64::MAX));
        }
    }
}

/// What groups can be; the arrays are in the order all, select, indirect, fast failover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupFeatures {
    /// The kinds that exist, a bit each.
    pub kinds: u32,
    /// 1 weights, 2 liveness, 4 groups in groups, 8 loops are found.
    pub capabilities: u32,
    /// How many groups of each kind.
    pub max_groups: [u32; 4],
    /// Which actions in each kind, a bit for each type.
    pub actions: [u32; 4],
}

impl GroupFeatures {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self {
            kinds: reader.u32()?,
            capabilities: reader.u32()?,
            ..Self::default()
        };
        for number in out.max_groups.iter_mut().chain(&mut out.actions) {
            *number = reader.u32()?;
        }
        match reader.is_empty() {
            true => Ok(out),
            false => Err(Error::BadLength {
                what: "group features",
                length: reader.len(),
            }),
        }
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.u32(self.kinds);
        out.u32(self.capabilities);
        for number in self.max_groups.iter().chain(&self.actions) {
            out.u32(*number);
        }
    }
}
