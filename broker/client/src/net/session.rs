//! The writing end of a connection, and how its SASL session is renewed in place (KIP-368).
//!
//! Invariant: between the first message of a renewal and its end nothing else is written, so the broker never sees a request in
//! the middle of a login. Answers to earlier requests may still come; the reading end sorts them out.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use broker_protocol::header::{decode_response, encode_request};
use broker_protocol::{Encoded, Request};
use parking_lot::Mutex;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::connection::Waiting;
use crate::error::{Error, Result};
use crate::security::Sasl;
use crate::security::login::{Login, Step};

/// A login due at some time.
#[derive(Debug)]
pub(super) struct Renewal {
    sasl: Sasl,
    versions: LoginVersions,
    pub(super) at: Instant,
}

/// In which versions a broker is talked to during a login.
#[derive(Debug, Clone, Copy)]
pub(super) struct LoginVersions {
    pub(super) handshake: i16,
    pub(super) authenticate: i16,
}

impl Renewal {
    /// At 85 to 95 percent of the session's time, as the Java client does: not all clients at once.
    pub(super) fn new(sasl: Sasl, versions: LoginVersions, lifetime: Duration) -> Self {
        let mut dice = [0];
        if SystemRandom::new().fill(&mut dice).is_err() {
            tracing::debug!("the system gives no random numbers; the session is renewed early");
        }
        let percent = 85 + u32::from(dice[0]) % 11;
        Self { sasl, versions, at: Instant::now() + lifetime * percent / 100 }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Line<W> {
    pub(super) socket: W,
    pub(super) waiting: Arc<Mutex<Waiting>>,
    pub(super) next_id: Arc<AtomicI32>,
    pub(super) client_id: String,
    pub(super) broker: String,
    pub(super) timeout: Duration,
}

impl<W: AsyncWrite + Unpin + Send> Line<W> {
    pub(super) async fn write(&mut self, bytes: &mut Encoded) -> io::Result<()> {
        self.socket.write_all_buf(bytes).await?;
        // A no-op for a plain socket; TLS may hold back a record otherwise.
        self.socket.flush().await
    }

    /// Logs in again, in the middle of the connection's life.
    pub(super) async fn renew(&mut self, renewal: Option<Renewal>) -> Result<Option<Renewal>> {
        let Some(Renewal { sasl, versions, .. }) = renewal else { return Ok(None) };
        let mut login = Login::new(&sasl);
        let broker = self.broker.clone();
        let failed = |reason| authentication_error(&broker, &sasl, reason);
        let answer = self.ask(&login.handshake(), versions.handshake).await?;
        let mut ask = login.begin(&answer).map_err(failed)?;
        let lifetime = loop {
            let answer = self.ask(&ask, versions.authenticate).await?;
            match login.next(&answer).map_err(failed)? {
                Step::Ask(next) => ask = next,
                Step::Done(lifetime) => break lifetime,
            }
        };
        tracing::debug!(broker = self.broker, "the session was renewed");
        Ok(lifetime.map(|lifetime| Renewal::new(sasl, versions, lifetime)))
    }

    async fn ask<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) & i32::MAX;
        let mut frame = encode_request(request, version, id, Some(&self.client_id))
            .map_err(|source| Error::Request { api: R::KEY, source })?;
        let broker = self.broker.clone();
        let disconnected = |source| Error::Disconnected { broker: broker.clone(), api: R::KEY, source };
        let (sender, answer) = oneshot::channel();
        match &mut *self.waiting.lock() {
            Waiting::Open(senders) => drop(senders.insert(id, sender)),
            Waiting::Ended(error) => return Err(disconnected(Arc::clone(error))),
        }
        self.write(&mut frame).await.map_err(|error| disconnected(Arc::new(error)))?;
        let Ok(answer) = tokio::time::timeout(self.timeout, answer).await else {
            return Err(Error::Timeout { broker, api: R::KEY, after: self.timeout });
        };
        let answer = answer.unwrap_or_else(|_gone| Err(Arc::new(io::ErrorKind::ConnectionAborted.into())));
        let answer = answer.map_err(disconnected)?;
        decode_response::<R>(answer, version).map_err(|source| Error::Response {
            broker,
            api: R::KEY,
            source,
        })
    }
}

pub(super) fn authentication_error(broker: &str, sasl: &Sasl, reason: String) -> Error {
    Error::Authentication { broker: broker.to_owned(), mechanism: sasl.mechanism.name(), reason }
}

/// Sleeps until then, or for ever.
pub(super) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
