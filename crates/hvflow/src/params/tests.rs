//! Examples of parameters, good and bad.

use serde_json::{Value, json};

use super::{NetworkParams, Problems, ReadError, bounds, json_schema};

fn seed() -> Value {
    json!({
        "droplet_id": 1,
        "vnics": [{
            "mac": "de:ad:be:ef:de:ad",
            "enabled": 1,
            "name": "tapext1",
            "interface_type": "public",
            "addresses": {
                "ipv4": [{"ip_address": "10.0.0.10", "masklen": 20, "gateway": "10.0.0.1"}]
            }
        }]
    })
}

/// Everything that parameters can say.
pub(crate) fn full() -> Value {
    serde_json::from_str(include_str!("../../tests/data/full.json")).unwrap()
}

fn read(value: &Value) -> Result<NetworkParams, ReadError> {
    NetworkParams::from_json(value.to_string().as_bytes())
}

fn problems(value: &Value) -> Vec<String> {
    match read(value) {
        Ok(_) => Vec::new(),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    }
}

/// The seed's parameters with one thing changed.
fn with(pointer: &str, new: Value) -> Value {
    let mut value = seed();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    value.pointer_mut(parent).unwrap()[key] = new;
    value
}

#[test]
fn the_seed_is_read_as_it_is() {
    let params = read(&seed()).unwrap();
    let vnic = &params.vnics[0];
    assert_eq!(params.droplet_id, 1);
    assert_eq!(vnic.mac.to_string(), "de:ad:be:ef:de:ad");
    assert!(vnic.enabled && vnic.anti_spoofing && !vnic.passive);
    assert_eq!(vnic.addresses.ipv4[0].masklen, 20);
    assert_eq!(serde_json::to_value(&params).unwrap(), seed());
}

#[test]
fn everything_is_written_as_it_was_read() {
    let params = read(&full()).unwrap();
    assert_eq!(serde_json::to_value(&params).unwrap(), full());
}

#[test]
fn a_flag_is_a_number_or_a_word() {
    for (given, meant) in [
        (json!(0), false),
        (json!(1), true),
        (json!(false), false),
        (json!(true), true),
    ] {
        let params = read(&with("/vnics/0/enabled", given)).unwrap();
        assert_eq!(params.vnics[0].enabled, meant);
    }
    let wrong = problems(&with("/vnics/0/enabled", json!(2)));
    assert!(
        wrong[0].starts_with("vnics[0].enabled: expected true, false, 1 or 0"),
        "{wrong:?}"
    );
}

#[test]
fn what_cannot_be_read_names_its_field() {
    let cases = [
        (
            "/vnics/0/mac",
            json!("de:ad"),
            "vnics[0].mac: not an Ethernet address (expected xx:xx:xx:xx:xx:xx)",
        ),
        (
            "/vnics/0/interface_type",
            json!("dmz"),
            "vnics[0].interface_type: unknown variant `dmz`, expected `public` or `private`",
        ),
        (
            "/vnics/0/addresses/ipv4/0/masklen",
            json!(300),
            "vnics[0].addresses.ipv4[0].masklen: invalid value: integer `300`, expected u8",
        ),
        (
            "/vnics/0/peer_networks",
            json!(["10.0.0.5/8"]),
            "vnics[0].peer_networks[0]: `10.0.0.5/8` has bits beyond its prefix; 10.0.0.0/8 is the network",
        ),
    ];
    for (pointer, value, expected) in cases {
        let found = problems(&with(pointer, value));
        assert!(found[0].starts_with(expected), "{found:?}");
    }
}

#[test]
fn unknown_fields_are_refused() {
    for pointer in ["/vnics/0/colour", "/colour", "/vnics/0/addresses/colour"] {
        let found = problems(&with(pointer, json!(1)));
        assert!(found[0].contains("unknown field `colour`"), "{found:?}");
    }
}

#[test]
fn huge_messages_are_refused_before_they_are_read() {
    let text = vec![b' '; bounds::MESSAGE + 1];
    let error = NetworkParams::from_json(&text).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1048577 bytes are more than the 1048576 that network parameters may have"
    );
    let deep = "[".repeat(100_000);
    assert!(matches!(
        NetworkParams::from_json(deep.as_bytes()),
        Err(ReadError::Form(_))
    ));
    let trailing = format!("{} {{}}", seed());
    assert!(NetworkParams::from_json(trailing.as_bytes()).is_err());
}

