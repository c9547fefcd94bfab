//! What is wrong with a request: problems with the paths of their fields, as they are collected.

use std::fmt::{self, Display};

/// A field, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field's path: `vnics[1].addresses.ipv4[0].masklen`.
    pub path: String,
    /// What is wrong with it and what would be right.
    pub message: String,
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Everything that is wrong with one request, at most [`Problems::MOST`] of it. Its text has a line for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// How many problems are told at once.
    pub const MOST: usize = 100;

    /// What is wrong with one field.
    #[must_use]
    pub fn one(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self(vec![Problem {
            path: path.into(),
            message: message.into(),
        }])
    }

    /// One after the other, in the order of the fields; there is at least one.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if n == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Where a field is.
#[derive(Clone)]
pub(crate) struct Path(String);

impl Path {
    pub(crate) const fn root() -> Self {
        Self(String::new())
    }

    pub(crate) fn field(&self, name: impl Display) -> Self {
        let dot = if self.0.is_empty() { "" } else { "." };
        Self(format!("{}{dot}{name}", self.0))
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was found so far.
#[derive(Default)]
pub(crate) struct Findings(Vec<Problem>);

impl Findings {
    pub(crate) fn add(&mut self, path: &Path, message: impl Display) {
        if self.0.len() < Problems::MOST {
            self.0.push(Problem {
                path: path.to_string(),
                message: message.to_string(),
            });
        }
    }

    pub(crate) fn finish(self) -> Result<(), Problems> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(Problems(self.0)),
        }
    }

    pub(crate) fn at_most(&mut self, path: &Path, count: usize, most: usize) {
        if count > most {
            self.add(path, format_args!("{count} entries are more than {most}"));
        }
    }

    pub(crate) fn in_range(&mut self, path: &Path, value: u64, first: u64, last: u64) {
        if !(first..=last).contains(&value) {
            self.add(path, format_args!("{value} is not in {first}..={last}"));
        }
    }

    pub(crate) fn length(&mut self, path: &Path, text: &str, least: usize, most: usize) {
        if !(least..=most).contains(&text.len()) {
            let length = text.len();
            self.add(
                path,
                format_args!("{length} bytes are not in {least}..={most}"),
            );
        }
    }
}
