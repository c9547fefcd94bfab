//! Conditions of a flow.

use smallvec::SmallVec;

use super::lexer::{Item, Joint, Text};
use super::words::Word;
use super::{Parser, Result};
use crate::field::{Field, FieldValue};
use crate::matching::{Builder, Match, MissingPrerequisite};
use crate::text::matching::needed;

/// Conditions as they are collected. What a name such as `tp_src` means is known only at the end.
pub(super) struct Conditions<'a> {
    parser: Parser<'a>,
    known: Builder,
    /// Those whose names are yet to be understood: name, what it means unless something else is known, value.
    open: SmallVec<[(Text<'a>, Field, Text<'a>); 4]>,
    /// Where each field is named.
    places: SmallVec<[(Text<'a>, Field); 8]>,
}

impl<'a> Conditions<'a> {
    pub(super) fn new(parser: Parser<'a>) -> Self {
        Self {
            parser,
            known: Builder::default(),
            open: SmallVec::new(),
            places: SmallVec::new(),
        }
    }

    /// Takes one item, and what its key means.
    pub(super) fn add(&mut self, item: &Item<'a>, word: Option<Word>) -> Result<()> {
        match (item.joint, word) {
            (Joint::None, Some(Word::Ethernet)) => {}
            (Joint::None, Some(Word::Protocol(eth_type, protocol))) => {
                self.known
                    .insert(FieldValue::exact(Field::EthType, eth_type));
                if let Some(protocol) = protocol {
                    self.known
                        .insert(FieldValue::exact(Field::IpProto, protocol));
                }
            }
            (Joint::None, _) => {
                return Err(item.error("a field with a value, or a protocol"));
            }
            (Joint::Equals, Some(Word::Field(field))) => self.field(item, field)?,
            (Joint::Equals, Some(Word::Vlan)) => {
                let vid = match item.value.number(0xffff)? {
                    // The number by which OpenFlow 1.0 says that there is none.
                    0xffff => 0,
                    vid @ 0..=0xfff => 0x1000 | vid,
                    _ => return Err(item.value.error("a VLAN up to 4095")),
                };
                self.known.insert(FieldValue::exact(Field::VlanVid, vid));
            }
            (Joint::Equals, Some(Word::Oxm)) => {
                let bytes = item.value.bytes()?;
                let entries = Match::decode_entries(&bytes)
                    .map_err(|error| item.value.error(format!("OXM entries ({error})")))?;
                self.known.extend(&entries);
            }
            (Joint::Equals, _) => return Err(item.error("a field or a protocol")),
            _ => return Err(item.error("field=value")),
        }
        Ok(())
    }

    fn field(&mut self, item: &Item<'a>, field: Field) -> Result<()> {
        match field {
            Field::IpSrc
            | Field::IpDst
            | Field::IpProto
            | Field::IcmpType
            | Field::IcmpCode
            | Field::TcpSrc
            | Field::TcpDst => {
                self.open.push((item.key, field, item.value));
                Ok(())
            }
            // The wide number says all that the short one does.
            Field::InPort => self.condition(item.key, Field::InPortOxm, item.value),
            Field::VlanPcp => {
                self.known
                    .insert(FieldValue::masked(Field::VlanVid, 0x1000, 0x1000));
                self.condition(item.key, field, item.value)
            }
            _ => self.condition(item.key, field, item.value),
        }
    }

    /// The field that a name means beside this Ethernet type and protocol.
    fn meant(&self, name: &str, field: Field) -> Field {
        let eth_type = self.known.exact(Field::EthType);
        let protocol = || self.known.exact(Field::IpProto);
        let arp = matches!(eth_type, Some(0x0806 | 0x8035));
        let icmp6 = eth_type == Some(0x86dd);
        match (name, field) {
            ("nw_src" | "ip_src", _) if arp => Field::ArpSpa,
            ("nw_dst" | "ip_dst", _) if arp => Field::ArpTpa,
            ("nw_proto" | "ip_proto", _) if arp => Field::ArpOp,
            ("icmp_type", _) if icmp6 => Field::Icmpv6Type,
            ("icmp_code", _) if icmp6 => Field::Icmpv6Code,
            ("tp_src", _) => match protocol() {
                Some(17) => Field::UdpSrc,
                Some(132) => Field::SctpSrc,
                Some(1) => Field::IcmpType,
                Some(58) => Field::Icmpv6Type,
                _ => field,
            },
            ("tp_dst", _) => match protocol() {
                Some(17) => Field::UdpDst,
                Some(132) => Field::SctpDst,
                Some(1) => Field::IcmpCode,
                Some(58) => Field::Icmpv6Code,
                _ => field,
            },
            _ => field,
        }
    }

    /// Whether the packet has a VLAN header for certain.
    pub(super) fn has_vlan(&self) -> bool {
        let vid = self.known.get(Field::VlanVid);
        vid.is_some_and(|vid| vid.value() & 0x1000 != 0)
    }

    /// The match.
    pub(super) fn finish(&mut self) -> Result<Match> {
        let mut open = std::mem::take(&mut self.open);
        // The protocol first: it decides what a transport port is.
        open.sort_by_key(|(_, field, _)| *field != Field::IpProto);
        for (key, field, value) in &open {
            let field = self.meant(key.str(), *field);
            self.condition(*key, field, *value)?;
        }
        match self.known.check() {
            Ok(()) => Ok(self.known.finish()),
            Err(missing) => Err(self.missing(missing)),
        }
    }

    fn missing(&self, missing: MissingPrerequisite) -> super::ParseError {
        let mut places = self.places.iter();
        let place = places.find(|(_, field)| *field == missing.field);
        let place = place.or_else(|| self.places.first()).map(|(key, _)| *key);
        let needs = needed(missing.needs);
        let place = place.unwrap_or(Text::new(""));
        place.error(format!("{needs} as well, which {} needs", missing.field))
    }

    fn condition(&mut self, key: Text<'a>, field: Field, value: Text<'a>) -> Result<()> {
        let entry = self.parser.value(field, value)?;
        if !entry.is_exact() && !field.info().maskable && !field.is_variable() {
            return Err(value.error(format!("all of {field}, which has no mask")));
        }
        self.known.insert(entry);
        self.places.push((key, field));
        Ok(())
    }
}
