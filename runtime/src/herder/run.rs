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

use api::Result;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::desk::{Command, Desk};
use super::plan::{Action, Assignment, Running, RunningConnector, plan};
use super::state::ClusterState;
use super::supervision::Supervision;
use super::touched::Touched;
use super::{HerderError, HerderResult, State, TargetState, TaskId};
use crate::membership::{GroupView, Member, Membership, MembershipEvent, Work};
use crate::store::status_record::Status;
use crate::worker::{Jitter, News, Report, TaskHandle};

/// Reports and outcomes that may wait to be heard.
const QUEUE_MAX: usize = 1_024;

/// What is supervised.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    Connector(String),
    Task(TaskId),
}

/// A connector's answer.
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) run: u64,
    pub(super) connector: RunningConnector,
    pub(super) result: Result<()>,
    pub(super) ran: Duration,
}

/// A task's run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) number: u64,
    /// `None` once it has failed.
    pub(super) handle: Option<TaskHandle>,
}

/// The herder.
pub(crate) struct HerderTask {
    pub(super) desk: Arc<Desk>,
    pub(super) membership: Box<dyn Membership>,
    pub(super) member: Option<Member>,
    /// The last generation that it had a place in.
    pub(super) generation: i32,
    /// What others may know of it.
    pub(super) group: watch::Sender<GroupView>,
    pub(super) changes: watch::Receiver<Arc<ClusterState>>,
    pub(super) state: Arc<ClusterState>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) reports: (mpsc::Sender<Report>, mpsc::Receiver<Report>),
    pub(super) outcomes: (mpsc::Sender<Outcome>, mpsc::Receiver<Outcome>),
    pub(super) running: Running,
    pub(super) runs: BTreeMap<TaskId, Run>,
    pub(super) connector_runs: BTreeMap<String, u64>,
    pub(super) next_run: u64,
    pub(super) supervision: Supervision<Subject>,
    /// Who waits for a connector to have started.
    pub(super) waiting: HashMap<String, Vec<oneshot::Sender<HerderResult<()>>>>,
    /// What the plan is to be made for again.
    pub(super) touched: Touched,
    /// Restart requests up to this offset have been heard.
    pub(super) restarts_heard: i64,
}

