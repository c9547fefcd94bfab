//! The pidfile: written whole, locked for as long as the process lives, removed at its end.
//!
//! Stock tools take a pidfile for live only if a record lock is held on it by the process whose
//! number it contains, so the lock is `fcntl`'s kind and must be taken by the daemon itself.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};

/// Why there is no pidfile.
#[derive(Debug, thiserror::Error)]
pub enum PidfileError {
    /// The process that holds it is alive.
    #[error("{path}: already running as pid {pid}, aborting")]
    Running {
        /// The pidfile.
        path: PathBuf,
        /// Who holds it.
        pid: i32,
    },
    /// A file operation failed.
    #[error("{path}: could not {operation} pidfile")]
    File {
        /// The pidfile.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A pidfile of this process. Dropping it removes the file.
#[derive(Debug)]
pub(crate) struct Pidfile {
    path: PathBuf,
    /// Holds the lock: closing any descriptor of the file would release it.
    file: File,
}

impl Pidfile {
    /// Writes the file beside its place, locks it, and moves it there, so that no reader ever sees
    /// it empty or unlocked.
    pub(crate) fn create(path: &Path, overwrite: bool) -> Result<Self, PidfileError> {
        let failed = |operation| {
            move |source| PidfileError::File {
                path: path.to_owned(),
                operation,
                source,
            }
        };
        if !overwrite && let Some(pid) = holder(path) {
            return Err(PidfileError::Running {
                path: path.to_owned(),
                pid,
            });
        }
        let pid = std::process::id();
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".tmp{pid}"));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o640)
            .open(&temporary)
            .map_err(failed("create"))?;
        file.write_all(format!("{pid}\n").as_bytes())
            .map_err(failed("write"))?;
        fcntl(&file, FcntlArg::F_SETLK(&record_lock(libc::F_WRLCK)))
            .map_err(|errno| failed("lock")(errno.into()))?;
        std::fs::rename(&temporary, path).map_err(failed("rename"))?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        // Another process may have taken the path with --overwrite-pidfile: leave its file alone.
        let ours = self.file.metadata().ok().map(|m| (m.dev(), m.ino()));
        let there = std::fs::metadata(&self.path)
            .ok()
            .map(|m| (m.dev(), m.ino()));
        if ours.is_some() && ours == there {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The live process that holds the pidfile, if any.
fn holder(path: &Path) -> Option<i32> {
    let mut file = OpenOptions::new().read(true).write(true).open(path).ok()?;
    let mut lock = record_lock(libc::F_WRLCK);
    fcntl(&file, FcntlArg::F_GETLK(&mut lock)).ok()?;
    if i32::from(lock.l_type) == libc::F_UNLCK {
        return None;
    }
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    Some(text.trim().parse().unwrap_or(lock.l_pid))
}

/// A lock over the whole file.
fn record_lock(kind: i32) -> libc::flock {
    libc::flock {
        l_type: i16::try_from(kind).expect("lock kinds are 0, 1 and 2"),
        l_whence: i16::try_from(libc::SEEK_SET).expect("SEEK_SET is 0"),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_whole_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pid");
        // What a killed process leaves behind does not hinder a new one.
        std::fs::write(&path, "999999\n").unwrap();
        let pidfile = Pidfile::create(&path, false).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            format!("{}\n", std::process::id())
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        drop(pidfile);
        assert!(!path.exists());
    }

    #[test]
    fn the_file_of_a_successor_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pid");
        let old = Pidfile::create(&path, false).unwrap();
        let new = Pidfile::create(&path, true).unwrap();
        drop(old);
        assert!(path.exists());
        drop(new);
        assert!(!path.exists());
    }
}
