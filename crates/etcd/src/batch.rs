//! A batch: the records of one append, as bytes.
//!
//! A line of JSON, then the records as a database file has them; or the line alone, and the records in parts.
//!
//! Invariant: what is read has as many records as the line says, each with the right checksum.

use ovsdb::Record;
use ovsdb::log::format;
use serde::{Deserialize, Serialize};

use crate::Error;

/// The first line of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Who wrote it, and which of his batches it is.
    pub(crate) batch: String,
    pub(crate) records: u64,
    /// How many bytes the records have.
    pub(crate) bytes: u64,
    /// How many parts hold the records; none when they follow here.
    pub(crate) parts: u64,
}

/// The bytes of records.
pub(crate) fn encode(records: &[Record]) -> Vec<u8> {
    let length: usize = records.iter().map(|record| record.data().len() + 80).sum();
    let mut bytes = Vec::with_capacity(length);
    for record in records {
        format::write(record, &mut bytes);
    }
    bytes
}

/// The value of an entry.
pub(crate) fn entry(line: &Line, records: &[u8]) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(line).expect("numbers and text are JSON");
    bytes.reserve(records.len() + 1);
    bytes.push(b'\n');
    bytes.extend_from_slice(records);
    bytes
}

/// The line of an entry, and what follows it.
pub(crate) fn split<'b>(key: &str, bytes: &'b [u8]) -> Result<(Line, &'b [u8]), Error> {
    let corrupt = |reason: String| Error::Corrupt {
        key: key.to_owned(),
        reason,
    };
    let end = bytes
        .iter()
        .position(|&byte| byte == b'\n')
        .ok_or_else(|| corrupt("does not begin with a line of JSON".into()))?;
    let line = serde_json::from_slice(&bytes[..end])
        .map_err(|error| corrupt(format!("does not begin with a batch's line ({error})")))?;
    Ok((line, &bytes[end + 1..]))
}

/// The records in these bytes, which must be `count`.
pub(crate) fn decode(key: &str, mut bytes: &[u8], count: u64) -> Result<Vec<Record>, Error> {
    let corrupt = |reason: String| Error::Corrupt {
        key: key.to_owned(),
        reason,
    };
    let mut records = Vec::new();
    while let Some((data, length)) =
        format::read(bytes).map_err(|damage| corrupt(damage.to_string()))?
    {
        records.push(Record::from_file(data));
        bytes = &bytes[length..];
    }
    if records.len() as u64 == count {
        Ok(records)
    } else {
        let found = records.len();
        Err(corrupt(format!(
            "has {found} records where {count} are announced"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_come_back() {
        let records = ["{}", "{\"a\":1}"].map(|text| Record::new(text.into()));
        let bytes = encode(&records);
        let line = Line {
            batch: "w-1".into(),
            records: 2,
            bytes: bytes.len() as u64,
            parts: 0,
        };
        let entry = entry(&line, &bytes);
        let (read, rest) = split("k", &entry).unwrap();
        assert_eq!((read, rest), (line, &bytes[..]));
        assert_eq!(decode("k", rest, 2).unwrap(), records);
    }

    #[test]
    fn damage_is_named() {
        let bytes = encode(&[Record::new(b"{}".to_vec())]);
        let error = |bytes: &[u8], count| decode("k", bytes, count).unwrap_err().to_string();
        assert!(error(&bytes, 2).contains("etcd key k: has 1 records where 2"));
        assert!(error(&bytes[..bytes.len() - 1], 1).contains("cut off"));
        let mut other = bytes;
        let last = other.len() - 2;
        other[last] ^= 1;
        assert!(error(&other, 1).contains("checksum"));
        assert!(
            split("k", b"{}")
                .unwrap_err()
                .to_string()
                .contains("line of JSON")
        );
    }
}
