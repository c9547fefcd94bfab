//! Text to [`Document`].

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use marked_yaml::{LoadError, LoaderOptions, Node, parse_yaml_with_options};
use model::nb::{AclAction, Direction};
use ovsdb::Str;
use packet::Mac;

use crate::check::check;
use crate::document::{
    Acl, AddressSet, Dhcp, Document, Port, PortGroup, Route, Router, RouterPort, Switch,
};
use crate::fields::{Fields, Located, Position, Problem, Problems};
use crate::read_testbed::testbed;

/// Reads a document.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub fn read(text: &str) -> Result<Document, Vec<Problem>> {
    read_with(text, |node, problems| {
        let document = document(node, problems);
        check(&document, problems);
        document
    })
}

/// What `read` makes of a text, unless there is a problem with it.
pub(crate) fn read_with<T>(
    text: &str,
    read: impl FnOnce(&Node, &mut Problems) -> T,
) -> Result<T, Vec<Problem>> {
    let options = LoaderOptions::default().error_on_duplicate_keys(true);
    let node = parse_yaml_with_options(0, text, options).map_err(|error| vec![not_yaml(&error)])?;
    let mut problems = Problems::default();
    let value = read(&node, &mut problems);
    problems.0.sort();
    problems.0.dedup();
    if problems.0.is_empty() {
        Ok(value)
    } else {
        Err(problems.0)
    }
}

fn not_yaml(error: &LoadError) -> Problem {
    let problem = |at, what: String, remedy: &str| Problem {
        at,
        object: "the document".to_owned(),
        what,
        remedy: remedy.to_owned(),
    };
    match error {
        LoadError::DuplicateKey(keys) => problem(
            Position::of(keys.key.span()),
            format!("the name `{}` stands here a second time", keys.key.as_str()),
            &format!(
                "rename this one or the one at {}",
                Position::of(keys.prev_key.span())
            ),
        ),
        LoadError::TopLevelMustBeMapping(at) | LoadError::TopLevelMustBeSequence(at) => problem(
            Position {
                line: at.line(),
                column: at.column(),
            },
            "is not a mapping".to_owned(),
            "begin with `version: 1`",
        ),
        LoadError::UnexpectedAnchor(at)
        | LoadError::MappingKeyMustBeScalar(at)
        | LoadError::UnexpectedTag(at)
        | LoadError::ScanError(at, _) => problem(
            Position {
                line: at.line(),
                column: at.column(),
            },
            format!("is not YAML that can be read: {error}"),
            "put text with `:`, `{`, `[`, `#` or `&` in quotes, and mend the indentation",
        ),
    }
}

/// The version of a document, which must be one that is known.
pub(crate) fn version(fields: &mut Fields<'_, '_>) {
    if let Some(version) = fields.required::<u32>("version", "1")
        && version.value != 1
    {
        fields.problem(
            version.at,
            format!("version {} is not known", version.value),
            "write 1",
        );
    }
}

fn document(node: &Node, problems: &mut Problems) -> Document {
    let mut fields = Fields::of(node, "the document", problems);
    version(&mut fields);
    let name = fields.value::<Str>("name", "a name");
    let address_sets = fields.entries("address_sets");
    let port_groups = fields.entries("port_groups");
    let switches = fields.entries("switches");
    let routers = fields.entries("routers");
    let beds = fields.node("testbed");
    fields.finish();
    Document {
        name: name.map_or_else(|| Str::new("default"), |name| name.value),
        address_sets: each(address_sets, problems, address_set),
        port_groups: each(port_groups, problems, port_group),
        switches: each(switches, problems, switch),
        routers: each(routers, problems, router),
        testbed: beds.map(|node| testbed(node, problems)),
    }
}

fn each<T>(
    entries: Vec<(Located<Str>, &Node)>,
    problems: &mut Problems,
    read: impl Fn(Located<Str>, &Node, &mut Problems) -> T,
) -> Vec<T> {
    entries
        .into_iter()
        .map(|(name, node)| read(name, node, problems))
        .collect()
}

const PREFIX: &str = "an address or prefix such as 10.0.1.0/24 or fd00::/64";
const INTERFACE: &str = "an address with its prefix length, such as 10.0.1.1/24";
const ADDRESS: &str = "an IP address such as 10.0.1.11 or fd00::11";
const MAC: &str = "a MAC address such as \"0a:00:00:00:00:01\"";

/// A prefix, or an address that stands for itself.
struct Prefix(IpNet);

impl FromStr for Prefix {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let net = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        net.map(Self).map_err(|_| ())
    }
}

fn address_set(name: Located<Str>, node: &Node, problems: &mut Problems) -> AddressSet {
    let mut fields = Fields::of_any(node, format!("address set {}", name.value), problems);
    let addresses = fields.parse_list::<Prefix>(node, "addresses", PREFIX);
    AddressSet {
        name,
        addresses: addresses.into_iter().map(|prefix| prefix.value.0).collect(),
    }
}

fn port_group(name: Located<Str>, node: &Node, problems: &mut Problems) -> PortGroup {
    let mut fields = Fields::of(node, format!("port group {}", name.value), problems);
    let ports = fields.values("ports", "the name of a port");
    let acls = fields.items("acls");
    fields.finish();
    PortGroup {
        name,
        ports,
        acls: acls
            .into_iter()
            .filter_map(|acl| self::acl(acl, problems))
            .collect(),
    }
}

