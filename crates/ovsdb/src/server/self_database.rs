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
        let hosted = &self.databases[id.0];
        let schema = Arc::clone(hosted.database.schema());
        let uuid = self.row_uuid(&schema.name);
        let available = hosted.mirror.as_ref().is_none_or(|it| it.available);
        let text = available.then(|| schema.to_json_text());
        let model = if hosted.mirror.is_some() {
            "relay"
        } else if hosted.shared {
            "clustered"
        } else {
            "standalone"
        };
        let mut row = vec![
            (Str::new_static("name"), Datum::one(schema.name.clone())),
            (Str::new_static("model"), Datum::one(model)),
            (Str::new_static("schema"), Datum::set(text)),
            (
                Str::new_static("sid"),
                Datum::set(hosted.shared.then_some(uuid)),
            ),
        ];
        row.extend(self.log_columns(id));
        let insert = Operation::Insert {
            table: Str::new_static("Database"),
            uuid: Some(uuid),
            uuid_name: None,
            row,
        };
        self.describe(&[insert]);
    }

    /// Says how it is with the log of a database.
    pub(super) fn describe_log(&mut self, id: DatabaseId) {
        self.describe_columns(id, self.log_columns(id));
    }

    /// Says that a database has another schema.
    pub(super) fn describe_schema(&mut self, id: DatabaseId) {
        let text = self.databases[id.0].database.schema().to_json_text();
        self.describe_columns(id, vec![(Str::new_static("schema"), Datum::one(text))]);
    }

    fn describe_columns(&mut self, id: DatabaseId, row: Vec<(Str, Datum)>) {
        let uuid = self.row_uuid(&self.databases[id.0].database.schema().name);
        let update = Operation::Update {
            table: Str::new_static("Database"),
            condition: vec![Condition::uuid(uuid)],
            row,
        };
        self.describe(&[update]);
    }

    /// Removes the row of a database.
    pub(super) fn retract(&mut self, name: &str) {
        let delete = Operation::Delete {
            table: Str::new_static("Database"),
            condition: vec![Condition::uuid(self.row_uuid(name))],
        };
        self.describe(&[delete]);
    }

    /// The name makes the UUID, so that a server that starts again describes itself in the same rows.
    fn row_uuid(&self, name: &str) -> Uuid {
        Uuid::new_v5(&self.id, name.as_bytes())
    }

    /// What changes with the log. Of several processes that write one log each is a leader for as long as it can
    /// write: none knows better than another.
    fn log_columns(&self, id: DatabaseId) -> Vec<(Str, Datum)> {
        let hosted = &self.databases[id.0];
        let log = hosted.log;
        let leader = log.connected && hosted.mirror.is_none();
        let index = log
            .index
            .map(|index| i64::try_from(index).unwrap_or(i64::MAX));
        let columns = [
            ("connected", Datum::one(log.connected)),
            ("leader", Datum::one(leader)),
            ("cid", Datum::set(log.cluster)),
            ("index", Datum::set(index)),
        ];
        let columns = columns.into_iter();
        columns
            .map(|(name, value)| (Str::new_static(name), value))
            .collect()
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
            self.databases[0].durable = commit.revision;
            self.publish(DatabaseId(0), &commit);
        }
    }
}
