//! REST from the definitions: which verb and path is which method, and how path, query and body make a request.
//!
//! Pure: what a server does with a [`Route`] is its affair. The JSON that comes out of [`Route::request`] is that
//! of the request message; reading it finds what is left to find, unknown fields above all.

use std::collections::BTreeMap;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};
use serde_json::{Map, Value};

use crate::descriptors::{methods, pool};

/// The verbs that a method can have.
const VERBS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// The one message that is a text in JSON.
pub(crate) const TIMESTAMP: &str = "google.protobuf.Timestamp";
/// How many messages deep a query reaches into a request.
const DEPTH: u8 = 2;

/// Where the body of a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    None,
    /// It is the request, apart from what the path says.
    Whole,
    /// It is this field of the request.
    Field(String),
}

/// One method over HTTP.
#[derive(Debug, Clone)]
pub struct Route {
    /// The verb, in small letters.
    pub verb: &'static str,
    /// The path, with the names of fields in braces.
    pub path: String,
    /// What the body is.
    pub body: Body,
    /// The method.
    pub method: MethodDescriptor,
}

/// A parameter of a query.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name: that of the field, with those of the messages around it, such as `options.dry_run`.
    pub name: String,
    /// The field.
    pub field: FieldDescriptor,
}

/// Why a request over HTTP is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The query names something that there is not.
    #[error("{name}: no such parameter; there are {known}")]
    Parameter {
        /// What it named.
        name: String,
        /// What it could have named.
        known: String,
    },
    /// A text is not of the kind of the field.
    #[error("{name}: {text:?} is not {kind}")]
    Kind {
        /// The field.
        name: String,
        /// What was said.
        text: String,
        /// What it should be.
        kind: &'static str,
    },
    /// Path and body disagree.
    #[error("{name}: {body} in the body, and {path} in the path")]
    Disagree {
        /// The field.
        name: String,
        /// What the body says.
        body: String,
        /// What the path says.
        path: String,
    },
    /// The body is no object.
    #[error("the body is not a JSON object")]
    NoObject,
}

/// The routes of a service, by the full name of that. A method without an option for HTTP has none.
#[must_use]
pub fn routes(service: &str) -> Vec<Route> {
    methods(service).into_iter().filter_map(route).collect()
}

fn route(method: MethodDescriptor) -> Option<Route> {
    let extension = pool().get_extension_by_name("google.api.http")?;
    let options = method.options();
    let rule = options.get_extension(&extension);
    let rule = rule.as_message()?;
    let (verb, path) = VERBS
        .iter()
        .find_map(|verb| Some((*verb, text(rule, verb).filter(|text| !text.is_empty())?)))?;
    let body = match text(rule, "body")?.as_str() {
        "" => Body::None,
        "*" => Body::Whole,
        field => Body::Field(field.to_owned()),
    };
    Some(Route {
        verb,
        path,
        body,
        method,
    })
}

fn text(rule: &DynamicMessage, field: &str) -> Option<String> {
    Some(rule.get_field_by_name(field)?.as_str()?.to_owned())
}

impl Route {
    /// The full name of the service.
    #[must_use]
    pub fn service(&self) -> String {
        self.method.parent_service().full_name().to_owned()
    }

    /// The fields that the path names, such as `machine_id` or `params.droplet_id`.
    #[must_use]
    pub fn path_fields(&self) -> Vec<&str> {
        let braced = |segment: &'_ str| segment.starts_with('{') && segment.ends_with('}');
        let segments = self.path.split('/').filter(|segment| braced(segment));
        segments
            .map(|segment| segment.trim_matches(['{', '}']))
            .collect()
    }

    /// The path with places in place of names, as routers that take no dots in names want it: `{0}`, `{1}`.
    #[must_use]
    pub fn numbered_path(&self) -> String {
        let mut path = self.path.clone();
        for (number, field) in self.path_fields().iter().enumerate() {
            path = path.replace(&format!("{{{field}}}"), &format!("{{p{number}}}"));
        }
        path
    }

