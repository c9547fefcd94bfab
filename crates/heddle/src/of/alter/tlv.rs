//! The mapping of tunnel options to fields, as it is written.

use anyhow::Context;
use openflow::message::TlvMap;

/// `{class=0xffff,type=0,len=4}->tun_metadata0`, several with commas between.
pub(super) fn maps(text: &str) -> anyhow::Result<Vec<TlvMap>> {
    let one = |text: &str| {
        let (option, field) = text.trim_start_matches(',').split_once("}->tun_metadata")?;
        let mut map = TlvMap {
            class: 0,
            kind: 0,
            length: 0,
            index: field.parse().ok()?,
        };
        for part in option.strip_prefix('{')?.split(',') {
            let (key, value) = part.split_once('=')?;
            let value = number(value)?;
            match key {
                "class" => map.class = u16::try_from(value).ok()?,
                "type" => map.kind = u8::try_from(value).ok()?,
                "len" => map.length = u8::try_from(value).ok()?,
                _ => return None,
            }
        }
        Some(map)
    };
    let mut maps = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        // The next mapping begins with the next brace.
        let next = rest[1..].find('{').map_or(rest.len(), |at| at + 1);
        let map = one(rest[..next].trim_end_matches([',', ' ']));
        let form = "{class=CLASS,type=TYPE,len=LENGTH}->tun_metadataN";
        maps.push(map.with_context(|| format!("`{rest}`: expected {form}"))?);
        rest = &rest[next..];
    }
    Ok(maps)
}

/// A number in decimal, or behind `0x` in hexadecimal.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}
