//! Network parameters and rules between protobuf and `hvflow`, and their form in JSON.
//!
//! Invariant: `hvflow`'s parameters come back from protobuf as they went in. The other way, what protobuf leaves out
//! comes back as the default that it stands for. What cannot be is refused with the path of its field, the same path
//! as in JSON.

mod from_proto;
mod to_proto;

use hvflow::params::{NetworkParams, Problems, Rule};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};
use serde_json::Value;

use crate::hv::v1;

impl TryFrom<&v1::NetworkParams> for NetworkParams {
    type Error = Problems;

    /// Checks them, too.
    fn try_from(proto: &v1::NetworkParams) -> Result<Self, Problems> {
        let params = from_proto::params(proto)?;
        params.check()?;
        Ok(params)
    }
}

impl From<&NetworkParams> for v1::NetworkParams {
    fn from(params: &NetworkParams) -> Self {
        to_proto::params(params)
    }
}

impl TryFrom<&v1::Rule> for Rule {
    type Error = Problems;

    /// Checks it as a rule for any machine.
    fn try_from(proto: &v1::Rule) -> Result<Self, Problems> {
        let rule = from_proto::rule_alone(proto)?;
        rule.check_alone()?;
        Ok(rule)
    }
}

impl From<&Rule> for v1::Rule {
    fn from(rule: &Rule) -> Self {
        to_proto::rule(rule)
    }
}

impl Serialize for v1::NetworkParams {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let params = from_proto::params(self).map_err(ser::Error::custom)?;
        params.serialize(to)
    }
}

impl<'de> Deserialize<'de> for v1::NetworkParams {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // The reader that knows paths and checks everything takes text.
        let text = Value::deserialize(from)?.to_string();
        let params = NetworkParams::from_json(text.as_bytes()).map_err(D::Error::custom)?;
        Ok(Self::from(&params))
    }
}

impl Serialize for v1::Rule {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let rule = from_proto::rule_alone(self).map_err(ser::Error::custom)?;
        rule.serialize(to)
    }
}

impl<'de> Deserialize<'de> for v1::Rule {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Value::deserialize(from)?.to_string();
        let rule = Rule::from_json(text.as_bytes()).map_err(D::Error::custom)?;
        Ok(Self::from(&rule))
    }
}

/// The published JSON Schema.
pub(crate) fn json_schema() -> Value {
    hvflow::params::json_schema()
}
