//! Where requests are answered: reads from what this worker knows, changes written to the config topic.
//!
//! Between the handle and the stores; called by many at once. A change is checked and written under one lock, so that
//! "there is none of that name" still holds when the record is written. Invariant: a change has been answered with success only if it
//! is durable and in this worker's state.

use std::sync::Arc;

use api::{Error, Props};
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use super::peers::Peers;
use super::state::{ClusterState, ConnectorState};
use super::{
    Care, ConfigPatch, ConnectorInfo, ConnectorKind, ConnectorStatus, HerderError, HerderErrorKind,
    HerderResult, Initial, State, TargetState, TaskId, TaskInfo, TaskStatus, WorkerInfo,
};
use crate::membership::GroupView;
use crate::store::ConfigStore;
use crate::store::config_record::{ConfigRecord, RestartRequest};
use crate::store::status_record::Status;
use crate::worker::{CONNECTOR_KINDS, WorkerContext};

/// What only the herder's own task can do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Start a connector anew; answered once it runs or has failed.
    RestartConnector(String, oneshot::Sender<HerderResult<()>>),
    /// Start a task anew; answered once that is under way.
    RestartTask(TaskId, oneshot::Sender<HerderResult<()>>),
    /// Whether a connector has tasks that run, or are not gone yet.
    HasTasks(String, oneshot::Sender<bool>),
    /// Answer.
    Ping(oneshot::Sender<()>),
}

/// Answers requests.
pub(crate) struct Desk {
    /// The worker's parts.
    pub(crate) context: Arc<WorkerContext>,
    /// The config topic.
    pub(crate) configs: Arc<ConfigStore>,
    /// The worker's advertised `host:port`.
    pub(crate) worker_id: String,
    /// The cluster.
    pub(crate) cluster_id: String,
    /// The way to the herder's task.
    pub(crate) commands: mpsc::Sender<Command>,
    /// This worker's place in the group; the herder's task keeps it up to date.
    pub(crate) group: watch::Receiver<GroupView>,
    /// Held from check to write; the generation of the group for which this worker has taken the lead.
    pub(crate) writes: Mutex<Option<i32>>,
    /// The way to the other workers.
    pub(crate) peers: Arc<dyn Peers>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Desk({})", self.worker_id)
    }
}

impl Desk {
    pub(crate) fn state(&self) -> Arc<ClusterState> {
        self.configs.state()
    }

    pub(crate) fn connectors(&self) -> Vec<String> {
        self.state().connectors().map(|(name, _)| name.clone()).collect()
    }

    /// A connector that is configured.
    pub(crate) fn connector(&self, name: &str) -> HerderResult<Arc<ConnectorState>> {
        let state = self.state();
        state.connector(name).cloned().ok_or_else(|| not_found(name))
    }

    /// The same, for requests that Connect has other words for.
    fn known(&self, name: &str, missing: fn(&str) -> HerderError) -> HerderResult<Arc<ConnectorState>> {
        self.state().connector(name).cloned().ok_or_else(|| missing(name))
    }

    pub(crate) fn info(&self, name: &str) -> HerderResult<ConnectorInfo> {
        let connector = self.connector(name)?;
        Ok(ConnectorInfo {
            name: name.to_owned(),
            config: (*connector.config()).clone(),
            tasks: connector.task_ids(name),
            kind: self.kind(&connector.config()),
        })
    }

    /// Which way the connector of a configuration moves data.
    pub(crate) fn kind(&self, config: &Props) -> ConnectorKind {
        let class = config.get("connector.class").map_or("", |class| class.trim());
        match self.context.registry.find(&CONNECTOR_KINDS, class) {
            Ok(plugin) if plugin.kind.name() == "source" => ConnectorKind::Source,
            Ok(_) => ConnectorKind::Sink,
            Err(_unknown) => ConnectorKind::Unknown,
        }
    }

