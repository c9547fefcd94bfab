//! The database `_Server`, in which a server describes its databases (`_Server(5)`). Clients read it first.

use std::sync::Arc;

use super::{DatabaseId, Server};
use crate::database::{Context, Outcome};
use crate::operation::Condition;
use crate::schema::{BaseType, ColumnSchema, ColumnType};
use crate::value::AtomicType;
use crate::{DatabaseSchema, Datum, Operation, Str, TableSchema, Uuid};

/// The schema of `_Server`, version 1.2.0.
pub(crate) fn schema() -> Arc<DatabaseSchema> {
    let scalar = |name, base| ColumnSchema::new(name, ColumnType::scalar(base));
    let optional = |name, base| ColumnSchema::new(name, ColumnType::optional(base));
    let models = ["standalone", "clustered", "relay"];
    let columns = vec![
        scalar("name", BaseType::string()),
        scalar("model", BaseType::enumeration(AtomicType::String, models)),
        scalar("connected", BaseType::boolean()),
        scalar("leader", BaseType::boolean()),
        optional("schema", BaseType::string()),
        optional("cid", BaseType::uuid()),
        optional("sid", BaseType::uuid()),
        optional("index", BaseType::integer()),
    ];
    let table = TableSchema::new("Database", columns)
        .expect("these names are identifiers")
        .root();
    let schema = DatabaseSchema::new("_Server", "1.2.0", vec![table]);
    Arc::new(schema.expect("the table refers to nothing"))
}

impl Server {
    /// Adds the row of a database.
    pub(super) fn announce(&mut self, id: DatabaseId) {
        let schema = Arc::clone(self.databases[id.0].database.schema());
        let row = [
            ("name", Datum::one(schema.name.clone())),
            ("model", Datum::one("standalone")),
            ("connected", Datum::one(true)),
            ("leader", Datum::one(true)),
            ("schema", Datum::one(schema.to_json_text())),
        ];
        // The name makes the UUID, so that a server that starts again describes itself in the same rows.
        let uuid = Uuid::new_v5(&self.id, schema.name.as_bytes());
        let insert = Operation::Insert {
            table: Str::new_static("Database"),
            uuid: Some(uuid),
            uuid_name: None,
            row: row
                .into_iter()
                .map(|(name, value)| (Str::new_static(name), value))
                .collect(),
        };
        self.describe(&[insert]);
    }

    /// Removes the row of a database.
    pub(super) fn retract(&mut self, name: &str) {
        let delete = Operation::Delete {
            table: Str::new_static("Database"),
            condition: vec![Condition::uuid(Uuid::new_v5(&self.id, name.as_bytes()))],
        };
        self.describe(&[delete]);
    }

    fn describe(&mut self, operations: &[Operation]) {
        let mut context = Context {
            now: 0,
            new_uuid: &mut Uuid::nil,
            holds_lock: &|_| false,
            waited: 0,
            read_only: None,
        };
        let hosted = &mut self.databases[0];
        if let Outcome::Done(executed) = hosted.database.execute(operations, &mut context)
            && let Some(commit) = executed.commit
        {
            // There is no log to wait for.
            let revision = commit.revision;
            self.publish(DatabaseId(0), &commit);
            self.databases[0].stage(commit);
            self.durable(DatabaseId(0), revision);
        }
    }
}
