//! How an OVS daemon behaves as a process.
//!
//! Scripts start a daemon with `--detach --pidfile --log-file`, wait for the command to return, talk
//! to it through `ovs-appctl -t NAME`, and end it with `exit` or a signal. This crate is that
//! behaviour and nothing else: it knows no network and no database.
//!
//! The order of a start is fixed, because each step needs the one before:
//!
//! 1. [`Daemon::start`], before any thread or runtime exists: `--detach` runs the program again in a
//!    new session and waits for it; the log opens; the pidfile is written and locked.
//! 2. The program builds its tokio runtime and fills a [`unixctl::Registry`].
//! 3. [`Daemon::serve`] opens the control socket.
//! 4. [`Daemon::ready`] lets the waiting parent return with status 0.
//! 5. The program runs until [`Shutdown::requested`]; dropping [`Daemon`] removes pidfile and socket.
//!
//! Invariant: the parent of `--detach` returns 0 only if the pidfile and the control socket exist.

pub mod args;
pub mod coverage;
mod detach;
pub mod dirs;
mod pidfile;
mod shutdown;
pub mod unixctl;
pub mod vlog;

use std::path::PathBuf;

pub use args::DaemonArgs;
pub use dirs::{Dirs, Family};
pub use pidfile::PidfileError;
pub use shutdown::{Reason, Shutdown};

/// Who the process says it is: names of its files, and which family's folders they are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// For example `ovn-northd`; the stem of pidfile, log file and control socket.
    pub program: String,
    /// What the `version` command answers.
    pub version: String,
    /// Whose run, log and database folders are used.
    pub family: Family,
}

impl Identity {
    /// An identity in OVN's folders.
    #[must_use]
    pub fn ovn(program: &str, version: &str) -> Self {
        Self {
            program: program.to_owned(),
            version: version.to_owned(),
            family: Family::Ovn,
        }
    }
}

/// Why a daemon could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A flag that is recognised and not there yet.
    #[error("not supported: {0}")]
    NotSupported(&'static str),
    /// `--verbose` has a specification that does not parse.
    #[error("processing \"{spec}\": {reason}")]
    Verbose {
        /// The text after `-v`.
        spec: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The log file cannot be opened.
    #[error("failed to open {path} for logging")]
    LogFile {
        /// Where it was to be.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The pidfile cannot be written, or another process holds it.
    #[error(transparent)]
    Pidfile(#[from] PidfileError),
    /// The detached process could not be started.
    #[error("could not detach")]
    Detach(#[source] std::io::Error),
    /// The control socket cannot be opened.
    #[error("{path}: could not initialize control socket")]
    ControlSocket {
        /// Where it was to be.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A process that behaves as an OVS daemon. Dropping it removes its pidfile and control socket.
#[derive(Debug)]
pub struct Daemon {
    identity: Identity,
    dirs: Dirs,
    unixctl: Option<String>,
    detached: Option<detach::Detached>,
    server: Option<unixctl::Server>,
    shutdown: Shutdown,
    _pidfile: Option<pidfile::Pidfile>,
}

impl Daemon {
    /// Detaches when asked to, opens the log, writes the pidfile. Call it before any thread exists.
    ///
    /// With `--detach`, the calling process never returns from here: it waits for its detached copy
    /// and exits with status 0 once that is ready, or with 1 if that ends before.
    ///
    /// # Errors
    /// When a flag is not supported, or a file cannot be opened or is held by another process.
    pub fn start(identity: Identity, args: &DaemonArgs) -> Result<Self, StartError> {
        let dirs = Dirs::from_env(identity.family);
        let detached = if args.detach {
            Some(detach::detach()?)
        } else {
            None
        };
        args.check()?;
        vlog::init();
        for spec in &args.verbose {
            vlog::set_levels(spec).map_err(|reason| StartError::Verbose {
                spec: spec.clone(),
                reason,
            })?;
        }
        if let Some(name) = &args.log_file {
            let path = dirs.log_file(&identity.program, name);
            vlog::open_file(&path).map_err(|source| StartError::LogFile { path, source })?;
        }
        let pidfile = match &args.pidfile {
            Some(name) => {
                let path = dirs.pidfile(&identity.program, name);
                Some(pidfile::Pidfile::create(&path, args.overwrite_pidfile)?)
            }
            None => None,
        };
        if args.detach && !args.no_chdir {
            std::env::set_current_dir("/").map_err(StartError::Detach)?;
        }
        Ok(Self {
            identity,
            dirs,
            unixctl: args.unixctl.clone(),
            detached,
            server: None,
            shutdown: Shutdown::new(),
            _pidfile: pidfile,
        })
    }

    /// Opens the control socket and answers commands from then on, and begins to watch for SIGTERM,
    /// SIGINT and SIGHUP. Call it inside the runtime.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn serve(&mut self, registry: unixctl::Registry) -> Result<(), StartError> {
        self.shutdown.watch_signals().map_err(StartError::Detach)?;
        let Some(path) = self.control_socket() else {
            return Ok(());
        };
        let registry = registry.with_builtin(&self.identity, self.shutdown.clone());
        let server = unixctl::Server::open(&path, registry)
            .map_err(|source| StartError::ControlSocket { path, source })?;
        self.server = Some(server);
        Ok(())
    }

    /// Tells the parent of `--detach` that the daemon is up, and closes the standard streams.
    pub fn ready(&mut self) {
        if let Some(detached) = self.detached.take() {
            detached.ready();
        }
    }

    /// The folders in use.
    #[must_use]
    pub fn dirs(&self) -> &Dirs {
        &self.dirs
    }

    /// Who this process is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Where the end of the process is requested and waited for; cheap to clone.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// `--unixctl` (`none` for no socket), or `<rundir>/<program>.<pid>.ctl`.
    fn control_socket(&self) -> Option<PathBuf> {
        match self.unixctl.as_deref() {
            Some("none") => None,
            Some(name) => Some(self.dirs.run.join(name)),
            None => {
                let file = format!("{}.{}.ctl", self.identity.program, std::process::id());
                Some(self.dirs.run.join(file))
            }
        }
    }
}
