//! Kafka Connect's REST interface: the only place that knows HTTP and the JSON of requests and answers.
//!
//! Above the herder and the validator; nothing here decides or stores. Invariants: every answer that is an error is JSON of
//! `error_code` and `message`, whoever made it; no secret is in an answer; no request waits longer than the time limit,
//! whatever a connector does.

mod admin;
mod body;
mod connectors;
mod error;
mod guard;
mod health_view;
mod lifecycle;
mod logs;
mod metrics;
mod name;
mod offsets;
mod plugins;
mod views;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post, put};
use broker_server::Broker;
use parking_lot::Mutex;
use tokio::net::TcpListener;

pub use error::Failure;
pub use guard::Access;

use crate::config::{Listener, WorkerConfig};
use crate::herder::{Herder, HerderResult};
use crate::logging::Levels;
use crate::metrics::Metrics;
use crate::validation::{Mask, Validator};

/// How large a body may be.
const BODY_BYTES_MAX: usize = 1 << 20;

/// How long `/health` waits for the herder.
const HEALTH_DEADLINE: Duration = Duration::from_secs(10);

/// What REST answers from. Clones share it.
#[derive(Debug, Clone)]
pub struct RestState {
    /// Who is asked about connectors.
    pub herder: Herder,
    /// Who checks configurations.
    pub validator: Validator,
    /// Who hides secrets.
    pub mask: Mask,
    /// The log levels.
    pub levels: Levels,
    /// The numbers of `/metrics`.
    pub metrics: Metrics,
    /// The broker inside this process, while it runs; its numbers are shown too.
    pub broker: OwnBroker,
    /// How long a request may take.
    pub request_timeout: Duration,
}

/// The broker inside this process, while it runs. Whoever stops it takes it out.
pub type OwnBroker = Arc<Mutex<Option<Broker>>>;

impl RestState {
    /// Waits for the herder, but not forever.
    async fn ask<T>(&self, answer: impl Future<Output = HerderResult<T>>) -> Result<T, Failure> {
        match tokio::time::timeout(self.request_timeout, answer).await {
            Ok(answer) => answer.map_err(Failure::from),
            Err(_) => Err(self.timed_out().await),
        }
    }

    /// The version of a connector's plugin, if there is such a connector and the worker knows its class.
    async fn version(&self, connector: &str) -> Option<&'static str> {
        let config = self.herder.config(connector).await.ok()?;
        let class = config.get("connector.class")?.trim();
        self.validator.registry().find(&["source", "sink"], class).ok().map(|plugin| plugin.version)
    }

    /// Says what the worker is busy with.
    async fn timed_out(&self) -> Failure {
        let stage = tokio::time::timeout(Duration::from_secs(1), self.herder.ready()).await;
        error::timed_out(stage.ok().as_ref())
    }
}

/// The whole interface, for one listener.
pub fn router(state: RestState, access: Access) -> Router {
    let mut router = Router::new();
    for (path, methods) in routes() {
        router = router.route(path, methods.clone());
        if path != "/" {
            router = router.route(&format!("{path}/"), methods);
        }
    }
    router
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::new(access), guard::check))
        .with_state(state)
}

/// Every endpoint; a trailing slash is allowed, as in Kafka Connect.
fn routes() -> Vec<(&'static str, MethodRouter<RestState>)> {
    vec![
        ("/", get(worker::root)),
        ("/health", get(worker::health)),
        ("/metrics", get(metrics::metrics)),
        ("/connectors", get(connectors::list).post(connectors::create)),
        ("/connectors/{name}", get(connectors::info).delete(connectors::delete)),
        (
            "/connectors/{name}/config",
            get(connectors::config).put(connectors::put_config).patch(connectors::patch_config),
        ),
        ("/connectors/{name}/status", get(lifecycle::status)),
        ("/connectors/{name}/restart", post(lifecycle::restart)),
        ("/connectors/{name}/pause", put(lifecycle::pause)),
        ("/connectors/{name}/resume", put(lifecycle::resume)),
        ("/connectors/{name}/stop", put(lifecycle::stop)),
        ("/connectors/{name}/logs", get(logs::logs)),
        ("/connectors/{name}/tasks", get(lifecycle::tasks)),
        ("/connectors/{name}/tasks/{task}/status", get(lifecycle::task_status)),
        ("/connectors/{name}/tasks/{task}/restart", post(lifecycle::restart_task)),
        ("/connectors/{name}/topics", get(lifecycle::topics)),
        ("/connectors/{name}/topics/reset", put(lifecycle::reset_topics)),
        ("/connectors/{name}/offsets", get(offsets::offsets).patch(offsets::alter).delete(offsets::reset)),
        ("/connector-plugins", get(plugins::list)),
        ("/connector-plugins/{plugin}/config", get(plugins::config)),
        ("/connector-plugins/{plugin}/config/validate", put(plugins::validate)),
        ("/admin/loggers", get(admin::loggers)),
        ("/admin/loggers/{logger}", get(admin::logger).put(admin::set_level)),
    ]
}

/// Opens a listener's socket.
///
/// # Errors
/// Names the address, the setting and what to do.
pub async fn bind(listener: &Listener) -> Result<TcpListener, BindError> {
    let refused = |source| BindError { listener: listener.clone(), source };
    TcpListener::bind((listener.host.as_str(), listener.port)).await.map_err(refused)
}

/// Why a listener's socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for REST on {listener} (setting listeners): {source}; {}", hint(source))]
pub struct BindError {
    listener: Listener,
    source: std::io::Error,
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "another program (another worker?) has this port: stop it, or set listeners=http://127.0.0.1:<another port>"
        }
        std::io::ErrorKind::PermissionDenied => {
            "ports below 1024 need privileges: choose a higher one in listeners"
        }
        _ => "set listeners to an address of this machine, such as http://127.0.0.1:8083",
    }
}

/// Serves until `stop` is done, then lets running requests end.
///
/// # Errors
/// The socket's.
pub async fn serve(
    socket: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(socket, router).with_graceful_shutdown(stop).await
}

/// Who may call on one listener.
#[must_use]
pub fn access(worker: &WorkerConfig, listener: &Listener) -> Access {
    Access {
        loopback: listener.is_loopback(),
        advertised_host: worker.rest.advertised_host.clone(),
        origins: worker.rest.allow_origin.clone(),
        methods: worker.rest.allow_methods.clone(),
    }
}

#[cfg(test)]
mod tests;
