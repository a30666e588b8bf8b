//! Starts and stops the broker: opens the directory and the logs, binds the listeners, runs the housekeeping.
//!
//! This file only wires. Order matters twice: listeners are bound before anything is written but serve only once every log is open,
//! and at shutdown connections end before the logs close, so that nothing is appended behind the clean-shutdown marker.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    BrokerConfig, Error, Metrics,
    cluster::cluster_id,
    group::{Coordinator, run_journal, run_timer},
    log::{FlushQueue, Flusher, LogDirectory, LogError, PartitionLog, SystemDisk},
    metrics::{Counters, get},
    producer_ids::ProducerIds,
    security::Security,
    server,
    topics::Topics,
    transactions::{self, Transactions},
};

/// How long requests under way may take to finish at shutdown.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(5);

/// What every request may need.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) config: BrokerConfig,
    pub(crate) cluster_id: String,
    pub(crate) topics: Topics,
    pub(crate) groups: Coordinator,
    pub(crate) transactions: Transactions,
    pub(crate) producer_ids: ProducerIds,
    pub(crate) security: Security,
    pub(crate) counters: Counters,
    pub(crate) fetch_sessions: server::FetchSessions,
    /// Ends long polls, connections and housekeeping.
    pub(crate) shutdown: CancellationToken,
    /// Memory that requests under way may take together, in KiB.
    request_memory: Arc<Semaphore>,
    /// Threads of the runtime that may block on the disk, for a moment: all but one.
    pub(crate) threads_to_block: Semaphore,
}

impl State {
    /// Waits for room for a request of that size; the room is given back when the value is dropped.
    pub(crate) async fn reserve_memory(&self, bytes: usize) -> std::io::Result<OwnedSemaphorePermit> {
        let kibibytes = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let reserved = Arc::clone(&self.request_memory).acquire_many_owned(kibibytes).await;
        reserved.map_err(std::io::Error::other)
    }
}

/// A running broker. Dropping it stops it without a clean shutdown; the next start then recovers its logs.
#[derive(Debug)]
pub struct Broker {
    state: Arc<State>,
    addresses: Vec<SocketAddr>,
    tasks: TaskTracker,
    flusher: Option<Flusher>,
}

impl Broker {
    /// Starts a broker in the current runtime; it serves when this returns.
    ///
    /// # Errors
    /// Settings, addresses and directories that cannot be used, and logs that cannot be opened, each by name.
    pub async fn start(config: BrokerConfig) -> Result<Self, Error> {
        config.check()?;
        let listeners = server::bind(&config).await?;
        let addresses: Vec<SocketAddr> = listeners.iter().map(server::BoundListener::address).collect();
        let queue = Arc::new(FlushQueue::default());
        let start_error = |source| Error::System { what: "the flush threads", source };
        let flusher = Flusher::start(Arc::clone(&queue)).map_err(start_error)?;
        let opened = tokio::task::spawn_blocking(move || open(config, queue)).await;
        let state = opened.map_err(|error| Error::System { what: "the logs", source: error.into() })??;
        let tasks = TaskTracker::new();
        for listener in listeners {
            tasks.spawn(server::serve(listener, Arc::clone(&state), tasks.clone()));
        }
        tasks.spawn(run_timer(Arc::clone(&state)));
        tasks.spawn(run_journal(Arc::clone(&state)));
        tasks.spawn(transactions::run_timer(Arc::clone(&state)));
        tasks.spawn(housekeeping(Arc::clone(&state)));
        tracing::info!(?addresses, cluster_id = state.cluster_id, "broker started");
        Ok(Self { state, addresses, tasks, flusher: Some(flusher) })
    }

    /// Where it listens, with the ports that the system chose; in the order of `listeners`.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> &str {
        &self.state.cluster_id
    }

    /// Counters and sizes as they are now.
    pub fn metrics(&self) -> Metrics {
        let (topics, counters) = (self.state.topics.all(), &self.state.counters);
        let partitions = topics.iter().map(|topic| topic.partitions());
        let (mut partition_count, mut log_bytes) = (0, 0);
        for partitions in partitions {
            partition_count += partitions.len() as u64;
            log_bytes += partitions.iter().map(|log| log.size_bytes()).sum::<u64>();
        }
        Metrics {
            connections: get(&counters.connections),
            connections_refused: get(&counters.connections_refused),
            logins_failed: get(&counters.logins_failed),
            requests: get(&counters.requests),
            bad_requests: get(&counters.bad_requests),
            bytes_in: get(&counters.bytes_in),
            bytes_out: get(&counters.bytes_out),
            records_in: get(&counters.records_in),
            topics: topics.len() as u64,
            partitions: partition_count,
            log_bytes,
            fetch_sessions: self.state.fetch_sessions.count() as u64,
            groups: self.state.groups.group_count() as u64,
            group_lags: self.state.groups.lags(&self.state.topics),
            transactions: self.state.transactions.open_count() as u64,
        }
    }

    /// Stops serving, flushes everything and marks the directory clean.
    ///
    /// # Errors
    /// A log that could not be flushed; acknowledged records are on disk all the same, and the next start recovers.
    pub async fn shutdown(mut self) -> Result<(), Error> {
        self.state.shutdown.cancel();
        self.tasks.close();
        if tokio::time::timeout(SHUTDOWN_WAIT, self.tasks.wait()).await.is_err() {
            tracing::warn!("some requests did not finish within {SHUTDOWN_WAIT:?}");
        }
        let (state, flusher) = (Arc::clone(&self.state), self.flusher.take());
        let closed = tokio::task::spawn_blocking(move || {
            if let Some(flusher) = flusher {
                flusher.stop();
            }
            state.topics.close()
        });
        closed
            .await
            .map_err(|error| Error::System { what: "the end of the logs", source: error.into() })??;
        tracing::info!("broker stopped");
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.state.shutdown.cancel();
    }
}

