//! ListOffsets and OffsetForLeaderEpoch: where a partition begins and ends, and where a time is in it.

use std::sync::Arc;

use broker_protocol::{
    ErrorCode,
    batch::{Batch, InflateLimits},
    messages::{
        list_offsets::{
            ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
            ListOffsetsTopicResponse,
        },
        offset_for_leader_epoch::{
            EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
            OffsetForLeaderTopicResult,
        },
    },
};
use bytes::Bytes;

use super::errors::{explain, log_error_code};
use crate::{
    broker::State,
    log::{LogError, PartitionLog},
};

/// Special time stamps of the request, and the first version that has each. Nothing is tiered: all that is kept is local.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const NEWEST: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;
const SPECIAL_SINCE: [(i64, i16); 6] = [
    (LATEST, 1),
    (EARLIEST, 1),
    (NEWEST, 7),
    (EARLIEST_LOCAL, 8),
    (LATEST_TIERED, 9),
    (EARLIEST_PENDING_UPLOAD, 11),
];
const READ_COMMITTED: i8 = 1;

/// What all partitions of a request have in common.
#[derive(Clone, Copy, Debug)]
struct Look {
    version: i16,
    read_committed: bool,
}

/// Answers ListOffsets.
pub(in crate::server) async fn list_offsets(
    state: Arc<State>,
    request: ListOffsetsRequest,
    version: i16,
) -> ListOffsetsResponse {
    let look = Look { version, read_committed: request.isolation_level == READ_COMMITTED };
    let answered = tokio::task::spawn_blocking(move || {
        let topics = request.topics.into_iter().map(|topic| {
            let answer = |wanted| answer(&state, &topic.name, wanted, look);
            let partitions = topic.partitions.iter().map(answer).collect();
            ListOffsetsTopicResponse { name: topic.name, partitions }
        });
        topics.collect()
    });
    let topics = answered.await.unwrap_or_else(|error| {
        tracing::error!(%error, "listing offsets panicked");
        Vec::new()
    });
    ListOffsetsResponse { topics, ..ListOffsetsResponse::default() }
}

fn answer(
    state: &State,
    topic: &str,
    wanted: &ListOffsetsPartition,
    look: Look,
) -> ListOffsetsPartitionResponse {
    let partition_index = wanted.partition_index;
    let failed = |error_code| ListOffsetsPartitionResponse {
        partition_index,
        error_code,
        ..ListOffsetsPartitionResponse::default()
    };
    let Some(log) = state.topics.partition(topic, partition_index) else {
        return failed(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    };
    if wanted.current_leader_epoch > 0 {
        return failed(ErrorCode::UNKNOWN_LEADER_EPOCH);
    }
    match find(&log, wanted.timestamp, look) {
        Ok((timestamp, offset)) => ListOffsetsPartitionResponse {
            partition_index,
            timestamp,
            offset,
            leader_epoch: if offset >= 0 { 0 } else { -1 },
            ..ListOffsetsPartitionResponse::default()
        },
        Err(code) => failed(code),
    }
}

/// Time stamp and offset; -1 where there is none.
fn find(log: &PartitionLog, timestamp: i64, look: Look) -> Result<(i64, i64), ErrorCode> {
    if timestamp < 0
        && !SPECIAL_SINCE.iter().any(|(special, since)| *special == timestamp && *since <= look.version)
    {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    let offsets = log.offsets();
    let log_error = |error: LogError| {
        tracing::warn!(partition = log.name(), "cannot look up a time stamp: {}", explain(&error));
        log_error_code(&error)
    };
    let limit = if look.read_committed { offsets.last_stable } else { offsets.high_watermark };
    let batch = match timestamp {
        LATEST => return Ok((-1, limit)),
        EARLIEST | EARLIEST_LOCAL => return Ok((-1, offsets.start)),
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => return Ok((-1, -1)),
        NEWEST => log.newest_batch().map_err(log_error)?,
        at => log.batch_at_timestamp(at).map_err(log_error)?,
    };
    let Some(batch) = batch else { return Ok((-1, -1)) };
    let found = first_record(batch, timestamp, offsets.start).map_err(|error| {
        tracing::warn!(partition = log.name(), "cannot look up a time stamp: {error}");
        error.code()
    })?;
    Ok(if found.1 < limit { found } else { (-1, -1) })
}

/// The first record of the batch that is new enough; with [`NEWEST`], the first of those with the newest time stamp.
fn first_record(
    mut bytes: Bytes,
    timestamp: i64,
    start: i64,
) -> Result<(i64, i64), broker_protocol::batch::BatchError> {
    let batch = Batch::take(&mut bytes)?;
    let wanted = if timestamp == NEWEST { batch.header().max_timestamp } else { timestamp };
    for record in &batch.records(InflateLimits::default())? {
        let record = record?;
        if record.timestamp >= wanted && record.offset >= start {
            return Ok((record.timestamp, record.offset));
        }
    }
    Ok((-1, -1))
}

/// Answers OffsetForLeaderEpoch: the one epoch there is ends where the log ends.
pub(in crate::server) fn offset_for_leader_epoch(
    state: &State,
    request: &OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|wanted| {
            let partition = wanted.partition;
            let end = |error_code| EpochEndOffset { error_code, partition, ..EpochEndOffset::default() };
            match state.topics.partition(&topic.topic, partition) {
                None => end(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
                Some(_) if wanted.current_leader_epoch > 0 => end(ErrorCode::UNKNOWN_LEADER_EPOCH),
                Some(log) if wanted.leader_epoch == 0 => EpochEndOffset {
                    leader_epoch: 0,
                    end_offset: log.offsets().high_watermark,
                    ..end(ErrorCode::NONE)
                },
                Some(_) => end(ErrorCode::NONE),
            }
        });
        OffsetForLeaderTopicResult { topic: topic.topic.clone(), partitions: partitions.collect() }
    });
    OffsetForLeaderEpochResponse { topics: topics.collect(), ..OffsetForLeaderEpochResponse::default() }
}
