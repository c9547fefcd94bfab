//! Commands on any table (`ovs-vsctl(8)`, "Database Commands").

use anyhow::{Context as _, bail, ensure};
use ovsdb::schema::BaseType;
use ovsdb::tool::tabular::{Cell, Tabular};
use ovsdb::tool::text::{self, Style};
use ovsdb::{Atom, ColumnType, Datum};

use super::command::{Call, Context};
use super::find;
use super::value;
use super::world::Id;

/// `COLUMN[:KEY]` with what comes behind it.
struct Argument<'a> {
    column: usize,
    key: Option<String>,
    rest: &'a str,
}

impl<'a> Argument<'a> {
    fn parse(context: &Context, table: usize, text: &'a str) -> anyhow::Result<Self> {
        let mut rest = text;
        let name = value::word(&mut rest)?;
        ensure!(!name.is_empty(), "{text}: missing column name");
        let column = find::column(context.world.table(table), &name)?;
        let mut key = None;
        if let Some(behind) = rest.strip_prefix(':') {
            rest = behind;
            key = Some(value::word(&mut rest)?);
        }
        Ok(Self { column, key, rest })
    }

    /// What is behind the longest operator of `allowed` that the rest begins with.
    fn operator(
        &self,
        text: &str,
        allowed: &[&'static str],
    ) -> anyhow::Result<(&'static str, &'a str)> {
        let fits = allowed.iter().filter_map(|operator| {
            let value = self.rest.strip_prefix(operator)?;
            (!value.is_empty()).then_some((*operator, value))
        });
        fits.max_by_key(|(operator, _)| operator.len())
            .with_context(|| {
                let allowed: Vec<String> = allowed.iter().map(|o| format!("\"{o}\"")).collect();
                format!(
                    "{text}: argument does not end in {} followed by a value.",
                    allowed.join(" or ")
                )
            })
    }
}

/// The type of a column.
fn column_type(context: &Context, id: Id, column: usize) -> ColumnType {
    let table = context.world.table(id.table);
    table.columns()[column].column_type.clone()
}

fn is_map(context: &Context, id: Id, column: usize, what: &str) -> anyhow::Result<()> {
    let schema = &context.world.table(id.table).columns()[column];
    ensure!(
        schema.column_type.is_map(),
        "cannot specify key to {what} for non-map column {}",
        schema.name
    );
    Ok(())
}

fn is_mutable(context: &Context, id: Id, column: usize) -> anyhow::Result<()> {
    let table = context.world.table(id.table);
    let schema = &table.columns()[column];
    ensure!(
        context.world.is_mutable(id, schema),
        "cannot modify read-only column {} in table {}",
        schema.name,
        table.name
    );
    Ok(())
}

/// Does what `COLUMN[:KEY]=VALUE` says to a row.
pub(super) fn set_column(context: &mut Context, id: Id, text: &str) -> anyhow::Result<()> {
    let argument = Argument::parse(context, id.table, text)?;
    let (_, written) = argument.operator(text, &["="])?;
    let column = argument.column;
    is_mutable(context, id, column)?;
    let kind = column_type(context, id, column);
    let new = match (&argument.key, &kind.value) {
        (None, _) => value::datum(&kind, written, &mut context.symbols)?,
        (Some(_), None) => return is_map(context, id, column, "set"),
        (Some(key), Some(value)) => {
            let key = value::atom(&kind.key, key, &mut context.symbols)?;
            let value = value::atom(value, written, &mut context.symbols)?;
            context.world.verify_at(id, column);
            Datum::map([(key, value)]).union(context.world.value(id, column))
        }
    };
    context.world.set_at(id, column, new);
    Ok(())
}

/// The table and the row that a command is about; no row if there is none and `--if-exists` allows that.
fn record(context: &mut Context, call: &Call) -> anyhow::Result<(usize, Option<Id>)> {
    let table = find::table(context.world.schema(), call.arg(0))?;
    let id = if call.has("--if-exists") {
        find::row(&mut context.world, table, call.arg(1))?
    } else {
        Some(find::existing(&mut context.world, table, call.arg(1))?)
    };
    Ok((table, id))
}

pub(super) fn get(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let name = call.value("--id");
    ensure!(
        name.is_none() || !call.has("--if-exists"),
        "--if-exists and --id may not be specified together"
    );
    let (_, Some(id)) = record(context, call)? else {
        return Ok(());
    };
    if let Some(name) = name {
        let (symbol, used) = context.symbols.create(name)?;
        ensure!(
            !used,
            "row id \"{name}\" specified on \"get\" command was used before it was defined"
        );
        symbol.uuid = id.uuid;
        symbol.kept = true;
    }
    for text in &call.args[2..] {
        if text.eq_ignore_ascii_case("_uuid") || text.eq_ignore_ascii_case("-uuid") {
            context.say(id.uuid.to_string());
        } else {
            get_column(context, call, id, text)?;
        }
    }
    Ok(())
}

fn get_column(context: &mut Context, call: &Call, id: Id, text: &str) -> anyhow::Result<()> {
    let argument = Argument::parse(context, id.table, text)?;
    ensure!(
        argument.rest.is_empty(),
        "{text}: trailing garbage \"{}\" in argument",
        argument.rest
    );
    let column = argument.column;
    context.world.verify_at(id, column);
    let kind = column_type(context, id, column);
    let Some(key) = &argument.key else {
        let shown = text::datum(context.world.value(id, column), &kind, Style::String);
        context.say(shown);
        return Ok(());
    };
    is_map(context, id, column, "get")?;
    let atom = value::atom(&kind.key, key, &mut context.symbols)?;
    let shown = match context.world.value(id, column).get(&atom) {
        Some(value) => text::atom(value, Style::String),
        None if call.has("--if-exists") => String::new(),
        None => {
            let table = context.world.table(id.table);
            bail!(
                "no key \"{key}\" in {} record \"{}\" column {}",
                table.name,
                call.arg(1),
                table.columns()[column].name
            )
        }
    };
    context.say(shown);
    Ok(())
}

/// The columns that are asked for; none stands for `_uuid`.
fn columns(context: &Context, table: usize, call: &Call) -> anyhow::Result<Vec<Option<usize>>> {
    let table = context.world.table(table);
    let Some(names) = call.value("--columns") else {
        let mut all: Vec<usize> = (0..table.columns().len()).collect();
        all.sort_by_key(|at| &table.columns()[*at].name);
        return Ok([None]
            .into_iter()
            .chain(all.into_iter().map(Some))
            .collect());
    };
    let names = names.split([',', ' ']).filter(|name| !name.is_empty());
    let found = names.map(|name| match name.eq_ignore_ascii_case("_uuid") {
        true => Ok(None),
        false => find::column(table, name).map(Some),
    });
    let found: Vec<Option<usize>> = found.collect::<anyhow::Result<_>>()?;
    ensure!(!found.is_empty(), "must specify at least one column name");
    Ok(found)
}

fn print(context: &mut Context, table: usize, columns: &[Option<usize>], rows: &[Id]) {
    let schema = context.world.table(table);
    let title = |at: &Option<usize>| at.map_or("_uuid", |at| schema.columns()[at].name.as_str());
    let cell = |id: &Id, at: Option<usize>| match at {
        None => Cell::Value(Datum::one(id.uuid), ColumnType::scalar(BaseType::uuid())),
        Some(at) => Cell::Value(
            context.world.value(*id, at).clone(),
            schema.columns()[at].column_type.clone(),
        ),
    };
    let row = |id: &Id| columns.iter().map(|at| cell(id, *at)).collect();
    let printed = Tabular {
        caption: None,
        headings: columns.iter().map(|at| title(at).to_owned()).collect(),
        rows: rows.iter().map(row).collect(),
    };
    context.table = Some(printed);
}

pub(super) fn list(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let table = find::table(context.world.schema(), call.arg(0))?;
    let columns = columns(context, table, call)?;
    let mut rows: Vec<Id> = Vec::new();
    if call.args.len() == 1 {
        rows.extend(context.world.rows(table));
    }
    for written in &call.args[1..] {
        if call.has("--if-exists") {
            rows.extend(find::row(&mut context.world, table, written)?);
        } else {
            rows.push(find::existing(&mut context.world, table, written)?);
        }
    }
    print(context, table, &columns, &rows);
    Ok(())
}

pub(super) fn find(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let table = find::table(context.world.schema(), call.arg(0))?;
    let columns = columns(context, table, call)?;
    let mut rows = Vec::new();
    let all: Vec<Id> = context.world.rows(table).collect();
    for id in all {
        if holds(context, id, &call.args[1..])? {
            rows.push(id);
        }
    }
    print(context, table, &columns, &rows);
    Ok(())
}

const OPERATORS: &[&str] = &[
    "=", "!=", "<", ">", "<=", ">=", "{=}", "{!=}", "{<}", "{>}", "{<=}", "{>=}", "{in}",
    "{not-in}",
];

/// Whether all conditions hold for a row.
fn holds(context: &mut Context, id: Id, conditions: &[String]) -> anyhow::Result<bool> {
    for text in conditions {
        if !holds_one(context, id, text)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn holds_one(context: &mut Context, id: Id, text: &str) -> anyhow::Result<bool> {
    let argument = Argument::parse(context, id.table, text)?;
    let (operator, written) = argument.operator(text, OPERATORS)?;
    let column = argument.column;
    let kind = column_type(context, id, column);
    let (Some(key), Some(value_type)) = (&argument.key, &kind.value) else {
        if argument.key.is_some() {
            is_map(context, id, column, "check")?;
        }
        let wanted = value::datum(&kind, written, &mut context.symbols)?;
        return Ok(compare(context.world.value(id, column), &wanted, operator));
    };
    let key = value::atom(&kind.key, key, &mut context.symbols)?;
    let of_value = ColumnType::set(value_type.clone()).with_bounds(kind.min, ColumnType::UNLIMITED);
    let wanted = value::datum(&of_value, written, &mut context.symbols)?;
    let found = context.world.value(id, column).get(&key).cloned();
    if found.is_none() && !operator.starts_with('{') {
        return Ok(false);
    }
    let found = found.map_or(Datum::EMPTY_SET, Datum::one);
    Ok(compare(&found, &wanted, operator))
}

/// The order of datums: first by how many elements, then element by element, as the database library has it.
fn compare(a: &Datum, b: &Datum, operator: &str) -> bool {
    let order = || {
        a.len()
            .cmp(&b.len())
            .then_with(|| a.atoms().cmp(b.atoms()))
            .then_with(|| keys(a).cmp(keys(b)))
            .then_with(|| a.pairs().cmp(b.pairs()))
    };
    match operator {
        "=" | "{=}" => a == b,
        "!=" | "{!=}" => a != b,
        "<" => order().is_lt(),
        ">" => order().is_gt(),
        "<=" => order().is_le(),
        ">=" => order().is_ge(),
        "{<}" => b.len() > a.len() && b.includes(a),
        "{>}" => a.len() > b.len() && a.includes(b),
        "{<=}" | "{in}" => b.includes(a),
        "{>=}" => a.includes(b),
        _ => b.excludes(a),
    }
}

fn keys(datum: &Datum) -> impl Iterator<Item = &Atom> {
    datum.pairs().iter().map(|(key, _)| key)
}

pub(super) fn set(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let (_, Some(id)) = record(context, call)? else {
        return Ok(());
    };
    for text in &call.args[2..] {
        set_column(context, id, text)?;
    }
    context.invalidate();
    Ok(())
}

/// The row, the column and its type, for commands whose third argument is a column.
fn field(context: &mut Context, call: &Call) -> anyhow::Result<Option<(Id, usize, ColumnType)>> {
    let table = find::table(context.world.schema(), call.arg(0))?;
    let column = find::column(context.world.table(table), call.arg(2))?;
    let (_, Some(id)) = record(context, call)? else {
        return Ok(None);
    };
    is_mutable(context, id, column)?;
    context.world.verify_at(id, column);
    Ok(Some((id, column, column_type(context, id, column))))
}

/// Says how many values a column would have.
fn count(kind: &ColumnType, value: &Datum) -> String {
    let what = if kind.is_map() { "pairs" } else { "values" };
    format!("{} {what}", value.len())
}

pub(super) fn add(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let Some((id, column, kind)) = field(context, call)? else {
        return Ok(());
    };
    let any = kind.clone().with_bounds(1, ColumnType::UNLIMITED);
    let mut value = context.world.value(id, column).clone();
    for text in &call.args[3..] {
        // Of two pairs with one key the one that is added stays.
        value = value::datum(&any, text, &mut context.symbols)?.union(&value);
    }
    let table = context.world.table(id.table);
    ensure!(
        value.len() <= kind.max as usize,
        "\"add\" operation would put {} in column {} of table {} but the maximum number is {}",
        count(&kind, &value),
        table.columns()[column].name,
        table.name,
        kind.max
    );
    context.world.set_at(id, column, value);
    context.invalidate();
    Ok(())
}

pub(super) fn remove(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let Some((id, column, kind)) = field(context, call)? else {
        return Ok(());
    };
    let any = kind.clone().with_bounds(1, ColumnType::UNLIMITED);
    let keys = ColumnType {
        value: None,
        ..any.clone()
    };
    let mut value = context.world.value(id, column).clone();
    for text in &call.args[3..] {
        let gone = match value::datum(&any, text, &mut context.symbols) {
            Err(_) if kind.is_map() => value::datum(&keys, text, &mut context.symbols)?,
            gone => gone?,
        };
        value = value.without(&gone);
    }
    let table = context.world.table(id.table);
    ensure!(
        value.len() >= kind.min as usize,
        "\"remove\" operation would put {} in column {} of table {} but the minimum number is {}",
        count(&kind, &value),
        table.columns()[column].name,
        table.name,
        kind.min
    );
    context.world.set_at(id, column, value);
    context.invalidate();
    Ok(())
}

pub(super) fn clear(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let (table, Some(id)) = record(context, call)? else {
        return Ok(());
    };
    for name in &call.args[2..] {
        let column = find::column(context.world.table(table), name)?;
        is_mutable(context, id, column)?;
        let kind = column_type(context, id, column);
        let schema = context.world.table(table);
        ensure!(
            kind.min == 0,
            "\"clear\" operation cannot be applied to column {} of table {}, which is not allowed \
             to be empty",
            schema.columns()[column].name,
            schema.name
        );
        context.world.set_at(id, column, Datum::default_of(&kind));
    }
    context.invalidate();
    Ok(())
}

pub(super) fn create(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let table = find::table(context.world.schema(), call.arg(0))?;
    let is_root = context.world.schema().is_root(table);
    let id = match call.value("--id") {
        None => {
            if !is_root {
                context.notes.push(format!(
                    "applying \"create\" command to table {} without --id option will have no effect",
                    context.world.table(table).name
                ));
            }
            context.world.insert(table, ovsdb::Uuid::new_v4())
        }
        Some(name) => match ovsdb::json::parse_uuid(name) {
            Some(uuid) => context.world.insert_as(table, uuid),
            None => {
                let (symbol, _) = context.symbols.create(name)?;
                symbol.kept |= is_root;
                let uuid = symbol.uuid;
                context.world.insert(table, uuid)
            }
        },
    };
    for text in &call.args[1..] {
        set_column(context, id, text)?;
    }
    context.invalidate();
    context.say(id.uuid.to_string());
    Ok(())
}

pub(super) fn destroy(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let table = find::table(context.world.schema(), call.arg(0))?;
    let (all, records) = (call.has("--all"), &call.args[1..]);
    ensure!(
        !all || records.is_empty(),
        "--all and records argument should not be specified together"
    );
    ensure!(
        !all || !call.has("--if-exists"),
        "--all and --if-exists should not be specified together"
    );
    if !all && records.is_empty() {
        let note = "either --all or records argument should be specified";
        context.notes.push(note.to_owned());
    }
    let mut rows: Vec<Id> = Vec::new();
    if all {
        rows.extend(context.world.rows(table));
    }
    for written in records {
        if call.has("--if-exists") {
            rows.extend(find::row(&mut context.world, table, written)?);
        } else {
            rows.push(find::existing(&mut context.world, table, written)?);
        }
    }
    rows.into_iter().for_each(|id| context.world.delete(id));
    context.invalidate();
    Ok(())
}

pub(super) fn wait_until(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let table = find::table(context.world.schema(), call.arg(0))?;
    let row = find::row(&mut context.world, table, call.arg(1))?;
    context.again = match row {
        None => true,
        Some(id) => !holds(context, id, &call.args[2..])?,
    };
    Ok(())
}