#[test]
fn every_problem_is_told_at_once_by_its_path() {
    let value = json!({
        "droplet_id": 0,
        "address_groups": {"": []},
        "vnics": [
            {
                "mac": "01:00:00:00:00:01", "name": "a/b", "interface_type": "public", "vlan": 4095,
                "peer_networks": ["10.0.0.0/8"],
                "addresses": {"ipv4": [
                    {"ip_address": "10.0.0.1", "masklen": 33},
                    {"ip_address": "127.0.0.1", "masklen": 8, "gateway": "192.0.2.1"},
                    {"ip_address": "10.0.0.1", "masklen": 24, "gateway": "10.0.0.1"}
                ]},
                "floating_ips": {
                    "ipv4": [
                        {"ip_address": "192.0.2.7"}, {"ip_address": "192.0.2.8"},
                        {"ip_address": "192.0.2.9", "fixed_address": "10.9.9.9"}
                    ],
                    "ipv6": [{"ip_address": "2001:db8::1"}]
                },
                "rate_limits": {"inbound": {"kbps": 0}},
                "security_policies": {"rules": [
                    {"direction": "inbound", "protocol": "icmp", "ports": [{"first": 9, "last": 8}],
                     "remote": ["2001:db8::/32"], "remote_groups": ["web"]},
                    {"direction": "outbound", "protocol": "tcp", "icmp": {"type": 8}}
                ]}
            },
            {"mac": "0a:00:00:00:00:01", "name": "a/b", "interface_type": "private"}
        ]
    });
    insta::assert_snapshot!(problems(&value).join("\n"));
}

#[test]
fn lists_have_bounds() {
    let address = |n: usize| json!({"ip_address": format!("10.0.{}.{}", n / 250, n % 250 + 1), "masklen": 16});
    let many: Vec<Value> = (0..=bounds::ADDRESSES).map(address).collect();
    let found = problems(&with("/vnics/0/addresses/ipv4", json!(many)));
    assert_eq!(
        found,
        ["vnics[0].addresses.ipv4: 33 entries are more than 32"]
    );
    let rule = json!({"direction": "inbound"});
    let found = problems(&with(
        "/vnics/0/security_policies",
        json!({"rules": vec![rule; 1001]}),
    ));
    assert_eq!(
        found,
        ["vnics[0].security_policies.rules: 1001 entries are more than 1000"]
    );
    let bad = json!({"mac": "00:00:00:00:00:00", "name": "", "interface_type": "public"});
    let found = problems(&with("/vnics", json!(vec![bad; 200])));
    assert_eq!(found.len(), Problems::MOST);
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    let published: Value =
        serde_json::from_str(include_str!("../../../../docs/netparams.schema.json")).unwrap();
    let text = serde_json::to_string_pretty(&json_schema()).unwrap();
    assert!(
        published == json_schema(),
        "docs/netparams.schema.json should be:\n{text}"
    );
}

/// Every field of the types is in the schema, with the names of the JSON form, and nothing beside them is allowed.
#[test]
fn the_schema_knows_every_field_of_the_examples() {
    let schema = json_schema();
    covers(&schema, &schema, &full(), "");
}

fn covers(root: &Value, schema: &Value, value: &Value, path: &str) {
    let schema = resolve(root, schema);
    match value {
        Value::Object(fields) if schema.get("properties").is_some() => {
            assert_eq!(schema["additionalProperties"], json!(false), "{path}");
            for (name, value) in fields {
                let known = &schema["properties"][name];
                assert!(!known.is_null(), "{path}.{name} is not in the schema");
                covers(root, known, value, &format!("{path}.{name}"));
            }
        }
        Value::Array(entries) => {
            for entry in entries {
                covers(root, &schema["items"], entry, path);
            }
        }
        _ => {}
    }
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return resolve(
            root,
            root.pointer(reference.trim_start_matches('#')).unwrap(),
        );
    }
    match schema["anyOf"].as_array() {
        Some(choices) => resolve(root, &choices[0]),
        None => schema,
    }
}
