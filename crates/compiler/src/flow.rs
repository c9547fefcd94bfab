//! Logical flows, and what rules emit.

use std::fmt::Write;
use std::sync::Arc;

use ovsdb::Str;
use uuid::Uuid;

use crate::diagnostic::Diagnostic;
use crate::identity;
use crate::scope::Scope;
use crate::stage::Stage;

/// One flow of the logical pipeline. Match and actions are texts in the logical language.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogicalFlow {
    /// Where it holds.
    pub scope: Scope,
    /// In which stage.
    pub stage: Stage,
    /// Higher wins.
    pub priority: u16,
    /// What it matches.
    pub matches: Str,
    /// What it does.
    pub actions: Str,
    /// The Northbound row that it comes from, if one in particular.
    pub hint: Option<Uuid>,
    /// The rule that made it.
    pub source: &'static str,
}

impl LogicalFlow {
    /// The identity of the flow's row, a function of its content.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        let mut key = String::with_capacity(96 + self.matches.len() + self.actions.len());
        let Self {
            scope,
            priority,
            source,
            ..
        } = self;
        let _ = write!(key, "{scope:?} {} {priority} {source}", self.stage.name());
        if let Some(hint) = self.hint {
            let _ = write!(key, " {hint}");
        }
        let _ = write!(key, " {}\0{}", self.matches, self.actions);
        identity::derived("Logical_Flow", &key)
    }
}

/// What one rule instance emits. Empty ones are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Emitted {
    /// Its flows, in the order in which they were emitted.
    pub flows: Vec<LogicalFlow>,
    /// What the user should know about the object.
    pub diagnostics: Vec<Diagnostic>,
}

/// Receives what a rule instance emits.
pub(crate) struct Emitter {
    source: &'static str,
    emitted: Emitted,
}

impl Emitter {
    pub(crate) fn new(source: &'static str) -> Self {
        Self {
            source,
            emitted: Emitted::default(),
        }
    }

    pub(crate) fn finish(mut self) -> Option<Arc<Emitted>> {
        if self.emitted.flows.is_empty() && self.emitted.diagnostics.is_empty() {
            return None;
        }
        self.emitted.flows.shrink_to_fit();
        self.emitted.diagnostics.shrink_to_fit();
        Some(Arc::new(self.emitted))
    }

    /// Flows that hold in `scope`.
    pub(crate) fn on(&mut self, scope: Scope) -> Flows<'_> {
        Flows {
            emitter: self,
            scope,
            hint: None,
        }
    }

    /// Flows that hold in `scope` and come from one Northbound row.
    pub(crate) fn of(&mut self, scope: Scope, hint: Uuid) -> Flows<'_> {
        Flows {
            emitter: self,
            scope,
            hint: Some(hint),
        }
    }

    /// Tells the user something about a row.
    pub(crate) fn diagnose(&mut self, diagnostic: Diagnostic) {
        self.emitted.diagnostics.push(diagnostic);
    }
}

/// Adds flows with the same scope and hint.
pub(crate) struct Flows<'a> {
    emitter: &'a mut Emitter,
    scope: Scope,
    hint: Option<Uuid>,
}

impl Flows<'_> {
    /// Adds a flow.
    pub(crate) fn add(
        &mut self,
        stage: Stage,
        priority: u16,
        matches: impl AsRef<str>,
        actions: impl AsRef<str>,
    ) -> &mut Self {
        self.emitter.emitted.flows.push(LogicalFlow {
            scope: self.scope,
            stage,
            priority,
            matches: matches.as_ref().into(),
            actions: actions.as_ref().into(),
            hint: self.hint,
            source: self.emitter.source,
        });
        self
    }
}

/// A text as a string constant of the logical language, in quotes.
#[must_use]
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
