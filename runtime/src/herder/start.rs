//! The herder's start and end: opens the stores, herds, and puts everything down in order.
//!
//! Wiring only. Invariant: a handle exists from the first moment, so that REST answers at once; whoever asks before the stores are
//! open waits, and `/health` says what for.

use std::sync::Arc;
use std::time::Duration;

use api::{Registry, Result};
use broker_client::{Client, ClientConfig};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::desk::{Command, Desk};
use super::fencing;
use super::lead::Place;
use super::peers::{GroupFencing, Peers};
use super::run::HerderTask;
use super::{ConfigChecker, Herder, LeaderFencing, session_keys};
use crate::config::{Listener, WorkerConfig};
use crate::membership::{Group, GroupSettings, GroupView, Membership, Solo};
use crate::metrics::Metrics;
use crate::rest::HttpPeers;
use crate::store::{ConfigStore, HistoryStore, OffsetStore, StatusStore, broker_error};
use crate::worker::{WorkerContext, note_panics};

/// Requests that may wait for the herder's task.
const COMMANDS_MAX: usize = 1_024;

/// How long the last statuses may take to be written.
const STATUS_FLUSH_MAX: Duration = Duration::from_secs(2);

/// How others speak with this worker.
fn scheme(config: &WorkerConfig) -> &'static str {
    config.advertised().map_or("http", Listener::scheme)
}

/// What a herder is made from.
pub struct HerderSetup {
    /// The plugins.
    pub registry: Registry,
    /// The worker's settings.
    pub config: WorkerConfig,
    /// Checks and resolves configurations.
    pub checker: Arc<dyn ConfigChecker>,
    /// The numbers.
    pub metrics: Metrics,
    /// The worker's advertised `host:port`.
    pub worker_id: String,
    /// Brokers to ask first: those of the settings, or the one inside this process.
    pub bootstrap_servers: Vec<String>,
    /// Whether it is one of several workers that share the work of their group.
    pub in_group: bool,
}

impl std::fmt::Debug for HerderSetup {
    /// Leaves the settings out: they may hold secrets.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "HerderSetup({})", self.worker_id)
    }
}

/// A herder that is starting or herding.
#[derive(Debug)]
pub struct RunningHerder {
    /// The handle.
    pub herder: Herder,
    /// Ends when `stop` was called and everything is put down, or with the error that kept it from starting.
    pub task: JoinHandle<Result<()>>,
}

impl Herder {
    /// Starts a herder. Cancelling `stop` stops every task, commits, and ends it.
    #[must_use]
    pub fn start(setup: HerderSetup, stop: CancellationToken) -> RunningHerder {
        note_panics();
        let (sender, desk) = watch::channel(None);
        let herder = Self::new(desk);
        let task = tokio::spawn(run(setup, herder.clone(), sender, stop));
        RunningHerder { herder, task }
    }
}

async fn run(
    setup: HerderSetup,
    herder: Herder,
    opened: watch::Sender<Option<Arc<Desk>>>,
    stop: CancellationToken,
) -> Result<()> {
    let in_group = setup.in_group;
    let (commands, requests) = mpsc::channel(COMMANDS_MAX);
    let (group, view) = watch::channel(GroupView::default());
    let desk = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        desk = open(setup, &herder, commands, view) => Arc::new(desk?),
    };
    tracing::info!(worker = desk.worker_id, cluster = desk.cluster_id, "the herder is ready");
    opened.send_replace(Some(Arc::clone(&desk)));
    herder.set_stage("herding");
    tokio::spawn(session_keys::keep_fresh(Arc::clone(&desk), stop.child_token()));
    let membership = membership(&desk, in_group);
    HerderTask::new(Arc::clone(&desk), membership, group, requests).run(stop).await;
    herder.set_stage("stopping");
    opened.send_replace(None);
    if !desk.context.statuses.flush(STATUS_FLUSH_MAX).await {
        tracing::warn!("the last statuses were not written in time");
    }
    Ok(())
}

fn membership(desk: &Desk, in_group: bool) -> Box<dyn Membership> {
    if !in_group {
        return Box::new(Solo::default());
    }
    let context = &desk.context;
    let settings = GroupSettings {
        group: context.config.storage.group_id.clone(),
        options: context.config.group.clone(),
        exactly_once: context.config.exactly_once.clone(),
        session_is_said: context.config.props.contains_key("session.timeout.ms"),
        url: format!("{}://{}/", scheme(&desk.context.config), desk.worker_id),
    };
    Box::new(Group::start(&context.client, &desk.configs, &context.metrics, settings))
}

async fn open(
    setup: HerderSetup,
    herder: &Herder,
    commands: mpsc::Sender<Command>,
    group: watch::Receiver<GroupView>,
) -> Result<Desk> {
    let HerderSetup { registry, config, checker, metrics, worker_id, bootstrap_servers, in_group } = setup;
    let options = &config.options;
    herder.set_stage("connecting to the broker");
    let client = Client::new(ClientConfig {
        bootstrap_servers,
        client_id: options.client_id.clone(),
        request_timeout: options.request_timeout,
        reconnect_backoff: options.reconnect_backoff,
        retry_backoff: options.retry_backoff,
        security: config.security.clone(),
        ..ClientConfig::default()
    });
    let cluster = client.cluster().await;
    let cluster = cluster.map_err(|error| broker_error("cannot reach the Kafka cluster", error))?;
    fencing::check_broker(&client, &config).await?;
    herder.set_stage("reading the internal topics");
    let (config_topic, offset_topic) = (config.config_topic(), config.offset_topic());
    let (status_topic, history_topic) = (config.status_topic(), config.history_topic());
    let (configs, offsets, statuses, history) = tokio::try_join!(
        ConfigStore::open(&client, &config_topic, leader_id(&config)),
        OffsetStore::open(&client, &offset_topic, "offset.storage.topic"),
        StatusStore::open(&client, &status_topic),
        HistoryStore::open(&client, &history_topic),
    )?;
    let configs = Arc::new(configs);
    let peers = HttpPeers::new(&config.access.peers);
    if in_group {
        peers.check().await?;
    }
    let peers: Arc<dyn Peers> = Arc::new(peers);
    let fencing = GroupFencing {
        local: LeaderFencing::new(&client, &configs, &config.storage.group_id),
        place: Place::new(group.clone(), config.rest.request_timeout),
        configs: Arc::clone(&configs),
        session: config.session.clone(),
        peers: Arc::clone(&peers),
    };
    let context = WorkerContext {
        registry,
        config,
        checker,
        client,
        configs: Arc::clone(&configs),
        fencing: Arc::new(fencing),
        offsets: Arc::new(offsets),
        history: Arc::new(history),
        statuses: Arc::new(statuses),
        metrics,
    };
    Ok(Desk {
        context: Arc::new(context),
        configs,
        worker_id,
        cluster_id: cluster.cluster_id.unwrap_or_default(),
        commands,
        group,
        writes: Mutex::new(None),
        peers,
    })
}

/// The transactional id with which the leader writes to the config topic (Connect's name), if sources are exactly-once.
fn leader_id(config: &WorkerConfig) -> Option<String> {
    config.exactly_once.needs_transactions().then(|| format!("connect-cluster-{}", config.storage.group_id))
}
