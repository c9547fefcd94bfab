//! The client's side of the protocol: any bytes of a server. NUL bytes are ends of the connection.
//!
//! Beyond what holds of all targets: the changes that were given out add up to the replica.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use ovsdb::client::{Config, Event, Rows, Session};
use ovsdb::operation::Condition;
use ovsdb::{Operation, Row, Str, Uuid};

use crate::server::schema;

/// Feeds each part to a connection of its own.
pub fn check(bytes: &[u8]) {
    let mut config = Config::all(schema()).with_lock("l");
    config.probe_interval = None;
    let mut client = Client {
        session: Session::new(config),
        sum: BTreeMap::new(),
    };
    let now = Instant::now();
    for part in bytes.split(|&byte| byte == 0) {
        client.session.handle_connected(now);
        let mut alive = true;
        for piece in part.chunks(61) {
            alive = client.session.handle_bytes(piece, now).is_ok();
            client.take();
            if !alive {
                break;
            }
        }
        if alive {
            let delete = Operation::Delete {
                table: "Kid".into(),
                condition: vec![Condition::equal("name", "x")],
            };
            let _ = client.session.transact(&[delete]);
            let few = ("Few".into(), Rows::one_of("name", ["a"]));
            client.session.set_rows([few]);
        }
        client.take();
        client.session.handle_disconnected();
        client.take();
    }
}

struct Client {
    session: Session,
    sum: BTreeMap<(Str, Uuid), Arc<Row>>,
}

impl Client {
    fn take(&mut self) {
        while self.session.poll_output().is_some() {}
        while let Some(event) = self.session.poll_event() {
            let Event::Changes(changes) = event else {
                continue;
            };
            assert!(!changes.is_empty());
            for change in changes {
                let key = (change.table, change.uuid);
                assert_ne!(change.old, change.new);
                assert_eq!(self.sum.get(&key), change.old.as_ref());
                match change.new {
                    Some(row) => drop(self.sum.insert(key, row)),
                    None => drop(self.sum.remove(&key)),
                }
            }
        }
        assert_eq!(self.sum.len(), self.session.replica().len());
        for ((table, uuid), row) in &self.sum {
            assert_eq!(self.session.replica().row(table, uuid), Some(row));
        }
    }
}
