//! The first file system of a machine: programs of this system with the libraries they are linked with,
//! kernel modules, and the plan.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::cpio::Archive;
use crate::command;

/// Where programs are looked for.
const SEARCHED: &[&str] = &["/usr/bin", "/usr/sbin", "/bin", "/sbin"];

/// Folders that the first process and its jobs expect.
const FOLDERS: &[&str] = &[
    "/dev", "/etc", "/proc", "/root", "/run", "/sys", "/tmp", "/usr/bin", "/var",
];

/// Programs have one place inside, whatever place their callers know them by.
const PLACE: &str = "/usr/bin";
const OTHER_PLACES: &[&str] = &["/bin", "/sbin", "/usr/sbin"];

/// Files of a system that some programs want.
const SYSTEM: &[(&str, &str)] = &[
    ("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
    ("/etc/group", "root:x:0:\n"),
    ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
];

/// A file system that is being written.
pub(super) struct Bundle<W> {
    archive: Archive<W>,
    libraries: BTreeSet<PathBuf>,
}

impl<W: Write> Bundle<W> {
    pub(super) fn new(out: W) -> Result<Self> {
        let mut archive = Archive::new(out);
        for folder in FOLDERS {
            archive.folder(folder)?;
        }
        for place in OTHER_PLACES {
            archive.link(place, PLACE)?;
        }
        archive.link("/var/run", "/run")?;
        // The first process gets these before it can make any.
        archive.device("/dev/console", (5, 1))?;
        archive.device("/dev/null", (1, 3))?;
        for (path, text) in SYSTEM {
            archive.file(path, 0o644, text.as_bytes())?;
        }
        Ok(Self {
            archive,
            libraries: BTreeSet::new(),
        })
    }

    /// A program of this system, by its name.
    pub(super) fn program(&mut self, name: &str) -> Result<()> {
        let candidates = SEARCHED.iter().map(|folder| Path::new(folder).join(name));
        let Some(path) = candidates.into_iter().find(|path| path.is_file()) else {
            bail!(
                "{name} is not installed and a machine for tests needs it; run tools/install-packages as root"
            );
        };
        self.binary(&path, &format!("{PLACE}/{name}"))
    }

    /// An executable file, at a place inside.
    pub(super) fn binary(&mut self, from: &Path, to: &str) -> Result<()> {
        self.copy(from, to, 0o755)?;
        let linked = command::run(Command::new("ldd").arg(from));
        // A program that is linked with nothing is no error, but ldd ends as if it were one.
        let linked = match linked {
            Err(error) if error.to_string().contains("not a dynamic executable") => String::new(),
            other => other?,
        };
        for library in libraries(&linked).with_context(|| from.display().to_string())? {
            if self.libraries.insert(library.clone()) {
                let place = library.to_string_lossy().into_owned();
                self.copy(&library, &place, 0o755)?;
            }
        }
        Ok(())
    }

    /// The files of kernel modules, below their folder.
    pub(super) fn modules(
        &mut self,
        folder: &Path,
        release: &str,
        files: &BTreeSet<String>,
    ) -> Result<()> {
        for file in files {
            let place = format!("/lib/modules/{release}/{file}");
            self.copy(&folder.join(file), &place, 0o644)?;
        }
        Ok(())
    }

    /// A file with this text.
    pub(super) fn text(&mut self, path: &str, text: &str) -> Result<()> {
        Ok(self.archive.file(path, 0o644, text.as_bytes())?)
    }

    /// Ends it.
    pub(super) fn finish(self) -> Result<()> {
        self.archive.finish()?;
        Ok(())
    }

    fn copy(&mut self, from: &Path, to: &str, mode: u32) -> Result<()> {
        let bytes =
            std::fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        self.archive
            .file(to, mode, &bytes)
            .with_context(|| format!("cannot bring {} into the machine", from.display()))
    }
}

/// The files in what `ldd` printed.
fn libraries(printed: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for line in printed.lines() {
        if line.contains("not found") {
            bail!("a library is missing: {}", line.trim());
        }
        let path = line.split_whitespace().find(|word| word.starts_with('/'));
        found.extend(path.map(PathBuf::from));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ldd_prints_is_read() -> Result<()> {
        let printed = "\tlinux-vdso.so.1 (0x00007ffc)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x00007f)\n\
                       \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let expected = ["/lib/x/libc.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(libraries(printed)?, expected);
        assert!(libraries("\tlibx.so => not found\n").is_err());
        assert_eq!(libraries("\tstatically linked\n")?, Vec::<PathBuf>::new());
        Ok(())
    }

    #[test]
    fn a_program_that_is_missing_names_the_remedy() -> Result<()> {
        let error = Bundle::new(Vec::new())?
            .program("no-such-program")
            .unwrap_err();
        assert!(
            error.to_string().contains("tools/install-packages"),
            "{error}"
        );
        Ok(())
    }
}
