//! Which ACLs hold where, and which of them need connection tracking.

use std::sync::Arc;

use incremental::{Builder, Collected, Index, Rule};
use logic::Symbols;
use model::nb;
use ovsdb::Str;
use uuid::Uuid;

use crate::inputs::Northbound;
use crate::scope::Group;
use crate::topology::{AclKind, SwitchPort, uuids};

/// Handles of the views of ACLs.
#[derive(Clone, Copy)]
pub(crate) struct Acls {
    pub(crate) switches: Index<Uuid, Uuid>,
    pub(crate) port_groups: Index<Uuid, Uuid>,
    pub(crate) error: Rule<Uuid, Str>,
    pub(crate) kind: Rule<Uuid, AclKind>,
    pub(crate) scopes: Collected<Group, Uuid>,
    pub(crate) scope: Rule<Group, ()>,
}

pub(crate) fn declare(
    build: &mut Builder,
    nb: Northbound,
    switch_port: Rule<Uuid, Arc<SwitchPort>>,
    port_groups_of_port: Index<Uuid, Uuid>,
) -> Acls {
    let own = build.rule("ACLs of switch", nb.switch, move |cx, id| {
        cx.get(nb.switch, id)
            .map(|row| uuids(&row.acls))
            .unwrap_or_default()
    });
    let switches = build.index("switches of ACL", own, |_, acls| acls.clone());
    let port_groups = build.index("port groups of ACL", nb.port_group, |_, row| {
        uuids(&row.acls)
    });
    let error = build.filter("error of ACL", nb.acl, move |cx, id| {
        error(cx.get(nb.acl, id)?)
    });
    let single = build.rule("kind of ACL", nb.acl, move |cx, id| {
        let Some(row) = cx.get(nb.acl, id) else {
            return AclKind::None;
        };
        match row.action {
            _ if cx.get(error, id).is_some() => AclKind::None,
            nb::AclAction::AllowRelated => AclKind::Stateful,
            _ => AclKind::Stateless,
        }
    });
    let of_group = build.rule("kind of port group's ACLs", nb.port_group, move |cx, id| {
        let acls = cx
            .get(nb.port_group, id)
            .map(|row| uuids(&row.acls))
            .unwrap_or_default();
        let kinds = acls.iter().filter_map(|acl| cx.get(single, acl));
        kinds.max().copied().unwrap_or_default()
    });
    let membership = build.rule("membership of port", switch_port, move |cx, id| {
        let switch = cx.get(switch_port, id).map(|port| port.switch);
        let groups: Vec<Uuid> = cx.items(port_groups_of_port, id).copied().collect();
        (switch, groups)
    });
    let groups_on = build.collect(
        "port groups on switch",
        membership,
        |_, (switch, groups)| {
            let switch = *switch;
            let pairs = groups
                .iter()
                .filter_map(move |group| Some((switch?, *group)));
            pairs.collect::<Vec<_>>()
        },
    );
    let kind = build.rule("kind of switch's ACLs", own, move |cx, id| {
        let own = cx.get(own, id).map(Vec::as_slice).unwrap_or_default();
        let own = own.iter().filter_map(|acl| cx.get(single, acl)).max();
        let groups = cx
            .items(groups_on, id)
            .filter_map(|group| cx.get(of_group, group))
            .max();
        own.max(groups).copied().unwrap_or_default()
    });
    let scopes_of = build.rule("port group scopes of switch", kind, move |cx, id| {
        let stateful = cx.get(kind, id) == Some(&AclKind::Stateful);
        let with_acls = |group: &&Uuid| cx.get(of_group, *group) != Some(&AclKind::None);
        let groups = cx.items(groups_on, id).filter(with_acls);
        groups
            .map(|group| Group::PortGroup {
                port_group: *group,
                stateful,
            })
            .collect::<Vec<_>>()
    });
    let scopes = build.collect("members of port group scopes", scopes_of, |id, scopes| {
        scopes.iter().map(|scope| (*scope, *id)).collect::<Vec<_>>()
    });
    // Who reads this one does not care which switches join.
    let scope = build.rule("port group scope", scopes, |_, _| ());
    Acls {
        switches,
        port_groups,
        error,
        kind,
        scopes,
        scope,
    }
}

/// Why an ACL has to be left out, if it has to.
fn error(row: &nb::Acl) -> Option<Str> {
    if row.tier != 0 {
        return Some("not supported: tier".into());
    }
    if row.network_function_group.is_some() {
        return Some("not supported: network_function_group".into());
    }
    if row.action == nb::AclAction::Pass {
        return Some("not supported: action pass".into());
    }
    let parsed = logic::check_match(&row.match_, Symbols::ovn());
    parsed
        .err()
        .map(|error| format!("match does not parse: {error}").into())
}
