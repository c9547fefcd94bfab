//! Fixed layouts: the C structures that stand in attributes, each declared once.
//!
//! A declaration gives a structure's fields, how they lie in memory, and how the text names and writes
//! them, so that adding one is adding it in one place. Numbers in them are in network order.

use std::net::{Ipv4Addr, Ipv6Addr};

use packet::Mac;

/// A value of a fixed number of bytes, in network order.
pub(crate) trait Value: Copy + PartialEq {
    /// How many bytes it takes.
    const LEN: usize;
    /// As a mask: it does not count at all.
    const ZERO: Self;
    /// As a mask: every bit counts.
    const ONES: Self;

    /// From exactly [`Self::LEN`] bytes.
    fn read(bytes: &[u8]) -> Option<Self>;
    fn write(self, out: &mut Vec<u8>);
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Value for $number {
            const LEN: usize = size_of::<Self>();
            const ZERO: Self = 0;
            const ONES: Self = Self::MAX;

            fn read(bytes: &[u8]) -> Option<Self> {
                Some(Self::from_be_bytes(bytes.try_into().ok()?))
            }

            fn write(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
        }
    )*};
}
numbers!(u8 u16 u32 u64);

impl Value for Mac {
    const LEN: usize = 6;
    const ZERO: Self = Self::ZERO;
    const ONES: Self = Self::BROADCAST;

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl Value for Ipv4Addr {
    const LEN: usize = 4;
    const ZERO: Self = Self::UNSPECIFIED;
    const ONES: Self = Self::BROADCAST;

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self::from(<[u8; 4]>::try_from(bytes).ok()?))
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.octets());
    }
}

impl Value for Ipv6Addr {
    const LEN: usize = 16;
    const ZERO: Self = Self::UNSPECIFIED;
    const ONES: Self = Self::new(
        0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff,
    );

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self::from(<[u8; 16]>::try_from(bytes).ok()?))
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.octets());
    }
}

/// Takes the next value off the bytes.
pub(crate) fn take<T: Value>(bytes: &mut &[u8]) -> Option<T> {
    let (head, tail) = bytes.split_at_checked(T::LEN)?;
    *bytes = tail;
    T::read(head)
}

/// A structure of such values.
pub(crate) trait Layout: Copy + PartialEq + Default {
    /// How many bytes it takes, its padding included.
    const LEN: usize;

    /// From exactly [`Self::LEN`] bytes; padding is not looked at.
    fn read(bytes: &[u8]) -> Option<Self>;
    fn write(&self, out: &mut Vec<u8>);
}

/// Declares structures: `Name[length, "what it is"] { field: type "name in the text" style, ... }`.
macro_rules! layouts {
    ($($(#[$doc:meta])* $name:ident[$length:literal] {
        $($(#[$field_doc:meta])* $field:ident: $type:ty = $text:literal $style:ident,)*
    })*) => {$(
        $crate::layout::structure! {
            $(#[$doc])* $name[$length] { $($(#[$field_doc])* $field: $type,)* }
        }

        $crate::layout::written! {
            $name { $($field = $text $style,)* }
        }
    )*};
}
pub(crate) use layouts;

/// Declares a structure and how its fields lie in memory.
macro_rules! structure {
    ($(#[$doc:meta])* $name:ident[$length:literal] {
        $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $name {
            /// As a value: all zeros. As a mask: nothing counts.
            pub const ZERO: Self = Self { $($field: <$type as $crate::layout::Value>::ZERO,)* };
            /// As a mask: everything counts.
            pub const EXACT: Self = Self { $($field: <$type as $crate::layout::Value>::ONES,)* };
        }

        impl Default for $name {
            fn default() -> Self {
                Self::ZERO
            }
        }

        impl $crate::layout::Layout for $name {
            const LEN: usize = $length;

            fn read(bytes: &[u8]) -> Option<Self> {
                let mut rest = (bytes.len() == $length).then_some(bytes)?;
                Some(Self { $($field: $crate::layout::take(&mut rest)?,)* })
            }

            fn write(&self, out: &mut Vec<u8>) {
                let end = out.len() + $length;
                $($crate::layout::Value::write(self.$field, out);)*
                out.resize(end, 0);
            }
        }
    };
}
pub(crate) use structure;

/// Declares how the fields of a structure are written: in the order in which they stand here.
macro_rules! written {
    ($name:ident { $($field:ident = $text:literal $style:ident,)* }) => {
        impl $crate::text::Fields for $name {
            fn print(&self, mask: Option<&Self>, list: &mut $crate::text::List<'_>) {
                $(list.field($text, $crate::text::Style::$style, self.$field, mask.map(|mask| mask.$field));)*
            }

            fn parse(
                scanner: &mut $crate::text::Scanner<'_>,
                mask: &mut Self,
            ) -> Result<Self, $crate::text::ParseError> {
                let mut value = Self::ZERO;
                scanner.list(|scanner| {
                    $(if scanner.name($text) {
                        (value.$field, mask.$field) =
                            scanner.masked($crate::text::Style::$style)?;
                        return Ok(true);
                    })*
                    Ok(false)
                })?;
                Ok(value)
            }
        }
    };
}
pub(crate) use written;
