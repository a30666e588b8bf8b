//! `/admin/loggers` (KIP-495, KIP-976): log levels of this worker or of all, changed while they run.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::RestState;
use super::body::Body;
use super::error::Failure;
use super::name::{Asked, Name};
use crate::logging::{LevelError, Levels, Logger};

/// A logger's level.
#[derive(Debug, Serialize)]
pub(super) struct LoggerView {
    level: &'static str,
    last_modified: Option<u64>,
}

impl From<Logger> for LoggerView {
    fn from(logger: Logger) -> Self {
        Self { level: logger.level.name(), last_modified: logger.last_modified }
    }
}

/// `{"level": "DEBUG"}`
#[derive(Debug, Deserialize)]
pub(super) struct LevelRequest {
    level: Option<String>,
}

/// `GET /admin/loggers`
pub(super) async fn loggers(State(rest): State<RestState>) -> Json<BTreeMap<String, LoggerView>> {
    Json(rest.levels.all().into_iter().map(|(name, logger)| (name, logger.into())).collect())
}

/// `GET /admin/loggers/{logger}`
pub(super) async fn logger(
    State(rest): State<RestState>,
    Name(name): Name,
) -> Result<Json<LoggerView>, Failure> {
    let logger =
        rest.levels.get(&name).ok_or_else(|| Failure::not_found(format!("Logger {name} not found.")))?;
    Ok(Json(logger.into()))
}

/// `PUT /admin/loggers/{logger}`: the changed loggers; or, for `scope=cluster` (KIP-976), 204 once it is written down for all workers.
pub(super) async fn set_level(
    State(rest): State<RestState>,
    Name(name): Name,
    asked: Asked,
    Body(request): Body<LevelRequest>,
) -> Result<Response, Failure> {
    let Some(level) = request.level else {
        return Err(Failure::bad_request("Desired 'level' parameter was not specified in request."));
    };
    let scope = asked.values("scope").last().unwrap_or("worker");
    if scope.eq_ignore_ascii_case("cluster") {
        Levels::check(&name, &level).map_err(refused)?;
        rest.ask(rest.herder.set_cluster_level(&name, &level.to_ascii_uppercase())).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    if !scope.eq_ignore_ascii_case("worker") {
        tracing::warn!("unknown scope {scope:?} of a log level; it is changed on this worker");
    }
    let changed = rest.levels.set(&name, &level).map_err(refused)?;
    Ok(Json(changed).into_response())
}

fn refused(error: LevelError) -> Failure {
    match error {
        // 404 is what Connect answers to an unknown level.
        LevelError::UnknownLevel(_) => Failure::not_found(error.to_string()),
        LevelError::InvalidName(_) | LevelError::TooMany => Failure::bad_request(error.to_string()),
        LevelError::Reload(_) => Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
