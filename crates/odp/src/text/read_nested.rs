//! Reading tunnels and network service headers.

use super::nested;
use super::read_key::{Pair, flags, part};
use super::scanner::{Result, Scanner};
use super::value::{Style, TextValue};
use crate::attribute::Raw;
use crate::key::{Erspan, GeneveOptions, KeyField, Nsh, NshBase, Tunnel};

/// Sets a field, and which of it counts.
fn set<T: TextValue>(
    scanner: &mut Scanner<'_>,
    value: &mut Option<T>,
    mask: &mut Option<T>,
) -> Result<()> {
    let (found, bits) = scanner.masked::<T>(Style::Hex)?;
    (*value, *mask) = (Some(found), Some(bits));
    Ok(())
}

pub(super) fn tunnel(scanner: &mut Scanner<'_>) -> Result<Pair> {
    let (mut value, mut mask, mut keyed) = (Tunnel::default(), Tunnel::default(), false);
    scanner.list(|scanner| {
        macro_rules! fields {
            ($($name:literal $field:ident)*) => {
                $(if scanner.name($name) {
                    set(scanner, &mut value.$field, &mut mask.$field)?;
                    return Ok(true);
                })*
            };
        }
        fields! {
            "tun_id" id "src" ipv4_src "dst" ipv4_dst "ipv6_src" ipv6_src "ipv6_dst" ipv6_dst
            "tos" tos "ttl" ttl "tp_src" tp_src "tp_dst" tp_dst
        }
        if scanner.eat("vxlan(gbp(") {
            let (policy, bits) = group_policy(scanner)?;
            (value.vxlan_gbp, mask.vxlan_gbp) = (Some(policy), Some(bits));
        } else if scanner.eat("geneve(") {
            let (options, bits) = geneve(scanner)?;
            (value.geneve, mask.geneve) = (Some(options), Some(bits));
        } else if scanner.eat("erspan(") {
            let (erspan, bits) = erspan(scanner)?;
            (value.erspan, mask.erspan) = (Some(erspan), Some(bits));
        } else if scanner.eat("flags(") {
            let (bits, count) = flags(scanner, nested::FLAGS, 0xf, 0xf)?;
            keyed = bits & nested::KEY != 0;
            for (tunnel, bits) in [(&mut value, bits), (&mut mask, count)] {
                tunnel.dont_fragment = bits & nested::DONT_FRAGMENT != 0;
                tunnel.checksum = bits & nested::CHECKSUM != 0;
                tunnel.oam = bits & nested::OAM != 0;
            }
        } else if scanner.eat("key") {
            let number = scanner.u16()?;
            scanner.expect("(")?;
            let raw = Raw {
                kind: number,
                bytes: scanner.hex()?,
            };
            scanner.expect(")")?;
            mask.unknown.push(raw.exact_mask());
            value.unknown.push(raw);
        } else {
            return Ok(false);
        }
        Ok(true)
    })?;
    if keyed && value.id.is_none() {
        // There is a key, whatever it is.
        (value.id, mask.id) = (Some(0), Some(0));
    }
    let make = |tunnel| KeyField::Tunnel(Box::new(tunnel));
    Ok((make(value), make(mask)))
}

fn group_policy(scanner: &mut Scanner<'_>) -> Result<(u32, u32)> {
    let (mut policy, mut mask) = (0, 0);
    scanner.list(|scanner| {
        for (name, bits, shift) in [("id", 16, 0), ("flags", 8, 16)] {
            if scanner.name(name) {
                let (value, count) = part(scanner, bits, shift)?;
                policy |= value;
                mask |= count;
                return Ok(true);
            }
        }
        Ok(false)
    })?;
    scanner.expect(")")?;
    Ok((policy, mask))
}

