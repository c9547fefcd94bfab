//! Two servers over the same databases, with their threads and compilers, in one process.

use std::collections::BTreeSet;
use std::time::Duration;

use daemon::Shutdown;
use daemon::unixctl::Registry;
use model::{Table, nb, sb};
use ovsdb::server::Limits;
use ovsdb::{Datum, Operation};
use transport::ovsdb::Event;

use super::{Core, Inputs};
use crate::{Handle, northd};

#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "it is made for the tests of another crate"
)]
#[path = "../../../ovsdb/tests/support/shared_log.rs"]
mod shared_log;

use shared_log::Cluster;

const DEADLINE: Duration = Duration::from_secs(60);

/// A server: as `heddle server --etcd` makes one, over a log in memory.
struct Node {
    handle: Handle,
    _inputs: Inputs,
    shutdown: Shutdown,
}

impl Node {
    async fn start(clusters: &[Cluster; 2]) -> Self {
        let mut core = Core::new(Limits::default());
        let (database, log) = clusters[1].join();
        core.share_locks(Box::new(log.locks()));
        core.add(database, Box::new(log)).unwrap();
        let (database, log) = clusters[0].join();
        core.add(database, Box::new(log)).unwrap();
        core.ensure_row(nb::NAME, nb::NbGlobal::NAME);
        core.ensure_row(sb::NAME, sb::SbGlobal::NAME);
        let (inputs, _) = core.start();
        let (handle, shutdown) = (Handle::new(inputs.clone()), Shutdown::new());
        let options = northd::Options::default();
        northd::beside(&handle, &mut Registry::new(), options, shutdown.clone())
            .await
            .unwrap();
        Self {
            handle,
            _inputs: inputs,
            shutdown,
        }
    }

    async fn add_switch(&self, name: &str) {
        let insert = Operation::Insert {
            table: nb::LogicalSwitch::NAME.into(),
            uuid: None,
            uuid_name: None,
            row: vec![("name".into(), Datum::one(name))],
        };
        let done = self.handle.transact(nb::NAME, vec![insert]);
        let done = tokio::time::timeout(DEADLINE, done).await;
        done.expect("an answer").unwrap();
    }

    /// What a column of a table holds, of all rows.
    async fn values(&self, database: &str, table: &str, column: usize) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut subscription = self.handle.subscribe(database, None).await.unwrap();
        while let Some(event) = subscription.next().await {
            match event {
                Event::Changes(rows) => {
                    let rows = rows.iter().filter(|row| row.table == table);
                    let rows = rows.filter_map(|row| row.new.as_ref());
                    all.extend(rows.map(|row| format!("{:?}", row[column])));
                }
                _ => break,
            }
        }
        all
    }

    async fn names(&self) -> BTreeSet<String> {
        let schema = nb::schema();
        let table = schema.table(nb::LogicalSwitch::NAME).unwrap();
        let column = table.column_index("name").unwrap();
        self.values(nb::NAME, nb::LogicalSwitch::NAME, column).await
    }

    /// How many switches are compiled.
    async fn compiled(&self) -> usize {
        let schema = sb::schema();
        let table = schema.table(sb::DatapathBinding::NAME).unwrap();
        let column = table.column_index("external_ids").unwrap();
        self.values(sb::NAME, sb::DatapathBinding::NAME, column)
            .await
            .len()
    }

    async fn wait_for_compiled(&self, count: usize) {
        let reached = async {
            while self.compiled().await != count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let reached = tokio::time::timeout(DEADLINE, reached).await;
        reached.unwrap_or_else(|_| panic!("{count} switches are not compiled"));
    }
}

fn clusters() -> [Cluster; 2] {
    [Cluster::new(&nb::schema()), Cluster::new(&sb::schema())]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_compiler_is_at_work_on_one_server_and_moves_to_another() {
    let clusters = clusters();
    let nodes = [Node::start(&clusters).await, Node::start(&clusters).await];
    nodes[0].add_switch("a").await;
    nodes[1].add_switch("b").await;
    nodes[0].wait_for_compiled(2).await;
    nodes[1].wait_for_compiled(2).await;
    let active = clusters[1].owner(northd::LOCK).expect("one is active");
    for cluster in &clusters {
        cluster.set_connected(active, false);
    }
    let other = 1 - active;
    nodes[other].add_switch("c").await;
    nodes[other].wait_for_compiled(3).await;
    assert_eq!(clusters[1].owner(northd::LOCK), Some(other));
    // The one that was cut off can still be read; it says what it knew.
    assert_eq!(nodes[active].compiled().await, 2);
    for cluster in &clusters {
        cluster.set_connected(active, true);
    }
    nodes[active].wait_for_compiled(3).await;
    nodes[active].add_switch("d").await;
    nodes[other].wait_for_compiled(4).await;
    assert_eq!(nodes[0].names().await, nodes[1].names().await);
    for node in nodes {
        node.shutdown
            .request(daemon::Reason::Internal("over".into()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_both_write_at_once_is_all_there() {
    let clusters = clusters();
    let nodes = [Node::start(&clusters).await, Node::start(&clusters).await];
    let write = async |node: &Node, prefix: &str| {
        for n in 0..40 {
            node.add_switch(&format!("{prefix}{n}")).await;
        }
    };
    tokio::join!(write(&nodes[0], "a"), write(&nodes[1], "b"));
    nodes[0].wait_for_compiled(80).await;
    nodes[1].wait_for_compiled(80).await;
    let names = nodes[0].names().await;
    assert_eq!(names.len(), 80);
    assert_eq!(nodes[1].names().await, names);
    for node in nodes {
        node.shutdown
            .request(daemon::Reason::Internal("over".into()));
    }
}
