//! Numbers that have fewer values than their bits: checked once, when they are made.

use std::fmt;

use crate::field::{Field, IntoValue};
use crate::matching::Match;

/// A number is beyond what its field can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {value} is not between 0 and {max}")]
pub struct OutOfRange {
    /// The field, as `ovs-fields(7)` calls it.
    pub field: &'static str,
    /// The number.
    pub value: u128,
    /// The greatest that would fit.
    pub max: u128,
}

macro_rules! ranged {
    ($($name:ident($number:ty) $max:literal $field:literal $doc:literal;)*) => {
        $(
            #[doc = $doc]
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
            pub struct $name($number);

            impl $name {
                /// The greatest.
                pub const MAX: Self = Self($max);

                /// The one of this number.
                ///
                /// # Errors
                /// When the number is too great.
                pub fn new(value: $number) -> Result<Self, OutOfRange> {
                    if value > $max {
                        return Err(OutOfRange {
                            field: $field,
                            value: value.into(),
                            max: $max,
                        });
                    }
                    Ok(Self(value))
                }

                /// Its number.
                #[must_use]
                pub const fn get(self) -> $number {
                    self.0
                }
            }

            impl TryFrom<$number> for $name {
                type Error = OutOfRange;

                fn try_from(value: $number) -> Result<Self, OutOfRange> {
                    Self::new(value)
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    self.0.fmt(f)
                }
            }

            impl IntoValue for $name {
                fn into_value(self) -> u128 {
                    self.0.into()
                }
            }
        )*

        #[cfg(test)]
        mod tests {
            use super::*;

            #[test]
            fn each_is_refused_just_beyond_its_greatest() {
                $(
                    let max: $number = $max;
                    assert_eq!($name::new(max), Ok($name::MAX));
                    let error = $name::new(max + 1).unwrap_err();
                    let text = format!("{}: {} is not between 0 and {max}", $field, max + 1);
                    assert_eq!(error.to_string(), text);
                )*
            }
        }
    };
}

ranged! {
    VlanId(u16) 4095 "dl_vlan" "The identifier of a VLAN.";
    VlanPriority(u8) 7 "dl_vlan_pcp" "The priority in a VLAN header.";
    Dscp(u8) 63 "ip_dscp" "The code point of differentiated services.";
    Ecn(u8) 3 "nw_ecn" "Explicit congestion notification.";
    MplsLabel(u32) 0xf_ffff "mpls_label" "An MPLS label.";
    MplsTc(u8) 7 "mpls_tc" "The traffic class in an MPLS header.";
    FlowLabel(u32) 0xf_ffff "ipv6_label" "The flow label of IPv6.";
    ArpOp(u16) 255 "arp_op" "An ARP operation: Open vSwitch knows those of one byte.";
}

/// What a packet's VLAN header shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vlan {
    /// There is none.
    Absent,
    /// There is one, whatever it says.
    Present,
    /// There is one with this identifier.
    Id(VlanId),
}

/// Building with numbers that are in range by their type. Each adds what its field presupposes, where
/// that is unambiguous.
impl Match {
    /// A VLAN header, or none.
    #[must_use]
    pub fn vlan(self, vlan: Vlan) -> Self {
        match vlan {
            Vlan::Absent => self.no_vlan(),
            Vlan::Present => self.with_masked(Field::VlanVid, 0x1000u16, 0x1000u16),
            Vlan::Id(id) => self.vlan_vid(id),
        }
    }

    /// A VLAN header with this priority.
    #[must_use]
    pub fn vlan_priority(self, priority: VlanPriority) -> Self {
        self.vlan(Vlan::Present).with(Field::VlanPcp, priority)
    }

    /// The code point of differentiated services. It needs [`Match::ip`] or [`Match::ipv6`] beside it.
    #[must_use]
    pub fn dscp(self, dscp: Dscp) -> Self {
        self.with(Field::IpDscp, dscp)
    }

    /// Congestion notification. It needs [`Match::ip`] or [`Match::ipv6`] beside it.
    #[must_use]
    pub fn ecn(self, ecn: Ecn) -> Self {
        self.with(Field::IpEcn, ecn)
    }

    /// An MPLS label; unicast MPLS unless another Ethernet type is said.
    #[must_use]
    pub fn mpls_label(self, label: MplsLabel) -> Self {
        self.with(Field::MplsLabel, label)
    }

    /// An IPv6 flow label.
    #[must_use]
    pub fn flow_label(self, label: FlowLabel) -> Self {
        self.with(Field::Ipv6Label, label)
    }

    /// Fixes all of a field, if the field can hold the number.
    ///
    /// # Errors
    /// When it cannot: the error names field, number and range.
    pub fn try_with(self, field: Field, value: impl IntoValue) -> Result<Self, OutOfRange> {
        let value = value.into_value();
        let max = match field {
            Field::TunMetadata(_) => u128::MAX,
            _ => field.full_mask(),
        };
        if value > max {
            return Err(OutOfRange {
                field: field.info().name,
                value,
                max,
            });
        }
        Ok(self.with(field, value))
    }

    /// The fewest matches that together are this one with a port from `first` to `last`. None where the
    /// range is empty.
    ///
    /// ```
    /// use openflow::{Field, Match};
    /// let matches = Match::new().ip().ip_proto(6).port_range(Field::TcpDst, 8080, 8083);
    /// let texts: Vec<_> = matches.iter().map(ToString::to_string).collect();
    /// assert_eq!(texts, ["tcp,tp_dst=0x1f90/0xfffc"]);
    /// ```
    #[must_use]
    pub fn port_range(&self, field: Field, first: u16, last: u16) -> Vec<Self> {
        crate::matching::port_masks(first, last)
            .into_iter()
            .map(|(value, mask)| self.clone().with_masked(field, value, mask))
            .collect()
    }
}
