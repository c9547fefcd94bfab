//! The folder of one testbed, which goes away with us.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

/// Waits for the end of its input, which comes when the last holder of the pipe is gone, and removes the
/// folder. Processes of the testbed die at the same moment and may still be writing, so it tries again.
const WATCHER: &str = r#"cat >/dev/null
for try in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf -- "$1" 2>/dev/null && exit 0
    sleep 0.1
done"#;

/// No name is used twice: a watcher may still be removing the folder that had it.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A folder that only we can read. It is removed on drop, and by a watcher if we are killed.
pub struct Scratch {
    path: PathBuf,
    watcher: Child,
}

impl Scratch {
    /// Makes a folder below the system's folder for temporary files. Paths of sockets may be 107 bytes
    /// long, so names in here stay short.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> Result<Self> {
        Self::below(&std::env::temp_dir())
    }

    /// Makes a folder in memory where the system has one for that, for data whose writer syncs often.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn in_memory() -> Result<Self> {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() {
            Self::below(memory)
        } else {
            Self::new()
        }
    }

    fn below(parent: &Path) -> Result<Self> {
        let path = loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("heddle-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => break path,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot make {}", path.display()));
                }
            }
        };
        // A session of its own: Ctrl-C at the terminal must not end the watcher before us.
        let watcher = Command::new("setsid")
            .args(["sh", "-c", WATCHER, "heddle-watcher"])
            .arg(&path)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the watcher of the testbed's folder")?;
        Ok(Self { path, watcher })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file inside, and gives its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Makes a folder inside.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Closing the pipe is the watcher's sign; it also removes what this call could not.
        let _ = std::fs::remove_dir_all(&self.path);
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}
