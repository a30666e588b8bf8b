//! A task's life: started apart from all others, told to pause or stop, watched, let go of when it does not end.
//!
//! Between the herder, which holds a [`TaskHandle`], and the loops, which hold a [`TaskLife`]. Invariants: every run ends in exactly
//! one [`News::Exited`], even if the connector panics, blocks or hangs; a run that was told to stop is gone for the herder
//! within `task.shutdown.graceful.timeout.ms`, and its numbers with it; one that may be another's, much sooner.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use api::{Error, Props, Result};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::activity::{Activity, Doing, Occupied};
use super::isolated::{Isolated, spawn_isolated};
use super::settings::{StallPolicy, stall_policy};
use super::{WorkerContext, task};
use crate::herder::{TargetState, TaskId};
use crate::metrics::TaskMetrics;

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct TaskSpec {
    /// Which task.
    pub(crate) id: TaskId,
    /// Which run of it: newer ones have larger numbers.
    pub(crate) run: u64,
    /// The connector's configuration, references unresolved.
    pub(crate) connector: Arc<Props>,
    /// The task's configuration, references unresolved.
    pub(crate) task: Arc<Props>,
    /// Which set of task configurations it is of.
    pub(crate) revision: i64,
    /// Whether to start paused.
    pub(crate) target: TargetState,
}

/// What a run has to say.
#[derive(Debug)]
pub(crate) struct Report {
    /// The task.
    pub(crate) id: TaskId,
    /// The run.
    pub(crate) run: u64,
    /// What it says.
    pub(crate) news: News,
}

/// See [`Report`].
#[derive(Debug)]
pub(crate) enum News {
    /// It runs, and all is well.
    Running,
    /// It is paused.
    Paused,
    /// It runs, but what it needs fails at the moment; it goes on trying.
    Troubled(Error),
    /// It has been in one call for longer than `task.stall.timeout.ms`.
    Stalled {
        /// The call.
        operation: &'static str,
        /// Since when.
        since: Instant,
    },
    /// The call in which it hung came back.
    Moving,
    /// It is over.
    Exited {
        /// Why, if it failed.
        outcome: Result<()>,
        /// How long it ran.
        ran: Duration,
    },
}

/// The herder's hold on a run.
#[derive(Debug)]
pub(crate) struct TaskHandle {
    target: watch::Sender<TargetState>,
    stop: CancellationToken,
    lost: CancellationToken,
}

impl TaskHandle {
    /// Tells the task to pause or to resume.
    pub(crate) fn set_target(&self, target: TargetState) {
        self.target.send_replace(target);
    }

    /// Tells the task to stop. It says when it has.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Tells the task to stop without delay: the group may give it to another. What it has not committed by now it commits, if at all,
    /// within a [`LOST_GRACE`]th of the session, and is dropped then: its successor must not find it at work.
    pub(crate) fn abandon(&self) {
        self.lost.cancel();
        self.stop.cancel();
    }
}

/// A loop's hold on its run.
#[derive(Debug)]
pub(crate) struct TaskLife {
    /// Which task.
    pub(crate) id: TaskId,
    run: u64,
    stop: CancellationToken,
    target: watch::Receiver<TargetState>,
    reports: mpsc::Sender<Report>,
    activity: Activity,
}

impl TaskLife {
    /// Notes that a call begins that may hang; it ends when what is returned is dropped.
    pub(crate) fn doing(&self, doing: Doing) -> Occupied {
        self.activity.begin(doing)
    }

    /// Whether the task was told to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Whether the task is to move nothing for now.
    pub(crate) fn is_paused(&self) -> bool {
        *self.target.borrow() != TargetState::Started
    }

    /// Waits until the task is told something.
    pub(crate) async fn interrupted(&mut self) {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            // The herder is gone: so is the task.
            changed = self.target.changed() => if changed.is_err() { self.stop.cancel() },
        }
    }

    /// A run whose target state is paused is not started before it is resumed, as in Connect (`WorkerTask.doRun`). False if it is told to
    /// stop first.
    pub(crate) async fn may_start(&mut self) -> bool {
        if self.is_paused() && !self.is_stopping() {
            self.report(News::Paused).await;
            while self.is_paused() && !self.is_stopping() {
                self.interrupted().await;
            }
            self.activity.starts();
        }
        !self.is_stopping()
    }

    /// Waits this long, or until the task is told to stop.
    pub(crate) async fn sleep(&self, delay: Duration) {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(delay) => {}
        }
    }

    /// What the future comes to, unless the task is told to stop before.
    pub(crate) async fn unless_stopped<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            outcome = future => Some(outcome),
        }
    }

    /// Says something to the herder.
    pub(crate) async fn report(&self, news: News) {
        self.activity.started();
        send(&self.reports, Report { id: self.id.clone(), run: self.run, news }).await;
    }
}

/// Starts a run. Everything that can fail about the task fails in it, and is reported.
pub(crate) fn start(
    context: &Arc<WorkerContext>,
    spec: TaskSpec,
    reports: mpsc::Sender<Report>,
) -> TaskHandle {
    let (target, target_seen) = watch::channel(spec.target);
    let (stop, lost, kill) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    let (id, run) = (spec.id.clone(), spec.run);
    let activity = Activity::starting();
    let life = TaskLife {
        id: id.clone(),
        run,
        stop: stop.clone(),
        target: target_seen,
        reports: reports.clone(),
        activity: activity.clone(),
    };
    let policy = stall_policy(&spec.connector);
    let metrics = Arc::new(OnceLock::new());
    let work = work(Arc::clone(context), life, spec, Arc::clone(&metrics), kill.clone());
    // Of the highest level, so that lines can be told apart whatever is logged.
    let span = tracing::error_span!("task", connector = %id.connector, task = id.task);
    let spawned = spawn_isolated(&id.to_string(), work.instrument(span));
    let watcher = Watcher { context: Arc::clone(context), id, run, metrics, reports, activity, policy };
    tokio::spawn(watcher.watch(spawned, (stop.clone(), lost.clone()), kill));
    TaskHandle { target, stop, lost }
}

