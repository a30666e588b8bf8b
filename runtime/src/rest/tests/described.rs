//! The OpenAPI document says what is served, and what is served is what it says.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Server;
use crate::rest::endpoints::{ENDPOINTS, Over};
use crate::rest::{openapi, routes};

/// The methods that a path allows, as it says itself; HEAD comes with GET.
async fn allowed(server: &Server, path: &str) -> BTreeSet<String> {
    let path =
        path.replace("{name}", "a").replace("{task}", "0").replace("{plugin}", "p").replace("{logger}", "l");
    let answer = server.send("OPTIONS", &path, "", b"").await;
    assert_eq!(answer.status, 200, "{path}");
    let allow = answer.head.lines().find_map(|line| line.strip_prefix("allow: ")).unwrap_or_default();
    allow.split(',').map(|method| method.trim().to_owned()).filter(|method| method != "head").collect()
}

#[tokio::test]
async fn every_route_and_method_is_described_and_no_other() {
    let server = Server::start(&[]).await;
    let document = server.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let routes = routes();
    for (path, _) in &routes {
        let served = allowed(&server, path).await;
        let signed =
            ENDPOINTS.iter().filter(|endpoint| endpoint.over == Over::Signed && endpoint.path == *path);
        let signed: BTreeSet<String> = signed.map(|endpoint| endpoint.method.to_ascii_lowercase()).collect();
        let described =
            document["paths"][path].as_object().into_iter().flatten().map(|(method, _)| method.clone());
        let described: BTreeSet<String> = described.chain(signed).collect();
        assert_eq!(served, described, "{path}");
    }
    for endpoint in ENDPOINTS {
        assert!(routes.iter().any(|(path, _)| *path == endpoint.path), "{} is not served", endpoint.path);
        let count =
            ENDPOINTS.iter().filter(|other| (other.method, other.path) == (endpoint.method, endpoint.path));
        assert_eq!(count.count(), 1, "{} {}", endpoint.method, endpoint.path);
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = openapi::document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        let at = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(at).is_some(), "{reference}");
    }
}

/// What of an answer is not as its schema says: where, and why. Knows the words that our schemas use.
pub(super) fn unlike(value: &Value, schema: &Value, at: &str) -> Vec<String> {
    let document = openapi::document();
    let mut wrong = Vec::new();
    compare(&document, value, schema, at, &mut wrong);
    wrong
}

fn compare(document: &Value, value: &Value, schema: &Value, at: &str, wrong: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document.pointer(reference.trim_start_matches('#')).unwrap();
        return compare(document, value, schema, at, wrong);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let fits = |choice: &Value| {
            let mut wrong = Vec::new();
            compare(document, value, choice, at, &mut wrong);
            wrong.is_empty()
        };
        if choices.iter().filter(|choice| fits(choice)).count() != 1 {
            wrong.push(format!("{at}: {value} is not one of {choices:?}"));
        }
        return;
    }
    if schema["enum"].as_array().is_some_and(|known| !known.contains(value)) {
        wrong.push(format!("{at}: {value} is none of {}", schema["enum"]));
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = |said: &Value| said == kind || (said == "number" && kind == "integer");
    let is_typed = match &schema["type"] {
        Value::Null => true,
        Value::Array(kinds) => kinds.iter().any(fits),
        said => fits(said),
    };
    if !is_typed {
        wrong.push(format!("{at}: {value} is no {}", schema["type"]));
    }
    for item in value.as_array().into_iter().flatten() {
        compare(document, item, &schema["items"], &format!("{at}[]"), wrong);
    }
    let Some(fields) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            wrong.push(format!("{at}: {name} is missing"));
        }
    }
    for (name, field) in fields {
        let at = format!("{at}.{name}");
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(schema), _) => compare(document, field, schema, &at, wrong),
            (None, Value::Bool(false)) => wrong.push(format!("{at} is not described")),
            (None, schema @ Value::Object(_)) => compare(document, field, schema, &at, wrong),
            (None, _) => {}
        }
    }
}
