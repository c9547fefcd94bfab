//! Every field, one line each (`ovs-fields(7)`).
//!
//! The order is the order on the wire: a field stands after the fields that it presupposes. Fields
//! that have no code point, and so can never be in a message, are not here.

use super::{Class, CodePoint, FieldInfo, Format, Needs};

macro_rules! fields {
    (
        one {$(
            $one:ident $name:literal $bytes:literal $bits:literal $mask:ident $format:ident
            $needs:ident $access:ident [$($code:ident $class:ident $number:literal),+];
        )*}
        many {$(
            $many:ident $count:literal $mname:literal $mbytes:literal $mbits:literal $mmask:ident
            $mformat:ident $mneeds:ident $maccess:ident [$($mcode:ident $mclass:ident $mnumber:literal),+];
        )*}
    ) => {
        /// A field of a packet, or of what travels with it through the switch.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field {
            $(#[doc = concat!("`", $name, "`")] $one,)*
            $(#[doc = concat!("`", $mname, "`, numbered from zero")] $many(u8),)*
        }

        impl Field {
            /// What the table says of this field.
            #[must_use]
            pub const fn info(self) -> &'static FieldInfo {
                match self {
                    $(Self::$one => &FieldInfo {
                        name: $name,
                        count: 1,
                        bytes: $bytes,
                        bits: $bits,
                        maskable: fields!(@$mask),
                        format: Format::$format,
                        needs: Needs::$needs,
                        writable: fields!(@$access),
                        codes: &[$(CodePoint {
                            name: stringify!($code), class: Class::$class, number: $number,
                        }),+],
                    },)*
                    $(Self::$many(_) => &FieldInfo {
                        name: $mname,
                        count: $count,
                        bytes: $mbytes,
                        bits: $mbits,
                        maskable: fields!(@$mmask),
                        format: Format::$mformat,
                        needs: Needs::$mneeds,
                        writable: fields!(@$maccess),
                        codes: &[$(CodePoint {
                            name: stringify!($mcode), class: Class::$mclass, number: $mnumber,
                        }),+],
                    },)*
                }
            }

            /// The number within a family; zero for an ordinary field.
            #[must_use]
            pub const fn index(self) -> u8 {
                match self {
                    $(Self::$many(index) => index,)*
                    _ => 0,
                }
            }

            /// How many lines the table has.
            pub(crate) const LINES: usize =
                [$(stringify!($one)),*].len() + [$(stringify!($many)),*].len();

            /// Which line of the table it is.
            pub(crate) const fn line(self) -> usize {
                enum Line { $($one,)* $($many,)* }
                match self {
                    $(Self::$one => Line::$one as usize,)*
                    $(Self::$many(_) => Line::$many as usize,)*
                }
            }

            /// How many there are, every member of a family counted.
            pub(super) const COUNT: usize = [$(stringify!($one)),*].len() $(+ $count)*;

            /// Every field, in the table's order.
            pub(super) const EVERY: [Self; Self::COUNT] = {
                let ones = [$(Self::$one),*];
                let mut every = [Self::PacketType; Self::COUNT];
                let mut at = 0;
                while at < ones.len() {
                    every[at] = ones[at];
                    at += 1;
                }
                $(
                    let first = at;
                    while at < first + $count {
                        every[at] = Self::$many((at - first) as u8);
                        at += 1;
                    }
                )*
                every
            };

            /// Every field, every member of a family included.
            pub fn all() -> impl Iterator<Item = Self> {
                Self::EVERY.into_iter()
            }
        }
    };
    (@masked) => { true };
    (@exact) => { false };
    (@rw) => { true };
    (@ro) => { false };
}

