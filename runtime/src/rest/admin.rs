//! `/admin/loggers` (KIP-495): log levels of this worker, changed while it runs.

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
use crate::logging::{LevelError, Logger};

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

/// `PUT /admin/loggers/{logger}`: the changed loggers, or 204 for `scope=cluster` (KIP-976), which is this worker.
pub(super) async fn set_level(
    State(rest): State<RestState>,
    Name(name): Name,
    asked: Asked,
    Body(request): Body<LevelRequest>,
) -> Result<Response, Failure> {
    let Some(level) = request.level else {
        return Err(Failure::bad_request("Desired 'level' parameter was not specified in request."));
    };
    let changed = rest.levels.set(&name, &level).map_err(|error| match error {
        // 404 is what Connect answers to an unknown level.
        LevelError::UnknownLevel(_) => Failure::not_found(error.to_string()),
        LevelError::InvalidName(_) | LevelError::TooMany => Failure::bad_request(error.to_string()),
        LevelError::Reload(_) => Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    })?;
    match asked.values("scope").last() {
        Some(scope) if scope.eq_ignore_ascii_case("cluster") => {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        Some(scope) if !scope.eq_ignore_ascii_case("worker") => {
            tracing::warn!("unknown scope {scope:?} of a log level; it was changed on this worker");
        }
        _ => {}
    }
    Ok(Json(changed).into_response())
}
