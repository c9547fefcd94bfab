//! A change of a group, and how a group looks in bytes (OpenFlow 1.5, section 7.3.4.3).

use super::Body;
use crate::action::{read_actions, write_actions};
use crate::error::{Error, Result};
use crate::field::{Entry, FieldValue, read_entry, write_header};
use crate::group::{Bucket, Group, GroupKind, SelectionMethod};
use crate::port::Port;
use crate::property::{Properties, put_property};
use crate::version::Version;
use crate::wire::{Reader, Writer, fixed_name};

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

impl Group {
    /// What the group does, without its number, in the bytes of OpenFlow 1.5: the same for the same groups in
    /// every build and on every machine, so that a number can be made of it.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        let mut out = Writer::new(Version::V15);
        out.u8(self.kind.code());
        write_buckets(&mut out, self);
        write_group_properties(&mut out, self);
        out.into_bytes()
    }
}

impl GroupCommand {
    fn from_code(code: u16) -> Option<Self> {
        Some(match code {
            0 => Self::Add,
            1 => Self::Modify,
            2 => Self::Delete,
            3 => Self::InsertBucket,
            5 => Self::RemoveBucket,
            0x8000 => Self::AddOrModify,
            _ => return None,
        })
    }

    const fn code(self) -> u16 {
        match self {
            Self::Add => 0,
            Self::Modify => 1,
            Self::Delete => 2,
            Self::InsertBucket => 3,
            Self::RemoveBucket => 5,
            Self::AddOrModify => 0x8000,
        }
    }
}

/// Whether groups have the form of OpenFlow 1.1 to 1.4. Nicira's form for 1.0 is that of 1.5.
pub(super) const fn is_old(version: Version) -> bool {
    matches!(version, Version::V13 | Version::V14)
}

impl Body for GroupMod {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let code = reader.u16()?;
        let command = GroupCommand::from_code(code).ok_or_else(|| Error::BadValue {
            what: "group command",
            value: code.into(),
        })?;
        let kind = GroupKind::from_code(reader.u8()?);
        reader.skip(1)?;
        let id = reader.u32()?;
        let mut group = Group {
            id,
            kind,
            ..Group::default()
        };
        let mut bucket = Self::ALL_BUCKETS;
        if is_old(reader.version) {
            group.buckets = read_old_buckets(reader)?;
        } else {
            let buckets = usize::from(reader.u16()?);
            reader.skip(2)?;
            bucket = reader.u32()?;
            group.buckets = read_buckets(&mut reader.sub(buckets)?)?;
            read_group_properties(reader, &mut group)?;
        }
        Ok(Self {
            command,
            group,
            bucket,
        })
    }

    fn write(&self, out: &mut Writer) {
        out.u16(self.command.code());
        out.u8(self.group.kind.code());
        out.zeros(1);
        out.u32(self.group.id);
        if is_old(out.version) {
            match self.command {
                GroupCommand::InsertBucket => out.unsayable("insert_bucket"),
                GroupCommand::RemoveBucket => out.unsayable("remove_bucket"),
                _ => {}
            }
            write_old_buckets(out, &self.group);
            return;
        }
        let length_at = out.len();
        out.zeros(4);
        out.u32(self.bucket);
        let start = out.len();
        write_buckets(out, &self.group);
        out.patch_len(length_at, start);
        write_group_properties(out, &self.group);
    }
}

/// Reads buckets in the form of OpenFlow 1.1 to 1.4 until the reader ends.
pub(super) fn read_old_buckets(reader: &mut Reader<'_>) -> Result<Vec<Bucket>> {
    let mut out = Vec::new();
    while !reader.is_empty() {
        let length = usize::from(reader.u16()?);
        let rest = length.checked_sub(2).ok_or(Error::BadLength {
            what: "bucket",
            length,
        })?;
        let mut body = reader.sub(rest)?;
        let mut bucket = Bucket {
            id: out.len() as u32,
            weight: body.u16()?,
            watch_port: Some(Port(body.u32()?)).filter(|port| *port != Port::ANY),
            watch_group: Some(body.u32()?).filter(|group| *group != Group::ANY),
            ..Bucket::default()
        };
        body.skip(4)?;
        bucket.actions = read_actions(&mut body)?;
        out.push(bucket);
    }
    Ok(out)
}

/// Writes a group's buckets in that form.
pub(super) fn write_old_buckets(out: &mut Writer, group: &Group) {
    for bucket in &group.buckets {
        let start = out.len();
        out.u16(0);
        out.u16(bucket.weight);
        out.u32(bucket.watch_port.unwrap_or(Port::ANY).0);
        out.u32(bucket.watch_group.unwrap_or(Group::ANY));
        out.zeros(4);
        write_actions(out, &bucket.actions);
        out.patch_len(start, start);
        if !bucket.other.is_empty() {
            out.unsayable("a bucket's property");
        }
    }
    if group.selection.is_some() {
        out.unsayable("selection_method");
    }
    if !group.other.is_empty() {
        out.unsayable("a group's property");
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
                _ => bucket.other.push((kind, value.rest().into())),
            }
        }
        out.push(bucket);
    }
    Ok(out)
}

pub(super) fn write_buckets(out: &mut Writer, group: &Group) {
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
        for (kind, value) in &bucket.other {
            put_property(out, *kind, |out| out.bytes(value));
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
pub(super) fn read_group_properties(reader: &mut Reader<'_>, group: &mut Group) -> Result<()> {
    for property in Properties::new(reader) {
        let (kind, mut value) = property?;
        let whole = value;
        let ours = kind == EXPERIMENTER
            && group.selection.is_none()
            && (value.u32()?, value.u32()?) == (NETRONOME, SELECTION_METHOD);
        if ours {
            group.selection = Some(read_selection(&mut value)?);
        } else {
            group.other.push((kind, whole.rest().into()));
        }
    }
    Ok(())
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

pub(super) fn write_group_properties(out: &mut Writer, group: &Group) {
    if let Some(selection) = &group.selection {
        put_property(out, EXPERIMENTER, |out| write_selection(out, selection));
    }
    for (kind, value) in &group.other {
        put_property(out, *kind, |out| out.bytes(value));
    }
}

fn write_selection(out: &mut Writer, selection: &SelectionMethod) {
    out.u32(NETRONOME);
    out.u32(SELECTION_METHOD);
    out.zeros(4);
    // The name ends with a zero byte within its sixteen.
    out.name(&selection.method, METHOD_NAME - 1);
    out.zeros(1);
    out.u64(selection.param);
    for (field, mask) in &selection.fields {
        let bytes = usize::from(field.info().bytes);
        write_header(out, *field, false, bytes);
        out.uint(FieldValue::exact(*field, *mask).value(), bytes);
    }
}