fn switch(name: Located<Str>, node: &Node, problems: &mut Problems) -> Switch {
    let mut fields = Fields::of(node, format!("switch {}", name.value), problems);
    let subnets = fields.values("subnets", PREFIX);
    let dhcp = fields.node("dhcp");
    let ports = fields.entries("ports");
    let acls = fields.items("acls");
    fields.finish();
    let dhcp = dhcp.map(|node| self::dhcp(&name.value, node, problems));
    Switch {
        name,
        subnets,
        dhcp,
        ports: each(ports, problems, port),
        acls: acls
            .into_iter()
            .filter_map(|acl| self::acl(acl, problems))
            .collect(),
    }
}

fn dhcp(switch: &str, node: &Node, problems: &mut Problems) -> Dhcp {
    let mut fields = Fields::of(node, format!("dhcp of switch {switch}"), problems);
    let dhcp = Dhcp {
        at: fields.at,
        router: fields.value("router", ADDRESS).map(|router| router.value),
        dns: fields
            .values("dns", ADDRESS)
            .into_iter()
            .map(|server| server.value)
            .collect(),
        lease: fields
            .value("lease", "seconds")
            .map_or(3600, |lease| lease.value),
        mtu: fields.value("mtu", "bytes").map(|mtu| mtu.value),
        domain: fields
            .value("domain", "a domain name")
            .map(|domain| domain.value),
    };
    fields.finish();
    dhcp
}

fn port(name: Located<Str>, node: &Node, problems: &mut Problems) -> Port {
    let mut fields = Fields::of(node, format!("port {}", name.value), problems);
    let port = Port {
        name,
        mac: fields.value::<Mac>("mac", MAC).map(|mac| mac.value),
        addresses: fields.values("addresses", ADDRESS),
        port_security: fields.flag("port_security", true),
        unknown: fields.flag("unknown", false),
        dhcp: fields.flag("dhcp", true),
        enabled: fields.flag("enabled", true),
    };
    fields.finish();
    port
}

/// What an ACL may do. `pass` needs tiers, which are not supported.
const ACTIONS: &[AclAction] = &[
    AclAction::Allow,
    AclAction::AllowRelated,
    AclAction::AllowStateless,
    AclAction::Drop,
    AclAction::Reject,
];

fn acl(node: &Node, problems: &mut Problems) -> Option<Acl> {
    let name = node
        .as_mapping()
        .and_then(|mapping| mapping.get_scalar("name"));
    let object = name.map_or_else(
        || "an ACL".to_owned(),
        |name| format!("ACL {}", name.as_str()),
    );
    let mut fields = Fields::of(node, object, problems);
    let name = fields.required("name", "a name");
    let direction = fields.required::<Str>("direction", "from-lport or to-lport");
    let direction = direction.and_then(|word| one_of(&mut fields, &word, Direction::ALL));
    let priority = fields.required::<u16>("priority", "a number from 0 to 32767");
    let match_ = fields.required("match", "an expression such as ip4.src == 10.0.0.1");
    let actions = "allow, allow-related, allow-stateless, drop or reject";
    let action = fields.required::<Str>("action", actions);
    let action = action.and_then(|word| one_of(&mut fields, &word, ACTIONS));
    let log = fields.flag("log", false);
    if let Some(priority) = priority
        && priority.value > 32767
    {
        fields.problem(
            priority.at,
            format!("priority {} is too high", priority.value),
            "write 0 to 32767",
        );
    }
    fields.finish();
    Some(Acl {
        name: name?,
        direction: direction?,
        priority: priority?.value,
        match_: match_?,
        action: action?,
        log,
    })
}

fn one_of<T: Copy + ToString>(
    fields: &mut Fields<'_, '_>,
    word: &Located<Str>,
    all: &[T],
) -> Option<T> {
    let found = all
        .iter()
        .copied()
        .find(|value| value.to_string() == word.value);
    if found.is_none() {
        let words: Vec<String> = all.iter().map(ToString::to_string).collect();
        let remedy = format!("write one of {}", words.join(", "));
        fields.problem(word.at, format!("`{}` is not known", word.value), remedy);
    }
    found
}

fn router(name: Located<Str>, node: &Node, problems: &mut Problems) -> Router {
    let mut fields = Fields::of(node, format!("router {}", name.value), problems);
    let ports = fields.entries("ports");
    let routes = fields.items("routes");
    fields.finish();
    let object = format!("router {}", name.value);
    Router {
        ports: each(ports, problems, |switch, node, problems| {
            router_port(&object, switch, node, problems)
        }),
        routes: routes
            .into_iter()
            .filter_map(|node| route(&object, node, problems))
            .collect(),
        name,
    }
}

/// A router port is a mapping, or just the list of its networks.
fn router_port(
    router: &str,
    switch: Located<Str>,
    node: &Node,
    problems: &mut Problems,
) -> RouterPort {
    let object = format!("port of {router} on switch {}", switch.value);
    if node.as_sequence().is_some() {
        let networks =
            Fields::of_any(node, object, problems).parse_list(node, "networks", INTERFACE);
        return RouterPort {
            switch,
            mac: None,
            networks,
        };
    }
    let mut fields = Fields::of(node, object, problems);
    let port = RouterPort {
        switch,
        mac: fields.value::<Mac>("mac", MAC).map(|mac| mac.value),
        networks: fields.values("networks", INTERFACE),
    };
    fields.finish();
    port
}

fn route(router: &str, node: &Node, problems: &mut Problems) -> Option<Route> {
    let mut fields = Fields::of(node, format!("route of {router}"), problems);
    let to = fields.required::<Prefix>("to", PREFIX);
    let via = fields.required("via", ADDRESS);
    fields.finish();
    Some(Route {
        to: to?.value.0,
        via: via?,
    })
}
