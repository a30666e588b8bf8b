//! `/connectors`: what is configured.
//!
//! Configurations pass here on their way to the herder, which checks them, and back, with their secrets hidden. Invariant: the
//! name in a path and the name in a configuration agree, or the request is refused.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use configs::Props;
use serde::Serialize;

use super::RestState;
use super::body::{CreateRequest, Settings};
use super::error::Failure;
use super::login::Caller;
use super::name::{Asked, Name, encoded};
use super::rights::Concerned;
use super::views::{InfoView, StatusView};
use crate::config::{Role, Scope};
use crate::herder::{ConfigPatch, ConnectorInfo, HerderErrorKind, HerderResult, Initial};
use crate::validation::SaidConfig;

/// What `expand` adds to a name.
#[derive(Debug, Serialize)]
struct Expanded {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<StatusView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<InfoView>,
}

/// `GET /connectors`
pub(super) async fn list(
    State(rest): State<RestState>,
    caller: Caller,
    asked: Asked,
) -> Result<Response, Failure> {
    let (mut status, mut info) = (false, false);
    for what in asked.values("expand") {
        match what {
            "status" => status = true,
            "info" => info = true,
            other => tracing::info!("ignoring unknown expansion {other:?} of GET /connectors"),
        }
    }
    let answer = async {
        let mut names = rest.herder.connectors().await?;
        names.retain(|name| caller.may(Role::Viewer, Scope::Connector(name)));
        if asked.values("expand").next().is_none() {
            return Ok(Json(names).into_response());
        }
        let mut expanded = BTreeMap::new();
        for name in names {
            if let Some(entry) = expand(&rest, &name, status, info).await? {
                expanded.insert(name, entry);
            }
        }
        Ok(Json(expanded).into_response())
    };
    rest.ask(answer).await
}

/// One connector, or `None` if it was deleted meanwhile.
async fn expand(rest: &RestState, name: &str, status: bool, info: bool) -> HerderResult<Option<Expanded>> {
    let gone = |kind| kind == HerderErrorKind::NotFound;
    let status = match status {
        true => match rest.herder.status(name).await {
            Err(error) if gone(error.kind) => return Ok(None),
            outcome => Some(StatusView::of(outcome?, rest.version(name).await)),
        },
        false => None,
    };
    let info = match info {
        true => match rest.herder.info(name).await {
            Err(error) if gone(error.kind) => return Ok(None),
            outcome => Some(shown(rest, outcome?)),
        },
        false => None,
    };
    Ok(Some(Expanded { status, info }))
}

/// `POST /connectors`
pub(super) async fn create(
    State(rest): State<RestState>,
    caller: Caller,
    mut request: CreateRequest,
) -> Result<Response, Failure> {
    let name = agreed_name(request.name.as_deref(), &request.config)?;
    caller.require(Role::Admin, Scope::Connector(&name))?;
    let mut config = checked(&rest, named(std::mem::take(&mut request.config), &name)).await?;
    restore(&rest, &mut config, None)?;
    let outcome = create_from(&rest, &name, config, &request).await;
    let response = outcome.map_or_else(IntoResponse::into_response, |info| created(&rest, info));
    Ok((Extension(Concerned(vec![name])), response).into_response())
}

/// Creates a connector, which begins with its initial offsets if it has any (KIP-995).
pub(super) async fn create_from(
    rest: &RestState,
    name: &str,
    config: Props,
    request: &CreateRequest,
) -> Result<ConnectorInfo, Failure> {
    let initial = Initial { target: request.initial_state, offsets: request.initial_offsets.clone() };
    rest.ask(rest.herder.create(name, config, initial)).await
}

/// `GET /connectors/{name}`
pub(super) async fn info(State(rest): State<RestState>, Name(name): Name) -> Result<Json<InfoView>, Failure> {
    let info = rest.ask(rest.herder.info(&name)).await?;
    Ok(Json(shown(&rest, info)))
}

/// `GET /connectors/{name}/config`
pub(super) async fn config(State(rest): State<RestState>, Name(name): Name) -> Result<Json<Props>, Failure> {
    let config = rest.ask(rest.herder.config(&name)).await?;
    Ok(Json(rest.mask.hide(&config)))
}

/// `PUT /connectors/{name}/config`
pub(super) async fn put_config(
    State(rest): State<RestState>,
    Name(name): Name,
    Settings(said): Settings,
) -> Result<Response, Failure> {
    let name = url_name(&name, &said)?;
    let mut config = checked(&rest, named(said, &name)).await?;
    let stored = stored(&rest, &name).await?;
    restore(&rest, &mut config, stored.as_ref())?;
    let (new, info) = rest.ask(rest.herder.put_config(&name, config)).await?;
    Ok(if new { created(&rest, info) } else { Json(shown(&rest, info)).into_response() })
}

