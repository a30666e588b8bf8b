//! Produce: checks what came, appends it, and acknowledges it once it is as durable as the producer asked.
//!
//! acks=all waits for the fsync that all waiting producers of the partition share; acks=1 answers after the write (the fsync
//! follows at once, and consumers see the records after it); acks=0 has no answer.

use std::{sync::Arc, time::Duration};

use broker_protocol::{
    ErrorCode, Text, Uuid,
    batch::{Batch, BatchError, check_produced},
    messages::produce::{PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse},
};
use bytes::Bytes;

use super::{
    accept::accept,
    errors::{explain, log_error_code},
    find_topic,
    membership::Membership,
};
use crate::{
    broker::{State, now_ms},
    log::{Appended, LogConfig, LogError, PartitionLog},
    metrics::add,
    server::connection::Pace,
    topics::{Topic, side_by_side},
};

/// The first version with record batches of the format that is kept.
const VERSION_MIN: i16 = 3;
/// From this version on a client gets a new epoch with each transaction, and its partitions join by being written to (KIP-890).
const VERSION_EPOCH_BUMPS: i16 = 12;
const ACKS_ALL: i16 = -1;

/// Why a partition's records were not appended.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: ErrorCode,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn new(code: ErrorCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

impl From<LogError> for Refusal {
    fn from(error: LogError) -> Self {
        Self { code: log_error_code(&error), reason: explain(&error) }
    }
}

impl From<BatchError> for Refusal {
    fn from(error: BatchError) -> Self {
        Self { code: error.code(), reason: error.to_string() }
    }
}

/// One partition's part of the request, appended or refused.
#[derive(Debug)]
struct Part {
    index: i32,
    outcome: Result<Written, Refusal>,
}

#[derive(Debug)]
struct Written {
    log: Arc<PartitionLog>,
    appended: Appended,
    append_time_ms: i64,
}

/// A request whose records are written, or refused.
#[derive(Debug)]
pub(in crate::server) struct Pending {
    topics: Vec<(Text, Uuid, Vec<Part>)>,
    acks: i16,
    timeout: Duration,
}

/// Appends what the request brings; returns once all is written or refused. For a client that waits for this answer alone, the records
/// of one partition are then durable, too, if it asked for that.
pub(in crate::server) async fn append(
    state: Arc<State>,
    request: ProduceRequest,
    version: i16,
    pace: Pace,
) -> Pending {
    let (acks, timeout_ms) = (request.acks, request.timeout_ms);
    let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
    // A transaction may first have to be written down by its coordinator, which only threads that may block can do.
    if pace == Pace::Alone
        && acks == ACKS_ALL
        && request.transactional_id.is_none()
        && let Ok(_one_thread) = state.threads_to_block.try_acquire()
    {
        let topics = append_durably(&state, request, version);
        return Pending { topics, acks, timeout };
    }
    let names: Vec<_> = request.topic_data.iter().map(|topic| (topic.name.clone(), topic.topic_id)).collect();
    let appended = tokio::task::spawn_blocking(move || append_all(&state, request, version)).await;
    let topics = appended.unwrap_or_else(|error| {
        tracing::error!(%error, "appending panicked; the records are not acknowledged");
        names.into_iter().map(|(name, id)| (name, id, Vec::new())).collect()
    });
    Pending { topics, acks, timeout }
}

/// Appends on this thread and syncs on it, although that blocks it: each further thread would have to be woken first, which takes as long
/// as the fsync. There is always another thread that serves the other connections.
fn append_durably(state: &State, request: ProduceRequest, version: i16) -> Vec<(Text, Uuid, Vec<Part>)> {
    let log = only_partition(state, &request);
    let turn = log.as_deref().and_then(PartitionLog::take_flush_turn);
    let appended = append_all(state, request, version);
    drop(turn);
    appended
}

/// The log of a request with one partition; several are synced at once by the threads of the queue.
fn only_partition(state: &State, request: &ProduceRequest) -> Option<Arc<PartitionLog>> {
    let [data] = request.topic_data.as_slice() else { return None };
    let [partition] = data.partition_data.as_slice() else { return None };
    find_topic(state, &data.name, data.topic_id)?.partition(partition.index)
}

fn append_all(state: &State, request: ProduceRequest, version: i16) -> Vec<(Text, Uuid, Vec<Part>)> {
    let refused = check_request(&request, version);
    let transaction = Membership::of(state, &request, version);
    let terms = Terms { acks: request.acks, version, transaction };
    if refused.is_none() {
        prepare_new_partitions(state, &request);
    }
    let mut answers = Vec::with_capacity(request.topic_data.len());
    for data in request.topic_data {
        let topic = find_topic(state, &data.name, data.topic_id);
        let mut parts = Vec::with_capacity(data.partition_data.len());
        for partition in data.partition_data {
            let outcome = match (&refused, &topic) {
                (Some((code, reason)), _) => Err(Refusal::new(*code, *reason)),
                (None, None) => Err(unknown_topic(data.topic_id)),
                (None, Some(topic)) => append_one(state, &terms, topic, &partition),
            };
            parts.push(Part { index: partition.index, outcome });
        }
        answers.push((data.name, data.topic_id, parts));
    }
    answers
}

/// Who captures a database writes to hundreds of new partitions by one request: their folders are made side by side.
fn prepare_new_partitions(state: &State, request: &ProduceRequest) {
    let partitions = request.topic_data.iter().map(|data| data.partition_data.len()).sum::<usize>();
    if partitions < 2 {
        return;
    }
    let logs = request.topic_data.iter().flat_map(|data| {
        let topic = find_topic(state, &data.name, data.topic_id).filter(|topic| !topic.is_internal());
        data.partition_data.iter().filter_map(move |partition| topic.as_ref()?.partition(partition.index))
    });
    let new: Vec<_> = logs.filter(|log| !log.has_file()).collect();
    if new.len() > 1 {
        side_by_side(&new, |log| log.prepare_first_append());
    }
}