fields! {
    //  field      name           bytes bits      written    presupposes   code points, that of 1.5 first
    one {
        PacketType     "packet_type"        4  32 exact  PacketType None     ro [OXM_OF_PACKET_TYPE Basic 44];
        DpHash         "dp_hash"            4  32 masked Hex        None     ro [NXOXM_ET_DP_HASH Nicira 0, NXM_NX_DP_HASH Nxm1 35];
        RecircId       "recirc_id"          4  32 exact  Decimal    None     ro [NXM_NX_RECIRC_ID Nxm1 36];
        ConjId         "conj_id"            4  32 exact  Decimal    None     ro [NXM_NX_CONJ_ID Nxm1 37];
        InPort         "in_port"            2  16 exact  Port16     None     rw [NXM_OF_IN_PORT Nxm0 0];
        InPortOxm      "in_port_oxm"        4  32 exact  Port       None     rw [OXM_OF_IN_PORT Basic 0];
        ActsetOutput   "actset_output"      4  32 exact  Port       None     ro [OXM_OF_ACTSET_OUTPUT Basic 43, ONFOXM_ET_ACTSET_OUTPUT Onf 43];
        EthSrc         "eth_src"            6  48 masked Ethernet   None     rw [OXM_OF_ETH_SRC Basic 4, NXM_OF_ETH_SRC Nxm0 2];
        EthDst         "eth_dst"            6  48 masked Ethernet   None     rw [OXM_OF_ETH_DST Basic 3, NXM_OF_ETH_DST Nxm0 1];
        EthType        "eth_type"           2  16 exact  Hex        None     ro [OXM_OF_ETH_TYPE Basic 5, NXM_OF_ETH_TYPE Nxm0 3];
        VlanTci        "vlan_tci"           2  16 masked Hex        None     rw [NXM_OF_VLAN_TCI Nxm0 4];
        VlanVid        "vlan_vid"           2  12 masked Decimal    None     rw [OXM_OF_VLAN_VID Basic 6];
        VlanPcp        "vlan_pcp"           1   3 exact  Decimal    VlanVid  rw [OXM_OF_VLAN_PCP Basic 7];
        MplsLabel      "mpls_label"         4  20 exact  Decimal    Mpls     rw [OXM_OF_MPLS_LABEL Basic 34];
        MplsTc         "mpls_tc"            1   3 exact  Decimal    Mpls     rw [OXM_OF_MPLS_TC Basic 35];
        MplsBos        "mpls_bos"           1   1 exact  Decimal    Mpls     ro [OXM_OF_MPLS_BOS Basic 36];
        MplsTtl        "mpls_ttl"           1   8 exact  Decimal    Mpls     rw [NXM_NX_MPLS_TTL Nxm1 30];
        IpSrc          "ip_src"             4  32 masked Ipv4       Ipv4     rw [OXM_OF_IPV4_SRC Basic 11, NXM_OF_IP_SRC Nxm0 7];
        IpDst          "ip_dst"             4  32 masked Ipv4       Ipv4     rw [OXM_OF_IPV4_DST Basic 12, NXM_OF_IP_DST Nxm0 8];
        Ipv6Src        "ipv6_src"          16 128 masked Ipv6       Ipv6     rw [OXM_OF_IPV6_SRC Basic 26, NXM_NX_IPV6_SRC Nxm1 19];
        Ipv6Dst        "ipv6_dst"          16 128 masked Ipv6       Ipv6     rw [OXM_OF_IPV6_DST Basic 27, NXM_NX_IPV6_DST Nxm1 20];
        Ipv6Label      "ipv6_label"         4  20 masked Hex        Ipv6     rw [OXM_OF_IPV6_FLABEL Basic 28, NXM_NX_IPV6_LABEL Nxm1 27];
        IpProto        "nw_proto"           1   8 exact  Decimal    Ip       ro [OXM_OF_IP_PROTO Basic 10, NXM_OF_IP_PROTO Nxm0 6];
        IpTos          "nw_tos"             1   8 exact  Decimal    Ip       rw [NXM_OF_IP_TOS Nxm0 5];
        IpDscp         "ip_dscp"            1   6 exact  Decimal    Ip       rw [OXM_OF_IP_DSCP Basic 8];
        IpEcn          "nw_ecn"             1   2 exact  Decimal    Ip       rw [OXM_OF_IP_ECN Basic 9, NXM_NX_IP_ECN Nxm1 28];
        IpTtl          "nw_ttl"             1   8 exact  Decimal    Ip       rw [NXM_NX_IP_TTL Nxm1 29];
        IpFrag         "ip_frag"            1   2 masked Frag       Ip       ro [NXM_NX_IP_FRAG Nxm1 26];
        ArpOp          "arp_op"             2  16 exact  Decimal    Arp      rw [OXM_OF_ARP_OP Basic 21, NXM_OF_ARP_OP Nxm0 15];
        ArpSpa         "arp_spa"            4  32 masked Ipv4       Arp      rw [OXM_OF_ARP_SPA Basic 22, NXM_OF_ARP_SPA Nxm0 16];
        ArpTpa         "arp_tpa"            4  32 masked Ipv4       Arp      rw [OXM_OF_ARP_TPA Basic 23, NXM_OF_ARP_TPA Nxm0 17];
        ArpSha         "arp_sha"            6  48 masked Ethernet   Arp      rw [OXM_OF_ARP_SHA Basic 24, NXM_NX_ARP_SHA Nxm1 17];
        ArpTha         "arp_tha"            6  48 masked Ethernet   Arp      rw [OXM_OF_ARP_THA Basic 25, NXM_NX_ARP_THA Nxm1 18];
        TcpSrc         "tcp_src"            2  16 masked Decimal    Tcp      rw [OXM_OF_TCP_SRC Basic 13, NXM_OF_TCP_SRC Nxm0 9];
        TcpDst         "tcp_dst"            2  16 masked Decimal    Tcp      rw [OXM_OF_TCP_DST Basic 14, NXM_OF_TCP_DST Nxm0 10];
        TcpFlags       "tcp_flags"          2  12 masked TcpFlags   Tcp      ro [OXM_OF_TCP_FLAGS Basic 42, ONFOXM_ET_TCP_FLAGS Onf 42, NXM_NX_TCP_FLAGS Nxm1 34];
        UdpSrc         "udp_src"            2  16 masked Decimal    Udp      rw [OXM_OF_UDP_SRC Basic 15, NXM_OF_UDP_SRC Nxm0 11];
        UdpDst         "udp_dst"            2  16 masked Decimal    Udp      rw [OXM_OF_UDP_DST Basic 16, NXM_OF_UDP_DST Nxm0 12];
        SctpSrc        "sctp_src"           2  16 masked Decimal    Sctp     rw [OXM_OF_SCTP_SRC Basic 17];
        SctpDst        "sctp_dst"           2  16 masked Decimal    Sctp     rw [OXM_OF_SCTP_DST Basic 18];
        IcmpType       "icmp_type"          1   8 exact  Decimal    Icmp4    rw [OXM_OF_ICMPV4_TYPE Basic 19, NXM_OF_ICMP_TYPE Nxm0 13];
        IcmpCode       "icmp_code"          1   8 exact  Decimal    Icmp4    rw [OXM_OF_ICMPV4_CODE Basic 20, NXM_OF_ICMP_CODE Nxm0 14];
        Icmpv6Type     "icmpv6_type"        1   8 exact  Decimal    Icmp6    rw [OXM_OF_ICMPV6_TYPE Basic 29, NXM_NX_ICMPV6_TYPE Nxm1 21];
        Icmpv6Code     "icmpv6_code"        1   8 exact  Decimal    Icmp6    rw [OXM_OF_ICMPV6_CODE Basic 30, NXM_NX_ICMPV6_CODE Nxm1 22];
        NdTarget       "nd_target"         16 128 masked Ipv6       Nd       rw [OXM_OF_IPV6_ND_TARGET Basic 31, NXM_NX_ND_TARGET Nxm1 23];
        NdSll          "nd_sll"             6  48 masked Ethernet   NdSolicit rw [OXM_OF_IPV6_ND_SLL Basic 32, NXM_NX_ND_SLL Nxm1 24];
        NdTll          "nd_tll"             6  48 masked Ethernet   NdAdvert  rw [OXM_OF_IPV6_ND_TLL Basic 33, NXM_NX_ND_TLL Nxm1 25];
        NdReserved     "nd_reserved"        4  32 exact  Decimal    Nd       rw [ERICOXM_OF_ICMPV6_ND_RESERVED Ericsson 1];
        NdOptionsType  "nd_options_type"    1   8 exact  Decimal    Nd       rw [ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE Ericsson 2];
        NshFlags       "nsh_flags"          1   8 masked Decimal    Nsh      rw [NXOXM_NSH_FLAGS Nsh 1];
        NshMdtype      "nsh_mdtype"         1   8 exact  Decimal    Nsh      ro [NXOXM_NSH_MDTYPE Nsh 2];
        NshNp          "nsh_np"             1   8 exact  Decimal    Nsh      ro [NXOXM_NSH_NP Nsh 3];
        NshSpi         "nsh_spi"            4  24 exact  Hex        Nsh      rw [NXOXM_NSH_SPI Nsh 4];
        NshSi          "nsh_si"             1   8 exact  Decimal    Nsh      rw [NXOXM_NSH_SI Nsh 5];
        NshC1          "nsh_c1"             4  32 masked Hex        Nsh      rw [NXOXM_NSH_C1 Nsh 6];
        NshC2          "nsh_c2"             4  32 masked Hex        Nsh      rw [NXOXM_NSH_C2 Nsh 7];
        NshC3          "nsh_c3"             4  32 masked Hex        Nsh      rw [NXOXM_NSH_C3 Nsh 8];
        NshC4          "nsh_c4"             4  32 masked Hex        Nsh      rw [NXOXM_NSH_C4 Nsh 9];
        NshTtl         "nsh_ttl"            1   8 exact  Decimal    Nsh      rw [NXOXM_NSH_TTL Nsh 10];
        TunId          "tun_id"             8  64 masked Hex        None     rw [OXM_OF_TUNNEL_ID Basic 38, NXM_NX_TUN_ID Nxm1 16];
        TunFlags       "tun_flags"          2   1 masked TunFlags   None     rw [NXM_NX_TUN_FLAGS Nxm1 104];
        TunSrc         "tun_src"            4  32 masked Ipv4       None     rw [NXM_NX_TUN_IPV4_SRC Nxm1 31];
        TunDst         "tun_dst"            4  32 masked Ipv4       None     rw [NXM_NX_TUN_IPV4_DST Nxm1 32];
        TunIpv6Src     "tun_ipv6_src"      16 128 masked Ipv6       None     rw [NXM_NX_TUN_IPV6_SRC Nxm1 109];
        TunIpv6Dst     "tun_ipv6_dst"      16 128 masked Ipv6       None     rw [NXM_NX_TUN_IPV6_DST Nxm1 110];
        TunGbpId       "tun_gbp_id"         2  16 masked Decimal    None     rw [NXM_NX_TUN_GBP_ID Nxm1 38];
        TunGbpFlags    "tun_gbp_flags"      1   8 masked Hex        None     rw [NXM_NX_TUN_GBP_FLAGS Nxm1 39];
        TunErspanIdx   "tun_erspan_idx"     4  20 masked Hex        None     rw [NXOXM_ET_ERSPAN_IDX Nicira 11];
        TunErspanVer   "tun_erspan_ver"     1   4 masked Decimal    None     rw [NXOXM_ET_ERSPAN_VER Nicira 12];
        TunErspanDir   "tun_erspan_dir"     1   1 masked Decimal    None     rw [NXOXM_ET_ERSPAN_DIR Nicira 13];
        TunErspanHwid  "tun_erspan_hwid"    1   6 masked Hex        None     rw [NXOXM_ET_ERSPAN_HWID Nicira 14];
        TunGtpuFlags   "tun_gtpu_flags"     1   8 masked Hex        None     ro [NXOXM_ET_GTPU_FLAGS Nicira 15];
        TunGtpuMsgtype "tun_gtpu_msgtype"   1   8 masked Decimal    None     ro [NXOXM_ET_GTPU_MSGTYPE Nicira 16];
        PktMark        "pkt_mark"           4  32 masked Hex        None     rw [NXM_NX_PKT_MARK Nxm1 33];
        CtState        "ct_state"           4  32 masked CtState    None     ro [NXM_NX_CT_STATE Nxm1 105];
        CtZone         "ct_zone"            2  16 exact  Hex        None     ro [NXM_NX_CT_ZONE Nxm1 106];
        CtMark         "ct_mark"            4  32 masked Hex        None     rw [NXM_NX_CT_MARK Nxm1 107];
        CtLabel        "ct_label"          16 128 masked Hex        None     rw [NXM_NX_CT_LABEL Nxm1 108];
        CtNwProto      "ct_nw_proto"        1   8 exact  Decimal    Ct       ro [NXM_NX_CT_NW_PROTO Nxm1 119];
        CtNwSrc        "ct_nw_src"          4  32 masked Ipv4       Ct       ro [NXM_NX_CT_NW_SRC Nxm1 120];
        CtNwDst        "ct_nw_dst"          4  32 masked Ipv4       Ct       ro [NXM_NX_CT_NW_DST Nxm1 121];
        CtIpv6Src      "ct_ipv6_src"       16 128 masked Ipv6       Ct       ro [NXM_NX_CT_IPV6_SRC Nxm1 122];
        CtIpv6Dst      "ct_ipv6_dst"       16 128 masked Ipv6       Ct       ro [NXM_NX_CT_IPV6_DST Nxm1 123];
        CtTpSrc        "ct_tp_src"          2  16 masked Decimal    Ct       ro [NXM_NX_CT_TP_SRC Nxm1 124];
        CtTpDst        "ct_tp_dst"          2  16 masked Decimal    Ct       ro [NXM_NX_CT_TP_DST Nxm1 125];
        Metadata       "metadata"           8  64 masked Hex        None     rw [OXM_OF_METADATA Basic 2];
    }
    many {
        TunMetadata 64    "tun_metadata"      16 128 masked Hex        None     rw [NXM_NX_TUN_METADATA Nxm1 40];
        Reg 16            "reg"                4  32 masked Hex        None     rw [NXM_NX_REG Nxm1 0];
        XReg 8           "xreg"               8  64 masked Hex        None     rw [OXM_OF_PKT_REG PacketRegs 0];
        XxReg 4          "xxreg"             16 128 masked Hex        None     rw [NXM_NX_XXREG Nxm1 111];
    }
}
