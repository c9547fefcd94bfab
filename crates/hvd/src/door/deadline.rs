//! Deadlines of requests: `grpc-timeout`, for both forms.

use std::time::Duration;

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use tonic::Status;

use super::refusal::{answer, is_grpc};

/// The header with the time that a caller waits.
const HEADER: &str = "grpc-timeout";
/// How long a request may take whose caller says nothing.
const DEFAULT: Duration = Duration::from_secs(60);
/// The longest time that makes a difference.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// When the caller stops waiting. In the extensions of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// When the answer is of no more use.
    pub at: Instant,
    /// Whether the caller said so.
    pub asked: bool,
}

impl Deadline {
    /// What was missed.
    #[must_use]
    pub fn missed() -> Status {
        Status::deadline_exceeded(
            "not done within the deadline of the call; send it again with the same idempotency key, or look",
        )
    }
}

/// Reads the deadline, and ends the wait for the head of an answer when it has passed.
pub(super) async fn layer(mut request: Request, next: Next) -> Response {
    let grpc = is_grpc(request.headers());
    let asked = match asked(request.headers()) {
        Ok(asked) => asked,
        Err(text) => {
            let text = format!("{HEADER}: {text:?} is not a time such as 100m or 5S");
            return answer(Status::invalid_argument(text), grpc);
        }
    };
    let deadline = Deadline {
        at: Instant::now() + asked.unwrap_or(DEFAULT),
        asked: asked.is_some(),
    };
    request.extensions_mut().insert(deadline);
    match tokio::time::timeout_at(deadline.at, next.run(request)).await {
        Ok(response) => response,
        Err(_) => answer(Deadline::missed(), grpc),
    }
}

/// At most eight digits and a unit.
fn asked(headers: &HeaderMap) -> Result<Option<Duration>, String> {
    let Some(value) = headers.get(HEADER) else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
    let parsed = text
        .split_at_checked(text.len().saturating_sub(1))
        .filter(|(digits, _)| (1..=8).contains(&digits.len()))
        .filter(|(digits, _)| digits.bytes().all(|digit| digit.is_ascii_digit()))
        .and_then(|(digits, unit)| unit_of(digits.parse().ok()?, unit));
    match parsed {
        Some(time) => Ok(Some(time.min(LONGEST))),
        None => Err(text),
    }
}

fn unit_of(number: u64, unit: &str) -> Option<Duration> {
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &'static str) -> Result<Option<Duration>, String> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, text.parse().unwrap());
        asked(&headers)
    }

    #[test]
    fn times_are_those_of_the_protocol() {
        assert_eq!(asked(&HeaderMap::new()), Ok(None));
        assert_eq!(of("100m"), Ok(Some(Duration::from_millis(100))));
        assert_eq!(of("2M"), Ok(Some(Duration::from_secs(120))));
        assert_eq!(of("0n"), Ok(Some(Duration::ZERO)));
        assert_eq!(of("99999999H"), Ok(Some(LONGEST)));
        for bad in ["", "m", "5", "5s", "-5S", "123456789S", "5 S", "1é"] {
            assert_eq!(of(bad), Err(bad.to_owned()));
        }
    }
}
