//! `millrace standalone`: one worker, with REST and, unless it uses another, a broker of its own; and what `distributed` shares with it.
//!
//! Only wires: what is opened first is what fails most (files, ports), so that a mistake is told before anything is written.
//! Invariant: things stop in the opposite order of their start: REST first, then connectors, the broker last.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use api::Registry;
use broker_server::{Broker, BrokerConfig};
use configs::connector_file::ConnectorFile;
use configs::{ConfigError, ConfigErrors};
use parking_lot::Mutex;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Exit, asked_to_stop, chain, distributed, files};
use crate::config::{GroupOptions, Listener, WorkerConfig};
use crate::herder::{Herder, HerderErrorKind, HerderSetup, Initial, RunningHerder, TargetState};
use crate::logging::Levels;
use crate::metrics::Metrics;
use crate::rest::{self, Door, OwnBroker, RestState};
use crate::validation::{Mask, PluginCalls, Validator};

/// How long a connector may take to check its configuration against the world.
const VALIDATION_DEADLINE: Duration = Duration::from_secs(60);

/// How long requests under way may take to end at the stop.
const REST_GRACE: Duration = Duration::from_secs(2);

/// Whether a worker is alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// A group of one.
    Standalone,
    /// One of a group.
    Distributed,
}

/// Runs a worker that is alone with these files.
pub(super) async fn run(
    registry: Registry,
    levels: Levels,
    worker: Option<PathBuf>,
    connectors: Vec<PathBuf>,
) -> Result<(), Exit> {
    run_worker(Mode::Standalone, registry, levels, worker, connectors).await
}

/// Runs a worker with these files.
pub(super) async fn run_worker(
    mode: Mode,
    registry: Registry,
    levels: Levels,
    worker: Option<PathBuf>,
    connectors: Vec<PathBuf>,
) -> Result<(), Exit> {
    let (worker, connectors) = files::sort(worker, connectors);
    let props = files::read_properties(worker.as_deref())?;
    let in_file = |error: ConfigErrors| match &worker {
        Some(file) => Exit::start(format!("{}: {error}", file.display())),
        None => Exit::start(error),
    };
    let config = WorkerConfig::parse(&props).map_err(in_file)?;
    for notice in &config.notices {
        tracing::warn!("{notice}");
    }
    match mode {
        Mode::Standalone => {
            for name in GroupOptions::said(&config.props) {
                tracing::warn!("{name} has no effect here: a standalone worker is a group of one");
            }
        }
        Mode::Distributed => distributed::check(&config)?,
    }
    check_converters(&config, &registry).map_err(in_file)?;
    let connectors = files::read_connectors(&connectors)?;
    let sockets = bind(&config).await?;
    let broker = start_broker(&config).await?;
    let calls = PluginCalls::new(VALIDATION_DEADLINE);
    let validator = Validator::new(registry.clone(), &config, calls).map_err(in_file)?;
    let metrics = Metrics::default();
    let stop = CancellationToken::new();
    let setup = HerderSetup {
        registry: registry.clone(),
        config: config.clone(),
        checker: Arc::new(validator.clone()),
        metrics: metrics.clone(),
        worker_id: worker_id(&config, &sockets),
        bootstrap_servers: bootstrap_servers(&config, &broker),
        in_group: mode == Mode::Distributed,
    };
    let RunningHerder { herder, task } = Herder::start(setup, stop.clone());
    tokio::spawn(herder.clone().follow_levels(levels.clone()));
    let state = RestState {
        herder,
        validator,
        mask: Mask::new(registry),
        levels,
        metrics,
        broker: Arc::clone(&broker),
        assertions: rest::Assertions::default(),
        request_timeout: config.rest.request_timeout,
    };
    let served = serve(&config, sockets, &state);
    let outcome = live(&state.herder, connectors, task, stop).await;
    state.levels.logs().close();
    served.stop().await;
    stop_broker(broker).await.and(outcome)
}

/// Submits the connectors and waits for the end: asked for, or forced by an error. The herder has put everything down then.
async fn live(
    herder: &Herder,
    connectors: Vec<ConnectorFile>,
    mut task: JoinHandle<api::Result<()>>,
    stop: CancellationToken,
) -> Result<(), Exit> {
    let ended = |outcome: Result<api::Result<()>, JoinError>| match outcome {
        Ok(outcome) => outcome.map_err(|error| Exit::start(error.report())),
        Err(panicked) => Err(Exit::start(format!("the herder broke down: {panicked}"))),
    };
    let submitted_until_asked = async {
        submit(herder, connectors).await?;
        asked_to_stop().await
    };
    let outcome = tokio::select! {
        outcome = submitted_until_asked => outcome,
        outcome = &mut task => return ended(outcome),
    };
    stop.cancel();
    ended(task.await).and(outcome)
}

/// Where the herder finds its broker: where the settings say, or inside this process.
fn bootstrap_servers(config: &WorkerConfig, broker: &OwnBroker) -> Vec<String> {
    let own = broker.lock();
    let Some(broker) = own.as_ref() else { return config.options.bootstrap_servers.clone() };
    broker.addresses().iter().map(|address| reachable(*address).to_string()).collect()
}

