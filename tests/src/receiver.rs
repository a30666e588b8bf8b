//! A small HTTP endpoint that keeps what is posted to it: the far end of the HTTP sink.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The endpoint; it is gone when this is dropped.
#[derive(Debug)]
pub struct Receiver {
    port: u16,
    inbox: Arc<Inbox>,
    server: JoinHandle<()>,
}

/// What came, and how to answer.
#[derive(Debug, Default)]
struct Inbox {
    values: Mutex<Vec<Value>>,
    /// The status to answer with instead of taking the values; 0 takes them.
    refusal: AtomicU16,
}

impl Inbox {
    fn values(&self) -> MutexGuard<'_, Vec<Value>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Receiver {
    /// Starts the endpoint on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let inbox = Arc::new(Inbox::default());
        let routes = Router::new().route("/changes", post(take)).with_state(Arc::clone(&inbox));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                eprintln!("the receiver ended: {error}");
            }
        });
        Ok(Self { port, inbox, server })
    }

    /// Where to post: `http://127.0.0.1:port/changes`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/changes", self.port)
    }

    /// Everything that was taken, in order: the items of posted arrays one by one.
    #[must_use]
    pub fn values(&self) -> Vec<Value> {
        self.inbox.values().clone()
    }

    /// What was taken from the `from`th on.
    #[must_use]
    pub fn values_from(&self, from: usize) -> Vec<Value> {
        self.inbox.values().get(from..).map(<[Value]>::to_vec).unwrap_or_default()
    }

    /// Answers with this status from now on and takes nothing.
    pub fn refuse_with(&self, status: u16) {
        self.inbox.refusal.store(status, Ordering::SeqCst);
    }

    /// Takes what is posted again.
    pub fn accept(&self) {
        self.refuse_with(0);
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(inbox): State<Arc<Inbox>>, body: Bytes) -> StatusCode {
    match inbox.refusal.load(Ordering::SeqCst) {
        0 => {}
        status => return StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
    }
    match serde_json::from_slice(&body) {
        Ok(Value::Array(items)) => inbox.values().extend(items),
        Ok(item) => inbox.values().push(item),
        Err(_not_json) => return StatusCode::BAD_REQUEST,
    }
    StatusCode::OK
}
