//! `__transaction_state`: where transactional ids rest. One record an id, the newest counts; a record without value forgets the id.

use std::{collections::HashMap, sync::Arc};

use broker_protocol::batch::{Batch, BatchBuilder, BatchFields, InflateLimits};
use bytes::Bytes;
use tokio::runtime::Handle;

use super::{records, transaction::Transaction};
use crate::{
    broker::now_ms,
    log::{LogError, PartitionLog},
    topics::{TRANSACTIONS_TOPIC, TopicError, Topics, options::TopicConfigs},
};

/// Segments are small, so that compaction gets to them soon (as in Kafka).
const SEGMENT_BYTES: &str = "104857600";

/// Why a state could not be written; nobody acts on it.
pub(super) type StoreError = Box<dyn std::error::Error + Send + Sync>;

/// The log. One partition, not Kafka's fifty: there is one coordinator, and its writes share their fsync.
fn state_log(topics: &Topics) -> Result<Arc<PartitionLog>, TopicError> {
    let configs = [("cleanup.policy", "compact"), ("segment.bytes", SEGMENT_BYTES)];
    let configs: TopicConfigs = configs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let topic = topics.get_or_create(TRANSACTIONS_TOPIC, 1, configs)?;
    topic.partition(0).ok_or_else(|| TopicError::Unknown(TRANSACTIONS_TOPIC.to_owned()))
}

/// Appends a state; it is on disk at the latest when something behind it is. Blocks on the disk.
pub(super) fn append(
    topics: &Topics,
    id: &str,
    transaction: Option<&Transaction>,
) -> Result<(Arc<PartitionLog>, i64), StoreError> {
    let value = transaction.map(records::encode_value).transpose()?;
    let mut builder = BatchBuilder::new(256);
    builder.append(now_ms(), Some(&records::encode_key(id)?), value.as_deref(), &[])?;
    let (batch, _) = builder.finish(&BatchFields::default())?;
    let log = state_log(topics)?;
    let appended = log.append(&Batch::take(&mut Bytes::from(batch))?, now_ms())?;
    Ok((log, appended.last_offset + 1))
}

/// Writes a state; it is on disk when this returns. Syncs on this thread unless another one is at it: nobody has to be woken for that.
/// Blocks on the disk; only for threads that may.
pub(super) fn write(topics: &Topics, id: &str, transaction: Option<&Transaction>) -> Result<(), StoreError> {
    let log = state_log(topics)?;
    let turn = log.take_flush_turn();
    let (_, end) = append(topics, id, transaction)?;
    drop(turn);
    Ok(Handle::current().block_on(log.durable(end))?)
}

/// Reads all transactional ids. Blocks on the disk.
pub(super) fn load(topics: &Topics) -> Result<HashMap<String, Transaction>, LogError> {
    let mut transactions = HashMap::new();
    if let Some(topic) = topics.get(TRANSACTIONS_TOPIC) {
        topic.partitions().iter().try_for_each(|log| log.replay(|batch| apply(batch, &mut transactions)))?;
    }
    Ok(transactions)
}

fn apply(batch: &Batch, transactions: &mut HashMap<String, Transaction>) -> Result<(), StoreError> {
    if batch.header().is_control() {
        return Ok(());
    }
    for record in &batch.records(InflateLimits::default())? {
        let record = record?;
        let Some(id) = record.key.map(records::decode_key).transpose()?.flatten() else { continue };
        match record.value {
            None => transactions.remove(&id),
            Some(value) => transactions.insert(id, records::decode_value(value)?),
        };
    }
    Ok(())
}
