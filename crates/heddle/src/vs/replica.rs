//! The tables of a server that a call needs, kept up to date by a monitor.
//!
//! It must not know the commands. Invariant: its rows are those that the server had at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use ovsdb::{DatabaseSchema, Datum};
use serde_json::{Map, Value, json};
use transport::ovsdb::rpc::Rpc;

use super::world::Id;

/// The database of Open vSwitch.
pub(super) const DATABASE: &str = "Open_vSwitch";

/// The tables of a server.
#[derive(Debug)]
pub(super) struct Replica {
    rpc: Rpc,
    schema: Arc<DatabaseSchema>,
    rows: BTreeMap<Id, Arc<Vec<Datum>>>,
}

impl Replica {
    /// Reads the tables that `wanted` chooses, and watches them from then on.
    pub(super) async fn new(
        mut rpc: Rpc,
        wanted: impl FnOnce(&DatabaseSchema) -> anyhow::Result<BTreeSet<usize>>,
    ) -> anyhow::Result<Self> {
        let schema = Arc::new(rpc.schema(DATABASE).await?);
        let mut tables = Map::new();
        for table in wanted(&schema)? {
            let table = &schema.tables()[table];
            let columns = table.columns().iter();
            let columns: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
            tables.insert(table.name.to_string(), json!([{"columns": columns}]));
        }
        let initial = rpc.call("monitor", &json!([DATABASE, "vs", tables])).await;
        let initial = initial?;
        let mut replica = Self {
            rpc,
            schema,
            rows: BTreeMap::new(),
        };
        replica.apply(&initial)?;
        Ok(replica)
    }

    pub(super) fn schema(&self) -> &Arc<DatabaseSchema> {
        &self.schema
    }

    pub(super) fn rows(&self) -> &BTreeMap<Id, Arc<Vec<Datum>>> {
        &self.rows
    }

    /// Runs a transaction and gives the results of its operations.
    pub(super) async fn transact(&mut self, operations: Vec<Value>) -> anyhow::Result<Vec<Value>> {
        let mut params = vec![json!(DATABASE)];
        params.extend(operations);
        let results = self.rpc.call("transact", &Value::Array(params)).await?;
        match results {
            Value::Array(results) => Ok(results),
            other => bail!("the answer to the transaction is no list of results: {other}"),
        }
    }

    /// Waits until something has changed, and takes in all changes that have come.
    pub(super) async fn changed(&mut self) -> anyhow::Result<()> {
        self.take().await?;
        // A notification that is there already is there without waiting.
        while let Ok(taken) = tokio::time::timeout(Duration::ZERO, self.take()).await {
            taken?;
        }
        Ok(())
    }

    async fn take(&mut self) -> anyhow::Result<()> {
        let notification = self.rpc.notification().await?;
        if notification.method == "update" {
            self.apply(&notification.params[1])?;
        }
        Ok(())
    }

    /// Takes in an update of RFC 7047 section 4.1.6.
    fn apply(&mut self, update: &Value) -> anyhow::Result<()> {
        for (name, rows) in update.as_object().into_iter().flatten() {
            let table = self.schema.table_index(name);
            let table = table.with_context(|| format!("an update of an unknown table {name}"))?;
            for (uuid, row) in rows.as_object().into_iter().flatten() {
                let uuid = ovsdb::json::parse_uuid(uuid)
                    .with_context(|| format!("{name}: {uuid} is no UUID"))?;
                let id = Id { table, uuid };
                match row.get("new") {
                    Some(new) => {
                        let row = self
                            .row(table, new)
                            .with_context(|| format!("{name}, row {uuid}"))?;
                        self.rows.insert(id, Arc::new(row));
                    }
                    None => {
                        self.rows.remove(&id);
                    }
                }
            }
        }
        Ok(())
    }

    fn row(&self, table: usize, row: &Value) -> anyhow::Result<Vec<Datum>> {
        let columns = self.schema.tables()[table].columns().iter();
        let values = columns.map(|column| match row.get(column.name.as_str()) {
            Some(value) => Datum::from_json(&column.column_type, value)
                .with_context(|| format!("column {}", column.name)),
            None => Ok(Datum::default_of(&column.column_type)),
        });
        values.collect()
    }
}