/// The run, which is dropped where it waits when it is killed.
async fn work(
    context: Arc<WorkerContext>,
    life: TaskLife,
    spec: TaskSpec,
    metrics: Arc<OnceLock<Arc<TaskMetrics>>>,
    kill: CancellationToken,
) -> Result<()> {
    tokio::select! {
        biased;
        () = kill.cancelled() => Ok(()),
        outcome = task::run(context, life, spec, &metrics) => outcome,
    }
}

/// Waits for a run's end, but not for ever.
struct Watcher {
    context: Arc<WorkerContext>,
    id: TaskId,
    run: u64,
    metrics: Arc<OnceLock<Arc<TaskMetrics>>>,
    reports: mpsc::Sender<Report>,
    activity: Activity,
    policy: StallPolicy,
}

impl Watcher {
    async fn watch(
        self,
        spawned: Result<Isolated<()>>,
        (stop, lost): (CancellationToken, CancellationToken),
        kill: CancellationToken,
    ) {
        let started = Instant::now();
        let outcome = match spawned {
            Ok(running) => self.wait(running, (&stop, &lost), &kill).await,
            Err(error) => Err(error),
        };
        if let Some(metrics) = self.metrics.get() {
            self.context.metrics.remove(&self.id, metrics);
        }
        let news = News::Exited { outcome, ran: started.elapsed() };
        send(&self.reports, Report { id: self.id, run: self.run, news }).await;
    }

    async fn wait(
        &self,
        mut running: Isolated<()>,
        (stop, lost): (&CancellationToken, &CancellationToken),
        kill: &CancellationToken,
    ) -> Result<()> {
        let stall = self.hang_or_stop(&mut running, stop).await;
        let stalled = match stall {
            Watched::Ended(outcome) => return outcome,
            Watched::Stopped => Ok(()),
            Watched::Hung(error) => Err(error),
        };
        stop.cancel();
        let graceful = self.context.config.options.task_shutdown_timeout;
        let lost_in_time = async {
            lost.cancelled().await;
            tokio::time::sleep(self.context.config.group.session_timeout / LOST_GRACE).await;
        };
        tokio::select! {
            outcome = &mut running => return stalled.and(outcome),
            () = tokio::time::sleep(graceful) => {}
            () = lost_in_time => {}
        }
        kill.cancel();
        // A future that waits is dropped at once; code that blocks keeps its thread, and is left behind.
        if let Ok(outcome) = tokio::time::timeout(KILL_WAIT, &mut running).await {
            let (connector, task) = (&self.id.connector, self.id.task);
            if lost.is_cancelled() {
                tracing::info!(connector, task, "the task may be another worker's now, and was dropped");
            } else {
                tracing::warn!(
                    connector,
                    task,
                    ?graceful,
                    "the task did not stop in time (task.shutdown.graceful.timeout.ms) and was dropped"
                );
            }
            return stalled.and(outcome);
        }
        tracing::error!(
            connector = self.id.connector,
            task = self.id.task,
            ?graceful,
            "the task blocks and does not stop; its thread is left behind"
        );
        stalled
    }

    /// Watches over a run until it ends, is told to stop, or hangs for too long if hanging ends it.
    async fn hang_or_stop(&self, running: &mut Isolated<()>, stop: &CancellationToken) -> Watched {
        let mut hangs = false;
        loop {
            tokio::select! {
                outcome = &mut *running => return Watched::Ended(outcome),
                () = stop.cancelled() => return Watched::Stopped,
                () = tokio::time::sleep(self.policy.check_interval()) => {}
            }
            let Some(timeout) = self.policy.timeout else { continue };
            let hanging = self.activity.stalled(running.busy_since(), Instant::now(), timeout);
            if hanging.is_some() != hangs {
                hangs = !hangs;
                self.tell_hanging(hanging).await;
            }
            if let Some((operation, since)) = hanging.filter(|_| self.policy.restart) {
                let ms = since.elapsed().as_millis();
                return Watched::Hung(Error::retriable(format!(
                    "the task made no progress: it was in {operation} for {ms} ms (task.stall.timeout.ms)"
                )));
            }
        }
    }

    async fn tell_hanging(&self, hanging: Option<(&'static str, Instant)>) {
        if let Some(metrics) = self.metrics.get() {
            metrics.stalled.store(hanging.is_some(), Relaxed);
        }
        let news = match hanging {
            Some((operation, since)) => News::Stalled { operation, since },
            None => News::Moving,
        };
        send(&self.reports, Report { id: self.id.clone(), run: self.run, news }).await;
    }
}

/// Why nobody watches any more.
enum Watched {
    Ended(Result<()>),
    Stopped,
    /// It hangs, and is to be started again.
    Hung(Error),
}

/// Which part of the session a task may take to stop when it may be another's soon: a worker that cannot prove its membership knows so a
/// sixth of the session before others are given its work.
const LOST_GRACE: u32 = 15;

/// How long a killed future may take to be dropped.
const KILL_WAIT: Duration = Duration::from_millis(200);

async fn send(reports: &mpsc::Sender<Report>, report: Report) {
    if let Err(error) = reports.send(report).await {
        tracing::debug!("nobody hears of task {}: the worker is on its way out", error.0.id);
    }
}
