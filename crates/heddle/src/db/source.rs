//! What a TARGET means, and reading a whole database from it.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use ovsdb::log::read_database;
use ovsdb::{Database, DatabaseSchema, Record};
use serde_json::{Map, Value, json};
use transport::ovsdb::rpc::Rpc;
use transport::{Remote, Tls};

tokio::task_local! {
    /// The certificates of this run of the program.
    pub(super) static TLS: Tls;
}

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// A database file or a server.
#[derive(Debug, Clone)]
pub(super) enum Target {
    File(PathBuf),
    Server(Server),
}

/// The addresses of a server.
#[derive(Debug, Clone)]
pub(super) struct Server(Vec<Remote>);

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let method = text.split_once(':').map(|(method, _)| method);
        if matches!(
            method,
            Some("unix" | "tcp" | "ssl" | "punix" | "ptcp" | "pssl")
        ) {
            text.parse().map(Self::Server)
        } else {
            Ok(Self::File(text.into()))
        }
    }
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let remotes = Remote::parse_list(text).map_err(|error| error.to_string())?;
        match remotes.iter().find(|remote| remote.is_passive()) {
            Some(passive) => Err(format!(
                "{passive} is a place to listen; use unix:, tcp: or ssl:"
            )),
            None if remotes.is_empty() => Err("no address; use unix:, tcp: or ssl:".to_owned()),
            None => Ok(Self(remotes)),
        }
    }
}

impl Server {
    pub(super) async fn connect(&self) -> anyhow::Result<Rpc> {
        let tls = TLS.try_with(Clone::clone).unwrap_or_default();
        match tokio::time::timeout(CONNECT, Rpc::connect_with(&self.0, &tls)).await {
            Ok(connected) => Ok(connected?),
            Err(_) => bail!("{}: no connection within {CONNECT:?}", self.0[0]),
        }
    }
}

impl Target {
    /// The file, for what is done to files only.
    pub(super) fn file(&self, otherwise: &str) -> anyhow::Result<&Path> {
        match self {
            Self::File(path) => Ok(path),
            Self::Server(server) => bail!("{}: {otherwise}", server.0[0]),
        }
    }

    /// The whole content.
    pub(super) async fn read(&self, name: Option<&str>) -> anyhow::Result<Database> {
        self.read_tables(name, None).await
    }

    /// The content of one table or of all; the others may be empty.
    pub(super) async fn read_tables(
        &self,
        name: Option<&str>,
        only: Option<&str>,
    ) -> anyhow::Result<Database> {
        match self {
            Self::Server(server) => {
                let mut rpc = server.connect().await?;
                let name = database_name(&mut rpc, name).await?;
                fetch(&mut rpc, &name, only).await
            }
            Self::File(path) => read_file(path, name),
        }
    }
}

/// The whole content of a file, which may be in use.
pub(super) fn read_file(path: &Path, name: Option<&str>) -> anyhow::Result<Database> {
    let (database, torn) = read_database(path)?;
    let found = &database.schema().name;
    if let Some(name) = name.filter(|name| found != name) {
        bail!("{}: holds the database {found}, not {name}", path.display());
    }
    if let Some(torn) = torn {
        super::output::note(&format!(
            "{}: the {} bytes behind byte {} are not a whole record ({}) and were left out",
            path.display(),
            torn.lost,
            torn.offset,
            torn.reason
        ));
    }
    Ok(database)
}

/// A schema of an `.ovsschema` file.
pub(super) fn read_schema(path: &Path) -> anyhow::Result<Arc<DatabaseSchema>> {
    let text = std::fs::read_to_string(path);
    let text = text.with_context(|| format!("{}: cannot read", path.display()))?;
    let schema = DatabaseSchema::from_json_text(&text)
        .with_context(|| format!("{}: is not a schema", path.display()))?;
    Ok(Arc::new(schema))
}

/// The database that is meant: the one that is named, or the only one.
pub(super) async fn database_name(rpc: &mut Rpc, name: Option<&str>) -> anyhow::Result<String> {
    let mut names = rpc.databases().await?;
    names.retain(|name| name != "_Server");
    match name {
        Some(name) if name == "_Server" || names.iter().any(|known| known == name) => {
            Ok(name.to_owned())
        }
        Some(name) => bail!("no database named {name}; there is: {}", names.join(", ")),
        None if names.len() == 1 => Ok(names.remove(0)),
        None if names.is_empty() => bail!("the server has no database"),
        None => bail!("name a database with --db: {}", names.join(", ")),
    }
}

/// The content of one database of a server, of one table or of all, as it is at one moment.
pub(super) async fn fetch(
    rpc: &mut Rpc,
    name: &str,
    only: Option<&str>,
) -> anyhow::Result<Database> {
    let schema = Arc::new(rpc.schema(name).await?);
    let mut params = vec![json!(name)];
    let tables = schema.tables().iter();
    let tables: Vec<_> = tables
        .filter(|table| only.is_none_or(|only| table.name == only))
        .collect();
    params.extend(
        tables
            .iter()
            .map(|table| json!({"op": "select", "table": table.name, "where": []})),
    );
    let results = rpc.call("transact", &Value::Array(params)).await?;
    let mut record = Map::new();
    for (at, table) in tables.into_iter().enumerate() {
        let result = &results[at];
        let Some(found) = result["rows"].as_array() else {
            bail!("{name}: table {}: {result}", table.name);
        };
        record.insert(table.name.to_string(), rows(found));
    }
    let mut database = Database::new(Arc::clone(&schema));
    let record = Record::new(Value::Object(record).to_string().into_bytes());
    database
        .replay(&record)
        .with_context(|| format!("{name}: the rows do not fit the server's schema"))?;
    Ok(database)
}

/// The rows of a `select` as a record has them.
fn rows(found: &[Value]) -> Value {
    let rows = found.iter().filter_map(|row| {
        let mut row = row.as_object()?.clone();
        let uuid = row.remove("_uuid")?[1].as_str()?.to_owned();
        row.remove("_version");
        Some((uuid, Value::Object(row)))
    });
    Value::Object(rows.collect())
}