    pub(crate) fn status(&self, name: &str) -> HerderResult<ConnectorStatus> {
        let Ok(connector) = self.connector(name) else {
            return Err(HerderError::not_found(format!("No status found for connector {name}")));
        };
        let known = self.context.statuses.connector(name).unwrap_or_else(|| self.unassigned());
        let tasks = connector.tasks().map(|(task, _)| {
            let known = self.context.statuses.task(&TaskId::new(name, task));
            self.task_status_of(name, task, known.unwrap_or_else(|| self.unassigned()))
        });
        Ok(ConnectorStatus {
            name: name.to_owned(),
            state: known.state,
            worker_id: known.worker_id,
            trace: known.trace,
            tasks: tasks.collect(),
            kind: self.kind(&connector.config()),
            care: known.care,
        })
    }

    /// A task's status, with what only this worker knows if it is the one that runs it.
    fn task_status_of(&self, name: &str, id: u32, status: Status) -> TaskStatus {
        let Status { state, trace, worker_id, care, .. } = status;
        let numbers = self.context.metrics.task(&TaskId::new(name, id));
        let ours = numbers.filter(|_| worker_id == self.worker_id);
        let progress_age_ms = ours.map(|numbers| numbers.progress_age_ms(std::time::Instant::now()));
        TaskStatus { id, state, worker_id, trace, care, progress_age_ms }
    }

    /// What is said of something that nobody has started yet.
    fn unassigned(&self) -> Status {
        let worker_id = self.worker_id.clone();
        Status {
            state: State::Unassigned,
            trace: None,
            worker_id,
            generation: 0,
            version: None,
            care: Care::default(),
        }
    }

    /// The version of a connector's plugin, if there is such a connector and this worker knows its class.
    pub(crate) fn version(&self, name: &str) -> Option<String> {
        let config = self.state().connector(name)?.config();
        let class = config.get("connector.class")?.trim();
        self.context.registry.find(&CONNECTOR_KINDS, class).ok().map(|plugin| plugin.version.to_owned())
    }

    pub(crate) fn task_status(&self, name: &str, task: u32) -> HerderResult<TaskStatus> {
        let status = self.status(name).ok();
        let found = status.and_then(|status| status.tasks.into_iter().find(|known| known.id == task));
        found.ok_or_else(|| HerderError::not_found(format!("No status found for task {name}-{task}")))
    }

    pub(crate) fn tasks(&self, name: &str) -> HerderResult<Vec<TaskInfo>> {
        let connector = self.connector(name)?;
        let task = |(task, config): (u32, &Arc<Props>)| TaskInfo {
            id: TaskId::new(name, task),
            config: (**config).clone(),
        };
        Ok(connector.tasks().map(task).collect())
    }

    pub(crate) async fn create(
        &self,
        name: &str,
        config: Props,
        initial: Initial,
    ) -> HerderResult<ConnectorInfo> {
        let config = named(name, config)?;
        self.leading().await?;
        if self.connector(name).is_ok() {
            return Err(exists(name));
        }
        self.context.checker.check(&config).await?;
        let lead = self.lead().await?;
        if self.connector(name).is_ok() {
            return Err(exists(name));
        }
        self.write_initial_offsets(name, config.clone(), initial.offsets).await?;
        // The target state first: a worker that sees the connector must not start it before it knows (KIP-980).
        let target = initial.target.map(|target| ConfigRecord::Target(name.to_owned(), Some(target)));
        let records: Vec<_> =
            target.into_iter().chain([ConfigRecord::Connector(name.to_owned(), Some(config))]).collect();
        lead.write(&records).await?;
        self.info(name)
    }

    pub(crate) async fn put_config(&self, name: &str, config: Props) -> HerderResult<(bool, ConnectorInfo)> {
        let config = named(name, config)?;
        self.leading().await?;
        self.context.checker.check(&config).await?;
        let lead = self.lead().await?;
        let created = self.connector(name).is_err();
        lead.write(&[ConfigRecord::Connector(name.to_owned(), Some(config))]).await?;
        Ok((created, self.info(name)?))
    }

