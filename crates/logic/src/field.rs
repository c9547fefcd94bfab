//! The basic fields of a packet: what every symbol comes down to, and what a data plane matches and
//! sets. Independent of OpenFlow; [`Field::XReg`] and [`Field::XxReg`] are only containers of
//! registers for actions, a normal form is made of [`Field::Reg`]s.

use std::fmt;

/// A basic field. Values are carried right-aligned in a `u128`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The logical input port, as the tunnel key of the port (32 bits).
    InPort,
    /// The logical output port or multicast group, as its tunnel key (32 bits).
    OutPort,
    /// The output port at a remote site, as its tunnel key (32 bits; shares storage with `Reg(1)`).
    RemoteOutPort,
    /// A logical register, 0 to 9 (32 bits).
    Reg(u8),
    /// Two registers: `XReg(n)` is `Reg(2n)` (most significant) and `Reg(2n + 1)`; n is 0 to 4.
    XReg(u8),
    /// Four registers: `XxReg(n)` is `Reg(4n)` (most significant) to `Reg(4n + 3)`; n is 0 or 1.
    XxReg(u8),
    /// The logical flags (32 bits).
    Flags,
    /// Connection tracking state as Open vSwitch has it (32 bits, new = bit 0, est = 1, rel = 2,
    /// rpl = 3, inv = 4, trk = 5, snat = 6, dnat = 7).
    CtState,
    /// Connection tracking mark (32 bits).
    CtMark,
    /// Connection tracking label (128 bits).
    CtLabel,
    /// Protocol of the connection's first packet (8 bits).
    CtProto,
    /// Source port of the connection's first packet (16 bits).
    CtTpSrc,
    /// Destination port of the connection's first packet (16 bits).
    CtTpDst,
    /// Ethernet source.
    EthSrc,
    /// Ethernet destination.
    EthDst,
    /// Ethernet type.
    EthType,
    /// VLAN tag control information, with bit 12 set when a tag is present (16 bits).
    VlanTci,
    /// IP protocol or IPv6 next header.
    IpProto,
    /// Differentiated services code point (6 bits).
    IpDscp,
    /// Explicit congestion notification (2 bits).
    IpEcn,
    /// IPv4 time to live or IPv6 hop limit.
    IpTtl,
    /// Fragment bits: bit 0 any fragment, bit 1 not the first (2 bits).
    IpFrag,
    /// IPv4 source.
    Ip4Src,
    /// IPv4 destination.
    Ip4Dst,
    /// IPv6 source.
    Ip6Src,
    /// IPv6 destination.
    Ip6Dst,
    /// IPv6 flow label (20 bits).
    Ip6Label,
    /// ARP or RARP operation.
    ArpOp,
    /// ARP or RARP sender protocol address.
    ArpSpa,
    /// ARP or RARP sender hardware address.
    ArpSha,
    /// ARP or RARP target protocol address.
    ArpTpa,
    /// ARP or RARP target hardware address.
    ArpTha,
    /// ICMPv4 type.
    Icmp4Type,
    /// ICMPv4 code.
    Icmp4Code,
    /// ICMPv6 type.
    Icmp6Type,
    /// ICMPv6 code.
    Icmp6Code,
    /// Neighbour discovery target address.
    NdTarget,
    /// Neighbour discovery source link-layer address.
    NdSll,
    /// Neighbour discovery target link-layer address.
    NdTll,
    /// TCP source port.
    TcpSrc,
    /// TCP destination port.
    TcpDst,
    /// TCP flags (12 bits).
    TcpFlags,
    /// UDP source port.
    UdpSrc,
    /// UDP destination port.
    UdpDst,
    /// SCTP source port.
    SctpSrc,
    /// SCTP destination port.
    SctpDst,
    /// The mark that travels with the packet on one host (32 bits).
    PktMark,
    /// The MTU that an ICMPv4 "fragmentation needed" reports; only an ICMP action sets it.
    Icmp4FragMtu,
    /// The MTU that an ICMPv6 "packet too big" reports; only an ICMP action sets it.
    Icmp6FragMtu,
}

impl Field {
    /// Every field that can appear in a match, containers of registers left out.
    pub const MATCHABLE: [Self; 55] = {
        use Field::*;
        [
            InPort,
            OutPort,
            RemoteOutPort,
            Reg(0),
            Reg(1),
            Reg(2),
            Reg(3),
            Reg(4),
            Reg(5),
            Reg(6),
            Reg(7),
            Reg(8),
            Reg(9),
            Flags,
            CtState,
            CtMark,
            CtLabel,
            CtProto,
            CtTpSrc,
            CtTpDst,
            EthSrc,
            EthDst,
            EthType,
            VlanTci,
            IpProto,
            IpDscp,
            IpEcn,
            IpTtl,
            IpFrag,
            Ip4Src,
            Ip4Dst,
            Ip6Src,
            Ip6Dst,
            Ip6Label,
            ArpOp,
            ArpSpa,
            ArpSha,
            ArpTpa,
            ArpTha,
            Icmp4Type,
            Icmp4Code,
            Icmp6Type,
            Icmp6Code,
            NdTarget,
            NdSll,
            NdTll,
            TcpSrc,
            TcpDst,
            TcpFlags,
            UdpSrc,
            UdpDst,
            SctpSrc,
            SctpDst,
            PktMark,
            Icmp4FragMtu,
        ]
    };

