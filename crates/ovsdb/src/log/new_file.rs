//! Files that take the place of another: written beside it, durably, then renamed.
//!
//! Must not know what the bytes mean. Invariant: at every instant one of the two is whole under the name.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::LogError;

/// How much of a new file goes to the disk at once: a commit to the old one waits until that is there, as the
/// file system writes its own log in order.
const PIECE: usize = 1 << 20;
/// The store of a snapshot takes over what was written meanwhile until no more than that is left for the log itself
/// to do, in bytes...
const LITTLE: u64 = 64 << 10;
/// ... or until it has tried so often, because more comes than it can take.
const ROUNDS: usize = 16;

/// A file of a like name in the same folder.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// Where the snapshot of a compaction is stored.
pub(super) fn compacted(path: &Path) -> PathBuf {
    beside(path, ".compact.tmp")
}

/// Puts a file with this content in the place of `path`, durably, and gives it open at its end.
pub(super) fn replace_file(path: &Path, bytes: &[u8]) -> Result<File, LogError> {
    let temporary = beside(path, ".tmp");
    let (file, _) = write_new(path, &temporary, bytes)?;
    rename(&temporary, path)?;
    sync_folder(path)?;
    Ok(file)
}

/// Writes what is to take the place of `path` durably to `temporary`; gives the file, open at its end, and where
/// that is.
pub(super) fn write_new(
    path: &Path,
    temporary: &Path,
    bytes: &[u8],
) -> Result<(File, u64), LogError> {
    let error = |doing| {
        move |source| LogError::Io {
            path: path.to_owned(),
            doing,
            source,
        }
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o640)
        .open(temporary);
    let mut file = file.map_err(error("cannot create the new file"))?;
    if let Ok(old) = std::fs::metadata(path) {
        // The new file is for the same people; without the right to give it away it stays one's own.
        let _ = fchown(&file, Some(old.uid()), Some(old.gid()));
        let kept = file.set_permissions(old.permissions());
        kept.map_err(error("cannot set the mode of the new file"))?;
    }
    let written = bytes
        .chunks(PIECE)
        .try_for_each(|piece| file.write_all(piece).and_then(|()| file.sync_data()))
        .and_then(|()| file.sync_all());
    written.map_err(error("cannot write the new file"))?;
    Ok((file, bytes.len() as u64))
}

/// Adds to a new file what was written behind the byte `from` of the old one since, so that the log has little left to
/// do when it goes on in the new one. Counts the bytes in `taken`.
pub(super) fn take_over(
    path: &Path,
    from: u64,
    file: &mut File,
    taken: &AtomicU64,
) -> std::io::Result<()> {
    let mut old = File::open(path)?;
    old.seek(SeekFrom::Start(from))?;
    for _ in 0..ROUNDS {
        let mut round = 0;
        loop {
            let piece = std::io::copy(&mut (&old).take(PIECE as u64), file)?;
            file.sync_data()?;
            round += piece;
            if piece < PIECE as u64 {
                break;
            }
        }
        taken.fetch_add(round, Ordering::Release);
        if round < LITTLE {
            break;
        }
    }
    Ok(())
}

/// Gives a file its final name.
pub(super) fn rename(temporary: &Path, path: &Path) -> Result<(), LogError> {
    std::fs::rename(temporary, path).map_err(|source| LogError::Io {
        path: path.to_owned(),
        doing: "cannot put the new file in place",
        source,
    })
}

/// Makes the names in the folder of a file durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), LogError> {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = File::open(folder.unwrap_or_else(|| Path::new(".")));
    folder
        .and_then(|folder| folder.sync_all())
        .map_err(|source| LogError::Io {
            path: path.to_owned(),
            doing: "cannot write the directory",
            source,
        })
}
