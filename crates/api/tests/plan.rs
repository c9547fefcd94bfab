//! Plans, executed by the database engine: applying is idempotent, what is no longer named goes, what others
//! made stays, and a change in between is noticed.

use std::sync::Arc;

use api::{Northbound, Plan, plan, read};
use model::{Table, nb};
use ovsdb::database::{Commit, Context, Database, Outcome};
use ovsdb::operation::{Condition, Mutation, Mutator, Operation};
use ovsdb::{Datum, Uuid};

const BASE: &str = "\
version: 1
name: shop
switches:
  web:
    subnets: [10.0.1.0/24]
    dhcp: {router: 10.0.1.1, mtu: 1400}
    ports:
      web1: {addresses: [10.0.1.11]}
      web2: {addresses: [10.0.1.12]}
    acls:
      - {name: a, direction: to-lport, priority: 1, match: ip4, action: drop}
  db: {subnets: [10.0.2.0/24]}
routers:
  edge:
    ports: {web: [10.0.1.1/24], db: [10.0.2.1/24]}
    routes:
      - {to: 192.0.2.0/24, via: 10.0.1.254}
port_groups:
  all: {ports: [web1, web2]}
address_sets:
  office: [192.0.2.0/24]
";

struct World {
    database: Database,
    next: u128,
}

impl World {
    fn new() -> Self {
        Self {
            database: Database::new(Arc::new(nb::schema())),
            next: 1,
        }
    }

    fn view(&self) -> Northbound {
        let mut view = Northbound::default();
        for change in self.database.contents() {
            if let Some(row) = change.new {
                view.insert(&change.table, change.uuid, row);
            }
        }
        view
    }

    fn execute(&mut self, operations: &[Operation]) -> Result<Option<Commit>, String> {
        let mut new_uuid = || {
            self.next += 1;
            Uuid::from_u128(self.next)
        };
        let mut context = Context {
            now: 0,
            new_uuid: &mut new_uuid,
            holds_lock: &|_| false,
            waited: 0,
            read_only: None,
        };
        match self.database.execute(operations, &mut context) {
            Outcome::Done(done) => match done.error() {
                Some(error) => Err(error.to_string()),
                None => Ok(done.commit),
            },
            other => Err(format!("{other:?}")),
        }
    }

    fn plan(&self, text: &str) -> Plan {
        let document = read(text).expect("the document is right");
        plan(&document, &self.view()).expect("no name is taken")
    }

    fn apply(&mut self, text: &str) -> Vec<String> {
        let plan = self.plan(text);
        if !plan.operations.is_empty() {
            self.execute(&plan.operations)
                .expect("the plan is a valid transaction");
        }
        assert!(
            self.plan(text).operations.is_empty(),
            "applied twice: {:?}",
            self.plan(text).changes
        );
        plan.changes.iter().map(ToString::to_string).collect()
    }

    fn rows<T: Table>(&self) -> Vec<(Uuid, T)> {
        let contents = self
            .database
            .contents()
            .filter(|change| change.table == T::NAME);
        let rows = contents.filter_map(|c| Some((c.uuid, T::from_row(c.new.as_deref()?).ok()?)));
        rows.collect()
    }

    fn names<T: Table>(&self, name: impl Fn(&T) -> String) -> Vec<String> {
        let mut names: Vec<String> = self.rows::<T>().iter().map(|(_, row)| name(row)).collect();
        names.sort();
        names
    }

    fn ports(&self) -> Vec<String> {
        self.names::<nb::LogicalSwitchPort>(|port| port.name.to_string())
    }
}

#[test]
fn the_first_application_makes_everything_and_the_second_nothing() {
    let mut world = World::new();
    let changes = world.apply(BASE);
    assert!(
        changes.iter().all(|line| line.starts_with("+ ")),
        "{changes:#?}"
    );
    assert_eq!(world.ports(), ["db-edge", "web-edge", "web1", "web2"]);
    let port = world
        .rows::<nb::LogicalSwitchPort>()
        .into_iter()
        .find(|(_, p)| p.name == "web1");
    let port = port.expect("web1 was made").1;
    assert!(
        port.addresses[0].ends_with(" 10.0.1.11"),
        "{:?}",
        port.addresses
    );
    assert_eq!(port.addresses, port.port_security);
    let dhcp = world.rows::<nb::DhcpOptions>();
    assert_eq!(
        port.dhcpv4_options.map(|options| options.uuid()),
        Some(dhcp[0].0)
    );
    assert_eq!(
        dhcp[0].1.options.get("router").map(|r| r.as_str()),
        Some("10.0.1.1")
    );
}

