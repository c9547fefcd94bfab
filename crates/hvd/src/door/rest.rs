//! REST for a service of the definitions: each route becomes a call of the same method as over gRPC.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Query, RawPathParams, Request};
use axum::http::{Extensions, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, get, on};
use axum::{Json, RequestExt};
use rpc::rest::{Body as BodyOf, Route, routes};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Status};

use super::refusal::{self, answer, is_grpc, refused};

/// What a method answers, as JSON.
pub enum Answer {
    /// One message.
    One(Value),
    /// Messages for as long as there are any, each a line.
    Many(Pin<Box<dyn Stream<Item = Result<Value, Status>> + Send>>),
}

/// The future of an answer.
pub type Answering = Pin<Box<dyn Future<Output = Result<Answer, Status>> + Send>>;

/// A service that can be called by the name of a method, with a request in JSON.
pub trait Methods: Send + Sync + 'static {
    /// Calls a method. `extensions` hold the caller and the deadline.
    fn call(&self, method: &str, request: Value, extensions: Extensions) -> Answering;
}

/// All routes of a service, and its OpenAPI document.
///
/// The name of the service is its full name in the definitions.
pub fn router(service: &str, methods: Arc<dyn Methods>, openapi: Value) -> Router {
    let mut router = Router::new().route(
        "/v1/openapi.json",
        get(move || {
            let openapi = openapi.clone();
            async move { Json(openapi) }
        }),
    );
    for route in routes(service) {
        let Some(filter) = filter(route.verb) else {
            continue;
        };
        let path = route.numbered_path();
        let (route, methods) = (Arc::new(route), Arc::clone(&methods));
        let handler = move |request: Request| {
            let (route, methods) = (Arc::clone(&route), Arc::clone(&methods));
            async move { handle(&route, &*methods, request).await }
        };
        router = router.route(&path, on(filter, handler));
    }
    router
}

/// The answer to what is no route, in the form of the request.
pub async fn not_there(request: Request) -> Response {
    let grpc = is_grpc(request.headers());
    let text = format!(
        "{}: there is no such method; see /v1/openapi.json",
        request.uri().path()
    );
    let code = if grpc {
        Code::Unimplemented
    } else {
        Code::NotFound
    };
    answer(Status::new(code, text), grpc)
}

fn filter(verb: &str) -> Option<MethodFilter> {
    Some(match verb {
        "get" => MethodFilter::GET,
        "put" => MethodFilter::PUT,
        "post" => MethodFilter::POST,
        "delete" => MethodFilter::DELETE,
        "patch" => MethodFilter::PATCH,
        _ => return None,
    })
}

async fn handle(route: &Route, methods: &dyn Methods, request: Request) -> Response {
    match call(route, methods, request).await {
        Ok(response) | Err(response) => response,
    }
}

async fn call(
    route: &Route,
    methods: &dyn Methods,
    mut request: Request,
) -> Result<Response, Response> {
    let bad = |text: String| refusal::rest(&Status::invalid_argument(text));
    let path = request.extract_parts::<RawPathParams>().await;
    let path = path.map_err(|error| bad(error.to_string()))?;
    let path: Vec<String> = path.iter().map(|(_, value)| value.to_owned()).collect();
    let query = request
        .extract_parts::<Query<BTreeMap<String, String>>>()
        .await;
    let Query(query) = query.map_err(|error| bad(error.to_string()))?;
    let (parts, body) = request.into_parts();
    let body = match route.body {
        BodyOf::None => None,
        BodyOf::Whole | BodyOf::Field(_) => read(body).await?,
    };
    let message = route
        .request(&path, &query, body)
        .map_err(|error| refusal::rest(&named(&error.to_string())))?;
    let answer = methods
        .call(route.method.name(), message, parts.extensions)
        .await
        .map_err(|status| refusal::rest(&status))?;
    Ok(match answer {
        Answer::One(value) => Json(value).into_response(),
        Answer::Many(stream) => lines(stream),
    })
}

/// The body as JSON; nothing if it is empty.
async fn read(body: Body) -> Result<Option<Value>, Response> {
    let bytes = to_bytes(body, rpc::LONGEST_REQUEST).await.map_err(|_| {
        let text = format!(
            "the body cannot be read, or is longer than {} bytes",
            rpc::LONGEST_REQUEST
        );
        let body = refusal::json(&Status::out_of_range(text));
        (StatusCode::PAYLOAD_TOO_LARGE, Json(body)).into_response()
    })?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let value = serde_json::from_slice(&bytes);
    value.map(Some).map_err(|error| {
        refusal::rest(&Status::invalid_argument(format!(
            "the body is not JSON: {error}"
        )))
    })
}

/// Each message a line; what ends the stream early is the last one, as `error`.
fn lines(stream: Pin<Box<dyn Stream<Item = Result<Value, Status>> + Send>>) -> Response {
    let lines = stream.map(|item| {
        let value = item.unwrap_or_else(|status| json!({ "error": refusal::json(&status) }));
        Ok::<_, std::convert::Infallible>(Bytes::from(format!("{value}\n")))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (kind, Body::from_stream(lines)).into_response()
}

/// A refusal that names the field with which its text begins, or which it says is not known.
fn named(text: &str) -> Status {
    let unknown = text
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split('`').next());
    let first = text.split_once(": ").map(|(field, _)| field);
    let is_path = |field: &&str| {
        let good = |letter: char| letter.is_ascii_alphanumeric() || "_.[]".contains(letter);
        !field.is_empty() && field.chars().all(good)
    };
    match (unknown, first.filter(is_path)) {
        (Some(field), _) => refused(Code::InvalidArgument, field, text),
        (None, Some(field)) => {
            let reason = text.get(field.len() + 2..).unwrap_or_default();
            refused(Code::InvalidArgument, field, reason)
        }
        (None, None) => Status::invalid_argument(text),
    }
}

/// Calls a method with one answer.
pub fn one<Q, A, F>(
    request: Value,
    extensions: Extensions,
    call: impl FnOnce(tonic::Request<Q>) -> F + Send + 'static,
) -> Answering
where
    Q: DeserializeOwned + Send,
    A: Serialize,
    F: Future<Output = Result<tonic::Response<A>, Status>> + Send,
{
    Box::pin(async move {
        let response = call(typed(request, extensions)?).await?;
        value(&response.into_inner()).map(Answer::One)
    })
}

/// Calls a method with many answers.
pub fn many<Q, A, S, F>(
    request: Value,
    extensions: Extensions,
    call: impl FnOnce(tonic::Request<Q>) -> F + Send + 'static,
) -> Answering
where
    Q: DeserializeOwned + Send,
    A: Serialize,
    S: Stream<Item = Result<A, Status>> + Send + 'static,
    F: Future<Output = Result<tonic::Response<S>, Status>> + Send,
{
    Box::pin(async move {
        let response = call(typed(request, extensions)?).await?;
        let values = response.into_inner().map(|item| value(&item?));
        Ok(Answer::Many(Box::pin(values)))
    })
}

fn typed<Q: DeserializeOwned>(
    request: Value,
    extensions: Extensions,
) -> Result<tonic::Request<Q>, Status> {
    let message = serde_json::from_value(request).map_err(|error| named(&error.to_string()))?;
    let mut request = tonic::Request::new(message);
    *request.extensions_mut() = extensions;
    Ok(request)
}

fn value<A: Serialize>(answer: &A) -> Result<Value, Status> {
    serde_json::to_value(answer).map_err(|error| Status::internal(error.to_string()))
}
