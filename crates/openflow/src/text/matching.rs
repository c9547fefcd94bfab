//! Matches as text. The order and the names are those of `ovs-ofctl`, which come from OpenFlow 1.0.

use smallvec::SmallVec;

use super::{Dec, Parts, Say, Value, put};
use crate::field::{Field, FieldValue, Needs};
use crate::matching::Match;

/// The protocols that have a name, by Ethernet type and IP protocol.
pub(super) const PROTOCOLS: &[(u128, Option<u128>, &str)] = &[
    (0x0800, Some(1), "icmp"),
    (0x0800, Some(6), "tcp"),
    (0x0800, Some(17), "udp"),
    (0x0800, Some(132), "sctp"),
    (0x0800, None, "ip"),
    (0x86dd, Some(58), "icmp6"),
    (0x86dd, Some(6), "tcp6"),
    (0x86dd, Some(17), "udp6"),
    (0x86dd, Some(132), "sctp6"),
    (0x86dd, None, "ipv6"),
    (0x0806, None, "arp"),
    (0x8035, None, "rarp"),
    (0x8847, None, "mpls"),
    (0x8848, None, "mplsm"),
];

/// How a field is written.
#[derive(Clone, Copy)]
enum Style {
    /// As the table of fields says.
    Table,
    /// A number: decimal where it is exact, hexadecimal with a mask.
    Number,
    /// The same with both digits of a byte.
    Number8,
    /// The same with all eight digits.
    Number32,
    /// Five hexadecimal digits.
    Label,
    /// Shifted by two bits.
    Dscp,
}

/// What stands before the protocol's name.
const FIRST: &[(Field, &str, Style)] = &[
    (Field::PktMark, "pkt_mark", Style::Table),
    (Field::RecircId, "recirc_id", Style::Table),
    (Field::DpHash, "dp_hash", Style::Table),
    (Field::ConjId, "conj_id", Style::Table),
    (Field::ActsetOutput, "actset_output", Style::Table),
    (Field::CtState, "ct_state", Style::Table),
    (Field::CtZone, "ct_zone", Style::Number),
    (Field::CtMark, "ct_mark", Style::Table),
    (Field::CtLabel, "ct_label", Style::Table),
    (Field::CtNwSrc, "ct_nw_src", Style::Table),
    (Field::CtIpv6Src, "ct_ipv6_src", Style::Table),
    (Field::CtNwDst, "ct_nw_dst", Style::Table),
    (Field::CtIpv6Dst, "ct_ipv6_dst", Style::Table),
    (Field::CtNwProto, "ct_nw_proto", Style::Number),
    (Field::CtTpSrc, "ct_tp_src", Style::Number),
    (Field::CtTpDst, "ct_tp_dst", Style::Number),
    (Field::PacketType, "packet_type", Style::Table),
];

/// What stands between the protocol's name and the VLAN. A name that is missing is that of the table.
const TUNNEL: &[(Field, &str, Style)] = &[
    (Field::Reg(0), "", Style::Table),
    (Field::TunId, "tun_id", Style::Table),
    (Field::TunSrc, "tun_src", Style::Table),
    (Field::TunDst, "tun_dst", Style::Table),
    (Field::TunIpv6Src, "tun_ipv6_src", Style::Table),
    (Field::TunIpv6Dst, "tun_ipv6_dst", Style::Table),
    (Field::TunGbpId, "tun_gbp_id", Style::Number),
    (Field::TunGbpFlags, "tun_gbp_flags", Style::Table),
    (Field::TunErspanVer, "tun_erspan_ver", Style::Number),
    (Field::TunErspanIdx, "tun_erspan_idx", Style::Table),
    (Field::TunErspanDir, "tun_erspan_dir", Style::Number),
    (Field::TunErspanHwid, "tun_erspan_hwid", Style::Table),
    (Field::TunGtpuFlags, "gtpu_flags", Style::Table),
    (Field::TunGtpuMsgtype, "gtpu_msgtype", Style::Number),
    (Field::TunFlags, "tun_flags", Style::Table),
    (Field::TunMetadata(0), "", Style::Table),
];

/// What stands between tunnels and what is above Ethernet.
const MIDDLE: &[(Field, &str, Style)] = &[
    (Field::Metadata, "metadata", Style::Table),
    (Field::InPortOxm, "in_port", Style::Table),
    (Field::VlanVid, "", Style::Table),
    (Field::VlanPcp, "", Style::Table),
    (Field::EthSrc, "dl_src", Style::Table),
    (Field::EthDst, "dl_dst", Style::Table),
    (Field::EthType, "", Style::Table),
];

