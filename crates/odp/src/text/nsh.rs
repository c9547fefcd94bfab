//! Writing network service headers.

use super::value::{List, Style, plain};
use crate::key::{Nsh, NshBase};

/// The mask by which nothing counts.
pub(super) fn wildcard() -> Nsh {
    Nsh {
        base: Some(NshBase::ZERO),
        md1: Some([0; 4]),
        ..Nsh::default()
    }
}

/// A header that is put before a packet, or is looked at in whole: all of it.
pub(super) fn print(nsh: &Nsh, mask: Option<&Nsh>, out: &mut String) {
    match mask {
        Some(mask) => masked(nsh, mask, out),
        None => whole(nsh, out),
    }
}

fn whole(nsh: &Nsh, out: &mut String) {
    let base = nsh.base.unwrap_or_default();
    let text = format_args!(
        "flags={},ttl={},mdtype={},np={},spi={:#x},si={}",
        base.flags,
        base.ttl,
        base.mdtype,
        base.np,
        base.path_id(),
        base.service_index()
    );
    plain(text, out);
    if base.mdtype == 1 {
        for (n, word) in nsh.md1.unwrap_or_default().iter().enumerate() {
            plain(format_args!(",c{}={word:#x}", n + 1), out);
        }
    }
}

/// A header to be put before a packet, which has its second kind of metadata too.
pub(super) fn print_push(nsh: &Nsh, out: &mut String) {
    whole(nsh, out);
    if nsh.base.is_some_and(|base| base.mdtype == 2) {
        // In all digits: without its first zeros nobody could tell how long it is.
        out.push_str(",md2=0x");
        for byte in nsh.md2.as_deref().unwrap_or_default() {
            plain(format_args!("{byte:02x}"), out);
        }
    }
}

/// As a mask is written here: in full digits.
fn small(list: &mut List<'_>, name: &str, value: u8, mask: u8) {
    match mask {
        0 => {}
        u8::MAX => list.field(name, Style::Dec, value, None),
        mask => plain(format_args!("{name}={value:#04x}/{mask:#04x}"), list.next()),
    }
}

fn word(list: &mut List<'_>, name: &str, value: u32, mask: u32) {
    if mask == 0 {
        return;
    }
    let out = list.next();
    plain(format_args!("{name}={value:#x}"), out);
    if mask != u32::MAX {
        plain(format_args!("/{mask:#010x}"), out);
    }
}

fn masked(nsh: &Nsh, mask: &Nsh, out: &mut String) {
    let base = nsh.base.unwrap_or_default();
    // What a mask does not speak of counts in text.
    let bits = mask.base.unwrap_or(NshBase::EXACT);
    let mut list = List::new(out, false);
    small(&mut list, "flags", base.flags, bits.flags);
    small(&mut list, "ttl", base.ttl, bits.ttl);
    small(&mut list, "mdtype", base.mdtype, bits.mdtype);
    small(&mut list, "np", base.np, bits.np);
    let path = match bits.path_id() {
        0xff_ffff => u32::MAX,
        bits => bits,
    };
    word(&mut list, "spi", base.path_id(), path);
    small(&mut list, "si", base.service_index(), bits.service_index());
    let words = nsh.md1.unwrap_or_default();
    let masks = mask.md1.unwrap_or([u32::MAX; 4]);
    if nsh.md1.is_some() || mask.md1.is_some() {
        for (n, (value, bits)) in words.iter().zip(masks).enumerate() {
            word(&mut list, &format!("c{}", n + 1), *value, bits);
        }
    }
}
