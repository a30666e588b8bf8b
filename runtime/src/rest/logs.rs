//! `/connectors/{name}/logs`: the last log lines about a connector on this worker, one JSON object a line; and those to come.
//!
//! Invariant: no secret of the connector leaves, wherever a line may have it from: each of its secret values is hidden in what
//! is sent, as it stands in the configuration and as its references resolve.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use api::Props;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use configs::HIDDEN;
use futures::stream;

use super::RestState;
use super::error::Failure;
use super::name::{Asked, Name};
use crate::herder::ConfigChecker as _;
use crate::logging::{Follower, LogLine, Logs};

/// Lines that are sent unless another number is asked for.
const TAIL_DEFAULT: usize = 100;

/// Secrets shorter than this are words that stand in any line.
const SECRET_BYTES_MIN: usize = 4;

/// `GET /connectors/{name}/logs`: `tail` (100), `task` (all), `follow` (false).
pub(super) async fn logs(
    State(rest): State<RestState>,
    Name(name): Name,
    asked: Asked,
) -> Result<Response, Failure> {
    let tail = number(&asked, "tail")?.unwrap_or(TAIL_DEFAULT);
    let task = number(&asked, "task")?;
    let follow = asked.flag("follow")?;
    let config = rest.ask(rest.herder.config(&name)).await?;
    let logs = rest.levels.logs().clone();
    let follower = match follow {
        true => Some(logs.follow().ok_or_else(too_many)?),
        false => None,
    };
    let mut reading = Reading {
        next: logs.next_number(&name),
        waiting: VecDeque::new(),
        secrets: secrets(&rest, config).await?,
        task: task.and_then(|task| u32::try_from(task).ok()),
        logs,
        name,
        follower,
    };
    // Lines that came between the two calls are in the tail already.
    let tail = reading.logs.tail(&reading.name, tail);
    reading.next = tail.last().map_or(reading.next, |last| last.number + 1);
    reading.waiting.extend(tail);
    let lines = stream::unfold(reading, |mut reading| async {
        let line = reading.next().await?;
        Some((Ok::<_, Infallible>(line), reading))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

fn number(asked: &Asked, key: &str) -> Result<Option<usize>, Failure> {
    let said = asked.values(key).last();
    let parsed = said.map(|text| text.parse().map_err(|error| (text, error))).transpose();
    parsed.map_err(|(text, error): (_, std::num::ParseIntError)| {
        Failure::bad_request(format!("The query parameter {key} must be a number, not {text}: {error}"))
    })
}

fn too_many() -> Failure {
    Failure::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "Too many clients follow logs of this worker; ask without follow",
    )
}

/// The secret values of a connector, longest first.
async fn secrets(rest: &RestState, config: Props) -> Result<Vec<String>, Failure> {
    let (mask, validator) = (rest.mask.clone(), rest.validator.clone());
    // Resolving reads files.
    let found = tokio::task::spawn_blocking(move || {
        let resolved = validator.resolve(&config).unwrap_or_default();
        let mut found: Vec<String> = [&config, &resolved]
            .into_iter()
            .flat_map(|props| {
                let shown = mask.hide(props);
                let hidden = |(key, value): (&String, &String)| {
                    (shown.get(key).is_some_and(|shown| shown == HIDDEN)).then(|| value.clone())
                };
                props.iter().filter_map(hidden).collect::<Vec<_>>()
            })
            .filter(|secret| secret.len() >= SECRET_BYTES_MIN)
            .collect();
        found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        found
    });
    found.await.map_err(|error| {
        Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("The connector's secrets could not be hidden: {error}"),
        )
    })
}

/// A reader of one connector's lines.
struct Reading {
    logs: Logs,
    name: String,
    task: Option<u32>,
    secrets: Vec<String>,
    waiting: VecDeque<Arc<LogLine>>,
    next: u64,
    follower: Option<Follower>,
}

impl Reading {
    /// The next line, with its end of line; waits for it if the reader follows.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            while let Some(line) = self.waiting.pop_front() {
                if self.task.is_none_or(|task| line.task == Some(task)) {
                    return Some(self.written(&line));
                }
            }
            if !self.follower.as_mut()?.more().await {
                return None;
            }
            let new = self.logs.since(&self.name, self.next);
            self.next = new.last().map_or(self.next, |last| last.number + 1);
            self.waiting.extend(new);
        }
    }

    fn written(&self, line: &LogLine) -> Bytes {
        let mut line = line.clone();
        for secret in &self.secrets {
            if line.message.contains(secret.as_str()) {
                line.message = line.message.replace(secret.as_str(), HIDDEN);
            }
        }
        // Plain numbers and texts: there is nothing that cannot be written.
        let mut written = serde_json::to_vec(&line).unwrap_or_default();
        written.push(b'\n');
        written.into()
    }
}
