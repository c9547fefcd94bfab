//! Writes captures: the format of libpcap with nanoseconds (`pcap-savefile(5)`), in the machine's byte
//! order.

use std::time::Duration;

const NANOSECONDS: u32 = 0xa1b2_3c4d;
const VERSION: (u16, u16) = (2, 4);
/// No packet of a datapath is longer.
const LONGEST: u32 = 65_535;
const ETHERNET: u32 = 1;

/// What a capture begins with.
pub(super) fn header() -> Vec<u8> {
    let mut bytes = NANOSECONDS.to_ne_bytes().to_vec();
    bytes.extend_from_slice(&VERSION.0.to_ne_bytes());
    bytes.extend_from_slice(&VERSION.1.to_ne_bytes());
    // Times are of no zone, and exact.
    for number in [0, 0, LONGEST, ETHERNET] {
        bytes.extend_from_slice(&number.to_ne_bytes());
    }
    bytes
}

/// A packet, the time since 1970, and how long it was on the wire.
pub(super) fn record(time: Duration, packet: &[u8], length: usize) -> Vec<u8> {
    // The format ends in 2106.
    let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    let size = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(16 + packet.len());
    for number in [
        seconds,
        time.subsec_nanos(),
        size(packet.len()),
        size(length),
    ] {
        bytes.extend_from_slice(&number.to_ne_bytes());
    }
    bytes.extend_from_slice(packet);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_that_of_a_capture_with_nanoseconds() {
        let header = header();
        assert_eq!(header.len(), 24);
        assert_eq!(header[..4], 0xa1b2_3c4d_u32.to_ne_bytes());
        assert_eq!(header[16..20], 65_535_u32.to_ne_bytes());
        assert_eq!(header[20..], 1_u32.to_ne_bytes());
    }

    #[test]
    fn a_packet_says_how_long_it_was() {
        let record = record(Duration::new(7, 9), &[1, 2, 3], 60);
        let words: Vec<u32> = record[..16]
            .chunks(4)
            .map(|word| u32::from_ne_bytes(word.try_into().unwrap()))
            .collect();
        assert_eq!(words, [7, 9, 3, 60]);
        assert_eq!(record[16..], [1, 2, 3]);
    }
}
