//! Matches as OpenFlow 1.0 writes them: the fixed structure of its own messages, and the entries of
//! Nicira's messages, among which a cookie may stand.

use crate::error::Result;
use crate::field::{Field, FieldValue};
use crate::matching::Match;
use crate::port::Port;
use crate::wire::{Reader, Writer};

/// The header of the entry that is no field but the cookie of the flows that are meant, without and with
/// a mask.
const COOKIE: [u8; 4] = [0, 1, 30 << 1, 8];
const COOKIE_MASKED: [u8; 4] = [0, 1, 30 << 1 | 1, 16];

/// Reads `length` bytes of entries with their padding, and the cookie and mask among them.
pub(super) fn read_nxm(reader: &mut Reader<'_>, length: u16) -> Result<(Match, u64, u64)> {
    let length = usize::from(length);
    let mut body = reader.sub(length)?;
    reader.skip_padding(length.next_multiple_of(8) - length);
    let mut matches = Match::new();
    let (mut cookie, mut mask) = (0, 0);
    while !body.is_empty() {
        if body.rest().starts_with(&COOKIE) {
            body.skip(COOKIE.len())?;
            (cookie, mask) = (body.u64()?, u64::MAX);
        } else if body.rest().starts_with(&COOKIE_MASKED) {
            body.skip(COOKIE_MASKED.len())?;
            (cookie, mask) = (body.u64()?, body.u64()?);
        } else {
            matches.read_one(&mut body)?;
        }
    }
    Ok((matches, cookie, mask))
}

/// Writes entries with their padding, and their length without it at `length_at`. A mask of zero leaves
/// the cookie out.
pub(super) fn write_nxm(
    out: &mut Writer,
    length_at: usize,
    matches: &Match,
    cookie: u64,
    mask: u64,
) {
    let start = out.len();
    matches.write_entries(out);
    if mask != 0 {
        out.bytes(&COOKIE_MASKED);
        out.u64(cookie);
        out.u64(mask);
    }
    out.patch_len(length_at, start);
    out.pad8(start);
}

// The wildcards of the fixed structure.
const IN_PORT: u32 = 1;
const DL_VLAN: u32 = 1 << 1;
const DL_SRC: u32 = 1 << 2;
const DL_DST: u32 = 1 << 3;
const DL_TYPE: u32 = 1 << 4;
const NW_PROTO: u32 = 1 << 5;
const TP_SRC: u32 = 1 << 6;
const TP_DST: u32 = 1 << 7;
const DL_VLAN_PCP: u32 = 1 << 20;
const NW_TOS: u32 = 1 << 21;

/// Reads `struct ofp10_match` (OpenFlow 1.0, section 5.2.3).
pub(super) fn read_fixed(reader: &mut Reader<'_>) -> Result<Match> {
    let wild = reader.u32()?;
    let said = |bit| wild & bit == 0;
    let in_port = Port::from_u16(reader.u16()?);
    let (src, dst): ([u8; 6], [u8; 6]) = (reader.array()?, reader.array()?);
    let (vlan, pcp) = (reader.u16()?, reader.u8()?);
    reader.skip(1)?;
    let (eth_type, tos, proto) = (reader.u16()?, reader.u8()?, reader.u8()?);
    reader.skip(2)?;
    let (nw_src, nw_dst) = (reader.u32()?, reader.u32()?);
    let (tp_src, tp_dst) = (reader.u16()?, reader.u16()?);
    let mut out = Match::new();
    let mut put = |field, value: u128| out.insert(FieldValue::exact(field, value));
    if said(IN_PORT) {
        put(Field::InPortOxm, in_port.0.into());
    }
    let mac = |bytes: [u8; 6]| {
        bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | u128::from(*byte))
    };
    if said(DL_SRC) {
        put(Field::EthSrc, mac(src));
    }
    if said(DL_DST) {
        put(Field::EthDst, mac(dst));
    }
    match (said(DL_VLAN), said(DL_VLAN_PCP)) {
        // The number that says there is none.
        (true, _) if vlan == 0xffff => put(Field::VlanVid, 0),
        (true, with_pcp) => {
            put(Field::VlanVid, 0x1000 | u128::from(vlan & 0xfff));
            if with_pcp {
                put(Field::VlanPcp, u128::from(pcp & 7));
            }
        }
        (false, true) => put(Field::VlanPcp, u128::from(pcp & 7)),
        (false, false) => {}
    }
    if !said(DL_VLAN) && said(DL_VLAN_PCP) {
        out.insert(FieldValue::masked(Field::VlanVid, 0x1000, 0x1000));
    }
    if said(DL_TYPE) {
        out.insert(FieldValue::exact(Field::EthType, eth_type.into()));
        read_fixed_network(
            &mut out, eth_type, wild, tos, proto, nw_src, nw_dst, tp_src, tp_dst,
        );
    }
    Ok(out)
}

/// What a fixed structure says above Ethernet; of other protocols these fields say nothing.
#[allow(clippy::too_many_arguments, reason = "the rest of one structure")]
fn read_fixed_network(
    out: &mut Match,
    eth_type: u16,
    wild: u32,
    tos: u8,
    proto: u8,
    nw_src: u32,
    nw_dst: u32,
    tp_src: u16,
    tp_dst: u16,
) {
    let said = |bit| wild & bit == 0;
    let arp = matches!(eth_type, 0x0806 | 0x8035);
    if eth_type != 0x0800 && !arp {
        return;
    }
    let (src, dst, protocol) = if arp {
        (Field::ArpSpa, Field::ArpTpa, Field::ArpOp)
    } else {
        (Field::IpSrc, Field::IpDst, Field::IpProto)
    };
    if !arp && said(NW_TOS) {
        out.insert(FieldValue::exact(Field::IpDscp, u128::from(tos >> 2)));
    }
    if said(NW_PROTO) {
        out.insert(FieldValue::exact(protocol, proto.into()));
    }
    for (field, value, shift) in [(src, nw_src, 8), (dst, nw_dst, 14)] {
        let ignored = wild >> shift & 0x3f;
        let mask = u32::MAX.checked_shl(ignored).unwrap_or(0);
        out.insert(FieldValue::masked(field, value.into(), mask.into()));
    }
    let ports = match proto {
        _ if arp || !said(NW_PROTO) => return,
        6 => (Field::TcpSrc, Field::TcpDst),
        17 => (Field::UdpSrc, Field::UdpDst),
        132 => (Field::SctpSrc, Field::SctpDst),
        1 => (Field::IcmpType, Field::IcmpCode),
        _ => return,
    };
    for (field, value, bit) in [(ports.0, tp_src, TP_SRC), (ports.1, tp_dst, TP_DST)] {
        if said(bit) {
            out.insert(FieldValue::exact(field, value.into()));
        }
    }
}
