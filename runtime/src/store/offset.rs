//! The offset store: how far sources got, by connector and source partition.
//!
//! Below the offsets of one connector (`connector_offsets`), which may lie in two such topics. Invariant: an offset that a reader gets
//! is the last one committed in the offsets topic when it asked: acknowledged, and not in a transaction that was aborted.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{Bytes, Error, FlatMap, Result};
use broker_client::Client;
use parking_lot::RwLock;

use super::internal_topic;
use super::offset_record::{parse_offset_key, parse_offset_value};
use super::topic_log::{Change, LogRecord, TopicLog};
use crate::config::InternalTopic;

type Offsets = Arc<RwLock<BTreeMap<Bytes, Bytes>>>;

/// The offsets topic, and what it comes to. Keys and values are kept as they came: one small map for all connectors.
#[derive(Debug)]
pub(crate) struct OffsetStore {
    log: TopicLog,
    offsets: Offsets,
}

impl OffsetStore {
    /// Makes or checks the topic that this option names, and reads it to its end.
    ///
    /// # Errors
    /// `BadConfig` when the topic cannot serve; else what the broker said.
    pub(crate) async fn open(client: &Client, topic: &InternalTopic, option: &'static str) -> Result<Self> {
        let partitions = internal_topic::ensure(client, topic, option).await?;
        let offsets = Offsets::default();
        let folded = Arc::clone(&offsets);
        let fold = Box::new(move |records: Vec<LogRecord>| {
            let mut offsets = folded.write();
            for LogRecord { key, value, .. } in records {
                // Copies, since a slice of a fetch would keep all of it.
                match value {
                    Some(value) => {
                        offsets.insert(Bytes::copy_from_slice(&key), Bytes::copy_from_slice(&value))
                    }
                    None => offsets.remove(&key),
                };
            }
        });
        let log = TopicLog::open(client, &topic.name, partitions, fold).await?;
        Ok(Self { log, offsets })
    }

    /// The topic's name.
    pub(crate) fn topic(&self) -> &str {
        self.log.topic()
    }

    /// Writes changes; returns once they are acknowledged.
    ///
    /// # Errors
    /// `Retriable` when they may not have been written.
    pub(crate) async fn write(&self, changes: &[Change]) -> Result<()> {
        self.log.write(changes).await
    }

    /// All offsets of a connector, by source partition.
    ///
    /// # Errors
    /// `Retriable` when the topic cannot be read.
    pub(crate) async fn of_connector(&self, connector: &str) -> Result<Vec<(FlatMap, FlatMap)>> {
        self.log.read_to_end().await?;
        let offsets = self.offsets.read();
        let mut found = Vec::new();
        for (key, value) in offsets.iter() {
            // What others wrote into the topic is not this connector's trouble.
            let Ok((name, partition)) = parse_offset_key(key) else { continue };
            if name != connector {
                continue;
            }
            let offset = parse_offset_value(value)
                .map_err(|problem| Error::fatal(format!("the stored offset of {connector}: {problem}")))?;
            found.push((partition, offset));
        }
        Ok(found)
    }

    /// The offset at a key of the topic.
    ///
    /// # Errors
    /// `Retriable` when the topic cannot be read; `Fatal` when what stands there is no offset.
    pub(crate) async fn at(&self, key: &Bytes) -> Result<Option<FlatMap>> {
        self.log.read_to_end().await?;
        let value = self.offsets.read().get(key).cloned();
        let parsed = value.map(|value| parse_offset_value(&value)).transpose();
        parsed.map_err(|problem| {
            Error::fatal(format!("the stored offset at {}: {problem}", String::from_utf8_lossy(key)))
        })
    }
}
