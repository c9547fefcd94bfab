//! Writing tunnels.

use super::key::{Flags, field, flags};
use super::value::{List, Style, hex, plain};
use crate::key::{Erspan, GeneveOption, GeneveOptions, Tunnel};

pub(super) const FLAGS: Flags = &[
    (OAM, "oam"),
    (DONT_FRAGMENT, "df"),
    (CHECKSUM, "csum"),
    (KEY, "key"),
];
pub(super) const OAM: u32 = 0x1;
pub(super) const DONT_FRAGMENT: u32 = 0x2;
pub(super) const CHECKSUM: u32 = 0x4;
pub(super) const KEY: u32 = 0x8;

/// The mask by which nothing of a tunnel counts. What holds bytes still has as many of them.
pub(super) fn wildcard(tunnel: &Tunnel) -> Tunnel {
    Tunnel {
        geneve: tunnel
            .geneve
            .as_ref()
            .map(|options| GeneveOptions(vec![0; options.0.len()])),
        ..Tunnel::default()
    }
}

/// What stands between the parentheses.
pub(super) fn print(tunnel: &Tunnel, mask: Option<&Tunnel>, more: bool, out: &mut String) {
    let mut list = List::new(out, more);
    macro_rules! field {
        ($name:literal $style:ident $field:ident) => {
            let mask = mask.map(|mask| mask.$field);
            field(&mut list, $name, Style::$style, tunnel.$field, mask);
        };
    }
    if let Some(id) = tunnel.id {
        print_id(id, mask.map(|mask| mask.id.unwrap_or(0)), &mut list);
    }
    field!("src" Plain ipv4_src);
    field!("dst" Plain ipv4_dst);
    field!("ipv6_src" Plain ipv6_src);
    field!("ipv6_dst" Plain ipv6_dst);
    field!("tos" Hex tos);
    field!("ttl" Dec ttl);
    field!("tp_src" Dec tp_src);
    field!("tp_dst" Dec tp_dst);
    if let Some(options) = &tunnel.geneve {
        let none = GeneveOptions(vec![0; options.0.len()]);
        let mask = mask.map(|mask| mask.geneve.as_ref().unwrap_or(&none));
        let out = list.next();
        out.push_str("geneve(");
        print_geneve(options, mask, more, out);
        out.push(')');
    }
    if let Some(policy) = tunnel.vxlan_gbp {
        let mask = mask.map(|mask| mask.vxlan_gbp.unwrap_or(0));
        let out = list.next();
        out.push_str("vxlan(gbp(");
        print_policy(policy, mask, more, out);
        out.push_str("))");
    }
    if let Some(erspan) = &tunnel.erspan {
        let mask = mask.map(|mask| mask.erspan.unwrap_or_default());
        let out = list.next();
        out.push_str("erspan(");
        print_erspan(erspan, mask.as_ref(), more, out);
        out.push(')');
    }
    for raw in &tunnel.unknown {
        let out = list.next();
        plain(format_args!("key{}(", raw.number()), out);
        super::key::bytes(&raw.bytes, out);
        out.push(')');
    }
    print_flags(tunnel, mask, &mut list);
}

/// Always with its prefix.
fn print_id(id: u64, mask: Option<u64>, list: &mut List<'_>) {
    if list.more || mask.is_none_or(|mask| mask != 0) {
        let out = list.next();
        plain(format_args!("tun_id={id:#x}"), out);
        if let Some(mask) = mask.filter(|mask| *mask != u64::MAX) {
            out.push('/');
            hex(mask, out);
        }
    }
}

fn print_flags(tunnel: &Tunnel, mask: Option<&Tunnel>, list: &mut List<'_>) {
    let bits = |tunnel: &Tunnel| {
        u32::from(tunnel.dont_fragment) * DONT_FRAGMENT
            + u32::from(tunnel.checksum) * CHECKSUM
            + u32::from(tunnel.oam) * OAM
    };
    // Whether there is a key is a flag too, if it is known of this tunnel.
    let keyed = u32::from(tunnel.id.is_some()) * KEY;
    let mask = mask.map(|mask| bits(mask) | keyed);
    if list.more || mask != Some(0) {
        let all = DONT_FRAGMENT | CHECKSUM | KEY | OAM;
        let out = list.next();
        out.push_str("flags(");
        flags(bits(tunnel) | keyed, mask, all, FLAGS, out);
        out.push(')');
    }
}

