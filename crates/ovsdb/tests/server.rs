//! The server core, driven by hand: what leaves when, and what is bounded.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::sync::Arc;

use ovsdb::server::{CloseReason, DatabaseId, Environment, FrameError, Limits, Server, SessionId};
use ovsdb::{Database, ErrorKind, Operation, Uuid};
use serde_json::{Value, json};
use support::schema;

struct Fixture {
    server: Server,
    database: DatabaseId,
    now: u64,
    next: u64,
    new_uuid: Box<dyn FnMut() -> Uuid>,
}

impl Fixture {
    fn new(limits: Limits) -> Self {
        let mut server = Server::new(Uuid::from_u128(1), limits);
        let database = server.add_database(Database::new(Arc::new(schema())));
        Self {
            server,
            database,
            now: 0,
            next: 0,
            new_uuid: Box::new(support::uuids(0)),
        }
    }

    fn raw(&mut self, session: SessionId, bytes: &[u8]) {
        let new_uuid = &mut *self.new_uuid;
        let mut environment = Environment {
            wall: 1,
            now: self.now,
            new_uuid,
        };
        self.server.receive(session, bytes, &mut environment);
    }

    /// Sends a request and gives its id.
    fn send(&mut self, session: SessionId, method: &str, params: Value) -> Value {
        self.next += 1;
        let message = json!({"id": self.next, "method": method, "params": params});
        self.raw(session, message.to_string().as_bytes());
        json!(self.next)
    }

    fn insert(&mut self, session: SessionId, name: &str) -> Value {
        let insert =
            json!({"op": "insert", "table": "Root", "row": {"name": name, "num": name.len()}});
        self.send(session, "transact", json!(["Rich", insert]))
    }

    /// What has left for a session.
    fn output(&mut self, session: SessionId) -> Vec<Value> {
        while self.server.poll_ready().is_some() {}
        let mut bytes = Vec::new();
        while let Some(part) = self.server.poll_output(session) {
            bytes.extend_from_slice(&part);
        }
        serde_json::Deserializer::from_slice(&bytes)
            .into_iter()
            .map(Result::unwrap)
            .collect()
    }

    fn commits(&mut self) -> Vec<u64> {
        std::iter::from_fn(|| self.server.poll_commit())
            .map(|staged| {
                assert_eq!(staged.database, self.database);
                staged.commit.revision
            })
            .collect()
    }

    fn settle(&mut self) {
        if let Some(last) = self.commits().last() {
            self.server.durable(self.database, *last);
            self.proceed();
        }
    }

    fn proceed(&mut self) {
        let new_uuid = &mut *self.new_uuid;
        let mut environment = Environment {
            wall: 1,
            now: self.now,
            new_uuid,
        };
        self.server.proceed(&mut environment);
    }
}

#[test]
fn nothing_leaves_before_its_commit_is_durable() {
    let mut f = Fixture::new(Limits::default());
    let (a, b) = (f.server.connect(), f.server.connect());
    let monitor = json!(["Rich", "m", {"Root": {"columns": ["name"]}}]);
    f.send(b, "monitor", monitor.clone());
    assert_eq!(
        f.output(b).len(),
        1,
        "nothing is staged, so the answer leaves at once"
    );
    let one = f.insert(a, "one");
    let two = f.insert(a, "twos");
    let select = json!({"op": "select", "table": "Root", "where": [], "columns": ["name"]});
    let read = f.send(b, "transact", json!(["Rich", select]));
    // A monitor that begins now is shown what is durable, so it must wait for both rows.
    let c = f.server.connect();
    f.send(c, "monitor", monitor);
    assert_eq!(
        (f.output(a), f.output(b), f.output(c)),
        (vec![], vec![], vec![])
    );
    let commits = f.commits();
    assert_eq!(commits.len(), 2);
    let visible = f.server.durable(f.database, commits[0]);
    assert_eq!(visible.len(), 1);
    assert_eq!(f.output(a)[0]["id"], one);
    let heard = f.output(b);
    assert_eq!((heard.len(), &heard[0]["method"]), (1, &json!("update")));
    f.proceed();
    assert_eq!(f.output(c), Vec::<Value>::new());
    f.server.durable(f.database, commits[1]);
    f.proceed();
    assert_eq!(f.output(a)[0]["id"], two);
    let heard = f.output(b);
    assert_eq!(
        (&heard[0]["method"], &heard[1]["id"]),
        (&json!("update"), &read)
    );
    assert_eq!(heard[1]["result"][0]["rows"].as_array().unwrap().len(), 2);
    let shown = f.output(c);
    assert_eq!(shown[0]["result"]["Root"].as_object().unwrap().len(), 2);
    assert_eq!(shown.len(), 1, "what it was shown first is not said again");
}

