//! The source loop: poll, transform, convert, append, commit.
//!
//! On the task's own thread. What is asynchronous is paid per batch; a record costs no allocation of ours. Backpressure is in bytes:
//! the next poll waits until the producer has room. Invariants: an offset is committed only with its records and all before
//! them (see `transactions`), or, at least once, when they are acknowledged (see `acks`); a `poll` is dropped only on pause and
//! stop; on a clean stop everything that was polled is written and its offsets are committed.

mod work;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use api::{Error, ErrorKind, Record, Result, SourceContext, SourceRecord, SourceTask};
use broker_client::Producer;

use super::activity::Doing;
use super::backoff::{Jitter, restart_delay};
use super::clients;
use super::foreign_topics::ForeignTopics;
use super::life::{News, TaskLife};
use super::opening::{self, Opened};
use super::pipeline::{AFTER_CHAIN, Pipeline, StageFailure};
use super::progress::Progress;
use super::report::ErrorReports;
use super::settings::parse;
use super::task::TaskSetup;
use super::tolerance::{Stage, Tolerance, Verdict};
use super::topics::TaskTopics;
use super::transactions::cause;
use crate::config::topic_creation_rules;
use crate::metrics::{SourceMetrics, TaskMetrics};
pub(crate) use work::Work;
use work::{Refusal, Step, append};

/// The first and the longest pause after a poll that may work later.
const POLL_BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Runs a source task from start to stop.
pub(crate) async fn run(life: TaskLife, mut task: Box<dyn SourceTask>, setup: TaskSetup) -> Result<()> {
    // Boxed, so that its room is given back when it is done: most tasks run for long and do little.
    let opening = Box::pin(opening::open(&life.id, &setup));
    let Some(opened) = life.unless_stopped(opening).await else { return Ok(()) };
    let opened = opened?;
    let context = SourceContext {
        connector: life.id.connector.as_str().into(),
        task: life.id.task,
        config: setup.task.clone(),
        offsets: Arc::clone(&opened.offsets) as Arc<dyn api::OffsetReader>,
        history: setup.context.history.of_connector(&life.id.connector),
        topics: Arc::new(ForeignTopics::new(&setup.context.client, &life.id.connector)),
        gauges: setup.metrics.gauges.clone(),
        transactions: opened.transactions.clone(),
    };
    let mut source = SourceLoop::new(life, &setup, opened)?;
    let outcome = match source.life.unless_stopped(task.start(context)).await {
        Some(Ok(())) => source.work(&mut *task).await,
        Some(Err(error)) => Err(error.context("starting the task")),
        None => Ok(()),
    };
    let finished = source.finish(&mut *task, outcome.is_ok()).await;
    task.stop().await;
    outcome.and(finished)
}

struct SourceLoop {
    life: TaskLife,
    metrics: Arc<TaskMetrics>,
    pipeline: Pipeline,
    tolerance: Tolerance,
    reports: ErrorReports,
    producer: Arc<Producer>,
    topics: TaskTopics,
    progress: Progress,
    flush_timeout: Duration,
}

impl SourceLoop {
    fn new(life: TaskLife, setup: &TaskSetup, opened: Opened) -> Result<Self> {
        let (context, metrics) = (&setup.context, Arc::clone(&setup.metrics));
        let options = &context.config.options;
        let name = &life.id.connector;
        let rules = match options.topic_creation_enable {
            true => parse(name, topic_creation_rules(&setup.connector))?,
            false => Vec::new(),
        };
        let tracking = options.topic_tracking_enable.then(|| Arc::clone(&context.statuses));
        let admin = clients::connections(&context.client, &context.config, &setup.connector, "admin.", name)?;
        let tolerance = setup.tolerance();
        Ok(Self {
            pipeline: setup.pipeline()?,
            reports: ErrorReports::new(&life.id, tolerance.policy().clone(), Arc::clone(&metrics)),
            tolerance,
            producer: opened.producer,
            topics: TaskTopics::new(admin, rules, tracking, life.id.clone(), opened.forbidden_topic),
            progress: opened.progress,
            flush_timeout: options.offset_flush_timeout,
            metrics,
            life,
        })
    }

    async fn work(&mut self, task: &mut dyn SourceTask) -> Result<()> {
        let mut failures = 0;
        self.life.report(News::Running).await;
        while !self.life.is_stopping() {
            self.tell_committed(task).await;
            if self.life.is_paused() {
                self.stay_paused(task).await?;
                continue;
            }
            match self.poll(task).await {
                Ok(Some(batch)) => {
                    if failures > 0 {
                        failures = 0;
                        self.life.report(News::Running).await;
                    }
                    self.send(batch).await?;
                }
                Ok(None) => {}
                Err(error) => {
                    failures += 1;
                    self.poll_failed(error, failures).await?;
                }
            }
        }
        Ok(())
    }