/// An address that listens on every address is reached over loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback =
            if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        address.set_ip(loopback);
    }
    address
}

/// The worker's converters are used by every connector that names none, so they are looked for before anything starts.
fn check_converters(config: &WorkerConfig, registry: &Registry) -> Result<(), ConfigErrors> {
    let mut errors = ConfigErrors::new();
    for (option, kinds) in [
        ("key.converter", &["converter"][..]),
        ("value.converter", &["converter"]),
        ("header.converter", &["header_converter", "converter"]),
    ] {
        let class = config.converter(option).class;
        if let Err(unknown) = registry.find(kinds, &class) {
            errors.push(ConfigError::invalid(option, class, unknown));
        }
    }
    errors.into_result(())
}

/// Opens the sockets of REST.
async fn bind(config: &WorkerConfig) -> Result<Vec<(Listener, Door)>, Exit> {
    let mut sockets = Vec::new();
    for listener in &config.listeners {
        let socket = rest::bind(config, listener).await.map_err(Exit::start)?;
        if !listener.is_loopback() && !config.access.asks_for_login() {
            tracing::warn!(
                "REST listens on {listener}: whoever reaches it can run connectors here; it asks for no password (see rest.users.file and rest.tokens.file)"
            );
        }
        sockets.push((listener.clone(), socket));
    }
    Ok(sockets)
}

/// What others call this worker, as Connect does: its advertised host and port.
fn worker_id(config: &WorkerConfig, sockets: &[(Listener, Door)]) -> String {
    // The advertised one is named as it was said; its socket knows the port that the system chose.
    let advertised = config.advertised();
    let first = sockets.iter().find(|(listener, _)| Some(listener) == advertised);
    let host = config.rest.advertised_host.clone().or_else(|| Some(first?.0.advertised_host().to_owned()));
    let bound = first.and_then(|(_, socket)| socket.local_addr().ok()).map(|address| address.port());
    let port = config.rest.advertised_port.or(bound).unwrap_or_default();
    format!("{}:{port}", host.unwrap_or_default())
}

/// Starts the broker inside this process, unless the worker uses another.
async fn start_broker(config: &WorkerConfig) -> Result<OwnBroker, Exit> {
    let Some(props) = config.embedded_broker() else { return Ok(OwnBroker::default()) };
    let broker =
        BrokerConfig::from_props(&props).map_err(|errors| Exit::start(errors.prefixed("broker.")))?;
    let hint = "settings of the broker inside this worker have the prefix \"broker.\"";
    let started = Broker::start(broker).await;
    let broker = started.map_err(|error| Exit::start(format!("{} ({hint})", chain(&error))))?;
    Ok(Arc::new(Mutex::new(Some(broker))))
}

async fn stop_broker(broker: OwnBroker) -> Result<(), Exit> {
    let running = broker.lock().take();
    match running {
        Some(broker) => broker.shutdown().await.map_err(|error| Exit::start(chain(&error))),
        None => Ok(()),
    }
}

/// REST while it serves.
struct Served {
    stop: CancellationToken,
    servers: TaskTracker,
}

fn serve(config: &WorkerConfig, sockets: Vec<(Listener, Door)>, state: &RestState) -> Served {
    let (stop, servers) = (CancellationToken::new(), TaskTracker::new());
    for (listener, socket) in sockets {
        let router = rest::router(state.clone(), rest::access(config, &listener));
        let stopped = stop.clone().cancelled_owned();
        tracing::info!("REST on {}://{listener}", listener.scheme());
        servers.spawn(rest::serve(socket, router, stopped));
    }
    servers.close();
    Served { stop, servers }
}

impl Served {
    /// Takes no more requests, and gives those under way a moment.
    async fn stop(self) {
        self.stop.cancel();
        if tokio::time::timeout(REST_GRACE, self.servers.wait()).await.is_err() {
            tracing::warn!("REST requests were cut off: they did not end within {REST_GRACE:?}");
        }
    }
}

/// Creates the connectors of the command line, or brings those that are there up to date.
async fn submit(herder: &Herder, connectors: Vec<ConnectorFile>) -> Result<(), Exit> {
    for connector in connectors {
        let name = connector.name.clone();
        let refused = |error: String| Exit::connector(format!("connector {name}: {error}"));
        let initial = connector
            .initial_state
            .as_deref()
            .map(|state| initial_state(state).map_err(refused))
            .transpose()?;
        let known = match herder.config(&name).await {
            Ok(_) => true,
            Err(error) if error.kind == HerderErrorKind::NotFound => false,
            Err(error) => return Err(refused(error.message)),
        };
        let outcome = match known {
            true => herder.put_config(&name, connector.config).await.map(drop),
            false => herder
                .create(&name, connector.config, Initial { target: initial, offsets: Vec::new() })
                .await
                .map(drop),
        };
        outcome.map_err(|error| refused(error.message))?;
        tracing::info!("{} connector {name}", if known { "updated" } else { "created" });
    }
    Ok(())
}

fn initial_state(state: &str) -> Result<TargetState, String> {
    let known = TargetState::of_name(&state.trim().to_ascii_uppercase());
    known.ok_or_else(|| format!("unknown initial_state {state}; expected RUNNING, PAUSED or STOPPED"))
}
