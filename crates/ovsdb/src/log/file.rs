//! A log in one file, in the form that OVS's own server and tools read.
//!
//! Invariant: the file is whole records up to `end`. What follows a record that cannot be read is cut off when
//! the file is opened, and reported; nothing before it is touched.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::lock::LockFile;
use super::{AppendError, Log, LogError, Size, StoreSnapshot, format, whole};
use crate::{Database, DatabaseSchema, Record, Str};

/// A database file that is open for writing.
#[derive(Debug)]
pub struct FileLog {
    path: PathBuf,
    file: File,
    end: u64,
    compacted: u64,
    failed: bool,
    /// What a compaction that is under way stands for: everything before this byte.
    compacting: Option<u64>,
    _lock: LockFile,
}

/// What was cut off the end of a file, because it is not a whole record: what a crash left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// Where the last whole record ends.
    pub offset: u64,
    /// How many bytes after it were lost.
    pub lost: u64,
    /// What is wrong there.
    pub reason: String,
}

/// A database as its file has it.
#[derive(Debug)]
pub struct Opened {
    /// The database.
    pub database: Database,
    /// The log, ready to go on.
    pub log: FileLog,
    /// What had to be cut off.
    pub torn: Option<TornTail>,
}

impl FileLog {
    /// Makes a new database file, which must not be there yet.
    ///
    /// # Errors
    /// When the file exists, is in use or cannot be written.
    pub fn create(path: &Path, schema: Arc<DatabaseSchema>) -> Result<Opened, LogError> {
        let mut bytes = Vec::new();
        format::write(&Record::schema(&schema), &mut bytes);
        let (lock, file) = create_file(path, &bytes)?;
        let end = bytes.len() as u64;
        let log = Self {
            path: path.to_owned(),
            file,
            end,
            compacted: end,
            failed: false,
            compacting: None,
            _lock: lock,
        };
        Ok(Opened {
            database: Database::new(schema),
            log,
            torn: None,
        })
    }

