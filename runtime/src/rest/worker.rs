//! `/` and `/health`: what this worker is, and whether it can be used (KIP-1017).

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::error::Failure;
use super::{HEALTH_DEADLINE, RestState};
use crate::herder::Readiness;

/// `GET /`
pub(super) async fn root(State(rest): State<RestState>) -> Result<Json<Value>, Failure> {
    let info = rest.ask(rest.herder.worker_info()).await?;
    Ok(Json(
        json!({ "version": info.version, "commit": info.commit, "kafka_cluster_id": info.kafka_cluster_id }),
    ))
}

/// `GET /health`
pub(super) async fn health(State(rest): State<RestState>) -> (StatusCode, Json<Value>) {
    const UNHEALTHY: &str =
        "Worker was unable to handle this request and may be unable to handle other requests.";
    let ready = tokio::time::timeout(HEALTH_DEADLINE, rest.herder.ready()).await;
    let (status, word, message) = match ready {
        Ok(Readiness::Healthy) => {
            let message = "Worker has completed startup and is ready to handle requests.".to_owned();
            (StatusCode::OK, "healthy", message)
        }
        Ok(Readiness::Starting(stage)) => {
            (StatusCode::SERVICE_UNAVAILABLE, "starting", format!("Worker is still starting up. {stage}"))
        }
        Ok(Readiness::Unhealthy(stage)) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "unhealthy", format!("{UNHEALTHY} {stage}"))
        }
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "unhealthy", UNHEALTHY.to_owned()),
    };
    (status, Json(json!({ "status": word, "message": message })))
}