/// What stands after the Ethernet type.
const LAST: &[(Field, &str, Style)] = &[
    (Field::Ipv6Src, "ipv6_src", Style::Table),
    (Field::Ipv6Dst, "ipv6_dst", Style::Table),
    (Field::Ipv6Label, "ipv6_label", Style::Label),
    (Field::ArpSpa, "arp_spa", Style::Table),
    (Field::ArpTpa, "arp_tpa", Style::Table),
    (Field::NshFlags, "nsh_flags", Style::Number8),
    (Field::NshTtl, "nsh_ttl", Style::Number8),
    (Field::NshMdtype, "nsh_mdtype", Style::Number8),
    (Field::NshNp, "nsh_np", Style::Number8),
    (Field::NshSpi, "nsh_spi", Style::Table),
    (Field::NshSi, "nsh_si", Style::Number8),
    (Field::NshC1, "nsh_c1", Style::Table),
    (Field::NshC2, "nsh_c2", Style::Table),
    (Field::NshC3, "nsh_c3", Style::Table),
    (Field::NshC4, "nsh_c4", Style::Table),
    (Field::IpSrc, "nw_src", Style::Table),
    (Field::IpDst, "nw_dst", Style::Table),
    (Field::IpProto, "nw_proto", Style::Table),
    (Field::ArpOp, "arp_op", Style::Table),
    (Field::ArpSha, "arp_sha", Style::Table),
    (Field::ArpTha, "arp_tha", Style::Table),
    (Field::IpDscp, "nw_tos", Style::Dscp),
    (Field::IpEcn, "nw_ecn", Style::Table),
    (Field::IpTtl, "nw_ttl", Style::Table),
    (Field::MplsLabel, "mpls_label", Style::Table),
    (Field::MplsTc, "mpls_tc", Style::Table),
    (Field::MplsTtl, "mpls_ttl", Style::Table),
    (Field::MplsBos, "mpls_bos", Style::Table),
    (Field::IpFrag, "nw_frag", Style::Table),
    (Field::IcmpType, "icmp_type", Style::Number),
    (Field::IcmpCode, "icmp_code", Style::Number),
    (Field::Icmpv6Type, "icmp_type", Style::Number),
    (Field::Icmpv6Code, "icmp_code", Style::Number),
    (Field::NdTarget, "nd_target", Style::Table),
    (Field::NdSll, "nd_sll", Style::Table),
    (Field::NdTll, "nd_tll", Style::Table),
    (Field::NdReserved, "nd_reserved", Style::Number32),
    (Field::NdOptionsType, "nd_options_type", Style::Number),
    (Field::TcpSrc, "tp_src", Style::Number),
    (Field::UdpSrc, "tp_src", Style::Number),
    (Field::SctpSrc, "tp_src", Style::Number),
    (Field::TcpDst, "tp_dst", Style::Number),
    (Field::UdpDst, "tp_dst", Style::Number),
    (Field::SctpDst, "tp_dst", Style::Number),
    (Field::TcpFlags, "tcp_flags", Style::Table),
];

/// How each field is written, and where: by the line of the table of fields.
static PLACES: [(u8, &str, Style); Field::LINES] = {
    let mut places = [(u8::MAX, "", Style::Table); Field::LINES];
    let mut next = 0;
    let lists: [&[(Field, &str, Style)]; 4] = [FIRST, TUNNEL, MIDDLE, LAST];
    let mut list = 0;
    while list < lists.len() {
        let mut at = 0;
        while at < lists[list].len() {
            let (field, name, style) = lists[list][at];
            places[field.line()] = (next, name, style);
            next += 1;
            at += 1;
        }
        list += 1;
    }
    places
};

fn place(field: Field) -> u8 {
    PLACES[field.line()].0
}

fn write_field(parts: &mut Parts<'_>, entry: &FieldValue) {
    let (_, name, style) = PLACES[entry.field().line()];
    let out = parts.begin();
    if name.is_empty() {
        return entry.say(out);
    }
    out.push_str(name);
    out.push('=');
    let (value, mask) = (entry.value(), entry.mask());
    match (style, entry.is_exact()) {
        (Style::Table, _) => Value(entry).say(out),
        (Style::Number | Style::Number8 | Style::Number32, true) => {
            Dec(u64::try_from(value).unwrap_or(u64::MAX)).say(out);
        }
        (Style::Number, false) => put!(out, "{value:#x}/{mask:#x}"),
        (Style::Number8, false) => put!(out, "{value:#04x}/{mask:#04x}"),
        (Style::Number32, false) => put!(out, "{value:#010x}/{mask:#010x}"),
        (Style::Label, true) => put!(out, "{value:#07x}"),
        (Style::Label, false) => put!(out, "{value:#07x}/{mask:#07x}"),
        (Style::Dscp, _) => put!(out, "{}", value << 2),
    }
}

