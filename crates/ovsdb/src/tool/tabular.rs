//! Tables of values in the formats of `ovsdb-client(1)`, option `--format`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::text::{self, Style};
use crate::{ColumnType, Datum};

/// How a table is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Columns beside each other.
    #[default]
    Table,
    /// A line for each value, a blank line between rows.
    List,
    /// RFC 4180.
    Csv,
    /// One JSON object on one line.
    Json,
}

/// What is in one place of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Text as it is.
    Text(String),
    /// A value of a column of this type.
    Value(Datum, ColumnType),
    /// JSON.
    Json(Value),
}

impl Cell {
    fn text(&self, style: Style) -> String {
        match (self, style) {
            (Self::Text(text), Style::Json) => json!(text).to_string(),
            (Self::Text(text), _) => text.clone(),
            (Self::Value(datum, column), _) => text::datum(datum, column, style),
            (Self::Json(value), _) => value.to_string(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Value(datum, _) => json!(datum),
            Self::Json(value) => value.clone(),
        }
    }
}

/// A table to print.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tabular {
    /// What stands above it.
    pub caption: Option<String>,
    /// What stands above each column.
    pub headings: Vec<String>,
    /// Rows of as many cells as there are headings.
    pub rows: Vec<Vec<Cell>>,
}

/// How tables are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// How the table is laid out.
    pub format: Format,
    /// How values are written.
    pub style: Style,
    /// Whether there are headings.
    pub headings: bool,
}

impl Tabular {
    /// The text, which ends with a line feed unless it is empty.
    pub fn print(&self, layout: Layout) -> String {
        let Layout {
            format,
            style,
            headings,
        } = layout;
        if format == Format::Json {
            return format!("{}\n", self.json());
        }
        let mut out = String::new();
        if let Some(caption) = &self.caption {
            let _ = writeln!(out, "{caption}");
        }
        let rows: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(|cell| cell.text(style)).collect())
            .collect();
        match format {
            Format::Table => columns(&mut out, &self.headings, &rows, headings),
            Format::List => list(&mut out, &self.headings, &rows, headings),
            Format::Csv => {
                for row in headings.then_some(&self.headings).into_iter().chain(&rows) {
                    let fields: Vec<String> = row.iter().map(|field| csv(field)).collect();
                    let _ = writeln!(out, "{}", fields.join(","));
                }
            }
            Format::Json => {}
        }
        out
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter();
        let data: Vec<Vec<Value>> = rows
            .map(|row| row.iter().map(Cell::json).collect())
            .collect();
        let mut out = json!({"headings": self.headings, "data": data});
        if let Some(caption) = &self.caption {
            out["caption"] = json!(caption);
        }
        out
    }
}

fn columns(out: &mut String, titles: &[String], rows: &[Vec<String>], headings: bool) {
    let rule = titles.iter().enumerate().map(|(at, title)| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        let width = |text: &String| text.chars().count();
        let least = if headings { width(title) } else { 0 };
        "-".repeat(cells.map(width).max().unwrap_or(0).max(least))
    });
    let rule: Vec<String> = rule.collect();
    let above = headings.then_some([titles, &rule]).into_iter().flatten();
    for row in above.chain(rows.iter().map(Vec::as_slice)) {
        let cells = row.iter().zip(&rule);
        let line = cells.fold(String::new(), |mut line, (cell, rule)| {
            let _ = write!(line, "{cell:width$} ", width = rule.len());
            line
        });
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

fn list(out: &mut String, titles: &[String], rows: &[Vec<String>], headings: bool) {
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        for (title, cell) in titles.iter().zip(row) {
            let _ = if headings {
                writeln!(out, "{title:<20}: {cell}")
            } else {
                writeln!(out, "{cell}")
            };
        }
    }
}

fn csv(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
