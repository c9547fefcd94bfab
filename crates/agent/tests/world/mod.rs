//! A host without sockets: the agent's core between two real database engines, a switch that does what it
//! is told, and an `ovs-vswitchd` that gives numbers to interfaces.

#![allow(unreachable_pub, clippy::unwrap_used)] // A module of a test, whose helpers may panic.

mod server;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use agent::core::{Command, Core, Database, Event};
use agent::interest::Interest;
use agent::ops;
use model::vswitch::{Bridge, Interface, OpenVswitch, Port};
use model::{Map, Str, Strong, Table, Uuid, Weak, sb};
use openflow::message::Message;
use openflow::{FlowKey, Group};
use ovsdb::database::{self, Context, Outcome};
use ovsdb::operation::{Condition, Mutator};
use ovsdb::{Operation, RowChange};
use physical::Body;

/// The two databases, which outlive agents.
pub struct Databases {
    pub ovs: database::Database,
    pub sb: database::Database,
    uuids: u128,
}

impl Databases {
    pub fn new() -> Self {
        Self {
            ovs: database::Database::new(Arc::new(model::vswitch::schema())),
            sb: database::Database::new(Arc::new(sb::schema())),
            uuids: 0,
        }
    }

    /// Runs a transaction; gives what it changed, or the server's words.
    pub fn execute(
        &mut self,
        database: Database,
        operations: &[Operation],
    ) -> Result<Vec<RowChange>, String> {
        let uuids = &mut self.uuids;
        let mut new_uuid = || {
            *uuids += 1;
            Uuid::from_u128(*uuids)
        };
        let mut context = Context {
            now: 0,
            new_uuid: &mut new_uuid,
            holds_lock: &|_| false,
            waited: 0,
            read_only: None,
        };
        let engine = match database {
            Database::Vswitch => &mut self.ovs,
            Database::Southbound => &mut self.sb,
        };
        match engine.execute(operations, &mut context) {
            Outcome::Done(executed) => match executed.error() {
                Some(error) => Err(error.to_string()),
                None => Ok(executed
                    .commit
                    .map(|commit| commit.changes.to_vec())
                    .unwrap_or_default()),
            },
            Outcome::Blocked(_) => Err("would wait".to_owned()),
        }
    }

    pub fn rows<T: Table>(&self) -> BTreeMap<Uuid, T> {
        let engine = if T::DATABASE == sb::NAME {
            &self.sb
        } else {
            &self.ovs
        };
        engine
            .contents()
            .filter(|change| change.table == T::NAME)
            .map(|change| {
                (
                    change.uuid,
                    T::from_row(change.new.as_deref().unwrap()).unwrap(),
                )
            })
            .collect()
    }

    /// The only row of a table that satisfies a condition.
    pub fn row<T: Table>(&self, test: impl Fn(&T) -> bool) -> Option<(Uuid, T)> {
        self.rows::<T>().into_iter().find(|(_, row)| test(row))
    }

    /// All content, for comparing: rows by table and UUID.
    pub fn everything(&self) -> Vec<String> {
        let all = self.ovs.contents().chain(self.sb.contents());
        let mut all: Vec<String> = all
            .map(|c| format!("{} {} {:?}", c.table, c.uuid, c.new.map(|row| row.to_vec())))
            .collect();
        all.sort();
        all
    }
}

/// One agent with its switch.
pub struct World {
    pub db: Databases,
    pub core: Core,
    pub flows: HashMap<FlowKey, Body>,
    pub groups: BTreeMap<u32, Group>,
    pub sent: Vec<Message>,
    /// The bridges that the agent asked for; with each, the switch is another one.
    pub bridges: Vec<Str>,
    /// Whether the switch confirms what it gets.
    pub confirms: bool,
    /// What the Southbound shows.
    pub shown: server::Shown,
    /// Whether the Southbound shows at once what it is asked for.
    pub serves: bool,
    /// What it was asked for and has not served.
    pub wanted: Vec<Interest>,
    /// Whether the agent was shown the Southbound.
    is_connected: bool,
    /// How many transactions the Southbound refuses before it takes one.
    pub refuses: usize,
    pub transactions: usize,
    pub flow_changes: usize,
    unconfirmed: u64,
    pub now: Duration,
    ofports: i64,
}

