//! OffsetCommit, OffsetFetch, OffsetDelete: how far a group has read.

use std::sync::Arc;

use broker_protocol::{
    ErrorCode, Text, Uuid,
    messages::{
        offset_commit::{
            OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitResponse,
            OffsetCommitResponsePartition, OffsetCommitResponseTopic,
        },
        offset_delete::{
            OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition,
            OffsetDeleteResponseTopic,
        },
        offset_fetch::{
            OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
            OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
            OffsetFetchResponseTopic, OffsetFetchResponseTopics,
        },
    },
};

use super::{find_topic, wire_id};
use crate::{
    broker::{State, now_ms},
    group::{Claim, CommittedOffset, Coordinator, OffsetKey},
};

/// Answers OffsetCommit: all good partitions in one write.
pub(in crate::server) async fn commit(
    state: Arc<State>,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let claim = Claim {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id_or_member_epoch,
    };
    let refused = state.groups.check_commit(&request.group_id, claim);
    let mut changes = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let known = find_topic(&state, &topic.name, topic.topic_id);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let error_code = if refused == ErrorCode::NONE {
                let exists =
                    known.as_ref().is_some_and(|topic| topic.partition(partition.partition_index).is_some());
                check_partition(&state, exists, !topic.topic_id.is_zero(), partition)
            } else {
                refused
            };
            if let (ErrorCode::NONE, Some(known)) = (error_code, &known) {
                changes.push(change(&request.group_id, &known.name, partition));
            }
            partitions.push(OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code,
            });
        }
        topics.push(OffsetCommitResponseTopic {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions,
        });
    }
    let stored = Coordinator::commit(&state, changes).await;
    let written = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
    for partition in written.filter(|partition| partition.error_code == ErrorCode::NONE) {
        partition.error_code = stored;
    }
    OffsetCommitResponse { topics, ..OffsetCommitResponse::default() }
}

fn check_partition(
    state: &State,
    exists: bool,
    by_id: bool,
    partition: &OffsetCommitRequestPartition,
) -> ErrorCode {
    let metadata_bytes = partition.committed_metadata.as_ref().map_or(0, |metadata| metadata.len());
    match exists {
        false if by_id => ErrorCode::UNKNOWN_TOPIC_ID,
        false => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        true if metadata_bytes > state.config.offset_metadata_bytes_max => {
            ErrorCode::OFFSET_METADATA_TOO_LARGE
        }
        true => ErrorCode::NONE,
    }
}

fn change(
    group: &str,
    topic: &str,
    partition: &OffsetCommitRequestPartition,
) -> (OffsetKey, Option<CommittedOffset>) {
    let key =
        OffsetKey { group: group.to_owned(), topic: topic.to_owned(), partition: partition.partition_index };
    let committed = CommittedOffset {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.as_ref().map(Text::to_string).unwrap_or_default(),
        commit_ms: now_ms(),
    };
    (key, Some(committed))
}

/// Answers OffsetFetch: one group in old versions, several in newer ones.
pub(in crate::server) fn fetch(
    state: &State,
    request: &OffsetFetchRequest,
    version: i16,
) -> OffsetFetchResponse {
    if version >= 8 {
        let stable = request.require_stable;
        let fetch = |group| fetch_group(state, group, version, stable);
        let groups = request.groups.iter().map(fetch).collect();
        return OffsetFetchResponse { groups, ..OffsetFetchResponse::default() };
    }
    let wanted = request.topics.as_ref().map(|topics| {
        let topic = |topic: &broker_protocol::messages::offset_fetch::OffsetFetchRequestTopic| {
            OffsetFetchRequestTopics {
                name: topic.name.clone(),
                partition_indexes: topic.partition_indexes.clone(),
                ..OffsetFetchRequestTopics::default()
            }
        };
        topics.iter().map(topic).collect()
    });
    let group = OffsetFetchRequestGroup {
        group_id: request.group_id.clone(),
        topics: wanted,
        ..OffsetFetchRequestGroup::default()
    };
    let fetched = fetch_group(state, &group, version, request.require_stable);
    let topics = fetched.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|partition| OffsetFetchResponsePartition {
            partition_index: partition.partition_index,
            committed_offset: partition.committed_offset,
            committed_leader_epoch: partition.committed_leader_epoch,
            metadata: partition.metadata,
            error_code: partition.error_code,
        });
        OffsetFetchResponseTopic { name: topic.name, partitions: partitions.collect() }
    });
    OffsetFetchResponse {
        topics: topics.collect(),
        error_code: fetched.error_code,
        ..OffsetFetchResponse::default()
    }
}

