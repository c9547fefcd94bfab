//! Choices that a switch makes by a hash of its own: of a backend, of the member of a group.

use std::hash::{Hash, Hasher};

use logic::Field;

use crate::conntrack::Tuple;
use crate::fields::Fields;
use crate::machine::{Machine, Moving};

/// How a choice is made that nothing decides. Which one a switch makes is its own secret (a hash of the packet); so
/// that every way of a packet can be seen, the choice is the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// By a hash of the addresses and ports, the same each time.
    #[default]
    Addresses,
    /// The first.
    First,
    /// By a hash of this number with the addresses and ports.
    Seed(u64),
}

/// The fields of a packet that take part, by their names in `hash_fields`.
fn fields_named(names: &str, packet: &Fields) -> Vec<Field> {
    use Field::*;
    let transport = |name: &str| {
        let (src, dst) = crate::conntrack::ports(packet.get(IpProto) as u8)?;
        Some(if name.ends_with("_src") { src } else { dst })
    };
    let field = |name: &str| match name.trim() {
        "eth_src" => Some(EthSrc),
        "eth_dst" => Some(EthDst),
        "ip_proto" | "ipv6_proto" => Some(IpProto),
        "ip_src" => Some(Ip4Src),
        "ip_dst" => Some(Ip4Dst),
        "ipv6_src" => Some(Ip6Src),
        "ipv6_dst" => Some(Ip6Dst),
        // Whatever the protocol is; a field of another protocol has the same place in the packet.
        name => transport(name),
    };
    names.split(',').filter_map(field).collect()
}

impl Machine<'_> {
    /// A number below `limit` for a packet, by the fields that are named, or by its addresses and ports.
    pub(crate) fn choose(&mut self, moving: &Moving, hash_fields: Option<&str>, limit: u64) -> u64 {
        let mut hasher = rustc_hash::FxHasher::default();
        match self.options.choice {
            Choice::First => return 0,
            Choice::Seed(seed) => seed.hash(&mut hasher),
            Choice::Addresses => {}
        }
        match hash_fields {
            Some(names) => {
                self.consult(moving, Field::IpProto, u128::MAX);
                for field in fields_named(names, &moving.fields) {
                    self.consult(moving, field, u128::MAX);
                    moving.fields.get(field).hash(&mut hasher);
                }
            }
            None => {
                self.consult_tuple(moving);
                Tuple::of(&moving.fields).hash(&mut hasher);
            }
        }
        // The high bits are the ones that this hasher mixes well.
        (hasher.finish() >> 16) % limit.max(1)
    }
}
