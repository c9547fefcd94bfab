//! Which connections a card may have.
//!
//! Policies speak of connections, not of packets: a rule of a direction allows the connection to be opened that way,
//! and what belongs to it then passes both ways for as long as the rules still allow it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::bounds;
use super::text::Prefix;

/// The security policies of a card. Their order does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecurityPolicies {
    /// At most 1000. A connection is denied if any rule denies it, else allowed if any rule allows it, else as the
    /// default of its direction says.
    #[serde(default)]
    #[schemars(length(max = bounds::RULES))]
    pub rules: Vec<Rule>,
    /// What happens to connections towards the machine that no rule speaks of. Default: deny.
    #[serde(default = "deny", skip_serializing_if = "is_deny")]
    pub default_inbound: RuleAction,
    /// What happens to connections that the machine opens and no rule speaks of. Default: deny.
    #[serde(default = "deny", skip_serializing_if = "is_deny")]
    pub default_outbound: RuleAction,
}

const fn deny() -> RuleAction {
    RuleAction::Deny
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_deny(action: &RuleAction) -> bool {
    *action == RuleAction::Deny
}

/// What connections it speaks of, and whether they are allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// A name for people, up to 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub name: Option<String>,
    /// Who opens the connection.
    pub direction: Direction,
    /// Allowed or denied. Default: allow.
    #[serde(default, skip_serializing_if = "RuleAction::is_allow")]
    pub action: RuleAction,
    /// The protocol. Default: any.
    #[serde(default, skip_serializing_if = "Protocol::is_any")]
    pub protocol: Protocol,
    /// The ports to which the connection goes, with TCP, UDP and SCTP. Default: any. At most 64 ranges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = bounds::PORTS))]
    pub ports: Vec<PortRange>,
    /// The type, with ICMP and ICMPv6. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp: Option<IcmpType>,
    /// The other side: addresses and prefixes of both families, at most 256. Default, if there are no groups either:
    /// anybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = bounds::PREFIXES))]
    pub remote: Vec<Prefix>,
    /// The other side, as names in `address_groups`; beside what `remote` says. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = bounds::GROUPS))]
    pub remote_groups: Vec<String>,
}

/// Who opens a connection.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The other side, towards the machine.
    Inbound,
    /// The machine.
    Outbound,
}

/// What happens to a connection.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum RuleAction {
    /// It is let through.
    #[default]
    Allow,
    /// It is dropped without an answer.
    Deny,
}

impl RuleAction {
    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    fn is_allow(&self) -> bool {
        *self == Self::Allow
    }
}

/// A range of ports.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct PortRange {
    /// The first, 0 to 65535.
    pub first: u16,
    /// The last, not below the first.
    pub last: u16,
}

/// A type of ICMP or ICMPv6 message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IcmpType {
    /// The type: 8 is an echo request of ICMP, 128 that of ICMPv6.
    #[serde(rename = "type")]
    pub kind: u8,
    /// The code. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u8>,
}

/// A protocol above IP: a name (`any`, `tcp`, `udp`, `sctp`, `icmp`, `icmpv6`) or a number of IANA's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Protocol {
    /// All of them.
    #[default]
    Any,
    /// This one, 0 to 255. Those that have a name are written by it.
    Number(u8),
}

impl Protocol {
    /// ICMP, with IPv4 alone.
    pub const ICMP: Self = Self::Number(1);
    /// TCP.
    pub const TCP: Self = Self::Number(6);
    /// UDP.
    pub const UDP: Self = Self::Number(17);
    /// ICMPv6, with IPv6 alone.
    pub const ICMPV6: Self = Self::Number(58);
    /// SCTP.
    pub const SCTP: Self = Self::Number(132);

    const NAMES: [(Self, &'static str); 6] = [
        (Self::Any, "any"),
        (Self::TCP, "tcp"),
        (Self::UDP, "udp"),
        (Self::SCTP, "sctp"),
        (Self::ICMP, "icmp"),
        (Self::ICMPV6, "icmpv6"),
    ];

    /// Its name, if it has one.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        let named = |(protocol, _): &&(Self, _)| *protocol == self;
        Self::NAMES.iter().find(named).map(|(_, name)| *name)
    }

    /// The protocol of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let named = |(_, own): &&(_, &str)| *own == name;
        Self::NAMES
            .iter()
            .find(named)
            .map(|(protocol, _)| *protocol)
    }

    /// Whether its packets have ports.
    #[must_use]
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::TCP | Self::UDP | Self::SCTP)
    }

    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    fn is_any(&self) -> bool {
        *self == Self::Any
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self) {
            (Some(name), _) => f.write_str(name),
            (None, Self::Number(number)) => write!(f, "{number}"),
            (None, Self::Any) => f.write_str("any"),
        }
    }
}

/// How a protocol is written.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Protocol")]
enum Written {
    /// By name: `any`, `tcp`, `udp`, `sctp`, `icmp` or `icmpv6`.
    Name(#[schemars(regex(pattern = "^(any|tcp|udp|sctp|icmp|icmpv6)$"))] String),
    /// By IANA's number.
    Number(u8),
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let written = match (self.name(), *self) {
            (None, Self::Number(number)) => Written::Number(number),
            (name, _) => Written::Name(name.unwrap_or("any").to_owned()),
        };
        written.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        const EXPECTED: &str = "any, tcp, udp, sctp, icmp, icmpv6, or a number from 0 to 255";
        match Written::deserialize(from) {
            Ok(Written::Number(number)) => Ok(Self::Number(number)),
            Ok(Written::Name(name)) => Self::from_name(&name).ok_or_else(|| {
                de::Error::custom(format!("`{name}` is no protocol; expected {EXPECTED}"))
            }),
            Err(_) => Err(de::Error::custom(format!("expected {EXPECTED}"))),
        }
    }
}

impl JsonSchema for Protocol {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Written::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Written::json_schema(generator)
    }
}
