//! The lock that keeps two processes from writing one database: a lock on the file `.<name>.~lock~` beside
//! it, which is where `ovsdb-server` and `ovsdb-tool` look too.
//!
//! Invariant: the lock is held for as long as the value lives, and ends with the process.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::LogError;

#[derive(Debug)]
pub(crate) struct LockFile {
    _file: File,
}

impl LockFile {
    pub(crate) fn acquire(database: &Path) -> Result<Self, LogError> {
        let path = lock_path(database);
        let error = |doing, source| LogError::Io {
            path: path.clone(),
            doing,
            source,
        };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let file = file.map_err(|source| error("cannot open the lock file", source))?;
        // Of the two kinds of lock this one also keeps a second log of the same process out; the two kinds
        // respect each other.
        let whole = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole)) {
            Ok(_) => Ok(Self { _file: file }),
            Err(Errno::EAGAIN | Errno::EACCES) => Err(LogError::Locked(database.to_owned())),
            Err(errno) => Err(error("cannot lock the lock file", errno.into())),
        }
    }
}

fn lock_path(database: &Path) -> PathBuf {
    let name = database.file_name().unwrap_or_default().to_string_lossy();
    database.with_file_name(format!(".{name}.~lock~"))
}
