//! The ways in which a key's attribute holds its value. Reading gives nothing where the value is not what
//! it should be; the attribute is then kept as bytes.

use super::{Key, MplsEntry, Nsh, Tunnel, Vlan};
use crate::attribute::{MAX_DEPTH, Writer};
use crate::id::PortNo;
use crate::layout::{Layout, Value};

/// How an attribute holds a `T`.
pub(crate) trait Codec<T> {
    /// `depth` says how many keys this one stands in.
    fn read(bytes: &[u8], depth: usize) -> Option<T>;
    fn write(value: &T, writer: &mut Writer);
}

/// A number in the machine's byte order.
pub(crate) struct Native;
/// A number in network order, or a structure of them.
pub(crate) struct Network;
/// Attributes in an attribute.
pub(crate) struct Nested;

macro_rules! native {
    ($($number:ty)*) => {$(
        impl Codec<$number> for Native {
            fn read(bytes: &[u8], _depth: usize) -> Option<$number> {
                Some(<$number>::from_ne_bytes(bytes.try_into().ok()?))
            }

            fn write(value: &$number, writer: &mut Writer) {
                writer.bytes(&value.to_ne_bytes());
            }
        }
    )*};
}
native!(u16 u32 u64 u128);

impl Codec<PortNo> for Native {
    fn read(bytes: &[u8], depth: usize) -> Option<PortNo> {
        <Self as Codec<u32>>::read(bytes, depth).map(PortNo)
    }

    fn write(value: &PortNo, writer: &mut Writer) {
        <Self as Codec<u32>>::write(&value.0, writer);
    }
}

impl Codec<u16> for Network {
    fn read(bytes: &[u8], _depth: usize) -> Option<u16> {
        Value::read(bytes)
    }

    fn write(value: &u16, writer: &mut Writer) {
        writer.bytes(&value.to_be_bytes());
    }
}

impl Codec<Vlan> for Network {
    fn read(bytes: &[u8], _depth: usize) -> Option<Vlan> {
        Value::read(bytes).map(Vlan)
    }

    fn write(value: &Vlan, writer: &mut Writer) {
        writer.bytes(&value.0.to_be_bytes());
    }
}

impl<T: Layout> Codec<T> for Network {
    fn read(bytes: &[u8], _depth: usize) -> Option<T> {
        T::read(bytes)
    }

    fn write(value: &T, writer: &mut Writer) {
        let mut bytes = Vec::with_capacity(T::LEN);
        value.write(&mut bytes);
        writer.bytes(&bytes);
    }
}

/// A label stack: one entry or more.
impl Codec<Vec<MplsEntry>> for Network {
    fn read(bytes: &[u8], _depth: usize) -> Option<Vec<MplsEntry>> {
        let entries = bytes
            .chunks(4)
            .map(|entry| Value::read(entry).map(MplsEntry));
        let entries: Option<Vec<_>> = entries.collect();
        entries.filter(|entries| !entries.is_empty())
    }

    fn write(value: &Vec<MplsEntry>, writer: &mut Writer) {
        for entry in value {
            writer.bytes(&entry.0.to_be_bytes());
        }
    }
}

impl Codec<Key> for Nested {
    fn read(bytes: &[u8], depth: usize) -> Option<Key> {
        let deeper = depth + 1;
        if deeper > MAX_DEPTH {
            return None;
        }
        Key::read(bytes, deeper).ok()
    }

    fn write(value: &Key, writer: &mut Writer) {
        value.write(writer);
    }
}

impl Codec<Box<Tunnel>> for Nested {
    fn read(bytes: &[u8], _depth: usize) -> Option<Box<Tunnel>> {
        Tunnel::read(bytes).map(Box::new)
    }

    fn write(value: &Box<Tunnel>, writer: &mut Writer) {
        value.write(writer);
    }
}

impl Codec<Box<Nsh>> for Nested {
    fn read(bytes: &[u8], _depth: usize) -> Option<Box<Nsh>> {
        Nsh::read(bytes).map(Box::new)
    }

    fn write(value: &Box<Nsh>, writer: &mut Writer) {
        value.write(writer);
    }
}
