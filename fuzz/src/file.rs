//! Database files: whatever the bytes, opening ends well; what was opened goes on, and a new opening finds the
//! same.
//!
//! The checksums of records would keep everything out, so an input is a list of texts between NUL bytes,
//! of which records are made; one that begins with 1 is taken as it is.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use ovsdb::log::{FileLog, Log, image};
use ovsdb::{Database, Record};

/// The file that the input describes.
fn file_of(bytes: &[u8]) -> Vec<u8> {
    if let Some((1, raw)) = bytes.split_first() {
        return raw.to_vec();
    }
    let mut out = Vec::new();
    for part in bytes.split(|&byte| byte == 0) {
        let record = Record::new(part.to_vec());
        let sum: String = record
            .sha1()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        out.extend_from_slice(format!("OVSDB JSON {} {sum}\n", record.data().len()).as_bytes());
        out.extend_from_slice(record.data());
    }
    out
}

fn folder() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let shared = Path::new("/dev/shm");
    let make = || {
        let made = if shared.is_dir() {
            tempfile::tempdir_in(shared)
        } else {
            tempfile::tempdir()
        };
        made.expect("a folder for files")
    };
    FOLDER.get_or_init(make).path()
}

/// Opens the file, and if that works, twice more: as it is, and compacted.
pub fn check(bytes: &[u8]) {
    let path = folder().join("db");
    std::fs::write(&path, file_of(bytes)).expect("the file can be written");
    // Nothing is written when a file cannot be read.
    let Ok(opened) = FileLog::open(&path) else {
        assert_eq!(std::fs::read(&path).expect("it is there"), file_of(bytes));
        return;
    };
    let before = opened.database;
    drop(opened.log);
    let again = FileLog::open(&path).expect("what was opened can be opened");
    assert_eq!(again.torn, None);
    assert_same(&before, &again.database);
    let mut log = again.log;
    let schema = Record::schema(before.schema());
    log.compact(&schema, &before.snapshot(1))
        .expect("it can be compacted");
    drop(log);
    let compacted = FileLog::open(&path).expect("what was compacted can be opened");
    assert_same(&before, &compacted.database);
    assert_eq!(
        image(&before, 1),
        std::fs::read(&path).expect("it is there")
    );
}

/// The same content, ephemeral columns aside.
pub(crate) fn assert_same(a: &Database, b: &Database) {
    assert_eq!(contents(a), contents(b));
}

/// Rows with what of them is kept.
pub(crate) fn contents(database: &Database) -> Vec<String> {
    let schema = Arc::clone(database.schema());
    let mut out: Vec<String> = database
        .contents()
        .map(|change| {
            let table = schema
                .table(&change.table)
                .expect("the schema has its tables");
            let row = change.new.expect("what is there");
            let kept = table.columns().iter().zip(row.iter());
            let kept: Vec<_> = kept.filter(|(column, _)| !column.ephemeral).collect();
            format!("{} {} {:?}", change.table, change.uuid, kept)
        })
        .collect();
    out.sort_unstable();
    out
}
