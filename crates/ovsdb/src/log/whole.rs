//! A whole file in memory, for as long as its records are read. It may be much larger than what else the process
//! allocates at once, so its memory is the system's own and goes back when it is dropped: an allocator would keep
//! it.
//!
//! Must not know what the bytes mean.

use std::fs::File;
use std::io::{self, Read};

use bytes::Bytes;
use memmap2::MmapMut;

/// The bytes of a file, from where it is read to its end at this moment; what others add meanwhile is not read.
pub(super) fn read(file: &mut File) -> io::Result<Bytes> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        // A pipe does not say how much will come.
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        return Ok(bytes.into());
    }
    let length = usize::try_from(metadata.len()).map_err(io::Error::other)?;
    let mut memory = MmapMut::map_anon(length)?;
    let mut filled = 0;
    while filled < length {
        match file.read(&mut memory[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Bytes::from_owner(memory).slice(..filled))
}
