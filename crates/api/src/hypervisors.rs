//! The list of the hypervisors of a region, as YAML or JSON.
//!
//! ```yaml
//! version: 1
//! hypervisors:
//!   hv1: { endpoint: "ssl:hv1.example:6651", tags: [rack-7] }
//!   hv2: { endpoint: "ssl:hv2.example:6651", enabled: false }
//! ```
//!
//! It must not know what an endpoint is: whoever reaches it does.

use marked_yaml::Node;

use crate::fields::{Fields, Problem, Problems};
use crate::read::{read_with, version};

/// A hypervisor of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hypervisor {
    /// Its name.
    pub name: String,
    /// Where its daemon is reached.
    pub endpoint: String,
    /// What it is, for people.
    pub tags: Vec<String>,
    /// Whether it is told anything. Default: true.
    pub enabled: bool,
}

/// Reads a list; its hypervisors are in the order of the text.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub fn read(text: &str) -> Result<Vec<Hypervisor>, Vec<Problem>> {
    read_with(text, |node, problems| {
        let mut fields = Fields::of(node, "the list", problems);
        version(&mut fields);
        let entries = fields.entries("hypervisors");
        fields.finish();
        let read = |(name, node): (crate::Located<ovsdb::Str>, &Node)| {
            hypervisor(&name.value, node, problems)
        };
        entries.into_iter().map(read).collect()
    })
}

fn hypervisor(name: &str, node: &Node, problems: &mut Problems) -> Hypervisor {
    let mut fields = Fields::of(node, format!("hypervisor {name}"), problems);
    let endpoint = fields.required::<String>("endpoint", "an address such as ssl:hv1.example:6651");
    let tags = fields.values::<String>("tags", "a word");
    let enabled = fields.flag("enabled", true);
    fields.finish();
    Hypervisor {
        name: name.to_owned(),
        endpoint: endpoint.map(|it| it.value).unwrap_or_default(),
        tags: tags.into_iter().map(|tag| tag.value).collect(),
        enabled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_yaml_or_json() {
        let yaml = "version: 1\nhypervisors:\n  hv1: { endpoint: \"ssl:hv1:6651\", tags: [a] }\n  hv0:\n    endpoint: unix:/run/x\n    enabled: false\n";
        let json = r#"{"version": 1, "hypervisors": {"hv1": {"endpoint": "ssl:hv1:6651", "tags": ["a"]},
            "hv0": {"endpoint": "unix:/run/x", "enabled": false}}}"#;
        let hv1 = Hypervisor {
            name: "hv1".into(),
            endpoint: "ssl:hv1:6651".into(),
            tags: vec!["a".into()],
            enabled: true,
        };
        let hv0 = Hypervisor {
            name: "hv0".into(),
            endpoint: "unix:/run/x".into(),
            tags: Vec::new(),
            enabled: false,
        };
        assert_eq!(read(yaml), Ok(vec![hv1, hv0]));
        assert_eq!(read(json), read(yaml));
    }

    #[test]
    fn all_problems_are_told_with_their_places() {
        let text = "hypervisors:\n  hv1: { tags: 7 }\n  hv2: { endpoint: x, color: red, enabled: perhaps }\n";
        let problems = read(text).unwrap_err();
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let expected = [
            "1:12: the list: `version` is missing",
            "2:8: hypervisor hv1: `endpoint` is missing",
            "2:16: hypervisor hv1: `tags` is not a list",
            "3:23: hypervisor hv2: unknown key `color`",
            "3:44: hypervisor hv2: `enabled` holds `perhaps`",
        ];
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.starts_with(expected), "{problem} / {expected}");
        }
        assert_eq!(
            read("version: 1\nhypervisors:\n  a: {endpoint: x}\n  a: {endpoint: y}\n")
                .unwrap_err()
                .len(),
            1
        );
    }
}