impl Match {
    fn write_vlan(&self, parts: &mut Parts<'_>) {
        let part = |field, shift: u32| {
            self.get(field)
                .map_or((0, 0), |f| (f.value() << shift, f.mask() << shift))
        };
        let (vid, vid_mask) = part(Field::VlanVid, 0);
        let (pcp, pcp_mask) = part(Field::VlanPcp, 13);
        let (value, mask) = (vid | pcp, vid_mask | pcp_mask);
        let whole = |part: u128| mask & part == 0 || mask & part == part;
        if value & 0x1000 != 0 && whole(0xfff) && whole(0xe000) && mask & 0xefff != 0 {
            if mask & 0xfff != 0 {
                parts.push(format_args!("dl_vlan={}", value & 0xfff));
            }
            if mask & 0xe000 != 0 {
                parts.push(format_args!("dl_vlan_pcp={}", value >> 13));
            }
        } else if mask == 0xffff {
            parts.push(format_args!("vlan_tci={value:#06x}"));
        } else {
            parts.push(format_args!("vlan_tci={value:#06x}/{mask:#06x}"));
        }
    }

    /// The text with a priority, as it stands in a flow. The default priority is not written. Whether
    /// anything was written.
    pub(super) fn write_text(&self, out: &mut String, priority: u16) -> bool {
        let mut parts = Parts::new(out);
        if priority != 0x8000 {
            let out = parts.begin();
            out.push_str("priority=");
            Dec(priority.into()).say(out);
        }
        let mut fields: SmallVec<[(u8, FieldValue); 12]> = self
            .fields()
            .map(|entry| (place(entry.field()), entry))
            .collect();
        fields.sort_by_key(|(place, _)| *place);
        let exact = |field| {
            let mut entries = fields.iter().map(|(_, entry)| entry);
            let found = entries.find(|entry| entry.field() == field);
            found
                .filter(|entry| entry.is_exact())
                .map(|entry| entry.value())
        };
        let (eth_type, protocol) = (exact(Field::EthType), exact(Field::IpProto));
        let named = PROTOCOLS
            .iter()
            .find(|(t, p, _)| Some(*t) == eth_type && (p.is_none() || *p == protocol));
        let mut name = named.map(|(_, _, name)| *name);
        let mut vlan = false;
        for (place, entry) in &fields {
            if *place >= place_of_name()
                && let Some(name) = name.take()
            {
                parts.push(name);
            }
            match entry.field() {
                Field::VlanVid | Field::VlanPcp => {
                    if !std::mem::replace(&mut vlan, true) {
                        self.write_vlan(&mut parts);
                    }
                }
                Field::EthType => {
                    if let (Some(eth_type), None) = (eth_type, named) {
                        parts.push(format_args!("dl_type={eth_type:#06x}"));
                    }
                }
                Field::IpProto if named.is_some_and(|(_, protocol, _)| protocol.is_some()) => {}
                _ => write_field(&mut parts, entry),
            }
        }
        for bytes in self.opaque() {
            let out = parts.begin();
            out.push_str("oxm=");
            bytes.iter().for_each(|byte| put!(out, "{byte:02x}"));
        }
        parts.any()
    }
}

/// The place of what stands behind the name of a protocol.
fn place_of_name() -> u8 {
    place(Field::Reg(0))
}

impl Say for Match {
    fn say(&self, out: &mut String) {
        self.write_text(out, 0x8000);
    }
}

/// How to say what a field presupposes.
pub(super) const fn needed(needs: Needs) -> &'static str {
    match needs {
        Needs::None => "nothing",
        Needs::Ct => "ct_state",
        Needs::VlanVid => "a VLAN",
        Needs::Mpls => "mpls",
        Needs::Ipv4 => "ip",
        Needs::Ipv6 => "ipv6",
        Needs::Ip => "ip or ipv6",
        Needs::Arp => "arp or rarp",
        Needs::Tcp => "tcp or tcp6",
        Needs::Udp => "udp or udp6",
        Needs::Sctp => "sctp or sctp6",
        Needs::Icmp4 => "icmp",
        Needs::Icmp6 => "icmp6",
        Needs::Nd => "icmp6 and icmp_type=135 or 136",
        Needs::NdSolicit => "icmp6 and icmp_type=135",
        Needs::NdAdvert => "icmp6 and icmp_type=136",
        Needs::Nsh => "dl_type=0x894f",
    }
}