pub const NAME: &str = "hv1";

impl World {
    /// A host that has never seen an agent, with these settings besides the usual.
    pub fn new(settings: &[(&str, &str)]) -> Self {
        let mut db = Databases::new();
        let mut external_ids: Map<Str, Str> = [
            ("system-id", NAME),
            ("ovn-remote", "unix:/sb.sock"),
            ("ovn-encap-type", "geneve"),
            ("ovn-encap-ip", "10.0.0.1"),
        ]
        .into_iter()
        .map(|(k, v)| (Str::from(k), Str::from(v)))
        .collect();
        for (key, value) in settings {
            external_ids.insert((*key).into(), (*value).into());
        }
        let root = OpenVswitch {
            external_ids,
            ..OpenVswitch::default()
        };
        let root = ops::insert(Uuid::from_u128(0xa), &root);
        db.execute(Database::Vswitch, &[root]).unwrap();
        let global = ops::insert(Uuid::from_u128(0xb), &sb::SbGlobal::default());
        db.execute(Database::Southbound, &[global]).unwrap();
        let mut world = Self::over(db);
        world.start();
        world
    }

    /// An agent over databases that are there already; it has not looked yet.
    pub fn over(db: Databases) -> Self {
        Self {
            db,
            core: Core::new(None, "host"),
            flows: HashMap::new(),
            groups: BTreeMap::new(),
            sent: Vec::new(),
            bridges: Vec::new(),
            confirms: true,
            shown: server::Shown::default(),
            serves: true,
            wanted: Vec::new(),
            is_connected: false,
            refuses: 0,
            transactions: 0,
            flow_changes: 0,
            unconfirmed: 0,
            now: Duration::ZERO,
            ofports: 100,
        }
    }

    /// Shows the agent both databases; the first switch is there when it is asked for.
    pub fn start(&mut self) {
        for database in [Database::Vswitch, Database::Southbound] {
            self.connect(database);
            self.settle();
        }
    }

    /// Shows a database from the beginning, to an agent that knows nothing of it.
    pub fn connect(&mut self, database: Database) {
        let rows = match database {
            Database::Vswitch => self.db.ovs.contents().collect(),
            Database::Southbound => {
                self.is_connected = true;
                self.shown.update(&self.db.sb)
            }
        };
        self.handle(Event::Changes(database, rows));
        self.handle(Event::Connected(database));
    }

    pub fn handle(&mut self, event: Event) {
        self.core.handle(event, self.now);
    }

    /// Lets the agent work until it has nothing more to do.
    pub fn settle(&mut self) {
        for _ in 0..100 {
            let mut commands: VecDeque<Command> = self.core.run(self.now, 1000).into();
            if commands.is_empty() {
                return;
            }
            while let Some(command) = commands.pop_front() {
                self.obey(command);
            }
        }
        panic!("the agent does not come to rest");
    }

