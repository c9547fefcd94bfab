//! REST and OpenAPI say what the definitions say.

#![allow(clippy::unwrap_used)] // These are tests, though not marked so.

use std::collections::{BTreeMap, BTreeSet};

use rpc::rest::{RequestError, Route, routes};
use serde_json::{Value, json};

const SERVICE: &str = "heddle.hv.v1.HypervisorNetwork";
const REGION: &str = "heddle.region.v1.Region";

fn document(service: &str) -> Value {
    rpc::openapi::document(service, "title", "1")
}

fn route(name: &str) -> Route {
    route_of(SERVICE, name)
}

fn route_of(service: &str, name: &str) -> Route {
    let mut routes = routes(service).into_iter();
    routes
        .find(|route| route.method.name() == name)
        .expect("a method of the service")
}

#[test]
fn every_method_is_in_the_document_once() {
    methods_of(SERVICE, 9);
    methods_of(REGION, 29);
}

fn methods_of(service: &str, count: usize) {
    let pool = rpc::descriptors::pool();
    let methods = pool.get_service_by_name(service).unwrap();
    let expected: BTreeSet<String> = methods.methods().map(|it| it.name().to_owned()).collect();
    assert_eq!(expected.len(), count);
    let document = document(service);
    let mut found = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (verb, operation) in operations.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(
                !operation["description"].as_str().unwrap().is_empty(),
                "{name}"
            );
            let route = route_of(service, name);
            assert_eq!(
                (route.verb, route.path.as_str()),
                (verb.as_str(), path.as_str())
            );
            found.push(name.to_owned());
        }
    }
    assert_eq!(found.len(), expected.len());
    assert_eq!(BTreeSet::from_iter(found), expected);
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    fn walk(value: &Value, document: &Value, count: &mut usize) {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').expect("inside of the document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
            *count += 1;
        }
        match value {
            Value::Object(map) => map.values().for_each(|value| walk(value, document, count)),
            Value::Array(list) => list.iter().for_each(|value| walk(value, document, count)),
            _ => {}
        }
    }
    for service in [SERVICE, REGION] {
        let (document, mut count) = (document(service), 0);
        walk(&document, &document, &mut count);
        assert!(count > 20, "{count}");
    }
}

#[test]
fn every_message_and_field_has_a_comment() {
    comments_of(&document(SERVICE));
    comments_of(&document(REGION));
}

fn comments_of(document: &Value) {
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        if name.starts_with("NetworkParams") {
            continue;
        }
        let about = schema["description"].as_str().unwrap_or_default();
        assert!(!about.is_empty(), "{name}");
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            let about = schema["description"].as_str().unwrap_or_default();
            assert!(!about.is_empty(), "{name}.{field}");
        }
    }
}

fn query(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn a_request_is_made_of_path_query_and_body() {
    let params = json!({ "droplet_id": 7, "vnics": [] });
    let made = route("Add").request(
        &[],
        &query(&[("idempotency_key", "k")]),
        Some(params.clone()),
    );
    assert_eq!(
        made.unwrap(),
        json!({ "params": params, "idempotency_key": "k" })
    );
    let path = ["7".to_owned()];
    let made = route("Replace").request(&path, &query(&[]), Some(json!({ "vnics": [] })));
    assert_eq!(made.unwrap(), json!({ "params": params }));
    let made = route("Replace").request(&["8".to_owned()], &query(&[]), Some(params));
    let disagree = RequestError::Disagree {
        name: "params.droplet_id".to_owned(),
        body: "7".to_owned(),
        path: "8".to_owned(),
    };
    assert_eq!(made.unwrap_err(), disagree);
    let made = route("Remove").request(&path, &query(&[("allow_missing", "true")]), None);
    assert_eq!(
        made.unwrap(),
        json!({ "machine_id": 7, "allow_missing": true })
    );
    let made = route("Disable").request(&path, &query(&[]), None);
    assert_eq!(made.unwrap(), json!({ "machine_id": 7 }));
}

#[test]
fn a_query_says_what_is_within_the_request() {
    let route = route_of(REGION, "RemoveHypervisor");
    let names: Vec<String> = route.query_fields().into_iter().map(|it| it.name).collect();
    let policy = |name| format!("options.policy.{name}");
    let policy = [
        "parallel",
        "attempts",
        "stop_after",
        "deadline_ms",
        "backoff_ms",
        "max_backoff_ms",
    ]
    .map(policy);
    let mut expected = ["force", "options.dry_run", "options.idempotency_key"]
        .map(str::to_owned)
        .to_vec();
    expected.extend(policy);
    assert_eq!(names, expected);
    let said = [
        ("force", "true"),
        ("options.dry_run", "true"),
        ("options.policy.parallel", "4"),
    ];
    let made = route.request(&["hv1".to_owned()], &query(&said), None);
    let expected = json!({
        "name": "hv1", "force": true, "options": { "dry_run": true, "policy": { "parallel": 4 } }
    });
    assert_eq!(made.unwrap(), expected);
    // A time is a text.
    let made = route_of(REGION, "ListActions").request(
        &[],
        &query(&[("since", "2026-11-21T17:00:00Z")]),
        None,
    );
    assert_eq!(made.unwrap(), json!({ "since": "2026-11-21T17:00:00Z" }));
    // What has a body has no query.
    let error = route_of(REGION, "PutCustomer")
        .request(&["acme".to_owned()], &query(&[("enabled", "true")]), None)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "enabled: no such parameter; there are none"
    );
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let path = ["x".to_owned()];
    let error = route("Get").request(&path, &query(&[]), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "machine_id: \"x\" is not a number of 32 bits"
    );
    let error = route("List")
        .request(&[], &query(&[("size", "1")]), None)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "size: no such parameter; there are page_size, page_token"
    );
    let error = route("Add")
        .request(&[], &query(&[]), Some(json!([])))
        .unwrap_err();
    assert_eq!(error, RequestError::NoObject);
    let error = route("DryRun")
        .request(&[], &query(&[("add", "1")]), None)
        .unwrap_err();
    assert_eq!(error.to_string(), "add: no such parameter; there are none");
}

