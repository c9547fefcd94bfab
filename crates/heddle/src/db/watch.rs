//! `heddle db monitor`, `wait` and `lock`.

use anyhow::bail;
use ovsdb::schema::BaseType;
use ovsdb::tool::tabular::{Cell, Tabular};
use ovsdb::{ColumnType, DatabaseSchema, Datum, TableSchema};
use serde_json::{Map, Value, json};

use super::output::{OutputArgs, write};
use super::source::{Server, database_name};

#[derive(clap::Args)]
pub(super) struct Monitor {
    /// The server.
    server: Server,
    /// The database, where the server has several.
    #[arg(long, value_name = "NAME")]
    db: Option<String>,
    /// The table, or ALL.
    table: String,
    /// The columns; without them all.
    columns: Vec<String>,
    /// Only rows of which this holds, for example '["name","==","a"]'; can be repeated.
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,
    /// End after so many changes; 0 prints the content and ends.
    #[arg(long, value_name = "N")]
    changes: Option<u64>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn monitor(args: &Monitor) -> anyhow::Result<()> {
    let mut rpc = args.server.connect().await?;
    let name = database_name(&mut rpc, args.db.as_deref()).await?;
    let schema = rpc.schema(&name).await?;
    let method = if args.conditions.is_empty() {
        "monitor"
    } else {
        "monitor_cond"
    };
    let params = json!([name, "heddle", requests(args, &schema)?]);
    let initial = rpc.call(method, &params).await?;
    print(args, &schema, &initial, true)?;
    let mut left = args.changes.unwrap_or(u64::MAX);
    while left > 0 {
        let notification = rpc.notification().await?;
        if matches!(notification.method.as_str(), "update" | "update2") {
            print(args, &schema, &notification.params[1], false)?;
            left -= 1;
        }
    }
    Ok(())
}

fn requests(args: &Monitor, schema: &DatabaseSchema) -> anyhow::Result<Value> {
    let mut request = Map::new();
    if !args.columns.is_empty() {
        request.insert("columns".into(), json!(args.columns));
    }
    if !args.conditions.is_empty() {
        let clauses: Result<Vec<Value>, _> = args
            .conditions
            .iter()
            .map(|text| serde_json::from_str(text))
            .collect();
        let Ok(clauses) = clauses else {
            bail!("--where: not JSON; write [\"COLUMN\",\"FUNCTION\",VALUE]");
        };
        request.insert("where".into(), Value::Array(clauses));
    }
    if args.table != "ALL" && schema.table(&args.table).is_none() {
        bail!("{}: no table named {}", schema.name, args.table);
    }
    let tables = schema.tables().iter().map(|table| table.name.as_str());
    let tables = tables.filter(|name| args.table == "ALL" || args.table == *name);
    let all: Map<String, Value> = tables
        .map(|name| (name.to_owned(), json!([request])))
        .collect();
    Ok(Value::Object(all))
}

fn print(
    args: &Monitor,
    schema: &DatabaseSchema,
    updates: &Value,
    initial: bool,
) -> anyhow::Result<()> {
    let mut tables = Vec::new();
    for (name, rows) in updates.as_object().into_iter().flatten() {
        let (Some(table), Some(rows)) = (schema.table(name), rows.as_object()) else {
            continue;
        };
        tables.push(tabular(
            table,
            &args.columns,
            args.table == "ALL",
            rows,
            initial,
        ));
    }
    if tables.is_empty() {
        return Ok(());
    }
    write(&format!("{}\n", args.output.print(&tables)))
}

fn tabular(
    table: &TableSchema,
    wanted: &[String],
    caption: bool,
    rows: &Map<String, Value>,
    initial: bool,
) -> Tabular {
    let all = table.columns().iter().map(|column| column.name.to_string());
    let mut columns = wanted.to_vec();
    if columns.is_empty() {
        columns.extend(all);
        columns.sort_unstable();
    }
    let mut out = Tabular {
        caption: caption.then(|| format!("{} table", table.name)),
        headings: ["row", "action"].map(str::to_owned).to_vec(),
        rows: Vec::new(),
    };
    for (uuid, row) in rows {
        for (action, values) in versions(row, initial) {
            let mut line = vec![Cell::Text(uuid.clone()), Cell::Text(action.to_owned())];
            line.extend(
                columns
                    .iter()
                    .map(|name| cell(table, name, values.get(name))),
            );
            out.rows.push(line);
        }
    }
    out.headings.extend(columns);
    out
}

/// The versions of a row in an update, each with its name: those of `update`, then those of `update2`.
fn versions(row: &Value, initial: bool) -> Vec<(&'static str, &Value)> {
    let of = |key: &'static str| row.get(key);
    match (of("old"), of("new")) {
        (None, Some(new)) if initial => vec![("initial", new)],
        (None, Some(new)) => vec![("insert", new)],
        (Some(old), None) => vec![("delete", old)],
        (Some(old), Some(new)) => vec![("old", old), ("new", new)],
        (None, None) => ["initial", "insert", "delete", "modify"]
            .into_iter()
            .filter_map(|key| Some((key, of(key)?)))
            .collect(),
    }
}

/// A column that an update does not have is empty: it has not changed.
fn cell(table: &TableSchema, name: &str, value: Option<&Value>) -> Cell {
    let column_type = match table.column(name) {
        Some(column) => column.column_type.clone(),
        None => ColumnType::scalar(BaseType::uuid()),
    };
    match value {
        None => Cell::Text(String::new()),
        Some(value) => match Datum::diff_from_json(&column_type, value) {
            Ok(datum) => Cell::Value(datum, column_type),
            Err(_) => Cell::Json(value.clone()),
        },
    }
}

#[derive(clap::Args)]
pub(super) struct Wait {
    /// The server.
    server: Server,
    /// The database.
    database: String,
    /// What to wait for.
    #[arg(value_enum)]
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum State {
    /// The server has it.
    Added,
    /// The server has it and follows its storage.
    Connected,
    /// The server does not have it.
    Removed,
}

pub(super) async fn wait(args: &Wait) -> anyhow::Result<()> {
    loop {
        // The server may be about to start: whatever fails is tried again.
        if let Ok(()) = wait_once(args).await {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// Waits at one connection.
async fn wait_once(args: &Wait) -> anyhow::Result<()> {
    let mut rpc = args.server.connect().await?;
    let request = json!(["_Server", "heddle", {"Database": [{"columns": ["name", "connected"]}]}]);
    let mut rows = Map::new();
    let mut updates = rpc.call("monitor", &request).await?;
    loop {
        for (uuid, row) in updates["Database"].as_object().into_iter().flatten() {
            match row.get("new") {
                Some(new) => rows.insert(uuid.clone(), new.clone()),
                None => rows.remove(uuid),
            };
        }
        let found = rows
            .values()
            .find(|row| row["name"] == args.database.as_str());
        let reached = match args.state {
            State::Added => found.is_some(),
            State::Connected => found.is_some_and(|row| row["connected"] == true),
            State::Removed => found.is_none(),
        };
        if reached {
            return Ok(());
        }
        updates = rpc.notification().await?.params[1].take();
    }
}

#[derive(clap::Args)]
pub(super) struct Lock {
    /// The server.
    server: Server,
    /// The name of the lock.
    lock: String,
    /// Take it away from whoever has it.
    #[arg(long)]
    steal: bool,
    /// End as soon as the lock is held, which gives it up again.
    #[arg(long)]
    once: bool,
}

/// Prints `locked` when the lock is held and `stolen` when it is lost, which ends the command.
pub(super) async fn lock(args: &Lock) -> anyhow::Result<()> {
    let mut rpc = args.server.connect().await?;
    let method = if args.steal { "steal" } else { "lock" };
    let answer = rpc.call(method, &json!([args.lock])).await?;
    let mut held = answer["locked"] == true;
    if !held {
        write("waiting\n")?;
    }
    loop {
        if held {
            write("locked\n")?;
            if args.once {
                return Ok(());
            }
        }
        let notification = rpc.notification().await?;
        held = match notification.method.as_str() {
            "locked" => true,
            "stolen" => {
                write("stolen\n")?;
                bail!("lock {} was taken away by another client", args.lock);
            }
            _ => false,
        };
    }
}
