//! The herder: takes what users want, and sees to it that the worker does it.
//!
//! A [`Herder`] is the handle that REST and the command line hold. Reading is answered from what this worker knows of the
//! topics; a change is written to the config topic and answered once it is durable and read back. What is to run then
//! follows from the config topic alone (`state`), is decided by a pure function (`plan`), and done by one task (`run`).
//! Invariant: no method waits for connector code, but for a deadline.

mod apply;
mod connectors;
mod desk;
mod fencing;
mod health;
mod lead;
mod loggers;
mod offsets;
mod peers;
mod plan;
mod run;
mod session_keys;
mod signals;
mod signature;
mod start;
mod state;
mod statuses;
mod supervision;
mod task_configs;
mod tasks;
mod touched;
mod types;

pub use apply::{Apply, Change, Changes, Wanted};
pub(crate) use fencing::{LeaderFencing, ZombieFencing, task_transactional_id};
pub use health::{Care, Health, LastError, Stalled};
pub(crate) use peers::{Peers, TasksRequest};
pub(crate) use plan::Assignment;
pub use signature::Signature;
pub use start::{HerderSetup, RunningHerder};
pub(crate) use state::ClusterState;
pub use supervision::RestartPolicy;

pub use types::{
    ConfigChecker, ConfigPatch, ConnectorInfo, ConnectorKind, ConnectorOffset, ConnectorStatus, HerderError,
    HerderErrorKind, HerderResult, Initial, Readiness, Signal, SignalSent, State, TargetState, TaskId,
    TaskInfo, TaskStatus, WorkerInfo,
};

use std::sync::Arc;
use std::time::Duration;

use api::Props;
use parking_lot::Mutex;
use tokio::sync::watch;

use desk::{Command, Desk};

/// How long [`Herder::ready`] waits for the herder's task.
const PING_MAX: Duration = Duration::from_secs(5);

/// The handle to the herder. Clones ask the same one.
#[derive(Debug, Clone)]
pub struct Herder {
    desk: watch::Receiver<Option<Arc<Desk>>>,
    /// What the herder is doing, for people who wait.
    stage: Arc<Mutex<&'static str>>,
}

impl Herder {
    /// A handle to the desk, once there is one.
    fn new(desk: watch::Receiver<Option<Arc<Desk>>>) -> Self {
        Self { desk, stage: Arc::new(Mutex::new("starting")) }
    }

    /// A handle to no herder: everything fails, at once. For tests of what stands above.
    #[must_use]
    pub fn detached() -> Self {
        Self::new(watch::channel(None).1)
    }

    fn set_stage(&self, stage: &'static str) {
        *self.stage.lock() = stage;
    }

    /// The desk; waits while the stores are being opened.
    async fn desk(&self) -> HerderResult<Arc<Desk>> {
        let mut desk = self.desk.clone();
        let opened = desk.wait_for(Option::is_some).await;
        let opened =
            opened.map_err(|error| HerderError::internal(format!("the herder is not running: {error}")))?;
        opened.clone().ok_or_else(|| HerderError::internal("the herder is not running"))
    }

    /// The names of all connectors, sorted.
    ///
    /// # Errors
    /// `Internal` when the worker is on its way out, as for every method here.
    pub async fn connectors(&self) -> HerderResult<Vec<String>> {
        Ok(self.desk().await?.connectors())
    }