#[test]
fn the_documented_examples_are_valid() {
    let expected = ["Change", "Error", "Machine", "NetworkParams"];
    examples_of(SERVICE, include_str!("../../../docs/hvd.md"), &expected);
    let expected = ["Action", "AddRuleRequest", "Change", "Progress"];
    examples_of(REGION, include_str!("../../../docs/region.md"), &expected);
}

fn examples_of(service: &str, guide: &str, expected: &[&str]) {
    let document = document(service);
    let mut names = BTreeSet::new();
    for block in guide.split("\n```json ").skip(1) {
        let (name, rest) = block.split_once('\n').unwrap();
        let text = rest.split("\n```").next().unwrap();
        let example: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let schema = &document["components"]["schemas"][name];
        assert!(schema.is_object(), "no schema {name}");
        if let Err(error) = valid(&example, schema, &document) {
            panic!("{name}: {error}\n{text}");
        }
        let mut unknown = example.clone();
        unknown["color"] = 1.into();
        assert!(
            valid(&unknown, schema, &document).is_err(),
            "{name} allows unknown fields"
        );
        names.insert(name);
    }
    assert_eq!(names, expected.iter().copied().collect());
}

/// Checks a value against a schema, as far as schemas here go: a word that is not known here is a failure.
fn valid(value: &Value, schema: &Value, document: &Value) -> Result<(), String> {
    let Value::Object(schema) = schema else {
        return if schema == &json!(true) {
            Ok(())
        } else {
            Err(format!("schema {schema}"))
        };
    };
    for (word, said) in schema {
        check(value, word, said, schema, document).map_err(|error| format!("{word}: {error}"))?;
    }
    Ok(())
}

fn check(
    value: &Value,
    word: &str,
    said: &Value,
    schema: &serde_json::Map<String, Value>,
    document: &Value,
) -> Result<(), String> {
    let good = match word {
        // Words that say nothing of values, and the form of texts, which is for people here.
        "description" | "title" | "default" | "format" | "pattern" | "propertyNames" => true,
        "$ref" => {
            let pointer = said
                .as_str()
                .and_then(|it| it.strip_prefix('#'))
                .unwrap_or_default();
            return valid(
                value,
                document.pointer(pointer).unwrap_or(&Value::Null),
                document,
            );
        }
        "type" => match said {
            Value::Array(kinds) => kinds.iter().any(|kind| is(value, kind)),
            kind => is(value, kind),
        },
        "enum" => said.as_array().is_some_and(|list| list.contains(value)),
        "const" => said == value,
        "minimum" => value
            .as_f64()
            .is_none_or(|number| Some(number) >= said.as_f64()),
        "maximum" => value
            .as_f64()
            .is_none_or(|number| Some(number) <= said.as_f64()),
        "minLength" => value
            .as_str()
            .is_none_or(|text| Some(text.len() as u64) >= said.as_u64()),
        "maxLength" => value
            .as_str()
            .is_none_or(|text| Some(text.len() as u64) <= said.as_u64()),
        "maxItems" => value
            .as_array()
            .is_none_or(|it| Some(it.len() as u64) <= said.as_u64()),
        "maxProperties" => value
            .as_object()
            .is_none_or(|it| Some(it.len() as u64) <= said.as_u64()),
        "required" => {
            let mut names = said
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str);
            names.all(|name| value.get(name).is_some())
        }
        "items" => {
            let mut items = value.as_array().into_iter().flatten();
            return items.try_for_each(|item| valid(item, said, document));
        }
        "properties" => {
            for (name, schema) in said.as_object().into_iter().flatten() {
                if let Some(value) = value.get(name) {
                    valid(value, schema, document).map_err(|error| format!("{name}: {error}"))?;
                }
            }
            true
        }
        "additionalProperties" => {
            let known = schema.get("properties").and_then(Value::as_object);
            for (name, value) in value.as_object().into_iter().flatten() {
                if known.is_none_or(|known| !known.contains_key(name)) {
                    let error = |error| format!("{name}: {error}");
                    valid(value, said, document).map_err(error)?;
                }
            }
            true
        }
        "anyOf" | "oneOf" => {
            let mut schemas = said.as_array().into_iter().flatten();
            schemas.any(|schema| valid(value, schema, document).is_ok())
        }
        "allOf" => {
            let mut schemas = said.as_array().into_iter().flatten();
            return schemas.try_for_each(|schema| valid(value, schema, document));
        }
        other => return Err(format!("the test does not know the word {other}")),
    };
    if good {
        Ok(())
    } else {
        Err(format!("{value} is not {said}"))
    }
}

fn is(value: &Value, kind: &Value) -> bool {
    match kind.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        _ => false,
    }
}
