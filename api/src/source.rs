//! Sources: where records come from. The contract of a source connector and its tasks.
//!
//! The runtime calls a task in this order: `start`, then `poll` again and again with `commit` between, then `stop`;
//! never two calls at once. Calls are per batch, so that nothing asynchronous is paid per record.
//! Invariant: after a restart a task goes on from the last offset that the runtime committed, which is never ahead of
//! what is durable in the topics; what was handed out after it comes again.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use configs::{ConfigErrors, Props};

use crate::error::Result;
use crate::gauges::Gauges;
use crate::record::{FlatMap, SourceRecord};
use crate::transaction::TransactionContext;
use crate::value::Text;

/// A source connector: checks a configuration, splits the work, makes tasks.
#[async_trait]
pub trait SourceConnector: Send + Sync {
    /// Checks the settings against the world (can the server be reached, is the table there) after the declared
    /// options have passed. Called by validation and before a connector is created; has a deadline, may be dropped.
    ///
    /// # Errors
    /// Every setting that is wrong, at once.
    async fn validate(&self, _config: &Props) -> std::result::Result<(), ConfigErrors> {
        Ok(())
    }

    /// Splits the work: one configuration per task, at most `tasks_max`.
    ///
    /// # Errors
    /// `BadConfig` when the work cannot be split as configured.
    fn task_configs(&self, config: &Props, tasks_max: usize) -> Result<Vec<Props>>;

    /// Makes a task. It does nothing before [`SourceTask::start`].
    fn task(&self) -> Box<dyn SourceTask>;

    /// Whether records come exactly once with this configuration, if the worker writes them and their offsets in transactions: whether
    /// after a restart the source goes on right behind the offset that was committed, without repeating or leaving out a record.
    /// `None` when the connector does not know.
    fn exactly_once_support(&self, _config: &Props) -> Option<ExactlyOnceSupport> {
        None
    }

    /// Whether the tasks say themselves where transactions end (`transaction.boundary=connector`), through
    /// [`SourceContext::transactions`].
    fn can_define_transaction_boundaries(&self, _config: &Props) -> bool {
        false
    }

    /// The topic through which running tasks of this configuration are asked for something (Debezium's channel `kafka`), if they
    /// listen to one.
    fn signal_topic(&self, _config: &Props) -> Option<SignalTopic> {
        None
    }

    /// Checks offsets that a user wants to set over REST (`None` resets that partition).
    ///
    /// # Errors
    /// `BadConfig` when the connector could not go on from them.
    fn check_offsets(&self, _config: &Props, _offsets: &[(FlatMap, Option<FlatMap>)]) -> Result<()> {
        Ok(())
    }
}

/// What a connector promises of its own part in exactly-once delivery (KIP-618).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExactlyOnceSupport {
    /// No record is repeated or left out over restarts.
    Supported,
    /// Some may be.
    Unsupported,
}

/// Where signals to a connector's tasks are put: records whose value is `{"id":.., "type":.., "data":..}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalTopic {
    /// The topic; its first partition is read.
    pub topic: String,
    /// The key that tells this connector's signals from others'.
    pub key: String,
    /// The settings of a Kafka client by Kafka's names; without `bootstrap.servers` the topic is on the worker's cluster.
    pub client: Props,
}

/// What a source task is given at its start.
#[derive(Clone)]
pub struct SourceContext {
    /// The connector's name.
    pub connector: Text,
    /// The task's number, from 0.
    pub task: u32,
    /// The task's configuration, with secrets in place.
    pub config: Props,
    /// The offsets that were committed.
    pub offsets: Arc<dyn OffsetReader>,
    /// What the connector must remember beside its offsets, such as table shapes.
    pub history: Arc<dyn History>,
    /// Reads what other programs left in topics, such as the schema history of a Debezium that ran before.
    pub topics: Arc<dyn TopicReader>,
    /// Where to put numbers that `/metrics` shall show.
    pub gauges: Gauges,
    /// Where the task says that a transaction ends; only with `transaction.boundary=connector` on a worker that delivers exactly once.
    pub transactions: Option<TransactionContext>,
}

impl fmt::Debug for SourceContext {
    /// Leaves the configuration out: it holds secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SourceContext({}-{})", self.connector, self.task)
    }
}