    /// A connector as it is configured.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn info(&self, name: &str) -> HerderResult<ConnectorInfo> {
        self.desk().await?.info(name)
    }

    /// A connector's configuration as it was submitted.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn config(&self, name: &str) -> HerderResult<Props> {
        Ok((*self.desk().await?.connector(name)?.config()).clone())
    }

    /// What a connector and its tasks are doing.
    ///
    /// # Errors
    /// `NotFound` when nothing is known of it (`No status found for connector X`).
    pub async fn status(&self, name: &str) -> HerderResult<ConnectorStatus> {
        self.desk().await?.status(name)
    }

    /// Creates a connector. The configuration is checked here ([`ConfigChecker`]); `name` is put into it if it is absent. The offsets
    /// that it is to begin with are written before it is there.
    ///
    /// # Errors
    /// `AlreadyExists`, `BadRequest`.
    pub async fn create(&self, name: &str, config: Props, initial: Initial) -> HerderResult<ConnectorInfo> {
        self.desk().await?.create(name, config, initial).await
    }

    /// Creates a connector or replaces its configuration; the flag says whether it was created.
    ///
    /// # Errors
    /// `BadRequest`.
    pub async fn put_config(&self, name: &str, config: Props) -> HerderResult<(bool, ConnectorInfo)> {
        self.desk().await?.put_config(name, config).await
    }

    /// Brings many connectors to what is wanted, all of them or none: what becomes of each, or why it cannot be.
    ///
    /// # Errors
    /// When nothing could be decided or written; a connector that is refused is in the answer.
    pub async fn apply(&self, wanted: Vec<Wanted>, how: Apply) -> HerderResult<Changes> {
        self.desk().await?.apply(wanted, how).await
    }

    /// The worker's advertised `host:port`.
    ///
    /// # Errors
    /// `Unavailable` before the herder is ready.
    pub async fn worker_id(&self) -> HerderResult<String> {
        Ok(self.desk().await?.worker_id.clone())
    }

    /// Returns once this worker leads its group.
    ///
    /// # Errors
    /// `Elsewhere` when another does.
    pub async fn leading(&self) -> HerderResult<()> {
        self.desk().await?.leading().await
    }

    /// Changes some settings of a connector.
    ///
    /// # Errors
    /// `NotFound`, `BadRequest`.
    pub async fn patch_config(&self, name: &str, patch: ConfigPatch) -> HerderResult<ConnectorInfo> {
        self.desk().await?.patch_config(name, &patch).await
    }

    /// Deletes a connector. Its offsets stay.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete(&self, name: &str) -> HerderResult<()> {
        self.desk().await?.delete(name).await
    }

    /// Pauses a connector: its tasks stay, but move nothing.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn pause(&self, name: &str) -> HerderResult<()> {
        self.desk().await?.set_target(name, TargetState::Paused).await
    }

    /// Lets a paused or stopped connector run.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn resume(&self, name: &str) -> HerderResult<()> {
        self.desk().await?.set_target(name, TargetState::Started).await
    }

    /// Stops a connector: it keeps its configuration and offsets, but has no tasks.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn stop(&self, name: &str) -> HerderResult<()> {
        self.desk().await?.stop(name).await
    }

    /// Restarts a connector, and with `include_tasks` its tasks; with `only_failed` only what failed. With both flags false the
    /// connector has been restarted when this returns, and the answer is `None` (REST: 204); otherwise the restart is
    /// under way, and the answer shows what will be restarted (REST: 202).
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn restart(
        &self,
        name: &str,
        include_tasks: bool,
        only_failed: bool,
    ) -> HerderResult<Option<ConnectorStatus>> {
        self.desk().await?.restart(name, include_tasks, only_failed).await
    }

    /// Restarts one task.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn restart_task(&self, name: &str, task: u32) -> HerderResult<()> {
        self.desk().await?.restart_task(name, task).await
    }

    /// A connector's tasks and what they are told.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn tasks(&self, name: &str) -> HerderResult<Vec<TaskInfo>> {
        self.desk().await?.tasks(name)
    }

    /// What one task is doing.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn task_status(&self, name: &str, task: u32) -> HerderResult<TaskStatus> {
        self.desk().await?.task_status(name, task)
    }

    /// The topics that a connector has used since it was created or [`Herder::reset_topics`], sorted.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` when `topic.tracking.enable` is false.
    pub async fn active_topics(&self, name: &str) -> HerderResult<Vec<String>> {
        self.desk().await?.active_topics(name)
    }

    /// Forgets which topics a connector has used.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` when `topic.tracking.allow.reset` is false.
    pub async fn reset_topics(&self, name: &str) -> HerderResult<()> {
        self.desk().await?.reset_topics(name)
    }

    /// How far a connector got, per partition.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn offsets(&self, name: &str) -> HerderResult<Vec<ConnectorOffset>> {
        self.desk().await?.offsets(name).await
    }

    /// Sets or forgets offsets of a stopped connector. The answer is the message for the user.
    ///
    /// # Errors
    /// `NotFound`; `BadRequest` when it is not stopped or the connector could not go on from them.
    pub async fn alter_offsets(&self, name: &str, offsets: Vec<ConnectorOffset>) -> HerderResult<String> {
        self.desk().await?.alter_offsets(name, offsets).await
    }

    /// Forgets all offsets of a stopped connector. The answer is the message for the user.
    ///
    /// # Errors
    /// As [`Herder::alter_offsets`].
    pub async fn reset_offsets(&self, name: &str) -> HerderResult<String> {
        self.desk().await?.reset_offsets(name).await
    }

    /// Signs something for another worker of this group (KIP-507).
    ///
    /// # Errors
    /// `Unavailable` before there is a key.
    pub async fn sign(&self, content: &[u8]) -> HerderResult<Signature> {
        self.desk().await?.sign(content)
    }

    /// Asks a connector's running tasks for something, through the topic that they read signals from.
    ///
    /// # Errors
    /// `NotFound`; `BadRequest` when the connector reads no such topic; what the broker said.
    pub async fn signal(&self, name: &str, signal: Signal) -> HerderResult<SignalSent> {
        self.desk().await?.signal(name, signal).await
    }

    /// Checks that a request comes from a worker of this group (KIP-507).
    ///
    /// # Errors
    /// `BadRequest` without a signature, `Forbidden` with a wrong one, `Unavailable` before there is a key.
    pub async fn verify(&self, signature: Option<&Signature>, body: &[u8]) -> HerderResult<()> {
        self.desk().await?.verify(signature, body)
    }

    /// Writes the task configurations that another worker's connector asked for. `revision` is the offset in the config topic of
    /// the connector's configuration that they were made from, if the worker said.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when the configuration is another by now.
    pub async fn put_tasks(&self, name: &str, revision: Option<i64>, tasks: Vec<Props>) -> HerderResult<()> {
        self.desk().await?.put_tasks(name, revision, tasks).await
    }

    /// Fences the producers of a connector's earlier tasks.
    ///
    /// # Errors
    /// `NotFound`; else what the broker said.
    pub async fn fence(&self, name: &str) -> HerderResult<()> {
        self.desk().await?.fence(name).await
    }

    /// Waits until this worker has read what the leader wrote for a request that was forwarded to it.
    pub async fn catch_up(&self) {
        if let Ok(desk) = self.desk().await {
            desk.catch_up().await;
        }
    }

    /// What the worker says of itself.
    ///
    /// # Errors
    /// `Timeout` when the cluster cannot be asked.
    pub async fn worker_info(&self) -> HerderResult<WorkerInfo> {
        Ok(self.desk().await?.worker_info())
    }

    /// Whether the worker can be used. Never fails; answers within seconds.
    pub async fn ready(&self) -> Readiness {
        let stage = || self.stage.lock().to_string();
        let Some(desk) = self.desk.borrow().clone() else { return Readiness::Starting(stage()) };
        match tokio::time::timeout(PING_MAX, desk.command(Command::Ping)).await {
            Ok(Ok(())) => Readiness::Healthy,
            Ok(Err(error)) => Readiness::Unhealthy(error.message),
            Err(_elapsed) => {
                Readiness::Unhealthy(format!("the herder did not answer within {} s", PING_MAX.as_secs()))
            }
        }
    }
}
