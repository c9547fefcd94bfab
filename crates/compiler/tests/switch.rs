//! The pipeline of switches and the rows beside it, on small clouds.
#![allow(clippy::unwrap_used)] // Helpers of tests.

mod common;

use common::*;
use model::nb::{self, AclAction, Direction};
use model::{Strong, Weak, sb};
use ovsdb::Str;

/// Flows of one object, without those that all switches share.
fn own(flow: &sb::LogicalFlow) -> bool {
    flow.external_ids.get("stage-hint").is_some()
}

fn of_switches(flow: &sb::LogicalFlow) -> bool {
    flow.external_ids
        .get("stage-name")
        .is_some_and(|name| name.starts_with("ls_"))
}

#[test]
fn a_plain_switch() {
    let mut cloud = Cloud::default();
    cloud.switch("sw");
    cloud.port("sw", "a", "02:00:00:00:00:0a 10.0.0.10 fd00::a");
    cloud.port("sw", "b", "unknown");
    cloud.run();
    insta::assert_snapshot!(cloud.flows(|_| true));
}

#[test]
fn ports_of_routers() {
    let mut cloud = two_tier();
    cloud.run();
    insta::assert_snapshot!(cloud.flows(|flow| of_switches(flow) && own(flow)));
    insta::assert_snapshot!(
        "bindings",
        cloud.listing(|row: sb::PortBinding| {
            format!(
                "{} {:?} {:?} {:?}",
                row.logical_port, row.type_, row.options, row.mac
            )
        })
    );
    insta::assert_snapshot!(
        "multicast",
        cloud.listing(|row: sb::MulticastGroup| {
            format!("{} {} {}", row.name, row.tunnel_key, row.ports.len())
        })
    );
}

#[test]
fn stateful_acls() {
    let mut cloud = two_tier();
    let allow = acl(
        Direction::ToLport,
        1001,
        "outport == \"web1\" && tcp.dst == 80",
        AclAction::AllowRelated,
    );
    cloud.acl(
        "web",
        "acl1",
        nb::Acl {
            log: true,
            name: Some("http".into()),
            ..allow
        },
    );
    cloud.acl(
        "web",
        "acl2",
        acl(
            Direction::ToLport,
            1000,
            "outport == \"web1\"",
            AclAction::Drop,
        ),
    );
    cloud.acl(
        "web",
        "acl3",
        acl(Direction::FromLport, 9, "udp", AclAction::Reject),
    );
    cloud.acl(
        "web",
        "acl4",
        acl(Direction::FromLport, 7, "icmp4", AclAction::AllowStateless),
    );
    cloud.run();
    let of_acls = |flow: &sb::LogicalFlow| {
        let stage = flow.external_ids.get("stage-name").unwrap();
        of_switches(flow) && (stage.contains("acl") || stage.contains("stateful"))
    };
    insta::assert_snapshot!(cloud.flows(of_acls));
}

/// The flows of a port group's ACL are written once for all switches, and a switch's membership is one
/// row.
#[test]
fn port_groups() {
    let mut cloud = two_tier();
    cloud.put(
        "pg",
        &nb::PortGroup {
            name: "pg".into(),
            ports: refs(["web1", "db2"]),
            acls: refs(["acl"]),
            ..nb::PortGroup::default()
        },
    );
    cloud.put(
        "acl",
        &acl(
            Direction::FromLport,
            5,
            "inport == @pg && ip4.dst == $pg_ip4",
            AclAction::AllowRelated,
        ),
    );
    cloud.switch("lone");
    cloud.port("lone", "lone1", "02:00:00:00:03:11 10.0.3.11");
    cloud.run();
    insta::assert_snapshot!(cloud.flows(|flow| {
        flow.external_ids
            .get("source")
            .is_some_and(|it| it == "switch/acl_eval acl")
    }));
    insta::assert_snapshot!(
        "sets",
        cloud.listing(|row: sb::AddressSet| format!("{row:?}"))
            + "\n"
            + &cloud.listing(|row: sb::PortGroup| format!("{row:?}"))
    );

    cloud.edit::<nb::PortGroup>("pg", |row| {
        row.ports.insert(Weak::new(id("lone1")));
    });
    let output = cloud.run();
    let acl_flows = output.sb.iter().filter(|change| {
        change.table == "Logical_Flow" && {
            let row = change.new.as_ref().or(change.old.as_ref()).unwrap();
            format!("{row:?}").contains("@pg")
        }
    });
    assert_eq!(acl_flows.count(), 0, "no flow of the ACL changes");
}

