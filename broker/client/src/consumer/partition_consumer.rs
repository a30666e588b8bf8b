//! Reads partitions of one's choice, from offsets of one's choice, without a group.

use super::fetcher::Fetcher;
use crate::client::Client;
use crate::config::ConsumerConfig;
use crate::error::Result;
use crate::types::{FetchedRecords, TopicPartition};

/// A reader of chosen partitions. Fetching goes on in the background, one answer ahead.
#[derive(Debug)]
pub struct PartitionConsumer {
    fetcher: Fetcher,
}

impl PartitionConsumer {
    /// Reads each partition from its offset on; -2 is the beginning and -1 the end (as in Kafka's ListOffsets).
    /// Must be used within a Tokio runtime.
    pub fn assign(client: &Client, partitions: Vec<(TopicPartition, i64)>, config: ConsumerConfig) -> Self {
        let mut fetcher = Fetcher::new(client, config);
        fetcher.assign(partitions.into_iter().map(|(partition, offset)| (partition, Some(offset))));
        Self { fetcher }
    }

    /// Waits for records. An empty answer means that an answer without records came (after `fetch_wait` at the latest, while
    /// the brokers answer): a moment to look at [`Self::position`]. Connections that break are tried again without end;
    /// errors that need a decision come out, and the next call goes on where this one stood. Cancel-safe.
    pub async fn poll(&mut self) -> Result<Vec<FetchedRecords>> {
        self.fetcher.poll().await
    }

    /// Goes on at another offset (-2 and -1 as in [`Self::assign`]); what was fetched ahead is dropped.
    pub fn seek(&mut self, partition: &TopicPartition, offset: i64) {
        self.fetcher.seek(partition, offset);
    }

    /// Fetches nothing of these until they are resumed; what was fetched ahead is kept.
    pub fn pause(&mut self, partitions: &[TopicPartition]) {
        self.fetcher.pause(partitions, true);
    }

    /// See [`Self::pause`].
    pub fn resume(&mut self, partitions: &[TopicPartition]) {
        self.fetcher.pause(partitions, false);
    }

    /// The offset to be read next: behind the last record handed out, and behind markers and gaps after it. `None` while it is being
    /// looked up.
    pub fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.fetcher.position(partition)
    }

    /// The offset behind the last record that all replicas have, as of the last answer.
    pub fn high_watermark(&self, partition: &TopicPartition) -> Option<i64> {
        self.fetcher.high_watermark(partition)
    }

    /// How many records each partition is behind, where that is known.
    pub fn lag(&self) -> Vec<(TopicPartition, i64)> {
        self.fetcher.lag()
    }
}
