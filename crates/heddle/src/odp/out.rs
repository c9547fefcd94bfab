//! What is printed: lines of text, or of JSON.

use std::io::{self, BufWriter, Stdout, Write};

use serde_json::Value;

/// The standard output.
pub(super) struct Out {
    out: BufWriter<Stdout>,
    json: bool,
}

impl Out {
    pub(super) fn new(json: bool) -> Self {
        Self {
            out: BufWriter::new(io::stdout()),
            json,
        }
    }

    /// A line: text, or its JSON.
    pub(super) fn line(
        &mut self,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> anyhow::Result<()> {
        match self.json {
            true => writeln!(self.out, "{}", json())?,
            false => writeln!(self.out, "{}", text())?,
        }
        Ok(())
    }

    /// What was made, which only programs want to know.
    pub(super) fn quiet(&mut self, json: impl FnOnce() -> Value) -> anyhow::Result<()> {
        match self.json {
            true => self.line(String::new, json),
            false => Ok(()),
        }
    }

    /// A line that whoever watches sees at once.
    pub(super) fn now(
        &mut self,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> anyhow::Result<()> {
        self.line(text, json)?;
        self.flush()
    }

    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        Ok(self.out.flush()?)
    }
}
