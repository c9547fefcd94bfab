//! Refusals: one status for both forms, with the field that is wrong.

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

/// The metadata of a status that names the field that is wrong.
pub const FIELD: &str = "heddle-field";

/// A refusal because of a field of the request.
#[must_use]
pub fn refused(code: Code, name: &str, reason: &str) -> Status {
    let mut status = Status::new(code, format!("{name}: {reason}"));
    // A path of names, dots and numbers is always good; what is not is only in the text.
    if let Ok(value) = MetadataValue::try_from(name) {
        status.metadata_mut().insert(FIELD, value);
    }
    status
}

/// The field that a refusal names.
#[must_use]
pub fn field(status: &Status) -> Option<&str> {
    status.metadata().get(FIELD)?.to_str().ok()
}

/// What a status is in HTTP, as other gateways have it.
#[must_use]
pub fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Cancelled | Code::Unknown | Code::Internal | Code::DataLoss => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

/// The name of a code as it is written in the definitions of gRPC.
pub(super) fn name(code: Code) -> String {
    let mut out = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

/// The JSON of a refusal.
pub(super) fn json(status: &Status) -> serde_json::Value {
    let mut body = json!({
        "code": i32::from(status.code()),
        "status": name(status.code()),
        "message": status.message(),
    });
    if let Some(field) = field(status) {
        body["field"] = field.into();
    }
    body
}

/// The answer over HTTP.
pub(super) fn rest(status: &Status) -> Response {
    (http_status(status.code()), Json(json(status))).into_response()
}

/// Whether a request is one of gRPC.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// The answer in the form of the request.
pub(super) fn answer(status: Status, grpc: bool) -> Response {
    if grpc {
        status.into_http()
    } else {
        rest(&status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_names_of_their_definition() {
        assert_eq!(name(Code::InvalidArgument), "INVALID_ARGUMENT");
        assert_eq!(name(Code::Ok), "OK");
        let status = refused(Code::InvalidArgument, "vnics[0].mac", "is not an address");
        assert_eq!(
            json(&status),
            json!({
                "code": 3,
                "status": "INVALID_ARGUMENT",
                "message": "vnics[0].mac: is not an address",
                "field": "vnics[0].mac",
            })
        );
        assert_eq!(http_status(status.code()), StatusCode::BAD_REQUEST);
    }
}
