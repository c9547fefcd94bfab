//! The text language of `ovs-ofctl`: how fields, matches, actions, flows and groups are written.
//!
//! The aim is the very text that `ovs-ofctl --no-names dump-flows` prints, so that the two can be
//! compared line by line.

mod action;
mod flow;
mod large;
mod matching;
mod parse;
mod small;

pub(crate) use flow::FlowText;
pub use parse::{FlowSpec, ParseError, Parser, PortNames};

use std::cell::Cell;
use std::fmt;
use std::net::Ipv6Addr;

use action::ActionList;
use flow::BucketOf;
use small::{Bytes, Dec, Ethernet, Hex, Ip, List};

use crate::action::{
    Controller, Ct, Encap, EncapProperty, HashFields, Learn, LearnSpec, Multipath, Nat,
    Observation, Sample,
};
use crate::field::{Field, FieldValue, Format, Subfield, ones};
use crate::group::{Bucket, Group};
use crate::message::Meter;
use crate::message::multipart::FlowDesc;
use crate::port::Port;
use crate::{Action, Actions, Flow, FlowKey, Match};

/// What has a text. It is put behind what is there, without going through the machinery of formats.
pub(crate) trait Say {
    fn say(&self, out: &mut String);
}

/// Puts something formatted behind a text.
macro_rules! put {
    ($out:expr, $($format:tt)*) => {{
        // A text takes everything.
        let _ = std::fmt::Write::write_fmt($out, format_args!($($format)*));
    }};
}
use put;

thread_local! {
    /// Memory for [`show`].
    static SCRATCH: Cell<String> = const { Cell::new(String::new()) };
}

/// Beyond this, scratch memory is given back.
const KEEP: usize = 1 << 16;

/// Gives a text to a formatter as a whole.
fn show(what: &(impl Say + ?Sized), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut out = SCRATCH.take();
    out.clear();
    what.say(&mut out);
    let done = f.write_str(&out);
    if out.capacity() <= KEEP {
        SCRATCH.set(out);
    }
    done
}

macro_rules! shown {
    ($($type:ty)*) => {
        $(impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                show(self, f)
            }
        })*
    };
}

shown! {
    crate::action::Bundle Controller Ct Encap EncapProperty HashFields Learn LearnSpec Multipath Nat Observation Sample
    ActionList<'_> BucketOf<'_>
    Action Actions Bucket Bytes<'_> Dec Ethernet Field FieldValue Flow FlowDesc FlowKey FlowText<'_> Group Hex Ip Match Meter
    Subfield Value<'_>
}

impl Say for str {
    fn say(&self, out: &mut String) {
        out.push_str(self);
    }
}

impl Say for fmt::Arguments<'_> {
    fn say(&self, out: &mut String) {
        put!(out, "{self}");
    }
}

impl<T: Say + ?Sized> Say for &T {
    fn say(&self, out: &mut String) {
        (**self).say(out);
    }
}

impl Say for Port {
    fn say(&self, out: &mut String) {
        match self.reserved_name() {
            Some(name) => out.push_str(name),
            None => Dec(self.0.into()).say(out),
        }
    }
}

/// Parts with commas between them, as they are written.
pub(crate) struct Parts<'a> {
    out: &'a mut String,
    any: bool,
}

impl<'a> Parts<'a> {
    pub(crate) const fn new(out: &'a mut String) -> Self {
        Self { out, any: false }
    }

    pub(crate) fn push(&mut self, part: impl Say) {
        part.say(self.begin());
    }

    /// A part with a name, `=` included.
    pub(crate) fn named(&mut self, name: &str, value: impl Say) {
        let out = self.begin();
        out.push_str(name);
        value.say(out);
    }

    /// Where the next part is to be written.
    fn begin(&mut self) -> &mut String {
        if self.any {
            self.out.push(',');
        }
        self.any = true;
        self.out
    }

    /// Whether there is any part.
    pub(crate) const fn any(&self) -> bool {
        self.any
    }
}

pub(crate) const CT_STATE: &[&str] = &["new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"];
const TCP_FLAGS: &[&str] = &[
    "fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns", "[200]", "[400]", "[800]",
];
/// More flags exist than a controller sees, so that never all of them count.
const TUN_FLAGS: &[&str] = &["oam", "[2]"];

/// Flags: `+set-unset` where only some count, `set|set` where all do.
fn flags(out: &mut String, names: &[&str], value: u128, mask: u128) {
    let all = ones(u32::try_from(names.len()).unwrap_or(u32::MAX));
    if mask & all == all && value & mask == 0 {
        return out.push('0');
    }
    if mask & all == all {
        let set: Vec<_> = names
            .iter()
            .zip(0..)
            .filter(|(_, bit)| value >> bit & 1 != 0)
            .collect();
        for (n, (name, _)) in set.iter().enumerate() {
            put!(out, "{}{name}", if n == 0 { "" } else { "|" });
        }
        return;
    }
    let mut rest = mask;
    while rest != 0 {
        let bit = rest.trailing_zeros() as usize;
        rest &= rest - 1;
        out.push(if value >> bit & 1 != 0 { '+' } else { '-' });
        match names.get(bit) {
            Some(name) => out.push_str(name),
            None => put!(out, "{:#x}", 1u128 << bit),
        }
    }
}