#[test]
fn dhcp() {
    let mut cloud = Cloud::default();
    cloud.switch("sw");
    cloud.port("sw", "a", "02:00:00:00:00:0a 10.0.0.10");
    cloud.put(
        "dhcp",
        &nb::DhcpOptions {
            cidr: "10.0.0.0/24".into(),
            options: map([
                ("server_id", "10.0.0.1"),
                ("server_mac", "02:00:00:00:00:01"),
                ("lease_time", "3600"),
                ("router", "10.0.0.1"),
                ("dns_server", "{10.0.0.2, 10.0.0.3}"),
                ("domain_name", "example.org"),
                ("mtu", "1400"),
                ("no_such_option", "1"),
            ]),
            ..nb::DhcpOptions::default()
        },
    );
    cloud
        .edit::<nb::LogicalSwitchPort>("a", |row| row.dhcpv4_options = Some(Weak::new(id("dhcp"))));
    let output = cloud.run();
    insta::assert_snapshot!(cloud.flows(|flow| {
        own(flow)
            && flow
                .external_ids
                .get("stage-name")
                .unwrap()
                .contains("dhcp")
    }));
    let said: Vec<_> = output
        .diagnostics
        .iter()
        .map(|it| it.message.as_str())
        .collect();
    assert_eq!(said, ["not supported: DHCP option no_such_option"]);
}

/// An ACL whose match does not parse is left out and says so on itself; nothing else suffers.
#[test]
fn a_bad_acl_is_left_out_alone() {
    let mut cloud = two_tier();
    cloud.run_and_write_back();
    cloud.run_and_write_back();
    let before = cloud.southbound.clone();
    cloud.acl(
        "web",
        "bad",
        acl(
            Direction::ToLport,
            1,
            "ip4.src == bad(",
            AclAction::AllowRelated,
        ),
    );
    let output = cloud.run_and_write_back();
    assert_eq!(cloud.southbound, before);
    assert_eq!(output.diagnostics.len(), 1);
    assert!(
        output.diagnostics[0]
            .message
            .starts_with("match does not parse")
    );
    let status = cloud.get::<nb::Acl>("bad").unwrap().status;
    assert_eq!(status.get("error"), Some(&output.diagnostics[0].message));
    assert_eq!(cloud.run_and_write_back().nb, []);

    cloud.edit::<nb::Acl>("bad", |row| row.match_ = "ip4".into());
    let output = cloud.run_and_write_back();
    assert_eq!(output.resolved.len(), 1);
    assert!(cloud.southbound.len() > before.len());
    assert!(cloud.get::<nb::Acl>("bad").unwrap().status.is_empty());
}

#[test]
fn a_port_is_up_when_its_chassis_has_it() {
    let mut cloud = two_tier();
    cloud.run_and_write_back();
    assert_eq!(
        cloud.get::<nb::LogicalSwitchPort>("web1").unwrap().up,
        Some(false)
    );
    assert_eq!(
        cloud.get::<nb::LogicalSwitchPort>("web-r1").unwrap().up,
        Some(true)
    );
    let chassis = sb::Chassis {
        name: "hv1".into(),
        other_config: map([("port-up-notif", "true")]),
        ..sb::Chassis::default()
    };
    let binding = |cloud: &Cloud, up| {
        let (uuid, row) = cloud
            .rows::<sb::PortBinding>()
            .find(|(_, row)| row.logical_port == "web1")
            .unwrap();
        (
            uuid,
            sb::PortBinding {
                chassis: Some(Weak::new(id("hv1"))),
                up: Some(up),
                ..row
            },
        )
    };
    apply(&mut cloud, id("hv1"), &chassis);
    let (uuid, row) = binding(&cloud, false);
    apply(&mut cloud, uuid, &row);
    assert_eq!(
        cloud.run_and_write_back().nb,
        [],
        "the chassis has not got all flows"
    );
    let (_, row) = binding(&cloud, true);
    apply(&mut cloud, uuid, &row);
    cloud.run_and_write_back();
    assert_eq!(
        cloud.get::<nb::LogicalSwitchPort>("web1").unwrap().up,
        Some(true)
    );
}

fn apply<T: model::Table>(cloud: &mut Cloud, uuid: uuid::Uuid, row: &T) {
    let new = std::sync::Arc::new(row.to_row());
    let key = (T::NAME.into(), uuid);
    let old = cloud.southbound.insert(key, new.clone());
    let change = ovsdb::RowChange {
        table: T::NAME.into(),
        uuid,
        old,
        new: Some(new),
    };
    cloud.compiler.apply_sb(&[change]);
}

/// A second compiler over the same databases changes nothing; tunnel keys stay although the order in
/// which they were given out can no longer be told.
#[test]
fn a_restart_changes_nothing() {
    let mut cloud = two_tier();
    cloud.run();
    cloud.remove::<nb::LogicalSwitchPort>("web1");
    cloud.edit::<nb::LogicalSwitch>("web", |row| {
        row.ports.remove(&Strong::new(id("web1")));
    });
    cloud.port("web", "aaa", "02:00:00:00:01:99");
    cloud.run();
    let mut again = cloud.restarted();
    assert_eq!(again.run().sb, []);
    assert_eq!(again.southbound, cloud.southbound);
}

