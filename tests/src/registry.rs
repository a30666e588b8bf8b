//! A schema registry as small as one can be and still be one: subjects, versions, ids, compatibility, credentials, over HTTP.
//!
//! What tests and the benchmark register Avro schemas with. It answers as Confluent's does, errors included, and keeps what it has over a
//! restart. Invariants: an id stands for one text for ever; a subject has a text once; where a subject asks for compatibility, a
//! schema that cannot read what the latest wrote is refused.

mod catalogue;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use catalogue::{Catalogue, Refusal};

/// A registry on a port of its own; it is gone when this is dropped.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    catalogue: Mutex<Catalogue>,
    /// What requests must say in `Authorization`, if anything.
    credentials: Mutex<Option<String>>,
    requests: AtomicU64,
    is_broken: AtomicBool,
    delay: Mutex<Duration>,
}

impl Shared {
    fn catalogue(&self) -> MutexGuard<'_, Catalogue> {
        self.catalogue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    /// Starts an empty registry on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::<Shared>::default();
        let server = Some(serve(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, server })
    }

    /// Where it listens: `http://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks for this user and password from now on.
    pub fn demand(&self, authorization: &str) {
        let mut credentials = self.shared.credentials.lock().unwrap_or_else(PoisonError::into_inner);
        *credentials = Some(authorization.to_owned());
    }

    /// How many requests came.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Answers everything with 500 from now on, or no longer.
    pub fn break_down(&self, is_broken: bool) {
        self.shared.is_broken.store(is_broken, Ordering::SeqCst);
    }

    /// Takes this long for each answer from now on.
    pub fn slow_down(&self, delay: Duration) {
        *self.shared.delay.lock().unwrap_or_else(PoisonError::into_inner) = delay;
    }

    /// Stops listening and lets every connection go.
    pub async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.abort();
            // It was aborted: that is how it ends.
            drop(server.await);
        }
    }

    /// Listens again, with everything that it knew.
    ///
    /// # Errors
    /// When the port is taken meanwhile.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await;
        let listener = TcpListener::bind(self.address).await.context("listening again")?;
        self.server = Some(serve(listener, Arc::clone(&self.shared)));
        Ok(())
    }

    /// The texts of a subject's versions.
    #[must_use]
    pub fn versions(&self, subject: &str) -> Vec<String> {
        self.shared.catalogue().versions(subject)
    }

    /// The subjects, in order.
    #[must_use]
    pub fn subjects(&self) -> Vec<String> {
        self.shared.catalogue().subjects()
    }

    /// Registers a schema as a client would: its id.
    ///
    /// # Errors
    /// When it is refused.
    pub fn register(&self, subject: &str, text: &str) -> Result<u32> {
        let registered = self.shared.catalogue().register(subject, text);
        registered.map_err(|refusal| anyhow::anyhow!("{refusal:?}"))
    }

    /// Asks for compatibility with what was before (`BACKWARD`), or for none (`NONE`).
    pub fn demand_compatibility(&self, subject: &str, level: &str) {
        self.shared.catalogue().set_level(subject, level);
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

fn serve(listener: TcpListener, shared: Arc<Shared>) -> JoinHandle<()> {
    let routes = Router::new()
        .route("/subjects", get(subjects))
        .route("/subjects/{subject}", post(find))
        .route("/subjects/{subject}/versions", get(versions).post(register))
        .route("/subjects/{subject}/versions/{version}", get(version))
        .route("/schemas/ids/{id}", get(by_id))
        .route("/config/{subject}", put(configure))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), guard))
        .with_state(shared);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            eprintln!("the registry ended: {error}");
        }
    })
}

/// Counts, and lets through whom it may.
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    shared.requests.fetch_add(1, Ordering::SeqCst);
    let delay = *shared.delay.lock().unwrap_or_else(PoisonError::into_inner);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    if shared.is_broken.load(Ordering::SeqCst) {
        return answer(Err(Refusal {
            status: 500,
            code: 50001,
            message: "Error in the backend datastore".to_owned(),
        }));
    }
    let wanted = shared.credentials.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let said = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if wanted.is_some() && said != wanted.as_deref() {
        return answer(Err(Refusal { status: 401, code: 401, message: "Unauthorized".to_owned() }));
    }
    next.run(request).await
}

fn answer(outcome: Result<Value, Refusal>) -> Response {
    let (status, body) = match outcome {
        Ok(body) => (StatusCode::OK, body),
        Err(Refusal { status, code, message }) => (
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            json!({ "error_code": code, "message": message }),
        ),
    };
    let media_type = (header::CONTENT_TYPE, "application/vnd.schemaregistry.v1+json");
    (status, [media_type], body.to_string()).into_response()
}

/// The schema of a request's body.
fn text_of(body: &Bytes) -> Result<String, Refusal> {
    let unprocessable = |code: i64, message: String| Refusal { status: 422, code, message };
    let body: Value = serde_json::from_slice(body).map_err(|error| unprocessable(422, error.to_string()))?;
    let text = body["schema"].as_str().map(str::to_owned);
    text.ok_or_else(|| {
        unprocessable(42201, "Either the input schema or one its references is invalid".to_owned())
    })
}

async fn subjects(State(shared): State<Arc<Shared>>) -> Response {
    answer(Ok(json!(shared.catalogue().subjects())))
}

async fn versions(State(shared): State<Arc<Shared>>, Path(subject): Path<String>) -> Response {
    let count = shared.catalogue().versions(&subject).len();
    match count {
        0 => answer(Err(Refusal::no_subject(&subject))),
        _ => answer(Ok(json!((1..=count).collect::<Vec<_>>()))),
    }
}

async fn register(State(shared): State<Arc<Shared>>, Path(subject): Path<String>, body: Bytes) -> Response {
    let registered = text_of(&body).and_then(|text| shared.catalogue().register(&subject, &text));
    answer(registered.map(|id| json!({ "id": id })))
}

async fn find(
    State(shared): State<Arc<Shared>>,
    Path(subject): Path<String>,
    Query(_options): Query<HashMap<String, String>>,
    body: Bytes,
) -> Response {
    answer(text_of(&body).and_then(|text| shared.catalogue().find(&subject, &text)))
}

async fn version(
    State(shared): State<Arc<Shared>>,
    Path((subject, version)): Path<(String, String)>,
) -> Response {
    answer(shared.catalogue().version(&subject, &version))
}

async fn by_id(State(shared): State<Arc<Shared>>, Path(id): Path<u32>, _headers: HeaderMap) -> Response {
    answer(shared.catalogue().by_id(id))
}

async fn configure(State(shared): State<Arc<Shared>>, Path(subject): Path<String>, body: Bytes) -> Response {
    let level = serde_json::from_slice::<Value>(&body)
        .ok()
        .and_then(|body| body["compatibility"].as_str().map(str::to_owned));
    let level = level.unwrap_or_else(|| "NONE".to_owned());
    shared.catalogue().set_level(&subject, &level);
    answer(Ok(json!({ "compatibility": level })))
}
