//! A network namespace without a name.
//!
//! It is held by a thread that lives in it and does what it is told. Processes that this thread starts
//! are in the namespace, and their death signal is bound to the thread: when the thread ends, whether
//! because the [`Namespace`] is dropped or because our process is killed, they end, and the kernel
//! removes the namespace with everything in it.

use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Pid, gettid};

use crate::command;

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace of our own.
pub struct Namespace {
    name: String,
    thread: Pid,
    jobs: Option<Sender<Job>>,
    handle: Option<JoinHandle<()>>,
}

impl Namespace {
    /// Makes one, with its loopback interface up. `name` is for messages.
    ///
    /// # Errors
    /// When the kernel refuses; usually because we are not root.
    pub fn new(name: &str) -> Result<Self> {
        let (jobs, inbox) = channel::<Job>();
        let (ready, started) = channel();
        let handle = std::thread::Builder::new()
            .name(format!("ns {name}"))
            .spawn(move || {
                let entered = unshare(CloneFlags::CLONE_NEWNET).map(|()| gettid());
                let failed = entered.is_err();
                if ready.send(entered).is_err() || failed {
                    return;
                }
                for job in inbox {
                    job();
                }
            })
            .context("cannot start a thread")?;
        let thread = started
            .recv()
            .context("the thread of a namespace ended")?
            .with_context(|| format!("cannot make the network namespace {name} (are you root?)"))?;
        let namespace = Self {
            name: name.to_owned(),
            thread,
            jobs: Some(jobs),
            handle: Some(handle),
        };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// The name for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where a person or `ip` finds it, for as long as it lives.
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/task/{}/ns/net", std::process::id(), self.thread).into()
    }

    /// Does `work` inside and waits for what it gives. Work on one namespace waits for its turn; threads
    /// that `work` starts are inside, too, and keep the namespace while they run.
    ///
    /// # Errors
    /// When `work` panics, or an earlier one did.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let (answer, result) = channel();
        let job = Box::new(move || {
            // Nobody listens any more only if the caller is gone, and then nothing is to be told.
            let _ = answer.send(work());
        });
        self.jobs
            .as_ref()
            .and_then(|jobs| jobs.send(job).ok())
            .ok_or_else(|| anyhow!("the thread of namespace {} has ended", self.name))?;
        result
            .recv()
            .map_err(|_| anyhow!("work in namespace {} panicked", self.name))
    }

    /// Runs `ip` inside, with words that need no quoting.
    ///
    /// # Errors
    /// When it does not succeed.
    pub fn ip(&self, words: &str) -> Result<String> {
        self.command(&format!("ip {words}"))
    }

    /// Runs a command inside, with words that need no quoting.
    ///
    /// # Errors
    /// When it does not succeed.
    pub fn command(&self, line: &str) -> Result<String> {
        let line = line.to_owned();
        let name = self.name.clone();
        self.run(move || command::words(&line))?
            .with_context(|| format!("in namespace {name}"))
    }

    /// Sets a key below `/proc/sys/net` inside.
    ///
    /// # Errors
    /// When the kernel does not have it or refuses the value.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/net/{key}");
        let value = value.to_owned();
        self.run(move || {
            std::fs::write(&path, value).with_context(|| format!("cannot write {path}"))
        })?
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(handle) = self.handle.take() {
            // It panicked only if a job did, and then the job's caller has been told.
            let _ = handle.join();
        }
    }
}
