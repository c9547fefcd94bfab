//! The OpenAPI document of a service, made of the definitions.

use std::collections::BTreeSet;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use crate::descriptors::comment;
use crate::params;
use crate::rest::{Body, Parameter, Route, TIMESTAMP, routes};

/// The messages whose form in JSON is not that of protobuf: this one, and a part of it.
const PARAMS: &str = "heddle.hv.v1.NetworkParams";
const RULE: &str = "heddle.hv.v1.Rule";

/// The document (OpenAPI 3.1) of a service, by the full name of that.
#[must_use]
pub fn document(service: &str, title: &str, version: &str) -> Value {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    for route in routes(service) {
        let operation = operation(&route, &mut schemas);
        let path = paths.entry(route.path.clone()).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.verb.to_owned(), operation);
        }
    }
    schemas.complete();
    json!({
        "openapi": "3.1.0",
        "info": { "title": title, "version": version },
        "paths": paths,
        "components": { "schemas": schemas.done },
    })
}

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let method = &route.method;
    let input = method.input();
    let mut parameters: Vec<Value> = Vec::new();
    for name in route.path_fields() {
        let field = nested(&input, name);
        let schema = field.map_or_else(|| json!({}), |field| schemas.field(&field));
        parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
    }
    for Parameter { name, field } in route.query_fields() {
        parameters.push(json!({
            "name": name,
            "in": "query",
            "description": comment(&field.parent_message().parent_file(), field.path()),
            "schema": schemas.field(&field),
        }));
    }
    let kind = if method.is_server_streaming() {
        "application/x-ndjson"
    } else {
        "application/json"
    };
    let answer = schemas.message(&method.output());
    let mut operation = json!({
        "operationId": method.name(),
        "description": comment(&method.parent_file(), method.path()),
        "parameters": parameters,
        "responses": {
            "200": { "description": "Done.", "content": { kind: { "schema": answer } } },
            "default": {
                "description": "Refused.",
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
            },
        },
    });
    let body = match &route.body {
        Body::None => return operation,
        Body::Whole => schemas.message(&input),
        Body::Field(name) => match input.get_field_by_name(name) {
            Some(field) => schemas.field(&field),
            None => json!({}),
        },
    };
    operation["requestBody"] =
        json!({ "required": true, "content": { "application/json": { "schema": body } } });
    operation
}

fn nested(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    match name.split_once('.') {
        None => message.get_field_by_name(name),
        Some((first, rest)) => match message.get_field_by_name(first)?.kind() {
            Kind::Message(inner) => nested(&inner, rest),
            _ => None,
        },
    }
}

/// Schemas by name, and the messages that are still to be described.
#[derive(Default)]
struct Schemas {
    done: Map<String, Value>,
    seen: BTreeSet<String>,
    open: Vec<MessageDescriptor>,
}

impl Schemas {
    /// A reference to a message.
    fn message(&mut self, message: &MessageDescriptor) -> Value {
        if message.full_name() == TIMESTAMP {
            return json!({ "type": "string", "format": "date-time" });
        }
        if message.full_name() == RULE
            && let Some(params) = message.parent_pool().get_message_by_name(PARAMS)
        {
            // Among the parts of the schema of the parameters.
            self.message(&params);
            let (params, rule) = (params.name(), message.name());
            return json!({ "$ref": format!("#/components/schemas/{params}.{rule}") });
        }
        if self.seen.insert(message.full_name().to_owned()) {
            self.open.push(message.clone());
        }
        json!({ "$ref": format!("#/components/schemas/{}", message.name()) })
    }

    fn field(&mut self, field: &FieldDescriptor) -> Value {
        let one = match field.kind() {
            Kind::Message(entry) if entry.is_map_entry() => {
                let values = self.field(&entry.map_entry_value_field());
                return json!({ "type": "object", "additionalProperties": values });
            }
            Kind::Message(message) => self.message(&message),
            Kind::Enum(values) => self.enumeration(&values),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "format": "byte" }),
            Kind::Float | Kind::Double => json!({ "type": "number" }),
            Kind::Uint32 | Kind::Fixed32 => {
                json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
            }
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({ "type": "integer" }),
            // Numbers that JavaScript cannot hold are written as text and read as either.
            Kind::Uint64 | Kind::Fixed64 | Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                json!({ "type": ["string", "integer"], "format": "int64" })
            }
        };
        if field.is_list() {
            json!({ "type": "array", "items": one })
        } else {
            one
        }
    }

    fn enumeration(&mut self, values: &EnumDescriptor) -> Value {
        let name = values.name().to_owned();
        if self.seen.insert(values.full_name().to_owned()) {
            let names: Vec<String> = values
                .values()
                .map(|value| value.name().to_owned())
                .collect();
            let about = comment(&values.parent_file(), values.path());
            let schema = json!({ "type": "string", "description": about, "enum": names });
            self.done.insert(name.clone(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// Describes everything that was referred to.
    fn complete(&mut self) {
        while let Some(message) = self.open.pop() {
            if message.full_name() == PARAMS {
                self.params(message.name());
                continue;
            }
            let mut properties = Map::new();
            for field in message.fields() {
                let mut schema = self.field(&field);
                let about = comment(&message.parent_file(), field.path());
                if let Some(schema) = schema.as_object_mut().filter(|_| !about.is_empty()) {
                    schema.insert("description".to_owned(), about.into());
                }
                properties.insert(field.name().to_owned(), schema);
            }
            let schema = json!({
                "type": "object",
                "description": comment(&message.parent_file(), message.path()),
                "properties": properties,
                "additionalProperties": false,
            });
            self.done.insert(message.name().to_owned(), schema);
        }
        self.done.insert("Error".to_owned(), error());
    }

    /// The published JSON Schema of network parameters, with its parts beside it.
    fn params(&mut self, name: &str) {
        let mut schema = params::json_schema();
        moved(&mut schema, name);
        let Some(map) = schema.as_object_mut() else {
            return;
        };
        map.remove("$schema");
        map.remove("$id");
        if let Some(Value::Object(parts)) = map.remove("$defs") {
            for (part, schema) in parts {
                self.done.insert(format!("{name}.{part}"), schema);
            }
        }
        self.done.insert(name.to_owned(), schema);
    }
}

/// Makes references into a schema's own parts those into the parts of the document.
fn moved(schema: &mut Value, name: &str) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get_mut("$ref")
                && let Some(part) = reference.strip_prefix("#/$defs/")
            {
                *reference = format!("#/components/schemas/{name}.{part}");
            }
            map.values_mut().for_each(|value| moved(value, name));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| moved(value, name)),
        _ => {}
    }
}

/// What a refusal looks like over HTTP.
fn error() -> Value {
    json!({
        "type": "object",
        "description": "Why a request was refused.",
        "properties": {
            "code": { "type": "integer", "description": "The number of the status in gRPC." },
            "status": { "type": "string", "description": "Its name, such as INVALID_ARGUMENT." },
            "message": { "type": "string", "description": "For people: what is wrong, and what to do." },
            "field": { "type": "string", "description": "The field that is wrong, if it is one." },
        },
        "required": ["code", "status", "message"],
        "additionalProperties": false,
    })
}