    /// Polls once, and commits meanwhile. `None` when the task was told something before there was an answer.
    async fn poll(&mut self, task: &mut dyn SourceTask) -> Result<Option<Vec<SourceRecord>>> {
        let started = Instant::now();
        self.progress.forget_dropped_poll();
        let _polling = self.life.doing(Doing::Poll);
        let polled = task.poll();
        tokio::pin!(polled);
        let batch = loop {
            tokio::select! {
                biased;
                () = self.life.interrupted() => return Ok(None),
                advanced = self.progress.advance() => {
                    advanced.map_err(fatal)?;
                    self.topics.remember(now_ms());
                }
                batch = &mut polled => break batch?,
            }
        };
        let now = Instant::now();
        self.metrics.progress(now);
        if let Some(source) = &self.metrics.source {
            source.poll_batch.add(now - started);
            source.record_poll.fetch_add(count(batch.len()), Relaxed);
        }
        Ok(Some(batch))
    }

    /// A poll that may work later is tried again, for ever, as in Connect; but it says so.
    async fn poll_failed(&mut self, error: Error, failures: u32) -> Result<()> {
        let ErrorKind::Retriable { after } = error.kind() else {
            return Err(error.context("polling the source"));
        };
        let delay = restart_delay(failures, POLL_BACKOFF.0, POLL_BACKOFF.1, &mut Jitter::unique());
        let delay = after.unwrap_or(delay);
        self.metrics.retries.fetch_add(1, Relaxed);
        tracing::warn!(%error, ?delay, "the source cannot be polled; trying again");
        self.life.report(News::Troubled(error)).await;
        self.life.sleep(delay).await;
        Ok(())
    }

    /// Writes a batch: all of it, unless the task is told to stop while it waits.
    async fn send(&mut self, batch: Vec<SourceRecord>) -> Result<()> {
        for piece in self.progress.pieces(batch) {
            if !piece.records.is_empty() && !self.send_piece(piece.records).await? {
                return Ok(());
            }
            if let Some(end) = piece.end {
                self.progress.end(end).map_err(fatal)?;
            }
        }
        Ok(())
    }

    /// Writes part of a batch; false if the task was told to stop before all of it was appended.
    async fn send_piece(&mut self, records: Vec<SourceRecord>) -> Result<bool> {
        match self.life.unless_stopped(self.progress.open()).await {
            Some(opened) => opened.map_err(fatal)?,
            None => return Ok(false),
        }
        let mut work = Work::new(records);
        loop {
            let step = self.append_all(&mut work);
            match step? {
                Step::Done => break,
                Step::Prepare => {
                    let topics = work.unprepared();
                    let prepared = self.topics.prepare(&self.producer, &topics);
                    if self.life.unless_stopped(prepared).await.transpose()?.is_some() {
                        work.prepared();
                    }
                }
                Step::Full => self.wait_for_room().await?,
                Step::Wait(delay) => self.life.sleep(delay).await,
                Step::Await(stage, class, pending) => {
                    if let Some(Err(error)) = self.life.unless_stopped(pending).await {
                        self.converter_failed(StageFailure::new(stage, class, error), &mut work).await?;
                    }
                }
                Step::Broken(error) => return Err(cause(&self.producer, error).await),
            }
            if self.life.is_stopping() && work.is_held_up() {
                self.progress.tear();
                return Ok(false);
            }
        }
        self.submit(work)?;
        self.wait_for_room().await?;
        if let Some(oldest) = self.progress.oldest_when_full() {
            self.life.unless_stopped(oldest.settled()).await;
            self.progress.take_in().map_err(fatal)?;
        }
        Ok(true)
    }

    /// What a converter waited for did not come: the record at hand is tried again later, passed over, or the end of the task.
    async fn converter_failed(&mut self, failure: StageFailure, work: &mut Work) -> Result<()> {
        match self.judge(failure, work.current.as_ref().map(|(_, record)| record))? {
            Some(delay) => self.life.sleep(delay).await,
            None => work.current = None,
        }
        Ok(())
    }

    async fn wait_for_room(&mut self) -> Result<()> {
        let _writing = self.life.doing(Doing::Write);
        let ready = self.life.unless_stopped(self.producer.ready()).await;
        ready.transpose().map_err(|error| crate::store::broker_error("cannot write to the broker", error))?;
        Ok(())
    }

    fn submit(&mut self, work: Work) -> Result<()> {
        if let Some(source) = &self.metrics.source {
            add_written(source, work.written, work.written_bytes);
        }
        let tolerate = self.tolerance.policy().tolerate_all;
        self.progress.submit(work, tolerate).map_err(fatal)?;
        if let Some(source) = &self.metrics.source {
            source.record_active.store(self.progress.active_records(), Relaxed);
        }
        Ok(())
    }

