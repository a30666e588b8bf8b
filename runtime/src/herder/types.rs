//! What the herder is asked and what it answers: plain data, without a word of HTTP or JSON in it.
//!
//! REST, the command line and tests stand above; the stores and the worker below. Invariant: a [`HerderError`] says by its
//! kind what the caller can do, and by its message what a person should know; no secret is in either.

use std::collections::BTreeMap;
use std::fmt;

use api::{FlatMap, Props};
use async_trait::async_trait;

use super::Care;

/// A connector's task: `shop-0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    /// The connector's name.
    pub connector: String,
    /// The task's number, from 0.
    pub task: u32,
}

impl TaskId {
    /// The id of one task.
    #[must_use]
    pub fn new(connector: impl Into<String>, task: u32) -> Self {
        Self { connector: connector.into(), task }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.connector, self.task)
    }
}

/// Which way a connector moves data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectorKind {
    /// Into Kafka.
    Source,
    /// Out of Kafka.
    Sink,
    /// The worker does not know the class.
    Unknown,
}

impl ConnectorKind {
    /// Connect's word: `source`, `sink` or `unknown`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sink => "sink",
            Self::Unknown => "unknown",
        }
    }
}

/// What a user wants a connector to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetState {
    /// Run.
    #[default]
    Started,
    /// Keep the tasks, but move nothing.
    Paused,
    /// Have no tasks.
    Stopped,
}

impl TargetState {
    /// The name in the config topic: `STARTED`, `PAUSED` or `STOPPED`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Paused => "PAUSED",
            Self::Stopped => "STOPPED",
        }
    }

    /// The state of a name in the config topic, or of REST's `initial_state` (where `RUNNING` stands for started).
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        match name {
            "STARTED" | "RUNNING" => Some(Self::Started),
            "PAUSED" => Some(Self::Paused),
            "STOPPED" => Some(Self::Stopped),
            _ => None,
        }
    }
}

/// What a connector or a task is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Nobody runs it yet.
    Unassigned,
    /// It runs.
    Running,
    /// It is paused.
    Paused,
    /// It failed; the trace says why, and whether it is tried again.
    Failed,
    /// It is about to be started again.
    Restarting,
    /// It was stopped (connectors only).
    Stopped,
}

impl State {
    /// Connect's name of the state, such as `RUNNING`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unassigned => "UNASSIGNED",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Failed => "FAILED",
            Self::Restarting => "RESTARTING",
            Self::Stopped => "STOPPED",
        }
    }

    /// The state of a name in the status topic. `DESTROYED` is none: what it stands for is gone.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Unassigned, Self::Running, Self::Paused, Self::Failed, Self::Restarting, Self::Stopped]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// A connector as it is configured.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectorInfo {
    /// Its name.
    pub name: String,
    /// Its configuration as it was submitted, references such as `${file:..}` unresolved.
    pub config: Props,
    /// Its tasks, by number.
    pub tasks: Vec<TaskId>,
    /// Which way it moves data.
    pub kind: ConnectorKind,
}

/// What a connector is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorStatus {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: State,
    /// The worker that runs it: its advertised `host:port`.
    pub worker_id: String,
    /// Why it failed: the root cause first, then attempts and next try.
    pub trace: Option<String>,
    /// Its tasks, by number.
    pub tasks: Vec<TaskStatus>,
    /// Which way it moves data.
    pub kind: ConnectorKind,
    /// What supervision knows of the connector itself.
    pub care: Care,
}

/// What a task is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskStatus {
    /// Its number.
    pub id: u32,
    /// What it is doing.
    pub state: State,
    /// The worker that runs it: its advertised `host:port`.
    pub worker_id: String,
    /// Why it failed: the root cause first, then attempts and next try.
    pub trace: Option<String>,
    /// What supervision knows of it.
    pub care: Care,
    /// Milliseconds since a poll, put or commit of it came back; only the worker that runs it knows.
    pub progress_age_ms: Option<i64>,
}

/// A task and what it is told.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskInfo {
    /// Which.
    pub id: TaskId,
    /// Its configuration, `task.class` included.
    pub config: Props,
}

/// How far one partition of a connector got. For a sink, the partition is `{"kafka_topic", "kafka_partition"}` and the
/// offset `{"kafka_offset"}`.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectorOffset {
    /// Which part of the source, or of a topic.
    pub partition: FlatMap,
    /// How far; `None` (in a request) forgets it.
    pub offset: Option<FlatMap>,
}

/// What the running tasks of a connector are asked for, in Debezium's words.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// The sender's name for it; `None` for a random one.
    pub id: Option<String>,
    /// What is asked for, such as `execute-snapshot`.
    pub kind: String,
    /// With what.
    pub data: serde_json::Value,
}

