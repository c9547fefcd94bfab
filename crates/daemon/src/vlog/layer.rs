//! The bridge from `tracing`'s events to log lines.

use std::fmt::Write as _;
use std::sync::PoisonError;

use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::{Level, vlog};

/// Writes each event as a line.
pub(super) struct VlogLayer;

impl<S: Subscriber> Layer<S> for VlogLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        let module = module(metadata.target());
        vlog()
            .levels
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .mention(module);
        if self.wanted(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wanted(metadata)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut text = Text::default();
        event.record(&mut text);
        vlog().write(module(metadata.target()), level(metadata), &text.finish());
    }
}

impl VlogLayer {
    fn wanted(&self, metadata: &Metadata<'_>) -> bool {
        // OVS has no level below "dbg"; traces of libraries stay out of its log.
        *metadata.level() != tracing::Level::TRACE
            && level(metadata) <= vlog().most_detailed(module(metadata.target()))
    }
}

/// The name of a module in the log: the last part of the Rust path.
fn module(target: &str) -> &str {
    target.rsplit("::").next().unwrap_or(target)
}

fn level(metadata: &Metadata<'_>) -> Level {
    match *metadata.level() {
        tracing::Level::ERROR => Level::Err,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG | tracing::Level::TRACE => Level::Dbg,
    }
}

/// The message, followed by the other fields as `name=value`.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    /// A log line is one line: line feeds inside it, which a peer may have sent, are made visible.
    fn finish(mut self) -> String {
        self.message.push_str(&self.fields);
        if self.message.contains(['\n', '\r']) {
            return self.message.replace('\n', "\\n").replace('\r', "\\r");
        }
        self.message
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            let _ = write!(self.fields, " {}={value:?}", field.name());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            let _ = write!(self.fields, " {}={value}", field.name());
        }
    }
}
