//! Requests of this worker to another: by HTTP, as Connect's workers send them, signed.
//!
//! Below the herder, which knows no HTTP, and beside the handlers that answer the same requests (`internal`). Invariant: an error says
//! what the other worker said.

use std::time::Duration;

use api::{Error, Result};
use async_trait::async_trait;
use axum::http::{Method, StatusCode, header};
use serde::Deserialize;

use super::internal::{ALGORITHM, AUTHORIZATION, REVISION};
use super::name::encoded;
use super::peer_client::PeerClient;
use crate::config::PeerTls;
use crate::herder::{HerderError, HerderErrorKind, HerderResult, Peers, Signature, TasksRequest};

/// How long another worker may take: it may have to fence, and to write.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The way to other workers.
#[derive(Debug, Clone)]
pub(crate) struct HttpPeers {
    client: PeerClient,
}

#[derive(Debug, Deserialize)]
struct ErrorBody {
    message: String,
}

impl HttpPeers {
    /// Opens nothing yet.
    pub(crate) fn new(tls: &PeerTls) -> Self {
        Self { client: PeerClient::new(tls) }
    }

    /// Reads the certificates, so that what is wrong with them is told before they are needed.
    ///
    /// # Errors
    /// `BadConfig` that names the file or setting.
    pub(crate) async fn check(&self) -> Result<()> {
        let read = self.client.current().await;
        read.map(drop).map_err(|reason| {
            Error::bad_config(format!("requests to other workers cannot be made over TLS: {reason}"))
        })
    }

    async fn client(&self) -> HerderResult<reqwest::Client> {
        self.client.current().await.map_err(HerderError::internal)
    }

    async fn send(&self, request: reqwest::RequestBuilder, signature: Signature) -> HerderResult<()> {
        let request = request
            .header(AUTHORIZATION, signature.authorization)
            .header(ALGORITHM, signature.algorithm)
            .timeout(TIMEOUT);
        let unanswered = |error: reqwest::Error| {
            HerderError::new(
                HerderErrorKind::Unavailable,
                format!("the worker could not be asked: {error:?}"),
            )
        };
        let answer = request.send().await.map_err(unanswered)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let body = answer.bytes().await.map_err(unanswered)?;
        let said = serde_json::from_slice::<ErrorBody>(&body);
        let message = said.map_or_else(|_not_ours| status.to_string(), |body| body.message);
        Err(HerderError::new(kind_of(status), message))
    }
}

/// What the other worker's status means to this one.
const fn kind_of(status: StatusCode) -> HerderErrorKind {
    match status.as_u16() {
        400 => HerderErrorKind::BadRequest,
        403 => HerderErrorKind::Forbidden,
        404 => HerderErrorKind::NotFound,
        409 => HerderErrorKind::Conflict,
        503 => HerderErrorKind::Unavailable,
        _ => HerderErrorKind::Internal,
    }
}

#[async_trait]
impl Peers for HttpPeers {
    async fn put_tasks(&self, leader: &str, request: TasksRequest<'_>) -> HerderResult<()> {
        let url = format!("{}/connectors/{}/tasks", leader.trim_end_matches('/'), encoded(request.connector));
        let post = self
            .client()
            .await?
            .request(Method::POST, url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(REVISION, request.revision)
            .body(request.body);
        self.send(post, request.signature).await
    }

    async fn fence(&self, leader: &str, connector: &str, signature: Signature) -> HerderResult<()> {
        let url = format!("{}/connectors/{}/fence", leader.trim_end_matches('/'), encoded(connector));
        self.send(self.client().await?.request(Method::PUT, url), signature).await
    }
}
