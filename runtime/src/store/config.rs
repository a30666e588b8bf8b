//! The config store: the config topic, folded into [`ClusterState`], and written.
//!
//! The herder reads the state, REST's changes are written here. Invariant: once a write returns, the state of this worker
//! contains it.

use std::sync::Arc;

use api::{Props, Result};
use broker_client::Client;
use tokio::sync::watch;

use super::config_record::ConfigRecord;
use super::internal_topic;
use super::topic_log::{LogRecord, TopicLog};
use crate::config::InternalTopic;
use crate::herder::{ClusterState, TaskId};

/// The config topic, and what it comes to.
#[derive(Debug)]
pub(crate) struct ConfigStore {
    log: TopicLog,
    state: watch::Receiver<Arc<ClusterState>>,
}

impl ConfigStore {
    /// Makes or checks the topic, and reads it to its end.
    ///
    /// # Errors
    /// `BadConfig` when the topic cannot serve; else what the broker said.
    pub(crate) async fn open(client: &Client, topic: &InternalTopic) -> Result<Self> {
        let partitions = internal_topic::ensure(client, topic, "config.storage.topic").await?;
        let (sender, state) = watch::channel(Arc::new(ClusterState::default()));
        let fold = Box::new(move |records: Vec<LogRecord>| {
            sender.send_modify(|state| {
                let state = Arc::make_mut(state);
                records.into_iter().for_each(|record| take_in(state, &record));
            });
        });
        let log = TopicLog::open(client, &topic.name, partitions, fold).await?;
        Ok(Self { log, state })
    }

    /// What is to be, as far as this worker has read.
    pub(crate) fn state(&self) -> Arc<ClusterState> {
        Arc::clone(&self.state.borrow())
    }

    /// Hears of every change of the state.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<ClusterState>> {
        self.state.clone()
    }

    /// Writes records, in order, and waits until the state contains them.
    ///
    /// # Errors
    /// `Retriable` when they may not have been written.
    pub(crate) async fn write(&self, records: &[ConfigRecord]) -> Result<()> {
        let change =
            |record: &ConfigRecord| (record.key().into_bytes().into(), record.value().map(Into::into));
        self.log.write(&records.iter().map(change).collect::<Vec<_>>()).await?;
        self.log.read_to_end().await
    }

    /// Writes a connector's tasks: all of them, then their commit.
    ///
    /// # Errors
    /// As [`ConfigStore::write`].
    pub(crate) async fn write_tasks(&self, connector: &str, tasks: Vec<Props>) -> Result<()> {
        let count = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
        let numbered = (0..count).zip(tasks);
        let mut records: Vec<_> = numbered
            .map(|(number, config)| ConfigRecord::Task(TaskId::new(connector, number), Some(config)))
            .collect();
        records.push(ConfigRecord::Commit(connector.to_owned(), count));
        self.write(&records).await
    }

    /// Waits until everything that is in the topic now is in the state.
    ///
    /// # Errors
    /// As [`TopicLog::read_to_end`].
    pub(crate) async fn read_to_end(&self) -> Result<()> {
        self.log.read_to_end().await
    }
}

/// Folds a record in. One that cannot be read is passed over and reported: it must not stop every connector.
fn take_in(state: &mut ClusterState, record: &LogRecord) {
    match ConfigRecord::parse(&record.key, record.value.as_deref()) {
        Ok(Some(parsed)) => state.apply(record.offset, parsed),
        Ok(None) => state.skip(record.offset),
        Err(problem) => {
            tracing::error!(offset = record.offset, "passing over a record of the config topic: {problem}");
            state.skip(record.offset);
        }
    }
}