fn fetch_group(
    state: &State,
    group: &OffsetFetchRequestGroup,
    version: i16,
    require_stable: bool,
) -> OffsetFetchResponseGroup {
    if state.groups.failure().is_some() {
        return OffsetFetchResponseGroup {
            group_id: group.group_id.clone(),
            error_code: ErrorCode::COORDINATOR_NOT_AVAILABLE,
            ..OffsetFetchResponseGroup::default()
        };
    }
    let (member_id, epoch) = (group.member_id.as_deref().unwrap_or_default(), group.member_epoch);
    let refused = state.groups.check_fetch(&group.group_id, member_id, epoch);
    if refused != ErrorCode::NONE {
        return OffsetFetchResponseGroup {
            group_id: group.group_id.clone(),
            error_code: refused,
            ..OffsetFetchResponseGroup::default()
        };
    }
    let mut topics: Vec<OffsetFetchResponseTopics> = match &group.topics {
        Some(wanted) => wanted.iter().map(|topic| fetch_topic(state, &group.group_id, topic)).collect(),
        None => fetch_all(state, &group.group_id, version),
    };
    if require_stable {
        topics.iter_mut().for_each(|topic| hide_unstable(state, &group.group_id, topic));
    }
    OffsetFetchResponseGroup { group_id: group.group_id.clone(), topics, error_code: ErrorCode::NONE }
}

/// Offsets that a transaction may replace at any moment are not told to those who would go on from them (KIP-447).
fn hide_unstable(state: &State, group: &str, topic: &mut OffsetFetchResponseTopics) {
    let Some(known) = (match topic.topic_id.is_zero() {
        true => Some(topic.name.clone()),
        false => find_topic(state, &topic.name, topic.topic_id).map(|topic| Text::from(&*topic.name)),
    }) else {
        return;
    };
    for partition in &mut topic.partitions {
        if state.groups.is_pending(group, &known, partition.partition_index) {
            *partition = OffsetFetchResponsePartitions {
                error_code: ErrorCode::UNSTABLE_OFFSET_COMMIT,
                ..fetched(partition.partition_index, None)
            };
        }
    }
}

fn fetch_topic(state: &State, group: &str, wanted: &OffsetFetchRequestTopics) -> OffsetFetchResponseTopics {
    let by_id = !wanted.topic_id.is_zero();
    let name = if by_id {
        find_topic(state, &wanted.name, wanted.topic_id).map(|topic| Text::from(&*topic.name))
    } else {
        Some(wanted.name.clone())
    };
    let partitions = wanted.partition_indexes.iter().map(|partition| match &name {
        Some(name) => fetched(*partition, state.groups.committed(group, name, *partition)),
        None => OffsetFetchResponsePartitions {
            error_code: ErrorCode::UNKNOWN_TOPIC_ID,
            ..fetched(*partition, None)
        },
    });
    OffsetFetchResponseTopics {
        name: wanted.name.clone(),
        topic_id: wanted.topic_id,
        partitions: partitions.collect(),
    }
}

fn fetch_all(state: &State, group: &str, version: i16) -> Vec<OffsetFetchResponseTopics> {
    let mut topics: Vec<OffsetFetchResponseTopics> = Vec::new();
    for (name, partition, committed) in state.groups.committed_of(group) {
        let topic_id = match state.topics.get(&name) {
            Some(topic) => wire_id(&topic),
            None if version >= 10 => continue,
            None => Uuid::ZERO,
        };
        if topics.last().is_none_or(|topic| *topic.name != *name) {
            topics.push(OffsetFetchResponseTopics {
                name: name.into(),
                topic_id,
                ..OffsetFetchResponseTopics::default()
            });
        }
        if let Some(topic) = topics.last_mut() {
            topic.partitions.push(fetched(partition, Some(committed)));
        }
    }
    topics
}

fn fetched(partition_index: i32, committed: Option<CommittedOffset>) -> OffsetFetchResponsePartitions {
    let (committed_offset, committed_leader_epoch, metadata) = match committed {
        Some(committed) => (committed.offset, committed.leader_epoch, committed.metadata),
        None => (-1, -1, String::new()),
    };
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset,
        committed_leader_epoch,
        metadata: Some(metadata.into()),
        error_code: ErrorCode::NONE,
    }
}

/// Answers OffsetDelete: only offsets that no member of the group is reading.
pub(in crate::server) async fn delete(
    state: Arc<State>,
    request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    let failed = |error_code| OffsetDeleteResponse { error_code, ..OffsetDeleteResponse::default() };
    if state.groups.is_empty(&request.group_id).is_none() {
        return failed(ErrorCode::GROUP_ID_NOT_FOUND);
    }
    let mut changes = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let error_code = match state.groups.reads(&request.group_id, &topic.name) {
            None => return failed(ErrorCode::NON_EMPTY_GROUP),
            Some(true) => ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
            Some(false) => ErrorCode::NONE,
        };
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let partition_index = partition.partition_index;
            if error_code == ErrorCode::NONE {
                let (group, topic) = (request.group_id.to_string(), topic.name.to_string());
                changes.push((OffsetKey { group, topic, partition: partition_index }, None));
            }
            partitions.push(OffsetDeleteResponsePartition { partition_index, error_code });
        }
        topics.push(OffsetDeleteResponseTopic { name: topic.name.clone(), partitions });
    }
    let error_code = Coordinator::commit(&state, changes).await;
    OffsetDeleteResponse { error_code, topics, ..OffsetDeleteResponse::default() }
}