/// Rows that another compiler made are adopted by their natural keys, what agents wrote on them stays,
/// and what nobody wants any more goes.
#[test]
fn rows_of_another_compiler_are_adopted() {
    let mut cloud = two_tier();
    cloud.run();
    let mut foreign = Rows::new();
    let datapath = |name: &str| sb::DatapathBinding {
        tunnel_key: 77,
        external_ids: map([
            ("logical-switch", id(name).to_string().as_str()),
            ("name", name),
        ]),
        ..sb::DatapathBinding::default()
    };
    let mut insert = |name: &str, table: &str, row: ovsdb::Row| {
        foreign.insert((Str::from(table), id(name)), std::sync::Arc::new(row));
    };
    use model::Table;
    insert("dp web", "Datapath_Binding", datapath("web").to_row());
    insert(
        "dp old",
        "Datapath_Binding",
        sb::DatapathBinding {
            tunnel_key: 78,
            ..datapath("gone")
        }
        .to_row(),
    );
    let port = sb::PortBinding {
        logical_port: "web2".into(),
        datapath: Strong::new(id("dp web")),
        tunnel_key: 4711,
        chassis: Some(Weak::new(id("hv1"))),
        up: Some(true),
        ..sb::PortBinding::default()
    };
    insert("pb web2", "Port_Binding", port.to_row());
    let mut again = Cloud {
        southbound: foreign,
        ..cloud
    };
    again = again.restarted();
    again.run();
    let (uuid, web) = again
        .rows::<sb::DatapathBinding>()
        .find(|(_, row)| row.nb_uuid == Some(id("web")))
        .unwrap();
    assert_eq!((uuid, web.tunnel_key), (id("dp web"), 77));
    let (uuid, port) = again
        .rows::<sb::PortBinding>()
        .find(|(_, row)| row.logical_port == "web2")
        .unwrap();
    assert_eq!(
        (uuid, port.tunnel_key, port.up),
        (id("pb web2"), 4711, Some(true))
    );
    assert_eq!(port.chassis, Some(Weak::new(id("hv1"))));
    assert_eq!(again.rows::<sb::DatapathBinding>().count(), 3);
}

/// Without ACLs that allow it, nothing passes where that is the default; other switches do not care.
#[test]
fn default_drop() {
    let mut cloud = two_tier();
    cloud.acl(
        "web",
        "acl",
        acl(Direction::ToLport, 1, "ip4", AclAction::Allow),
    );
    cloud.run();
    let action = |flow: &sb::LogicalFlow| {
        let stage = flow.external_ids.get("stage-name").unwrap();
        stage.ends_with("acl_action") && flow.priority < 1000
    };
    let before = cloud.flows(action);
    cloud.edit::<nb::NbGlobal>("global", |row| {
        row.options = map([("default_acl_drop", "true")]);
    });
    cloud.run();
    insta::assert_snapshot!(cloud.flows(action));
    cloud.edit::<nb::NbGlobal>("global", |row| row.options = map([]));
    cloud.run();
    assert_eq!(cloud.flows(action), before);
}

#[test]
fn template_variables() {
    let mut cloud = two_tier();
    let allow = acl(
        Direction::ToLport,
        1001,
        "outport == \"web1\" && ip4.src == ^OFFICE",
        AclAction::Allow,
    );
    cloud.acl("web", "office", allow);
    let mut variables = nb::ChassisTemplateVar {
        chassis: "hv1".into(),
        variables: map([("OFFICE", "192.0.2.0/24"), ("VIP", "10.0.0.1")]),
        ..<_>::default()
    };
    cloud.put("variables", &variables);
    cloud.run();
    let rows = |cloud: &Cloud| {
        cloud.listing(|row: sb::ChassisTemplateVar| format!("{} {:?}", row.chassis, row.variables))
    };
    assert_eq!(
        rows(&cloud),
        r#"hv1 {"OFFICE": "192.0.2.0/24", "VIP": "10.0.0.1"}"#
    );
    let flows = cloud.flows(|flow| flow.match_.contains('^'));
    assert!(flows.contains("ip4.src == ^OFFICE"), "{flows}");

    variables.variables = map([("OFFICE", "198.51.100.0/24")]);
    cloud.put("variables", &variables);
    cloud.run();
    assert_eq!(rows(&cloud), r#"hv1 {"OFFICE": "198.51.100.0/24"}"#);
    cloud.remove::<nb::ChassisTemplateVar>("variables");
    cloud.run();
    assert_eq!(rows(&cloud), "");
}
