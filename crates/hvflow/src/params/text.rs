//! Values whose JSON form is a text of their own, or a number for a flag.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A network: an address with the length of its prefix, or an address alone, which is the whole length.
/// The bits beyond the prefix are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(IpNet);

/// A text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParsePrefixError {
    /// Neither an address nor one with a length.
    #[error("`{0}` is no address and no prefix such as 192.0.2.0/24 or 2001:db8::/32")]
    Form(String),
    /// It has bits where there should be none.
    #[error("`{given}` has bits beyond its prefix; {meant} is the network")]
    HostBits {
        /// What stood there.
        given: String,
        /// The network that it lies in.
        meant: IpNet,
    },
}

impl Prefix {
    /// The network that holds `address`, with this length of prefix. None if the length is beyond the family's.
    #[must_use]
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        IpNet::new(address, length)
            .ok()
            .map(|net| Self(net.trunc()))
    }

    /// The network.
    #[must_use]
    pub const fn net(self) -> IpNet {
        self.0
    }

    /// Whether the address lies in it.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for Prefix {
    type Err = ParsePrefixError;

    fn from_str(text: &str) -> Result<Self, ParsePrefixError> {
        let address = text.parse::<IpAddr>().ok().map(IpNet::from);
        let net = address
            .or_else(|| text.parse::<IpNet>().ok())
            .ok_or_else(|| ParsePrefixError::Form(text.chars().take(64).collect()))?;
        if net.trunc() != net {
            return Err(ParsePrefixError::HostBits {
                given: text.to_owned(),
                meant: net.trunc(),
            });
        }
        Ok(Self(net))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<IpAddr> for Prefix {
    fn from(address: IpAddr) -> Self {
        Self(address.into())
    }
}

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        as_text::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        as_text::deserialize(from)
    }
}

impl JsonSchema for Prefix {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Prefix".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A network: an IPv4 or IPv6 address, alone or with the length of a prefix; the bits \
                            beyond the prefix are zero.",
            "pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$",
            "maxLength": 49,
        })
    }
}

/// Values that have a text.
pub(super) mod as_text {
    use super::{Deserialize, Deserializer, FromStr, Serializer, de, fmt};

    pub(in super::super) fn serialize<T: fmt::Display, S: Serializer>(
        value: &T,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(in super::super) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: fmt::Display>,
        D: Deserializer<'de>,
    {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// How a flag is written: `true`, `false`, 1 or 0.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Flag {
    /// As a word.
    Word(bool),
    /// As a number, 0 or 1.
    Number(#[schemars(range(max = 1))] u8),
}

/// Flags that are written as numbers.
pub(super) mod flag {
    use super::{Deserialize, Deserializer, Flag, Serializer, de};

    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    pub(in super::super) fn serialize<S: Serializer>(
        flag: &bool,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_u8((*flag).into())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<bool, D::Error> {
        match Flag::deserialize(from) {
            Ok(Flag::Word(flag)) => Ok(flag),
            Ok(Flag::Number(number @ 0..=1)) => Ok(number == 1),
            Ok(Flag::Number(_)) | Err(_) => Err(de::Error::custom("expected true, false, 1 or 0")),
        }
    }
}
