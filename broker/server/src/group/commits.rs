//! Committed offsets on their way to the disk and back: `__consumer_offsets`, written first and shown afterwards.
//!
//! All changes of one request are one batch, so a crash keeps all of them or none. Commits within a transaction are a transactional batch of
//! its producer, and count from the transaction's marker on, here as in the log.

use std::sync::Arc;

use broker_protocol::{
    ErrorCode,
    batch::{Batch, BatchBuilder, BatchError, BatchFields, InflateLimits},
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
    transactions::{AppendPermit, ProducerIdentity},
};

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
        stored(tokio::spawn(write_commits(Arc::clone(state), changes, None)).await)
    }

    /// Writes commits within a transaction; they count once it is committed. The permit keeps the transaction from ending before they are seen as pending.
    pub(crate) async fn commit_in_transaction(
        state: &Arc<State>,
        commits: Vec<(OffsetKey, CommittedOffset)>,
        producer: ProducerIdentity,
        permit: AppendPermit,
    ) -> ErrorCode {
        if commits.is_empty() {
            return ErrorCode::NONE;
        }
        let changes = commits.into_iter().map(|(key, committed)| (key, Some(committed))).collect();
        let shared = Arc::clone(state);
        let work = tokio::spawn(async move {
            let written = write_commits(shared, changes, Some(producer)).await;
            drop(permit);
            written
        });
        stored(work.await)
    }

    /// A transaction has ended, and its marker is on disk.
    pub(crate) fn end_transaction(&self, producer_id: i64, commit: bool) {
        self.offsets.lock().end_transaction(producer_id, commit);
    }

    /// Whether a transaction that has not ended holds a commit for this partition.
    pub(crate) fn is_pending(&self, group: &str, topic: &str, partition: i32) -> bool {
        let key = OffsetKey { group: group.to_owned(), topic: topic.to_owned(), partition };
        self.offsets.lock().is_pending(&key)
    }
}

fn stored(written: Result<Result<(), CommitError>, tokio::task::JoinError>) -> ErrorCode {
    match written {
        Ok(Ok(())) => ErrorCode::NONE,
        Ok(Err(error)) => {
            tracing::warn!("cannot store committed offsets: {error}");
            let fenced = matches!(error.downcast_ref(), Some(LogError::InvalidProducerEpoch { .. }));
            if fenced { ErrorCode::INVALID_PRODUCER_EPOCH } else { ErrorCode::COORDINATOR_NOT_AVAILABLE }
        }
        Err(error) => {
            tracing::error!(%error, "storing committed offsets panicked");
            ErrorCode::UNKNOWN_SERVER_ERROR
        }
    }
}

/// Makes sure that there is a log for committed offsets, so that a transaction can take it in. Blocks on the disk.
pub(crate) fn ensure_offsets_log(topics: &Topics) -> Result<(), TopicError> {
    offsets_log(topics).map(|_| ())
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
    transaction: Option<ProducerIdentity>,
) -> Result<(), CommitError> {
    let batch = encode(&changes, transaction)?;
    let shared = Arc::clone(&state);
    let appended = tokio::task::spawn_blocking(move || -> Result<_, CommitError> {
        let log = offsets_log(&shared.topics)?;
        let appended = log.append(&batch, now_ms())?;
        Ok((log, appended))
    });
    let (log, appended) = appended.await??;
    log.durable(appended.last_offset + 1).await?;
    let mut offsets = state.groups.offsets.lock();
    for (record_offset, (key, committed)) in (appended.base_offset..).zip(changes) {
        match (transaction, committed) {
            (Some(producer), Some(committed)) => {
                offsets.apply_pending(producer.id, key, committed, record_offset);
            }
            (_, committed) => offsets.apply(key, committed, record_offset),
        }
    }
    Ok(())
}

fn encode(
    changes: &[(OffsetKey, Option<CommittedOffset>)],
    transaction: Option<ProducerIdentity>,
) -> Result<Batch, CommitError> {
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
    let fields = match transaction {
        None => BatchFields::default(),
        // Without sequence, as Kafka writes them: the coordinator does not send twice.
        Some(ProducerIdentity { id: producer_id, epoch: producer_epoch }) => {
            BatchFields { producer_id, producer_epoch, is_transactional: true, ..BatchFields::default() }
        }
    };
    let (batch, _) = builder.finish(&fields)?;
    Ok(Batch::take(&mut Bytes::from(batch))?)
}

/// Reads all records of an offsets log.
pub(super) fn load(
    log: &PartitionLog,
    offsets: &mut OffsetTable,
    groups: &mut LoadedGroups,
) -> Result<(), LogError> {
    log.replay(|batch| {
        replay(batch, offsets, groups)?;
        // What was read is in order: no deletion is overtaken by a commit before it.
        offsets.settle(i64::MAX);
        Ok::<(), BatchError>(())
    })
}

/// Does what a batch says: commits and deletions, commits within a transaction, or the end of one.
fn replay(batch: &Batch, offsets: &mut OffsetTable, groups: &mut LoadedGroups) -> Result<(), BatchError> {
    let header = batch.header();
    for record in &batch.records(InflateLimits::default())? {
        let record = record?;
        if header.is_control() {
            if let Some(commit) = record.key.and_then(marker_outcome) {
                offsets.end_transaction(header.producer_id, commit);
            }
            continue;
        }
        groups.apply(record.key, record.value);
        let Some(key) = record.key.and_then(records::decode_key) else { continue };
        match record.value.and_then(records::decode_value) {
            Some(committed) if header.is_transactional() => {
                offsets.apply_pending(header.producer_id, key, committed, record.offset);
            }
            committed => offsets.apply(key, committed, record.offset),
        }
    }
    Ok(())
}

/// What a marker's key says: true for commit. Markers of other kinds end no transaction.
fn marker_outcome(key: &[u8]) -> Option<bool> {
    match key {
        [_, _, 0, 0, ..] => Some(false),
        [_, _, 0, 1, ..] => Some(true),
        _ => None,
    }
}
