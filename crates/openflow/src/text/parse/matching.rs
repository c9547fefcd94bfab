//! Conditions of a flow.

use smallvec::SmallVec;

use super::field::by_name;
use super::lexer::{Item, Joint, Text};
use super::{Parser, Result};
use crate::field::{Field, FieldValue};
use crate::matching::Match;
use crate::text::matching::PROTOCOLS;

/// Conditions as they are collected. What a name such as `tp_src` means is known only at the end.
#[derive(Default)]
pub(super) struct Conditions<'a> {
    fields: SmallVec<[(Text<'a>, Field, Text<'a>); 8]>,
    matches: Match,
    parser: Parser<'a>,
}

impl<'a> Conditions<'a> {
    /// Takes one item.
    pub(super) fn add(&mut self, parser: Parser<'a>, item: Item<'a>) -> Result<()> {
        self.parser = parser;
        let key = item.key.str();
        if item.joint == Joint::None {
            return self.shorthand(item.key);
        }
        if item.joint != Joint::Equals {
            return Err(item.error("field=value"));
        }
        match key {
            "dl_vlan" => {
                let vid = item.value.number(0xffff)?;
                self.matches.insert(match vid {
                    // The number by which OpenFlow 1.0 says that there is none.
                    0xffff => FieldValue::exact(Field::VlanVid, 0),
                    0..=0xfff => FieldValue::exact(Field::VlanVid, 0x1000 | vid),
                    _ => return Err(item.value.error("a VLAN up to 4095")),
                });
            }
            "dl_vlan_pcp" | "vlan_pcp" => {
                let pcp = item.value.number(7)?;
                self.matches
                    .insert(FieldValue::masked(Field::VlanVid, 0x1000, 0x1000));
                self.matches.insert(FieldValue::exact(Field::VlanPcp, pcp));
            }
            "oxm" => {
                let bytes = item.value.bytes()?;
                let entries = Match::decode_entries(&bytes)
                    .map_err(|error| item.value.error(format!("OXM entries ({error})")))?;
                self.matches.extend(&entries);
            }
            _ => {
                let field = by_name(key).ok_or_else(|| item.error("a field or a protocol"))?;
                self.early(item.key, field, item.value)?;
            }
        }
        Ok(())
    }

    /// The name of a protocol.
    fn shorthand(&mut self, key: Text<'a>) -> Result<()> {
        let name = key.str();
        let name = match name {
            "eth" => return Ok(()),
            "icmpv4" => "icmp",
            "icmpv6" => "icmp6",
            "ipv4" => "ip",
            _ => name,
        };
        let found = PROTOCOLS.iter().find(|(_, _, known)| *known == name);
        let (eth_type, protocol, _) =
            found.ok_or_else(|| key.error("a field with a value, or a protocol"))?;
        self.matches
            .insert(FieldValue::exact(Field::EthType, *eth_type));
        if let Some(protocol) = protocol {
            self.matches
                .insert(FieldValue::exact(Field::IpProto, *protocol));
        }
        Ok(())
    }

    /// Takes at once what decides how others are read.
    fn early(&mut self, key: Text<'a>, field: Field, value: Text<'a>) -> Result<()> {
        if field == Field::EthType {
            let entry = self.parser.value(field, value)?;
            self.matches.insert(entry);
        } else {
            self.fields.push((key, field, value));
        }
        Ok(())
    }

    /// The field that a name means beside this Ethernet type and protocol.
    fn meant(&self, name: &str, field: Field) -> Field {
        let ambiguous = matches!(
            field,
            Field::IpSrc
                | Field::IpDst
                | Field::IpProto
                | Field::IcmpType
                | Field::IcmpCode
                | Field::TcpSrc
                | Field::TcpDst
                | Field::InPort
        );
        if !ambiguous {
            return field;
        }
        let eth_type = self.matches.exact(Field::EthType);
        let protocol = self.matches.exact(Field::IpProto);
        let arp = matches!(eth_type, Some(0x0806 | 0x8035));
        let icmp6 = eth_type == Some(0x86dd);
        match (name, field) {
            ("nw_src" | "ip_src", _) if arp => Field::ArpSpa,
            ("nw_dst" | "ip_dst", _) if arp => Field::ArpTpa,
            ("nw_proto" | "ip_proto", _) if arp => Field::ArpOp,
            ("icmp_type", _) if icmp6 => Field::Icmpv6Type,
            ("icmp_code", _) if icmp6 => Field::Icmpv6Code,
            ("tp_src", _) => match protocol {
                Some(17) => Field::UdpSrc,
                Some(132) => Field::SctpSrc,
                Some(1) => Field::IcmpType,
                Some(58) => Field::Icmpv6Type,
                _ => field,
            },
            ("tp_dst", _) => match protocol {
                Some(17) => Field::UdpDst,
                Some(132) => Field::SctpDst,
                Some(1) => Field::IcmpCode,
                Some(58) => Field::Icmpv6Code,
                _ => field,
            },
            // The wide number says all that the short one does.
            (_, Field::InPort) => Field::InPortOxm,
            _ => field,
        }
    }

    /// The match.
    pub(super) fn finish(mut self) -> Result<Match> {
        let mut fields = std::mem::take(&mut self.fields);
        // The protocol first: it decides what a transport port is.
        fields.sort_by_key(|(_, field, _)| *field != Field::IpProto);
        for (key, field, value) in &mut fields {
            *field = self.meant(key.str(), *field);
            self.condition(*field, *value)?;
        }
        match self.matches.check() {
            Ok(()) => Ok(self.matches),
            Err(missing) => {
                let place = fields.iter().find(|(_, field, _)| *field == missing.field);
                let place = place.or_else(|| fields.first()).map(|(key, ..)| *key);
                let needs = crate::text::matching::needed(missing.needs);
                let place = place.unwrap_or(Text::new(""));
                Err(place.error(format!("{needs} as well, which {} needs", missing.field)))
            }
        }
    }

    fn condition(&mut self, field: Field, value: Text<'a>) -> Result<()> {
        let entry = self.parser.value(field, value)?;
        if !entry.is_exact() && !field.info().maskable && !entry_is_canonical(&entry) {
            return Err(value.error(format!("all of {field}, which has no mask")));
        }
        self.matches.insert(entry);
        Ok(())
    }
}

/// Whether a field without masks has a value of other width, as only tunnel options have.
const fn entry_is_canonical(entry: &FieldValue) -> bool {
    entry.field().is_variable()
}
