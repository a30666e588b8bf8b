//! Errors as Connect tells them: a status and `{"error_code", "message"}`; and, for programs, a `"code"` that tells apart what
//! has the same status, and `Retry-After` where the same request may succeed later.
//!
//! The end of every handler that did not succeed. Invariant: no other shape of error leaves, be it for a path that does not
//! exist, a method, a body or a herder that does not answer.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::herder::{HerderError, HerderErrorKind, Readiness};
use crate::validation::ValidationError;

/// When what is in the way may have passed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a request was not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry_after: Option<Duration>,
    /// The worker that can do it.
    elsewhere: Option<String>,
    /// What there is to say of each connector, if there are many.
    connectors: Option<Box<Value>>,
}

/// Goes with an answer (not over the wire) whose request another worker must do: its URL.
#[derive(Debug, Clone)]
pub(super) struct Elsewhere(pub(super) String);

impl Failure {
    /// A failure with this status; its code is the status in words, such as `not_found`.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code_of(status),
            message: message.into(),
            retry_after: None,
            elsewhere: None,
            connectors: None,
        }
    }

    /// The same failure with a code of its own: what programs tell it by.
    #[must_use]
    pub(super) fn coded(self, code: &'static str) -> Self {
        Self { code, ..self }
    }

    /// The same failure, with what there is to say of each connector.
    #[must_use]
    pub(super) fn of_each(self, connectors: Value) -> Self {
        Self { connectors: Some(Box::new(connectors)), ..self }
    }

    /// The same failure, which may be gone after this long.
    #[must_use]
    pub(super) fn passing(self, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..self }
    }

    /// The request is at fault.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// What the status says by itself, as Connect words it: `HTTP 404 Not Found`.
    pub(super) fn plain(status: StatusCode) -> Self {
        Self::new(
            status,
            format!("HTTP {} {}", status.as_u16(), status.canonical_reason().unwrap_or_default()),
        )
    }
}

impl Failure {
    /// What a person should know.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The JSON that is answered.
    pub(super) fn body(&self) -> Value {
        let mut body =
            json!({ "error_code": self.status.as_u16(), "message": self.message, "code": self.code });
        if let Some(connectors) = &self.connectors {
            body["connectors"] = Value::clone(connectors);
        }
        body
    }
}

/// The words of a status, as programs compare them.
const fn code_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "bad_request",
        401 => "unauthenticated",
        403 => "forbidden",
        404 => "not_found",
        405 => "method_not_allowed",
        408 => "request_timeout",
        409 => "conflict",
        413 => "body_too_large",
        414 => "uri_too_long",
        415 => "unsupported_media_type",
        429 => "too_many_requests",
        431 => "headers_too_large",
        503 => "unavailable",
        _ => "internal",
    }
}

impl From<HerderError> for Failure {
    fn from(error: HerderError) -> Self {
        let status = match error.kind {
            HerderErrorKind::NotFound => StatusCode::NOT_FOUND,
            HerderErrorKind::AlreadyExists
            | HerderErrorKind::Conflict
            | HerderErrorKind::Rebalancing
            | HerderErrorKind::Elsewhere => StatusCode::CONFLICT,
            HerderErrorKind::BadRequest => StatusCode::BAD_REQUEST,
            HerderErrorKind::Forbidden => StatusCode::FORBIDDEN,
            HerderErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            HerderErrorKind::ZombieTasks | HerderErrorKind::Timeout | HerderErrorKind::Internal => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        // A conflict that passes says so; one that lasts ("already exists") has the same status but neither code nor header.
        let retry_after =
            (error.kind.is_transient() || error.kind == HerderErrorKind::Timeout).then_some(RETRY_AFTER);
        let code = error.kind.code();
        Self {
            status,
            code,
            message: error.message,
            retry_after,
            elsewhere: error.elsewhere,
            connectors: None,
        }
    }
}

impl From<ValidationError> for Failure {
    fn from(error: ValidationError) -> Self {
        HerderError::from(error).into()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        if self.status.is_server_error() && self.status != StatusCode::SERVICE_UNAVAILABLE {
            tracing::error!(status = self.status.as_u16(), "a REST request failed: {}", self.message);
        }
        let mut response = (self.status, Json(self.body())).into_response();
        if let Some(url) = self.elsewhere {
            response.extensions_mut().insert(Elsewhere(url));
        }
        if let Some(after) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        response
    }
}

/// For paths that nothing serves.
pub(super) async fn not_found() -> Failure {
    Failure::plain(StatusCode::NOT_FOUND)
}

/// For methods that a path does not have; `OPTIONS` asks which it has, and the `Allow` header that axum adds says so.
pub(super) async fn method_not_allowed(method: Method) -> Response {
    match method {
        Method::OPTIONS => StatusCode::OK.into_response(),
        _ => Failure::plain(StatusCode::METHOD_NOT_ALLOWED).into_response(),
    }
}

/// The time limit passed; `stage` is what the worker says that it is doing, if it says anything.
pub(super) fn timed_out(stage: Option<&Readiness>) -> Failure {
    let text = match stage {
        Some(Readiness::Healthy) => "The worker is up; the operation may still happen.".to_owned(),
        Some(Readiness::Starting(stage) | Readiness::Unhealthy(stage)) => {
            format!("The worker is currently {stage}")
        }
        None => "The worker does not say what it is doing.".to_owned(),
    };
    let message = format!("Request timed out. {text}");
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, message).coded("timeout").passing(RETRY_AFTER)
}
