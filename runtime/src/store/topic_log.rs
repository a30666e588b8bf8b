//! A compacted topic as a log that is folded: read from its start, followed for ever, written with acknowledgement.
//!
//! Below every store; the only user of the client for internal topics. One task reads and folds, so a fold sees records in
//! order, partition by partition, and needs no lock against another. Invariants: [`TopicLog::open`] returns once everything that
//! was there has been folded; [`TopicLog::write`] once the broker has acknowledged; [`TopicLog::read_to_end`] once everything
//! acknowledged before the call has been folded, but for what was written in transactions that were aborted.

use std::sync::Arc;
use std::time::Duration;

use api::{Bytes, Error, Result, Text};
use broker_client::{
    Client, ConsumerConfig, Delivery, FetchedRecords, Isolation, OffsetReset, OffsetSpec, PartitionConsumer,
    Producer, ProducerConfig, ProducerRecord, TopicPartition,
};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::error::broker_error;
use super::rounds::Rounds;
use crate::worker::{Jitter, restart_delay};

/// How long reading to the end and writing may take, as in Connect (`READ_WRITE_TOTAL_TIMEOUT_MS`).
pub(crate) const STORE_TIMEOUT: Duration = Duration::from_secs(30);

/// The first and the longest pause after a failed fetch.
const FETCH_BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// One record of the log.
#[derive(Debug, Clone)]
pub(crate) struct LogRecord {
    /// Its offset.
    pub(crate) offset: i64,
    /// Its key, empty if it has none.
    pub(crate) key: Bytes,
    /// Its value; `None` deletes the key.
    pub(crate) value: Option<Bytes>,
}

/// What is done with the records: called with those of one partition, in order of offset.
pub(crate) type Fold = Box<dyn FnMut(Vec<LogRecord>) + Send>;

/// A key and its new value.
pub(crate) type Change = (Bytes, Option<Bytes>);

/// A compacted topic that is read, followed and written.
pub(crate) struct TopicLog {
    client: Client,
    topic: Text,
    partitions: Vec<TopicPartition>,
    producer: Mutex<Producer>,
    /// The next offset to read, per partition.
    positions: watch::Receiver<Vec<i64>>,
    /// Where they end.
    ends: Rounds<Arc<[i64]>>,
    _follower: DropGuard,
}

impl TopicLog {
    /// Reads the topic to its end, and follows it from there until the log is dropped.
    ///
    /// # Errors
    /// What the broker said; `Retriable` when it took too long.
    pub(crate) async fn open(client: &Client, topic: &str, partitions: i32, fold: Fold) -> Result<Self> {
        let failed = |error| broker_error(format!("cannot read topic {topic}"), error);
        let topic_text = Text::from(topic);
        let partitions: Vec<_> =
            (0..partitions).map(|partition| TopicPartition::new(topic_text.clone(), partition)).collect();
        let starts = client.list_offsets_of(&partitions, OffsetSpec::Earliest, Isolation::ReadUncommitted);
        let offsets = starts.await.map_err(failed)?;
        let start: Vec<_> = partitions.iter().cloned().zip(offsets.iter().copied()).collect();
        // A topic that was deleted or truncated under us must not be read again from its start as if nothing had been.
        // What a leader or task began to write and never committed was never said.
        let reading = ConsumerConfig {
            offset_reset: OffsetReset::Fail,
            isolation: Isolation::ReadCommitted,
            ..ConsumerConfig::default()
        };
        let consumer = PartitionConsumer::assign(client, start, reading);
        let producer = open_producer(client, topic).await.map_err(failed)?;
        let (sender, positions) = watch::channel(offsets);
        let stop = CancellationToken::new();
        let follower = Follower { topic: topic_text.clone(), consumer, fold, positions: sender };
        tokio::spawn(follower.run(stop.clone()));
        let log = Self {
            client: client.clone(),
            topic: topic_text,
            partitions,
            producer: Mutex::new(producer),
            positions,
            ends: Rounds::default(),
            _follower: stop.drop_guard(),
        };
        // Not beyond a transaction that a killed producer left open: only its successor, who is not started yet, ends it.
        log.read_to(&log.ends(Isolation::ReadCommitted).await?).await?;
        Ok(log)
    }

    /// The topic's name.
    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// Waits until everything that is in the topic now has been folded, and open transactions have been ended.
    ///
    /// # Errors
    /// `Retriable` when the broker cannot be asked or does not deliver in time.
    pub(crate) async fn read_to_end(&self) -> Result<()> {
        let ends = self.ends.ask(self.ends(Isolation::ReadUncommitted)).await?;
        self.read_to(&ends).await
    }

    /// Where the partitions end for readers of this kind.
    async fn ends(&self, isolation: Isolation) -> Result<Arc<[i64]>> {
        let ends = self.client.list_offsets_of(&self.partitions, OffsetSpec::Latest, isolation).await;
        let ends = ends
            .map_err(|error| broker_error(format!("cannot find the end of topic {}", self.topic), error))?;
        Ok(ends.into())
    }