    /// Width in bits.
    pub const fn width(self) -> u8 {
        use Field::*;
        match self {
            IpEcn | IpFrag => 2,
            IpDscp => 6,
            IpProto | IpTtl | Icmp4Type | Icmp4Code | Icmp6Type | Icmp6Code | CtProto => 8,
            TcpFlags => 12,
            EthType | VlanTci | ArpOp | TcpSrc | TcpDst | UdpSrc | UdpDst | SctpSrc | SctpDst
            | Icmp4FragMtu | CtTpSrc | CtTpDst => 16,
            Ip6Label => 20,
            InPort | OutPort | RemoteOutPort | Reg(_) | Flags | CtState | CtMark | Ip4Src
            | Ip4Dst | ArpSpa | ArpTpa | PktMark | Icmp6FragMtu => 32,
            EthSrc | EthDst | ArpSha | ArpTha | NdSll | NdTll => 48,
            XReg(_) => 64,
            XxReg(_) | CtLabel | Ip6Src | Ip6Dst | NdTarget => 128,
        }
    }

    /// All ones over the field's width.
    pub const fn mask(self) -> u128 {
        crate::bits::ones(self.width())
    }

    /// Whether the field says which protocol a packet is, so that other fields exist only when it
    /// has a certain value.
    pub(crate) const fn is_protocol(self) -> bool {
        matches!(
            self,
            Self::EthType | Self::IpProto | Self::Icmp6Type | Self::Icmp6Code | Self::CtProto
        )
    }

    /// The 32-bit registers that the field is made of, most significant first; the field itself
    /// when it is no container.
    pub fn parts(self) -> impl Iterator<Item = Self> {
        let (first, count) = match self {
            Self::XReg(n) => (Some(n * 2), 2),
            Self::XxReg(n) => (Some(n * 4), 4),
            _ => (None, 1),
        };
        (0..count).map(move |i| first.map_or(self, |first| Self::Reg(first + i)))
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reg(n) => write!(f, "reg{n}"),
            Self::XReg(n) => write!(f, "xreg{n}"),
            Self::XxReg(n) => write!(f, "xxreg{n}"),
            other => f.write_str(other.name()),
        }
    }
}

impl Field {
    /// The name in the logical language; registers print with their number instead.
    const fn name(self) -> &'static str {
        use Field::*;
        match self {
            InPort => "inport",
            OutPort => "outport",
            RemoteOutPort => "remote_outport",
            Reg(_) | XReg(_) | XxReg(_) => "reg",
            Flags => "flags",
            CtState => "ct_state",
            CtMark => "ct_mark",
            CtLabel => "ct_label",
            CtProto => "ct_proto",
            CtTpSrc => "ct_tp_src",
            CtTpDst => "ct_tp_dst",
            EthSrc => "eth.src",
            EthDst => "eth.dst",
            EthType => "eth.type",
            VlanTci => "vlan.tci",
            IpProto => "ip.proto",
            IpDscp => "ip.dscp",
            IpEcn => "ip.ecn",
            IpTtl => "ip.ttl",
            IpFrag => "ip.frag",
            Ip4Src => "ip4.src",
            Ip4Dst => "ip4.dst",
            Ip6Src => "ip6.src",
            Ip6Dst => "ip6.dst",
            Ip6Label => "ip6.label",
            ArpOp => "arp.op",
            ArpSpa => "arp.spa",
            ArpSha => "arp.sha",
            ArpTpa => "arp.tpa",
            ArpTha => "arp.tha",
            Icmp4Type => "icmp4.type",
            Icmp4Code => "icmp4.code",
            Icmp6Type => "icmp6.type",
            Icmp6Code => "icmp6.code",
            NdTarget => "nd.target",
            NdSll => "nd.sll",
            NdTll => "nd.tll",
            TcpSrc => "tcp.src",
            TcpDst => "tcp.dst",
            TcpFlags => "tcp.flags",
            UdpSrc => "udp.src",
            UdpDst => "udp.dst",
            SctpSrc => "sctp.src",
            SctpDst => "sctp.dst",
            PktMark => "pkt.mark",
            Icmp4FragMtu => "icmp4.frag_mtu",
            Icmp6FragMtu => "icmp6.frag_mtu",
        }
    }
}

/// Consecutive bits of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bits {
    /// The field; the smallest container of registers that holds the bits.
    pub field: Field,
    /// Number of the least significant bit.
    pub first: u8,
    /// How many bits, at least one.
    pub width: u8,
}

impl Bits {
    /// The same bits in the smallest container: `xxreg0[96..127]` is `reg0`.
    pub(crate) fn canonical(self) -> Self {
        let (first, width) = (self.first, self.width);
        let halves = match self.field {
            // Four registers: the two upper ones are the even xreg, the two lower ones the odd.
            Field::XxReg(n) => Some((Field::XReg(n * 2), Field::XReg(n * 2 + 1), 64)),
            Field::XReg(n) => Some((Field::Reg(n * 2), Field::Reg(n * 2 + 1), 32)),
            _ => None,
        };
        match halves {
            Some((upper, _, half)) if first >= half => Self {
                field: upper,
                first: first - half,
                width,
            }
            .canonical(),
            Some((_, lower, half)) if first + width <= half => Self {
                field: lower,
                first,
                width,
            }
            .canonical(),
            _ => self,
        }
    }

    /// A mask of these bits at their place in the field.
    pub const fn mask(self) -> u128 {
        crate::bits::ones(self.width) << self.first
    }
}
