//! How results are printed.

use std::io::Write;

use ovsdb::tool::tabular::{Format, Layout, Tabular};
use ovsdb::tool::text::Style;

/// Flags of commands that print tables.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct OutputArgs {
    /// How tables are laid out.
    #[arg(short, long, value_enum, default_value = "table")]
    format: FormatArg,
    /// How values are written; json has them as the protocol has.
    #[arg(long, value_enum, default_value = "string")]
    data: StyleArg,
    /// Leave the headings of columns out.
    #[arg(long)]
    no_headings: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FormatArg {
    Table,
    List,
    Csv,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum StyleArg {
    String,
    Bare,
    Json,
}

impl OutputArgs {
    /// The tables as text, with a blank line between two of them where people read it.
    pub(super) fn print(&self, tables: &[Tabular]) -> String {
        let layout = self.layout();
        let texts: Vec<String> = tables.iter().map(|table| table.print(layout)).collect();
        texts.join(if layout.format == Format::Json {
            ""
        } else {
            "\n"
        })
    }

    fn layout(&self) -> Layout {
        Layout {
            format: match self.format {
                FormatArg::Table => Format::Table,
                FormatArg::List => Format::List,
                FormatArg::Csv => Format::Csv,
                FormatArg::Json => Format::Json,
            },
            style: match self.data {
                StyleArg::String => Style::String,
                StyleArg::Bare => Style::Bare,
                StyleArg::Json => Style::Json,
            },
            headings: !self.no_headings,
        }
    }
}

/// Prints, at once also into a pipe.
pub(super) fn write(text: &str) -> anyhow::Result<()> {
    write_bytes(text.as_bytes())
}

pub(super) fn write_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes)?;
    Ok(stdout.flush()?)
}

/// Tells something that is not the result.
pub(super) fn note(text: &str) {
    // Nobody is left to tell when the standard error is closed.
    let _ = writeln!(std::io::stderr(), "heddle: {text}");
}
