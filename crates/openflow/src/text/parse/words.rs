//! The words of the flow language: each is found by one look into one table.

use std::sync::LazyLock;

use crate::field::Field;
use crate::flow::FlowFlags;
use crate::text::matching::PROTOCOLS;

/// What a word at the beginning of an item means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// A field.
    Field(Field),
    /// A protocol: the Ethernet type and the IP protocol.
    Protocol(u128, Option<u128>),
    /// A flag of a flow.
    Flag(FlowFlags),
    /// What a flow is beside its conditions.
    Attribute(Attribute),
    /// A VLAN as OpenFlow 1.0 said it.
    Vlan,
    /// Conditions in bytes.
    Oxm,
    /// What every packet is.
    Ethernet,
}

/// What a line says of a flow beside its conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    Table,
    Priority,
    Cookie,
    IdleTimeout,
    HardTimeout,
    Importance,
    OutPort,
    OutGroup,
    /// What a dump says of a flow's life, which is no part of the flow.
    Counter,
}

const ATTRIBUTES: [(&str, Attribute); 13] = [
    ("table", Attribute::Table),
    ("priority", Attribute::Priority),
    ("cookie", Attribute::Cookie),
    ("idle_timeout", Attribute::IdleTimeout),
    ("hard_timeout", Attribute::HardTimeout),
    ("importance", Attribute::Importance),
    ("out_port", Attribute::OutPort),
    ("out_group", Attribute::OutGroup),
    ("duration", Attribute::Counter),
    ("n_packets", Attribute::Counter),
    ("n_bytes", Attribute::Counter),
    ("idle_age", Attribute::Counter),
    ("hard_age", Attribute::Counter),
];

/// Names of fields beside those of the table of fields.
const ALIASES: [(&str, Field); 17] = [
    ("dl_src", Field::EthSrc),
    ("dl_dst", Field::EthDst),
    ("dl_type", Field::EthType),
    ("nw_src", Field::IpSrc),
    ("nw_dst", Field::IpDst),
    ("ip_proto", Field::IpProto),
    ("ip_ecn", Field::IpEcn),
    ("ip_ttl", Field::IpTtl),
    ("nw_frag", Field::IpFrag),
    ("tp_src", Field::TcpSrc),
    ("tp_dst", Field::TcpDst),
    ("icmpv4_type", Field::IcmpType),
    ("icmpv4_code", Field::IcmpCode),
    ("tunnel_id", Field::TunId),
    ("gtpu_flags", Field::TunGtpuFlags),
    ("gtpu_msgtype", Field::TunGtpuMsgtype),
    ("dl_vlan_pcp", Field::VlanPcp),
];

/// Other names of protocols.
const PROTOCOL_ALIASES: [(&str, &str); 3] =
    [("icmpv4", "icmp"), ("icmpv6", "icmp6"), ("ipv4", "ip")];

/// A word and what it means.
type Entry = (Box<str>, Word);

/// The words: a table with open addressing, never more than half full.
static WORDS: LazyLock<Box<[Option<Entry>]>> = LazyLock::new(|| {
    let mut table = vec![None; SLOTS].into_boxed_slice();
    each_word(&mut |text, word| {
        let slot = slots(text).find(|slot| {
            let taken: &Option<Entry> = &table[*slot];
            taken.as_ref().is_none_or(|(known, _)| **known == *text)
        });
        if let Some(slot) = slot {
            table[slot] = Some((text.into(), word));
        }
    });
    table
});

/// Above twice the number of words; a power of two.
const SLOTS: usize = 2048;

fn each_word(put: &mut dyn FnMut(&str, Word)) {
    for field in Field::all() {
        let info = field.info();
        for code in info.codes {
            if info.count > 1 {
                put(
                    &format!("{}{}", code.name, field.index()),
                    Word::Field(field),
                );
            } else {
                put(code.name, Word::Field(field));
            }
        }
        put(&field.to_string(), Word::Field(field));
    }
    for (name, field) in ALIASES {
        put(name, Word::Field(field));
    }
    for (eth_type, protocol, name) in PROTOCOLS {
        let word = Word::Protocol(*eth_type, *protocol);
        put(name, word);
        for (alias, _) in PROTOCOL_ALIASES.iter().filter(|(_, known)| known == name) {
            put(alias, word);
        }
    }
    for (flag, name) in FlowFlags::NAMES {
        put(name, Word::Flag(flag));
    }
    for (name, attribute) in ATTRIBUTES {
        put(name, Word::Attribute(attribute));
    }
    put("dl_vlan", Word::Vlan);
    put("oxm", Word::Oxm);
    put("eth", Word::Ethernet);
}

/// The places where a word may stand, the likeliest first. Words are told apart by their lengths, their
/// beginnings and, as numbers stand there, their ends.
fn slots(text: &str) -> impl Iterator<Item = usize> {
    let byte = |at: usize| text.as_bytes().get(at).map_or(0, |byte| u32::from(*byte));
    let end = text.len();
    let mixed = byte(0)
        | byte(end / 2) << 8
        | byte(end.wrapping_sub(2)) << 16
        | byte(end.wrapping_sub(1)) << 24;
    let hash = (mixed ^ end as u32).wrapping_mul(0x9e37_79b1);
    let first = (hash >> (32 - SLOTS.ilog2())) as usize;
    (first..first + SLOTS).map(|slot| slot % SLOTS)
}

/// What a word means.
pub(super) fn word(text: &str) -> Option<Word> {
    let table = &**WORDS;
    for slot in slots(text) {
        let (known, word) = table[slot].as_ref()?;
        if **known == *text {
            return Some(*word);
        }
    }
    None
}

/// The field of a name.
pub(super) fn field_of(name: &str) -> Option<Field> {
    match word(name) {
        Some(Word::Field(field)) => Some(field),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_with_a_few_looks() {
        let (mut words, mut looks) = (0, 0);
        each_word(&mut |text, _| {
            let found = slots(text).position(|slot| {
                let entry = WORDS[slot].as_ref().expect("no gap before it");
                *entry.0 == *text
            });
            words += 1;
            looks += 1 + found.expect("it is there");
        });
        assert!(words > 400 && words < SLOTS / 2, "{words}");
        assert!(looks < 2 * words, "{looks} looks for {words} words");
    }
}