    pub(crate) async fn patch_config(&self, name: &str, patch: &ConfigPatch) -> HerderResult<ConnectorInfo> {
        self.leading().await?;
        // Checking may take long, so it is done without the lock, and again if the configuration changed meanwhile.
        for _ in 0..10 {
            let before = self.connector(name)?;
            let mut config = (*before.config()).clone();
            for (key, value) in patch {
                match value {
                    Some(value) => config.insert(key.clone(), value.clone()),
                    None => config.remove(key),
                };
            }
            let config = named(name, config)?;
            self.context.checker.check(&config).await?;
            let lead = self.lead().await?;
            if self.connector(name)?.config_revision() == before.config_revision() {
                lead.write(&[ConfigRecord::Connector(name.to_owned(), Some(config))]).await?;
                return self.info(name);
            }
        }
        Err(HerderError::new(
            HerderErrorKind::Conflict,
            format!(
                "the configuration of connector {name} changed again and again while it was being patched"
            ),
        ))
    }

    pub(crate) async fn delete(&self, name: &str) -> HerderResult<()> {
        let lead = self.lead().await?;
        self.connector(name)?;
        let name = name.to_owned();
        lead.write(&[ConfigRecord::Connector(name.clone(), None), ConfigRecord::Target(name, None)]).await
    }

    /// Has a connector run or pause: any worker may, since that takes nothing from any other change (as in Connect).
    pub(crate) async fn set_target(&self, name: &str, target: TargetState) -> HerderResult<()> {
        self.known(name, unknown_connector)?;
        let record = ConfigRecord::Target(name.to_owned(), Some(target));
        self.configs.write_as_any(&[record]).await.map_err(failed)
    }

    pub(crate) async fn stop(&self, name: &str) -> HerderResult<()> {
        let lead = self.lead().await?;
        self.known(name, unknown_connector)?;
        let target = ConfigRecord::Target(name.to_owned(), Some(TargetState::Stopped));
        lead.write(&[ConfigRecord::Commit(name.to_owned(), 0), target]).await
    }

    pub(crate) async fn restart(
        &self,
        name: &str,
        include_tasks: bool,
        only_failed: bool,
    ) -> HerderResult<Option<ConnectorStatus>> {
        if !include_tasks && !only_failed {
            self.known(name, unknown_to_restart)?;
            return self.restart_wherever(name).await.map(|()| None);
        }
        let lead = self.lead().await?;
        self.known(name, unknown_to_restart)?;
        let mut status = self.status(name)?;
        let request = RestartRequest { include_tasks, only_failed };
        if request.concerns(status.state) {
            (status.state, status.trace) = (State::Restarting, None);
        }
        for task in status.tasks.iter_mut().filter(|task| include_tasks && request.concerns(task.state)) {
            (task.state, task.trace) = (State::Restarting, None);
        }
        lead.write(&[ConfigRecord::Restart(name.to_owned(), request)]).await?;
        Ok(Some(status))
    }

    /// Has a connector restarted, and says what it does when it does not come back in time.
    pub(super) async fn restart_connector(&self, name: &str) -> HerderResult<()> {
        let began = jiff::Timestamp::now();
        // Before REST gives up, who can only say that it took too long.
        let limit = self.context.config.rest.request_timeout * 9 / 10;
        let restarted = self.command(|reply| Command::RestartConnector(name.to_owned(), reply));
        tokio::time::timeout(limit, restarted).await.unwrap_or_else(|_elapsed| {
            Err(HerderError::new(
                HerderErrorKind::Timeout,
                format!(
                    "Request timed out. The worker is currently starting connector {name}, which began at {began:.3}"
                ),
            ))
        })?
    }

