//! `/connectors/{name}/offsets` (KIP-875): how far a connector got, and setting it back.
//!
//! Between JSON and the herder's flat maps. Invariant: whole numbers are INT64, as the offsets topic has them.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::RestState;
use super::body::Body;
use super::error::Failure;
use super::name::Name;
use crate::herder::ConnectorOffset;
use crate::store::flat_json;

/// `{"offsets": [{"partition": {..}, "offset": {..}}]}`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OffsetsRequest {
    offsets: Option<Vec<OffsetEntry>>,
}

/// One partition and how far it got; no offset forgets it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OffsetEntry {
    /// Missing is empty, which the connector refuses in its own words.
    partition: Option<Map<String, Value>>,
    offset: Option<Map<String, Value>>,
}

/// `GET /connectors/{name}/offsets`
pub(super) async fn offsets(State(rest): State<RestState>, Name(name): Name) -> Result<Json<Value>, Failure> {
    let offsets = rest.ask(rest.herder.offsets(&name)).await?;
    let entry = |entry: &ConnectorOffset| {
        let offset = entry.offset.as_ref().map(flat_json::to_json);
        json!({ "partition": flat_json::to_json(&entry.partition), "offset": offset })
    };
    Ok(Json(json!({ "offsets": offsets.iter().map(entry).collect::<Vec<_>>() })))
}

/// `PATCH /connectors/{name}/offsets`
pub(super) async fn alter(
    State(rest): State<RestState>,
    Name(name): Name,
    Body(request): Body<OffsetsRequest>,
) -> Result<Json<Value>, Failure> {
    let entries = request.offsets.unwrap_or_default();
    if entries.is_empty() {
        return Err(Failure::bad_request(
            "Partitions / offsets need to be provided for an alter offsets request",
        ));
    }
    message(rest.ask(rest.herder.alter_offsets(&name, parsed(entries)?)).await?)
}

/// `DELETE /connectors/{name}/offsets`
pub(super) async fn reset(State(rest): State<RestState>, Name(name): Name) -> Result<Json<Value>, Failure> {
    message(rest.ask(rest.herder.reset_offsets(&name)).await?)
}

fn message(text: String) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({ "message": text })))
}

/// The entries as the herder takes them.
pub(super) fn parsed(entries: Vec<OffsetEntry>) -> Result<Vec<ConnectorOffset>, Failure> {
    entries.into_iter().map(one).collect()
}

fn one(entry: OffsetEntry) -> Result<ConnectorOffset, Failure> {
    let flat = |map: Map<String, Value>, what: &str| {
        flat_json::from_json(&Value::Object(map))
            .map_err(|reason| Failure::bad_request(format!("Malformed {what}: {reason}")))
    };
    let offset = entry.offset.map(|offset| flat(offset, "offset")).transpose()?;
    Ok(ConnectorOffset { partition: flat(entry.partition.unwrap_or_default(), "partition")?, offset })
}