    /// The fields that a query may say: simple ones, also those of messages within the request, that are in neither the
    /// path nor the body.
    #[must_use]
    pub fn query_fields(&self) -> Vec<Parameter> {
        let elsewhere = match &self.body {
            Body::Whole => return Vec::new(),
            Body::Field(body) => Some(body.as_str()),
            Body::None => None,
        };
        let mut found = Vec::new();
        let mut path = self.path_fields();
        path.extend(elsewhere);
        simple(&self.method.input(), "", DEPTH, &mut |parameter| {
            found.push(parameter);
        });
        let is_elsewhere = |name: &str| {
            path.iter().any(|part| {
                let rest = name.strip_prefix(part);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        };
        found.retain(|parameter| !is_elsewhere(&parameter.name));
        found
    }

    /// The JSON of the request message.
    ///
    /// # Errors
    /// What does not fit together.
    pub fn request(
        &self,
        path: &[String],
        query: &BTreeMap<String, String>,
        body: Option<Value>,
    ) -> Result<Value, RequestError> {
        let mut request = match (&self.body, body) {
            (Body::None, _) | (Body::Whole, None) => Map::new(),
            (Body::Whole, Some(Value::Object(map))) => map,
            (Body::Whole, Some(_)) => return Err(RequestError::NoObject),
            (Body::Field(field), body) => {
                let body = body
                    .filter(Value::is_object)
                    .ok_or(RequestError::NoObject)?;
                Map::from_iter([(field.clone(), body)])
            }
        };
        let known = self.query_fields();
        for (name, text) in query {
            if !known.iter().any(|parameter| parameter.name == *name) {
                let known: Vec<_> = known.into_iter().map(|it| it.name).collect();
                let known = if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                };
                return Err(RequestError::Parameter {
                    name: name.clone(),
                    known,
                });
            }
            place(&mut request, &self.method.input(), name, name, text)?;
        }
        for (name, text) in self.path_fields().into_iter().zip(path) {
            place(&mut request, &self.method.input(), name, name, text)?;
        }
        Ok(Value::Object(request))
    }
}

/// Finds the simple fields of a message and of those within it, down to a depth.
fn simple(message: &MessageDescriptor, prefix: &str, depth: u8, found: &mut dyn FnMut(Parameter)) {
    for field in message.fields() {
        let name = format!("{prefix}{}", field.name());
        match field.kind() {
            _ if field.is_list() || field.is_map() => {}
            Kind::Message(inner) if inner.full_name() != TIMESTAMP => {
                if depth > 0 {
                    simple(&inner, &format!("{name}."), depth - 1, found);
                }
            }
            _ => found(Parameter { name, field }),
        }
    }
}

/// Puts what the path or the query says where it belongs, if nothing else is there.
fn place(
    request: &mut Map<String, Value>,
    message: &MessageDescriptor,
    whole: &str,
    name: &str,
    text: &str,
) -> Result<(), RequestError> {
    let (first, rest) = name
        .split_once('.')
        .map_or((name, None), |(a, b)| (a, Some(b)));
    let Some(field) = message.get_field_by_name(first) else {
        // The test of the routes finds such a template.
        return Ok(());
    };
    if let (Some(rest), Kind::Message(inner)) = (rest, field.kind()) {
        let below = request
            .entry(first)
            .or_insert_with(|| Value::Object(Map::new()));
        let below = below.as_object_mut().ok_or(RequestError::NoObject)?;
        return place(below, &inner, whole, rest, text);
    }
    let value = scalar(&field, whole, text)?;
    match request.get(first) {
        Some(said) if plain(said) != plain(&value) => Err(RequestError::Disagree {
            name: whole.to_owned(),
            body: plain(said),
            path: text.to_owned(),
        }),
        Some(_) => Ok(()),
        None => {
            request.insert(first.to_owned(), value);
            Ok(())
        }
    }
}

/// A value as text: 64-bit numbers may be either in JSON.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn scalar(field: &FieldDescriptor, name: &str, text: &str) -> Result<Value, RequestError> {
    let bad = |kind| RequestError::Kind {
        name: name.to_owned(),
        text: text.to_owned(),
        kind,
    };
    match field.kind() {
        Kind::Bool => text
            .parse()
            .map(Value::Bool)
            .map_err(|_| bad("true or false")),
        Kind::String | Kind::Enum(_) => Ok(Value::String(text.to_owned())),
        Kind::Message(message) if message.full_name() == TIMESTAMP => {
            Ok(Value::String(text.to_owned()))
        }
        Kind::Uint32 | Kind::Fixed32 => {
            let number: Result<u32, _> = text.parse();
            number
                .map(Value::from)
                .map_err(|_| bad("a number of 32 bits"))
        }
        Kind::Uint64 | Kind::Fixed64 => {
            let number: Result<u64, _> = text.parse();
            number
                .map(Value::from)
                .map_err(|_| bad("a number of 64 bits"))
        }
        _ => Err(bad("something that a path or query can say")),
    }
}