fn open(config: BrokerConfig, queue: Arc<FlushQueue>) -> Result<Arc<State>, Error> {
    raise_file_limit();
    let directory = Arc::new(LogDirectory::open(&config.log_directory, Arc::new(SystemDisk))?);
    let cluster_id = cluster_id(directory.path(), config.node_id)?;
    let producer_ids = ProducerIds::open(directory.path())?;
    let security = Security::open(&config.security, config.connections_max, directory.path())?;
    let topics = Topics::open(directory, queue, config.topic_defaults.clone())?;
    let groups = Coordinator::open(&config, &topics);
    let transactions = Transactions::open(&topics);
    let fetch_sessions = server::FetchSessions::new(config.fetch_sessions_max);
    let request_memory = Arc::new(Semaphore::new(config.requests_bytes_max / 1024));
    let state = Arc::new(State {
        config,
        cluster_id,
        topics,
        groups,
        transactions,
        producer_ids,
        security,
        counters: Counters::default(),
        fetch_sessions,
        shutdown: CancellationToken::new(),
        request_memory,
        threads_to_block: Semaphore::new(Handle::current().metrics().num_workers().saturating_sub(1)),
    });
    transactions::recover(&state);
    Ok(state)
}

/// Partitions and connections take a file each: use what the system grants.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!(%error, "cannot raise the limit of open files");
    }
}

/// Retention and compaction, now and then.
async fn housekeeping(state: Arc<State>) {
    let ticks = |period| {
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        ticks
    };
    let mut retention = ticks(state.config.retention_check_interval);
    let mut offsets = ticks(state.config.offsets_retention_check_interval);
    let mut compaction = ticks(state.config.cleaner_backoff);
    loop {
        tokio::select! {
            _ = retention.tick() => {
                let expiration = state.config.producer_id_expiration.as_millis();
                let expiration_ms = i64::try_from(expiration).unwrap_or(i64::MAX);
                let retain = move |log: &PartitionLog| {
                    log.expire_producers(now_ms().saturating_sub(expiration_ms));
                    log.apply_retention(now_ms()).map(|_| ())
                };
                for_each_log(&state, retain).await;
                expire_transactional_ids(&state).await;
            }
            _ = offsets.tick() => Coordinator::expire_offsets(&state).await,
            _ = compaction.tick() => for_each_log(&state, |log| {
                log.remove_doomed(now_ms())?;
                log.compact(now_ms()).map(|_| ())
            }).await,
            () = state.shutdown.cancelled() => return,
        }
    }
}

/// Does something that blocks to every log; what fails for one is tried again with the next round.
async fn for_each_log(
    state: &Arc<State>,
    work: impl Fn(&PartitionLog) -> Result<(), LogError> + Send + 'static,
) {
    let state = Arc::clone(state);
    let round = tokio::task::spawn_blocking(move || {
        for topic in state.topics.all() {
            for log in topic.partitions().iter() {
                match work(log) {
                    Ok(()) | Err(LogError::Deleted { .. } | LogError::Closed { .. }) => {}
                    Err(error) => tracing::warn!(partition = log.name(), "housekeeping failed: {error}"),
                }
            }
        }
    });
    if let Err(error) = round.await {
        tracing::error!(%error, "housekeeping panicked; it goes on with the next round");
    }
}

async fn expire_transactional_ids(state: &Arc<State>) {
    let state = Arc::clone(state);
    if let Err(error) = tokio::task::spawn_blocking(move || Transactions::expire_ids(&state)).await {
        tracing::error!(%error, "forgetting transactional ids panicked; it goes on with the next round");
    }
}

/// Milliseconds since 1970 by the system's clock.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
