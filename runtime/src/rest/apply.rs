//! `PUT /connectors`: many connectors brought to what is written down, in one request. Applying the same again changes nothing.
//!
//! Ours, beyond Kafka Connect. Each connector is created, updated or left as it is by itself: one that is refused says why and
//! keeps no other from being applied. Invariant: a connector whose configuration is what was sent already is not touched, so
//! its tasks do not restart.

use std::collections::BTreeSet;

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures::{StreamExt as _, stream};
use serde::Serialize;
use serde_json::Value;

use super::RestState;
use super::body::{Body, CreateRequest, RawCreateRequest};
use super::connectors::{agreed_name, checked, create_from, named, restore, stored};
use super::error::Failure;
use super::login::Caller;
use super::name::Asked;
use super::rights::Concerned;
use crate::config::{Role, Scope};
use crate::validation::SaidConfig;

/// How many connectors one request may bring.
const CONNECTORS_MAX: usize = 10_000;

/// How many are checked and written at once: each writes to a topic, and writes that wait together are written together.
const AT_ONCE: usize = 16;

/// What became of a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Created,
    Updated,
    Unchanged,
    Failed,
}

/// What is said of a connector.
#[derive(Debug, Serialize)]
struct Applied {
    name: String,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

/// `PUT /connectors`: 200, or 207 when some were refused.
pub(super) async fn apply(
    State(rest): State<RestState>,
    caller: Caller,
    asked: Asked,
    Body(requests): Body<Vec<RawCreateRequest>>,
) -> Result<Response, Failure> {
    let dry_run = asked.flag("dryRun")?;
    let requests = named_requests(requests)?;
    for (name, _) in &requests {
        caller.require(Role::Admin, Scope::Connector(name))?;
    }
    let names: Vec<String> = requests.iter().map(|(name, _)| name.clone()).collect();
    let outcomes: Vec<(String, Result<Outcome, Failure>)> = stream::iter(requests)
        .map(|(name, request)| async {
            let outcome = tried(&rest, &name, request, dry_run).await;
            (name, outcome)
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    let mut applied = Vec::with_capacity(outcomes.len());
    for (name, outcome) in outcomes {
        applied.push(match outcome {
            Ok(outcome) => Applied { name, outcome, error: None },
            // The whole request is the leader's; what was done here before it changed will be found unchanged there.
            Err(failure) if failure.is_elsewhere() => return Err(failure),
            Err(failure) => Applied { name, outcome: Outcome::Failed, error: Some(failure.body()) },
        });
    }
    let any_failed = applied.iter().any(|applied| applied.outcome == Outcome::Failed);
    let status = if any_failed { StatusCode::MULTI_STATUS } else { StatusCode::OK };
    Ok((status, Extension(Concerned(names)), Json(applied)).into_response())
}

/// The requests with their names, of which none may stand twice: which of them would win?
fn named_requests(requests: Vec<RawCreateRequest>) -> Result<Vec<(String, CreateRequest)>, Failure> {
    if requests.len() > CONNECTORS_MAX {
        let count = requests.len();
        return Err(Failure::bad_request(format!(
            "{count} connectors are too many: at most {CONNECTORS_MAX}"
        )));
    }
    let mut known = BTreeSet::new();
    let named = requests.into_iter().map(|raw| {
        let request = CreateRequest::of(raw)?;
        let name = agreed_name(request.name.as_deref(), &request.config)?;
        match known.insert(name.clone()) {
            true => Ok((name, request)),
            false => Err(Failure::bad_request(format!("Connector {name} stands in the request twice"))),
        }
    });
    named.collect()
}

async fn tried(
    rest: &RestState,
    name: &str,
    mut request: CreateRequest,
    dry_run: bool,
) -> Result<Outcome, Failure> {
    let said: SaidConfig = named(std::mem::take(&mut request.config), name);
    let mut config = checked(rest, said).await?;
    let stored = stored(rest, name).await?;
    restore(rest, &mut config, stored.as_ref())?;
    if stored.as_ref() == Some(&config) {
        return Ok(Outcome::Unchanged);
    }
    if dry_run {
        let said = config.into_iter().map(|(key, text)| (key, Some(text))).collect();
        let infos = rest.validator.validate(said).await?;
        return match infos.error_count() {
            0 => Ok(if stored.is_some() { Outcome::Updated } else { Outcome::Created }),
            _ => Err(Failure::bad_request(infos.refusal())),
        };
    }
    if stored.is_none() {
        create_from(rest, name, config, &request).await?;
        return Ok(Outcome::Created);
    }
    let (created, _) = rest.ask(rest.herder.put_config(name, config)).await?;
    Ok(if created { Outcome::Created } else { Outcome::Updated })
}