fn erspan(scanner: &mut Scanner<'_>) -> Result<(Erspan, Erspan)> {
    let all = Erspan {
        version: u32::MAX,
        data: [0xff; 8],
    };
    scanner.expect("ver=")?;
    let (version, version_mask) = scanner.masked::<u8>(Style::Dec)?;
    scanner.eat(",");
    let mut mask = all;
    if version_mask != u8::MAX {
        mask.version = version_mask.into();
    }
    let erspan = match version {
        1 => {
            scanner.expect("idx=")?;
            let (index, bits) = scanner.masked::<u32>(Style::Hex)?;
            mask.data = Erspan::version1(bits).data;
            Erspan::version1(index)
        }
        2 => {
            let (mut direction, mut hardware) = ((0, 0), (0, 0));
            if scanner.name("dir") {
                direction = part(scanner, 1, 0)?;
                scanner.eat(",");
            }
            if scanner.name("hwid") {
                hardware = part(scanner, 6, 0)?;
            }
            let byte = |number: u32| u8::try_from(number).unwrap_or(0);
            mask.data = Erspan::version2(byte(direction.1), byte(hardware.1)).data;
            Erspan::version2(byte(direction.0), byte(hardware.0))
        }
        _ => return Err(scanner.error("version 1 or 2 of ERSPAN")),
    };
    scanner.expect(")")?;
    Ok((erspan, mask))
}

fn geneve(scanner: &mut Scanner<'_>) -> Result<(GeneveOptions, GeneveOptions)> {
    let (mut options, mut masks) = (GeneveOptions::default(), GeneveOptions::default());
    while scanner.eat("{") {
        let (mut class, mut kind) = ((0, 0), (0, 0));
        let (mut length, mut length_mask) = (0, 0);
        if scanner.name("class") {
            class = scanner.masked::<u16>(Style::Hex)?;
            scanner.eat(",");
        }
        if scanner.name("type") {
            kind = scanner.masked::<u8>(Style::Hex)?;
            scanner.eat(",");
        }
        if scanner.name("len") {
            let begin = scanner.clone();
            (length, length_mask) = scanner.masked::<u8>(Style::Dec)?;
            if length > 124 || length % 4 != 0 {
                return Err(begin.error("a multiple of four up to 124"));
            }
            scanner.eat(",");
        }
        let size = usize::from(length);
        let (mut data, mut bits) = (vec![0; size], vec![0; size]);
        if size > 0 && !scanner.rest().starts_with('}') {
            data = scanner.wide(size)?;
            bits = match scanner.eat("/") {
                true => scanner.wide(size)?,
                false => vec![0xff; size],
            };
        }
        scanner.expect("}")?;
        options = options.with(class.0, kind.0, &data);
        masks = masks.with(class.1, kind.1, &bits);
        let at = masks.0.len() - size - 1;
        masks.0[at] = length_mask;
    }
    scanner.expect(")")?;
    Ok((options, masks))
}

pub(super) fn nsh(scanner: &mut Scanner<'_>) -> Result<Pair> {
    let (mut base, mut mask) = (NshBase::ZERO, NshBase::ZERO);
    let (mut words, mut word_masks, mut has_words) = ([0; 4], [0; 4], false);
    scanner.list(|scanner| {
        macro_rules! fields {
            ($($name:literal $field:ident)*) => {
                $(if scanner.name($name) {
                    (base.$field, mask.$field) = scanner.masked(Style::Dec)?;
                    return Ok(true);
                })*
            };
        }
        fields!("flags" flags "ttl" ttl "mdtype" mdtype "np" np);
        if scanner.name("spi") {
            let (path, bits) = scanner.masked::<u32>(Style::Hex)?;
            if path > 0xff_ffff {
                return Err(scanner.error("a path of 24 bits"));
            }
            base.path |= path << 8;
            mask.path |= bits << 8;
        } else if scanner.name("si") {
            let (index, bits) = scanner.masked::<u8>(Style::Dec)?;
            base.path |= u32::from(index);
            mask.path |= u32::from(bits);
        } else {
            let found = (0..4).find(|n| scanner.name(["c1", "c2", "c3", "c4"][*n]));
            let Some(n) = found else {
                return Ok(false);
            };
            (words[n], word_masks[n]) = scanner.masked(Style::Hex)?;
            has_words = true;
        }
        Ok(true)
    })?;
    let value = Nsh {
        base: Some(base),
        md1: (has_words || base.mdtype == 1).then_some(words),
        ..Nsh::default()
    };
    let mask = Nsh {
        base: Some(mask),
        md1: Some(word_masks),
        ..Nsh::default()
    };
    Ok((
        KeyField::Nsh(Box::new(value)),
        KeyField::Nsh(Box::new(mask)),
    ))
}
