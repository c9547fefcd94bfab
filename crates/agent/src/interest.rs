//! Which rows of the Southbound this chassis needs: what says who it is and what is on it, and all that belongs to the
//! datapaths that packets get to from there.
//!
//! The answer follows from the rows that are there already, so it grows step by step: the rows of the ports that are
//! plugged in lead to their datapaths, those to routers, and so on, until nothing more is asked for. The Southbound
//! serves each chassis what concerns it, and the flows that datapaths share.
//!
//! Must not know how rows are asked for. Invariant: what is asked for is a function of what is plugged in and of the
//! present rows.

use std::collections::{BTreeMap, BTreeSet};

use model::{Str, Table, Uuid, sb};
use ovsdb::client::Rows;
use ovsdb::operation::{Condition, Function};
use ovsdb::{Atom, Datum};

use crate::config::Config;
use crate::view::Southbound;

/// Ports of these kinds are known everywhere: they say which datapaths are joined, and who a gateway is.
const EVERYWHERE: [&str; 3] = ["patch", "chassisredirect", "external"];

/// The rows that are wanted, by table. Of tables that are not named here all are.
pub type Interest = BTreeMap<&'static str, Rows>;

/// What is plugged in and what was found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The `iface-id` of each interface.
    pub interfaces: &'a BTreeSet<Str>,
    /// The datapaths that this chassis holds.
    pub datapaths: &'a BTreeSet<Uuid>,
}

/// The rows that this chassis needs.
#[must_use]
pub fn interest(config: &Config, sb: &Southbound, found: Found<'_>) -> Interest {
    let Found {
        interfaces,
        datapaths,
    } = found;
    let of_datapaths = || Rows::one_of("datapath", datapaths.iter().copied());
    let name = &config.chassis;
    let mut flows = clauses("logical_datapath", datapaths.iter().copied());
    // Those that datapaths share are few, and all are wanted: a compiler moves them to another group whenever a datapath
    // comes or goes, and nobody could ask for that group in time.
    flows.push(Condition::Clause {
        column: "logical_dp_group".into(),
        function: Function::NotEqual,
        value: Datum::EMPTY_SET,
    });
    let keys = datapaths
        .iter()
        .filter_map(|datapath| Some(sb.datapaths.get(*datapath)?.tunnel_key));
    let mut wanted = BTreeMap::from([
        (
            sb::PortBinding::NAME,
            ports(name, sb, interfaces, datapaths),
        ),
        (sb::LogicalFlow::NAME, any(flows)),
        (sb::MulticastGroup::NAME, of_datapaths()),
        (sb::MacBinding::NAME, of_datapaths()),
        (sb::StaticMacBinding::NAME, of_datapaths()),
        (sb::Fdb::NAME, Rows::one_of("dp_key", keys)),
        (
            sb::ChassisPrivate::NAME,
            Rows::one_of("name", [name.clone()]),
        ),
        (
            sb::ChassisTemplateVar::NAME,
            Rows::one_of("chassis", [name.clone()]),
        ),
    ]);
    if config.monitor_all {
        wanted.values_mut().for_each(|rows| *rows = Rows::All);
    }
    wanted
}

fn ports(
    name: &Str,
    sb: &Southbound,
    interfaces: &BTreeSet<Str>,
    datapaths: &BTreeSet<Uuid>,
) -> Rows {
    let mut wanted = clauses("type", EVERYWHERE.map(Str::new_static));
    // What a chassis is asked to bind is named in an option before it is bound.
    for option in ["l2gateway-chassis", "l3gateway-chassis"] {
        let pair = [(
            Atom::from(Str::new_static(option)),
            Atom::from(name.clone()),
        )];
        wanted.push(Condition::Clause {
            column: "options".into(),
            function: Function::Includes,
            value: Datum::map(pair),
        });
    }
    if let Some((chassis, _)) = sb.chassis_named(name) {
        wanted.push(Condition::equal("chassis", chassis));
        wanted.push(includes("additional_chassis", chassis));
    }
    wanted.extend(clauses("logical_port", interfaces.iter().cloned()));
    wanted.extend(clauses("parent_port", interfaces.iter().cloned()));
    wanted.extend(clauses("datapath", datapaths.iter().copied()));
    any(wanted)
}

fn clauses<T: Into<Datum>>(
    column: &'static str,
    values: impl IntoIterator<Item = T>,
) -> Vec<Condition> {
    let clause = |value| Condition::equal(Str::new_static(column), value);
    values.into_iter().map(clause).collect()
}

fn includes(column: &'static str, value: Uuid) -> Condition {
    Condition::Clause {
        column: Str::new_static(column),
        function: Function::Includes,
        value: value.into(),
    }
}

fn any(clauses: Vec<Condition>) -> Rows {
    match clauses.is_empty() {
        true => Rows::None,
        false => Rows::Any(clauses),
    }
}

/// What was asked for, and whether it came. One thing is asked for at a time, so that an answer is the answer to it.
#[derive(Debug, Default)]
pub struct Asked {
    interest: Interest,
    waits: bool,
}

impl Asked {
    /// What differs from what was asked for before, if there is anything and it can be asked for now.
    pub fn ask(&mut self, interest: Interest) -> Option<Interest> {
        if self.waits {
            return None;
        }
        let news: Interest = interest
            .iter()
            .filter(|(table, rows)| self.interest.get(*table) != Some(*rows))
            .map(|(table, rows)| (*table, rows.clone()))
            .collect();
        self.interest = interest;
        (!news.is_empty()).then(|| {
            self.waits = true;
            news
        })
    }

    /// All that was asked for came, or the connection will begin with it.
    pub fn met(&mut self) {
        self.waits = false;
    }

    /// Whether rows that were asked for may be missing.
    pub fn waits(&self) -> bool {
        self.waits
    }
}
