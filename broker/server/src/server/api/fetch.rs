//! Fetch: whole batches from many partitions, or a wait that costs nothing until there are some.
//!
//! The wait registers with every log before it looks at them, so that an append between the look and the wait wakes it.

use std::{sync::Arc, time::Duration};

use broker_protocol::{
    ErrorCode,
    messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData},
};
use bytes::Bytes;
use tokio::{sync::Notify, time::Instant};

use super::{errors::log_error_code, find_topic};
use crate::{
    broker::{State, now_ms},
    log::{LogOffsets, PartitionLog},
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
            Ok((_, offsets)) => readable |= source.partition.fetch_offset < offsets.high_watermark,
        }
    }
    if bytes_min <= 1 || !readable {
        return readable || bytes_min == 0;
    }
    let plan = plan.clone();
    let count = move || {
        let sources = plan.topics.iter().flatten();
        sources
            .filter_map(|source| Some(source.log.as_ref()?.available_bytes(source.partition.fetch_offset)))
            .sum()
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
            Err((code, offsets)) => return answer(plan, source, code, offsets, Bytes::new()),
        };
        let partition_max = usize::try_from(source.partition.partition_max_bytes).unwrap_or(0);
        match log.read(source.partition.fetch_offset, partition_max.min(left), !found_any) {
            Ok(batches) => {
                left = left.saturating_sub(batches.len());
                found_any |= !batches.is_empty();
                answer(plan, source, ErrorCode::NONE, Some(offsets), batches)
            }
            Err(error) => answer(plan, source, log_error_code(&error), Some(offsets), Bytes::new()),
        }
    };
    plan.topics.iter().map(|sources| sources.iter().map(&mut read).collect()).collect()
}

fn answer(
    plan: &Plan,
    source: &Source,
    error_code: ErrorCode,
    offsets: Option<LogOffsets>,
    batches: Bytes,
) -> PartitionData {
    let (high_watermark, start) = offsets.map_or((-1, -1), |offsets| (offsets.high_watermark, offsets.start));
    PartitionData {
        partition_index: source.partition.partition,
        error_code,
        high_watermark,
        last_stable_offset: high_watermark,
        log_start_offset: start,
        aborted_transactions: plan.read_committed.then(Vec::new),
        records: Some(batches),
        ..PartitionData::default()
    }
}
