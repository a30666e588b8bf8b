//! DescribeLogDirs: how large the partitions are, and how much room the one log directory has.

use std::{collections::HashSet, path::Path, sync::Arc};

use broker_protocol::{
    ErrorCode,
    messages::describe_log_dirs::{
        DescribableLogDirTopic, DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse,
        DescribeLogDirsResult, DescribeLogDirsTopic,
    },
};

use super::errors::explain;
use crate::{broker::State, log::PartitionLog, topics::Topic};

/// Answers DescribeLogDirs. Asks the file system, which may block.
pub(in crate::server) async fn describe(
    state: Arc<State>,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let described = tokio::task::spawn_blocking(move || describe_directory(&state, &request)).await;
    match described {
        Ok(result) => DescribeLogDirsResponse { results: vec![result], ..DescribeLogDirsResponse::default() },
        Err(error) => {
            tracing::error!(%error, "describing the log directory panicked");
            DescribeLogDirsResponse {
                error_code: ErrorCode::UNKNOWN_SERVER_ERROR,
                ..DescribeLogDirsResponse::default()
            }
        }
    }
}

fn describe_directory(state: &State, request: &DescribeLogDirsRequest) -> DescribeLogDirsResult {
    let directory = state.topics.directory();
    let log_dir = std::path::absolute(directory.path()).unwrap_or_else(|_| directory.path().to_owned());
    let log_dir = log_dir.display().to_string().into();
    if let Err(error) = directory.check() {
        tracing::warn!("described an offline log directory: {error}");
        let error_code = ErrorCode::KAFKA_STORAGE_ERROR;
        return DescribeLogDirsResult { error_code, log_dir, ..DescribeLogDirsResult::default() };
    }
    let topics = match &request.topics {
        None => state.topics.all().iter().map(|topic| describe_topic(topic, None)).collect(),
        Some(wanted) => wanted.iter().filter_map(|wanted| describe_wanted(state, wanted)).collect(),
    };
    let (total_bytes, usable_bytes) = room(directory.path());
    DescribeLogDirsResult { log_dir, topics, total_bytes, usable_bytes, ..DescribeLogDirsResult::default() }
}

fn describe_wanted(state: &State, wanted: &DescribableLogDirTopic) -> Option<DescribeLogDirsTopic> {
    // As in Kafka, what is not here is left out.
    let partitions = wanted.partitions.iter().copied().collect();
    let described = describe_topic(&*state.topics.get(&wanted.topic)?, Some(&partitions));
    (!described.partitions.is_empty()).then_some(described)
}

fn describe_topic(topic: &Topic, wanted: Option<&HashSet<i32>>) -> DescribeLogDirsTopic {
    let describe = |(partition_index, log): (i32, &Arc<PartitionLog>)| DescribeLogDirsPartition {
        partition_index,
        partition_size: i64::try_from(log.size_bytes()).unwrap_or(i64::MAX),
        ..DescribeLogDirsPartition::default()
    };
    let partitions = topic.partitions();
    let numbered = (0_i32..).zip(partitions.iter());
    let is_wanted = |number: i32| wanted.is_none_or(|wanted| wanted.contains(&number));
    DescribeLogDirsTopic {
        name: (&*topic.name).into(),
        partitions: numbered.filter(|(number, _)| is_wanted(*number)).map(describe).collect(),
    }
}

/// Bytes of the file system and those that are free for us; -1 if it does not say.
fn room(path: &Path) -> (i64, i64) {
    match rustix::fs::statvfs(path) {
        Ok(room) => {
            let bytes = |blocks: u64| i64::try_from(blocks.saturating_mul(room.f_frsize)).unwrap_or(i64::MAX);
            (bytes(room.f_blocks), bytes(room.f_bavail))
        }
        Err(error) => {
            tracing::warn!(path = %path.display(), "cannot ask for free room: {}", explain(&error));
            (-1, -1)
        }
    }
}