impl HerderTask {
    /// A herder over these stores; restart requests from before its time are none of its business.
    pub(crate) fn new(
        desk: Arc<Desk>,
        membership: Box<dyn Membership>,
        group: watch::Sender<GroupView>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let changes = desk.configs.watch();
        let state = desk.state();
        Self {
            membership,
            member: None,
            generation: 0,
            group,
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
            touched: Touched::All,
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
        self.membership.leave().await;
    }

    fn state_changed(&mut self) {
        let now = Arc::clone(&self.changes.borrow_and_update());
        let before = std::mem::replace(&mut self.state, now);
        self.ask_for_a_round(Some(&before));
        match &self.member {
            // What was assigned and could not begin before this was read, begins.
            Some(member) if before.offset() < member.config_offset => self.touched = Touched::All,
            _ => self.touched.extend(self.state.changed_since(&before)),
        }
        let state = Arc::clone(&self.state);
        for (name, offset, request) in state.restarts() {
            if offset >= self.restarts_heard {
                self.restart_requested(name, request);
            }
        }
        self.restarts_heard = self.state.offset();
    }

    fn membership_changed(&mut self, event: MembershipEvent) {
        self.touched = Touched::All;
        match event {
            MembershipEvent::Assigned(member) => {
                self.generation = member.generation;
                self.member = Some(member);
                self.ask_for_a_round(None);
            }
            MembershipEvent::Revoked => {
                self.member = None;
                self.runs.values().filter_map(|run| run.handle.as_ref()).for_each(TaskHandle::abandon);
            }
        }
        let stage = if self.member.is_some() { "herding" } else { "joining the group" };
        self.group.send_replace(GroupView { member: self.member.clone(), stage });
    }

    /// Has the work given out anew if connectors or tasks came or went since it was. The leader knows what it gave out; the
    /// others see that something changed, and come at once instead of with their next heartbeat.
    fn ask_for_a_round(&mut self, before: Option<&ClusterState>) {
        let Some(Member { work: Work::Share(_), is_leader, config_offset, owners, .. }) = &self.member else {
            return;
        };
        if self.state.offset() <= *config_offset {
            return;
        }
        let now = Assignment::everything(&self.state);
        let is_new = match before {
            _ if *is_leader => {
                !now.connectors.iter().eq(owners.connectors.keys())
                    || !now.tasks.iter().eq(owners.tasks.keys())
            }
            Some(before) => Assignment::everything(before) != now,
            None => false,
        };
        if is_new {
            self.membership.rejoin();
        }
    }

    /// What is to run here now, of what was touched. Work of a configuration that has not been read yet is not begun; what runs already runs on.
    fn assignment(&self) -> Assignment {
        let Some(member) = &self.member else { return Assignment::default() };
        match &member.work {
            Work::Everything => self.touched.of_everything(&self.state),
            Work::Share(share) if self.state.offset() >= member.config_offset => self.touched.of_share(share),
            Work::Share(share) => {
                let (running, share) = (&self.running, self.touched.of_share(share));
                let of = |name: &&String| running.connectors.contains_key(*name);
                Assignment {
                    connectors: share.connectors.iter().filter(of).cloned().collect(),
                    tasks: share.tasks.iter().filter(|id| running.tasks.contains_key(*id)).cloned().collect(),
                }
            }
        }
    }

    /// Does what the plan says until it says nothing.
    fn settle(&mut self) {
        loop {
            let running = self.touched.of_running(&self.running);
            let actions = plan(&self.state, &self.assignment(), &running);
            if actions.is_empty() {
                self.touched = Touched::default();
                self.confirm_revocation();
                return;
            }
            actions.into_iter().for_each(|action| self.act(action));
        }
    }

    /// Tells the group when nothing runs beyond what was assigned: others may have the rest then.
    fn confirm_revocation(&mut self) {
        let running = &self.running;
        let nothing = Assignment::default();
        let assignment = match self.member.as_ref().map(|member| &member.work) {
            Some(Work::Everything) => return,
            Some(Work::Share(share)) => share,
            None => &nothing,
        };
        let ours = running.tasks.keys().all(|id| assignment.tasks.contains(id))
            && running.connectors.keys().all(|name| assignment.connectors.contains(name));
        if ours {
            self.membership.revoked();
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

    fn restart_due(&mut self) {
        for subject in self.supervision.take_due(Instant::now()) {
            match subject {
                Subject::Connector(name) => {
                    self.touched.add(&name);
                    self.running.connectors.remove(&name);
                }
                Subject::Task(id) if self.runs.get(&id).is_some_and(|run| run.handle.is_none()) => {
                    self.desk.context.metrics.worker().task_restarts.fetch_add(1, Relaxed);
                    self.touched.add(&id.connector);
                    self.forget_failed_run(&id);
                }
                Subject::Task(_) => {}
            }
        }
    }

    fn restart_requested(&mut self, name: &str, request: crate::store::config_record::RestartRequest) {
        self.touched.add(name);
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
            Command::Ping(reply) => reply_to(reply, ()),
            Command::HasTasks(name, reply) => {
                let any = self.running.tasks.keys().any(|id| id.connector == name);
                reply_to(reply, any);
            }
            Command::RestartTask(id, reply) => {
                let answer = match self.running.tasks.contains_key(&id) {
                    true => Ok(()),
                    false => Err(HerderError::not_found(format!("Task {id} does not run on this worker"))),
                };
                self.touched.add(&id.connector);
                self.restart_task(&id);
                reply_to(reply, answer);
            }
            Command::RestartConnector(name, reply) => {
                if self.running.connectors.remove(&name).is_none() {
                    reply_to(reply, Err(self.not_here(&name)));
                    return;
                }
                self.touched.add(&name);
                self.supervision.forget(&Subject::Connector(name.clone()));
                self.waiting.entry(name).or_default().push(reply);
            }
        }
    }

    /// Whether something is part of this worker's share.
    pub(super) fn is_ours(&self, is_in: impl FnOnce(&Assignment) -> bool) -> bool {
        match self.member.as_ref().map(|member| &member.work) {
            Some(Work::Everything) => true,
            Some(Work::Share(share)) => is_in(share),
            None => false,
        }
    }

    /// Whether this worker's word on something still counts: no other's is of a newer generation.
    pub(super) fn has_the_word(&self, known: Option<&Status>) -> bool {
        known
            .is_none_or(|known| known.worker_id == self.desk.worker_id || known.generation <= self.generation)
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
                self.task_is_unassigned(&id);
            }
        }
        for name in self.running.connectors.keys() {
            let stopped =
                self.state.connector(name).is_some_and(|state| state.target() == TargetState::Stopped);
            if !stopped {
                self.connector_is_unassigned(name);
            }
        }
    }
}

/// Answers somebody who may have given up.
fn reply_to<T>(reply: oneshot::Sender<T>, answer: T) {
    if reply.send(answer).is_err() {
        tracing::debug!("nobody waits for an answer any more");
    }
}
