//! The sink loop: fetch, convert, transform, put, flush, commit.
//!
//! On the task's own thread; the group's heartbeats are the consumer's, so a slow `put` costs no membership. The next fetch waits
//! for the sink: backpressure needs no queue. Invariants: the sink gets the records of a partition in order of offset; an
//! offset is committed only after `pre_commit` returned it, and after every dead letter before it is safe; a batch
//! that the sink could not take is put again as it was, before anything else.

mod commit;
mod decode;
mod partitions;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use api::{Error, ErrorKind, Result, SinkContext, SinkRecord, SinkTask, TopicPartition};
use broker_client::{ConsumerRecord, FetchedRecords, GroupConsumer, GroupEvent};
use tokio::time::{Interval, MissedTickBehavior, interval_at};

use partitions::{of_client, partition_of};

use super::activity::Doing;
use super::backoff::{Jitter, restart_delay};
use super::clients::{self, SinkConsumer};
use super::dead_letter::DeadLetters;
use super::errant::ErrantRecords;
use super::life::{News, TaskLife};
use super::pipeline::Pipeline;
use super::report::ErrorReports;
use super::settings::parse;
use super::source::now_ms;
use super::task::TaskSetup;
use super::tolerance::Tolerance;
use crate::config::SinkConfig;
use crate::metrics::TaskMetrics;
use crate::store::{StatusStore, broker_error};

/// The first and the longest pause before a batch is put again, if the sink does not ask for another.
const PUT_BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// How often, and how long, a member that could not say goodbye tries to, in the background.
const LEAVE_PAUSE: Duration = Duration::from_millis(250);
const LEAVE_LIMIT: Duration = Duration::from_secs(30);

/// Runs a sink task from start to stop.
pub(crate) async fn run(life: TaskLife, mut task: Box<dyn SinkTask>, setup: TaskSetup) -> Result<()> {
    // Boxed, so that its room is given back when it is done.
    let sink = Box::pin(SinkLoop::open(life, &setup)).await?;
    let errors: Arc<dyn api::ErrantRecordReporter> = Arc::clone(&sink.errant) as _;
    let context = SinkContext {
        connector: sink.life.id.connector.as_str().into(),
        task: sink.life.id.task,
        config: setup.task.clone(),
        errors,
        gauges: setup.metrics.gauges.clone(),
    };
    let mut member = Member(Some(sink));
    let outcome = member.work(&mut *task, context).await;
    member.leave().await;
    task.stop().await;
    outcome
}

/// Leaves the group however the task ends: one that panicked, or was dropped where it hung, must not keep its partitions from
/// its successor until the session times out.
struct Member(Option<SinkLoop>);

impl Member {
    async fn work(&mut self, task: &mut dyn SinkTask, context: SinkContext) -> Result<()> {
        let Some(sink) = self.0.as_mut() else { return Ok(()) };
        let outcome = match sink.life.unless_stopped(task.start(context)).await {
            Some(Ok(())) => sink.work(task).await,
            Some(Err(error)) => Err(error.context("starting the task")),
            None => Ok(()),
        };
        let partitions: Vec<_> = sink.assigned.iter().cloned().collect();
        outcome.and(sink.give_partitions(task, &partitions).await)
    }

    async fn leave(&mut self) {
        if let Some(sink) = self.0.take() {
            sink.leave().await;
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // What is spawned holds the loop and not the member: a runtime that is shutting down drops it at once.
        if let (Some(sink), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(sink.leave());
        }
    }
}

struct SinkLoop {
    life: TaskLife,
    metrics: Arc<TaskMetrics>,
    pipeline: Pipeline,
    tolerance: Tolerance,
    errant: Arc<ErrantRecords>,
    tracking: Option<Arc<StatusStore>>,
    consumer: GroupConsumer,
    records_max: usize,
    batch: Vec<SinkRecord>,
    flush_timeout: Duration,
    timer: Interval,
    assigned: BTreeSet<TopicPartition>,
    /// The next offset to read after all that was put.
    consumed: BTreeMap<TopicPartition, i64>,
    committed: BTreeMap<TopicPartition, i64>,
    /// Fetched while a batch was to be put again.
    waiting: VecDeque<FetchedRecords>,
    /// Given up since the batch at hand was fetched: it is not put again, even if they came back.
    lost: BTreeSet<TopicPartition>,
}

impl SinkLoop {
    async fn leave(mut self) {
        match tokio::time::timeout(self.flush_timeout, self.consumer.try_leave()).await {
            Ok(Ok(())) => {}
            outcome => {
                let error = outcome.map_or_else(|elapsed| elapsed.to_string(), |left| format!("{left:?}"));
                tracing::info!(error, "could not leave the group yet; trying again until it notices");
                tokio::spawn(self.leave_later());
            }
        }
    }

