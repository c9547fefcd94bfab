//! The end of a process that is not our child, such as a daemon that has detached.

use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// Waits for the end of its input, which comes when we let go or are killed, and ends the process.
const WATCHER: &str = r#"cat >/dev/null; kill -KILL "$1" 2>/dev/null"#;

/// Holds a process. It is killed on drop, and by a watcher if we are killed.
pub struct Leash {
    watcher: Child,
}

impl Leash {
    /// Holds the process with this id.
    ///
    /// # Errors
    /// When the watcher cannot be started.
    pub fn new(process: u32) -> Result<Self> {
        let watcher = Command::new("setsid")
            .args(["sh", "-c", WATCHER, "heddle-leash", &process.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the watcher of a process")?;
        Ok(Self { watcher })
    }

    /// Lets go of a process that has ended, whose id somebody else may have by now.
    pub fn release(mut self) {
        // It fails only if the watcher has ended, and then there is nothing to stop.
        let _ = self.watcher.kill();
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}
