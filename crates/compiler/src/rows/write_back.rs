//! What the compiler writes to the Northbound: whether ports are up, and why ACLs are left out.

use incremental::{Engine, Key, Rule, Value};
use model::{Column, Map, Table, nb};
use ovsdb::Str;
use uuid::Uuid;

use crate::compiler::{WriteBack, set_bool};
use crate::program::Program;
use crate::topology::PortKind;

/// Gives the write-backs that became due since the last call.
pub(crate) type Source = Box<dyn Fn(&mut Engine) -> Vec<WriteBack> + Send + Sync>;

pub(crate) fn declare(program: &mut Program) -> Vec<Source> {
    vec![up(program), acl_status(program)]
}

fn source<K: Key, V: Value>(
    program: &mut Program,
    rule: Rule<K, V>,
    make: impl Fn(K, V) -> WriteBack + Send + Sync + 'static,
) -> Source {
    program.build.watch(rule);
    Box::new(move |engine| {
        let due = engine.changes(rule).into_iter();
        due.filter_map(|change| Some(make(change.key, change.new?)))
            .collect()
    })
}

/// A port is up when a chassis has it and, if that chassis says so at all, has all its flows. Ports
/// of routers are always up.
fn up(program: &mut Program) -> Source {
    let topology = program.topology;
    let input = topology.nb.switch_port;
    let rule = program
        .build
        .filter("write_back up", topology.switch_port, move |cx, id| {
            let port = cx.get(topology.switch_port, id)?;
            let binding = cx
                .get(topology.sb.binding, &port.name)
                .copied()
                .unwrap_or_default();
            let chassis = binding
                .chassis
                .and_then(|chassis| cx.get(topology.sb.chassis, &chassis));
            let up = match chassis {
                _ if port.kind == PortKind::Router => true,
                Some(chassis) if chassis.other_config.is_true("port-up-notif") => {
                    binding.up == Some(true)
                }
                chassis => chassis.is_some(),
            };
            (cx.get(input, id)?.up != Some(up)).then_some(up)
        });
    source(program, rule, |id, up| {
        set_bool(nb::LogicalSwitchPort::NAME, id, "up", up)
    })
}

/// The key under which the error of an ACL stands.
const ERROR: &str = "error";

fn acl_status(program: &mut Program) -> Source {
    let topology = program.topology;
    let input = topology.nb.acl;
    let rule = program
        .build
        .filter("write_back acl", input, move |cx, id| {
            let row = cx.get(input, id)?;
            let error: Option<&Str> = cx.get(topology.acl_error, id);
            let mut status: Map<Str, Str> = row.status.clone();
            match error {
                Some(error) => status.insert(ERROR.into(), error.clone()),
                None => status.remove(ERROR),
            };
            (status != row.status).then_some(status)
        });
    source(program, rule, |uuid: Uuid, status| WriteBack {
        table: nb::Acl::NAME,
        uuid,
        column: "status",
        value: status.to_datum(),
    })
}
