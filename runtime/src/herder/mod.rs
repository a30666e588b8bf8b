//! The herder: takes what users want, and sees to it that the worker does it.
//!
//! A [`Herder`] is the handle that REST and the command line hold. Reading is answered from what this worker knows of the
//! topics; a change is written to the config topic and answered once it is durable and read back. What is to run then
//! follows from the config topic alone (`state`), is decided by a pure function (`plan`), and done by one task (`run`).
//! Invariant: no method waits for connector code, but for a deadline.

mod plan;
mod state;
mod supervision;
mod types;

pub(crate) use plan::Assignment;
pub use supervision::RestartPolicy;

pub use types::{
    ConfigChecker, ConfigPatch, ConnectorInfo, ConnectorKind, ConnectorOffset, ConnectorStatus, HerderError,
    HerderErrorKind, HerderResult, Readiness, State, TargetState, TaskId, TaskInfo, TaskStatus, WorkerInfo,
};

use api::Props;

/// The handle to the herder. Clones ask the same one.
#[derive(Debug, Clone)]
pub struct Herder {}

impl Herder {
    /// The names of all connectors, sorted.
    ///
    /// # Errors
    /// `Internal` when the worker is on its way out, as for every method here.
    pub async fn connectors(&self) -> HerderResult<Vec<String>> {
        pending()
    }

    /// A connector as it is configured.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn info(&self, _name: &str) -> HerderResult<ConnectorInfo> {
        pending()
    }

    /// A connector's configuration as it was submitted.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn config(&self, _name: &str) -> HerderResult<Props> {
        pending()
    }

    /// What a connector and its tasks are doing.
    ///
    /// # Errors
    /// `NotFound` when nothing is known of it (`No status found for connector X`).
    pub async fn status(&self, _name: &str) -> HerderResult<ConnectorStatus> {
        pending()
    }

    /// Creates a connector. The configuration is checked here ([`ConfigChecker`]); `name` is put into it if it is absent.
    ///
    /// # Errors
    /// `AlreadyExists`, `BadRequest`.
    pub async fn create(
        &self,
        _name: &str,
        _config: Props,
        _initial: Option<TargetState>,
    ) -> HerderResult<ConnectorInfo> {
        pending()
    }

    /// Creates a connector or replaces its configuration; the flag says whether it was created.
    ///
    /// # Errors
    /// `BadRequest`.
    pub async fn put_config(&self, _name: &str, _config: Props) -> HerderResult<(bool, ConnectorInfo)> {
        pending()
    }

    /// Changes some settings of a connector.
    ///
    /// # Errors
    /// `NotFound`, `BadRequest`.
    pub async fn patch_config(&self, _name: &str, _patch: ConfigPatch) -> HerderResult<ConnectorInfo> {
        pending()
    }

    /// Deletes a connector. Its offsets stay.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete(&self, _name: &str) -> HerderResult<()> {
        pending()
    }

    /// Pauses a connector: its tasks stay, but move nothing.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn pause(&self, _name: &str) -> HerderResult<()> {
        pending()
    }

    /// Lets a paused or stopped connector run.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn resume(&self, _name: &str) -> HerderResult<()> {
        pending()
    }

    /// Stops a connector: it keeps its configuration and offsets, but has no tasks.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn stop(&self, _name: &str) -> HerderResult<()> {
        pending()
    }

    /// Restarts a connector, and with `include_tasks` its tasks; with `only_failed` only what failed. With both flags false the
    /// connector has been restarted when this returns, and the answer is `None` (REST: 204); otherwise the restart is
    /// under way, and the answer shows what will be restarted (REST: 202).
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn restart(
        &self,
        _name: &str,
        _include_tasks: bool,
        _only_failed: bool,
    ) -> HerderResult<Option<ConnectorStatus>> {
        pending()
    }

    /// Restarts one task.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn restart_task(&self, _name: &str, _task: u32) -> HerderResult<()> {
        pending()
    }

    /// A connector's tasks and what they are told.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn tasks(&self, _name: &str) -> HerderResult<Vec<TaskInfo>> {
        pending()
    }

    /// What one task is doing.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn task_status(&self, _name: &str, _task: u32) -> HerderResult<TaskStatus> {
        pending()
    }

    /// The topics that a connector has used since it was created or [`Herder::reset_topics`], sorted.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` when `topic.tracking.enable` is false.
    pub async fn active_topics(&self, _name: &str) -> HerderResult<Vec<String>> {
        pending()
    }

    /// Forgets which topics a connector has used.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` when `topic.tracking.allow.reset` is false.
    pub async fn reset_topics(&self, _name: &str) -> HerderResult<()> {
        pending()
    }

    /// How far a connector got, per partition.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn offsets(&self, _name: &str) -> HerderResult<Vec<ConnectorOffset>> {
        pending()
    }

    /// Sets or forgets offsets of a stopped connector. The answer is the message for the user.
    ///
    /// # Errors
    /// `NotFound`; `BadRequest` when it is not stopped or the connector could not go on from them.
    pub async fn alter_offsets(&self, _name: &str, _offsets: Vec<ConnectorOffset>) -> HerderResult<String> {
        pending()
    }

    /// Forgets all offsets of a stopped connector. The answer is the message for the user.
    ///
    /// # Errors
    /// As [`Herder::alter_offsets`].
    pub async fn reset_offsets(&self, _name: &str) -> HerderResult<String> {
        pending()
    }

    /// What the worker says of itself.
    ///
    /// # Errors
    /// `Timeout` when the cluster cannot be asked.
    pub async fn worker_info(&self) -> HerderResult<WorkerInfo> {
        pending()
    }

    /// Whether the worker can be used. Never fails; answers within seconds.
    pub async fn ready(&self) -> Readiness {
        Readiness::Starting("reading the config topic".to_owned())
    }
}

/// Stands until the stores below the handle have arrived.
fn pending<T>() -> HerderResult<T> {
    Err(HerderError::internal("the herder is not running"))
}