/// `PATCH /connectors/{name}/config`
pub(super) async fn patch_config(
    State(rest): State<RestState>,
    Name(name): Name,
    Settings(said): Settings,
) -> Result<Json<InfoView>, Failure> {
    let name = url_name(&name, &said)?;
    let stored = rest.ask(rest.herder.config(&name)).await?;
    // A mask in a patch means "as it is"; the class that says which options are secrets may stand in the stored part only.
    let mut merged = stored.clone();
    merged.extend(said.iter().filter_map(|(key, text)| Some((key.clone(), text.clone()?))));
    restore(&rest, &mut merged, Some(&stored))?;
    let restored = said.into_iter().map(|(key, text)| {
        let text = text.map(|_| merged.get(&key).cloned().unwrap_or_default());
        (key, text)
    });
    let patch: ConfigPatch = restored.collect();
    let info = rest.ask(rest.herder.patch_config(&name, patch)).await?;
    Ok(Json(shown(&rest, info)))
}

/// `DELETE /connectors/{name}`
pub(super) async fn delete(State(rest): State<RestState>, Name(name): Name) -> Result<StatusCode, Failure> {
    rest.ask(rest.herder.delete(&name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// 201, with where it is.
fn created(rest: &RestState, info: ConnectorInfo) -> Response {
    let location = format!("/connectors/{}", encoded(&info.name));
    (StatusCode::CREATED, [(header::LOCATION, location)], Json(shown(rest, info))).into_response()
}

fn shown(rest: &RestState, info: ConnectorInfo) -> InfoView {
    let config = rest.mask.hide(&info.config);
    InfoView::of(info, config)
}

/// What is stored for a connector, if there is one.
pub(super) async fn stored(rest: &RestState, name: &str) -> Result<Option<Props>, Failure> {
    let answer = async {
        match rest.herder.config(name).await {
            Err(error) if error.kind == HerderErrorKind::NotFound => Ok(None),
            outcome => outcome.map(Some),
        }
    };
    rest.ask(answer).await
}

pub(super) fn restore(rest: &RestState, config: &mut Props, stored: Option<&Props>) -> Result<(), Failure> {
    rest.mask.restore(config, stored).map_err(|names| {
        let names = names.join(", ");
        let hidden = configs::HIDDEN;
        Failure::bad_request(format!(
            "{names}: {hidden} stands for the stored value, but none is stored; send the value itself"
        ))
    })
}

/// The name beside `config` and the one inside it, which must be the same.
pub(super) fn agreed_name(beside: Option<&str>, config: &SaidConfig) -> Result<String, Failure> {
    let inside = config.get("name").cloned().flatten();
    let name = match (beside, inside) {
        (Some(beside), Some(inside)) if beside != inside.trim() => return Err(mismatch(&inside, beside)),
        (Some(name), _) => name.to_owned(),
        (None, Some(name)) => name.trim().to_owned(),
        (None, None) => String::new(),
    };
    if matches!(name.as_str(), "." | "..") {
        return Err(Failure::bad_request(format!(
            "A connector cannot be called {name}: no URL could name it"
        )));
    }
    Ok(name)
}

/// The name in the path, with which the configuration must agree if it has one.
fn url_name(name: &str, said: &SaidConfig) -> Result<String, Failure> {
    match said.get("name") {
        Some(Some(inside)) if inside != name => Err(mismatch(inside, name)),
        _ => Ok(name.to_owned()),
    }
}

fn mismatch(inside: &str, name: &str) -> Failure {
    Failure::bad_request(format!(
        "Connector name configuration ({inside}) doesn't match connector name in the URL ({name})"
    ))
}

pub(super) fn named(mut said: SaidConfig, name: &str) -> SaidConfig {
    said.insert("name".to_owned(), Some(name.to_owned()));
    said
}

/// The settings without `null`; a `null` refuses them, together with all else that is wrong.
pub(super) async fn checked(rest: &RestState, said: SaidConfig) -> Result<Props, Failure> {
    if said.values().any(Option::is_none) {
        let infos = rest.validator.validate(said).await?;
        return Err(Failure::bad_request(infos.refusal()));
    }
    Ok(said.into_iter().filter_map(|(name, text)| Some((name, text?))).collect())
}