    /// Lets the agent work, and passes the time whenever it waits for some.
    pub fn settle_with_time(&mut self) {
        self.settle();
        while let Some(at) = self.core.deadline().filter(|at| *at > self.now) {
            self.now = at;
            self.settle();
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Southbound(_) => {}
            Command::Rows(interest) if !self.is_connected => self.shown.ask(interest),
            Command::Rows(interest) if self.serves => self.serve(interest),
            Command::Rows(interest) => self.wanted.push(interest),
            Command::Bridge(name) => {
                self.bridges.push(name);
                self.flows.clear();
                self.groups.clear();
                if self.bridges.len() == 1 {
                    self.handle(Event::SwitchReady { tunnel_metadata: 0 });
                }
            }
            Command::Transact(database, operations) => {
                self.transactions += 1;
                let result = if database == Database::Southbound && self.refuses > 0 {
                    self.refuses -= 1;
                    Err("referential integrity violation".to_owned())
                } else {
                    self.commit(database, &operations)
                };
                self.handle(Event::Done(database, result));
            }
            Command::Flows(changes, step) => {
                self.flow_changes += changes.flows.len();
                for change in changes.flows {
                    assert_eq!(
                        self.flows.get(&change.key),
                        change.old.as_ref(),
                        "{:?}",
                        change.key
                    );
                    match change.new {
                        Some(body) => drop(self.flows.insert(change.key, body)),
                        None => drop(self.flows.remove(&change.key)),
                    }
                }
                for change in changes.groups {
                    match change.new {
                        Some(group) => drop(self.groups.insert(change.id, group)),
                        None => drop(self.groups.remove(&change.id)),
                    }
                }
                self.unconfirmed = step;
                self.confirm();
            }
            Command::Send(message) => self.sent.push(message),
        }
    }

    /// Confirms what the switch has, if it confirms at all.
    pub fn confirm(&mut self) {
        if self.confirms {
            self.handle(Event::Confirmed(self.unconfirmed));
        }
    }

    /// Runs a transaction of somebody, shows it to the agent, and plays `ovs-vswitchd`.
    pub fn commit(&mut self, database: Database, operations: &[Operation]) -> Result<(), String> {
        let changes = self.db.execute(database, operations)?;
        match database {
            Database::Southbound => self.show(),
            Database::Vswitch => {
                self.handle(Event::Changes(database, changes));
                self.give_numbers();
            }
        }
        Ok(())
    }

    /// Shows the agent how what it asked for has changed.
    fn show(&mut self) {
        let changes = self.shown.update(&self.db.sb);
        if !changes.is_empty() {
            self.handle(Event::Changes(Database::Southbound, changes));
        }
    }

    /// Shows the agent the rows that it asked for.
    pub fn serve(&mut self, interest: Interest) {
        self.shown.ask(interest);
        self.show();
        self.handle(Event::RowsCame);
    }

    fn give_numbers(&mut self) {
        for (uuid, row) in self.db.rows::<Interface>() {
            if row.ofport.is_none() {
                self.ofports += 1;
                let new = Interface {
                    ofport: Some(self.ofports),
                    ..row.clone()
                };
                let update = ops::update(uuid, &row, &new).unwrap();
                let changes = self.db.execute(Database::Vswitch, &[update]).unwrap();
                self.handle(Event::Changes(Database::Vswitch, changes));
            }
        }
    }

    /// A transaction of the Southbound, and the agent's answer to it.
    pub fn southbound(&mut self, operations: &[Operation]) {
        self.commit(Database::Southbound, operations).unwrap();
        self.settle();
    }

    /// Plugs an interface into the integration bridge.
    pub fn plug(&mut self, name: &str) {
        let operations = self.plugging(name);
        self.commit(Database::Vswitch, &operations).unwrap();
        self.settle();
    }

    pub fn plugging(&self, name: &str) -> Vec<Operation> {
        let (bridge, _) = self
            .db
            .row::<Bridge>(|b| b.name == "br-int")
            .expect("an agent made it");
        let (interface, port) = (ops::row_id::<Interface>(name), ops::row_id::<Port>(name));
        let external_ids = [(Str::from("iface-id"), Str::from(name))]
            .into_iter()
            .collect();
        let device = Interface {
            name: name.into(),
            external_ids,
            ..Interface::default()
        };
        let interfaces = [Strong::new(interface)].into_iter().collect();
        let row = Port {
            name: name.into(),
            interfaces,
            ..Port::default()
        };
        vec![
            ops::insert(interface, &device),
            ops::insert(port, &row),
            ops::mutate_references::<Bridge>(bridge, "ports", Mutator::Insert, [port]),
        ]
    }