#[test]
fn when_the_log_fails_the_staged_state_goes() {
    let mut f = Fixture::new(Limits::default());
    let (a, b) = (f.server.connect(), f.server.connect());
    f.insert(a, "kept");
    f.settle();
    f.output(a);
    let (c, monitor) = (
        f.server.connect(),
        json!(["Rich", "m", {"Root": {"columns": ["name"]}}]),
    );
    f.send(c, "monitor", monitor.clone());
    f.output(c);
    let lost = f.insert(a, "lost one");
    // One that sees the staged state, and one that waits to be shown what is durable.
    let select = json!({"op": "select", "table": "Root", "where": [], "columns": ["name"]});
    let read = f.send(c, "transact", json!(["Rich", select]));
    let d = f.server.connect();
    f.send(d, "monitor", monitor);
    f.server.failed(f.database, "no space");
    assert_eq!(
        f.server.poll_commit().map(|staged| staged.commit.revision),
        None
    );
    let error = json!({"error": "I/O error", "details": "no space"});
    for (session, id) in [(a, lost), (c, read)] {
        let reply = json!({"id": id, "result": [{}, error], "error": null});
        // The monitor of `c` does not hear of the row.
        assert_eq!(f.output(session), [reply]);
    }
    assert_eq!(f.output(d), Vec::<Value>::new());
    f.proceed();
    let shown = f.output(d);
    assert_eq!(shown[0]["result"]["Root"].as_object().unwrap().len(), 1);
    assert_eq!(f.server.poll_close(), None);
    assert_eq!(f.server.database(f.database).contents().count(), 1);
    // And it goes on.
    f.insert(b, "another");
    f.settle();
    assert!(f.output(b)[0]["result"][0]["uuid"].is_array());
    assert_eq!(f.output(c)[0]["method"], "update");
    assert_eq!(f.server.database(f.database).contents().count(), 2);
}

#[test]
fn messages_can_be_handled_one_by_one() {
    let mut f = Fixture::new(Limits::default());
    let a = f.server.connect();
    let echo = br#"{"id":1,"method":"echo","params":[]}"#;
    f.server.push(a, &echo.repeat(3)[..100]);
    let mut new_uuid = || Uuid::nil();
    let mut environment = Environment {
        wall: 0,
        now: 0,
        new_uuid: &mut new_uuid,
    };
    let mut next = |server: &mut Server| server.handle_next(a, &mut environment);
    assert!(next(&mut f.server));
    let one = f.server.backlog(a);
    assert!(one > 0 && next(&mut f.server));
    assert_eq!(f.server.backlog(a), 2 * one);
    assert!(!next(&mut f.server), "the third is not whole");
    assert_eq!(f.output(a).len(), 2);
    assert_eq!(f.server.backlog(a), 0);
}

type Expected = fn(&CloseReason) -> bool;