fn check_request(request: &ProduceRequest, version: i16) -> Option<(ErrorCode, &'static str)> {
    if version < VERSION_MIN {
        return Some((
            ErrorCode::UNSUPPORTED_VERSION,
            "only record batches (Produce version 3 on) are supported",
        ));
    }
    if !(-1..=1).contains(&request.acks) {
        return Some((ErrorCode::INVALID_REQUIRED_ACKS, "acks must be 0, 1 or all"));
    }
    None
}

fn unknown_topic(id: Uuid) -> Refusal {
    if id.is_zero() {
        Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "no such topic")
    } else {
        Refusal::new(ErrorCode::UNKNOWN_TOPIC_ID, "no topic has this id")
    }
}

/// What all partitions of a request have in common.
#[derive(Debug)]
struct Terms {
    acks: i16,
    version: i16,
    transaction: Membership,
}

fn append_one(
    state: &State,
    terms: &Terms,
    topic: &Topic,
    data: &broker_protocol::messages::produce::PartitionProduceData,
) -> Result<Written, Refusal> {
    if topic.is_internal() {
        return Err(Refusal::new(
            ErrorCode::INVALID_TOPIC_EXCEPTION,
            "only the broker writes to internal topics",
        ));
    }
    let no_partition = || Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "no such partition");
    let log = topic.partition(data.index).ok_or_else(no_partition)?;
    let config = log.config();
    if terms.acks == ACKS_ALL && config.min_insync_replicas > 1 {
        let reason = format!("min.insync.replicas is {}, but this broker is one", config.min_insync_replicas);
        return Err(Refusal::new(ErrorCode::NOT_ENOUGH_REPLICAS, reason));
    }
    let now = now_ms();
    let batch = check(&config, data.records.clone().unwrap_or_default(), now)?;
    // Held over the append: the transaction does not end in between.
    let _permit = terms.transaction.admit(state, &batch, &topic.name, data.index)?;
    let appended = if batch.header().is_transactional() && terms.version >= VERSION_EPOCH_BUMPS {
        log.append_with_epoch_bumps(&batch, now)?
    } else {
        log.append(&batch, now)?
    };
    if !appended.duplicate {
        add(&state.counters.records_in, u64::try_from(batch.header().record_count).unwrap_or(0));
    }
    Ok(Written { log, appended, append_time_ms: if config.log_append_time { now } else { -1 } })
}

/// Checks a batch as far as the topic needs: head and checksum always, records where the broker depends on them or where it
/// costs no inflating.
fn check(config: &LogConfig, records: Bytes, now_ms: i64) -> Result<Batch, Refusal> {
    if records.len() > config.max_message_bytes {
        let reason = format!(
            "The request included a batch of {} bytes, larger than max.message.bytes {}.",
            records.len(),
            config.max_message_bytes
        );
        return Err(Refusal::new(ErrorCode::MESSAGE_TOO_LARGE, reason));
    }
    let batch = check_produced(records)?;
    Ok(accept(batch, config, now_ms)?)
}

impl Pending {
    /// The first refusal, for a request that has no answer.
    pub(in crate::server) fn first_error(&self) -> Option<String> {
        let parts =
            self.topics.iter().flat_map(|(name, _, parts)| parts.iter().map(move |part| (name, part)));
        parts.filter_map(|(name, part)| Some((name, part, part.outcome.as_ref().err()?))).next().map(
            |(name, part, refusal)| format!("{name}-{}: {}: {}", part.index, refusal.code, refusal.reason),
        )
    }

    /// Waits until the records are as durable as was asked.
    pub(in crate::server) async fn acknowledge(self) -> ProduceResponse {
        let deadline = tokio::time::Instant::now() + self.timeout;
        let mut responses = Vec::with_capacity(self.topics.len());
        for (name, topic_id, parts) in self.topics {
            let mut partition_responses = Vec::with_capacity(parts.len());
            for part in parts {
                let outcome = match part.outcome {
                    Ok(written) if self.acks == ACKS_ALL => wait_durable(written, deadline).await,
                    other => other,
                };
                partition_responses.push(answer(part.index, outcome));
            }
            responses.push(TopicProduceResponse { name, topic_id, partition_responses });
        }
        ProduceResponse { responses, ..ProduceResponse::default() }
    }
}

async fn wait_durable(written: Written, deadline: tokio::time::Instant) -> Result<Written, Refusal> {
    let durable = written.log.durable(written.appended.last_offset + 1);
    match tokio::time::timeout_at(deadline, durable).await {
        Ok(Ok(())) => Ok(written),
        Ok(Err(error)) => Err(error.into()),
        Err(_elapsed) => Err(Refusal::new(
            ErrorCode::REQUEST_TIMED_OUT,
            "the fsync did not end within the request's timeout",
        )),
    }
}

fn answer(index: i32, outcome: Result<Written, Refusal>) -> PartitionProduceResponse {
    match outcome {
        Ok(Written { appended, append_time_ms, .. }) => PartitionProduceResponse {
            index,
            base_offset: appended.base_offset,
            log_append_time_ms: append_time_ms,
            log_start_offset: appended.start_offset,
            ..PartitionProduceResponse::default()
        },
        Err(refusal) => PartitionProduceResponse {
            index,
            error_code: refusal.code,
            base_offset: -1,
            error_message: Some(refusal.reason.into()),
            ..PartitionProduceResponse::default()
        },
    }
}
