//! The config store: the config topic, folded into [`ClusterState`], and written.
//!
//! The herder reads the state, REST's changes are written here. What only the leader may say goes through a [`LeaderWriter`] when
//! sources are exactly-once. Invariant: once a write returns, the state of this worker contains it.

use std::sync::Arc;

use api::Result;
use broker_client::Client;
use tokio::sync::watch;

use super::config_record::ConfigRecord;
use super::internal_topic;
use super::leader_writer::LeaderWriter;
use super::topic_log::{Change, LogRecord, TopicLog};
use crate::config::InternalTopic;
use crate::herder::ClusterState;

/// The config topic, and what it comes to.
#[derive(Debug)]
pub(crate) struct ConfigStore {
    log: TopicLog,
    /// With exactly-once sources.
    leader: Option<LeaderWriter>,
    state: watch::Receiver<Arc<ClusterState>>,
}

impl ConfigStore {
    /// Makes or checks the topic, and reads it to its end. The leader writes with this transactional id, if there is one.
    ///
    /// # Errors
    /// `BadConfig` when the topic cannot serve; else what the broker said.
    pub(crate) async fn open(
        client: &Client,
        topic: &InternalTopic,
        transactional_id: Option<String>,
    ) -> Result<Self> {
        let partitions = internal_topic::ensure(client, topic, "config.storage.topic").await?;
        let (sender, state) = watch::channel(Arc::new(ClusterState::default()));
        let fold = Box::new(move |records: Vec<LogRecord>| {
            sender.send_modify(|state| {
                let state = Arc::make_mut(state);
                records.into_iter().for_each(|record| take_in(state, &record));
            });
        });
        let log = TopicLog::open(client, &topic.name, partitions, fold).await?;
        let leader = transactional_id.map(|id| LeaderWriter::new(client, &topic.name, id));
        Ok(Self { log, leader, state })
    }

    /// What is to be, as far as this worker has read.
    pub(crate) fn state(&self) -> Arc<ClusterState> {
        Arc::clone(&self.state.borrow())
    }

    /// Hears of every change of the state.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<ClusterState>> {
        self.state.clone()
    }

    /// Takes the lead: earlier leaders can write no more (with exactly-once sources), and what they wrote is in the state.
    ///
    /// # Errors
    /// `Retriable` when the broker cannot be asked in time.
    pub(crate) async fn claim(&self) -> Result<()> {
        if let Some(leader) = &self.leader {
            leader.claim().await?;
        }
        self.read_to_end().await
    }

    /// Writes records as the leader, in order, and waits until the state contains them.
    ///
    /// # Errors
    /// `Retriable` when they may not have been written; with [`broker_client::Error::Fenced`] inside when another leads now.
    pub(crate) async fn write(&self, records: &[ConfigRecord]) -> Result<()> {
        let Some(leader) = &self.leader else { return self.write_as_any(records).await };
        leader.write(&changes(records)).await?;
        self.log.read_to_end().await
    }

    /// Writes records that any worker may write, in order, and waits until the state contains them.
    ///
    /// # Errors
    /// `Retriable` when they may not have been written.
    pub(crate) async fn write_as_any(&self, records: &[ConfigRecord]) -> Result<()> {
        self.log.write(&changes(records)).await?;
        self.log.read_to_end().await
    }

    /// Waits until everything that is in the topic now is in the state.
    ///
    /// # Errors
    /// As [`TopicLog::read_to_end`].
    pub(crate) async fn read_to_end(&self) -> Result<()> {
        self.log.read_to_end().await
    }
}

fn changes(records: &[ConfigRecord]) -> Vec<Change> {
    let change = |record: &ConfigRecord| (record.key().into_bytes().into(), record.value().map(Into::into));
    records.iter().map(change).collect()
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