#[test]
fn garbage_closes_only_its_session() {
    let limits = Limits {
        message: 1000,
        nesting: 20,
        ..Limits::default()
    };
    let mut f = Fixture::new(limits);
    let good = f.server.connect();
    let cases: [(&[u8], Expected); 6] = [
        (b"GET / HTTP/1.1\r\n", |r| {
            *r == CloseReason::Frame(FrameError::NotAnObject(b'G'))
        }),
        (b"{\"a\" 1}", |r| matches!(r, CloseReason::Message(_))),
        (b"{\"id\":1,\"method\":7,\"params\":[]}", |r| {
            matches!(r, CloseReason::Message(_))
        }),
        (b"{\"id\":1,\"method\":\"transact\",\"params\":{}}", |r| {
            matches!(r, CloseReason::Message(_))
        }),
        (&[b'{'; 30], |r| {
            *r == CloseReason::Frame(FrameError::TooDeep(20))
        }),
        (&[b"{\"" as &[u8], &[b'a'; 2000]].concat(), |r| {
            *r == CloseReason::Frame(FrameError::TooLong(1000))
        }),
    ];
    for (bytes, expected) in cases {
        let session = f.server.connect();
        f.raw(session, bytes);
        let (closed, reason) = f.server.poll_close().expect("it is closed");
        assert_eq!(closed, session);
        assert!(expected(&reason), "{reason}");
        // What comes after is not looked at.
        f.raw(session, b"{\"id\":1,\"method\":\"list_dbs\",\"params\":[]}");
        assert_eq!(f.output(session), Vec::<Value>::new());
        f.server.disconnect(session);
    }
    f.send(good, "list_dbs", json!([]));
    assert_eq!(f.output(good)[0]["result"], json!(["Rich", "_Server"]));
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let mut f = Fixture::new(Limits {
        output: 5000,
        ..Limits::default()
    });
    let (lazy, busy) = (f.server.connect(), f.server.connect());
    f.send(lazy, "monitor", json!(["Rich", 1, {"Root": {}}]));
    let mut written = 0;
    while f.server.is_open(lazy) {
        f.insert(busy, &"x".repeat(written % 50));
        f.settle();
        f.output(busy);
        written += 1;
        assert!(written < 200);
    }
    assert!(
        matches!(f.server.poll_close(), Some((session, CloseReason::Overflow(_))) if session == lazy)
    );
    assert!(f.server.is_open(busy));
}

#[test]
fn waiting_transactions_end_in_every_way() {
    let mut f = Fixture::new(Limits {
        waiting: 3,
        ..Limits::default()
    });
    let (a, b) = (f.server.connect(), f.server.connect());
    let wait = |name: &str, timeout: Option<u64>| {
        let mut op = json!({"op": "wait", "table": "Root", "where": [["name", "==", name]],
            "columns": ["name"], "until": "==", "rows": [{"name": name}]});
        if let Some(timeout) = timeout {
            op["timeout"] = timeout.into();
        }
        json!(["Rich", op, {"op": "insert", "table": "Few", "row": {"name": name}}])
    };
    let first = f.send(a, "transact", wait("one", None));
    let second = f.send(a, "transact", wait("never", Some(500)));
    let third = f.send(a, "transact", wait("neither", None));
    let fourth = f.send(a, "transact", wait("too many", None));
    let refused = f.output(a);
    assert_eq!((refused.len(), &refused[0]["id"]), (1, &fourth));
    assert_eq!(f.server.poll_timeout(), Some(500));
    f.insert(b, "one");
    f.settle();
    let done = f.output(a);
    assert_eq!((done.len(), &done[0]["id"]), (1, &first));
    assert!(done[0]["result"][1]["uuid"].is_array());
    f.now = 500;
    let new_uuid = &mut *f.new_uuid;
    let mut environment = Environment {
        wall: 1,
        now: f.now,
        new_uuid,
    };
    f.server.handle_timeout(&mut environment);
    let late = f.output(a);
    assert_eq!(
        (&late[0]["id"], &late[0]["result"][0]["error"]),
        (&second, &json!("timed out"))
    );
    f.raw(
        a,
        json!({"id": null, "method": "cancel", "params": [third]})
            .to_string()
            .as_bytes(),
    );
    let cancelled = f.output(a);
    assert_eq!(
        (&cancelled[0]["id"], &cancelled[0]["error"]),
        (&third, &json!("canceled"))
    );
    assert_eq!(f.server.poll_timeout(), None);
}

