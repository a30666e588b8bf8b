//! The herder's own task: hears what changed, decides, and does it.
//!
//! Above the worker, beside the desk. One event at a time: the config topic moved on, the group gave or took work, a task or
//! connector said something, a restart is due, somebody asked. After each, the plan says what is to be done. Nothing here waits for a
//! broker or for connector code. Invariant: what runs follows from the state, the assignment and what failed, and every
//! run's end is heard before another run of the same task begins.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use api::{Error, Props, Result};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::desk::{Command, Desk};
use super::plan::{Action, Assignment, Running, RunningConnector, RunningTask, plan};
use super::state::ClusterState;
use super::supervision::{Supervision, trace};
use super::{HerderError, HerderErrorKind, HerderResult, State, TargetState, TaskId};
use crate::membership::{Member, Membership, MembershipEvent, Work};
use crate::store::status_record::{Status, StatusRecord};
use crate::worker::{self, Jitter, News, Report, TaskHandle, TaskSpec};

/// Reports and outcomes that may wait to be heard.
const QUEUE_MAX: usize = 1_024;

/// What is supervised.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    Connector(String),
    Task(TaskId),
}

/// A connector's answer.
struct Outcome {
    name: String,
    run: u64,
    connector: RunningConnector,
    result: Result<()>,
    ran: Duration,
}

/// A task's run.
#[derive(Debug)]
struct Run {
    number: u64,
    /// `None` once it has failed.
    handle: Option<TaskHandle>,
}

/// The herder.
pub(crate) struct HerderTask {
    desk: Arc<Desk>,
    membership: Box<dyn Membership>,
    member: Option<Member>,
    changes: watch::Receiver<Arc<ClusterState>>,
    state: Arc<ClusterState>,
    commands: mpsc::Receiver<Command>,
    reports: (mpsc::Sender<Report>, mpsc::Receiver<Report>),
    outcomes: (mpsc::Sender<Outcome>, mpsc::Receiver<Outcome>),
    running: Running,
    runs: BTreeMap<TaskId, Run>,
    connector_runs: BTreeMap<String, u64>,
    next_run: u64,
    supervision: Supervision<Subject>,
    /// Who waits for a connector to have started.
    waiting: HashMap<String, Vec<oneshot::Sender<HerderResult<()>>>>,
    /// Restart requests up to this offset have been heard.
    restarts_heard: i64,
}

impl HerderTask {
    /// A herder over these stores; restart requests from before its time are none of its business.
    pub(crate) fn new(
        desk: Arc<Desk>,
        membership: Box<dyn Membership>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let changes = desk.configs.watch();
        let state = desk.state();
        Self {
            membership,
            member: None,
            changes,
            restarts_heard: state.offset(),
            state,
            commands,
            reports: mpsc::channel(QUEUE_MAX),
            outcomes: mpsc::channel(QUEUE_MAX),
            running: Running::default(),
            runs: BTreeMap::new(),
            connector_runs: BTreeMap::new(),
            next_run: 0,
            supervision: Supervision::new(Jitter::unique()),
            waiting: HashMap::new(),
            desk,
        }
    }

