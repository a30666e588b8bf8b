//! `PUT /connectors`: many connectors brought to what is written down, in one request. Applying the same again changes nothing.
//!
//! Ours, beyond Kafka Connect. All are applied or none: what is wrong with any of them is said, of each at once, and nothing is done.
//! Invariant: a connector whose configuration is what was sent already is not touched, so its tasks do not restart.

use std::collections::BTreeSet;

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::RestState;
use super::body::{Body, CreateRequest, RawCreateRequest};
use super::connectors::{agreed_name, checked, named, restore, stored};
use super::error::Failure;
use super::login::Caller;
use super::name::Asked;
use super::rights::Concerned;
use crate::config::{Role, Scope};
use crate::herder::{Apply, Change, Initial, Wanted};
use crate::validation::SaidConfig;

/// How many connectors one request may bring.
const CONNECTORS_MAX: usize = 10_000;

/// What became of a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Created,
    Updated,
    Unchanged,
    Deleted,
    /// It was refused.
    Failed,
    /// Nothing is wrong with it, but with another.
    Skipped,
}

impl From<Change> for Outcome {
    fn from(change: Change) -> Self {
        match change {
            Change::Created => Self::Created,
            Change::Updated => Self::Updated,
            Change::Unchanged => Self::Unchanged,
            Change::Deleted => Self::Deleted,
        }
    }
}

/// What is said of a connector.
#[derive(Debug, Serialize)]
struct Applied {
    name: String,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

/// `PUT /connectors`: 200 when all are as they were sent, 400 when any cannot be.
pub(super) async fn apply(
    State(rest): State<RestState>,
    caller: Caller,
    asked: Asked,
    Body(requests): Body<Vec<RawCreateRequest>>,
) -> Result<Response, Failure> {
    let mut how = Apply { prune: asked.flag("prune")?, dry_run: asked.flag("dryRun")? };
    let requests = named_requests(requests)?;
    for (name, _) in &requests {
        caller.require(Role::Admin, Scope::Connector(name))?;
    }
    if how.prune {
        caller.require(Role::Admin, Scope::Everything)?;
    }
    // The leader knows what is stored, and so what `[hidden]` stands for.
    rest.ask(rest.herder.leading()).await?;
    let is_dry = how.dry_run;
    let (mut wanted, mut refused) = (Vec::new(), Vec::new());
    for (name, request) in requests {
        match prepared(&rest, &name, request).await {
            Ok(one) => wanted.push(one),
            Err(failure) => refused.push((name, failure)),
        }
    }
    how.dry_run |= !refused.is_empty();
    // What cannot even be prepared is not to be deleted either.
    how.prune &= refused.is_empty();
    let changes = rest.ask(rest.herder.apply(wanted, how)).await?;
    let changes = changes.into_iter().map(|(name, change)| (name, change.map_err(Failure::from)));
    let all: Vec<_> =
        changes.chain(refused.into_iter().map(|(name, failure)| (name, Err(failure)))).collect();
    let names = all.iter().map(|(name, _)| name.clone()).collect();
    let answer = match summed_up(&all, is_dry) {
        Ok(applied) => Json(applied).into_response(),
        Err(failure) => failure.into_response(),
    };
    Ok((Extension(Concerned(names)), answer).into_response())
}

/// What was done, or why nothing was.
fn summed_up(all: &[(String, Result<Change, Failure>)], is_dry: bool) -> Result<Vec<Applied>, Failure> {
    let failed = all.iter().filter(|(_, change)| change.is_err()).count();
    let of = |(name, change): &(String, Result<Change, Failure>)| {
        let (outcome, error) = match change {
            Err(failure) => (Outcome::Failed, Some(failure.body())),
            Ok(_) if failed > 0 && !is_dry => (Outcome::Skipped, None),
            Ok(change) => ((*change).into(), None),
        };
        Applied { name: name.clone(), outcome, error }
    };
    let applied: Vec<Applied> = all.iter().map(of).collect();
    if failed == 0 {
        return Ok(applied);
    }
    let reasons = all
        .iter()
        .filter_map(|(name, change)| Some(format!("\n{name}: {}", change.as_ref().err()?.message())));
    let count = applied.len();
    let message = format!(
        "Nothing was applied, for {failed} of {count} connectors cannot be:{}",
        reasons.collect::<String>()
    );
    Err(Failure::bad_request(message).of_each(json!(applied)))
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

/// The connector as it is to be stored: without masks.
async fn prepared(rest: &RestState, name: &str, mut request: CreateRequest) -> Result<Wanted, Failure> {
    let said: SaidConfig = named(std::mem::take(&mut request.config), name);
    let mut config = checked(rest, said).await?;
    let stored = stored(rest, name).await?;
    restore(rest, &mut config, stored.as_ref())?;
    let initial = Initial { target: request.initial_state, offsets: request.initial_offsets };
    Ok(Wanted { name: name.to_owned(), config, initial })
}
