//! Reading of YAML nodes with positions, and the problems that are found on the way.
//!
//! Invariant: reading goes on behind a problem, so that all problems of a document are reported at once.

use std::fmt;
use std::str::FromStr;

use marked_yaml::Node;
use marked_yaml::types::{MarkedMappingNode, MarkedScalarNode, Span};
use ovsdb::Str;

/// A place in the text, counted from one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl Position {
    pub(crate) fn of(span: &Span) -> Self {
        let start = span.start();
        start.map_or_else(Self::default, |m| Self {
            line: m.line(),
            column: m.column(),
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value and where it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it begins.
    pub at: Position,
}

/// Something that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{at}: {object}: {what}; {remedy}")]
pub struct Problem {
    /// Where.
    pub at: Position,
    /// The object concerned, for example `port web1`.
    pub object: String,
    /// What is wrong with it.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// The problems found so far.
#[derive(Debug, Default)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl Problems {
    pub(crate) fn add(
        &mut self,
        at: Position,
        object: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (object, what, remedy) = (object.into(), what.into(), remedy.into());
        self.0.push(Problem {
            at,
            object,
            what,
            remedy,
        });
    }
}

/// The keys of one mapping, taken one after the other; what is left in the end is unknown.
pub(crate) struct Fields<'a, 'p> {
    /// What the mapping describes, for example `port web1`.
    pub(crate) object: String,
    pub(crate) at: Position,
    mapping: Option<&'a MarkedMappingNode>,
    known: Vec<&'static str>,
    pub(crate) problems: &'p mut Problems,
}

impl<'a, 'p> Fields<'a, 'p> {
    /// The fields of `node`, which must be a mapping.
    pub(crate) fn of(
        node: &'a Node,
        object: impl Into<String>,
        problems: &'p mut Problems,
    ) -> Self {
        let (object, at) = (object.into(), Position::of(node.span()));
        let mapping = node.as_mapping();
        if mapping.is_none() {
            problems.add(
                at,
                &object,
                "is not a mapping",
                "write `key: value` pairs or {key: value}",
            );
        }
        Self {
            object,
            at,
            mapping,
            known: Vec::new(),
            problems,
        }
    }

    /// The same for a node that need not be a mapping, to name the object in problems.
    pub(crate) fn of_any(
        node: &'a Node,
        object: impl Into<String>,
        problems: &'p mut Problems,
    ) -> Self {
        let at = Position::of(node.span());
        Self {
            object: object.into(),
            at,
            mapping: None,
            known: Vec::new(),
            problems,
        }
    }

    /// The node of `key`; a value that is left empty counts as absent.
    pub(crate) fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        let node = self.mapping?.get_node(key)?;
        let empty = node
            .as_scalar()
            .is_some_and(|s| s.may_coerce() && s.as_str().is_empty());
        (!empty).then_some(node)
    }

    /// Reports what was not asked for.
    pub(crate) fn finish(self) {
        for (key, _) in self.mapping.into_iter().flat_map(|mapping| mapping.iter()) {
            if !self.known.contains(&key.as_str()) {
                self.problems.add(
                    Position::of(key.span()),
                    &self.object,
                    format!("unknown key `{}`", key.as_str()),
                    format!("the keys here are {}", self.known.join(", ")),
                );
            }
        }
    }

    pub(crate) fn problem(
        &mut self,
        at: Position,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.problems.add(at, &self.object, what, remedy);
    }

    /// A scalar of type `T`, described as `kind` when it is none.
    pub(crate) fn value<T: FromStr>(
        &mut self,
        key: &'static str,
        kind: &str,
    ) -> Option<Located<T>> {
        let node = self.node(key)?;
        self.parse(node, key, kind)
    }

    /// The same, of which the absence is a problem.
    pub(crate) fn required<T: FromStr>(
        &mut self,
        key: &'static str,
        kind: &str,
    ) -> Option<Located<T>> {
        if self.node(key).is_none() {
            let at = self.at;
            self.problem(
                at,
                format!("`{key}` is missing"),
                format!("add `{key}:` with {kind}"),
            );
            return None;
        }
        self.value(key, kind)
    }

    pub(crate) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        self.value::<bool>(key, "true or false")
            .map_or(default, |flag| flag.value)
    }

    /// A list of scalars.
    pub(crate) fn values<T: FromStr>(&mut self, key: &'static str, kind: &str) -> Vec<Located<T>> {
        let Some(node) = self.node(key) else {
            return Vec::new();
        };
        self.parse_list(node, key, kind)
    }

    pub(crate) fn parse_list<T: FromStr>(
        &mut self,
        node: &'a Node,
        key: &str,
        kind: &str,
    ) -> Vec<Located<T>> {
        let Some(sequence) = node.as_sequence() else {
            let at = Position::of(node.span());
            self.problem(
                at,
                format!("`{key}` is not a list"),
                format!("write [{kind}, ...]"),
            );
            return Vec::new();
        };
        sequence
            .iter()
            .filter_map(|item| self.parse(item, key, kind))
            .collect()
    }

    fn parse<T: FromStr>(&mut self, node: &Node, key: &str, kind: &str) -> Option<Located<T>> {
        let at = Position::of(node.span());
        let text = node.as_scalar().map(MarkedScalarNode::as_str);
        let value = text.and_then(|text| text.parse().ok());
        if value.is_none() {
            let found = text.map_or_else(|| "a list or mapping".to_owned(), |t| format!("`{t}`"));
            self.problem(
                at,
                format!("`{key}` holds {found}"),
                format!("write {kind}"),
            );
        }
        value.map(|value| Located { value, at })
    }

    /// The entries of the mapping under `key`, each with its name.
    pub(crate) fn entries(&mut self, key: &'static str) -> Vec<(Located<Str>, &'a Node)> {
        let Some(node) = self.node(key) else {
            return Vec::new();
        };
        let Some(mapping) = node.as_mapping() else {
            let at = Position::of(node.span());
            self.problem(
                at,
                format!("`{key}` is not a mapping"),
                "write `name: {...}` entries",
            );
            return Vec::new();
        };
        let entries = mapping.iter().map(|(name, node)| {
            let at = Position::of(name.span());
            (
                Located {
                    value: Str::new(name.as_str()),
                    at,
                },
                node,
            )
        });
        entries.collect()
    }

    /// The items of the list under `key`.
    pub(crate) fn items(&mut self, key: &'static str) -> Vec<&'a Node> {
        let Some(node) = self.node(key) else {
            return Vec::new();
        };
        let Some(sequence) = node.as_sequence() else {
            let at = Position::of(node.span());
            self.problem(
                at,
                format!("`{key}` is not a list"),
                "write `- {...}` items",
            );
            return Vec::new();
        };
        sequence.iter().collect()
    }
}
