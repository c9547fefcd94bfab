//! Reads captures: the format of libpcap (`pcap-savefile(5)`), Ethernet only.

use anyhow::{bail, ensure};

const HEADER: usize = 24;
const RECORD: usize = 16;
const ETHERNET: u32 = 1;

/// The frames of a capture, as far as they were captured.
pub(crate) fn frames(bytes: &[u8]) -> anyhow::Result<Vec<&[u8]>> {
    let magic = bytes.get(..4).unwrap_or_default();
    // Micro- or nanoseconds, in the byte order of who wrote it.
    let number: fn([u8; 4]) -> u32 = match magic {
        [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1] => u32::from_le_bytes,
        [0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d] => u32::from_be_bytes,
        [0x0a, 0x0d, 0x0d, 0x0a] => {
            bail!("not supported: pcapng; convert it with `editcap -F pcap`")
        }
        _ => bail!("not a capture: it does not begin as pcap-savefile(5) says"),
    };
    let word = |at: usize| {
        let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(number(bytes))
    };
    let link = word(20).unwrap_or_default() & 0x0fff_ffff;
    ensure!(
        link == ETHERNET,
        "not supported: link type {link}; capture on an Ethernet interface"
    );
    let mut frames = Vec::new();
    let mut at = HEADER;
    while let Some(length) = word(at + 8) {
        let start = at + RECORD;
        let end = start.saturating_add(length as usize);
        // The last packet of a capture that was cut off.
        let Some(frame) = bytes.get(start..end) else {
            break;
        };
        frames.push(frame);
        at = end;
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(link: u8, frames: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
        bytes.extend([0; 12]);
        bytes.extend([link, 0, 0, 0]);
        for frame in frames {
            let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
            bytes.extend([0; 8]);
            bytes.extend(length);
            bytes.extend(length);
            bytes.extend(*frame);
        }
        bytes
    }

    #[test]
    fn frames_are_found() {
        let bytes = capture(1, &[b"one", b"", b"three"]);
        assert_eq!(frames(&bytes).unwrap(), [&b"one"[..], b"", b"three"]);
        assert_eq!(frames(&bytes[..bytes.len() - 1]).unwrap().len(), 2);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = |bytes: &[u8]| frames(bytes).unwrap_err().to_string();
        assert!(error(b"").contains("not a capture"));
        assert!(error(&[0x0a, 0x0d, 0x0d, 0x0a]).contains("pcapng"));
        assert!(error(&capture(101, &[])).contains("link type 101"));
    }
}