    /// Herds until told to stop; then stops every task and waits for them.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let due = self.supervision.next_due().map(tokio::time::Instant::from_std);
            tokio::select! {
                () = stop.cancelled() => break,
                changed = self.changes.changed() => match changed {
                    Ok(()) => self.state_changed(),
                    Err(_closed) => break,
                },
                event = self.membership.next() => self.membership_changed(event),
                Some(report) = self.reports.1.recv() => self.heard(report),
                Some(outcome) = self.outcomes.1.recv() => self.connector_answered(outcome),
                Some(command) = self.commands.recv() => self.commanded(command),
                () = tokio::time::sleep_until(due.unwrap_or_else(tokio::time::Instant::now)), if due.is_some() => {
                    self.restart_due();
                }
            }
            self.settle();
        }
        self.stop_all().await;
    }

    fn state_changed(&mut self) {
        self.state = Arc::clone(&self.changes.borrow_and_update());
        let state = Arc::clone(&self.state);
        for (name, offset, request) in state.restarts() {
            if offset >= self.restarts_heard {
                self.restart_requested(name, request);
            }
        }
        self.restarts_heard = self.state.offset();
    }

    fn membership_changed(&mut self, event: MembershipEvent) {
        match event {
            MembershipEvent::Assigned(member) => self.member = Some(member),
            MembershipEvent::Revoked => self.member = None,
        }
    }

    /// Does what the plan says until it says nothing.
    fn settle(&mut self) {
        loop {
            let assignment = match self.member.as_ref().map(|member| &member.work) {
                Some(Work::Everything) => Assignment::everything(&self.state),
                Some(Work::Share(share)) => share.clone(),
                None => Assignment::default(),
            };
            let actions = plan(&self.state, &assignment, &self.running);
            if actions.is_empty() {
                return;
            }
            actions.into_iter().for_each(|action| self.act(action));
        }
    }

    fn act(&mut self, action: Action) {
        tracing::debug!(?action, "herding");
        match action {
            Action::StartConnector(name, connector) => self.start_connector(name, connector),
            Action::StopConnector(name) => self.stop_connector(&name),
            Action::StartTask(id, task) => self.start_task(id, task),
            Action::SetTaskTarget(id, target) => self.set_task_target(&id, target),
            Action::StopTask(id) => self.stop_task(&id),
        }
    }

    fn start_connector(&mut self, name: String, connector: RunningConnector) {
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
                let is_leader = self.member.as_ref().is_some_and(|member| member.is_leader);
                let asked = ask_connector(Arc::clone(&self.desk), name, connector, config, is_leader);
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

    fn connector_settled(&mut self, name: &str, state: State) {
        self.supervision.forget(&Subject::Connector(name.to_owned()));
        self.set_connector_status(name, state, None);
        self.answer_waiting(name, &Ok(()));
    }

    fn connector_answered(&mut self, outcome: Outcome) {
        let Outcome { name, run, connector, result, ran } = outcome;
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
                let text = self.supervise(&Subject::Connector(name.clone()), &error, ran);
                tracing::error!(connector = name, %error, "the connector failed");
                self.set_connector_status(&name, State::Failed, Some(text));
                let failed = HerderError::new(HerderErrorKind::Internal, error.to_string());
                self.answer_waiting(&name, &Err(failed));
            }
        }
    }

    fn answer_waiting(&mut self, name: &str, answer: &HerderResult<()>) {
        for reply in self.waiting.remove(name).unwrap_or_default() {
            // Whoever asked may have given up.
            drop(reply.send(answer.clone()));
        }
    }

    fn stop_connector(&mut self, name: &str) {
        self.running.connectors.remove(name);
        self.connector_runs.remove(name);
        self.count_connectors();
        self.supervision.forget(&Subject::Connector(name.to_owned()));
        self.answer_waiting(name, &Err(super::desk::not_found(name)));
        if self.state.connector(name).is_none() {
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

    fn start_task(&mut self, id: TaskId, task: RunningTask) {
        let Some(connector) = self.state.connector(&id.connector) else { return };
        let Some((_, config)) = connector.tasks().find(|(number, _)| *number == id.task) else { return };
        self.next_run += 1;
        let spec = TaskSpec {
            id: id.clone(),
            run: self.next_run,
            connector: connector.config(),
            task: Arc::clone(config),
            target: task.target,
        };
        let handle = worker::start(&self.desk.context, spec, self.reports.0.clone());
        self.runs.insert(id.clone(), Run { number: self.next_run, handle: Some(handle) });
        self.running.tasks.insert(id, task);
    }

    fn set_task_target(&mut self, id: &TaskId, target: TargetState) {
        if let Some(task) = self.running.tasks.get_mut(id) {
            task.target = target;
        }
        if let Some(handle) = self.runs.get(id).and_then(|run| run.handle.as_ref()) {
            handle.set_target(target);
        }
    }

    fn stop_task(&mut self, id: &TaskId) {
        self.supervision.forget(&Subject::Task(id.clone()));
        match self.runs.get(id).and_then(|run| run.handle.as_ref()) {
            Some(handle) => {
                handle.stop();
                if let Some(task) = self.running.tasks.get_mut(id) {
                    task.stopping = true;
                }
            }
            None => self.task_is_gone(id),
        }
    }

    fn task_is_gone(&mut self, id: &TaskId) {
        self.running.tasks.remove(id);
        self.runs.remove(id);
        let connector = self.state.connector(&id.connector);
        let exists = connector.is_some_and(|connector| connector.tasks().any(|(task, _)| task == id.task));
        if !exists {
            self.desk.context.statuses.set(StatusRecord::Task(id.clone(), None));
        }
    }

    fn heard(&mut self, report: Report) {
        let Report { id, run, news } = report;
        if self.runs.get(&id).is_none_or(|known| known.number != run) {
            return;
        }
        let stopping = self.running.tasks.get(&id).is_none_or(|task| task.stopping);
        match news {
            News::Exited { outcome: _, .. } if stopping => self.task_is_gone(&id),
            News::Exited { outcome, ran } => self.task_failed(&id, outcome, ran),
            _ if stopping => {}
            News::Running => self.task_runs(&id),
            News::Paused => self.set_task_status(&id, State::Paused, None),
            News::Troubled(error) => {
                let text = format!("{}\nIt is being tried again.", error.report());
                self.set_task_status(&id, State::Running, Some(text));
            }
        }
    }

    fn task_runs(&mut self, id: &TaskId) {
        let known = self.desk.context.statuses.task(id).map(|status| status.state);
        if !matches!(known, Some(State::Running | State::Paused)) {
            self.desk.context.metrics.worker().task_startup_success.fetch_add(1, Relaxed);
        }
        self.set_task_status(id, State::Running, None);
    }

    fn task_failed(&mut self, id: &TaskId, outcome: Result<()>, ran: Duration) {
        let error = outcome.err().unwrap_or_else(|| Error::fatal("the task ended without being told to"));
        if let Some(run) = self.runs.get_mut(id) {
            run.handle = None;
        }
        let known = self.desk.context.statuses.task(id).map(|status| status.state);
        if !matches!(known, Some(State::Running | State::Paused)) {
            self.desk.context.metrics.worker().task_startup_failure.fetch_add(1, Relaxed);
        }
        let text = self.supervise(&Subject::Task(id.clone()), &error, ran);
        tracing::error!(connector = id.connector, task = id.task, %error, "the task failed");
        self.set_task_status(id, State::Failed, Some(text));
    }

    /// Has something that failed restarted, if that may help: the text for its status.
    fn supervise(&mut self, subject: &Subject, error: &Error, ran: Duration) -> String {
        let name = match subject {
            Subject::Connector(name) => name,
            Subject::Task(id) => &id.connector,
        };
        let config = self.state.connector(name).map(|state| state.config()).unwrap_or_default();
        let policy = worker::restart_policy(&config);
        let next = self.supervision.failed(subject, &policy, error, ran, Instant::now());
        trace(error, &policy, next)
    }

    fn restart_due(&mut self) {
        for subject in self.supervision.take_due(Instant::now()) {
            match subject {
                Subject::Connector(name) => {
                    self.running.connectors.remove(&name);
                }
                Subject::Task(id) if self.runs.get(&id).is_some_and(|run| run.handle.is_none()) => {
                    self.desk.context.metrics.worker().task_restarts.fetch_add(1, Relaxed);
                    self.forget_failed_run(&id);
                }
                Subject::Task(_) => {}
            }
        }
    }

    /// Lets the plan start a failed task anew.
    fn forget_failed_run(&mut self, id: &TaskId) {
        self.running.tasks.remove(id);
        self.runs.remove(id);
        self.set_task_status(id, State::Restarting, None);
    }

    fn restart_task(&mut self, id: &TaskId) {
        if !self.running.tasks.contains_key(id) {
            return;
        }
        self.supervision.forget(&Subject::Task(id.clone()));
        match self.runs.get(id).and_then(|run| run.handle.as_ref()) {
            Some(handle) => {
                handle.stop();
                if let Some(task) = self.running.tasks.get_mut(id) {
                    task.stopping = true;
                }
                self.set_task_status(id, State::Restarting, None);
            }
            None => self.forget_failed_run(id),
        }
    }

    fn restart_requested(&mut self, name: &str, request: crate::store::config_record::RestartRequest) {
        let statuses = Arc::clone(&self.desk.context.statuses);
        let state = statuses.connector(name).map(|status| status.state);
        if self.running.connectors.contains_key(name) && state.is_some_and(|state| request.concerns(state)) {
            self.supervision.forget(&Subject::Connector(name.to_owned()));
            self.running.connectors.remove(name);
            self.set_connector_status(name, State::Restarting, None);
        }
        if !request.include_tasks {
            return;
        }
        for (task, status) in statuses.tasks(name) {
            if request.concerns(status.state) {
                self.restart_task(&TaskId::new(name, task));
            }
        }
    }

    fn commanded(&mut self, command: Command) {
        match command {
            Command::Ping(reply) => drop(reply.send(())),
            Command::HasTasks(name, reply) => {
                let any = self.running.tasks.keys().any(|id| id.connector == name);
                let _answered = reply.send(any).is_ok();
            }
            Command::RestartTask(id, reply) => {
                let answer = match self.running.tasks.contains_key(&id) {
                    true => Ok(()),
                    false => Err(HerderError::not_found(format!("Task {id} does not run on this worker"))),
                };
                self.restart_task(&id);
                drop(reply.send(answer));
            }
            Command::RestartConnector(name, reply) => {
                if self.running.connectors.remove(&name).is_none() {
                    drop(reply.send(Err(super::desk::not_found(&name))));
                    return;
                }
                self.supervision.forget(&Subject::Connector(name.clone()));
                self.waiting.entry(name).or_default().push(reply);
            }
        }
    }

    fn generation(&self) -> i32 {
        self.member.as_ref().map_or(0, |member| member.generation)
    }

    fn status(&self, state: State, trace: Option<String>) -> Status {
        Status { state, trace, worker_id: self.desk.worker_id.clone(), generation: self.generation() }
    }

    fn set_connector_status(&self, name: &str, state: State, trace: Option<String>) {
        let record = StatusRecord::Connector(name.to_owned(), Some(self.status(state, trace)));
        self.desk.context.statuses.set(record);
    }

    fn set_task_status(&self, id: &TaskId, state: State, trace: Option<String>) {
        self.desk.context.statuses.set(StatusRecord::Task(id.clone(), Some(self.status(state, trace))));
    }

    fn count_connectors(&self) {
        let count = u64::try_from(self.running.connectors.len()).unwrap_or(u64::MAX);
        self.desk.context.metrics.worker().connectors.store(count, Relaxed);
    }

    /// Stops every task and waits for them, all at once; each is gone within its deadline.
    async fn stop_all(&mut self) {
        let ids: Vec<_> = self.running.tasks.keys().cloned().collect();
        for id in &ids {
            self.stop_task(id);
        }
        while !self.running.tasks.is_empty() {
            let Some(Report { id, run, news }) = self.reports.1.recv().await else { return };
            let current = self.runs.get(&id).is_some_and(|known| known.number == run);
            if current && matches!(news, News::Exited { .. }) {
                self.running.tasks.remove(&id);
                self.runs.remove(&id);
                self.set_task_status(&id, State::Unassigned, None);
            }
        }
        for name in self.running.connectors.keys() {
            let stopped =
                self.state.connector(name).is_some_and(|state| state.target() == TargetState::Stopped);
            if !stopped {
                self.set_connector_status(name, State::Unassigned, None);
            }
        }
    }
}

/// Asks a connector for its tasks, and writes them if they are new.
async fn ask_connector(
    desk: Arc<Desk>,
    name: String,
    connector: RunningConnector,
    config: Arc<Props>,
    is_leader: bool,
) -> (String, Result<()>) {
    let answer = worker::task_configs(Arc::clone(&desk.context), &name, config).await;
    let outcome = match answer {
        Ok(tasks) if is_leader => desk.publish_tasks(&name, connector.revision, tasks).await,
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    (name, outcome)
}
