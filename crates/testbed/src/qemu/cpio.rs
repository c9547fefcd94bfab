//! The archive that the kernel unpacks as its first file system: "newc", as the kernel's documentation
//! `driver-api/early-userspace/buffer-format.rst` describes it.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// Writes an archive. Folders above an entry are made by themselves.
pub(super) struct Archive<W> {
    out: W,
    inode: u32,
    folders: BTreeSet<String>,
}

impl<W: Write> Archive<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            inode: 0,
            folders: BTreeSet::new(),
        }
    }

    /// A folder, and those above it. `path` is absolute.
    pub(super) fn folder(&mut self, path: &str) -> io::Result<()> {
        let path = path.trim_matches('/');
        let ends = path.match_indices('/').map(|(at, _)| at);
        for end in ends.chain([path.len()]) {
            let folder = &path[..end];
            if !folder.is_empty() && self.folders.insert(folder.to_owned()) {
                self.entry(folder, DIRECTORY | 0o755, (0, 0), &[])?;
            }
        }
        Ok(())
    }

    /// A file with these bytes; `mode` is its permissions.
    pub(super) fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
        self.above(path)?;
        self.entry(path, FILE | mode, (0, 0), bytes)
    }

    /// A symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        self.above(path)?;
        self.entry(path, LINK | 0o777, (0, 0), target.as_bytes())
    }

    /// A character device with its major and minor number.
    pub(super) fn device(&mut self, path: &str, number: (u32, u32)) -> io::Result<()> {
        self.above(path)?;
        self.entry(path, CHARACTER_DEVICE | 0o600, number, &[])
    }

    /// Ends the archive.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.entry("TRAILER!!!", 0, (0, 0), &[])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn above(&mut self, path: &str) -> io::Result<()> {
        match Path::new(path).parent().and_then(Path::to_str) {
            Some(parent) => self.folder(parent),
            None => Ok(()),
        }
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), bytes: &[u8]) -> io::Result<()> {
        let name = path.trim_start_matches('/');
        let size = u32::try_from(bytes.len()).map_err(|_| {
            io::Error::other(format!("{path} is too large for the archive of a machine"))
        })?;
        self.inode += 1;
        let name_size = u32::try_from(name.len() + 1).map_err(io::Error::other)?;
        // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
        let fields = [
            self.inode, mode, 0, 0, 1, 0, size, 0, 0, device.0, device.1, name_size, 0,
        ];
        let mut header = String::from("070701");
        for field in fields {
            header.push_str(&format!("{field:08X}"));
        }
        self.out.write_all(header.as_bytes())?;
        self.out.write_all(name.as_bytes())?;
        self.pad(1, header.len() + name.len() + 1)?;
        self.out.write_all(bytes)?;
        self.pad(0, bytes.len())
    }

    /// Writes `always` zero bytes, and more until `written` is a multiple of four.
    fn pad(&mut self, always: usize, written: usize) -> io::Result<()> {
        let zeros = always + written.next_multiple_of(4) - written;
        self.out.write_all(&[0; 4][..zeros])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_what_the_format_says() -> io::Result<()> {
        let mut archive = Archive::new(Vec::new());
        archive.file("/a/b", 0o644, b"hello")?;
        archive.device("/dev/null", (1, 3))?;
        let bytes = archive.finish()?;
        let folder = &bytes[..112];
        assert_eq!(&folder[..6], b"070701");
        assert_eq!(&folder[14..22], b"000041ED", "the mode of a folder");
        assert_eq!(&folder[110..], b"a\0");
        let file = &bytes[112..];
        assert_eq!(&file[14..22], b"000081A4", "the mode of a file");
        assert_eq!(&file[54..62], b"00000005", "its size");
        assert_eq!(&file[94..102], b"00000004", "its name with the zero");
        assert_eq!(&file[110..124], b"a/b\0\0\0hello\0\0\0");
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(
            text.matches("070701").count(),
            5,
            "a, a/b, dev, dev/null, the end"
        );
        assert!(text.contains("0000000100000003"), "the number of a device");
        assert!(text.contains("TRAILER!!!"));
        Ok(())
    }
}