/// A signal that waits for its tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalSent {
    /// Its name.
    pub id: String,
    /// Where it lies.
    pub topic: String,
}

/// What a connector begins with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Initial {
    /// What it is to do at first (KIP-980); to run if nothing is said.
    pub target: Option<TargetState>,
    /// Where it is to begin (KIP-995).
    pub offsets: Vec<ConnectorOffset>,
}

/// What the worker says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerInfo {
    /// The version of Kafka Connect that this worker stands in for, or its own.
    pub version: String,
    /// The commit that it was built from.
    pub commit: String,
    /// The cluster that it works with.
    pub kafka_cluster_id: String,
}

/// Whether the worker can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It is up, and its herder answers.
    Healthy,
    /// It reads its topics; the text says what it is doing.
    Starting(String),
    /// Its herder does not answer; the text says what it is doing.
    Unhealthy(String),
}

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HerderErrorKind {
    /// There is no such connector, task or status.
    NotFound,
    /// There is one of that name already: a conflict that lasts.
    AlreadyExists,
    /// The request is at fault.
    BadRequest,
    /// The request is not allowed on this worker.
    Forbidden,
    /// Another operation is in the way: try again.
    Conflict,
    /// The group is giving out its work anew, and nobody may decide until that is done: try again.
    Rebalancing,
    /// Another worker must do it: the leader, or the owner of what it is about.
    Elsewhere,
    /// The worker is not ready for this yet: try again.
    Unavailable,
    /// Tasks of a stopped connector are not gone yet, so its offsets cannot be changed: try again.
    ZombieTasks,
    /// The answer did not come in time; the operation may still happen.
    Timeout,
    /// Something else went wrong.
    Internal,
}

impl HerderErrorKind {
    /// The word for programs, which stands beside the message: conflicts that pass and those that last have the same status.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::BadRequest => "bad_request",
            Self::Forbidden => "forbidden",
            Self::Conflict => "conflict",
            Self::Rebalancing | Self::Elsewhere => "rebalancing",
            Self::Unavailable => "unavailable",
            Self::ZombieTasks => "zombie_tasks",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
        }
    }

    /// Whether the same request may succeed in a moment.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Conflict
                | Self::Rebalancing
                | Self::Elsewhere
                | Self::Unavailable
                | Self::ZombieTasks
                | Self::Timeout
        )
    }
}

/// Why the herder did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HerderError {
    /// What the caller can do about it.
    pub kind: HerderErrorKind,
    /// What a person should know.
    pub message: String,
    /// The worker that can do it (`http://host:port/`), if the kind is [`HerderErrorKind::Elsewhere`].
    pub elsewhere: Option<String>,
}

impl HerderError {
    /// An error of a kind.
    #[must_use]
    pub fn new(kind: HerderErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), elsewhere: None }
    }

    /// The worker at this URL must do it. The message is for the case that it cannot be asked.
    #[must_use]
    pub(crate) fn elsewhere(url: impl Into<String>) -> Self {
        let message = "Cannot complete request because of a conflicting operation (e.g. worker rebalance)";
        Self { elsewhere: Some(url.into()), ..Self::new(HerderErrorKind::Elsewhere, message) }
    }

    /// There is no such thing.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(HerderErrorKind::NotFound, message)
    }

    /// The request is at fault.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(HerderErrorKind::BadRequest, message)
    }

    /// Something else went wrong.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(HerderErrorKind::Internal, message)
    }
}

impl fmt::Display for HerderError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for HerderError {}

/// A result with this error.
pub type HerderResult<T> = Result<T, HerderError>;

/// Checks a connector's configuration before it is accepted, and resolves it before it is used.
///
/// The herder calls [`ConfigChecker::check`] for every configuration that would be stored (created, replaced, patched,
/// read from a connector file), off its own task and with a deadline, and [`ConfigChecker::resolve`] on the worker that starts
/// a connector or task.
#[async_trait]
pub trait ConfigChecker: Send + Sync {
    /// Validates the whole configuration: class, common options, the plugin's own, converters, transforms, predicates.
    ///
    /// # Errors
    /// `BadRequest` with every error at once, in Connect's words.
    async fn check(&self, config: &Props) -> HerderResult<()>;

    /// Puts values in place of references such as `${file:/run/secrets/db:password}`.
    ///
    /// # Errors
    /// `BadConfig` that names the setting and the reference.
    fn resolve(&self, config: &Props) -> api::Result<Props>;
}

/// A change of a configuration: a value sets its key, `None` removes it.
pub type ConfigPatch = BTreeMap<String, Option<String>>;
