//! Datapath_Binding: the tunnel key of a switch or router.

use std::sync::Arc;

use incremental::{Input, Rule};
use model::sb::{self, DatapathType};
use model::{Map, Set};
use ovsdb::Str;
use uuid::Uuid;

use crate::alloc::Demand;
use crate::program::{Program, SbRow};

/// Northbound tables whose rows are datapaths.
trait Datapath: model::Table {
    const TYPE: DatapathType;
    const KEY: &'static str;
    /// A second name that a CMS gave it, and where it is from.
    const ALIAS: &'static str;
    fn name(&self) -> &Str;
    fn external_ids(&self) -> &Map<Str, Str>;
    fn config(&self) -> &Map<Str, Str>;
}

impl Datapath for model::nb::LogicalSwitch {
    const TYPE: DatapathType = DatapathType::LogicalSwitch;
    const KEY: &'static str = "logical-switch";
    const ALIAS: &'static str = "neutron:network_name";
    fn name(&self) -> &Str {
        &self.name
    }
    fn external_ids(&self) -> &Map<Str, Str> {
        &self.external_ids
    }
    fn config(&self) -> &Map<Str, Str> {
        &self.other_config
    }
}

impl Datapath for model::nb::LogicalRouter {
    const TYPE: DatapathType = DatapathType::LogicalRouter;
    const KEY: &'static str = "logical-router";
    const ALIAS: &'static str = "neutron:router_name";
    fn name(&self) -> &Str {
        &self.name
    }
    fn external_ids(&self) -> &Map<Str, Str> {
        &self.external_ids
    }
    fn config(&self) -> &Map<Str, Str> {
        &self.options
    }
}

/// Declares the rows; gives back who needs keys, switches and routers.
pub(crate) fn declare(program: &mut Program) -> (Rule<Uuid, Demand>, Rule<Uuid, Demand>) {
    let nb = program.topology.nb;
    rows(program, "rows/datapath switch", nb.switch);
    rows(program, "rows/datapath router", nb.router);
    (
        demands(program, "key of switch", nb.switch),
        demands(program, "key of router", nb.router),
    )
}

fn rows<T: Datapath>(program: &mut Program, name: &'static str, input: Input<Uuid, Arc<T>>) {
    let identity = program.identity.clone();
    let keys = program.topology.datapath_key;
    program.rows(name, input, move |cx, id| {
        let row = cx.get(input, id)?;
        let key = *cx.get(keys, id)?;
        let mut ids = Map::default();
        ids.insert(Str::new_static(T::KEY), Str::from(id.to_string()));
        ids.insert("name".into(), row.name().clone());
        if let Some(alias) = row
            .external_ids()
            .get(T::ALIAS)
            .filter(|alias| !alias.is_empty())
        {
            ids.insert("name2".into(), alias.clone());
        }
        for key in [
            "always_learn_from_arp_request",
            "dynamic_neigh_routers",
            "ct-zone-limit",
        ] {
            if let Some(value) = row.config().get(key) {
                ids.insert(key.into(), value.clone());
            }
        }
        let row = sb::DatapathBinding {
            tunnel_key: i64::from(key),
            load_balancers: Set::default(),
            type_: Some(T::TYPE),
            nb_uuid: Some(*id),
            external_ids: ids,
        };
        Some(SbRow {
            uuid: identity.datapath(*id),
            row,
        })
    });
}

fn demands<T: Datapath>(
    program: &mut Program,
    name: &'static str,
    input: Input<Uuid, Arc<T>>,
) -> Rule<Uuid, Demand> {
    let demand = program.build.filter(name, input, move |cx, id| {
        let row = cx.get(input, id)?;
        let requested = requested_key(row.config());
        Some(Demand {
            datapath: None,
            name: row.name().clone(),
            requested,
        })
    });
    program.build.watch(demand);
    demand
}

/// The key that a user asks for; zero is none.
pub(crate) fn requested_key(options: &Map<Str, Str>) -> Option<u32> {
    options
        .get("requested-tnl-key")?
        .parse()
        .ok()
        .filter(|key| *key != 0)
}
