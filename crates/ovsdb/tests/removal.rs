//! A database that is served no longer.

#![allow(
    clippy::unwrap_used,
    reason = "this is a test, also where it is not marked so"
)]

use std::sync::Arc;

use ovsdb::server::{CloseReason, Environment, Limits, Server, SessionId};
use ovsdb::{Database, DatabaseSchema, Uuid};

fn database(name: &str) -> Database {
    let text = format!(
        r#"{{"name":"{name}","version":"1.0.0","tables":{{"T":{{"columns":{{"n":{{"type":"integer"}}}}}}}}}}"#
    );
    Database::new(Arc::new(DatabaseSchema::from_json_text(&text).unwrap()))
}

fn ask(server: &mut Server, session: SessionId, message: &str) -> String {
    let mut next = 0;
    let mut new_uuid = || {
        next += 1;
        Uuid::from_u128(next)
    };
    let mut environment = Environment {
        wall: 0,
        now: 0,
        new_uuid: &mut new_uuid,
    };
    server.receive(session, message.as_bytes(), &mut environment);
    let mut text = String::new();
    while let Some(bytes) = server.poll_output(session) {
        text.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    text
}

#[test]
fn who_has_to_do_with_it_is_cut_off() {
    let mut server = Server::new(Uuid::nil(), Limits::default());
    server.add_database(database("A"));
    server.add_database(database("B"));
    let [a, b, waits, names] = [(); 4].map(|()| server.connect());
    ask(
        &mut server,
        a,
        r#"{"id":1,"method":"monitor","params":["A",1,{"T":{}}]}"#,
    );
    ask(
        &mut server,
        b,
        r#"{"id":1,"method":"monitor","params":["B",1,{"T":{}}]}"#,
    );
    let wait = r#"{"id":1,"method":"transact","params":["A",{"op":"wait","table":"T","where":[],"columns":["n"],"until":"==","rows":[{"n":1}]}]}"#;
    assert_eq!(ask(&mut server, waits, wait), "");
    let follow =
        r#"{"id":1,"method":"monitor","params":["_Server",1,{"Database":{"columns":["name"]}}]}"#;
    assert!(ask(&mut server, names, follow).contains("\"A\""));

    assert_eq!(server.remove_database("_Server"), None);
    assert!(server.remove_database("A").is_some());
    assert_eq!(server.remove_database("A"), None);
    let mut closed = Vec::new();
    while let Some((session, reason)) = server.poll_close() {
        assert_eq!(reason, CloseReason::Removed("A".into()));
        closed.push(session);
    }
    assert_eq!(closed, [a, waits]);
    assert!(server.is_open(b) && server.is_open(names));
    // Whoever follows the list of databases is told.
    let told = ask(&mut server, names, "");
    assert!(told.contains("\"old\"") && told.contains("\"A\""), "{told}");
    let gone = ask(
        &mut server,
        b,
        r#"{"id":2,"method":"get_schema","params":["A"]}"#,
    );
    assert!(gone.contains("unknown database"), "{gone}");

    // The name is free again, and the other database was never disturbed.
    let id = server.add_database(database("A"));
    assert_eq!(server.database_id("A"), Some(id));
    let insert =
        r#"{"id":3,"method":"transact","params":["A",{"op":"insert","table":"T","row":{}}]}"#;
    assert_eq!(ask(&mut server, b, insert), "");
    let staged = server.poll_commit().unwrap();
    assert_eq!(staged.database, id);
    server.durable(id, staged.commit.revision);
    assert!(ask(&mut server, b, "").contains("\"id\":3"));
}
