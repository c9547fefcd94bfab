//! What a machine is to have, and the command that starts it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::bundle::Bundle;
use super::kernel::Installed;
use super::modules;
use super::protocol::{Job, PLAN, Plan};
use crate::command;

/// Programs that every machine has: those that this crate itself runs, and the loader of modules.
const ALWAYS: &[&str] = &[
    "cat", "ip", "kmod", "modprobe", "ping", "rm", "setpriv", "setsid", "sh", "sleep",
];

/// Variables of ours with these beginnings mean the same inside.
const FORWARDED: &[&str] = &["HEDDLE_", "PROPTEST_", "RANDOM_", "RUST_"];

/// Messages of the kernel on the console are warnings and worse; what is not a fault of the machine is fast.
/// An oops is a panic, and a panic ends the emulator. Timers are not checked at boot: emulated on a busy host they
/// can be late, and the kernel would take them for broken. It would measure the cycle counter wrongly as well, and
/// with it all time, so that counter is no clock.
const KERNEL_COMMAND: &str = "console=ttyS0 quiet loglevel=5 panic=-1 oops=panic mitigations=off \
     sysrq_always_enabled no_timer_check tsc=unstable random.trust_cpu=on rcupdate.rcu_expedited=1 net.ifnames=0";

/// A machine to be started: nothing beyond the first process, its programs and modules.
#[derive(Clone, Debug)]
pub struct Machine {
    loaded: Vec<String>,
    carried: BTreeSet<String>,
    programs: BTreeSet<String>,
    binaries: Vec<PathBuf>,
    pub(super) memory: u32,
    pub(super) processors: u32,
    pub(super) limit: Duration,
    pub(super) case_limit: Duration,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            loaded: Vec::new(),
            carried: BTreeSet::new(),
            programs: ALWAYS.iter().map(|name| (*name).to_owned()).collect(),
            binaries: Vec::new(),
            memory: 768,
            processors: 2,
            limit: Duration::from_secs(200),
            case_limit: Duration::from_secs(60),
        }
    }
}

impl Machine {
    /// A machine with two processors and 768 MB.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has these kernel modules loaded, in this order, when the first case begins.
    #[must_use]
    pub fn loads(mut self, modules: &[impl AsRef<str>]) -> Self {
        self.loaded.extend(owned(modules));
        self
    }

    /// Has these kernel modules at hand, for `modprobe` and for the kernel to load on demand.
    #[must_use]
    pub fn carries(mut self, modules: &[impl AsRef<str>]) -> Self {
        self.carried.extend(owned(modules));
        self
    }

    /// Has these programs of the system, with the libraries that they are linked with.
    #[must_use]
    pub fn programs(mut self, names: &[impl AsRef<str>]) -> Self {
        self.programs.extend(owned(names));
        self
    }

    /// Has a binary that was built here, at the same path inside.
    #[must_use]
    pub fn binary(mut self, path: impl Into<PathBuf>) -> Self {
        self.binaries.push(path.into());
        self
    }

    /// Has this much memory, in megabytes.
    #[must_use]
    pub fn memory(mut self, megabytes: u32) -> Self {
        self.memory = megabytes;
        self
    }

    /// Has this many processors.
    #[must_use]
    pub fn processors(mut self, number: u32) -> Self {
        self.processors = number;
        self
    }

    /// Is ended when all cases together take longer than this.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Ends a case that takes longer than this.
    #[must_use]
    pub fn case_limit(mut self, limit: Duration) -> Self {
        self.case_limit = limit;
        self
    }

    /// Writes the first file system into a file. `folder` is for what is made on the way.
    pub(super) fn write(
        &self,
        kernel: &Installed,
        first: &Path,
        jobs: &[Job],
        folder: &Path,
    ) -> Result<PathBuf> {
        let path = folder.join("first");
        let file = File::create(&path).context("cannot write the file system of a machine")?;
        let mut bundle = Bundle::new(BufWriter::with_capacity(1 << 20, file))?;
        bundle.binary(&stripped(first, folder)?, "/init")?;
        for name in &self.programs {
            bundle.program(name)?;
        }
        for binary in &self.binaries {
            let place = binary
                .to_str()
                .context("the path of a binary is not text")?;
            bundle.binary(&stripped(binary, folder)?, place)?;
        }
        let wanted = self.loaded.iter().chain(&self.carried).cloned().collect();
        let files = modules::files(&kernel.modules, &wanted)?;
        bundle.modules(&kernel.modules, &kernel.release, &files)?;
        let plan = Plan {
            modules: self.loaded.clone(),
            environment: forwarded(std::env::vars()),
            jobs: jobs.to_vec(),
        };
        bundle.text(PLAN, &serde_json::to_string(&plan)?)?;
        bundle.finish()?;
        Ok(path)
    }

    /// The command that starts it. The console is the emulator's standard input and output; the line for
    /// reports is the socket `line`, on which somebody listens already.
    pub(super) fn command(
        &self,
        emulator: &str,
        kernel: &Installed,
        files: &Path,
        line: &Path,
        first: &[String],
    ) -> Command {
        let mut command = Command::new(emulator);
        command
            .args(["-machine", "q35", "-accel", "tcg,thread=multi"])
            .args(["-cpu", "qemu64,+rdrand,+ssse3,+sse4.1,+sse4.2,+popcnt"])
            .args(["-smp", &self.processors.to_string()])
            .args(["-m", &self.memory.to_string()])
            .args(["-nodefaults", "-no-user-config", "-no-reboot"])
            .args(["-display", "none", "-monitor", "none"])
            .args(["-chardev", "stdio,id=console,mux=on,signal=off"])
            .args(["-serial", "chardev:console"])
            .args([
                "-chardev",
                &format!("socket,id=line,path={}", line.display()),
            ])
            .args(["-serial", "chardev:line"])
            .arg("-kernel")
            .arg(&kernel.image)
            .arg("-initrd")
            .arg(files)
            .arg("-append")
            .arg(format!("{KERNEL_COMMAND} -- {}", first.join(" ")));
        command
    }
}

fn owned(names: &[impl AsRef<str>]) -> impl Iterator<Item = String> {
    names.iter().map(|name| name.as_ref().to_owned())
}

/// What of our environment holds inside. Errors have no list of functions there unless it is asked for: without
/// debugging information it would say little.
fn forwarded(variables: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let quiet = ("RUST_LIB_BACKTRACE".to_owned(), "0".to_owned());
    std::iter::once(quiet)
        .chain(variables)
        .filter(|(name, _)| {
            FORWARDED
                .iter()
                .any(|beginning| name.starts_with(beginning))
        })
        .collect()
}

/// A copy without the information for debuggers, which is most of a binary of ours. Names of functions stay.
fn stripped(binary: &Path, folder: &Path) -> Result<PathBuf> {
    let name = binary.file_name().context("a binary has no name")?;
    let copy = folder.join(name);
    let mut strip = Command::new("strip");
    strip.arg("--strip-debug").arg("-o").arg(&copy).arg(binary);
    command::run(&mut strip)?;
    Ok(copy)
}
