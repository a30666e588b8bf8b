//! `/connectors/{name}/status`, `tasks`, `topics`, and what makes a connector go, pause and stop.
//!
//! Each handler asks the herder one thing and writes its answer with Connect's status code.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::RestState;
use super::error::Failure;
use super::name::{Asked, Name, Task};
use super::views::{StatusView, TaskStateView, TaskView};

/// `GET /connectors/{name}/status`
pub(super) async fn status(
    State(rest): State<RestState>,
    Name(name): Name,
) -> Result<Json<StatusView>, Failure> {
    let answer = async { Ok((rest.herder.status(&name).await?, rest.version(&name).await)) };
    let (status, version) = rest.ask(answer).await?;
    Ok(Json(StatusView::of(status, version)))
}

/// `POST /connectors/{name}/restart`: 204 for the connector alone, 202 with the plan otherwise (KIP-745).
pub(super) async fn restart(
    State(rest): State<RestState>,
    Name(name): Name,
    asked: Asked,
) -> Result<Response, Failure> {
    let (tasks, failed) = (asked.flag("includeTasks")?, asked.flag("onlyFailed")?);
    Ok(match rest.ask(rest.herder.restart(&name, tasks, failed)).await? {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(plan) => {
            let version = rest.version(&name).await;
            (StatusCode::ACCEPTED, Json(StatusView::of(plan, version))).into_response()
        }
    })
}

/// `PUT /connectors/{name}/pause`
pub(super) async fn pause(State(rest): State<RestState>, Name(name): Name) -> Result<StatusCode, Failure> {
    rest.ask(rest.herder.pause(&name)).await?;
    Ok(StatusCode::ACCEPTED)
}

/// `PUT /connectors/{name}/resume`
pub(super) async fn resume(State(rest): State<RestState>, Name(name): Name) -> Result<StatusCode, Failure> {
    rest.ask(rest.herder.resume(&name)).await?;
    Ok(StatusCode::ACCEPTED)
}

/// `PUT /connectors/{name}/stop`
pub(super) async fn stop(State(rest): State<RestState>, Name(name): Name) -> Result<StatusCode, Failure> {
    rest.ask(rest.herder.stop(&name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /connectors/{name}/tasks`
pub(super) async fn tasks(
    State(rest): State<RestState>,
    Name(name): Name,
) -> Result<Json<Vec<TaskView>>, Failure> {
    let (tasks, config) =
        rest.ask(async { Ok((rest.herder.tasks(&name).await?, rest.herder.config(&name).await?)) }).await?;
    let shown = tasks
        .into_iter()
        .map(|task| TaskView { config: rest.mask.hide_of(&config, &task.config), id: task.id.into() });
    Ok(Json(shown.collect()))
}

/// `GET /connectors/{name}/tasks/{task}/status`
pub(super) async fn task_status(
    State(rest): State<RestState>,
    Task(name, task): Task,
) -> Result<Json<TaskStateView>, Failure> {
    let answer = async { Ok((rest.herder.task_status(&name, task).await?, rest.version(&name).await)) };
    let (status, version) = rest.ask(answer).await?;
    Ok(Json(TaskStateView::of(status, version)))
}

/// `POST /connectors/{name}/tasks/{task}/restart`
pub(super) async fn restart_task(
    State(rest): State<RestState>,
    Task(name, task): Task,
) -> Result<StatusCode, Failure> {
    rest.ask(rest.herder.restart_task(&name, task)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /connectors/{name}/topics` (KIP-558)
pub(super) async fn topics(State(rest): State<RestState>, Name(name): Name) -> Result<Json<Value>, Failure> {
    let topics = rest.ask(rest.herder.active_topics(&name)).await?;
    Ok(Json(json!({ name: { "topics": topics } })))
}

/// `PUT /connectors/{name}/topics/reset`
pub(super) async fn reset_topics(
    State(rest): State<RestState>,
    Name(name): Name,
) -> Result<StatusCode, Failure> {
    rest.ask(rest.herder.reset_topics(&name)).await?;
    Ok(StatusCode::ACCEPTED)
}
