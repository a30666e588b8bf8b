//! The HTTP sink: sends what it is put, at once and in order, and says when to come again.
//!
//! # What it promises
//! * Order: records of a partition are sent in offset order, one request at a time, each after the answer to the one before.
//! * At least once: `put` returns when every record is delivered or was handed to the reporter of bad records. If the endpoint
//!   cannot take them now, `put` returns `Retriable` and the same batch comes again, for as long as it takes; what was
//!   delivered of it is not sent again (`delivered`). After a kill, what was not committed is sent again, with
//!   the same [`idempotency_key`] for a record that is sent alone, so that the endpoint can tell.
//! * A record at fault does not take its neighbours along: a batch that is refused for its content (400, 413, 422) is sent again in
//!   halves, down to the record.
//!
//! There is no timer: what is put is sent. Batches grow by themselves when the endpoint is slower than the topic.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use api::configs::ConfigErrors;
use api::{
    AssignedPartition, Error, Props, Result, SinkConnector, SinkContext, SinkOffsets, SinkRecord, SinkTask,
    TopicPartition, async_trait, consumed_offsets,
};

use super::answer::{Verdict, backoff};
use super::body::{Item, assemble, encode, has_room, idempotency_key, place};
use super::client::{Answer, Endpoint};
use super::config::BatchFormat;
use super::settings::Settings;

/// See [`super::SINK`].
#[derive(Debug, Clone, Copy)]
pub struct HttpSinkConnector;

#[async_trait]
impl SinkConnector for HttpSinkConnector {
    /// Checks how the options fit together. The endpoint is not called: it may come up later.
    async fn validate(&self, config: &Props) -> std::result::Result<(), ConfigErrors> {
        Settings::parse(config).map(drop)
    }

    fn task_configs(&self, config: &Props, tasks_max: usize) -> Result<Vec<Props>> {
        parse(config)?;
        Ok(vec![config.clone(); tasks_max])
    }

    fn task(&self) -> Box<dyn SinkTask> {
        Box::new(HttpSinkTask::default())
    }
}

fn parse(config: &Props) -> Result<Settings> {
    Settings::parse(config).map_err(|errors| Error::bad_config(errors.to_string()))
}

/// See [`HttpSinkConnector`].
#[derive(Debug, Default)]
pub struct HttpSinkTask {
    started: Option<(Endpoint, SinkContext)>,
    /// The next offset to deliver, by partition, of what was delivered since the partition was opened.
    delivered: BTreeMap<TopicPartition, i64>,
    /// How many requests in a row failed.
    failures: u32,
}

#[async_trait]
impl SinkTask for HttpSinkTask {
    async fn start(&mut self, context: SinkContext) -> Result<()> {
        self.started = Some((Endpoint::new(parse(&context.config)?)?, context));
        Ok(())
    }

    async fn open(&mut self, partitions: &[AssignedPartition]) -> Result<BTreeMap<TopicPartition, i64>> {
        self.delivered.retain(|known, _| !partitions.iter().any(|assigned| assigned.partition == *known));
        Ok(BTreeMap::new())
    }

    async fn put(&mut self, records: &[SinkRecord]) -> Result<()> {
        let Some((endpoint, context)) = &self.started else {
            return Err(Error::fatal("the task was not started"));
        };
        let (delivered, failures) = (&mut self.delivered, &mut self.failures);
        let mut delivery = Delivery { endpoint, context, delivered, failures };
        for (partition, records) in by_partition(records) {
            let next = delivery.delivered.get(partition).copied().unwrap_or(0);
            let rest: Vec<_> = records.into_iter().filter(|record| record.offset >= next).collect();
            delivery.deliver_partition(&rest).await?;
        }
        Ok(())
    }

    async fn pre_commit(&mut self, consumed: &BTreeMap<TopicPartition, i64>) -> Result<SinkOffsets> {
        Ok(consumed_offsets(consumed))
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.delivered.retain(|known, _| !partitions.contains(known));
        Ok(())
    }

    async fn stop(&mut self) {
        self.started = None;
    }
}

