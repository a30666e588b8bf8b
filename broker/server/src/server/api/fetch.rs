//! Fetch: whole batches from many partitions, or a wait that costs nothing until there are some.
//!
//! The wait registers with every log before it looks at them, so that an append between the look and the wait wakes it. Who reads
//! committed records sees nothing beyond the last stable offset, and is told which of what he gets was aborted.

use std::{sync::Arc, time::Duration};

use broker_protocol::{
    ErrorCode,
    batch::BatchHeader,
    messages::fetch::{
        AbortedTransaction, FetchPartition, FetchRequest, FetchResponse, FetchableTopicResponse,
        PartitionData,
    },
};
use bytes::Bytes;
use tokio::{sync::Notify, time::Instant};

use super::{errors::log_error_code, find_topic};
use crate::{
    broker::{State, now_ms},
    log::{LogError, LogOffsets, PartitionLog},
};

/// There is only one leader, and it is in its first epoch.
const LEADER_EPOCH: i32 = 0;
const READ_COMMITTED: i8 = 1;

/// One partition to read.
#[derive(Clone, Debug)]
struct Source {
    log: Option<Arc<PartitionLog>>,
    unknown: ErrorCode,
    partition: FetchPartition,
}

#[derive(Clone, Debug)]
struct Plan {
    /// In the order of the request: sources per topic.
    topics: Arc<Vec<Vec<Source>>>,
    bytes_max: usize,
    read_committed: bool,
}

impl Plan {
    /// The offset that readers do not get beyond.
    fn limit(&self, offsets: &LogOffsets) -> i64 {
        if self.read_committed { offsets.last_stable } else { offsets.high_watermark }
    }
}

/// What was read of a partition.
#[derive(Debug, Default)]
struct Found {
    batches: Bytes,
    aborted: Vec<AbortedTransaction>,
}

/// Answers a fetch once there is enough, or the time is up.
pub(in crate::server) async fn fetch(
    state: Arc<State>,
    mut request: FetchRequest,
    version: i16,
) -> FetchResponse {
    let context = match state.fetch_sessions.begin(&mut request, version, now_ms()) {
        Ok(context) => context,
        Err(error_code) => return FetchResponse { error_code, ..FetchResponse::default() },
    };
    let plan = plan(&state, &request, version);
    wait(&state, &plan, &request).await;
    let reading = plan.clone();
    let data = match tokio::task::spawn_blocking(move || read_all(&reading)).await {
        Ok(data) => data,
        Err(error) => {
            tracing::error!(%error, "reading panicked");
            return FetchResponse { error_code: ErrorCode::UNKNOWN_SERVER_ERROR, ..FetchResponse::default() };
        }
    };
    let responses = request.topics.iter().zip(data).map(|(topic, partitions)| FetchableTopicResponse {
        topic: topic.topic.clone(),
        topic_id: topic.topic_id,
        partitions,
    });
    let mut response = FetchResponse { responses: responses.collect(), ..FetchResponse::default() };
    let at = (version, now_ms(), random_id());
    state.fetch_sessions.finish(context, &request.topics, &mut response, at);
    response
}

/// An id for a session that nobody guesses by counting.
fn random_id() -> i32 {
    let [a, b, c, d, ..] = *uuid::Uuid::new_v4().as_bytes();
    i32::from_be_bytes([a & 0x7f, b, c, d])
}

fn plan(state: &State, request: &FetchRequest, version: i16) -> Plan {
    let unknown =
        if version >= 13 { ErrorCode::UNKNOWN_TOPIC_ID } else { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION };
    let topics = request.topics.iter().map(|wanted| {
        let topic = find_topic(state, &wanted.topic, wanted.topic_id);
        let source = |partition: &FetchPartition| Source {
            log: topic.as_ref().and_then(|topic| topic.partition(partition.partition)),
            unknown: if topic.is_some() { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION } else { unknown },
            partition: partition.clone(),
        };
        wanted.partitions.iter().map(source).collect()
    });
    let asked = usize::try_from(request.max_bytes).unwrap_or(0);
    Plan {
        topics: Arc::new(topics.collect()),
        bytes_max: asked.min(state.config.fetch_bytes_max),
        read_committed: request.isolation_level == READ_COMMITTED,
    }
}

/// Waits until the fetch has something to say.
async fn wait(state: &State, plan: &Plan, request: &FetchRequest) {
    let deadline = Instant::now() + Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let bytes_min = u64::try_from(request.min_bytes).unwrap_or(0);
    let woken = Arc::new(Notify::new());
    loop {
        for source in plan.topics.iter().flatten() {
            if let Some(log) = &source.log {
                log.notify_on_append(&woken);
            }
        }
        if is_ready(plan, bytes_min).await {
            return;
        }
        tokio::select! {
            () = woken.notified() => {}
            () = tokio::time::sleep_until(deadline) => return,
            () = state.shutdown.cancelled() => return,
        }
    }
}

