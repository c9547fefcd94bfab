//! What switches tell, as text in the form of `ovs-ofctl`, and as JSON.
//!
//! Counters that a switch does not keep are `?` in text and null in JSON.

mod flow;
mod group;
mod port;
mod switch;
mod table;

use serde_json::{Value, json};

pub(super) use flow::*;
pub(super) use group::*;
pub(super) use port::*;
pub(super) use switch::*;
pub(super) use table::*;

/// Writing to a text cannot fail; this forgets that it could.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{
        let _ = write!($out, $($arg)*);
    }};
}
use put;

/// A counter, or `?`.
fn count(value: Option<u64>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

/// Seconds with three digits behind the point.
fn seconds((seconds, nanos): (u32, u32)) -> String {
    match nanos / 1_000_000 {
        0 => format!("{seconds}s"),
        millis => format!("{seconds}.{millis:03}s"),
    }
}

fn seconds_json(duration: Option<(u32, u32)>) -> Value {
    duration.map_or(Value::Null, |(seconds, nanos)| {
        json!(f64::from(seconds) + f64::from(nanos) / 1e9)
    })
}

/// The names of the bits that are set, with blanks between them.
fn bits(value: u32, names: &[&str]) -> String {
    let mut out = Vec::new();
    for bit in 0..32 {
        if value >> bit & 1 != 0 {
            let name = names.get(bit).copied().filter(|name| !name.is_empty());
            out.push(name.map_or_else(|| format!("{:#x}", 1_u32 << bit), str::to_owned));
        }
    }
    out.join(" ")
}

/// The same, or 0.
fn bits_or_zero(value: u32, names: &[&str]) -> String {
    match value {
        0 => "0".to_owned(),
        value => bits(value, names),
    }
}