#[test]
fn what_a_later_version_does_not_name_goes() {
    let mut world = World::new();
    world.apply(BASE);
    let smaller = BASE
        .replace("      web2: {addresses: [10.0.1.12]}\n", "")
        .replace("[web1, web2]", "[web1]")
        .replace(
            "      - {to: 192.0.2.0/24, via: 10.0.1.254}\n",
            "      []\n",
        )
        .replace("address_sets:\n  office: [192.0.2.0/24]\n", "")
        .replace(", db: [10.0.2.1/24]", "")
        .replace("  db: {subnets: [10.0.2.0/24]}\n", "");
    let changes = world.apply(&smaller);
    assert_eq!(world.ports(), ["web-edge", "web1"]);
    assert!(changes.contains(&"- port web2".to_owned()), "{changes:#?}");
    assert!(changes.contains(&"- switch db".to_owned()), "{changes:#?}");
    assert!(world.rows::<nb::AddressSet>().is_empty());
    assert!(world.rows::<nb::LogicalRouterStaticRoute>().is_empty());
    assert_eq!(world.rows::<nb::LogicalRouterPort>().len(), 1);
    world.apply("version: 1\nname: shop\n");
    assert_eq!(
        world.database.contents().count(),
        0,
        "an empty document leaves nothing"
    );
}

#[test]
fn a_changed_value_is_shown_as_old_and_new() {
    let mut world = World::new();
    world.apply(BASE);
    let changes = world.apply(
        &BASE
            .replace("[192.0.2.0/24]", "[192.0.2.0/25]")
            .replace("action: drop", "action: allow"),
    );
    assert_eq!(
        changes,
        [
            "~ address set office: addresses 192.0.2.0/24 -> 192.0.2.0/25",
            "~ ACL a of switch web: action drop -> allow",
        ]
    );
}

#[test]
fn a_port_that_moves_to_another_switch_keeps_its_row() {
    let mut world = World::new();
    world.apply(BASE);
    let uuid = |world: &World| {
        let ports = world.rows::<nb::LogicalSwitchPort>();
        ports
            .iter()
            .find(|(_, port)| port.name == "web2")
            .map(|(uuid, _)| *uuid)
    };
    let before = uuid(&world);
    let moved = BASE
        .replace("      web2: {addresses: [10.0.1.12]}\n", "")
        .replace(
            "db: {subnets: [10.0.2.0/24]}",
            "db: {subnets: [10.0.2.0/24], ports: {web2: {addresses: [10.0.2.12]}}}",
        );
    world.apply(&moved);
    assert_eq!(uuid(&world), before);
}

#[test]
fn what_others_made_stays() {
    let mut world = World::new();
    world.apply(BASE);
    let port = Uuid::from_u128(0xdead);
    let insert = Operation::Insert {
        table: nb::LogicalSwitchPort::NAME.into(),
        uuid: Some(port),
        uuid_name: None,
        row: vec![("name".into(), Datum::one("vm9"))],
    };
    let attach = Operation::Mutate {
        table: nb::LogicalSwitch::NAME.into(),
        condition: vec![Condition::equal("name", "web")],
        mutations: vec![Mutation::new("ports", Mutator::Insert, Datum::one(port))],
    };
    world
        .execute(&[insert, attach])
        .expect("a port of somebody else");
    let smaller = BASE
        .replace("      web2: {addresses: [10.0.1.12]}\n", "")
        .replace("[web1, web2]", "[web1]");
    world.apply(&smaller);
    assert_eq!(world.ports(), ["db-edge", "vm9", "web-edge", "web1"]);
}

#[test]
fn a_name_that_somebody_else_has_is_a_clash() {
    let mut world = World::new();
    let row = vec![("name".into(), Datum::one("web"))];
    let table = nb::LogicalSwitch::NAME.into();
    world
        .execute(&[Operation::Insert {
            table,
            uuid: None,
            uuid_name: None,
            row,
        }])
        .expect("a switch");
    let document = read(BASE).expect("the document is right");
    let clashes = plan(&document, &world.view()).expect_err("web is taken");
    assert_eq!(clashes.len(), 1);
    assert!(
        clashes[0].to_string().contains("switch web"),
        "{}",
        clashes[0]
    );
    let other = read(&BASE.replace("name: shop", "name: other")).expect("right as well");
    world = World::new();
    world.apply(BASE);
    let clashes = plan(&other, &world.view()).expect_err("everything is taken");
    assert!(
        clashes
            .iter()
            .all(|clash| clash.owner == "the document shop"),
        "{clashes:?}"
    );
}

#[test]
fn a_change_in_between_makes_the_transaction_fail() {
    let mut world = World::new();
    world.apply(BASE);
    let plan = world.plan(&BASE.replace("[192.0.2.0/24]", "[192.0.2.0/25]"));
    let operation = Operation::Update {
        table: nb::AddressSet::NAME.into(),
        condition: vec![],
        row: vec![("addresses".into(), Datum::one("198.51.100.1"))],
    };
    world
        .execute(&[operation])
        .expect("somebody changes the set");
    assert!(
        world.execute(&plan.operations).is_err(),
        "the plan was made from another state"
    );
}
