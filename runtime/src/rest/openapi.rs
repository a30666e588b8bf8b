//! `/openapi.json`: REST described for programs, as an OpenAPI 3.1 document.
//!
//! Made once, from the table of endpoints and the schemas. Invariant: what is served is described, and what is described is
//! served; a test walks both ways.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};

use super::endpoints::{ENDPOINTS, Endpoint, Over, Parameter};
use super::schemas;

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(document().to_string()));

/// `GET /openapi.json`
pub(super) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.clone())
}

/// The whole document.
pub(super) fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Millrace",
            "description": "Kafka Connect's REST interface, as Millrace serves it. A path may end in a slash.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths(),
        "components": {
            "schemas": schemas::all(),
            "responses": {"Error": {
                "description": "What went wrong",
                "headers": {"Retry-After": {
                    "description": "Seconds after which the same request may succeed; only where it may",
                    "schema": {"type": "integer"},
                }},
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            }},
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "bearer": {"type": "http", "scheme": "bearer"},
                "certificate": {"type": "mutualTLS"},
            },
        },
        "security": [{}, {"basic": []}, {"bearer": []}, {"certificate": []}],
    })
}

fn paths() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    // What workers say to each other is no interface for anybody else.
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.over != Over::Signed) {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = path {
            methods.insert(endpoint.method.to_ascii_lowercase(), operation(endpoint));
        }
    }
    Value::Object(paths)
}

fn operation(endpoint: &Endpoint) -> Value {
    let mut operation = json!({
        "summary": endpoint.summary,
        "operationId": operation_id(endpoint),
        "tags": [tag(endpoint.path)],
        "x-millrace-role": endpoint.role.name(),
        "responses": responses(endpoint),
    });
    let parameters = parameters(endpoint);
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    if let Some(schema) = endpoint.body {
        operation["requestBody"] = json!({
            "required": true,
            "content": {"application/json": {"schema": reference(schema)}},
        });
    }
    operation
}

/// `PUT /connectors/{name}/config` becomes `put_connectors_name_config`.
fn operation_id(endpoint: &Endpoint) -> String {
    let words = endpoint.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(endpoint.method.to_ascii_lowercase())
        .chain(words.map(str::to_owned))
        .collect::<Vec<_>>()
        .join("_")
}

fn tag(path: &str) -> &str {
    match path.split('/').nth(1) {
        Some(first @ ("connectors" | "connector-plugins" | "admin")) => first,
        _ => "worker",
    }
}

fn parameters(endpoint: &Endpoint) -> Vec<Value> {
    let in_path = endpoint.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(|name| {
        let kind =
            if name == "task" { json!({"type": "integer", "minimum": 0}) } else { json!({"type": "string"}) };
        json!({"name": name, "in": "path", "required": true, "schema": kind})
    });
    let in_query = endpoint.query.iter().map(|(name, kind, description): &Parameter| {
        json!({"name": name, "in": "query", "description": description, "schema": {"type": kind}})
    });
    in_path.chain(in_query).collect()
}

fn responses(endpoint: &Endpoint) -> Value {
    let mut responses = Map::new();
    for (status, schema) in endpoint.answers {
        let answer = match *schema {
            "" => json!({"description": "Done"}),
            "text" => {
                json!({"description": "Done", "content": {"text/plain": {"schema": {"type": "string"}}}})
            }
            "object" => {
                json!({"description": "Done", "content": {"application/json": {"schema": {"type": "object"}}}})
            }
            schema => {
                json!({"description": "Done", "content": {"application/json": {"schema": reference(schema)}}})
            }
        };
        responses.insert(status.to_string(), answer);
    }
    responses.insert("default".to_owned(), json!({"$ref": "#/components/responses/Error"}));
    Value::Object(responses)
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}