    /// Opens a database file and builds the state that it describes.
    ///
    /// # Errors
    /// When the file is in use, cannot be read, is not a standalone database, or has a whole record that does
    /// not fit those before it.
    pub fn open(path: &Path) -> Result<Opened, LogError> {
        let error = |doing| {
            move |source| LogError::Io {
                path: path.to_owned(),
                doing,
                source,
            }
        };
        let lock = LockFile::acquire(path)?;
        let file = OpenOptions::new().read(true).write(true).open(path);
        let mut file = file.map_err(error("cannot open"))?;
        let bytes = whole::read(&mut file).map_err(error("cannot read"))?;
        let (database, end, torn) = read_all(path, &bytes)?;
        drop(bytes);
        if torn.is_some() {
            file.set_len(end)
                .map_err(error("cannot cut the damaged end off"))?;
            file.sync_data()
                .map_err(error("cannot write to the disk"))?;
        }
        file.seek(SeekFrom::Start(end))
            .map_err(error("cannot seek"))?;
        let log = Self {
            path: path.to_owned(),
            file,
            end,
            compacted: end,
            failed: false,
            compacting: None,
            _lock: lock,
        };
        Ok(Opened {
            database,
            log,
            torn,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds what stands behind the byte `from` to the new file; gives that, where it began and where it ends.
    fn append_rest(&self, from: u64) -> Result<(File, u64, u64), LogError> {
        let temporary = compacted(&self.path);
        let work = || {
            let mut old = File::open(&self.path)?;
            old.seek(SeekFrom::Start(from))?;
            let mut file = OpenOptions::new().append(true).open(&temporary)?;
            let begin = file.metadata()?.len();
            let rest = std::io::copy(&mut old.take(self.end - from), &mut file)?;
            file.sync_all()?;
            Ok((file, begin, begin + rest))
        };
        work().map_err(|source| LogError::Io {
            path: self.path.clone(),
            doing: "cannot write the new file",
            source,
        })
    }

    /// Puts another file in the place of this one and goes on in it.
    fn go_on_with(
        &mut self,
        temporary: &Path,
        file: File,
        compacted: u64,
        end: u64,
    ) -> Result<(), LogError> {
        rename(temporary, &self.path)?;
        self.file = file;
        self.compacted = compacted;
        self.end = end;
        self.compacting = None;
        // Until the folder is on the disk, a crash could bring the former file back, without what comes now.
        let synced = sync_folder(&self.path);
        self.failed = synced.is_err();
        synced
    }

    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all(bytes)?;
        self.file.sync_data()
    }
}

impl Log for FileLog {
    fn append(&mut self, records: &[Record], _guards: &[Str]) -> Result<(), AppendError> {
        if self.failed {
            return Err(LogError::Failed(self.path.clone()).into());
        }
        let mut bytes = Vec::new();
        for record in records {
            format::write(record, &mut bytes);
        }
        if bytes.is_empty() {
            return Ok(());
        }
        match self.write_all(&bytes) {
            Ok(()) => {
                self.end += bytes.len() as u64;
                Ok(())
            }
            Err(source) => {
                // After a failed sync nobody knows what the disk holds, so this log writes no more. If what
                // was written cannot be removed either, the next opening finds it torn, or whole.
                self.failed = true;
                drop(self.file.set_len(self.end));
                Err(AppendError::Failed(LogError::Io {
                    path: self.path.clone(),
                    doing: "cannot append",
                    source,
                }))
            }
        }
    }

    fn replace(&mut self, schema: &Record, snapshot: &Record) -> Result<(), AppendError> {
        let temporary = beside(&self.path, ".tmp");
        let (file, end) = write_new(&self.path, &temporary, &content(schema, snapshot))?;
        self.go_on_with(&temporary, file, end, end)?;
        Ok(())
    }

    fn begin_compaction(&mut self) -> Result<StoreSnapshot, LogError> {
        self.compacting = Some(self.end);
        let path = self.path.clone();
        Ok(Box::new(move |schema, snapshot| {
            write_new(&path, &compacted(&path), &content(schema, snapshot)).map(drop)
        }))
    }

    fn end_compaction(&mut self, stored: bool) -> Result<(), LogError> {
        let Some(from) = self.compacting.take().filter(|_| stored) else {
            return Ok(());
        };
        let (file, begin, end) = self.append_rest(from)?;
        self.go_on_with(&compacted(&self.path), file, begin, end)
    }

    fn size(&self) -> Size {
        Size {
            now: self.end,
            compacted: self.compacted,
        }
    }
}

/// Reads a database file without touching it; another process may be writing to it. Also gives what would
/// be cut off its end if it were opened.
///
/// # Errors
/// As [`FileLog::open`], except that the file may be in use.
pub fn read_database(path: &Path) -> Result<(Database, Option<TornTail>), LogError> {
    let (database, _, torn) = read_all(path, &read_file(path)?)?;
    Ok((database, torn))
}

/// The bytes of a database file.
pub(crate) fn read_file(path: &Path) -> Result<Bytes, LogError> {
    let bytes = File::open(path).and_then(|mut file| whole::read(&mut file));
    bytes.map_err(|source| LogError::Io {
        path: path.to_owned(),
        doing: "cannot read",
        source,
    })
}

/// The bytes of a database file that has this content.
pub fn image(database: &Database, now: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    format::write(&Record::schema(database.schema()), &mut bytes);
    format::write(&database.snapshot(now), &mut bytes);
    bytes
}

/// Makes a new database file, which must not be there yet, with this content.
///
/// # Errors
/// When the file exists, is in use or cannot be written.
pub fn write_database(path: &Path, database: &Database, now: u64) -> Result<(), LogError> {
    create_file(path, &image(database, now)).map(drop)
}

/// Makes a file that must not be there yet; gives it locked, and open at its end.
fn create_file(path: &Path, bytes: &[u8]) -> Result<(LockFile, File), LogError> {
    let lock = LockFile::acquire(path)?;
    if path.exists() {
        let source = std::io::ErrorKind::AlreadyExists.into();
        return Err(LogError::Io {
            path: path.to_owned(),
            doing: "cannot create",
            source,
        });
    }
    Ok((lock, replace_file(path, bytes)?))
}

/// Reads every record; gives the state, the end of the last whole record and what is wrong after it.
fn read_all(path: &Path, bytes: &Bytes) -> Result<(Database, u64, Option<TornTail>), LogError> {
    let not_a_database = |reason: String| LogError::NotADatabase {
        path: path.to_owned(),
        reason,
    };
    if let Some(reason) = format::foreign(bytes) {
        return Err(not_a_database(reason.into()));
    }
    // Without a whole first record there is no schema, and so nothing to go on from.
    let first = format::read(bytes).map_err(|damage| not_a_database(damage.to_string()))?;
    let Some((data, mut end)) = first else {
        return Err(not_a_database("it is empty".into()));
    };
    let schema = std::str::from_utf8(data)
        .map_err(|error| crate::Error::syntax(error.to_string()))
        .and_then(DatabaseSchema::from_json_text)
        .map_err(|error| LogError::Schema {
            path: path.to_owned(),
            error,
        })?;
    let mut database = Database::new(Arc::new(schema));
    loop {
        match format::read_record(&bytes.slice(end..)) {
            Ok(None) => return Ok((database, end as u64, None)),
            Ok(Some((record, length))) => {
                let offset = end as u64;
                database
                    .replay(&record)
                    .map_err(|source| LogError::Record {
                        path: path.to_owned(),
                        offset,
                        source,
                    })?;
                end += length;
            }
            Err(damage) if format::has_record(&bytes[end + 1..]) => {
                let (offset, reason) = (end as u64, damage.to_string());
                return Err(LogError::Damaged {
                    path: path.to_owned(),
                    offset,
                    reason,
                });
            }
            Err(damage) => {
                let (offset, lost) = (end as u64, (bytes.len() - end) as u64);
                let torn = TornTail {
                    offset,
                    lost,
                    reason: damage.to_string(),
                };
                return Ok((database, offset, Some(torn)));
            }
        }
    }
}

/// The bytes of a log that holds just this.
fn content(schema: &Record, snapshot: &Record) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(schema.data().len() + snapshot.data().len() + 256);
    format::write(schema, &mut bytes);
    format::write(snapshot, &mut bytes);
    bytes
}

/// A file of a like name in the same folder.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// Where the snapshot of a compaction is stored.
fn compacted(path: &Path) -> PathBuf {
    beside(path, ".compact.tmp")
}

/// Puts a file with this content in the place of `path`, durably, and gives it open at its end.
fn replace_file(path: &Path, bytes: &[u8]) -> Result<File, LogError> {
    let temporary = beside(path, ".tmp");
    let (file, _) = write_new(path, &temporary, bytes)?;
    rename(&temporary, path)?;
    sync_folder(path)?;
    Ok(file)
}

/// Writes what is to take the place of `path` durably to `temporary`; gives the file, open at its end, and where
/// that is.
fn write_new(path: &Path, temporary: &Path, bytes: &[u8]) -> Result<(File, u64), LogError> {
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
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(error("cannot write the new file"))?;
    Ok((file, bytes.len() as u64))
}

/// Gives a file its final name.
fn rename(temporary: &Path, path: &Path) -> Result<(), LogError> {
    std::fs::rename(temporary, path).map_err(|source| LogError::Io {
        path: path.to_owned(),
        doing: "cannot put the new file in place",
        source,
    })
}

/// Makes the names in the folder of a file durable.
fn sync_folder(path: &Path) -> Result<(), LogError> {
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