/// Reads committed source offsets.
#[async_trait]
pub trait OffsetReader: Send + Sync {
    /// The last committed offset of a source partition, if there is one.
    ///
    /// # Errors
    /// `Retriable` when the offsets topic cannot be read.
    async fn offset(&self, partition: &FlatMap) -> Result<Option<FlatMap>>;
}

/// Remembers small texts by key for one connector, durably: what was put is there after a crash.
#[async_trait]
pub trait History: Send + Sync {
    /// All that is remembered, each key once, in no order.
    ///
    /// # Errors
    /// `Retriable` when it cannot be read.
    async fn load(&self) -> Result<Vec<(String, String)>>;

    /// Remembers a text in place of what stood at the key; `None` forgets it. Returns once it is durable.
    ///
    /// # Errors
    /// `Retriable` when it cannot be written.
    async fn put(&self, key: &str, value: Option<&str>) -> Result<()>;
}

/// Reads what others put into a topic.
#[async_trait]
pub trait TopicReader: Send + Sync {
    /// Gives each value of a topic to `each`, partition by partition from the beginning to what is the end now, and says whether
    /// there is such a topic. `client` holds the settings of a Kafka consumer by Kafka's names; without `bootstrap.servers` it is
    /// the worker's cluster that is read.
    ///
    /// # Errors
    /// `Retriable` when the cluster cannot be read now, `BadConfig` for settings that make no sense, and the first error of `each`.
    async fn read(
        &self,
        topic: &str,
        client: &Props,
        each: &mut (dyn for<'a> FnMut(&'a [u8]) -> Result<()> + Send),
    ) -> Result<bool>;

    /// Goes on reading the first partition of a topic, which need not be there yet: from the offset `from`, else from where the group
    /// `group.id` of the client's settings stands, else from the beginning. `client` is as for [`TopicReader::read`].
    ///
    /// # Errors
    /// `BadConfig` for settings that make no sense.
    fn follow(&self, topic: &str, from: Option<i64>, client: &Props) -> Result<Box<dyn TopicFollower>>;
}

/// A topic's first partition, as it grows. Dropping it ends the reading.
pub trait TopicFollower: Send + Sync {
    /// The records that came and were not taken yet, in order, some at a time; never waits. Committed records only.
    ///
    /// # Errors
    /// Why nothing comes, each reason once: `Retriable`, for the reading goes on by itself.
    fn take(&mut self) -> Result<Vec<TopicRecord>>;
}

/// A record as it lies in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRecord {
    /// Its offset in its partition.
    pub offset: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Bytes>,
}

/// There are no topics.
#[derive(Debug, Clone, Copy)]
pub struct NoTopics;

#[async_trait]
impl TopicReader for NoTopics {
    async fn read(
        &self,
        _topic: &str,
        _client: &Props,
        _each: &mut (dyn for<'a> FnMut(&'a [u8]) -> Result<()> + Send),
    ) -> Result<bool> {
        Ok(false)
    }

    fn follow(&self, _topic: &str, _from: Option<i64>, _client: &Props) -> Result<Box<dyn TopicFollower>> {
        Ok(Box::new(Self))
    }
}

impl TopicFollower for NoTopics {
    fn take(&mut self) -> Result<Vec<TopicRecord>> {
        Ok(Vec::new())
    }
}

/// A source task: reads its share of the source.
#[async_trait]
pub trait SourceTask: Send {
    /// Gets ready to read on from the committed offsets. Called once, first.
    ///
    /// # Errors
    /// `Retriable` to be started again with backoff, `BadConfig` or `Fatal` to fail the task.
    async fn start(&mut self, context: SourceContext) -> Result<()>;

    /// The next records: waits until there are some, or returns none after a while. The future may be dropped before it
    /// is ready (on pause and stop), and then nothing may be lost: records count as handed out only when it returns.
    /// A batch should be bounded in bytes (about 1 MiB) rather than in records.
    ///
    /// # Errors
    /// `Retriable`: the runtime says so in status and log, and polls again after a backoff. Others fail the task.
    async fn poll(&mut self) -> Result<Vec<SourceRecord>>;

    /// Hears that the offset was committed: everything up to it is durable in the topics, and will not be asked for again.
    ///
    /// # Errors
    /// Are logged; they do not stop the task.
    async fn commit(&mut self, _partition: &FlatMap, _offset: &FlatMap) -> Result<()> {
        Ok(())
    }

    /// Lets go of everything. Called once, last; within the worker's shutdown deadline.
    async fn stop(&mut self);
}
