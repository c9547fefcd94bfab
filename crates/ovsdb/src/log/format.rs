//! Records as bytes: `OVSDB JSON <length> <sha1 in hexadecimal>\n<data>` (`ovsdb(5)`, "Standalone Format").

use bytes::Bytes;
use sha1::{Digest, Sha1};

use crate::Record;

/// The longest header that is looked at.
const MAX_HEADER: usize = 128;

/// Why no record can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// There is no header of a record.
    Header,
    /// The data end too early.
    Short,
    /// The data are not those that were written.
    Checksum,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Header => "there is no record header",
            Self::Short => "the record is cut off",
            Self::Checksum => "the record has the wrong checksum",
        })
    }
}

/// Adds a record in its form on disk.
pub fn write(record: &Record, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("OVSDB JSON {} ", record.data().len()).as_bytes());
    for byte in record.sha1() {
        out.extend_from_slice(format!("{byte:02x}").as_bytes());
    }
    out.push(b'\n');
    out.extend_from_slice(record.data());
}

/// Reads the record at the beginning of `bytes`; gives its data and its whole length, or nothing at the end
/// of the file.
pub fn read(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, Damage> {
    Ok(read_checked(bytes)?.map(|(data, _, length)| (data, length)))
}

/// The same as a record, which shares the bytes.
pub(crate) fn read_record(bytes: &Bytes) -> Result<Option<(Record, usize)>, Damage> {
    Ok(read_checked(bytes)?
        .map(|(data, sha1, length)| (Record::with_sha1(bytes.slice_ref(data), sha1), length)))
}

/// The data of a record, their SHA-1 and the whole length.
type Checked<'a> = (&'a [u8], [u8; 20], usize);

fn read_checked(bytes: &[u8]) -> Result<Option<Checked<'_>>, Damage> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let line = bytes
        .iter()
        .take(MAX_HEADER)
        .position(|&byte| byte == b'\n')
        .ok_or(Damage::Header)?;
    let header = std::str::from_utf8(&bytes[..line]).map_err(|_| Damage::Header)?;
    let (length, checksum) = parse_header(header).ok_or(Damage::Header)?;
    let data = bytes[line + 1..].get(..length).ok_or(Damage::Short)?;
    let actual: [u8; 20] = Sha1::digest(data).into();
    if actual != checksum {
        return Err(Damage::Checksum);
    }
    Ok(Some((data, actual, line + 1 + length)))
}

fn parse_header(header: &str) -> Option<(usize, [u8; 20])> {
    let (length, hex) = header.strip_prefix("OVSDB JSON ")?.split_once(' ')?;
    let mut checksum = [0; 20];
    if hex.len() != 40 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in checksum.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some((length.parse().ok()?, checksum))
}

/// Whether a whole record stands somewhere in `bytes`.
pub(crate) fn has_record(bytes: &[u8]) -> bool {
    const LEAD: &[u8] = b"OVSDB JSON ";
    let starts = bytes
        .windows(LEAD.len())
        .enumerate()
        .filter(|(_, window)| *window == LEAD);
    let mut records = starts.map(|(at, _)| read(&bytes[at..]));
    records.any(|record| matches!(record, Ok(Some(_))))
}

/// Whether the file is a database of another form, which must not be mistaken for a damaged one.
pub(crate) fn foreign(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"OVSDB CLUSTER ") {
        Some("not supported: a clustered database")
    } else if !bytes.starts_with(b"OVSDB JSON ") {
        Some("this is not an OVSDB database")
    } else {
        None
    }
}
