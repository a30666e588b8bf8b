//! Bodies of requests: JSON, bounded, and refused as JSON.
//!
//! In place of axum's extractor, whose refusals are plain text. Invariant: nothing reaches a handler but a body of type
//! `application/json`, at most [`super::BODY_BYTES_MAX`] bytes, that parses as a whole; values of settings are scalars.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::error::Failure;
use super::offsets::{self, OffsetEntry};
use crate::herder::{ConnectorOffset, TargetState};
use crate::validation::SaidConfig;

/// How many settings a connector may have.
const SETTINGS_MAX: usize = 10_000;

/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// A JSON body.
#[derive(Debug)]
pub(super) struct Body<T>(pub T);

/// A flat JSON object of settings; `null` is kept.
#[derive(Debug)]
pub(super) struct Settings(pub SaidConfig);

/// The body of `POST /connectors`.
#[derive(Debug)]
pub(super) struct CreateRequest {
    /// The name, trimmed.
    pub name: Option<String>,
    /// The settings.
    pub config: SaidConfig,
    /// What the connector is to do at first.
    pub initial_state: Option<TargetState>,
    /// From where it is to go on (KIP-995); empty for the beginning.
    pub initial_offsets: Vec<ConnectorOffset>,
}

/// The same as it was sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCreateRequest {
    name: Option<String>,
    config: Option<BTreeMap<String, Box<RawValue>>>,
    initial_state: Option<String>,
    initial_offsets: Option<Vec<OffsetEntry>>,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        if !is_json(request.headers()) {
            return Err(Failure::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let Ok(read) = tokio::time::timeout(BODY_DEADLINE, Bytes::from_request(request, state)).await else {
            return Err(Failure::plain(StatusCode::REQUEST_TIMEOUT));
        };
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                let limit = super::BODY_BYTES_MAX;
                let message = format!("HTTP 413 Payload Too Large: a body may have at most {limit} bytes");
                return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, message));
            }
            Err(rejection) => {
                return Err(Failure::bad_request(format!(
                    "The body could not be read: {}",
                    rejection.body_text()
                )));
            }
        };
        if bytes.is_empty() {
            return Err(Failure::bad_request("The body is empty; a JSON object is expected"));
        }
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|cause| Failure::bad_request(format!("Malformed JSON: {cause}")))
    }
}

impl<S: Send + Sync> FromRequest<S> for Settings {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let Body(raw) = Body::<BTreeMap<String, Box<RawValue>>>::from_request(request, state).await?;
        settings(&raw).map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for CreateRequest {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let Body(raw) = Body::<RawCreateRequest>::from_request(request, state).await?;
        Self::of(raw)
    }
}

impl CreateRequest {
    /// Reads what was sent.
    pub(super) fn of(raw: RawCreateRequest) -> Result<Self, Failure> {
        let config = raw.config.ok_or_else(|| {
            Failure::bad_request(
                "The field \"config\" is missing; expected {\"name\": \"..\", \"config\": {..}}",
            )
        })?;
        Ok(Self {
            name: raw.name.map(|name| name.trim().to_owned()),
            config: settings(&config)?,
            initial_state: raw.initial_state.map(|state| initial(&state)).transpose()?,
            initial_offsets: offsets::parsed(raw.initial_offsets.unwrap_or_default())?,
        })
    }
}

fn initial(state: &str) -> Result<TargetState, Failure> {
    match state.trim().to_ascii_uppercase().as_str() {
        "RUNNING" => Ok(TargetState::Started),
        "PAUSED" => Ok(TargetState::Paused),
        "STOPPED" => Ok(TargetState::Stopped),
        _ => Err(Failure::bad_request(format!(
            "Unknown initial_state {state}; expected RUNNING, PAUSED or STOPPED"
        ))),
    }
}

/// `application/json`, with or without parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = said.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
}

/// The settings as texts: numbers and booleans as they stand in the document, as Connect takes them.
fn settings(raw: &BTreeMap<String, Box<RawValue>>) -> Result<SaidConfig, Failure> {
    if raw.len() > SETTINGS_MAX {
        return Err(Failure::bad_request(format!(
            "{} settings are too many: at most {SETTINGS_MAX}",
            raw.len()
        )));
    }
    raw.iter().map(|(name, value)| Ok((name.clone(), scalar(name, value)?))).collect()
}

fn scalar(name: &str, value: &RawValue) -> Result<Option<String>, Failure> {
    let refused = |found: &str| {
        Failure::bad_request(format!(
            "The value of \"{name}\" must be a string, number or boolean, found {found}"
        ))
    };
    match value.get().as_bytes().first() {
        Some(b'"') => serde_json::from_str(value.get()).map(Some).map_err(|cause| {
            Failure::bad_request(format!("Malformed JSON in the value of \"{name}\": {cause}"))
        }),
        Some(b'{') => Err(refused("an object")),
        Some(b'[') => Err(refused("an array")),
        Some(b'n') | None => Ok(None),
        Some(_) => Ok(Some(value.get().to_owned())),
    }
}
