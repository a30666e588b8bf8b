//! What workers ask each other: `POST /connectors/{name}/tasks` and `PUT /connectors/{name}/fence`, signed (KIP-507, KIP-618).
//!
//! Source: `InternalClusterResource`. Invariant: nothing is done, and nothing is parsed, before the signature is found good.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use configs::Props;

use super::RestState;
use super::error::Failure;
use super::name::Name;
use crate::herder::Signature;

/// The authentication code of the body, in base64.
pub(super) const AUTHORIZATION: &str = "x-connect-authorization";
/// How it was computed.
pub(super) const ALGORITHM: &str = "x-connect-request-signature-algorithm";
/// Beyond Connect: from which configuration of the connector its task configurations were made.
pub(super) const REVISION: &str = "x-millrace-config-offset";

/// `POST /connectors/{name}/tasks`: the task configurations that another worker's connector asked for.
pub(super) async fn put_tasks(
    State(rest): State<RestState>,
    Name(name): Name,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Failure> {
    rest.ask(rest.herder.verify(signature(&headers).as_ref(), &body)).await?;
    let tasks: Vec<Props> = serde_json::from_slice(&body)
        .map_err(|error| Failure::bad_request(format!("Malformed task configurations: {error}")))?;
    let revision = headers.get(REVISION).and_then(|revision| revision.to_str().ok()?.parse().ok());
    rest.ask(rest.herder.put_tasks(&name, revision, tasks)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /connectors/{name}/fence`: shuts out the producers of earlier tasks.
pub(super) async fn fence(
    State(rest): State<RestState>,
    Name(name): Name,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Failure> {
    rest.ask(rest.herder.verify(signature(&headers).as_ref(), &body)).await?;
    rest.ask(rest.herder.fence(&name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn signature(headers: &HeaderMap) -> Option<Signature> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
    Some(Signature { authorization: text(AUTHORIZATION)?, algorithm: text(ALGORITHM)? })
}
