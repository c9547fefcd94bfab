//! A change of a group, and how a group looks in bytes (OpenFlow 1.5, section 7.3.4.3).

use super::Body;
use crate::action::{read_actions, write_actions};
use crate::error::{Error, Result};
use crate::field::{Entry, FieldValue, read_entry, write_header};
use crate::group::{Bucket, Group, GroupKind, SelectionMethod};
use crate::port::Port;
use crate::property::{Properties, put_property};
use crate::wire::{Put, Reader, fixed_name};

/// What to do with a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum GroupCommand {
    /// Add it; it must not exist.
    #[default]
    Add,
    /// Replace it; it must exist.
    Modify,
    /// Remove it, with the flows that use it.
    Delete,
    /// Add or replace it, as Open vSwitch allows.
    AddOrModify,
    /// Add buckets to it, at [`GroupMod::bucket`].
    InsertBucket,
    /// Remove a bucket of it.
    RemoveBucket,
}

/// A change of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMod {
    /// What to do.
    pub command: GroupCommand,
    /// The group.
    pub group: Group,
    /// For single buckets, which.
    pub bucket: u32,
}

impl GroupMod {
    /// The bucket number that means all of them.
    pub const ALL_BUCKETS: u32 = 0xffff_ffff;

    /// A change of a whole group.
    #[must_use]
    pub const fn new(command: GroupCommand, group: Group) -> Self {
        Self {
            command,
            group,
            bucket: Self::ALL_BUCKETS,
        }
    }

    /// Removes a group, or all with [`Group::ALL`].
    #[must_use]
    pub fn delete(id: u32) -> Self {
        Self::new(
            GroupCommand::Delete,
            Group {
                id,
                ..Group::default()
            },
        )
    }
}

impl Body for GroupMod {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let command = match reader.u16()? {
            0 => GroupCommand::Add,
            1 => GroupCommand::Modify,
            2 => GroupCommand::Delete,
            3 => GroupCommand::InsertBucket,
            5 => GroupCommand::RemoveBucket,
            0x8000 => GroupCommand::AddOrModify,
            other => {
                return Err(Error::BadValue {
                    what: "group command",
                    value: other.into(),
                });
            }
        };
        let kind = GroupKind::from_code(reader.u8()?);
        reader.skip(1)?;
        let id = reader.u32()?;
        let buckets = usize::from(reader.u16()?);
        reader.skip(2)?;
        let bucket = reader.u32()?;
        let buckets = read_buckets(&mut reader.sub(buckets)?)?;
        let selection = read_group_properties(reader)?;
        Ok(Self {
            command,
            group: Group {
                id,
                kind,
                buckets,
                selection,
            },
            bucket,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.u16(match self.command {
            GroupCommand::Add => 0,
            GroupCommand::Modify => 1,
            GroupCommand::Delete => 2,
            GroupCommand::InsertBucket => 3,
            GroupCommand::RemoveBucket => 5,
            GroupCommand::AddOrModify => 0x8000,
        });
        out.u8(self.group.kind.code());
        out.zeros(1);
        out.u32(self.group.id);
        let length_at = out.len();
        out.zeros(4);
        out.u32(self.bucket);
        let start = out.len();
        write_buckets(out, &self.group);
        out.patch_len(length_at, start);
        write_group_properties(out, &self.group);
    }
}

// The properties of a bucket.
const WEIGHT: u16 = 0;
const WATCH_PORT: u16 = 1;
const WATCH_GROUP: u16 = 2;

/// Reads buckets until the reader ends.
pub(super) fn read_buckets(reader: &mut Reader<'_>) -> Result<Vec<Bucket>> {
    let mut out = Vec::new();
    while !reader.is_empty() {
        let length = usize::from(reader.u16()?);
        let rest = length.checked_sub(2).ok_or(Error::BadLength {
            what: "bucket",
            length,
        })?;
        let mut body = reader.sub(rest)?;
        let actions = usize::from(body.u16()?);
        let mut bucket = Bucket {
            id: body.u32()?,
            ..Bucket::default()
        };
        bucket.actions = read_actions(&mut body.sub(actions)?)?;
        for property in Properties::new(&mut body) {
            let (kind, mut value) = property?;
            match kind {
                WEIGHT => bucket.weight = value.u16()?,
                WATCH_PORT => {
                    bucket.watch_port = Some(Port(value.u32()?)).filter(|p| *p != Port::ANY);
                }
                WATCH_GROUP => {
                    bucket.watch_group = Some(value.u32()?).filter(|g| *g != Group::ANY);
                }
                _ => {}
            }
        }
        out.push(bucket);
    }
    Ok(out)
}

pub(super) fn write_buckets(out: &mut Vec<u8>, group: &Group) {
    for bucket in &group.buckets {
        let start = out.len();
        out.zeros(4);
        out.u32(bucket.id);
        let actions = out.len();
        write_actions(out, &bucket.actions);
        out.patch_len(start + 2, actions);
        if group.kind == GroupKind::Select || bucket.weight != 0 {
            put_property(out, WEIGHT, |out| {
                out.u16(bucket.weight);
                out.zeros(2);
            });
        }
        if let Some(port) = bucket.watch_port {
            put_property(out, WATCH_PORT, |out| out.u32(port.0));
        }
        if let Some(group) = bucket.watch_group {
            put_property(out, WATCH_GROUP, |out| out.u32(group));
        }
        out.patch_len(start, start);
    }
}

const EXPERIMENTER: u16 = 0xffff;
/// Whose property the selection method is.
const NETRONOME: u32 = 0x0000_154d;
const SELECTION_METHOD: u32 = 1;
const METHOD_NAME: usize = 16;

/// Reads a group's properties until the reader ends.
pub(super) fn read_group_properties(reader: &mut Reader<'_>) -> Result<Option<SelectionMethod>> {
    let mut out = None;
    for property in Properties::new(reader) {
        let (kind, mut value) = property?;
        if kind == EXPERIMENTER && (value.u32()?, value.u32()?) == (NETRONOME, SELECTION_METHOD) {
            out = Some(read_selection(&mut value)?);
        }
    }
    Ok(out)
}

fn read_selection(value: &mut Reader<'_>) -> Result<SelectionMethod> {
    value.skip(4)?;
    let name = value.take(METHOD_NAME)?;
    // The last byte ends the name, whatever it is.
    let method = fixed_name(&name[..METHOD_NAME - 1]);
    let param = value.u64()?;
    let mut fields = Vec::new();
    while !value.is_empty() {
        // What stands at the place of a value is the mask of the bits that are hashed.
        if let Entry::Known(entry) = read_entry(value)? {
            fields.push((entry.field(), entry.value()));
        }
    }
    Ok(SelectionMethod {
        method,
        param,
        fields,
    })
}

pub(super) fn write_group_properties(out: &mut Vec<u8>, group: &Group) {
    let Some(selection) = &group.selection else {
        return;
    };
    put_property(out, EXPERIMENTER, |out| {
        out.u32(NETRONOME);
        out.u32(SELECTION_METHOD);
        out.zeros(4);
        // The name ends with a zero byte within its sixteen.
        let name = selection.method.as_bytes();
        let name = &name[..name.len().min(METHOD_NAME - 1)];
        out.bytes(name);
        out.zeros(METHOD_NAME - name.len());
        out.u64(selection.param);
        for (field, mask) in &selection.fields {
            let bytes = usize::from(field.info().bytes);
            write_header(out, *field, false, bytes);
            out.uint(FieldValue::exact(*field, *mask).value(), bytes);
        }
    });
}
