//! `POST /connectors/{name}/signals`: asks the running tasks of a connector for something, such as a snapshot of some tables, with
//! Debezium's signals (`execute-snapshot`, `pause-snapshot`, ..).
//!
//! Connect has no such endpoint. Invariant: what is answered with 202 is durable; what the tasks make of it shows in their log,
//! notifications and records.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::RestState;
use super::body::Body;
use super::error::Failure;
use super::name::Name;
use crate::herder::Signal;

/// `{"type": .., "data": {..}, "id": ..}`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignalRequest {
    id: Option<String>,
    r#type: String,
    #[serde(default)]
    data: Value,
}

/// `POST /connectors/{name}/signals`
pub(super) async fn send(
    State(rest): State<RestState>,
    Name(name): Name,
    Body(request): Body<SignalRequest>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    if request.r#type.trim().is_empty() {
        return Err(Failure::bad_request("A signal needs a type, such as execute-snapshot"));
    }
    let data = match request.data {
        Value::Null => json!({}),
        data @ Value::Object(_) => data,
        other => return Err(Failure::bad_request(format!("The data of a signal is an object, not {other}"))),
    };
    let signal = Signal { id: request.id, kind: request.r#type, data };
    let sent = rest.ask(rest.herder.signal(&name, signal)).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "id": sent.id, "topic": sent.topic }))))
}
