//! The way of a connector's task configurations into the config topic: made by the owner of the connector, written by the leader.
//!
//! Between the connector's answer and the config store. An owner that does not lead sends them to the leader, signed, again and
//! again until it has taken them or they count no more. Invariant: task configurations are only written if they were made from
//! the connector's configuration of now.

use std::sync::Arc;
use std::time::Duration;

use api::{Error, Props, Result};

use super::desk::{Desk, failed, not_found};
use super::peers::TasksRequest;
use super::signature::Signature;
use super::state::ClusterState;
use super::{HerderError, HerderErrorKind, HerderResult, TargetState, TaskId};
use crate::store::config_record::ConfigRecord;
use crate::worker::{Jitter, restart_delay};

/// The first and the longest pause before the leader is asked again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

impl Desk {
    /// Sees to it that the tasks that a connector asked for are written, unless it has been changed, stopped or deleted since.
    ///
    /// # Errors
    /// When the leader refuses them for good.
    pub(crate) async fn submit_tasks(&self, name: &str, revision: i64, tasks: Vec<Props>) -> Result<()> {
        let mut attempt = 0;
        loop {
            if !wanted(&self.state(), name, revision, &tasks) {
                return Ok(());
            }
            let error = match self.write_or_send(name, revision, &tasks).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if !may_pass(error.kind) {
                return Err(Error::fatal(format!(
                    "the leader refuses the task configurations of connector {name}: {error}"
                )));
            }
            attempt += 1;
            tracing::debug!(connector = name, attempt, %error, "task configurations are not written yet; trying again");
            tokio::time::sleep(restart_delay(attempt, BACKOFF.0, BACKOFF.1, &mut Jitter::unique())).await;
        }
    }

    async fn write_or_send(&self, name: &str, revision: i64, tasks: &[Props]) -> HerderResult<()> {
        let leader = match self.leading().await {
            Ok(()) => return self.put_tasks(name, Some(revision), tasks.to_vec()).await,
            Err(HerderError { elsewhere: Some(leader), .. }) => leader,
            Err(error) => return Err(error),
        };
        let body = serde_json::to_vec(tasks)
            .map_err(|error| HerderError::internal(format!("task configurations are not JSON: {error}")))?;
        let signature = self.sign(&body)?;
        let request = TasksRequest { connector: name, revision, body, signature };
        self.peers.put_tasks(&leader, request).await
    }

    /// Signs a request to another worker.
    pub(super) fn sign(&self, body: &[u8]) -> HerderResult<Signature> {
        Signature::sign(&self.context.config.session, self.state().session_key(), body)
    }

    /// Checks that a request comes from a worker of this group.
    ///
    /// # Errors
    /// As [`Signature::verify`].
    pub(crate) fn verify(&self, signature: Option<&Signature>, body: &[u8]) -> HerderResult<()> {
        Signature::verify(signature, &self.context.config.session, self.state().session_key(), body)
    }

    /// Writes a connector's task configurations, as the leader. `revision` says from which configuration of the connector they were
    /// made (its offset in the config topic), if the owner said so: Kafka Connect's workers do not.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when the configuration is another by now; those of writing.
    pub(crate) async fn put_tasks(
        &self,
        name: &str,
        revision: Option<i64>,
        tasks: Vec<Props>,
    ) -> HerderResult<()> {
        self.leading().await?;
        if self.state().connector(name).is_some_and(|known| !known.needs_tasks(&tasks)) {
            return Ok(());
        }
        let lead = self.lead().await?;
        // The owner may have read further than this worker, since others than the leader write as well.
        self.configs.read_to_end().await.map_err(failed)?;
        let state = self.state();
        let connector = state.connector(name).ok_or_else(|| not_found(name))?;
        let stale = revision.is_some_and(|revision| revision != connector.config_revision());
        if stale || connector.target() == TargetState::Stopped {
            return Err(HerderError::new(
                HerderErrorKind::Conflict,
                "Cannot complete request momentarily due to stale configuration (typically caused by a concurrent config \
                 change)",
            ));
        }
        if !connector.needs_tasks(&tasks) {
            return Ok(());
        }
        lead.write(&commit_of(name, tasks)).await
    }
}

impl Desk {
    /// Fences the producers of a connector's earlier tasks, as the leader.
    ///
    /// # Errors
    /// `NotFound`, `Elsewhere`; else what the broker said.
    pub(crate) async fn fence(&self, name: &str) -> HerderResult<()> {
        self.leading().await?;
        self.catch_up().await;
        self.connector(name)?;
        self.context.fencing.fence(name).await.map_err(failed)
    }
}

/// Whether there is still something to write: whoever changes the connector has its tasks made anew, and lets these go.
fn wanted(state: &Arc<ClusterState>, name: &str, revision: i64, tasks: &[Props]) -> bool {
    state.connector(name).is_some_and(|connector| {
        connector.config_revision() == revision
            && connector.target() != TargetState::Stopped
            && connector.needs_tasks(tasks)
    })
}

/// Everything passes but a leader that understands the request and refuses it. (A bad signature is one of a key that was renewed.)
const fn may_pass(kind: HerderErrorKind) -> bool {
    !matches!(kind, HerderErrorKind::BadRequest)
}

/// All tasks, then their commit.
fn commit_of(connector: &str, tasks: Vec<Props>) -> Vec<ConfigRecord> {
    let count = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
    let mut records: Vec<_> = (0..count)
        .zip(tasks)
        .map(|(number, config)| ConfigRecord::Task(TaskId::new(connector, number), Some(config)))
        .collect();
    records.push(ConfigRecord::Commit(connector.to_owned(), count));
    records
}
