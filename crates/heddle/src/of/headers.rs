//! The first headers of a packet, in the words of the flow language.
//!
//! Invariant: whatever the bytes are, something true is said of them; what is cut short is left out.

use std::net::{Ipv4Addr, Ipv6Addr};

fn array<const N: usize>(packet: &[u8], at: usize) -> Option<[u8; N]> {
    packet.get(at..at + N)?.try_into().ok()
}

fn u16_at(packet: &[u8], at: usize) -> Option<u16> {
    array(packet, at).map(u16::from_be_bytes)
}

fn address(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

/// The headers of a packet.
pub(super) fn describe(packet: &[u8]) -> String {
    ethernet(packet).unwrap_or_else(|| format!("{} bytes without a header", packet.len()))
}

fn ethernet(packet: &[u8]) -> Option<String> {
    let (to, from): ([u8; 6], [u8; 6]) = (array(packet, 0)?, array(packet, 6)?);
    let mut words = Vec::new();
    let mut at = 12;
    let mut kind = u16_at(packet, at)?;
    while matches!(kind, 0x8100 | 0x88a8) {
        let tag = u16_at(packet, at + 2)?;
        words.push(format!("dl_vlan={},dl_vlan_pcp={}", tag & 0xfff, tag >> 13));
        at += 4;
        kind = u16_at(packet, at)?;
    }
    words.push(format!("dl_src={},dl_dst={}", address(from), address(to)));
    let rest = packet.get(at + 2..).unwrap_or_default();
    let (name, inner) = match kind {
        0x0800 => ipv4(rest).unwrap_or_else(|| ("ip".to_owned(), String::new())),
        0x86dd => ipv6(rest).unwrap_or_else(|| ("ipv6".to_owned(), String::new())),
        0x0806 => ("arp".to_owned(), arp(rest).unwrap_or_default()),
        kind => (format!("dl_type={kind:#06x}"), String::new()),
    };
    words.insert(0, name);
    if !inner.is_empty() {
        words.push(inner);
    }
    Some(words.join(","))
}

fn arp(packet: &[u8]) -> Option<String> {
    let ip = |at| array::<4>(packet, at).map(Ipv4Addr::from);
    let mac = |at| array::<6>(packet, at).map(address);
    Some(format!(
        "arp_spa={},arp_tpa={},arp_op={},arp_sha={},arp_tha={}",
        ip(14)?,
        ip(24)?,
        u16_at(packet, 6)?,
        mac(8)?,
        mac(18)?
    ))
}

fn ipv4(packet: &[u8]) -> Option<(String, String)> {
    let head = usize::from(packet.first()? & 0xf) * 4;
    let protocol = *packet.get(9)?;
    let later = u16_at(packet, 6)? & 0x1fff != 0;
    let (from, to) = (array::<4>(packet, 12)?, array::<4>(packet, 16)?);
    let addresses = format!(
        "nw_src={},nw_dst={},nw_ttl={}",
        Ipv4Addr::from(from),
        Ipv4Addr::from(to),
        packet.get(8)?
    );
    let rest = packet.get(head..).filter(|_| !later).unwrap_or_default();
    Some(transport(protocol, "", addresses, rest))
}

fn ipv6(packet: &[u8]) -> Option<(String, String)> {
    let (from, to) = (array::<16>(packet, 8)?, array::<16>(packet, 24)?);
    let addresses = format!(
        "ipv6_src={},ipv6_dst={},nw_ttl={}",
        Ipv6Addr::from(from),
        Ipv6Addr::from(to),
        packet.get(7)?
    );
    let rest = packet.get(40..).unwrap_or_default();
    Some(transport(*packet.get(6)?, "6", addresses, rest))
}

/// The name of a packet by its protocol, and what its headers say.
fn transport(protocol: u8, six: &str, addresses: String, rest: &[u8]) -> (String, String) {
    let name = match protocol {
        6 => "tcp",
        17 => "udp",
        132 => "sctp",
        1 | 58 => "icmp",
        _ => "",
    };
    let two = match (name, u16_at(rest, 0), u16_at(rest, 2)) {
        ("icmp", Some(both), _) => {
            format!(",icmp_type={},icmp_code={}", both >> 8, both & 0xff)
        }
        ("tcp" | "udp" | "sctp", Some(from), Some(to)) => format!(",tp_src={from},tp_dst={to}"),
        _ => String::new(),
    };
    if name.is_empty() {
        let ip = if six.is_empty() { "ip" } else { "ipv6" };
        (ip.to_owned(), format!("{addresses},nw_proto={protocol}"))
    } else {
        (format!("{name}{six}"), addresses + &two)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_and_their_beginnings() {
        let mut packet = vec![0xff; 6];
        packet.extend([2, 0, 0, 0, 0, 1, 0x81, 0, 0, 5, 8, 0]);
        packet.extend([
            0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ]);
        packet.extend([0, 53, 4, 0, 0, 8, 0, 0]);
        assert_eq!(
            describe(&packet),
            "udp,dl_vlan=5,dl_vlan_pcp=0,dl_src=02:00:00:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff,\
             nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,tp_src=53,tp_dst=1024"
        );
        for end in 0..packet.len() {
            assert!(!describe(&packet[..end]).is_empty());
        }
        assert_eq!(describe(&[1, 2]), "2 bytes without a header");
    }
}