/// The highest `count` of `width` bits.
fn ones_at(count: u32, width: u32) -> Option<u128> {
    Some(ones(width) & !ones(width.checked_sub(count)?))
}

/// The length of a prefix mask of `width` bits.
fn prefix(mask: u128, width: u32) -> Option<u32> {
    let ones = (mask << (128 - width)).leading_ones();
    // No bits at all is a prefix too, and no shift of 128 bits is one.
    let prefix = ones_at(ones, width)?;
    (mask == prefix).then_some(ones)
}

fn ipv4(value: u128) -> Ip {
    Ip(u32::try_from(value & 0xffff_ffff).unwrap_or(0))
}

fn address<T: Say>(
    out: &mut String,
    width: u32,
    value: u128,
    mask: u128,
    address: impl Fn(u128) -> T,
) {
    address(value).say(out);
    match prefix(mask, width) {
        Some(length) if length == width => {}
        Some(length) => put!(out, "/{length}"),
        None => {
            out.push('/');
            address(mask).say(out);
        }
    }
}

fn frag(value: u128, mask: u128) -> &'static str {
    match (value & mask, mask & 3) {
        (0, 3 | 1) => "no",
        (1, 1) => "yes",
        (1, 3) => "first",
        (3, 3) | (2, 2) => "later",
        (0, 2) => "not_later",
        _ => "<error>",
    }
}

/// The value of a field, with the mask where it is not exact.
pub(crate) struct Value<'a>(pub(crate) &'a FieldValue);

impl Say for Value<'_> {
    fn say(&self, out: &mut String) {
        let (field, value, mask) = (self.0.field(), self.0.value(), self.0.mask());
        let bits = match field {
            Field::TunMetadata(_) => (128 - mask.leading_zeros()).div_ceil(8) * 8,
            _ => field.bits().into(),
        };
        let exact = mask & ones(bits) == ones(bits);
        match field.info().format {
            Format::Ethernet if exact => Ethernet(value).say(out),
            Format::Ethernet => put!(out, "{}/{}", Ethernet(value), Ethernet(mask)),
            Format::Ipv4 => address(out, 32, value, mask, ipv4),
            Format::Ipv6 => address(out, 128, value, mask, Ipv6Addr::from_bits),
            Format::Frag => out.push_str(frag(value, mask)),
            Format::TunFlags => flags(out, TUN_FLAGS, value, mask),
            Format::TcpFlags => flags(out, TCP_FLAGS, value, mask),
            Format::CtState => flags(out, CT_STATE, value, mask),
            Format::Port if exact => Port(u32::try_from(value).unwrap_or(u32::MAX)).say(out),
            Format::Port16 if exact => {
                Port::from_u16(u16::try_from(value).unwrap_or(u16::MAX)).say(out);
            }
            Format::PacketType => put!(out, "({},{})", value >> 16, Hex(value & 0xffff)),
            Format::Decimal | Format::Port | Format::Port16 if exact => {
                match u64::try_from(value) {
                    Ok(value) => Dec(value).say(out),
                    Err(_) => put!(out, "{value}"),
                }
            }
            Format::Decimal | Format::Port | Format::Port16 => {
                put!(out, "{value}/{}", Hex(mask));
            }
            Format::Hex => {
                Hex(value).say(out);
                if !exact {
                    out.push('/');
                    Hex(mask).say(out);
                }
            }
        }
    }
}

impl Say for FieldValue {
    fn say(&self, out: &mut String) {
        self.field().say(out);
        out.push('=');
        Value(self).say(out);
    }
}

impl Say for Field {
    fn say(&self, out: &mut String) {
        let info = self.info();
        out.push_str(info.name);
        if info.count > 1 {
            Dec(self.index().into()).say(out);
        }
    }
}

/// With the name of a code point, as it stands in actions.
impl Say for Subfield {
    fn say(&self, out: &mut String) {
        let (name, family) = self.field.code_parts();
        out.push_str(name);
        if family {
            Dec(self.field.index().into()).say(out);
        }
        if self.is_whole() {
            return out.push_str("[]");
        }
        out.push('[');
        Dec(self.offset.into()).say(out);
        if self.bits != 1 {
            out.push_str("..");
            // Of no bits, which text cannot say, the last is the first.
            Dec(u64::from(self.offset) + u64::from(self.bits.saturating_sub(1))).say(out);
        }
        out.push(']');
    }
}
