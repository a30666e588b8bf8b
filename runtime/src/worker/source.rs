//! The source loop: poll, transform, convert, append, commit.
//!
//! On the task's own thread. What is asynchronous is paid per batch; a record costs no allocation of ours. Backpressure is in bytes:
//! the next poll waits until the producer has room. Invariants: an offset is committed only when its records, and all before
//! them, are acknowledged (see `acks`); a `poll` is dropped only on pause and stop; on a clean stop everything that was polled
//! is written and its offsets are committed.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use api::{Error, ErrorKind, FlatMap, Record, Result, SourceContext, SourceOffset, SourceRecord, SourceTask};
use broker_client::{Delivery, Producer, ProducerRecord};

use super::activity::Doing;
use super::backoff::{Jitter, restart_delay};
use super::clients;
use super::commits::{BatchDelivery, OffsetCommits};
use super::life::{News, TaskLife};
use super::pipeline::{AFTER_CHAIN, Pipeline, StageFailure};
use super::report::ErrorReports;
use super::settings::parse;
use super::task::TaskSetup;
use super::tolerance::{Stage, Tolerance, Verdict};
use super::topics::TaskTopics;
use crate::config::topic_creation_rules;
use crate::metrics::{SourceMetrics, TaskMetrics};

/// The first and the longest pause after a poll that may work later.
const POLL_BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Runs a source task from start to stop.
pub(crate) async fn run(life: TaskLife, mut task: Box<dyn SourceTask>, setup: TaskSetup) -> Result<()> {
    let context = SourceContext {
        connector: life.id.connector.as_str().into(),
        task: life.id.task,
        config: setup.task.clone(),
        offsets: setup.context.offsets.reader(&life.id.connector),
        history: setup.context.history.of_connector(&life.id.connector),
        gauges: setup.metrics.gauges.clone(),
        transactions: None,
    };
    let mut source = SourceLoop::new(life, &setup)?;
    let outcome = match source.life.unless_stopped(task.start(context)).await {
        Some(Ok(())) => source.work(&mut *task).await,
        Some(Err(error)) => Err(error.context("starting the task")),
        None => Ok(()),
    };
    let finished = source.finish(&mut *task).await;
    task.stop().await;
    outcome.and(finished)
}

/// What to do before the next record can be appended.
enum Step {
    /// Nothing: the batch is done.
    Done,
    /// Get its topic ready.
    Prepare,
    /// Wait for room.
    Full,
    /// Wait before the next try.
    Wait(Duration),
}

/// The records of one poll that are not appended yet.
struct Work {
    rest: std::vec::IntoIter<SourceRecord>,
    /// The record at hand, and the transform to go on at.
    current: Option<(usize, Record)>,
    delivery: Arc<Delivery>,
    positions: Vec<Position>,
    written: u64,
    written_bytes: u64,
}

/// How far the batch gets in one source partition.
struct Position {
    partition: Arc<FlatMap>,
    offset: SourceOffset,
    records: u64,
}

impl Work {
    fn new(batch: Vec<SourceRecord>) -> Self {
        Self {
            rest: batch.into_iter(),
            current: None,
            delivery: Delivery::new(),
            positions: Vec::new(),
            written: 0,
            written_bytes: 0,
        }
    }

    /// The record at hand, or the next one, whose position is noted.
    fn take(&mut self) -> Option<(usize, Record)> {
        if let Some(current) = self.current.take() {
            return Some(current);
        }
        let next = self.rest.next()?;
        let same = |position: &&mut Position| Arc::ptr_eq(&position.partition, &next.source_partition);
        match self.positions.iter_mut().rev().find(same) {
            Some(position) => {
                position.offset = next.source_offset;
                position.records += 1;
            }
            None => self.positions.push(Position {
                partition: next.source_partition,
                offset: next.source_offset,
                records: 1,
            }),
        }
        Some((0, next.record))
    }
}

