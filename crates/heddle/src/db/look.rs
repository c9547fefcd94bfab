//! `heddle db dump`, `list-dbs` and `schema`.

use anyhow::{bail, ensure};
use ovsdb::schema::BaseType;
use ovsdb::tool::tabular::{Cell, Tabular};
use ovsdb::{ColumnType, Database, DatabaseSchema, Datum, TableSchema};

use super::output::{OutputArgs, write};
use super::source::{Target, database_name, read_file};

#[derive(clap::Args)]
pub(super) struct Dump {
    /// A database file or a server.
    target: Target,
    /// The database, where the server has several.
    #[arg(long, value_name = "NAME")]
    db: Option<String>,
    /// The table; without it all.
    table: Option<String>,
    /// The columns; without them all but _version.
    columns: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn dump(args: &Dump) -> anyhow::Result<()> {
    let (db, table) = (args.db.as_deref(), args.table.as_deref());
    let database = args.target.read_tables(db, table).await?;
    let schema = database.schema();
    let mut names: Vec<&str> = match &args.table {
        Some(name) if schema.table(name).is_none() => {
            bail!("{}: no table named {name}", schema.name)
        }
        Some(name) => vec![name],
        None => schema.tables().iter().map(|t| t.name.as_str()).collect(),
    };
    names.sort_unstable();
    let tables: Vec<Tabular> = names
        .into_iter()
        .filter_map(|name| schema.table_index(name))
        .map(|at| tabular(&database, at, &args.columns))
        .collect::<anyhow::Result<_>>()?;
    write(&args.output.print(&tables))
}

/// The rows of the table at a position, sorted by what is shown.
fn tabular(database: &Database, at: usize, wanted: &[String]) -> anyhow::Result<Tabular> {
    let table = &database.schema().tables()[at];
    let columns = chosen(table, wanted)?;
    let mut rows: Vec<(Vec<Datum>, ovsdb::Uuid)> = database
        .rows(at)
        .map(|(uuid, row)| {
            let shown = columns.iter();
            let shown = shown.map(|at| at.map_or_else(|| Datum::one(*uuid), |at| row[at].clone()));
            (shown.collect(), *uuid)
        })
        .collect();
    let by_value = |row: &(Vec<Datum>, _)| {
        let values = row.0.iter().zip(&columns);
        let values = values.filter(|(_, at)| at.is_some());
        values.map(|(datum, _)| datum.clone()).collect::<Vec<_>>()
    };
    rows.sort_by_cached_key(|row| (by_value(row), row.1));
    let column_type = |at: Option<usize>| match at {
        Some(at) => table.columns()[at].column_type.clone(),
        None => ColumnType::scalar(BaseType::uuid()),
    };
    let title = |at: &Option<usize>| at.map_or("_uuid", |at| table.columns()[at].name.as_str());
    let cells = |row: Vec<Datum>| {
        let cells = row.into_iter().zip(&columns);
        cells
            .map(|(datum, at)| Cell::Value(datum, column_type(*at)))
            .collect()
    };
    Ok(Tabular {
        caption: Some(format!("{} table", table.name)),
        headings: columns.iter().map(|at| title(at).to_owned()).collect(),
        rows: rows.into_iter().map(|(row, _)| cells(row)).collect(),
    })
}

/// The positions of columns; none stands for `_uuid`.
fn chosen(table: &TableSchema, wanted: &[String]) -> anyhow::Result<Vec<Option<usize>>> {
    if wanted.is_empty() {
        let mut columns: Vec<usize> = (0..table.columns().len()).collect();
        columns.sort_by_key(|at| &table.columns()[*at].name);
        return Ok(std::iter::once(None)
            .chain(columns.into_iter().map(Some))
            .collect());
    }
    let find = |name: &String| match table.column_index(name) {
        _ if name == "_uuid" => Ok(None),
        Some(at) => Ok(Some(at)),
        None => bail!("table {} has no column {name}", table.name),
    };
    let mut columns: Vec<_> = wanted.iter().map(find).collect::<anyhow::Result<_>>()?;
    let title = |at: &Option<usize>| at.map(|at| &table.columns()[at].name);
    columns.sort_by_key(title);
    let before = columns.len();
    columns.dedup();
    ensure!(columns.len() == before, "a column is named twice");
    Ok(columns)
}

#[derive(clap::Args)]
pub(super) struct ListDbs {
    /// A server, or a database file.
    target: Target,
}

pub(super) async fn list_dbs(args: &ListDbs) -> anyhow::Result<()> {
    let mut names = match &args.target {
        Target::Server(server) => server.connect().await?.databases().await?,
        Target::File(path) => vec![read_file(path, None)?.schema().name.to_string()],
    };
    names.sort_unstable();
    write(
        &names
            .into_iter()
            .map(|name| name + "\n")
            .collect::<String>(),
    )
}

#[derive(clap::Args)]
pub(super) struct Schema {
    /// A database file or a server.
    target: Target,
    /// The database, where the server has several.
    #[arg(long, value_name = "NAME")]
    db: Option<String>,
    #[command(flatten)]
    part: Part,
    #[command(flatten)]
    output: OutputArgs,
}

/// What is printed of it: by default all, in JSON.
#[derive(clap::Args)]
#[group(multiple = false)]
struct Part {
    /// Just the name of the database.
    #[arg(long)]
    name: bool,
    /// Just the version.
    #[arg(long)]
    version: bool,
    /// Just the checksum.
    #[arg(long)]
    cksum: bool,
    /// The tables.
    #[arg(long)]
    tables: bool,
    /// The columns and their types.
    #[arg(long)]
    columns: bool,
}

pub(super) async fn schema(args: &Schema) -> anyhow::Result<()> {
    let schema = match &args.target {
        Target::Server(server) => {
            let mut rpc = server.connect().await?;
            let name = database_name(&mut rpc, args.db.as_deref()).await?;
            rpc.schema(&name).await?
        }
        Target::File(path) => (**read_file(path, args.db.as_deref())?.schema()).clone(),
    };
    let part = &args.part;
    let text = match () {
        () if part.name => format!("{}\n", schema.name),
        () if part.version => format!("{}\n", schema.version),
        () if part.cksum => format!("{}\n", schema.cksum.as_deref().unwrap_or_default()),
        () if part.tables => args.output.print(&[tables(&schema)]),
        () if part.columns => args.output.print(&[columns(&schema)?]),
        () => format!("{}\n", schema.to_json_text()),
    };
    write(&text)
}

fn tables(schema: &DatabaseSchema) -> Tabular {
    let mut names: Vec<&str> = schema.tables().iter().map(|t| t.name.as_str()).collect();
    names.sort_unstable();
    let rows = names
        .into_iter()
        .map(|name| vec![Cell::Text(name.to_owned())]);
    Tabular {
        caption: None,
        headings: vec!["Table".to_owned()],
        rows: rows.collect(),
    }
}

fn columns(schema: &DatabaseSchema) -> anyhow::Result<Tabular> {
    // The types are taken from the JSON form, which is the one that people know.
    let json: serde_json::Value = serde_json::from_str(&schema.to_json_text())?;
    let mut rows = Vec::new();
    for table in schema.tables() {
        let uuid = ["_uuid", "_version"].map(|name| (name, serde_json::json!("uuid")));
        let columns = table.columns().iter().map(|column| {
            let name = column.name.as_str();
            (
                name,
                json["tables"][table.name.as_str()]["columns"][name]["type"].clone(),
            )
        });
        for (name, column_type) in uuid.into_iter().chain(columns) {
            let names = [table.name.as_str(), name].map(|name| Cell::Text(name.to_owned()));
            rows.push(names.into_iter().chain([Cell::Json(column_type)]).collect());
        }
    }
    Ok(Tabular {
        caption: None,
        headings: ["Table", "Column", "Type"].map(str::to_owned).to_vec(),
        rows,
    })
}