#[test]
fn locks_guard_transactions_and_go_from_hand_to_hand() {
    let mut f = Fixture::new(Limits::default());
    let (a, b) = (f.server.connect(), f.server.connect());
    let assert_lock = json!(["Rich", {"op": "assert", "lock": "l"}]);
    f.send(a, "lock", json!(["l"]));
    f.send(b, "lock", json!(["l"]));
    assert_eq!(f.output(a)[0]["result"], json!({"locked": true}));
    assert_eq!(f.output(b)[0]["result"], json!({"locked": false}));
    f.send(a, "transact", assert_lock.clone());
    f.send(b, "transact", assert_lock);
    assert_eq!(f.output(a)[0]["result"], json!([{}]));
    assert_eq!(f.output(b)[0]["result"][0]["error"], "not owner");
    f.send(a, "lock", json!(["l"]));
    assert_eq!(f.output(a)[0]["error"]["error"], "syntax error");
    let mine = f.server.connect();
    assert!(!f.server.lock(mine, "l"));
    f.server.disconnect(a);
    assert_eq!(
        f.output(b)[0],
        json!({"id": null, "method": "locked", "params": ["l"]})
    );
    f.send(b, "unlock", json!(["l"]));
    assert!(f.server.lock(mine, "l"));
    f.send(b, "steal", json!(["l"]));
    assert!(!f.server.lock(mine, "l"));
}

#[test]
fn the_odd_methods_answer() {
    let mut f = Fixture::new(Limits::default());
    let a = f.server.connect();
    let mut ask = |method: &str, params: Value| {
        f.send(a, method, params);
        f.output(a).remove(0)
    };
    assert_eq!(ask("nothing", json!([]))["error"], "unknown method");
    assert_eq!(
        ask("echo", json!([1, {"a": 2}]))["result"],
        json!([1, {"a": 2}])
    );
    assert_eq!(
        ask("get_server_id", json!([]))["result"],
        Uuid::from_u128(1).to_string()
    );
    assert_eq!(
        ask("set_db_change_aware", json!([true]))["result"],
        json!({})
    );
    assert_eq!(
        ask("convert", json!(["Rich", {}]))["error"]["error"],
        "syntax error"
    );
    assert_eq!(
        ask("get_schema", json!(["Poor"]))["error"]["error"],
        "unknown database"
    );
    assert_eq!(
        ask("monitor_cancel", json!(["m"]))["error"],
        "unknown monitor"
    );
    assert_eq!(
        ask("monitor", json!(["Rich", "m", {"Few": {}}]))["result"],
        json!({})
    );
    assert_eq!(
        ask("monitor", json!(["Rich", "m", {"Few": {}}]))["error"]["error"],
        "syntax error"
    );
    assert_eq!(ask("monitor_cancel", json!(["m"]))["result"], json!({}));
    let select = json!({"op": "select", "table": "Database", "where": [["name", "==", "Rich"]],
        "columns": ["model", "connected", "leader"]});
    let row = json!({"model": "standalone", "connected": true, "leader": true});
    assert_eq!(
        ask("transact", json!(["_Server", select]))["result"],
        json!([{"rows": [row]}])
    );
    let delete = json!({"op": "delete", "table": "Database", "where": []});
    assert_eq!(
        ask("transact", json!(["_Server", delete]))["result"][0]["error"],
        "not allowed"
    );
}

#[test]
fn a_part_of_the_process_transacts_too() {
    let mut f = Fixture::new(Limits::default());
    let (mine, client) = (f.server.connect(), f.server.connect());
    f.send(
        client,
        "monitor",
        json!(["Rich", "m", {"Few": {"columns": ["name"]}}]),
    );
    f.output(client);
    let new_uuid = &mut *f.new_uuid;
    let mut environment = Environment {
        wall: 1,
        now: 0,
        new_uuid,
    };
    let insert = |name: &str| Operation::Insert {
        table: "Few".into(),
        uuid: Some(Uuid::from_u128(9)),
        uuid_name: None,
        row: vec![("name".into(), name.into())],
    };
    let mut submit = |name| {
        let operations = vec![insert(name)];
        f.server
            .submit(mine, f.database, operations, &mut environment)
    };
    let tickets = [submit("a"), submit("b")];
    // The second is refused because of the first, so both must wait for the log.
    assert!(f.server.poll_completion().is_none());
    let commit = f.server.poll_commit().unwrap().commit;
    let visible = f.server.durable(f.database, commit.revision);
    assert_eq!(visible[0][0].uuid, Uuid::from_u128(9));
    let done = [(); 2].map(|()| f.server.poll_completion().unwrap());
    assert_eq!([done[0].ticket, done[1].ticket], tickets);
    assert!(done[0].result.is_ok());
    let error = done[1].result.as_ref().unwrap_err();
    assert_eq!(error.kind, ErrorKind::DuplicateUuid);
    assert_eq!(f.output(client)[0]["method"], "update");
}
