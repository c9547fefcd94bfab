//! What `Open_vSwitch.external_ids` says about this chassis.
//!
//! Each key may carry the suffix `-<chassis>`; the suffixed one counts then. Keys and defaults are those
//! of ovn-controller(8).

use std::collections::BTreeMap;

use model::vswitch::OpenVswitch;
use model::{Str, sb};

/// The settings of one chassis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The chassis' name (`system-id`).
    pub chassis: Str,
    /// Its host name.
    pub hostname: Str,
    /// Where the Southbound is: remotes with commas between (`ovn-remote`).
    pub remote: Option<Str>,
    /// Seconds between probes of that connection, zero for none (`ovn-remote-probe-interval`, which is in
    /// milliseconds).
    pub probe_ms: Option<u64>,
    /// The integration bridge (`ovn-bridge`).
    pub bridge: Str,
    /// The datapath type that the bridge shall have (`ovn-bridge-datapath-type`).
    pub datapath_type: Option<Str>,
    /// Tunnel types, in the order given (`ovn-encap-type`).
    pub encap_types: Vec<sb::EncapType>,
    /// Words of `ovn-encap-type` that are no tunnel type.
    pub unknown_encap_types: Vec<Str>,
    /// Tunnel ends (`ovn-encap-ip`).
    pub encap_ips: Vec<Str>,
    /// Whether tunnels to us carry checksums (`ovn-encap-csum`).
    pub encap_csum: bool,
    /// `ovn-encap-tos`, unless it is `none`.
    pub encap_tos: Option<Str>,
    /// `ovn-encap-df_default`.
    pub encap_df: Option<Str>,
    /// Whether tunnels are bound to our address (`ovn-set-local-ip`).
    pub set_local_ip: bool,
    /// Whether all of the Southbound is read, and not what concerns this chassis (`ovn-monitor-all`).
    pub monitor_all: bool,
    /// Bridges by physical network (`ovn-bridge-mappings`).
    pub bridge_mappings: BTreeMap<Str, Str>,
    /// `ovn-transport-zones`.
    pub transport_zones: Vec<Str>,
    /// What the Southbound's `Chassis.other_config` says of these settings.
    pub published: BTreeMap<Str, Str>,
}

/// Keys that are passed on to `Chassis.other_config` as they are, empty when not set.
const PASSED_ON: [&str; 10] = [
    "ovn-bridge-mappings",
    "ovn-cms-options",
    "ovn-monitor-all",
    "ovn-enable-lflow-cache",
    "ovn-limit-lflow-cache",
    "ovn-memlimit-lflow-cache-kb",
    "ovn-trim-limit-lflow-cache",
    "ovn-trim-wmark-perc-lflow-cache",
    "ovn-trim-timeout-ms",
    "ovn-chassis-mac-mappings",
];

/// Abilities that compilers look for before they use them.
const ABILITIES: [&str; 4] = [
    "port-up-notif",
    "ct-no-masked-label",
    "mac-binding-timestamp",
    "ovn-ct-lb-related",
];

impl Config {
    /// Reads the settings; `None` while the chassis has no name. `chassis` is the name from the command
    /// line, which wins; `hostname` is the system's, used when none is set.
    pub fn read(row: &OpenVswitch, chassis: Option<&str>, hostname: &str) -> Option<Self> {
        let ids = &row.external_ids;
        let chassis: Str = match chassis {
            Some(name) => name.into(),
            None => ids.get("system-id").filter(|id| !id.is_empty())?.clone(),
        };
        let get = |key: &str| {
            let own = ids.get(format!("{key}-{chassis}").as_str());
            own.or_else(|| ids.get(key))
                .map(|value| Str::from(value.trim()))
        };
        let is_true = |key: &str| get(key).is_some_and(|value| value == "true");
        let (encap_types, unknown_encap_types) = encap_types(get("ovn-encap-type"));
        Some(Self {
            hostname: get("hostname").unwrap_or_else(|| hostname.into()),
            remote: get("ovn-remote").filter(|remote| !remote.is_empty()),
            probe_ms: get("ovn-remote-probe-interval").and_then(|ms| ms.parse().ok()),
            bridge: get("ovn-bridge").unwrap_or_else(|| "br-int".into()),
            datapath_type: get("ovn-bridge-datapath-type"),
            encap_types,
            unknown_encap_types,
            encap_ips: words(get("ovn-encap-ip")),
            encap_csum: get("ovn-encap-csum").is_none_or(|value| value != "false"),
            encap_tos: get("ovn-encap-tos").filter(|tos| tos != "none"),
            encap_df: get("ovn-encap-df_default"),
            set_local_ip: is_true("ovn-set-local-ip"),
            monitor_all: is_true("ovn-monitor-all"),
            bridge_mappings: mappings(get("ovn-bridge-mappings")),
            transport_zones: words(get("ovn-transport-zones")),
            published: published(row, get),
            chassis,
        })
    }
}