struct SourceLoop {
    life: TaskLife,
    metrics: Arc<TaskMetrics>,
    pipeline: Pipeline,
    tolerance: Tolerance,
    reports: ErrorReports,
    producer: Producer,
    topics: TaskTopics,
    commits: OffsetCommits,
    flush_timeout: Duration,
}

impl SourceLoop {
    fn new(life: TaskLife, setup: &TaskSetup) -> Result<Self> {
        let (context, metrics) = (&setup.context, Arc::clone(&setup.metrics));
        let options = &context.config.options;
        let name = &life.id.connector;
        let rules = match options.topic_creation_enable {
            true => parse(name, topic_creation_rules(&setup.connector))?,
            false => Vec::new(),
        };
        let tracking = options.topic_tracking_enable.then(|| Arc::clone(&context.statuses));
        let admin = clients::connections(&context.client, &context.config, &setup.connector, "admin.", name)?;
        let (interval, timeout) = (options.offset_flush_interval, options.offset_flush_timeout);
        let tolerance = setup.tolerance();
        Ok(Self {
            pipeline: setup.pipeline()?,
            reports: ErrorReports::new(&life.id, tolerance.policy().clone(), Arc::clone(&metrics)),
            tolerance,
            producer: clients::producer(&context.client, &context.config, &setup.connector, name)?,
            topics: TaskTopics::new(admin, rules, tracking, life.id.clone()),
            commits: OffsetCommits::new(
                Arc::clone(&context.offsets),
                name,
                Arc::clone(&metrics),
                interval,
                timeout,
            ),
            flush_timeout: timeout,
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
                self.stay_paused().await?;
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
        let _polling = self.life.doing(Doing::Poll);
        let polled = task.poll();
        tokio::pin!(polled);
        let batch = loop {
            tokio::select! {
                biased;
                () = self.life.interrupted() => return Ok(None),
                advanced = self.commits.advance() => {
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
        if batch.is_empty() {
            return Ok(());
        }
        let mut work = Work::new(batch);
        loop {
            let step = self.append_all(&mut work);
            match step? {
                Step::Done => break,
                Step::Prepare => {
                    let topic =
                        work.current.as_ref().map(|(_, record)| record.topic.clone()).unwrap_or_default();
                    let prepared = self.topics.prepare(&self.producer, &topic);
                    self.life.unless_stopped(prepared).await.transpose()?;
                }
                Step::Full => self.wait_for_room().await?,
                Step::Wait(delay) => self.life.sleep(delay).await,
            }
            if self.life.is_stopping() && work.current.is_some() {
                return Ok(());
            }
        }
        // What was acknowledged meanwhile is taken in here too: a refused batch is told now, not at the next commit.
        self.commits.acks.advance().map_err(fatal)?;
        self.submit(work);
        self.wait_for_room().await?;
        match self.commits.acks.oldest_when_full() {
            Some(oldest) => {
                self.life.unless_stopped(oldest.settled()).await;
                self.commits.acks.advance().map_err(fatal)
            }
            None => Ok(()),
        }
    }

    async fn wait_for_room(&mut self) -> Result<()> {
        let _writing = self.life.doing(Doing::Write);
        let ready = self.life.unless_stopped(self.producer.ready()).await;
        ready.transpose().map_err(|error| crate::store::broker_error("cannot write to the broker", error))?;
        Ok(())
    }

    fn submit(&mut self, work: Work) {
        let delivery = BatchDelivery::new(work.delivery, self.tolerance.policy().tolerate_all);
        for Position { partition, offset, records } in work.positions {
            self.commits.acks.submit(&partition, offset, delivery.clone(), records);
        }
        let Some(source) = &self.metrics.source else { return };
        add_written(source, work.written, work.written_bytes);
        source.record_active.store(self.commits.acks.active_records(), Relaxed);
    }

    /// The hot path: appends records until the batch is done or something has to be waited for.
    fn append_all(&mut self, work: &mut Work) -> Result<Step> {
        let keep = self.tolerance.policy().retries();
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
            match append(&mut self.pipeline, &self.producer, &record, &work.delivery) {
                Ok(bytes) => {
                    self.tolerance.succeeded();
                    work.written += 1;
                    work.written_bytes += bytes;
                    self.topics.using(&record.topic);
                }
                Err(Refusal::NotPrepared) => {
                    work.current = Some((AFTER_CHAIN, record));
                    return Ok(Step::Prepare);
                }
                Err(Refusal::Full) => {
                    work.current = Some((AFTER_CHAIN, record));
                    return Ok(Step::Full);
                }
                Err(Refusal::Failed(failure)) => {
                    if let Some(delay) = self.judge(failure, Some(&record))? {
                        work.current = Some((AFTER_CHAIN, record));
                        return Ok(Step::Wait(delay));
                    }
                }
            }
        }
        Ok(Step::Done)
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

    async fn stay_paused(&mut self) -> Result<()> {
        self.life.report(News::Paused).await;
        while self.life.is_paused() && !self.life.is_stopping() {
            tokio::select! {
                biased;
                () = self.life.interrupted() => {}
                advanced = self.commits.advance() => advanced.map_err(fatal)?,
            }
        }
        if !self.life.is_stopping() {
            self.life.report(News::Running).await;
        }
        Ok(())
    }

    async fn tell_committed(&mut self, task: &mut dyn SourceTask) {
        for (partition, offset) in self.commits.take_committed() {
            if let Err(error) = task.commit(&partition, &offset.to_map()).await {
                tracing::warn!(%error, "the task did not take the news of a commit");
            }
        }
        if let Some(source) = &self.metrics.source {
            source.record_active.store(self.commits.acks.active_records(), Relaxed);
        }
    }

    /// The end: writes what is left, commits what is written, and tells the task.
    async fn finish(&mut self, task: &mut dyn SourceTask) -> Result<()> {
        let flushed = tokio::time::timeout(self.flush_timeout, self.producer.flush()).await;
        let finished = self.commits.finish().await.map_err(fatal);
        self.topics.remember(now_ms());
        self.tell_committed(task).await;
        match flushed {
            Ok(Ok(())) => finished,
            Ok(Err(error)) => {
                finished.and(Err(crate::store::broker_error("cannot write the last records", error)))
            }
            Err(_elapsed) => {
                tracing::warn!(
                    timeout = ?self.flush_timeout,
                    "the last records were not acknowledged in time; they come again (offset.flush.timeout.ms)"
                );
                finished
            }
        }
    }
}

/// Why a record was not appended.
enum Refusal {
    NotPrepared,
    Full,
    Failed(StageFailure),
}

/// Converts a record and gives it to the producer: its bytes.
fn append(
    pipeline: &mut Pipeline,
    producer: &Producer,
    record: &Record,
    delivery: &Arc<Delivery>,
) -> std::result::Result<u64, Refusal> {
    let encoded = pipeline.encode(record).map_err(Refusal::Failed)?;
    let bytes = encoded.key.map_or(0, <[u8]>::len) + encoded.value.map_or(0, <[u8]>::len);
    let produced = ProducerRecord {
        topic: &record.topic,
        partition: record.partition,
        key: encoded.key,
        value: encoded.value,
        headers: &encoded.headers,
        timestamp: record.timestamp,
    };
    match producer.append(produced, delivery) {
        Ok(_partition) => Ok(count(bytes)),
        Err(broker_client::Error::TopicNotPrepared { .. }) => Err(Refusal::NotPrepared),
        Err(broker_client::Error::BufferFull { .. }) => Err(Refusal::Full),
        Err(error) => Err(Refusal::Failed(StageFailure::new(
            Stage::KafkaProduce,
            "broker_client::Producer",
            produce_error(record, error),
        ))),
    }
}

/// A record that the producer refuses for good is a bad record.
fn produce_error(record: &Record, error: broker_client::Error) -> Error {
    let message = format!("cannot write a record to topic {}", record.topic);
    match error.is_retriable() {
        true => Error::retriable(message).with_source(error),
        false => Error::bad_record(message).with_source(error),
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
