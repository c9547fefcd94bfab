//! The log of a database in etcd, and locks of a whole cluster.
//!
//! Several servers serve one database: each appends to the same [log](EtcdLog), reads what the others append, and
//! so has the same state. etcd decides the order. Which server acts where only one may is decided by
//! [locks](Locks), which end by themselves when their server does.
//!
//! It must not know which databases there are, nor who serves them.
//!
//! # Keys
//!
//! All below a prefix, `heddle` unless told otherwise. Numbers in keys are 16 hexadecimal digits.
//!
//! | key | value |
//! |---|---|
//! | `cluster` | JSON: form of the keys, id of the cluster |
//! | `db/NAME/head` | JSON: where the log begins and ends, which base it stands on; see [`head`] |
//! | `db/NAME/log/N` | a batch: a line of JSON, then records as in a database file, unless they are in parts |
//! | `db/NAME/part/N/I` | part of the batch N when that is too large for one request |
//! | `db/NAME/base/ID/I` | part of a snapshot; together a database file that OVS's own tools read |
//! | `db/NAME/writer/ID` | the id of the last batch of a process |
//! | `db/NAME/turn` | a server is writing the parts of a batch; others wait for it; on a lease |
//! | `db/NAME/compactor` | a server is writing a snapshot; on a lease |
//! | `lock/NAME/owner` | the server that owns a lock, on its lease |
//! | `lock/NAME/wait/ID` | a server that wants it, on its lease |
//!
//! # Order
//!
//! Every change of a log puts its head, and does so only if the head is still the one that the writer knows (its
//! `mod_revision`). So there is one order, and who writes knows all that stands before. A batch is visible at
//! once or not at all, since its entry comes with the head; parts without an entry mean nothing. A request whose
//! answer is lost is sent again as it was: it cannot be carried out twice, and whether it was carried out stands in
//! the key of its writer, which every change puts as well.
//!
//! # The client library
//!
//! `etcd-client`, over tonic. It needs `protoc` at build time and adds about 40 s to a cold build on two cores,
//! nearly all of it tonic and hyper, which an own client over tonic would need as well; so there is no own client.
//! Failing over is ours (`link`): the library chooses among endpoints at random, so that a member that hangs would
//! cost every third request its time.

mod batch;
mod cluster;
mod commit;
mod compaction;
mod error;
mod follow;
pub mod head;
mod keys;
mod lease;
mod link;
mod locks;
mod log;
mod open;
mod options;
mod parts;
mod queue;
mod read;

pub use cluster::Cluster;
pub use error::Error;
pub use locks::Locks;
pub use log::EtcdLog;
pub use open::Opened;
pub use options::{Options, TlsFiles, User};
