//! The table of all symbols (ovn-sb(5), "Symbols"). To add a symbol, add a line.

use std::sync::OnceLock;

use crate::expr::Expr;
use crate::symbol::{Kind, Level, Scope, Symbol, Symbols};
use crate::{Bits, Field, parse_match};

use Level::{Nominal, Ordinal};
use Scope::{CtCommit, Default, IcmpError, ReadOnly};

/// One symbol.
enum Entry {
    /// Name, field, level, prerequisite, scope.
    Whole(&'static str, Field, Level, &'static str, Scope),
    /// Name, field, first bit, width, prerequisite, scope. Always ordinal.
    Part(&'static str, Field, u8, u8, &'static str, Scope),
    /// Name, field, holding a port name.
    Port(&'static str, Field),
    /// Name, expansion.
    Predicate(&'static str, &'static str),
}

use Entry::{Part, Port, Predicate, Whole};

/// A prerequisite or expansion refers only to symbols above it.
#[rustfmt::skip]
const TABLE: &[Entry] = &[
    Port("inport", Field::InPort),
    Port("outport", Field::OutPort),
    Port("remote_outport", Field::RemoteOutPort),
    Whole("__inport", Field::InPort, Ordinal, "", Default),
    Whole("__outport", Field::OutPort, Ordinal, "", Default),
    Predicate("from_evpn_vtep", "__inport[31]"),
    Predicate("to_evpn_vtep", "__outport[31]"),

    Whole("reg0", Field::Reg(0), Ordinal, "", Default),
    Whole("reg1", Field::Reg(1), Ordinal, "", Default),
    Whole("reg2", Field::Reg(2), Ordinal, "", Default),
    Whole("reg3", Field::Reg(3), Ordinal, "", Default),
    Whole("reg4", Field::Reg(4), Ordinal, "", Default),
    Whole("reg5", Field::Reg(5), Ordinal, "", Default),
    Whole("reg6", Field::Reg(6), Ordinal, "", Default),
    Whole("reg7", Field::Reg(7), Ordinal, "", Default),
    Whole("reg8", Field::Reg(8), Ordinal, "", Default),
    Whole("reg9", Field::Reg(9), Ordinal, "", Default),
    Whole("xreg0", Field::XReg(0), Ordinal, "", Default),
    Whole("xreg1", Field::XReg(1), Ordinal, "", Default),
    Whole("xreg2", Field::XReg(2), Ordinal, "", Default),
    Whole("xreg3", Field::XReg(3), Ordinal, "", Default),
    Whole("xreg4", Field::XReg(4), Ordinal, "", Default),
    Whole("xxreg0", Field::XxReg(0), Ordinal, "", Default),
    Whole("xxreg1", Field::XxReg(1), Ordinal, "", Default),

    Whole("flags", Field::Flags, Ordinal, "", Default),
    Part("flags.loopback", Field::Flags, 0, 1, "", Default),
    Part("flags.force_snat_for_dnat", Field::Flags, 2, 1, "", Default),
    Part("flags.force_snat_for_lb", Field::Flags, 3, 1, "", Default),
    Part("flags.skip_snat_for_lb", Field::Flags, 9, 1, "", Default),
    Part("flags.use_snat_zone", Field::Flags, 11, 1, "", Default),
    Part("flags.localnet", Field::Flags, 15, 1, "", Default),
    Part("flags.tunnel_rx", Field::Flags, 16, 1, "", Default),
    Part("flags.icmp_snat", Field::Flags, 17, 1, "", Default),
    Part("flags.from_ctrl", Field::Flags, 19, 1, "", Default),
    Part("flags.unsnat_new", Field::Flags, 20, 1, "", Default),
    Part("flags.unsnat_not_tracked", Field::Flags, 21, 1, "", Default),
    Part("flags.igmp_loopback", Field::Flags, 22, 1, "", Default),
    Part("flags.pkt_sampled", Field::Flags, 23, 1, "", Default),
    Part("flags.network_id", Field::Flags, 28, 4, "", Default),

    Whole("ct_mark", Field::CtMark, Ordinal, "", CtCommit),
    Part("ct_mark.blocked", Field::CtMark, 0, 1, "", CtCommit),
    Part("ct_mark.natted", Field::CtMark, 1, 1, "", CtCommit),
    Part("ct_mark.skip_snat", Field::CtMark, 2, 1, "", CtCommit),
    Part("ct_mark.force_snat", Field::CtMark, 3, 1, "", CtCommit),
    Part("ct_mark.obs_stage", Field::CtMark, 4, 2, "", CtCommit),
    Part("ct_mark.allow_established", Field::CtMark, 6, 1, "", CtCommit),
    Part("ct_mark.ecmp_reply_port", Field::CtMark, 16, 16, "", CtCommit),
    Part("ct_mark.obs_collector_id", Field::CtMark, 16, 8, "", CtCommit),
    Whole("ct_label", Field::CtLabel, Ordinal, "", CtCommit),
    Part("ct_label.blocked", Field::CtLabel, 0, 1, "", CtCommit),
    Part("ct_label.natted", Field::CtLabel, 1, 1, "", CtCommit),
    Part("ct_label.skip_snat", Field::CtLabel, 2, 1, "", CtCommit),
    Part("ct_label.force_snat", Field::CtLabel, 3, 1, "", CtCommit),
    Part("ct_label.nf", Field::CtLabel, 7, 1, "", CtCommit),
    Part("ct_label.tun_if", Field::CtLabel, 8, 1, "", CtCommit),
    Part("ct_label.nf_id", Field::CtLabel, 17, 8, "", CtCommit),
    Part("ct_label.ecmp_reply_eth", Field::CtLabel, 32, 48, "", CtCommit),
    Part("ct_label.ecmp_reply_port", Field::CtLabel, 80, 16, "", CtCommit),
    Part("ct_label.acl_id", Field::CtLabel, 80, 16, "", CtCommit),
    Part("ct_label.tun_if_id", Field::CtLabel, 80, 16, "", CtCommit),
    Part("ct_label.label", Field::CtLabel, 96, 32, "", CtCommit),
    Part("ct_label.obs_point_id", Field::CtLabel, 96, 32, "", CtCommit),
    Part("ct_label.obs_unused", Field::CtLabel, 0, 96, "", CtCommit),
    Whole("ct_state", Field::CtState, Ordinal, "", ReadOnly),
    Part("ct.trk", Field::CtState, 5, 1, "", ReadOnly),
    Part("ct.new", Field::CtState, 0, 1, "ct.trk", ReadOnly),
    Part("ct.est", Field::CtState, 1, 1, "ct.trk", ReadOnly),
    Part("ct.rel", Field::CtState, 2, 1, "ct.trk", ReadOnly),
    Part("ct.rpl", Field::CtState, 3, 1, "ct.trk", ReadOnly),
    Part("ct.inv", Field::CtState, 4, 1, "ct.trk", ReadOnly),
    Part("ct.snat", Field::CtState, 6, 1, "ct.trk", ReadOnly),
    Part("ct.dnat", Field::CtState, 7, 1, "ct.trk", ReadOnly),

    Whole("eth.src", Field::EthSrc, Ordinal, "", Default),
    Whole("eth.dst", Field::EthDst, Ordinal, "", Default),
    Whole("eth.type", Field::EthType, Nominal, "", ReadOnly),
    Predicate("eth.bcast", "eth.dst == ff:ff:ff:ff:ff:ff"),
    Part("eth.mcast", Field::EthDst, 40, 1, "", Default),
    Predicate("eth.mcastv6", "eth.dst[32..47] == 0x3333"),
    Whole("vlan.tci", Field::VlanTci, Ordinal, "", Default),
    Predicate("vlan.present", "vlan.tci[12]"),
    Part("vlan.pcp", Field::VlanTci, 13, 3, "vlan.present", Default),
    Part("vlan.vid", Field::VlanTci, 0, 12, "vlan.present", Default),

    Predicate("ip4", "eth.type == 0x800"),
    Predicate("ip6", "eth.type == 0x86dd"),
    Predicate("ip", "ip4 || ip6"),
    Whole("ip.proto", Field::IpProto, Nominal, "ip", ReadOnly),
    Whole("ip.dscp", Field::IpDscp, Nominal, "ip", Default),
    Whole("ip.ecn", Field::IpEcn, Nominal, "ip", Default),
    Whole("ip.ttl", Field::IpTtl, Nominal, "ip", Default),
    Whole("ip4.src", Field::Ip4Src, Ordinal, "ip4", Default),
    Whole("ip4.dst", Field::Ip4Dst, Ordinal, "ip4", Default),
    Predicate("ip4.src_mcast", "ip4.src[28..31] == 0xe"),
    Predicate("ip4.mcast", "eth.mcast && ip4.dst[28..31] == 0xe"),
    Predicate("icmp4", "ip4 && ip.proto == 1"),
    Whole("icmp4.type", Field::Icmp4Type, Nominal, "icmp4", Default),
    Whole("icmp4.code", Field::Icmp4Code, Nominal, "icmp4", Default),
    Predicate("igmp", "ip4.mcast && ip.proto == 2"),
    Whole("ip6.src", Field::Ip6Src, Ordinal, "ip6", Default),
    Whole("ip6.dst", Field::Ip6Dst, Ordinal, "ip6", Default),
    Whole("ip6.label", Field::Ip6Label, Ordinal, "ip6", Default),
    // RFC 4291, 2.7.1: the reserved and the predefined multicast addresses.
    Predicate("ip6.mcast_rsvd", "ip6.dst[116..127] == 0xff0 && ip6.dst[0..111] == 0"),
    Predicate("ip6.mcast_all_nodes", "ip6.dst == {ff01::1, ff02::1}"),
    Predicate("ip6.mcast_all_rtrs", "ip6.dst == {ff01::2, ff02::2, ff05::2}"),
    Predicate("ip6.mcast_sol_node", "ip6.dst == ff02::1:ff00:0/104"),
    Predicate("ip6.mcast_flood",
        "eth.mcastv6 && \
         (ip6.mcast_rsvd || ip6.mcast_all_nodes || ip6.mcast_all_rtrs || ip6.mcast_sol_node)"),
    Predicate("ip6.mcast", "eth.mcastv6 && ip6.dst[120..127] == 0xff"),
    Predicate("icmp6", "ip6 && ip.proto == 58"),
    Whole("icmp6.type", Field::Icmp6Type, Nominal, "icmp6", Default),
    Whole("icmp6.code", Field::Icmp6Code, Nominal, "icmp6", Default),
    Predicate("icmp", "icmp4 || icmp6"),
    Whole("ip.frag", Field::IpFrag, Ordinal, "ip", ReadOnly),
    Predicate("ip.is_frag", "ip.frag[0]"),
    Predicate("ip.later_frag", "ip.frag[1]"),
    Predicate("ip.first_frag", "ip.is_frag && !ip.later_frag"),

    Predicate("arp", "eth.type == 0x806"),
    Whole("arp.op", Field::ArpOp, Nominal, "arp", Default),
    Whole("arp.spa", Field::ArpSpa, Ordinal, "arp", Default),
    Whole("arp.sha", Field::ArpSha, Ordinal, "arp", Default),
    Whole("arp.tpa", Field::ArpTpa, Ordinal, "arp", Default),
    Whole("arp.tha", Field::ArpTha, Ordinal, "arp", Default),
    Predicate("rarp", "eth.type == 0x8035"),
    Whole("rarp.op", Field::ArpOp, Nominal, "rarp", Default),
    Whole("rarp.spa", Field::ArpSpa, Ordinal, "rarp", Default),
    Whole("rarp.sha", Field::ArpSha, Ordinal, "rarp", Default),
    Whole("rarp.tpa", Field::ArpTpa, Ordinal, "rarp", Default),
    Whole("rarp.tha", Field::ArpTha, Ordinal, "rarp", Default),

    Predicate("nd", "icmp6.type == {135, 136} && icmp6.code == 0 && ip.ttl == 255"),
    Predicate("nd_ns", "icmp6.type == 135 && icmp6.code == 0 && ip.ttl == 255"),
    Predicate("nd_ns_mcast", "ip6.mcast && icmp6.type == 135 && icmp6.code == 0 && ip.ttl == 255"),
    Predicate("nd_na", "icmp6.type == 136 && icmp6.code == 0 && ip.ttl == 255"),
    Predicate("nd_rs", "icmp6.type == 133 && icmp6.code == 0 && ip.ttl == 255"),
    Predicate("nd_ra", "icmp6.type == 134 && icmp6.code == 0 && ip.ttl == 255"),
    Whole("nd.target", Field::NdTarget, Ordinal, "nd", Default),
    Whole("nd.sll", Field::NdSll, Ordinal, "nd_ns", Default),
    Whole("nd.tll", Field::NdTll, Ordinal, "nd_na", Default),
    // RFC 2710 and RFC 3810: MLD comes from link-local addresses; version 2 goes to ff02::16.
    Predicate("mldv1", "eth.mcastv6 && ip6.src == fe80::/10 && icmp6.type == {130, 131, 132}"),
    Predicate("mldv2", "eth.mcastv6 && ip6.dst == ff02::16 && icmp6.type == 143"),

    Predicate("tcp", "ip.proto == 6"),
    Whole("tcp.src", Field::TcpSrc, Ordinal, "tcp", Default),
    Whole("tcp.dst", Field::TcpDst, Ordinal, "tcp", Default),
    Whole("tcp.flags", Field::TcpFlags, Ordinal, "tcp", ReadOnly),
    Predicate("udp", "ip.proto == 17"),
    Whole("udp.src", Field::UdpSrc, Ordinal, "udp", Default),
    Whole("udp.dst", Field::UdpDst, Ordinal, "udp", Default),
    Predicate("sctp", "ip.proto == 132"),
    Whole("sctp.src", Field::SctpSrc, Ordinal, "sctp", Default),
    Whole("sctp.dst", Field::SctpDst, Ordinal, "sctp", Default),

    Whole("pkt.mark", Field::PktMark, Ordinal, "", Default),
    Whole("icmp4.frag_mtu", Field::Icmp4FragMtu, Ordinal, "", IcmpError),
    Whole("icmp6.frag_mtu", Field::Icmp6FragMtu, Ordinal, "", IcmpError),
];

/// What is different where the ports are those of the connection. Flags are the packet's, so they ask for its protocol.
#[rustfmt::skip]
const CT_TRANSLATION: &[Entry] = &[
    Whole("ct_proto", Field::CtProto, Nominal, "ct.trk", ReadOnly),
    Whole("tcp.flags", Field::TcpFlags, Ordinal, "tcp", ReadOnly),
    Predicate("tcp", "ct.trk && !ct.inv && ct_proto == 6"),
    Whole("tcp.src", Field::CtTpSrc, Ordinal, "tcp", ReadOnly),
    Whole("tcp.dst", Field::CtTpDst, Ordinal, "tcp", ReadOnly),
    Predicate("udp", "ct.trk && !ct.inv && ct_proto == 17"),
    Whole("udp.src", Field::CtTpSrc, Ordinal, "udp", ReadOnly),
    Whole("udp.dst", Field::CtTpDst, Ordinal, "udp", ReadOnly),
    Predicate("sctp", "ct.trk && !ct.inv && ct_proto == 132"),
    Whole("sctp.src", Field::CtTpSrc, Ordinal, "sctp", ReadOnly),
    Whole("sctp.dst", Field::CtTpDst, Ordinal, "sctp", ReadOnly),
];

/// All symbols, in the order of the table.
pub(crate) fn build() -> Symbols {
    with(Symbols::empty(), TABLE)
}

/// The symbols of `base`, some of them replaced.
pub(crate) fn build_ct_translation(base: &Symbols) -> Symbols {
    with(base.clone(), CT_TRANSLATION)
}

fn with(mut symbols: Symbols, entries: &[Entry]) -> Symbols {
    for entry in entries {
        let symbol = make(entry, &symbols);
        symbols.add(symbol);
    }
    symbols
}

fn make(entry: &Entry, so_far: &Symbols) -> Symbol {
    let expr = |text: &str| parse_match(text, so_far).expect("the table's own texts parse");
    let prerequisite = |text: &str| (!text.is_empty()).then(|| expr(text));
    match *entry {
        Whole(name, field, level, needs, scope) => Symbol {
            name,
            id: 0,
            form: OnceLock::new(),
            kind: Kind::Bits(Bits {
                field,
                first: 0,
                width: field.width(),
            }),
            level,
            prerequisite: prerequisite(needs),
            scope,
        },
        Part(name, field, first, width, needs, scope) => Symbol {
            name,
            id: 0,
            form: OnceLock::new(),
            kind: Kind::Bits(Bits {
                field,
                first,
                width,
            }),
            level: Ordinal,
            prerequisite: prerequisite(needs),
            scope,
        },
        Port(name, field) => Symbol {
            name,
            id: 0,
            form: OnceLock::new(),
            kind: Kind::Port(Bits {
                field,
                first: 0,
                width: field.width(),
            }),
            level: Nominal,
            prerequisite: None,
            scope: Default,
        },
        Predicate(name, text) => {
            let expansion = expr(text);
            let level = level_of(&expansion).min(Level::Boolean);
            Symbol {
                name,
                id: 0,
                form: OnceLock::new(),
                kind: Kind::Predicate(Box::new(expansion)),
                level,
                prerequisite: None,
                scope: ReadOnly,
            }
        }
    }
}

/// A predicate is nominal when anything in it is.
fn level_of(expr: &Expr) -> Level {
    match expr {
        Expr::Const(_) | Expr::Resident(_) => Level::Boolean,
        Expr::Predicate(symbol) => symbol.level,
        Expr::Bit(slice) => slice.symbol().level,
        Expr::Compare(comparison) => comparison.operand.symbol().level,
        Expr::Not(inner) => level_of(inner),
        Expr::And(parts) | Expr::Or(parts) => {
            parts.iter().map(level_of).min().unwrap_or(Level::Boolean)
        }
    }
}