/// Whether there is enough to read, or an error to report.
async fn is_ready(plan: &Plan, bytes_min: u64) -> bool {
    let mut readable = false;
    for source in plan.topics.iter().flatten() {
        match check(source) {
            Err(_) => return true,
            Ok((_, offsets)) => readable |= source.partition.fetch_offset < plan.limit(&offsets),
        }
    }
    if bytes_min <= 1 || !readable {
        return readable || bytes_min == 0;
    }
    let plan = plan.clone();
    let count = move || {
        let available = |source: &Source| {
            let log = source.log.as_ref()?;
            Some(log.available_bytes(source.partition.fetch_offset, plan.limit(&log.offsets())))
        };
        plan.topics.iter().flatten().filter_map(available).sum()
    };
    let available: u64 = tokio::task::spawn_blocking(count).await.unwrap_or(u64::MAX);
    available >= bytes_min
}

/// Why a partition cannot be read, and how far it reaches if it is there.
type Unreadable = (ErrorCode, Option<LogOffsets>);

/// The log and how far it reaches, or why the partition cannot be read.
fn check(source: &Source) -> Result<(&Arc<PartitionLog>, LogOffsets), Unreadable> {
    let log = source.log.as_ref().ok_or((source.unknown, None))?;
    let (offsets, wanted) = (log.offsets(), &source.partition);
    if wanted.current_leader_epoch > LEADER_EPOCH {
        return Err((ErrorCode::UNKNOWN_LEADER_EPOCH, Some(offsets)));
    }
    if !(offsets.start..=offsets.end).contains(&wanted.fetch_offset) {
        return Err((ErrorCode::OFFSET_OUT_OF_RANGE, Some(offsets)));
    }
    Ok((log, offsets))
}

/// Reads all partitions within the limits. The first batch found is returned whatever its size, so that a consumer gets past it.
fn read_all(plan: &Plan) -> Vec<Vec<PartitionData>> {
    let mut left = plan.bytes_max;
    let mut found_any = false;
    let mut read = |source: &Source| {
        let (log, offsets) = match check(source) {
            Ok(found) => found,
            Err((code, offsets)) => return answer(plan, source, code, offsets, Found::default()),
        };
        let partition_max = usize::try_from(source.partition.partition_max_bytes).unwrap_or(0);
        let bytes_max = partition_max.min(left);
        match read_one(plan, log, &offsets, source.partition.fetch_offset, (bytes_max, !found_any)) {
            Ok(found) => {
                left = left.saturating_sub(found.batches.len());
                found_any |= !found.batches.is_empty();
                answer(plan, source, ErrorCode::NONE, Some(offsets), found)
            }
            Err(error) => answer(plan, source, log_error_code(&error), Some(offsets), Found::default()),
        }
    };
    plan.topics.iter().map(|sources| sources.iter().map(&mut read).collect()).collect()
}

/// Reads from one log, within `offsets` as they were looked at: what is decided later is not told of here.
fn read_one(
    plan: &Plan,
    log: &PartitionLog,
    offsets: &LogOffsets,
    from: i64,
    (bytes_max, at_least_one): (usize, bool),
) -> Result<Found, LogError> {
    if !plan.read_committed {
        return Ok(Found { batches: log.read(from, bytes_max, at_least_one)?, aborted: Vec::new() });
    }
    let batches = log.read_until(from, offsets.last_stable, bytes_max, at_least_one)?;
    let aborted = log.aborted_transactions(from, end_of(&batches).unwrap_or(from))?;
    let aborted = aborted.into_iter().map(|aborted| AbortedTransaction {
        producer_id: aborted.producer_id,
        first_offset: aborted.first_offset,
    });
    Ok(Found { aborted: aborted.collect(), batches })
}

/// The offset behind the batches, which were checked when they were read.
fn end_of(batches: &Bytes) -> Option<i64> {
    let (mut position, mut end) = (0, None);
    while let Some(rest) = batches.get(position..)
        && let Ok(header) = BatchHeader::read(rest)
    {
        position += header.size;
        end = Some(header.next_offset());
    }
    end
}

fn answer(
    plan: &Plan,
    source: &Source,
    error_code: ErrorCode,
    offsets: Option<LogOffsets>,
    found: Found,
) -> PartitionData {
    let offset = |of: fn(LogOffsets) -> i64| offsets.map_or(-1, of);
    PartitionData {
        partition_index: source.partition.partition,
        error_code,
        high_watermark: offset(|offsets| offsets.high_watermark),
        last_stable_offset: offset(|offsets| offsets.last_stable),
        log_start_offset: offset(|offsets| offsets.start),
        aborted_transactions: plan.read_committed.then_some(found.aborted),
        records: Some(found.batches),
        ..PartitionData::default()
    }
}
