//! The records of a database file as text, like `ovsdb-tool show-log`.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::text::{self, Style};
use crate::log::file::read_file;
use crate::log::{LogError, format};
use crate::{Database, DatabaseSchema, Datum, Uuid, json};

/// How much is told of each record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Detail {
    /// When, and the comment.
    #[default]
    Records,
    /// Which rows.
    Rows,
    /// Which columns.
    Columns,
}

/// Prints the records of the file at `path`, which may be in use.
///
/// # Errors
/// When it cannot be read or does not begin with a schema. A damaged record ends the text with a line that
/// says so.
pub fn show(path: &Path, detail: Detail) -> Result<String, LogError> {
    let bytes = read_file(path)?;
    let refuse = |reason: String| LogError::NotADatabase {
        path: path.to_owned(),
        reason,
    };
    if let Some(reason) = format::foreign(&bytes) {
        return Err(refuse(reason.into()));
    }
    let first = format::read(&bytes).map_err(|damage| refuse(damage.to_string()))?;
    let (data, mut at) = first.ok_or_else(|| refuse("it is empty".into()))?;
    let schema = DatabaseSchema::from_json_text(&String::from_utf8_lossy(data));
    let schema = Arc::new(schema.map_err(|error| LogError::Schema {
        path: path.to_owned(),
        error,
    })?);
    let cksum = schema.cksum.as_ref();
    let cksum = cksum.map(|cksum| format!(", cksum=\"{cksum}\""));
    let mut out = format!(
        "record 0: \"{}\" schema, version=\"{}\"{}\n\n",
        schema.name,
        schema.version,
        cksum.unwrap_or_default()
    );
    let mut database = Database::new(schema);
    for number in 1.. {
        match format::read_record(&bytes.slice(at..)) {
            Ok(None) => break,
            Ok(Some((record, length))) => {
                entry(&mut out, number, record.data(), &database, detail);
                if let Err(error) = database.replay(&record) {
                    let _ = writeln!(out, "record {number}: does not fit: {error}");
                    break;
                }
                at += length;
            }
            Err(damage) => {
                let _ = writeln!(out, "record {number}: at byte {at}: {damage}");
                break;
            }
        }
    }
    Ok(out)
}

fn entry(out: &mut String, number: u32, data: &[u8], before: &Database, detail: Detail) {
    let record: Value = serde_json::from_slice(data).unwrap_or_default();
    let _ = write!(out, "record {number}:");
    if let Some(date) = record["_date"].as_i64() {
        let _ = write!(out, " {}", date_text(date));
    }
    if let Some(comment) = record["_comment"].as_str() {
        let _ = write!(out, " \"{}\"", comment.replace('\n', "\\n"));
    }
    out.push('\n');
    if detail == Detail::Records {
        return;
    }
    let is_diff = record["_is_diff"] == Value::Bool(true);
    for (index, table) in before.schema().tables().iter().enumerate() {
        let rows = record[table.name.as_str()].as_object();
        for (uuid, columns) in rows.into_iter().flatten() {
            let parsed = json::parse_uuid(uuid).unwrap_or_default();
            let old = before.row(index, parsed);
            let short: String = uuid.chars().take(8).collect();
            let name = name_of(before, index, parsed, columns);
            let row = match name {
                Some(name) => format!("{name} ({short})"),
                None => short,
            };
            let _ = write!(out, "  table {}", table.name);
            let end = match (columns, old) {
                (Value::Null, _) => " delete",
                (_, None) => " insert",
                _ => "",
            };
            let _ = write!(out, "{end} row {row}");
            let _ = match (columns, old, is_diff) {
                (Value::Null, ..) => writeln!(out),
                (_, Some(_), true) => writeln!(out, " diff:"),
                _ => writeln!(out, ":"),
            };
            if detail == Detail::Columns {
                values(out, before, index, columns);
            }
        }
    }
    out.push('\n');
}

fn values(out: &mut String, before: &Database, index: usize, columns: &Value) {
    let table = &before.schema().tables()[index];
    for (name, value) in columns.as_object().into_iter().flatten() {
        let text = table.column(name).and_then(|column| {
            let datum = Datum::diff_from_json(&column.column_type, value).ok()?;
            Some(text::datum(&datum, &column.column_type, Style::String))
        });
        let _ = writeln!(
            out,
            "    {name}={}",
            text.unwrap_or_else(|| value.to_string())
        );
    }
}

/// The `name` of a row, where its table has such a column.
fn name_of(before: &Database, index: usize, uuid: Uuid, columns: &Value) -> Option<String> {
    let table = &before.schema().tables()[index];
    let at = table.column_index("name")?;
    let column = &table.columns()[at].column_type;
    let old = before.row(index, uuid).map(|row| row[at].clone());
    let name = old.or_else(|| Datum::diff_from_json(column, &columns["name"]).ok())?;
    Some(text::datum(&name, column, Style::Json))
}

/// `YEAR-MONTH-DAY HOUR:MINUTE:SECOND.MILLISECOND` in UTC.
fn date_text(milliseconds: i64) -> String {
    // Old files have seconds, which would be a day in January 1970.
    let milliseconds = if milliseconds < 1 << 32 {
        milliseconds.saturating_mul(1000)
    } else {
        milliseconds
    };
    let (seconds, milliseconds) = (milliseconds.div_euclid(1000), milliseconds.rem_euclid(1000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{milliseconds:03}")
}

/// The date of a day counted from 1970-01-01, in the Gregorian calendar: eras of 400 years that begin in
/// March, so that the leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(date_text(1_795_238_188_847), "2026-11-21 05:16:28.847");
        assert_eq!(date_text(951_782_400_000), "2000-02-29 00:00:00.000");
        assert_eq!(date_text(1_000_000_000), "2001-09-09 01:46:40.000");
    }
}
