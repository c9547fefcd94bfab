//! A process that runs beside us and ends with us.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::command::guarded;
use crate::namespace::Namespace;
use crate::usage::{self, Memory};
use crate::wait;

/// How long a process may take to end after SIGTERM before it gets SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// A running process. Dropping it ends it.
pub struct Process {
    name: String,
    child: Child,
    output: PathBuf,
}

impl Process {
    /// Starts `command` in `namespace`; what it prints goes to the file `output`. It is killed when the
    /// thread of the namespace ends.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        namespace: &Namespace,
        name: &str,
        command: &Command,
        output: &Path,
    ) -> Result<Self> {
        let mut guarded = guarded(command);
        let open = || File::options().create(true).append(true).open(output);
        let log = open().with_context(|| format!("cannot write {}", output.display()))?;
        guarded
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = namespace
            .run(move || guarded.spawn())?
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            output: output.to_owned(),
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file with what it printed.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// Its exit status, once it has ended.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("cannot ask after {}", self.name))
    }

    /// Fails, with the last lines it printed, when it has ended. For use inside a wait.
    ///
    /// # Errors
    /// When it has ended.
    pub fn expect_alive(&mut self) -> Result<()> {
        let Some(status) = self.ended()? else {
            return Ok(());
        };
        let said = std::fs::read_to_string(&self.output).unwrap_or_default();
        let skip = said.lines().count().saturating_sub(10);
        let last: Vec<&str> = said.lines().skip(skip).collect();
        bail!("{} ended with {status}: {}", self.name, last.join("\n"))
    }

    /// Ends it: SIGTERM, and SIGKILL if that is not enough.
    pub fn stop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // A failure means that it ended this moment; the wait below finds that.
        let _ = kill(self.pid(), Signal::SIGTERM);
        let ended = wait::until(GRACE, "a process to end", || Ok(self.child.try_wait()?));
        if ended.is_err() {
            self.kill();
        }
    }

    /// Ends it with SIGKILL, as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The processor time that all its threads have taken; see [`usage::processor`].
    ///
    /// # Errors
    /// When it has ended.
    pub fn processor(&self) -> Result<Duration> {
        usage::processor(self.id())
    }

    /// How much memory it has and had.
    ///
    /// # Errors
    /// When it has ended.
    pub fn memory(&self) -> Result<Memory> {
        Memory::of(self.id())
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a Linux process id fits an i32"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}
