//! OVS's log: lines `time|number|module|LEVEL|text` on the console and in a file, with a level for
//! each module and destination that can be changed while the daemon runs.
//!
//! The rest of the program speaks `tracing`; [`init`] installs the subscriber. The module of an event
//! is the last part of its target. OVS's syslog destination has levels, so that scripts may set
//! them, and nothing is sent there.
//!
//! Invariant: a call site whose module logs nowhere costs one load, because levels are pushed into
//! tracing's cache of interests when they change, not looked up for each event.

mod layer;
mod levels;
mod line;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use levels::{Destination, Levels};
pub use levels::{Level, LevelsError};

/// The state behind the macros of `tracing`: one a process, as its file and console are.
struct Vlog {
    levels: RwLock<Levels>,
    file: Mutex<LogFile>,
    console: AtomicBool,
    serial: AtomicU64,
}

#[derive(Default)]
struct LogFile {
    path: Option<PathBuf>,
    file: Option<File>,
}

fn vlog() -> &'static Vlog {
    static VLOG: OnceLock<Vlog> = OnceLock::new();
    VLOG.get_or_init(|| Vlog {
        levels: RwLock::new(Levels::default()),
        file: Mutex::new(LogFile::default()),
        console: AtomicBool::new(true),
        serial: AtomicU64::new(0),
    })
}

impl Vlog {
    fn file(&self) -> MutexGuard<'_, LogFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn level(&self, module: &str, destination: Destination) -> Level {
        self.levels
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .level(module, destination)
    }

    /// The most detailed level at which the module logs to a destination that is open.
    fn most_detailed(&self, module: &str) -> Level {
        let mut level = Level::Off;
        if self.console.load(Ordering::Relaxed) {
            level = level.max(self.level(module, Destination::Console));
        }
        if self.file().file.is_some() {
            level = level.max(self.level(module, Destination::File));
        }
        level
    }

    fn write(&self, module: &str, level: Level, text: &str) {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed) + 1;
        let now = std::time::SystemTime::now();
        if self.console.load(Ordering::Relaxed) && level <= self.level(module, Destination::Console)
        {
            let line = line::format(now, line::Precision::Seconds, serial, module, level, text);
            // There is nowhere to say that the console is gone.
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
        if level <= self.level(module, Destination::File)
            && let Some(file) = self.file().file.as_mut()
        {
            let line = line::format(now, line::Precision::Millis, serial, module, level, text);
            // A full disk must not end the daemon, and the log is where one would say so.
            let _ = file.write_all(line.as_bytes());
        }
    }
}

/// Makes this log the process's `tracing` subscriber. Calling it again, or after another subscriber
/// was installed (as tests do), changes nothing.
pub fn init() {
    use tracing_subscriber::layer::SubscriberExt;
    let subscriber = tracing_subscriber::registry().with(layer::VlogLayer);
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Sets levels from a specification such as `jsonrpc:file:dbg`, as `-v` and `vlog/set` take it.
///
/// # Errors
/// OVS's text for what is wrong with it.
pub fn set_levels(spec: &str) -> Result<(), String> {
    let change = levels::parse(spec).map_err(|error| error.to_string())?;
    if let Some(change) = change {
        vlog()
            .levels
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .apply(&change);
        tracing::callsite::rebuild_interest_cache();
    }
    Ok(())
}

/// Opens `path` for appending and logs there from now on.
///
/// # Errors
/// When the file cannot be opened; the log then stays where it was.
pub fn open_file(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o660)
        .open(path)?;
    *vlog().file() = LogFile {
        path: Some(path.to_owned()),
        file: Some(file),
    };
    tracing::callsite::rebuild_interest_cache();
    tracing::info!(target: "vlog", "opened log file {}", path.display());
    Ok(())
}

/// Opens the log file's path again, for log rotation.
pub(crate) fn reopen() -> Result<(), String> {
    let path = vlog().file().path.clone();
    let Some(path) = path else {
        return Err("Logging to file not configured".to_owned());
    };
    open_file(&path).map_err(|error| error.to_string())
}

/// Closes the log file until it is opened again.
pub(crate) fn close() {
    vlog().file().file = None;
    tracing::callsite::rebuild_interest_cache();
}

/// Stops logging to the console, whose terminal a detached daemon no longer has.
pub(crate) fn close_console() {
    vlog().console.store(false, Ordering::Relaxed);
    tracing::callsite::rebuild_interest_cache();
}

/// The table that `vlog/list` prints.
pub(crate) fn list() -> String {
    vlog()
        .levels
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .table()
}
