//! Values that are too large for one request of etcd, in parts.
//!
//! Invariant: nothing refers to parts before all of them are there.

use etcd_client::{DeleteOptions, GetOptions};

use crate::Error;
use crate::link::{BULK, Failure, Link, MAX_ANSWER};

/// The size of a part. etcd takes requests of 1.5 MiB unless told otherwise.
const PART: usize = 1 << 20;
/// How many parts are read at once.
const READ_AT_ONCE: u64 = 16;

/// How many parts a value of this size makes: at least one.
pub(crate) const fn count(bytes: usize) -> u64 {
    if bytes == 0 {
        1
    } else {
        bytes.div_ceil(PART) as u64
    }
}

fn key(prefix: &str, number: u64) -> String {
    format!("{prefix}{number:016x}")
}

/// Writes a value in parts below a prefix.
pub(crate) async fn write(link: &Link, prefix: &str, bytes: &[u8]) -> Result<(), Failure> {
    for number in 0..count(bytes.len()) {
        let from = (usize::try_from(number).unwrap_or(usize::MAX)).saturating_mul(PART);
        let part = &bytes[from..bytes.len().min(from + PART)];
        // The same once more does no harm.
        link.call_each(BULK, |client| {
            let key = key(prefix, number);
            async move { client.kv_client().put(key, part, None).await }
        })
        .await?;
    }
    Ok(())
}

/// Reads a value; nothing when a part is missing, or the size is another.
pub(crate) async fn read(
    link: &Link,
    prefix: &str,
    count: u64,
    bytes: u64,
) -> Result<Option<Vec<u8>>, Failure> {
    let mut value = Vec::new();
    for from in (0..count).step_by(usize::try_from(READ_AT_ONCE).unwrap_or(1)) {
        let to = count.min(from + READ_AT_ONCE);
        let parts = link
            .call_each(BULK, |client| {
                let options = GetOptions::new().with_range(key(prefix, to));
                let key = key(prefix, from);
                let mut kv = client.kv_client().max_decoding_message_size(MAX_ANSWER);
                async move { kv.get(key, Some(options)).await }
            })
            .await?;
        if parts.kvs().len() as u64 != to - from {
            return Ok(None);
        }
        for part in parts.kvs() {
            value.extend_from_slice(part.value());
        }
    }
    Ok((value.len() as u64 == bytes).then_some(value))
}

/// Deletes all keys below a prefix.
pub(crate) async fn delete(link: &Link, prefix: &str) -> Result<(), Error> {
    let options = DeleteOptions::new().with_prefix();
    link.call_each(BULK, |client| {
        let options = options.clone();
        async move { client.kv_client().delete(prefix, Some(options)).await }
    })
    .await?;
    Ok(())
}