    pub(crate) async fn restart_task(&self, name: &str, task: u32) -> HerderResult<()> {
        let connector = self.known(name, unknown_to_restart)?;
        if !connector.tasks().any(|(known, _)| known == task) {
            return Err(HerderError::not_found(format!("Unknown task: {name}-{task}")));
        }
        let id = TaskId::new(name, task);
        self.place().owning_task(&id).await?;
        self.command(|reply| Command::RestartTask(id, reply)).await?
    }

    pub(crate) fn active_topics(&self, name: &str) -> HerderResult<Vec<String>> {
        if !self.context.config.options.topic_tracking_enable {
            return Err(HerderError::new(HerderErrorKind::Forbidden, "Topic tracking is disabled."));
        }
        self.connector(name)?;
        Ok(self.context.statuses.topics(name))
    }

    pub(crate) fn reset_topics(&self, name: &str) -> HerderResult<()> {
        let options = &self.context.config.options;
        if !options.topic_tracking_enable {
            return Err(HerderError::new(HerderErrorKind::Forbidden, "Topic tracking is disabled."));
        }
        if !options.topic_tracking_allow_reset {
            return Err(HerderError::new(HerderErrorKind::Forbidden, "Topic tracking reset is disabled."));
        }
        self.connector(name)?;
        self.context.statuses.reset_topics(name);
        Ok(())
    }

    pub(crate) fn worker_info(&self) -> WorkerInfo {
        WorkerInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("MILLRACE_COMMIT").unwrap_or("unknown").to_owned(),
            kafka_cluster_id: self.cluster_id.clone(),
        }
    }

    /// Asks the herder's task something.
    pub(crate) async fn command<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command + Send,
    ) -> HerderResult<T> {
        let (reply, answer) = oneshot::channel();
        let gone = "the worker is on its way out";
        if self.commands.send(command(reply)).await.is_err() {
            return Err(HerderError::internal(gone));
        }
        answer.await.map_err(|error| HerderError::internal(format!("{gone}: {error}")))
    }
}

impl RestartRequest {
    /// Whether something in this state is to be restarted.
    pub(crate) fn concerns(self, state: State) -> bool {
        !self.only_failed || state == State::Failed
    }
}

/// An error of the stores or of a connector, for whoever asked.
pub(crate) fn failed(error: Error) -> HerderError {
    let kind = match error.kind() {
        api::ErrorKind::BadConfig | api::ErrorKind::BadRecord => HerderErrorKind::BadRequest,
        api::ErrorKind::Retriable { .. } => HerderErrorKind::Timeout,
        api::ErrorKind::Fatal => HerderErrorKind::Internal,
    };
    HerderError::new(kind, error.to_string())
}

pub(crate) fn not_found(name: &str) -> HerderError {
    HerderError::not_found(format!("Connector {name} not found"))
}

fn unknown_connector(name: &str) -> HerderError {
    HerderError::not_found(format!("Unknown connector {name}"))
}

fn unknown_to_restart(name: &str) -> HerderError {
    HerderError::not_found(format!("Unknown connector: {name}"))
}

pub(crate) fn exists(name: &str) -> HerderError {
    HerderError::new(HerderErrorKind::AlreadyExists, format!("Connector {name} already exists"))
}

/// The configuration with its `name`, which must be the connector's.
pub(crate) fn named(name: &str, mut config: Props) -> HerderResult<Props> {
    let said = config.entry("name".to_owned()).or_insert_with(|| name.to_owned());
    if said == name {
        return Ok(config);
    }
    Err(HerderError::bad_request(format!(
        "Connector name configuration ({said}) doesn't match connector name in the URL ({name})"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_put_in_and_must_match() {
        assert_eq!(named("c", Props::new()).unwrap()["name"], "c");
        let other = Props::from([("name".to_owned(), "d".to_owned())]);
        let error = named("c", other).unwrap_err();
        assert_eq!(error.kind, HerderErrorKind::BadRequest);
        assert!(error.message.contains("(d)") && error.message.contains("(c)"));
    }
}
