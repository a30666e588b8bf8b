//! The connectors of this worker, as the herder runs them: asked for their tasks, their answers heard.
//!
//! Part of the herder's own task. Invariant: an answer counts only if the connector was not changed or let go since it was asked.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use api::{Props, Result};

use super::desk::{Desk, not_found};
use super::plan::RunningConnector;
use super::run::{HerderTask, Outcome, Subject};
use super::{HerderError, HerderErrorKind, HerderResult, State, TargetState, TaskId};
use crate::store::status_record::StatusRecord;
use crate::worker;

impl HerderTask {
    pub(super) fn start_connector(&mut self, name: String, connector: RunningConnector) {
        let Some(config) = self.state.connector(&name).map(|state| state.config()) else { return };
        self.running.connectors.insert(name.clone(), connector);
        self.count_connectors();
        self.next_run += 1;
        let run = self.next_run;
        self.connector_runs.insert(name.clone(), run);
        match connector.target {
            TargetState::Paused => self.connector_settled(&name, State::Paused),
            TargetState::Stopped => self.connector_settled(&name, State::Stopped),
            TargetState::Started => {
                let asked = ask_connector(Arc::clone(&self.desk), name, connector, config);
                let outcomes = self.outcomes.0.clone();
                tokio::spawn(async move {
                    let started = Instant::now();
                    let (name, result) = asked.await;
                    let outcome = Outcome { name, run, connector, result, ran: started.elapsed() };
                    if outcomes.send(outcome).await.is_err() {
                        tracing::debug!("a connector answered after the herder was gone");
                    }
                });
            }
        }
    }

    pub(super) fn connector_settled(&mut self, name: &str, state: State) {
        self.supervision.forget(&Subject::Connector(name.to_owned()));
        self.set_connector_status(name, state, None);
        self.answer_waiting(name, &Ok(()));
    }

    pub(super) fn connector_answered(&mut self, outcome: Outcome) {
        let Outcome { name, run, connector, result, ran } = outcome;
        self.touched.add(&name);
        if self.connector_runs.get(&name) != Some(&run)
            || self.running.connectors.get(&name) != Some(&connector)
        {
            return;
        }
        let numbers = self.desk.context.metrics.worker();
        match result {
            Ok(()) => {
                numbers.connector_startup_success.fetch_add(1, Relaxed);
                self.connector_settled(&name, State::Running);
            }
            Err(error) => {
                numbers.connector_startup_failure.fetch_add(1, Relaxed);
                tracing::error!(connector = name, %error, "the connector failed");
                self.subject_failed(&Subject::Connector(name.clone()), &error, ran);
                let failed = HerderError::new(HerderErrorKind::Internal, error.to_string());
                self.answer_waiting(&name, &Err(failed));
            }
        }
    }

    pub(super) fn answer_waiting(&mut self, name: &str, answer: &HerderResult<()>) {
        for reply in self.waiting.remove(name).unwrap_or_default() {
            // Whoever asked may have given up.
            drop(reply.send(answer.clone()));
        }
    }

    /// What is said of a connector that does not run here: it is gone, or on its way from one worker to another.
    pub(super) fn not_here(&self, name: &str) -> HerderError {
        match self.state.connector(name) {
            Some(connector) if connector.target() != TargetState::Stopped => HerderError::new(
                HerderErrorKind::Rebalancing,
                "Cannot complete request because of a conflicting operation (e.g. worker rebalance)",
            ),
            _ => not_found(name),
        }
    }

    pub(super) fn stop_connector(&mut self, name: &str) {
        self.running.connectors.remove(name);
        self.connector_runs.remove(name);
        self.count_connectors();
        self.supervision.forget(&Subject::Connector(name.to_owned()));
        self.answer_waiting(name, &Err(self.not_here(name)));
        if self.state.connector(name).is_some() {
            self.connector_is_unassigned(name);
        } else {
            self.desk.context.statuses.set(StatusRecord::Connector(name.to_owned(), None));
            self.desk.context.statuses.reset_topics(name);
            for (task, _) in self.desk.context.statuses.tasks(name) {
                let id = TaskId::new(name, task);
                if !self.runs.contains_key(&id) {
                    self.desk.context.statuses.set(StatusRecord::Task(id, None));
                }
            }
        }
    }

    /// Says that nobody runs a connector, unless somebody else has begun to.
    pub(super) fn connector_is_unassigned(&self, name: &str) {
        if self.has_the_word(self.desk.context.statuses.connector(name).as_ref()) {
            self.set_connector_status(name, State::Unassigned, None);
        }
    }

    pub(super) fn count_connectors(&self) {
        let count = u64::try_from(self.running.connectors.len()).unwrap_or(u64::MAX);
        self.desk.context.metrics.worker().connectors.store(count, Relaxed);
    }
}

/// Asks a connector for its tasks, and has them written if they are new.
async fn ask_connector(
    desk: Arc<Desk>,
    name: String,
    connector: RunningConnector,
    config: Arc<Props>,
) -> (String, Result<()>) {
    let answer = worker::task_configs(Arc::clone(&desk.context), &name, config).await;
    let outcome = match answer {
        Ok(tasks) => desk.submit_tasks(&name, connector.revision, tasks).await,
        Err(error) => Err(error),
    };
    (name, outcome)
}
