//! A log in one file, in the form that OVS's own server and tools read.
//!
//! Invariant: the file is whole records up to `end`. What follows a record that cannot be read is cut off when
//! the file is opened, and reported; nothing before it is touched.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::lock::LockFile;
use super::new_file::{beside, compacted, rename, replace_file, sync_folder, take_over, write_new};
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
    compacting: Option<Compacting>,
    _lock: LockFile,
}

/// A compaction that is under way.
#[derive(Debug)]
struct Compacting {
    /// Its snapshot stands for everything before this byte of the old file.
    from: u64,
    taken: Arc<Taken>,
}

/// How far a new file is, as the thread that stores it says.
#[derive(Debug, Default)]
struct Taken {
    /// Where its snapshot ends.
    snapshot: AtomicU64,
    /// How many bytes behind `from` it has taken over.
    rest: AtomicU64,
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

    /// Adds to the new file what it has not taken over yet; gives that, where its snapshot ends and where it ends.
    fn append_rest(&self, compacting: &Compacting) -> Result<(File, u64, u64), LogError> {
        let Compacting { from, taken } = compacting;
        let written = self.end - from;
        // Of a write that failed, more may have been taken over than was left in the old file.
        let have = taken.rest.load(Ordering::Acquire).min(written);
        let begin = taken.snapshot.load(Ordering::Acquire);
        let work = || {
            let mut old = File::open(&self.path)?;
            old.seek(SeekFrom::Start(from + have))?;
            let mut file = OpenOptions::new()
                .append(true)
                .open(compacted(&self.path))?;
            file.set_len(begin + have)?;
            std::io::copy(&mut old.take(written - have), &mut file)?;
            file.sync_all()?;
            Ok(file)
        };
        let file = work().map_err(|source| LogError::Io {
            path: self.path.clone(),
            doing: "cannot write the new file",
            source,
        })?;
        Ok((file, begin, begin + written))
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
        let former = std::mem::replace(&mut self.file, file);
        // It has no name any more: closing it gives its space back, and of a large one that takes a while.
        drop(std::thread::Builder::new().spawn(|| drop(former)));
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
        let (path, from, taken) = (self.path.clone(), self.end, Arc::<Taken>::default());
        self.compacting = Some(Compacting {
            from,
            taken: Arc::clone(&taken),
        });
        Ok(Box::new(move |schema, snapshot| {
            let (mut file, end) = write_new(&path, &compacted(&path), &content(schema, snapshot))?;
            taken.snapshot.store(end, Ordering::Release);
            take_over(&path, from, &mut file, &taken.rest).map_err(|source| LogError::Io {
                path,
                doing: "cannot write the new file",
                source,
            })
        }))
    }

    fn end_compaction(&mut self, stored: bool) -> Result<(), LogError> {
        let Some(compacting) = self.compacting.take().filter(|_| stored) else {
            return Ok(());
        };
        let (file, begin, end) = self.append_rest(&compacting)?;
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