    /// A broker that was away comes back and waits a session for the members it knew: unless they say, meanwhile, that they are gone.
    async fn leave_later(mut self) {
        let leaving = async {
            loop {
                tokio::time::sleep(LEAVE_PAUSE).await;
                if let Ok(Ok(())) = tokio::time::timeout(self.flush_timeout, self.consumer.try_leave()).await
                {
                    return;
                }
            }
        };
        if let Err(elapsed) = tokio::time::timeout(LEAVE_LIMIT, leaving).await {
            tracing::debug!(%elapsed, "could not leave the group; it has noticed by now");
        }
    }

    async fn open(life: TaskLife, setup: &TaskSetup) -> Result<Self> {
        let name = life.id.connector.clone();
        let (context, options) = (&setup.context, &setup.context.config.options);
        let sink = parse(&name, SinkConfig::parse(&setup.connector))?;
        let dead_letters = DeadLetters::open(setup, &sink, &life.id).await?;
        let tolerance = setup.tolerance();
        let policy = tolerance.policy().clone();
        let tolerate_all = policy.tolerate_all;
        let reports = ErrorReports::new(&life.id, policy, Arc::clone(&setup.metrics));
        let SinkConsumer { group, records_max } =
            clients::sink_consumer(&context.config, &setup.connector, &name)?;
        let client =
            clients::connections(&context.client, &context.config, &setup.connector, "consumer.", &name)?;
        let consumer = clients::join(&client, group, &sink)?;
        let interval = options.offset_flush_interval;
        let mut timer = interval_at(tokio::time::Instant::now() + interval, interval);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            metrics: Arc::clone(&setup.metrics),
            pipeline: setup.pipeline()?,
            tolerance,
            errant: Arc::new(ErrantRecords::new(reports, tolerate_all, setup.class, dead_letters)),
            tracking: options.topic_tracking_enable.then(|| Arc::clone(&context.statuses)),
            consumer,
            records_max: records_max.max(1),
            batch: Vec::new(),
            flush_timeout: options.offset_flush_timeout,
            timer,
            assigned: BTreeSet::new(),
            consumed: BTreeMap::new(),
            committed: BTreeMap::new(),
            waiting: VecDeque::new(),
            lost: BTreeSet::new(),
            life,
        })
    }

    async fn work(&mut self, task: &mut dyn SinkTask) -> Result<()> {
        let (mut paused, mut failures) = (false, 0);
        self.life.report(News::Running).await;
        while !self.life.is_stopping() {
            if self.life.is_paused() != paused {
                paused = !paused;
                self.set_paused(paused).await;
            }
            if let Some(fetched) = (!paused).then(|| self.waiting.pop_front()).flatten() {
                self.deliver(task, fetched).await?;
                continue;
            }
            let event = tokio::select! {
                biased;
                () = self.life.interrupted() => continue,
                _ = self.timer.tick() => None,
                event = self.consumer.next() => Some(event),
            };
            match event {
                None => self.commit(task).await?,
                Some(Ok(event)) => {
                    if failures > 0 {
                        failures = 0;
                        self.life.report(News::Running).await;
                    }
                    self.handle(task, event).await?;
                }
                Some(Err(error)) => {
                    failures += 1;
                    self.fetch_failed(error, failures).await?;
                }
            }
        }
        Ok(())
    }

    async fn set_paused(&mut self, paused: bool) {
        let partitions = self.client_partitions();
        if paused {
            self.consumer.pause(&partitions);
            self.life.report(News::Paused).await;
        } else {
            self.consumer.resume(&partitions);
            self.life.report(News::Running).await;
        }
    }

    /// What may work later is tried again, for ever; but it says so.
    async fn fetch_failed(&mut self, error: broker_client::Error, failures: u32) -> Result<()> {
        let error = broker_error("cannot read from the topics", error);
        if !error.is_retriable() {
            return Err(error);
        }
        let delay = restart_delay(failures, PUT_BACKOFF.0, PUT_BACKOFF.1, &mut Jitter::unique());
        tracing::warn!(%error, ?delay, "cannot read from the topics; trying again");
        self.life.report(News::Troubled(error)).await;
        self.life.sleep(delay).await;
        Ok(())
    }

    async fn handle(&mut self, task: &mut dyn SinkTask, event: GroupEvent) -> Result<()> {
        match event {
            GroupEvent::Assigned(partitions) => self.take_partitions(task, partitions).await,
            GroupEvent::Revoked(partitions) => {
                let partitions: Vec<_> = partitions.into_iter().map(of_client).collect();
                self.give_partitions(task, &partitions).await
            }
            GroupEvent::Records(fetched) if self.life.is_paused() => {
                self.waiting.push_back(fetched);
                Ok(())
            }
            GroupEvent::Records(fetched) => self.deliver(task, fetched).await,
        }
    }

    /// Brings what was fetched to the sink, in batches of at most `records_max`.
    async fn deliver(&mut self, task: &mut dyn SinkTask, fetched: FetchedRecords) -> Result<()> {
        let partition = partition_of(&fetched);
        self.lost.clear();
        self.errant.keep(&fetched);
        if let Some(tracking) = &self.tracking {
            tracking.note_topic(&self.life.id, &partition.topic, now_ms());
        }
        // The batch is the one before, emptied: its space is used again.
        let mut batch = std::mem::take(&mut self.batch);
        for chunk in fetched.records.chunks(self.records_max) {
            self.decode(&partition, chunk, &mut batch).await?;
            if !self.put(task, &partition, &batch).await? {
                return Ok(());
            }
            let next = chunk.last().map(|record| record.offset + 1);
            self.consumed.extend(next.map(|next| (partition.clone(), next)));
            self.count_put(&partition, chunk, batch.len(), fetched.high_watermark);
        }
        self.consumed.insert(partition, fetched.next_offset);
        batch.clear();
        self.batch = batch;
        Ok(())
    }

    fn count_put(
        &self,
        partition: &TopicPartition,
        read: &[ConsumerRecord],
        sent: usize,
        high_watermark: i64,
    ) {
        let Some(sink) = &self.metrics.sink else { return };
        let bytes = |record: &ConsumerRecord| {
            record.key.as_ref().map_or(0, |key| key.len())
                + record.value.as_ref().map_or(0, |value| value.len())
        };
        sink.record_read.fetch_add(count(read.len()), Relaxed);
        sink.record_read_bytes.fetch_add(count(read.iter().map(bytes).sum()), Relaxed);
        sink.record_send.fetch_add(count(sent), Relaxed);
        sink.record_active.fetch_add(count(sent), Relaxed);
        if let Some(last) = read.last() {
            let behind = (high_watermark - last.offset - 1).max(0);
            sink.lag.lock().insert(partition.clone(), behind);
        }
    }

    /// Puts a batch until the sink takes it. `false` when the task was told to stop, or lost the partition, before that.
    async fn put(
        &mut self,
        task: &mut dyn SinkTask,
        partition: &TopicPartition,
        batch: &[SinkRecord],
    ) -> Result<bool> {
        let mut failures = 0;
        loop {
            if self.life.is_stopping() {
                return Ok(false);
            }
            if batch.is_empty() {
                return Ok(true);
            }
            let started = Instant::now();
            let putting = self.life.doing(Doing::Put);
            let outcome = task.put(batch).await;
            drop(putting);
            let now = Instant::now();
            match outcome {
                Ok(()) => {
                    self.metrics.progress(now);
                    if let Some(sink) = &self.metrics.sink {
                        sink.put_batch.add(now - started);
                    }
                    if failures > 0 {
                        self.life.report(News::Running).await;
                    }
                    return Ok(true);
                }
                Err(error) => {
                    failures += 1;
                    let delay = self.put_failed(error, failures).await?;
                    self.stay_in_group(task, delay).await?;
                    if self.lost.contains(partition) {
                        return Ok(false);
                    }
                }
            }
        }
    }

    async fn put_failed(&mut self, error: Error, failures: u32) -> Result<Duration> {
        let ErrorKind::Retriable { after } = error.kind() else {
            return Err(error.context("putting records into the sink"));
        };
        let delay = restart_delay(failures, PUT_BACKOFF.0, PUT_BACKOFF.1, &mut Jitter::unique());
        let delay = after.unwrap_or(delay);
        self.metrics.retries.fetch_add(1, Relaxed);
        tracing::warn!(%error, ?delay, "the sink did not take a batch; putting it again");
        self.life.report(News::Troubled(error)).await;
        Ok(delay)
    }

    /// Waits with the partitions paused, and takes part in what the group does meanwhile.
    async fn stay_in_group(&mut self, task: &mut dyn SinkTask, delay: Duration) -> Result<()> {
        let until = tokio::time::Instant::now() + delay;
        let partitions = self.client_partitions();
        self.consumer.pause(&partitions);
        while !self.life.is_stopping() {
            let event = tokio::select! {
                biased;
                () = tokio::time::sleep_until(until) => break,
                () = self.life.interrupted() => continue,
                event = self.consumer.next() => event,
            };
            match event {
                Ok(GroupEvent::Records(fetched)) => self.waiting.push_back(fetched),
                Ok(GroupEvent::Assigned(partitions)) => self.take_partitions(task, partitions).await?,
                Ok(GroupEvent::Revoked(partitions)) => {
                    let partitions: Vec<_> = partitions.into_iter().map(of_client).collect();
                    self.give_partitions(task, &partitions).await?;
                }
                Err(error) if error.is_retriable() => {
                    tracing::warn!(%error, "cannot read from the topics");
                    self.life.sleep(PUT_BACKOFF.0).await;
                }
                Err(error) => return Err(broker_error("cannot read from the topics", error)),
            }
        }
        let partitions = self.client_partitions();
        if !self.life.is_paused() {
            self.consumer.resume(&partitions);
        }
        Ok(())
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
