//! Kafka Connect's REST interface: the only place that knows HTTP and the JSON of requests and answers.
//!
//! Above the herder and the validator; nothing here decides or stores. Invariants: every answer that is an error is JSON of
//! `error_code` and `message`, whoever made it; no secret is in an answer; no request waits longer than the time limit,
//! whatever a connector does.

mod admin;
mod apply;
mod attempts;
mod body;
mod connectors;
mod endpoints;
mod error;
mod forward;
mod guard;
mod health_view;
mod internal;
mod lifecycle;
mod login;
mod logs;
mod metrics;
mod name;
mod offsets;
mod on_behalf;
mod openapi;
mod peer_client;
mod peers;
mod plugins;
mod rights;
mod schemas;
mod serve;
mod signals;
mod subject;
mod tls;
mod views;
mod wire;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post, put};
use broker_server::Broker;
use parking_lot::Mutex;

pub use error::Failure;
pub use guard::Access;
pub(crate) use peers::HttpPeers;
pub use serve::{BindError, Door, bind, serve};

use crate::config::{Listener, Serves, WorkerConfig};
use crate::herder::{Herder, HerderResult};
use crate::logging::Levels;
use crate::metrics::Metrics;
use crate::validation::{Mask, Validator};
use forward::Forwarder;
use login::Login;
pub(crate) use on_behalf::Assertions;
use rights::Rights;

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
    /// Who was vouched for by other workers.
    pub(crate) assertions: Assertions,
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
    for (path, methods) in routes().into_iter().filter(|(path, _)| is_served(path, access.serves)) {
        router = router.route(path, methods.clone());
        if path != "/" {
            router = router.route(&format!("{path}/"), methods);
        }
    }
    let login = Login::new(access.rest.clone());
    let rights = Rights {
        login,
        audit: access.rest.audit_file.clone(),
        herder: state.herder.clone(),
        assertions: state.assertions.clone(),
    };
    let forwarder = Forwarder::new(state.clone(), &access.rest.peers);
    router
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(forwarder, forward::forward))
        .layer(from_fn_with_state(Arc::new(rights), rights::check))
        .layer(from_fn_with_state(Arc::new(access), guard::check))
        .with_state(state)
}

/// Whether a listener of this kind serves a path.
fn is_served(path: &str, serves: Serves) -> bool {
    let is_admin = path.starts_with("/admin/");
    match serves {
        Serves::All => true,
        Serves::Regular => !is_admin,
        Serves::Admin => is_admin || ["/", "/health", "/metrics"].contains(&path),
    }
}

/// Every endpoint; a trailing slash is allowed, as in Kafka Connect.
fn routes() -> Vec<(&'static str, MethodRouter<RestState>)> {
    vec![
        ("/", get(worker::root)),
        ("/health", get(worker::health)),
        ("/metrics", get(metrics::metrics)),
        ("/openapi.json", get(openapi::openapi)),
        ("/connectors", get(connectors::list).post(connectors::create).put(apply::apply)),
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
        ("/connectors/{name}/tasks", get(lifecycle::tasks).post(internal::put_tasks)),
        ("/connectors/{name}/fence", put(internal::fence)),
        ("/connectors/{name}/tasks/{task}/status", get(lifecycle::task_status)),
        ("/connectors/{name}/tasks/{task}/restart", post(lifecycle::restart_task)),
        ("/connectors/{name}/topics", get(lifecycle::topics)),
        ("/connectors/{name}/topics/reset", put(lifecycle::reset_topics)),
        ("/connectors/{name}/offsets", get(offsets::offsets).patch(offsets::alter).delete(offsets::reset)),
        ("/connectors/{name}/signals", post(signals::send)),
        ("/connector-plugins", get(plugins::list)),
        ("/connector-plugins/{plugin}/config", get(plugins::config)),
        ("/connector-plugins/{plugin}/config/validate", put(plugins::validate)),
        ("/admin/loggers", get(admin::loggers)),
        ("/admin/loggers/{logger}", get(admin::logger).put(admin::set_level)),
    ]
}

/// Who may call on one listener.
#[must_use]
pub fn access(worker: &WorkerConfig, listener: &Listener) -> Access {
    Access {
        loopback: listener.is_loopback(),
        advertised_host: worker.rest.advertised_host.clone(),
        origins: worker.rest.allow_origin.clone(),
        methods: worker.rest.allow_methods.clone(),
        serves: listener.serves,
        rest: worker.access.clone(),
    }
}

#[cfg(test)]
mod tests;
