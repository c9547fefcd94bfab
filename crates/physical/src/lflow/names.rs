//! Domain names as DNS writes them (RFC 1035, sections 3.1 and 4.1.4).

use rustc_hash::FxHashMap;

/// The longest label.
const MAX_LABEL: usize = 63;
/// The longest name in its binary form.
const MAX_NAME: usize = 255;
/// A pointer has 14 bits.
const MAX_POINTER: usize = 0x3fff;

/// One name: labels, each behind its length, and a zero. None where it is not a name.
pub(super) fn plain(name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for label in labels(name)? {
        put(&mut bytes, label);
    }
    bytes.push(0);
    (bytes.len() <= MAX_NAME).then_some(bytes)
}

/// Names separated by commas; the tail of one that is the tail of an earlier one is a pointer to that
/// (RFC 3397, section 2).
pub(super) fn compressed(list: &str) -> Option<Vec<u8>> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut known: FxHashMap<Vec<&str>, usize> = FxHashMap::default();
    for name in list.split(',').map(str::trim) {
        plain(name)?;
        let labels: Vec<&str> = labels(name)?.collect();
        let mut ended = false;
        for from in 0..labels.len() {
            let tail = &labels[from..];
            if let Some(offset) = known.get(tail) {
                let pointer = 0xc000 | u16::try_from(*offset).ok()?;
                bytes.extend(pointer.to_be_bytes());
                ended = true;
                break;
            }
            if bytes.len() <= MAX_POINTER {
                known.insert(tail.to_vec(), bytes.len());
            }
            put(&mut bytes, labels[from]);
        }
        if !ended {
            bytes.push(0);
        }
    }
    Some(bytes)
}

fn labels(name: &str) -> Option<impl Iterator<Item = &str>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let valid = |label: &str| (1..=MAX_LABEL).contains(&label.len());
    name.split('.').all(valid).then(|| name.split('.'))
}

fn put(bytes: &mut Vec<u8>, label: &str) {
    bytes.push(u8::try_from(label.len()).expect("labels are at most 63 bytes"));
    bytes.extend_from_slice(label.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_labels_with_lengths() {
        assert_eq!(plain("a.bc").unwrap(), b"\x01a\x02bc\x00");
        assert_eq!(plain("a.bc.").unwrap(), b"\x01a\x02bc\x00");
        assert_eq!(plain(""), None);
        assert_eq!(plain("a..b"), None);
        assert_eq!(plain(&"x".repeat(64)), None);
        assert_eq!(plain(&vec!["x".repeat(60); 5].join(".")), None);
    }

    #[test]
    fn a_list_points_back() {
        let list = compressed("abc.com,xyz.abc.com").unwrap();
        assert_eq!(list, b"\x03abc\x03com\x00\x03xyz\xc0\x00");
    }
}