    async fn read_to(&self, ends: &[i64]) -> Result<()> {
        let reached = reached(self.positions.clone(), ends);
        match tokio::time::timeout(STORE_TIMEOUT, reached).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                Err(Error::fatal(format!("topic {} is no longer read", self.topic)).with_source(error))
            }
            Err(elapsed) => Err(Error::retriable(format!(
                "topic {} could not be read to its end within {} s",
                self.topic,
                STORE_TIMEOUT.as_secs()
            ))
            .with_source(elapsed)),
        }
    }

    /// Writes changes, in order, and returns once all are acknowledged.
    ///
    /// # Errors
    /// `Retriable` when they may not have been written.
    pub(crate) async fn write(&self, changes: &[Change]) -> Result<()> {
        let delivery = Delivery::new();
        {
            // The lock keeps the changes of one call together, in order.
            let mut producer = self.producer.lock().await;
            if let Err(error) = self.append(&producer, changes, &delivery).await {
                // A producer that broke down takes nothing more, ever: the next write gets a new one.
                if !error.is_retriable() && !matches!(error, broker_client::Error::RecordTooLarge { .. }) {
                    let renewed = open_producer(&self.client, &self.topic).await;
                    *producer = renewed.map_err(|error| self.write_error(error))?;
                }
                return Err(self.write_error(error));
            }
        }
        match tokio::time::timeout(STORE_TIMEOUT, delivery.wait()).await {
            Ok(outcome) => outcome.map_err(|error| self.write_error(error)),
            Err(elapsed) => Err(Error::retriable(format!(
                "topic {} did not acknowledge a write within {} s",
                self.topic,
                STORE_TIMEOUT.as_secs()
            ))
            .with_source(elapsed)),
        }
    }

    async fn append(
        &self,
        producer: &Producer,
        changes: &[Change],
        delivery: &Arc<Delivery>,
    ) -> broker_client::Result<()> {
        for (key, value) in changes {
            let record = ProducerRecord {
                topic: &self.topic,
                key: Some(key),
                value: value.as_deref(),
                ..ProducerRecord::default()
            };
            producer.append(record, delivery)?;
        }
        producer.ready().await
    }

    fn write_error(&self, error: broker_client::Error) -> Error {
        broker_error(format!("cannot write to topic {}", self.topic), error)
    }
}

impl std::fmt::Debug for TopicLog {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "TopicLog({})", self.topic)
    }
}

/// A producer that sends at once.
async fn open_producer(client: &Client, topic: &str) -> broker_client::Result<Producer> {
    let config = ProducerConfig { linger: Duration::ZERO, ..ProducerConfig::default() };
    let producer = Producer::new(client, config);
    producer.prepare(topic).await?;
    Ok(producer)
}

/// Waits until every position has come to its end.
async fn reached(
    mut positions: watch::Receiver<Vec<i64>>,
    ends: &[i64],
) -> std::result::Result<(), watch::error::RecvError> {
    loop {
        let there = positions.borrow_and_update().iter().zip(ends).all(|(now, end)| now >= end);
        if there {
            return Ok(());
        }
        positions.changed().await?;
    }
}

/// Reads the topic for ever.
struct Follower {
    topic: Text,
    consumer: PartitionConsumer,
    fold: Fold,
    positions: watch::Sender<Vec<i64>>,
}

impl Follower {
    async fn run(mut self, stop: CancellationToken) {
        let mut failures = 0;
        loop {
            let polled = tokio::select! {
                () = stop.cancelled() => return,
                polled = self.consumer.poll() => polled,
            };
            match polled {
                Ok(fetched) => {
                    failures = 0;
                    fetched.into_iter().for_each(|records| self.take_in(records));
                    self.publish_positions();
                }
                Err(error) => {
                    tracing::warn!(topic = %self.topic, %error, "cannot read an internal topic; trying again");
                    failures += 1;
                    let delay =
                        restart_delay(failures, FETCH_BACKOFF.0, FETCH_BACKOFF.1, &mut Jitter::unique());
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(delay) => {}
                    }
                }
            }
        }
    }

    fn take_in(&mut self, fetched: FetchedRecords) {
        let records = fetched.records.into_iter().map(|record| LogRecord {
            offset: record.offset,
            key: record.key.unwrap_or_default(),
            value: record.value,
        });
        (self.fold)(records.collect());
    }

    /// Says how far the log has been folded; an answer without records may have moved it, too, past markers and gaps.
    fn publish_positions(&self) {
        self.positions.send_modify(|positions| {
            for (partition, position) in (0..).zip(positions.iter_mut()) {
                let partition = TopicPartition::new(self.topic.clone(), partition);
                *position = self.consumer.position(&partition).unwrap_or(*position).max(*position);
            }
        });
    }
}