    pub fn unplug(&mut self, name: &str) {
        let (bridge, _) = self.db.row::<Bridge>(|b| b.name == "br-int").unwrap();
        let port = ops::row_id::<Port>(name);
        let gone = ops::mutate_references::<Bridge>(bridge, "ports", Mutator::Delete, [port]);
        self.commit(Database::Vswitch, &[gone]).unwrap();
        self.settle();
    }

    /// The row of a logical port.
    pub fn port(&self, name: &str) -> (Uuid, sb::PortBinding) {
        self.db
            .row::<sb::PortBinding>(|p| p.logical_port == name)
            .expect("the port is there")
    }

    /// Whether a logical port is bound to this chassis.
    pub fn is_bound(&self, name: &str) -> bool {
        let here = self
            .db
            .row::<sb::Chassis>(|c| c.name == NAME)
            .map(|(uuid, _)| Weak::new(uuid));
        let bound = self.port(name).1.chassis;
        bound.is_some() && bound == here
    }

    /// The keys of an interface.
    pub fn keys(&self, name: &str) -> Map<Str, Str> {
        self.db
            .row::<Interface>(|i| i.name == name)
            .expect("it is plugged")
            .1
            .external_ids
    }
}

pub const SWITCH: Uuid = Uuid::from_u128(0x51);

/// A switch with two ports, as a compiler writes it.
pub fn switch() -> Vec<Operation> {
    let external_ids = [("logical-switch".into(), SWITCH.to_string().into())]
        .into_iter()
        .collect();
    let datapath = sb::DatapathBinding {
        tunnel_key: 7,
        external_ids,
        ..sb::DatapathBinding::default()
    };
    let flow = |n: u128, pipeline, table_id, actions: &str| {
        let row = sb::LogicalFlow {
            logical_datapath: Some(Strong::new(SWITCH)),
            pipeline,
            table_id,
            match_: "1".into(),
            actions: actions.into(),
            ..sb::LogicalFlow::default()
        };
        ops::insert(Uuid::from_u128((0x10 + n) << 96), &row)
    };
    vec![
        ops::insert(SWITCH, &datapath),
        ops::insert(Uuid::from_u128(0x61), &port("a", 1)),
        ops::insert(Uuid::from_u128(0x62), &port("b", 2)),
        flow(0, sb::Pipeline::Ingress, 0, "outport = \"b\"; output;"),
        flow(1, sb::Pipeline::Egress, 0, "output;"),
    ]
}

pub fn port(name: &str, tunnel_key: i64) -> sb::PortBinding {
    sb::PortBinding {
        logical_port: name.into(),
        datapath: Strong::new(SWITCH),
        tunnel_key,
        mac: ["02:00:00:00:00:01".into()].into_iter().collect(),
        up: Some(false),
        ..sb::PortBinding::default()
    }
}

/// Another chassis.
pub fn other_chassis(name: &str, ip: &str) -> Vec<Operation> {
    let encap = ops::row_id::<sb::Encap>(name);
    let end = sb::Encap {
        type_: sb::EncapType::Geneve,
        ip: ip.into(),
        chassis_name: name.into(),
        options: [("csum".into(), "true".into())].into_iter().collect(),
    };
    let chassis = sb::Chassis {
        name: name.into(),
        encaps: [Strong::new(encap)].into_iter().collect(),
        ..sb::Chassis::default()
    };
    vec![
        ops::insert(encap, &end),
        ops::insert(ops::row_id::<sb::Chassis>(name), &chassis),
    ]
}

/// Sets a column of a row.
pub fn set<T: Table>(
    uuid: Uuid,
    column: &'static str,
    value: impl Into<ovsdb::Datum>,
) -> Operation {
    Operation::Update {
        table: T::NAME.into(),
        condition: vec![Condition::uuid(uuid)],
        row: vec![(column.into(), value.into())],
    }
}
