//! What others do to rows of ours is undone, at the cost of what they did.

#![allow(clippy::unwrap_used)] // These are tests, though not all marked so.

mod common;

use std::sync::Arc;

use common::Cloud;
use model::{Table, sb};
use ovsdb::{Row, RowChange};
use uuid::Uuid;

/// Somebody else writes a row; gives how many changes the compiler takes offence at.
fn write(cloud: &mut Cloud, table: &str, uuid: Uuid, new: Option<Row>) -> usize {
    let (key, new) = ((table.into(), uuid), new.map(Arc::new));
    let old = match &new {
        Some(row) => cloud.southbound.insert(key.clone(), row.clone()),
        None => cloud.southbound.remove(&key),
    };
    let table = key.0;
    cloud.compiler.apply_sb(&[RowChange {
        table,
        uuid,
        old,
        new,
    }])
}

fn network() -> Cloud {
    let mut cloud = common::two_tier();
    for _ in 0..3 {
        cloud.run_and_write_back();
    }
    assert_eq!(cloud.run().sb, []);
    cloud
}

/// A flow of one datapath, and a port.
fn some(cloud: &Cloud) -> ((Uuid, sb::LogicalFlow), (Uuid, sb::PortBinding)) {
    (cloud.rows().next().unwrap(), cloud.rows().next().unwrap())
}

#[test]
fn changed_destroyed_and_added_rows() {
    let mut cloud = network();
    let before = cloud.southbound.clone();
    let ((flow, mut content), (port, binding)) = some(&cloud);
    content.priority += 1;
    content.match_ = "0".into();
    let flows = sb::LogicalFlow::NAME;
    assert_eq!(write(&mut cloud, flows, flow, Some(content.to_row())), 1);
    // Once more, in another column.
    content.actions = "drop;".into();
    assert_eq!(write(&mut cloud, flows, flow, Some(content.to_row())), 1);
    let added = Uuid::from_u128(7);
    assert_eq!(write(&mut cloud, flows, added, Some(content.to_row())), 1);
    let gone = cloud.rows::<sb::MulticastGroup>().next().unwrap().0;
    let groups = sb::MulticastGroup::NAME;
    assert_eq!(write(&mut cloud, groups, gone, None), 1);
    let mut moved = binding.clone();
    moved.tunnel_key += 1000;
    let ports = sb::PortBinding::NAME;
    assert_eq!(write(&mut cloud, ports, port, Some(moved.to_row())), 1);
    // Somebody puts that right himself.
    assert_eq!(write(&mut cloud, ports, port, Some(binding.to_row())), 0);
    let repaired = cloud.run().sb;
    assert_eq!(repaired.len(), 3, "{repaired:?}");
    assert_eq!(cloud.southbound, before);
    assert_eq!(cloud.run().sb, []);
}

#[test]
fn columns_of_others_stay() {
    let mut cloud = network();
    let (_, (port, mut binding)) = some(&cloud);
    let ports = sb::PortBinding::NAME;
    binding.up = Some(true);
    binding.chassis = Some(model::Weak::new(Uuid::from_u128(8)));
    assert_eq!(write(&mut cloud, ports, port, Some(binding.to_row())), 0);
    assert_eq!(cloud.run().sb, []);
    let mut changed = binding.clone();
    changed.mac = common::texts(["nonsense"]);
    assert_eq!(write(&mut cloud, ports, port, Some(changed.to_row())), 1);
    cloud.run();
    assert_eq!(cloud.rows::<sb::PortBinding>().next().unwrap().1, binding);
    // A row that was destroyed comes back without what others said of it.
    assert_eq!(write(&mut cloud, ports, port, None), 1);
    cloud.run();
    binding.up = Some(false);
    binding.chassis = None;
    assert_eq!(cloud.rows::<sb::PortBinding>().next().unwrap().1, binding);
}

/// A change of the Northbound meets one by somebody else in the same row.
#[test]
fn both_at_once() {
    let mut cloud = network();
    let ((flow, mut content), _) = some(&cloud);
    content.actions = "drop;".into();
    write(
        &mut cloud,
        sb::LogicalFlow::NAME,
        flow,
        Some(content.to_row()),
    );
    // All of the Northbound goes, so the row does as well.
    for (table, uuid) in cloud.northbound.keys().cloned().collect::<Vec<_>>() {
        cloud.edit_row(table, uuid, None);
    }
    cloud.run_and_write_back();
    assert!(!cloud.rows::<sb::LogicalFlow>().any(|it| it.0 == flow));
    cloud.run_and_write_back();
    assert_eq!(cloud.restarted().run().sb, []);
}

/// Somebody writes a column before the commit of another column of the same row.
#[test]
fn before_the_commit() {
    let mut cloud = network();
    let (_, (port, binding)) = some(&cloud);
    let name = binding.logical_port.clone();
    cloud.edit::<model::nb::LogicalSwitchPort>(&name, |row| {
        row.port_security = common::texts(["00:00:00:00:00:77"]);
        row.addresses = common::texts(["00:00:00:00:00:77"]);
    });
    let output = cloud.compiler.run();
    let is_it = |change: &&RowChange| change.uuid == port;
    let ours = output.sb.iter().find(is_it).expect("the port has changed");
    let ports = sb::PortBinding::NAME;
    let mut content = binding;
    content.tunnel_key += 1000;
    assert_eq!(write(&mut cloud, ports, port, Some(content.to_row())), 1);
    for change in output.sb.iter().filter(|it| it.uuid != port) {
        let new = change.new.as_deref().cloned();
        assert_eq!(write(&mut cloud, &change.table, change.uuid, new), 0);
    }
    let mut both = sb::PortBinding::from_row(ours.new.as_ref().unwrap()).unwrap();
    both.tunnel_key = content.tunnel_key;
    assert_eq!(write(&mut cloud, ports, port, Some(both.to_row())), 1);
    assert_eq!(cloud.run().sb.len(), 1);
    assert_eq!(cloud.restarted().run().sb, []);
}

/// What a server of an older schema lacks is not somebody's doing.
#[test]
fn columns_that_a_server_lacks() {
    let mut cloud = network();
    cloud.switch("new");
    let output = cloud.compiler.run();
    let table = sb::DatapathBinding::schema();
    let at = table.column_index("external_ids").unwrap();
    for mut change in output.sb {
        if change.table == table.name {
            let mut row = Row::clone(change.new.as_ref().unwrap());
            row.set(at, Row::default_of(&table)[at].clone());
            change.new = Some(Arc::new(row));
        }
        assert_eq!(cloud.compiler.apply_sb(&[change]), 0);
    }
    assert_eq!(cloud.compiler.run().sb, []);
}
