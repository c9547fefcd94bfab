//! Fields of the logical language as fields of the switch.

use logic::{Conjunct, Slice};
use openflow::{Field, FieldValue, Match, Subfield};

use super::Trouble;
use crate::tables;

/// The switch's field; none for fields that only the agent can write.
pub(super) fn field(field: logic::Field) -> Option<Field> {
    use logic::Field as L;
    Some(match field {
        L::InPort => Field::Reg(tables::INPORT),
        L::OutPort => Field::Reg(tables::OUTPORT),
        L::RemoteOutPort => Field::Reg(1),
        L::Reg(n) => Field::Reg(n),
        L::XReg(n) => Field::XReg(n),
        L::XxReg(n) => Field::XxReg(n),
        L::Flags => Field::Reg(tables::FLAGS),
        L::CtState => Field::CtState,
        L::CtMark => Field::CtMark,
        L::CtLabel => Field::CtLabel,
        L::CtProto => Field::CtNwProto,
        L::CtTpSrc => Field::CtTpSrc,
        L::CtTpDst => Field::CtTpDst,
        L::EthSrc => Field::EthSrc,
        L::EthDst => Field::EthDst,
        L::EthType => Field::EthType,
        L::VlanTci => Field::VlanTci,
        L::IpProto => Field::IpProto,
        L::IpDscp => Field::IpDscp,
        L::IpEcn => Field::IpEcn,
        L::IpTtl => Field::IpTtl,
        L::IpFrag => Field::IpFrag,
        L::Ip4Src => Field::IpSrc,
        L::Ip4Dst => Field::IpDst,
        L::Ip6Src => Field::Ipv6Src,
        L::Ip6Dst => Field::Ipv6Dst,
        L::Ip6Label => Field::Ipv6Label,
        L::ArpOp => Field::ArpOp,
        L::ArpSpa => Field::ArpSpa,
        L::ArpSha => Field::ArpSha,
        L::ArpTpa => Field::ArpTpa,
        L::ArpTha => Field::ArpTha,
        L::Icmp4Type => Field::IcmpType,
        L::Icmp4Code => Field::IcmpCode,
        L::Icmp6Type => Field::Icmpv6Type,
        L::Icmp6Code => Field::Icmpv6Code,
        L::NdTarget => Field::NdTarget,
        L::NdSll => Field::NdSll,
        L::NdTll => Field::NdTll,
        L::TcpSrc => Field::TcpSrc,
        L::TcpDst => Field::TcpDst,
        L::TcpFlags => Field::TcpFlags,
        L::UdpSrc => Field::UdpSrc,
        L::UdpDst => Field::UdpDst,
        L::SctpSrc => Field::SctpSrc,
        L::SctpDst => Field::SctpDst,
        L::PktMark => Field::PktMark,
        L::Icmp4FragMtu | L::Icmp6FragMtu => return None,
    })
}

/// The bits of a slice.
pub(super) fn subfield(slice: &Slice) -> Result<Subfield, Trouble> {
    let bits = slice.bits();
    let whole = field(bits.field).ok_or_else(|| Trouble::field(slice))?;
    Ok(whole.slice(bits.first.into(), bits.width.into()))
}

/// The match of a conjunction. Its terms already hold what they presuppose.
pub(crate) fn matches(conjunct: &Conjunct) -> Match {
    let mut matches = Match::new();
    for term in conjunct.terms() {
        if let Some(field) = field(term.field) {
            matches.insert(FieldValue::masked(field, term.value, term.mask));
        }
    }
    matches
}

/// Whether the switch can match this.
pub(super) fn check(conjunct: &Conjunct) -> Result<(), Trouble> {
    for term in conjunct.terms() {
        let Some(field) = field(term.field) else {
            return Err(Trouble::NotSupported(
                format!("match on {}", term.field).into(),
            ));
        };
        if !field.info().maskable && !term.is_exact() {
            return Err(Trouble::NotSupported(
                format!("match on some bits of {}", term.field).into(),
            ));
        }
    }
    matches(conjunct)
        .check()
        .map_err(|missing| Trouble::NotSupported(missing.to_string().into()))
}
