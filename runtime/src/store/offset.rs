//! The offset store: how far sources got, by connector and source partition.
//!
//! Source tasks read it at their start and commit to it; REST reads and alters it. Invariant: an offset that a reader gets is
//! the last one acknowledged in the offsets topic when it asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{Bytes, Error, FlatMap, OffsetReader, Result};
use async_trait::async_trait;
use broker_client::Client;
use parking_lot::RwLock;

use super::flat_json::first_nested;
use super::internal_topic;
use super::offset_record::{offset_key, offset_value, parse_offset_key, parse_offset_value};
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
    /// Makes or checks the topic, and reads it to its end.
    ///
    /// # Errors
    /// `BadConfig` when the topic cannot serve; else what the broker said.
    pub(crate) async fn open(client: &Client, topic: &InternalTopic) -> Result<Self> {
        let partitions = internal_topic::ensure(client, topic, "offset.storage.topic").await?;
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

    /// Writes offsets of a connector; `None` forgets one. Returns once they are acknowledged.
    ///
    /// # Errors
    /// `Retriable` when they may not have been written; `Fatal` when an offset is not flat.
    pub(crate) async fn write(
        &self,
        connector: &str,
        offsets: &[(Arc<FlatMap>, Option<FlatMap>)],
    ) -> Result<()> {
        let changes = offsets.iter().map(|(partition, offset)| change(connector, partition, offset.as_ref()));
        self.log.write(&changes.collect::<Result<Vec<_>>>()?).await
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

    /// A reader for the tasks of one connector.
    pub(crate) fn reader(self: &Arc<Self>, connector: &str) -> Arc<dyn OffsetReader> {
        Arc::new(ConnectorOffsets { store: Arc::clone(self), connector: connector.to_owned() })
    }
}

fn change(connector: &str, partition: &FlatMap, offset: Option<&FlatMap>) -> Result<Change> {
    let nested = first_nested(partition).or_else(|| offset.and_then(first_nested));
    if let Some(key) = nested {
        return Err(Error::fatal(format!(
            "the source offset of connector {connector} holds a nested value at \"{key}\": only plain values can be stored"
        )));
    }
    Ok((offset_key(connector, partition), offset.map(offset_value)))
}

struct ConnectorOffsets {
    store: Arc<OffsetStore>,
    connector: String,
}

#[async_trait]
impl OffsetReader for ConnectorOffsets {
    async fn offset(&self, partition: &FlatMap) -> Result<Option<FlatMap>> {
        self.store.log.read_to_end().await?;
        let key = offset_key(&self.connector, partition);
        let value = self.store.offsets.read().get(&key).cloned();
        let parsed = value.map(|value| parse_offset_value(&value)).transpose();
        parsed.map_err(|problem| {
            Error::fatal(format!("the stored offset at {}: {problem}", String::from_utf8_lossy(&key)))
        })
    }
}
