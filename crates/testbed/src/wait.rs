//! Waiting for a condition, with a limit.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long between two looks. Short against everything that is waited for, long against one look.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until `look` gives a value, at most `limit` long. `what` completes "gave up waiting for".
///
/// # Errors
/// When the limit passes, or when `look` itself fails.
pub fn until<T>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = look()? {
            return Ok(value);
        }
        if Instant::now() >= end {
            bail!("gave up waiting for {what} after {limit:?}");
        }
        std::thread::sleep(PAUSE);
    }
}
