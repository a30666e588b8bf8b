//! The offsets of one connector: in the worker's offsets topic, or in one of its own with the worker's as a backup.
//!
//! Source tasks read and commit here; REST reads and alters. Source: `ConnectorOffsetBackingStore`. A topic of its own
//! (`offsets.storage.topic`) counts first; what is missing there is looked for in the worker's. Invariants: what a reader gets was
//! committed before it asked; an offset that was deleted does not come back out of the backup.

use std::sync::Arc;

use api::{Error, FlatMap, OffsetReader, Result};
use async_trait::async_trait;

use super::OffsetStore;
use super::flat_json::first_nested;
use super::offset_record::{offset_key, offset_value};
use super::topic_log::Change;

/// The offsets of one connector.
#[derive(Debug, Clone)]
pub(crate) struct ConnectorOffsets {
    connector: String,
    /// The connector's own topic, if it has one.
    own: Option<Arc<OffsetStore>>,
    worker: Arc<OffsetStore>,
}

impl ConnectorOffsets {
    /// The offsets of a connector in its own topic, if it has one, and in the worker's.
    pub(crate) fn new(connector: &str, own: Option<OffsetStore>, worker: &Arc<OffsetStore>) -> Self {
        Self { connector: connector.to_owned(), own: own.map(Arc::new), worker: Arc::clone(worker) }
    }

    fn primary(&self) -> &OffsetStore {
        self.own.as_ref().unwrap_or(&self.worker)
    }

    /// The topic that counts first: the one that transactions write to.
    pub(crate) fn topic(&self) -> &str {
        self.primary().topic()
    }

    /// The records of these offsets; `None` deletes one.
    ///
    /// # Errors
    /// `Fatal` when an offset is not flat.
    pub(crate) fn changes<'a>(
        &self,
        offsets: impl IntoIterator<Item = (&'a FlatMap, Option<FlatMap>)>,
    ) -> Result<Vec<Change>> {
        offsets
            .into_iter()
            .map(|(partition, offset)| change(&self.connector, partition, offset.as_ref()))
            .collect()
    }

    /// Writes changes; returns once they count.
    ///
    /// # Errors
    /// `Retriable` when they may not have been written.
    pub(crate) async fn write(&self, changes: &[Change]) -> Result<()> {
        if self.own.is_some() {
            let deleted: Vec<_> = changes.iter().filter(|(_, value)| value.is_none()).cloned().collect();
            if !deleted.is_empty() {
                self.worker.write(&deleted).await?;
            }
        }
        self.primary().write(changes).await?;
        self.back_up(changes);
        Ok(())
    }

    /// Copies changes that count into the worker's topic, as well as that can be done.
    pub(crate) fn back_up(&self, changes: &[Change]) {
        if self.own.is_none() {
            return;
        }
        let kept: Vec<_> = changes.iter().filter(|(_, value)| value.is_some()).cloned().collect();
        let (worker, connector) = (Arc::clone(&self.worker), self.connector.clone());
        tokio::spawn(async move {
            if let Err(error) = worker.write(&kept).await {
                tracing::warn!(connector, %error, "offsets are in the connector's own topic, but not in the worker's");
            }
        });
    }

    /// All offsets, by source partition.
    ///
    /// # Errors
    /// `Retriable` when a topic cannot be read.
    pub(crate) async fn all(&self) -> Result<Vec<(FlatMap, FlatMap)>> {
        let mut found = self.worker.of_connector(&self.connector).await?;
        if let Some(own) = &self.own {
            for (partition, offset) in own.of_connector(&self.connector).await? {
                found.retain(|(known, _)| *known != partition);
                found.push((partition, offset));
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl OffsetReader for ConnectorOffsets {
    async fn offset(&self, partition: &FlatMap) -> Result<Option<FlatMap>> {
        let key = offset_key(&self.connector, partition);
        if let Some(own) = &self.own
            && let Some(offset) = own.at(&key).await?
        {
            return Ok(Some(offset));
        }
        self.worker.at(&key).await
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
