//! Sinks: where records go to. The contract of a sink connector and its tasks.
//!
//! The runtime calls a task in this order: `start`; `open` whenever partitions are assigned; `put` with batches in offset
//! order per partition, with `pre_commit` between; `close` before partitions go; `stop`. Never two calls at once.
//! Invariant: an offset is committed only after `pre_commit` returned it, so a sink that returns it once the records are
//! safe loses nothing; whoever keeps what `open` hands back in step with its data delivers exactly once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use configs::{ConfigErrors, Props};

use crate::error::{Error, Result};
use crate::gauges::Gauges;
use crate::record::{SinkRecord, TopicPartition};
use crate::value::Text;

/// A sink connector: checks a configuration, splits the work, makes tasks.
#[async_trait]
pub trait SinkConnector: Send + Sync {
    /// Checks the settings against the world, as [`crate::SourceConnector::validate`].
    ///
    /// # Errors
    /// Every setting that is wrong, at once.
    async fn validate(&self, _config: &Props) -> std::result::Result<(), ConfigErrors> {
        Ok(())
    }

    /// Says how many tasks and what each is told: at most `tasks_max`. By default that many, all told the same: the
    /// group protocol shares the partitions out among them.
    ///
    /// # Errors
    /// `BadConfig` when the work cannot be split as configured.
    fn task_configs(&self, config: &Props, tasks_max: usize) -> Result<Vec<Props>> {
        Ok(vec![config.clone(); tasks_max])
    }

    /// Makes a task. It does nothing before [`SinkTask::start`].
    fn task(&self) -> Box<dyn SinkTask>;
}

/// What a sink task is given at its start.
#[derive(Clone)]
pub struct SinkContext {
    /// The connector's name.
    pub connector: Text,
    /// The task's number, from 0.
    pub task: u32,
    /// The task's configuration, with secrets in place.
    pub config: Props,
    /// Where to send records that cannot be delivered.
    pub errors: Arc<dyn ErrantRecordReporter>,
    /// Where to put numbers that `/metrics` shall show.
    pub gauges: Gauges,
}

impl fmt::Debug for SinkContext {
    /// Leaves the configuration out: it holds secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SinkContext({}-{})", self.connector, self.task)
    }
}

/// Takes records that the target refuses (KIP-610).
#[async_trait]
pub trait ErrantRecordReporter: Send + Sync {
    /// Hands over one record that cannot be delivered, and why. `Ok` means that it is taken care of (dead letter queue,
    /// log) as `errors.tolerance` allows, and the task goes on with the next.
    ///
    /// # Errors
    /// The error to fail the task with, when bad records are not tolerated.
    async fn report(&self, record: &SinkRecord, error: Error) -> Result<()>;
}

/// An offset to go on from, and a note that is kept with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OffsetAndMetadata {
    /// The offset of the next record to read.
    pub offset: i64,
    /// A note of the sink's own, stored in the same commit: how a sink keeps its data in step with its offsets.
    pub metadata: String,
}

/// A partition that a sink task is to read from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignedPartition {
    /// Which.
    pub partition: TopicPartition,
    /// What was last committed for it, if anything was.
    pub committed: Option<OffsetAndMetadata>,
}

/// What to commit, by partition.
pub type SinkOffsets = BTreeMap<TopicPartition, OffsetAndMetadata>;

/// A sink task: delivers its share of the topics.
#[async_trait]
pub trait SinkTask: Send {
    /// Gets ready. Called once, first.
    ///
    /// # Errors
    /// `Retriable` to be started again with backoff, `BadConfig` or `Fatal` to fail the task.
    async fn start(&mut self, context: SinkContext) -> Result<()>;

    /// Takes partitions in, before their first record. May say to read one from another offset than the committed one.
    ///
    /// # Errors
    /// As [`SinkTask::start`].
    async fn open(&mut self, _partitions: &[AssignedPartition]) -> Result<BTreeMap<TopicPartition, i64>> {
        Ok(BTreeMap::new())
    }

    /// Delivers a batch, or takes it in to deliver it at the next flush.
    ///
    /// # Errors
    /// `Retriable`: the very same batch is put again, after the time that the error asks for, and nothing else before it.
    /// Others fail the task. A single record at fault goes to [`ErrantRecordReporter::report`] instead.
    async fn put(&mut self, records: &[SinkRecord]) -> Result<()>;

    /// Makes everything that was put safe, and says what may be committed. `consumed` is the next offset to read per
    /// partition after all that was put; return it, or less, or nothing for a partition that is to wait.
    ///
    /// # Errors
    /// `Retriable`: nothing is committed now, and the call comes again. Others fail the task.
    async fn pre_commit(&mut self, consumed: &BTreeMap<TopicPartition, i64>) -> Result<SinkOffsets>;

    /// Gives partitions up, after their last commit. They may be gone to another task already.
    ///
    /// # Errors
    /// Are logged; they do not stop the task.
    async fn close(&mut self, _partitions: &[TopicPartition]) -> Result<()> {
        Ok(())
    }

    /// Lets go of everything. Called once, last; within the worker's shutdown deadline.
    async fn stop(&mut self);
}

/// The offsets that a sink with nothing to remember commits: what was consumed, without a note.
#[must_use]
pub fn consumed_offsets(consumed: &BTreeMap<TopicPartition, i64>) -> SinkOffsets {
    let plain = |offset: &i64| OffsetAndMetadata { offset: *offset, metadata: String::new() };
    consumed.iter().map(|(partition, offset)| (partition.clone(), plain(offset))).collect()
}
