//! The integration bridge: made when it is missing, kept as it has to be.

use model::vswitch::{Bridge, BridgeFailMode, Interface, OpenVswitch, Port};
use model::{Strong, Uuid};
use ovsdb::Operation;
use ovsdb::operation::Mutator;

use crate::config::Config;
use crate::ops;
use crate::view::Vswitch;

/// What must be written to the local database so that the bridge is there.
pub fn plan(config: &Config, ovs: &Vswitch) -> Vec<Operation> {
    let Some((root, _)) = ovs.root.first() else {
        return Vec::new();
    };
    match ovs.bridge(&config.bridge) {
        Some((uuid, row)) => keep(config, uuid, row),
        None => create(config, root),
    }
}

/// Without flows a bridge must not forward by itself: it would join what logical networks keep apart.
fn keep(config: &Config, uuid: Uuid, row: &Bridge) -> Vec<Operation> {
    let mut new = row.clone();
    new.fail_mode = Some(BridgeFailMode::Secure);
    if let Some(wanted) = &config.datapath_type {
        new.datapath_type = wanted.clone();
    }
    ops::update(uuid, row, &new).into_iter().collect()
}

fn create(config: &Config, root: Uuid) -> Vec<Operation> {
    let name = config.bridge.clone();
    let interface = ops::row_id::<Interface>(&name);
    let port = ops::row_id::<Port>(&name);
    let bridge = ops::row_id::<Bridge>(&name);
    let mut row = Bridge {
        name: name.clone(),
        datapath_type: config.datapath_type.clone().unwrap_or_default(),
        ports: [Strong::new(port)].into_iter().collect(),
        fail_mode: Some(BridgeFailMode::Secure),
        ..Bridge::default()
    };
    row.other_config
        .insert("disable-in-band".into(), "true".into());
    let local = Interface {
        name: name.clone(),
        type_: "internal".into(),
        ..Interface::default()
    };
    let interfaces = [Strong::new(interface)].into_iter().collect();
    vec![
        ops::insert(interface, &local),
        ops::insert(
            port,
            &Port {
                name,
                interfaces,
                ..Port::default()
            },
        ),
        ops::insert(bridge, &row),
        ops::mutate_references::<OpenVswitch>(root, "bridges", Mutator::Insert, [bridge]),
    ]
}
