//! The first process of a machine: makes a system of an empty one, does the jobs, and says how they went.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcdrain, tcgetattr, tcsetattr};

use super::protocol::{LINE, PLAN, Plan, Report};
use super::task;
use crate::command::run;

/// Where programs are, inside.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// What is mounted: a type of file system and where.
const MOUNTS: &[(&str, &str)] = &[
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("devpts", "/dev/pts"),
    ("tmpfs", "/dev/shm"),
    ("tmpfs", "/tmp"),
    ("tmpfs", "/run"),
];

/// Does what the first process of a machine does, and never returns, if this is that process. Elsewhere it
/// does nothing.
pub fn serve_if_first() {
    if std::process::id() != 1 || !inside() {
        return;
    }
    // Nobody is there to whom an error could go but the kernel, which says on its console that the first
    // process has ended, and ends the machine.
    let served = serve();
    let end = match served {
        Ok(()) => reboot(RebootMode::RB_AUTOBOOT).map(drop),
        Err(error) => panic!("the first process of the machine failed: {error:#}"),
    };
    panic!("the machine did not end: {end:?}");
}

/// Whether we are in a machine of ours.
pub(super) fn inside() -> bool {
    Path::new(PLAN).exists()
}

fn serve() -> Result<()> {
    for (kind, place) in MOUNTS {
        std::fs::create_dir_all(place).with_context(|| format!("cannot make {place}"))?;
        mount(
            Some(*kind),
            *place,
            Some(*kind),
            MsFlags::empty(),
            None::<&str>,
        )
        .with_context(|| format!("cannot mount {kind} on {place}"))?;
    }
    let text = std::fs::read_to_string(PLAN)?;
    let plan: Plan = serde_json::from_str(&text).context("the plan of the machine")?;
    let line = Arc::new(Line::open()?);
    match prepare(&plan) {
        Ok(()) => line.say(&Report::Ready),
        Err(error) => line.say(&Report::Broken {
            reason: format!("{error:#}"),
        }),
    }
    let kernel = Arc::clone(&line);
    std::thread::spawn(move || tell_of_kernel(&kernel));
    for job in &plan.jobs {
        line.say(&Report::Started {
            job: job.name.clone(),
        });
        let end = if job.terminal {
            line.lend(|file| task::talk(job, file))
        } else {
            task::run(job, &plan.environment, &line)
        }?;
        line.say(&Report::Ended { end });
    }
    line.say(&Report::Finished);
    line.drained()
}

fn prepare(plan: &Plan) -> Result<()> {
    std::fs::write("/proc/sys/kernel/hostname", "heddle-machine")?;
    run(Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .env("PATH", PATH))?;
    for module in &plan.modules {
        run(Command::new("modprobe").arg(module).env("PATH", PATH))
            .with_context(|| format!("cannot load the kernel module {module}"))?;
    }
    Ok(())
}

/// Passes on what the kernel says from now on.
fn tell_of_kernel(line: &Line) {
    let Ok(mut messages) = File::open("/dev/kmsg") else {
        return;
    };
    if messages.seek(SeekFrom::End(0)).is_err() {
        return;
    }
    let mut record = [0; 8192];
    loop {
        match messages.read(&mut record) {
            Ok(length) => {
                let text = String::from_utf8_lossy(&record[..length]);
                let said = text.split_once(';').map_or(&*text, |(_, said)| said);
                let first = said.lines().next().unwrap_or_default();
                line.say(&Report::Kernel {
                    text: first.to_owned(),
                });
            }
            // The kernel was faster than we and overwrote what we had not read.
            Err(error) if error.raw_os_error() == Some(nix::libc::EPIPE) => {}
            Err(_) => return,
        }
    }
}

/// The line for reports.
pub(super) struct Line {
    held: Mutex<Held>,
    lent: AtomicBool,
}

struct Held {
    file: File,
    /// As it was before it was made to carry bytes as they are.
    cooked: Termios,
}

impl Line {
    fn open() -> Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .open(LINE)
            .with_context(|| format!("cannot open {LINE}"))?;
        let cooked = tcgetattr(&file)?;
        let mut raw = cooked.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&file, SetArg::TCSANOW, &raw)?;
        Ok(Self {
            held: Mutex::new(Held { file, cooked }),
            lent: AtomicBool::new(false),
        })
    }

    /// Says something, unless the line is lent. There is nobody to tell if it fails.
    pub(super) fn say(&self, report: &Report) {
        if self.lent.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(mut text) = serde_json::to_vec(report) {
            text.push(b'\n');
            let _ = self.hold().file.write_all(&text);
        }
    }

    /// Gives the line, as a terminal, to `work`. From then on nothing is said: the line ends with the machine.
    fn lend<T>(&self, work: impl FnOnce(&File) -> Result<T>) -> Result<T> {
        let held = self.hold();
        self.lent.store(true, Ordering::Relaxed);
        tcsetattr(&held.file, SetArg::TCSADRAIN, &held.cooked)?;
        work(&held.file)
    }

    /// Waits until all that was said has left.
    fn drained(&self) -> Result<()> {
        tcdrain(&self.hold().file).context("the line for reports is gone")
    }

    fn hold(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a command the search path for programs.
pub(super) fn with_path(command: &mut Command) -> &mut Command {
    command
        .env("PATH", PATH)
        .env("HOME", "/root")
        .env("TERM", "vt100")
}