    /// The hot path: appends records until the batch is done or something has to be waited for.
    fn append_all(&mut self, work: &mut Work) -> Result<Step> {
        let keep = self.tolerance.policy().retries();
        work.now_ms = now_ms();
        while let Some((stage, record)) = work.take() {
            let record = match self.pipeline.transform(stage, record, keep) {
                Ok(Some(record)) => record,
                Ok(None) => {
                    self.tolerance.succeeded();
                    continue;
                }
                Err(failure) => {
                    let refused = StageFailure::new(Stage::Transformation, failure.class, failure.error);
                    if let Some(delay) = self.judge(refused, failure.record.as_deref())? {
                        work.current = failure.record.map(|record| (failure.stage, *record));
                        return Ok(Step::Wait(delay));
                    }
                    continue;
                }
            };
            self.topics.check(&record.topic)?;
            let Some(record) = work.wait_behind(record) else { continue };
            match append(&mut self.pipeline, &self.producer, &record, work) {
                Ok(bytes) => {
                    self.tolerance.succeeded();
                    work.written += 1;
                    work.written_bytes += bytes;
                    self.topics.using(&record.topic);
                }
                Err(Refusal::NotPrepared) => work.put_aside(record),
                Err(Refusal::Full) => {
                    work.current = Some((AFTER_CHAIN, record));
                    return Ok(Step::Full);
                }
                Err(Refusal::Broken(error)) => return Ok(Step::Broken(error)),
                Err(Refusal::Failed(failure)) => {
                    if let Some(pending) = self.pipeline.pending() {
                        work.current = Some((AFTER_CHAIN, record));
                        return Ok(Step::Await(failure.stage, failure.class, pending));
                    }
                    if let Some(delay) = self.judge(failure, Some(&record))? {
                        work.current = Some((AFTER_CHAIN, record));
                        return Ok(Step::Wait(delay));
                    }
                }
            }
        }
        Ok(if work.is_held_up() { Step::Prepare } else { Step::Done })
    }

    /// What becomes of a record that failed: tried again after the delay, passed over (`None`), or the end of the task.
    fn judge(&mut self, failure: StageFailure, record: Option<&Record>) -> Result<Option<Duration>> {
        let verdict = self.tolerance.judge(&failure.error, Instant::now());
        self.reports.judged(verdict, &failure, || match record {
            Some(record) => format!("source record is = {record:?}"),
            None => String::new(),
        });
        match verdict {
            Verdict::Retry(delay) => Ok(Some(delay)),
            Verdict::Skip => Ok(None),
            Verdict::Fail => Err(failure.error.context("Tolerance exceeded in error handler")),
        }
    }

    async fn stay_paused(&mut self, task: &mut dyn SourceTask) -> Result<()> {
        match self.life.unless_stopped(self.progress.before_pause()).await {
            Some(committed) => committed.map_err(fatal)?,
            None => return Ok(()),
        }
        self.tell_committed(task).await;
        self.life.report(News::Paused).await;
        while self.life.is_paused() && !self.life.is_stopping() {
            tokio::select! {
                biased;
                () = self.life.interrupted() => {}
                advanced = self.progress.advance() => advanced.map_err(fatal)?,
            }
        }
        if !self.life.is_stopping() {
            self.life.report(News::Running).await;
        }
        Ok(())
    }

    async fn tell_committed(&mut self, task: &mut dyn SourceTask) {
        for (partition, offset) in self.progress.take_committed() {
            if let Err(error) = task.commit(&partition, &offset.to_map()).await {
                tracing::warn!(%error, "the task did not take the news of a commit");
            }
        }
        if let Some(source) = &self.metrics.source {
            source.record_active.store(self.progress.active_records(), Relaxed);
        }
    }

    /// The end: writes what is left, commits what is written, and tells the task.
    async fn finish(&mut self, task: &mut dyn SourceTask, is_well: bool) -> Result<()> {
        let finished = self.progress.finish(&self.producer, is_well, self.flush_timeout).await;
        self.topics.remember(now_ms());
        self.tell_committed(task).await;
        finished.map_err(fatal)
    }
}

/// A batch that was not written ends the run, whatever the broker said: its records come again from the last offset.
fn fatal(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Fatal => error,
        _ => Error::fatal("the task starts again from its last committed offset").with_source(error),
    }
}

fn add_written(source: &SourceMetrics, records: u64, bytes: u64) {
    source.record_write.fetch_add(records, Relaxed);
    source.record_write_bytes.fetch_add(bytes, Relaxed);
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Milliseconds since the epoch, for what people read.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
