//! TCP resets (RFC 9293 section 3.10.7.1).

use std::net::IpAddr;

use etherparse::TcpHeader;

use crate::build::{Addresses, ip};
use crate::{Ethernet, Ip, Transport, with_vlan};

const FIN: u8 = 1;
const SYN: u8 = 2;
/// The reset flag in the flag octet of a segment.
pub const RST: u8 = 4;

/// The reset that answers a segment, sent from `src` to `dst` with the ports exchanged.
///
/// A segment with an acknowledgement is reset at that sequence number; one without gets sequence
/// zero and an acknowledgement of everything it holds. `None` when `segment` is not TCP, is a reset
/// itself (resets are never answered), or the families differ.
pub fn reset(eth: Ethernet, src: IpAddr, dst: IpAddr, segment: &Ip<'_>) -> Option<Vec<u8>> {
    let Transport::Tcp {
        src: sport,
        dst: dport,
        seq,
        ack,
        flags,
        payload,
    } = segment.transport
    else {
        return None;
    };
    if flags & RST != 0 {
        return None;
    }
    let mut header = TcpHeader::new(dport, sport, 0, 0);
    header.rst = true;
    match ack {
        Some(ack) => header.sequence_number = ack,
        None => {
            let control = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
            let data = u32::try_from(payload.len()).ok()?;
            header.ack = true;
            header.acknowledgment_number = seq.wrapping_add(data).wrapping_add(control);
        }
    }
    let step = ip(eth, Addresses { src, dst }, 64)?.tcp_header(header);
    let mut out = Vec::with_capacity(step.size(0) + 4);
    step.write(&mut out, &[]).ok()?;
    Some(with_vlan(out, eth.vlan))
}