/// The records by the partition they were read from, in their order.
fn by_partition(records: &[SinkRecord]) -> BTreeMap<&TopicPartition, Vec<&SinkRecord>> {
    let mut partitions: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for record in records {
        partitions.entry(&record.original).or_default().push(record);
    }
    partitions
}

/// One `put` under way.
struct Delivery<'a> {
    endpoint: &'a Endpoint,
    context: &'a SinkContext,
    delivered: &'a mut BTreeMap<TopicPartition, i64>,
    failures: &'a mut u32,
}

impl Delivery<'_> {
    /// Delivers records of one partition, in requests as large as they may be.
    async fn deliver_partition(&mut self, records: &[&SinkRecord]) -> Result<()> {
        let config = &self.endpoint.settings().config;
        let single = config.batch_format == BatchFormat::Single;
        let records_max = if single { 1 } else { config.batch_records_max };
        let mut batch = Vec::new();
        for record in records.iter().copied() {
            match encode(record, config.batch_format, config.null_values) {
                Ok(None) => {}
                Ok(Some(item)) => {
                    if !has_room(&batch, &item, records_max, config.batch_bytes_max) {
                        self.deliver(&batch).await?;
                        batch.clear();
                    }
                    batch.push(item);
                }
                Err(error) => {
                    self.deliver(&batch).await?;
                    batch.clear();
                    self.refuse(record, error).await?;
                }
            }
        }
        self.deliver(&batch).await
    }

    /// Delivers a batch in one request, or in several if the endpoint refuses it as a whole.
    async fn deliver(&mut self, batch: &[Item<'_>]) -> Result<()> {
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let format = self.endpoint.settings().config.batch_format;
            let answer = self.endpoint.send(assemble(part, format), &idempotency_key(part)).await;
            match answer.verdict {
                Verdict::Delivered => self.mark(part),
                Verdict::Retry => return Err(self.retry_later(answer, part)),
                Verdict::Split if part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                Verdict::Split | Verdict::Refused => {
                    for item in part {
                        self.refuse(item.record, error_of(&answer, part)).await?;
                    }
                }
                Verdict::Hopeless(advice) => {
                    let message = format!("{}; {advice} ({})", answer.message, place(part));
                    return Err(with_cause(Error::fatal(message), answer.cause));
                }
            }
        }
        Ok(())
    }

    /// The endpoint has them.
    fn mark(&mut self, part: &[Item<'_>]) {
        *self.failures = 0;
        self.context.gauges.set("consecutive_failures", 0);
        if let Some(last) = part.last() {
            self.delivered.insert(last.record.original.clone(), last.record.offset + 1);
        }
    }

    /// The reporter has it: it counts as delivered, so that it is not reported again.
    async fn refuse(&mut self, record: &SinkRecord, error: Error) -> Result<()> {
        self.context.errors.report(record, error).await?;
        self.delivered.insert(record.original.clone(), record.offset + 1);
        Ok(())
    }

    fn retry_later(&mut self, answer: Answer, part: &[Item<'_>]) -> Error {
        let config = &self.endpoint.settings().config;
        let [chance, ..] = RandomState::new().hash_one(*self.failures).to_le_bytes();
        let own = backoff(*self.failures, config.retry_backoff, config.retry_backoff_max, chance);
        let after = own.max(answer.retry_after.unwrap_or(Duration::ZERO));
        *self.failures = self.failures.saturating_add(1);
        self.context.gauges.set("consecutive_failures", i64::from(*self.failures));
        let message = format!("{} ({}); failure {} in a row", answer.message, place(part), self.failures);
        with_cause(Error::retriable_after(after, message), answer.cause)
    }
}

fn error_of(answer: &Answer, part: &[Item<'_>]) -> Error {
    Error::bad_record(format!("{} ({})", answer.message, place(part)))
}

fn with_cause(error: Error, cause: Option<reqwest::Error>) -> Error {
    match cause {
        Some(cause) => error.with_source(cause),
        None => error,
    }
}
