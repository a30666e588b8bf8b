//! A task's life: started on a thread of its own, told to pause or stop, let go of when it does not.
//!
//! Between the herder, which holds a [`TaskHandle`], and the loops, which hold a [`TaskLife`]. Invariants: every run ends in exactly
//! one [`News::Exited`], even if the connector panics, blocks or hangs; a run that was told to stop is gone for the herder
//! within `task.shutdown.graceful.timeout.ms`, and its numbers with it.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use api::{Error, Props, Result};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::isolated::{Isolated, spawn_isolated};
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
}

impl TaskLife {
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
    let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
    let (id, run) = (spec.id.clone(), spec.run);
    let life =
        TaskLife { id: id.clone(), run, stop: stop.clone(), target: target_seen, reports: reports.clone() };
    let metrics = Arc::new(OnceLock::new());
    let work = work(Arc::clone(context), life, spec, Arc::clone(&metrics), kill.clone());
    let span = tracing::info_span!("task", connector = %id.connector, task = id.task);
    let spawned = spawn_isolated(&id.to_string(), work.instrument(span));
    let watcher = Watcher { context: Arc::clone(context), id, run, metrics, reports };
    tokio::spawn(watcher.watch(spawned, stop.clone(), kill));
    TaskHandle { target, stop }
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
}

impl Watcher {
    async fn watch(self, spawned: Result<Isolated<()>>, stop: CancellationToken, kill: CancellationToken) {
        let started = Instant::now();
        let outcome = match spawned {
            Ok(running) => self.wait(running, &stop, &kill).await,
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
        stop: &CancellationToken,
        kill: &CancellationToken,
    ) -> Result<()> {
        tokio::select! {
            outcome = &mut running => return outcome,
            () = stop.cancelled() => {}
        }
        let graceful = self.context.config.options.task_shutdown_timeout;
        if let Ok(outcome) = tokio::time::timeout(graceful, &mut running).await {
            return outcome;
        }
        kill.cancel();
        // A future that waits is dropped at once; code that blocks keeps its thread, and is left behind.
        if let Ok(outcome) = tokio::time::timeout(KILL_WAIT, &mut running).await {
            tracing::warn!(task = %self.id, ?graceful, "the task did not stop in time (task.shutdown.graceful.timeout.ms) and was dropped");
            return outcome;
        }
        tracing::error!(task = %self.id, ?graceful, "the task blocks and does not stop; its thread is left behind");
        Ok(())
    }
}

/// How long a killed future may take to be dropped.
const KILL_WAIT: Duration = Duration::from_millis(200);

async fn send(reports: &mpsc::Sender<Report>, report: Report) {
    if let Err(error) = reports.send(report).await {
        tracing::debug!("nobody hears of task {}: the worker is on its way out", error.0.id);
    }
}
