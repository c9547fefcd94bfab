//! A conversion while it is under way: who waits for it and who does not, and what ends it.

#![allow(
    clippy::unwrap_used,
    reason = "this is a test, also where it is not marked so"
)]

use std::sync::Arc;

use ovsdb::server::{
    CarriedOver, DatabaseId, Environment, Limits, Server, SessionId, StagedConversion,
};
use ovsdb::{Database, DatabaseSchema, Uuid};

/// How many rows the database has that is converted.
const ROWS: usize = 100;

fn schema(name: &str, column: &str) -> String {
    format!(
        r#"{{"name":"{name}","version":"1.0.0","tables":{{"T":{{"isRoot":true,"columns":{{{column}}}}}}}}}"#
    )
}

const NUMBER: &str = r#""n":{"type":"integer"}"#;
const WIDER: &str = r#""m":{"type":"string"},"n":{"type":"integer"}"#;
const NARROW: &str = r#""n":{"type":{"key":{"type":"integer","maxInteger":5}}}"#;

struct World {
    server: Server,
    a: DatabaseId,
    b: DatabaseId,
    client: SessionId,
    next: u128,
}

impl World {
    fn new() -> Self {
        let mut server = Server::new(Uuid::nil(), Limits::default());
        let database = |name| {
            let schema = DatabaseSchema::from_json_text(&schema(name, NUMBER)).unwrap();
            Database::new(Arc::new(schema))
        };
        let a = server.add_database(database("A"));
        let b = server.add_database(database("B"));
        let client = server.connect();
        let mut world = Self {
            server,
            a,
            b,
            client,
            next: 0,
        };
        let insert = r#"{"op":"insert","table":"T","row":{"n":7}}"#;
        let inserts = vec![insert; ROWS].join(",");
        world.ask(&format!(
            r#"{{"id":0,"method":"transact","params":["A",{inserts}]}}"#
        ));
        world.settle();
        world.told();
        world
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Server, &mut Environment<'_>) -> T) -> T {
        let next = &mut self.next;
        let mut new_uuid = || {
            *next += 1;
            Uuid::from_u128(*next)
        };
        let mut environment = Environment {
            wall: 0,
            now: 0,
            new_uuid: &mut new_uuid,
        };
        act(&mut self.server, &mut environment)
    }

    /// The log takes everything.
    fn settle(&mut self) {
        while let Some(staged) = self.server.poll_commit() {
            self.server.durable(staged.database, staged.commit.revision);
        }
        self.with(|server, environment| server.proceed(environment));
    }

    fn told(&mut self) -> String {
        let mut text = String::new();
        while let Some(bytes) = self.server.poll_output(self.client) {
            text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        text
    }

    fn ask(&mut self, message: &str) -> String {
        let client = self.client;
        self.with(|server, environment| server.receive(client, message.as_bytes(), environment));
        self.settle();
        self.told()
    }

    fn transact(&mut self, id: u32, database: &str) -> String {
        let select = r#"{"op":"select","table":"T","where":[["n","==",8]],"columns":["n"]}"#;
        let insert = r#"{"op":"insert","table":"T","row":{"n":1}}"#;
        self.ask(&format!(
            r#"{{"id":{id},"method":"transact","params":["{database}",{insert},{select}]}}"#
        ))
    }

    fn convert(&mut self, column: &str) -> String {
        let schema = schema("A", column);
        self.ask(&format!(
            r#"{{"id":"c","method":"convert","params":["A",{schema}]}}"#
        ))
    }

    /// Takes the whole state, in small slices; how many these were.
    fn take(&mut self) -> (StagedConversion, usize) {
        for slice in 1.. {
            assert!(self.server.has_conversions());
            if let Some(staged) = self.server.poll_conversion(9) {
                assert!(!self.server.has_conversions());
                return (staged, slice);
            }
            // Others are served between the slices.
            let told = self.transact(1, "B");
            assert!(told.contains("\"uuid\""), "{told}");
        }
        unreachable!("it ends")
    }

    fn carried_over(&mut self, carried: CarriedOver) -> bool {
        let replacement = self.server.carried_over(carried);
        let given = replacement.is_some();
        assert!(replacement.is_none_or(|it| it.database == self.a));
        self.with(|server, environment| server.proceed(environment));
        given
    }
}

#[test]
fn others_are_served_meanwhile() {
    let mut world = World::new();
    assert_eq!(world.convert(WIDER), "");
    // What concerns the database waits, what concerns another one does not.
    assert_eq!(world.transact(2, "A"), "");
    assert_eq!(
        world.ask(r#"{"id":3,"method":"monitor","params":["A",1,{"T":{}}]}"#),
        ""
    );
    let (staged, slices) = world.take();
    assert!(slices > ROWS / 9, "{slices}");
    let echo = world.ask(r#"{"id":4,"method":"echo","params":[]}"#);
    assert!(echo.contains("\"id\":4"), "{echo}");
    assert!(world.carried_over(staged.carry_over(1)));
    assert_eq!(world.told(), "", "the log does not have it yet");
    world.server.converted(world.a);
    // Those that waited are carried out, and then the log has what they did.
    world.settle();
    world.settle();
    let told = world.told();
    let answers = ["\"id\":\"c\",\"result\":{}", "\"id\":3", "\"id\":2"];
    let places = answers.map(|answer| told.find(answer));
    assert!(places.iter().all(Option::is_some), "{told}");
    let schema = world.ask(r#"{"id":5,"method":"get_schema","params":["A"]}"#);
    assert!(schema.contains("\"m\""), "{schema}");
    // The former one can be dropped elsewhere.
    let former = world.server.poll_discarded().unwrap();
    assert_eq!(
        (former.schema().name.as_str(), former.row_count(0)),
        ("A", ROWS)
    );
    assert!(world.server.poll_discarded().is_none());
}

#[test]
fn what_does_not_fit_is_refused_and_all_goes_on() {
    let mut world = World::new();
    assert_eq!(world.convert(NARROW), "");
    assert_eq!(world.transact(2, "A"), "");
    let (staged, _) = world.take();
    assert!(!world.carried_over(staged.carry_over(1)));
    world.settle();
    let told = world.told();
    assert!(
        told.contains("constraint violation") && told.contains("\"id\":2"),
        "{told}"
    );
    // Another one can begin.
    assert_eq!(world.convert(WIDER), "");
    let (staged, _) = world.take();
    assert!(world.carried_over(staged.carry_over(1)));
    world.server.conversion_failed(world.a, "the disk is full");
    world.settle();
    let told = world.told();
    assert!(told.contains("the disk is full"), "{told}");
    assert!(world.transact(6, "A").contains("\"uuid\""));
}

#[test]
fn what_was_begun_for_one_that_has_ended_comes_to_nothing() {
    let mut world = World::new();
    world.ask(r#"{"id":9,"method":"set_db_change_aware","params":[true]}"#);
    assert_eq!(world.convert(WIDER), "");
    let (late, _) = world.take();
    world.server.remove_database("A").unwrap();
    assert!(!world.carried_over(late.carry_over(1)));
    assert_eq!(world.server.poll_discarded().unwrap().row_count(0), ROWS);
    // Nobody else was disturbed.
    let asked = world.server.connect();
    world.client = asked;
    assert!(world.transact(1, "B").contains("\"uuid\""));
    assert!(world.server.database(world.b).row_count(0) > 0);
}