fn published(row: &OpenVswitch, get: impl Fn(&str) -> Option<Str>) -> BTreeMap<Str, Str> {
    let mut out: BTreeMap<Str, Str> = PASSED_ON
        .iter()
        .map(|key| (Str::new_static(key), get(key).unwrap_or_default()))
        .collect();
    for ability in ABILITIES {
        out.insert(Str::new_static(ability), Str::new_static("true"));
    }
    for (key, default) in [
        ("ovn-monitor-all", "false"),
        ("ovn-enable-lflow-cache", "true"),
        ("is-interconn", "false"),
    ] {
        let value = get(if key == "is-interconn" {
            "ovn-is-interconn"
        } else {
            key
        });
        out.insert(key.into(), value.unwrap_or_else(|| default.into()));
    }
    let types: Vec<&str> = row.iface_types.iter().map(Str::as_str).collect();
    out.insert("iface-types".into(), types.join(",").into());
    out
}

fn words(text: Option<Str>) -> Vec<Str> {
    let text = text.unwrap_or_default();
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(Str::from)
        .collect()
}

fn encap_types(text: Option<Str>) -> (Vec<sb::EncapType>, Vec<Str>) {
    let mut found = (Vec::new(), Vec::new());
    for word in words(text) {
        match sb::EncapType::ALL.iter().find(|kind| kind.as_str() == word) {
            Some(kind) => found.0.push(*kind),
            None => found.1.push(word),
        }
    }
    found
}

/// `network:bridge` words; one without a colon says nothing.
fn mappings(text: Option<Str>) -> BTreeMap<Str, Str> {
    words(text)
        .iter()
        .filter_map(|word| word.split_once(':'))
        .map(|(network, bridge)| (network.trim().into(), bridge.trim().into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pairs: &[(&str, &str)]) -> OpenVswitch {
        let external_ids = pairs
            .iter()
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect();
        OpenVswitch {
            external_ids,
            ..OpenVswitch::default()
        }
    }

    #[test]
    fn nothing_is_known_without_a_name() {
        assert_eq!(
            Config::read(&row(&[("ovn-remote", "unix:/x")]), None, "h"),
            None
        );
        assert_eq!(
            Config::read(&row(&[]), Some("me"), "h").unwrap().chassis,
            "me"
        );
    }

    #[test]
    fn defaults_and_values() {
        let config = Config::read(&row(&[("system-id", "hv1")]), None, "host").unwrap();
        assert_eq!(
            (config.bridge.as_str(), config.hostname.as_str()),
            ("br-int", "host")
        );
        assert!(config.encap_csum && config.remote.is_none() && config.encap_ips.is_empty());
        let config = Config::read(
            &row(&[
                ("system-id", "hv1"),
                ("ovn-encap-type", "geneve, vxlan,stt"),
                ("ovn-encap-ip", "10.0.0.1"),
                ("ovn-bridge-mappings", "phys:br-ex,bad, p2 : br2"),
                ("ovn-encap-tos", "none"),
            ]),
            None,
            "host",
        )
        .unwrap();
        assert_eq!(
            config.encap_types,
            [sb::EncapType::Geneve, sb::EncapType::Vxlan]
        );
        assert_eq!(config.unknown_encap_types, ["stt"]);
        assert_eq!(config.bridge_mappings.len(), 2);
        assert_eq!(config.bridge_mappings["p2"], "br2");
        assert_eq!(config.encap_tos, None);
        assert_eq!(
            config.published["ovn-bridge-mappings"],
            "phys:br-ex,bad, p2 : br2"
        );
    }

    #[test]
    fn the_key_with_our_name_wins() {
        let ids = [
            ("system-id", "a"),
            ("ovn-bridge", "x"),
            ("ovn-bridge-a", "y"),
            ("ovn-bridge-b", "z"),
        ];
        assert_eq!(Config::read(&row(&ids), None, "h").unwrap().bridge, "y");
    }
}
