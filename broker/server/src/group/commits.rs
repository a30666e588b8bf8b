//! Committed offsets on their way to the disk and back: `__consumer_offsets`, written first and shown afterwards.
//!
//! All changes of one request are one batch, so a crash keeps all of them or none.

use std::sync::Arc;

use broker_protocol::{
    ErrorCode,
    batch::{Batch, BatchBuilder, BatchFields, InflateLimits},
};
use bytes::Bytes;

use super::{
    coordinator::Coordinator,
    loading::LoadedGroups,
    offsets::{CommittedOffset, OffsetKey, OffsetTable},
    records,
};
use crate::{
    broker::{State, now_ms},
    log::{LogError, PartitionLog},
    topics::{OFFSETS_TOPIC, TopicError, Topics, options::TopicConfigs},
};

/// Bytes of offset records read at a time while they are loaded.
const LOAD_BYTES: usize = 1024 * 1024;
/// Segments of the offsets topic are small, so that compaction gets to them soon (as in Kafka).
const OFFSETS_SEGMENT_BYTES: &str = "104857600";

type CommitError = Box<dyn std::error::Error + Send + Sync>;

impl Coordinator {
    /// Writes commits (and deletions) as one batch, so that all of them count or none; returns once they are on disk and seen.
    pub(crate) async fn commit(
        state: &Arc<State>,
        changes: Vec<(OffsetKey, Option<CommittedOffset>)>,
    ) -> ErrorCode {
        if changes.is_empty() {
            return ErrorCode::NONE;
        }
        if state.groups.failure().is_some() {
            return ErrorCode::COORDINATOR_NOT_AVAILABLE;
        }
        // A task of its own: a client that hangs up must not leave the table behind the log.
        let work = tokio::spawn(write_commits(Arc::clone(state), changes));
        match work.await {
            Ok(Ok(())) => ErrorCode::NONE,
            Ok(Err(error)) => {
                tracing::warn!("cannot store committed offsets: {error}");
                ErrorCode::COORDINATOR_NOT_AVAILABLE
            }
            Err(error) => {
                tracing::error!(%error, "storing committed offsets panicked");
                ErrorCode::UNKNOWN_SERVER_ERROR
            }
        }
    }
}

/// The log of committed offsets. One partition, not Kafka's fifty: there is one coordinator, and commits share their fsync.
pub(super) fn offsets_log(topics: &Topics) -> Result<Arc<PartitionLog>, TopicError> {
    let configs = [("cleanup.policy", "compact"), ("segment.bytes", OFFSETS_SEGMENT_BYTES)];
    let configs: TopicConfigs = configs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let topic = topics.get_or_create(OFFSETS_TOPIC, 1, configs)?;
    topic.partition(0).ok_or_else(|| TopicError::Unknown(OFFSETS_TOPIC.to_owned()))
}

async fn write_commits(
    state: Arc<State>,
    changes: Vec<(OffsetKey, Option<CommittedOffset>)>,
) -> Result<(), CommitError> {
    let batch = encode(&changes)?;
    let shared = Arc::clone(&state);
    let appended = tokio::task::spawn_blocking(move || -> Result<_, TopicError> {
        let log = offsets_log(&shared.topics)?;
        let appended = log.append(&batch, now_ms())?;
        Ok((log, appended))
    });
    let (log, appended) = appended.await??;
    log.durable(appended.last_offset + 1).await?;
    let mut offsets = state.groups.offsets.lock();
    for (record_offset, (key, committed)) in (appended.base_offset..).zip(changes) {
        offsets.apply(key, committed, record_offset);
    }
    Ok(())
}

fn encode(changes: &[(OffsetKey, Option<CommittedOffset>)]) -> Result<Batch, CommitError> {
    let mut builder = BatchBuilder::new(1024);
    for (key, committed) in changes {
        let key_bytes =
            records::encode_key(key).ok_or_else(|| format!("{key:?} is too long to be stored"))?;
        let value = match committed {
            None => None,
            Some(committed) => {
                let encoded = records::encode_value(committed);
                Some(encoded.ok_or_else(|| format!("the metadata of {key:?} is too long to be stored"))?)
            }
        };
        builder.append(now_ms(), Some(&key_bytes), value.as_deref(), &[])?;
    }
    let (batch, _) = builder.finish(&BatchFields::default())?;
    Ok(Batch::take(&mut Bytes::from(batch))?)
}

/// Reads all records of an offsets log.
pub(super) fn load(
    log: &PartitionLog,
    offsets: &mut OffsetTable,
    groups: &mut LoadedGroups,
) -> Result<(), LogError> {
    let reach = log.offsets();
    let mut next = reach.start;
    while next < reach.high_watermark {
        let mut bytes = log.read(next, LOAD_BYTES, true)?;
        if bytes.is_empty() {
            break;
        }
        while !bytes.is_empty() {
            let corrupt = |reason: String| LogError::Corrupt {
                path: log.name().into(),
                position: u64::try_from(next).unwrap_or(0),
                reason: format!("offset {next}: {reason}"),
            };
            let batch = Batch::take(&mut bytes).map_err(|error| corrupt(error.to_string()))?;
            let records =
                batch.records(InflateLimits::default()).map_err(|error| corrupt(error.to_string()))?;
            for record in &records {
                let record = record.map_err(|error| corrupt(error.to_string()))?;
                groups.apply(record.key, record.value);
                let Some(key) = record.key.and_then(records::decode_key) else { continue };
                offsets.apply(key, record.value.and_then(records::decode_value), record.offset);
            }
            next = batch.header().next_offset();
        }
        offsets.settle(i64::MAX);
    }
    Ok(())
}