fn print_policy(policy: u32, mask: Option<u32>, more: bool, out: &mut String) {
    let group = |policy: u32| u16::try_from(policy & 0xffff).unwrap_or_default();
    let flags = |policy: u32| u8::try_from(policy >> 16 & 0xff).unwrap_or_default();
    let mut list = List::new(out, more);
    list.field("id", Style::Dec, group(policy), mask.map(group));
    list.field("flags", Style::Hex, flags(policy), mask.map(flags));
}

fn print_erspan(erspan: &Erspan, mask: Option<&Erspan>, more: bool, out: &mut String) {
    let version = |erspan: &Erspan| u8::try_from(erspan.version & 0xff).unwrap_or_default();
    let mut list = List::new(out, more);
    list.field("ver", Style::Dec, version(erspan), mask.map(version));
    match erspan.version {
        1 => {
            let out = list.next();
            out.push_str("idx=");
            hex(erspan.index(), out);
            if let Some(mask) = mask {
                out.push('/');
                hex(mask.index(), out);
            }
        }
        2 => {
            let full = |bits: u8, all: u8| if bits == all { u8::MAX } else { bits };
            let direction = mask.map(|mask| full(mask.direction(), 1));
            let hardware = mask.map(|mask| full(mask.hardware(), 0x3f));
            list.field("dir", Style::Dec, erspan.direction(), direction);
            list.field("hwid", Style::Hex, erspan.hardware(), hardware);
        }
        _ => {}
    }
}

fn print_geneve(
    options: &GeneveOptions,
    mask: Option<&GeneveOptions>,
    more: bool,
    out: &mut String,
) {
    let (all, left) = options.split();
    let masks = mask.map(|mask| mask.split_like(options).0);
    for (n, option) in all.iter().enumerate() {
        let mask = masks.as_ref().and_then(|masks| masks.get(n));
        out.push('{');
        print_option(option, mask, more, out);
        out.push('}');
    }
    if !left.is_empty() {
        plain(format_args!("opt len {} cut short", left.len()), out);
    }
}

fn print_option(
    option: &GeneveOption<'_>,
    mask: Option<&GeneveOption<'_>>,
    more: bool,
    out: &mut String,
) {
    let mut list = List::new(out, more);
    list.field(
        "class",
        Style::Hex,
        option.class,
        mask.map(|mask| mask.class),
    );
    list.field("type", Style::Hex, option.kind, mask.map(|mask| mask.kind));
    // The length is five bits of its octet.
    let length = u8::try_from(option.data.len()).unwrap_or(u8::MAX);
    let length_mask = mask.map(|mask| match mask.length {
        0x1f | 0xff => u8::MAX,
        bits => bits,
    });
    list.field("len", Style::Dec, length, length_mask);
    let is = |byte: u8| move |mask: &GeneveOption<'_>| mask.data.iter().all(|b| *b == byte);
    if option.data.is_empty() || (!more && mask.is_some_and(is(0))) {
        return;
    }
    let out = list.next();
    hex_bytes(option.data, out);
    if let Some(mask) = mask.filter(|mask| !is(0xff)(mask)) {
        out.push('/');
        hex_bytes(mask.data, out);
    }
}

/// Bytes as one number, without its leading zeros.
pub(super) fn hex_bytes(bytes: &[u8], out: &mut String) {
    let mut digits = String::new();
    for byte in bytes {
        plain(format_args!("{byte:02x}"), &mut digits);
    }
    match digits.trim_start_matches('0') {
        "" => out.push('0'),
        digits => plain(format_args!("0x{digits}"), out),
    }
}
