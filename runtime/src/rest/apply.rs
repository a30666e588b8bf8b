//! `PUT /connectors`: many connectors brought to what is written down, in one request. Applying the same again changes nothing.
//!
//! Ours, beyond Kafka Connect; the herder does it. Each connector is created, updated or left as it is by itself: one that is
//! refused says why and keeps no other from being applied. Invariant: nobody changes or deletes here what they may not change
//! one by one.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::Value;

use super::RestState;
use super::body::{Body, CreateRequest, RawCreateRequest};
use super::connectors::{agreed_name, checked, named, restore, stored};
use super::error::Failure;
use super::login::Caller;
use super::name::Asked;
use super::rights::Concerned;
use crate::config::{Role, Scope};
use crate::herder::{Applied, ApplyMode, Wanted};

/// How many connectors one request may bring.
const CONNECTORS_MAX: usize = 10_000;

/// What is said of a connector.
#[derive(Debug, Serialize)]
struct AppliedView {
    name: String,
    outcome: &'static str,
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
    let mode = ApplyMode { dry_run: asked.flag("dryRun")?, prune: asked.flag("prune")? };
    if mode.prune {
        caller.require(Role::Admin, Scope::Everything)?;
    }
    let requests = named_requests(requests)?;
    for (name, _) in &requests {
        caller.require(Role::Admin, Scope::Connector(name))?;
    }
    // What cannot be asked for at all is refused as a whole when others would be deleted for it.
    let (mut wanted, mut refused) = (Vec::new(), BTreeMap::new());
    let names: Vec<String> = requests.iter().map(|(name, _)| name.clone()).collect();
    for (name, request) in requests {
        match wanted_of(&rest, &name, request).await {
            Ok(connector) => wanted.push(connector),
            Err(failure) if mode.prune => return Err(failure),
            Err(failure) => drop(refused.insert(name, failure)),
        }
    }
    let mut done: BTreeMap<String, Applied> =
        rest.ask(rest.herder.apply(wanted, mode)).await?.into_iter().collect();
    let in_order = names.iter().map(|name| {
        let outcome = done.remove(name).map(view);
        let refusal = refused.remove(name).map(|failure| ("failed", Some(failure.body())));
        let (outcome, error) = outcome.or(refusal).unwrap_or(("failed", None));
        AppliedView { name: name.clone(), outcome, error }
    });
    let mut views: Vec<AppliedView> = in_order.collect();
    views.extend(done.into_iter().map(|(name, applied)| {
        let (outcome, error) = view(applied);
        AppliedView { name, outcome, error }
    }));
    let any_failed = views.iter().any(|view| view.outcome == "failed");
    let status = if any_failed { StatusCode::MULTI_STATUS } else { StatusCode::OK };
    let concerned = views.iter().map(|view| view.name.clone()).collect();
    Ok((status, Extension(Concerned(concerned)), Json(views)).into_response())
}

/// The word for what became of a connector, and what kept it as it was.
fn view(applied: Applied) -> (&'static str, Option<Value>) {
    match applied {
        Applied::Created => ("created", None),
        Applied::Updated => ("updated", None),
        Applied::Unchanged => ("unchanged", None),
        Applied::Deleted => ("deleted", None),
        Applied::Failed(error) => ("failed", Some(Failure::from(error).body())),
    }
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

/// A connector as the herder takes it: without masks, and without what only a creation can have.
async fn wanted_of(rest: &RestState, name: &str, request: CreateRequest) -> Result<Wanted, Failure> {
    if !request.initial_offsets.is_empty() {
        let message = format!(
            "Connector {name}: initial_offsets are for POST /connectors; applying again would set it back again"
        );
        return Err(Failure::bad_request(message));
    }
    let mut config = checked(rest, named(request.config, name)).await?;
    let stored = stored(rest, name).await?;
    restore(rest, &mut config, stored.as_ref())?;
    Ok(Wanted { name: name.to_owned(), config, target: request.initial_state })
}
