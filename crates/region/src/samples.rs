//! What the tests of several modules need.

use model::Str;

/// Network parameters of a machine with one card.
pub(crate) fn parameters(number: i64, address: u8) -> Str {
    format!(
        r#"{{"droplet_id":{number},"vnics":[{{"mac":"02:00:00:00:00:{number:02x}","enabled":1,"name":"tap{number}",
        "interface_type":"public","addresses":{{"ipv4":[{{"ip_address":"10.0.0.{address}","masklen":24}}]}},
        "security_policies":{{"rules":[]}}}}]}}"#
    )
    .into()
}
