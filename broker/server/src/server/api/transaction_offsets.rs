//! TxnOffsetCommit: how far a group has read, to be known once the producer's transaction is committed (KIP-98, KIP-447).

use std::sync::Arc;

use broker_protocol::{
    ErrorCode, Text,
    messages::txn_offset_commit::{
        TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitResponse,
        TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
    },
};

use super::transactions::{blocking, ensure_offsets, offsets_partition};
use crate::{
    broker::{State, now_ms},
    group::{Claim, CommittedOffset, Coordinator, OffsetKey},
    transactions::{AppendPermit, ProducerIdentity, Transactions, WriteClaim},
};

/// From this version on the group joins the transaction by this request.
const VERSION_JOINS: i16 = 5;
/// Before this version TRANSACTION_ABORTABLE is not known.
const VERSION_ABORTABLE: i16 = 4;

/// Answers TxnOffsetCommit: all good partitions in one write.
pub(in crate::server) async fn commit(
    state: Arc<State>,
    request: TxnOffsetCommitRequest,
    version: i16,
) -> TxnOffsetCommitResponse {
    let producer = ProducerIdentity { id: request.producer_id, epoch: request.producer_epoch };
    let refused = check_group(&state, &request);
    let mut commits = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let error_code = match refused {
                ErrorCode::NONE => check_partition(&state, &topic.name, partition),
                refused => refused,
            };
            if error_code == ErrorCode::NONE {
                commits.push(commit_of(&request.group_id, &topic.name, partition));
            }
            partitions.push(TxnOffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code,
            });
        }
        topics.push(TxnOffsetCommitResponseTopic { name: topic.name.clone(), partitions });
    }
    let stored = match commits.is_empty() {
        true => ErrorCode::NONE,
        false => match admit(&state, request.transactional_id, producer, version).await {
            Ok(permit) => Coordinator::commit_in_transaction(&state, commits, producer, permit).await,
            Err(error) => error,
        },
    };
    let written = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
    for partition in written.filter(|partition| partition.error_code == ErrorCode::NONE) {
        partition.error_code = stored;
    }
    TxnOffsetCommitResponse { topics, ..TxnOffsetCommitResponse::default() }
}

/// A member must be one of the current generation. Who names none (old clients, and groups that assign by hand) is fenced by the producer's epoch alone.
fn check_group(state: &State, request: &TxnOffsetCommitRequest) -> ErrorCode {
    if request.group_id.is_empty() {
        return ErrorCode::INVALID_GROUP_ID;
    }
    if state.groups.failure().is_some() {
        return ErrorCode::COORDINATOR_NOT_AVAILABLE;
    }
    let instance_id = request.group_instance_id.as_deref();
    if request.generation_id < 0 && request.member_id.is_empty() && instance_id.is_none() {
        return ErrorCode::NONE;
    }
    let claim = Claim { member_id: &request.member_id, instance_id, generation: request.generation_id };
    match state.groups.check_commit(&request.group_id, claim) {
        // The member has joined the generation that it names; that is enough to commit what it had before.
        ErrorCode::REBALANCE_IN_PROGRESS => ErrorCode::NONE,
        checked => checked,
    }
}

fn check_partition(state: &State, topic: &Text, partition: &TxnOffsetCommitRequestPartition) -> ErrorCode {
    let metadata_bytes = partition.committed_metadata.as_ref().map_or(0, |metadata| metadata.len());
    if state.topics.partition(topic, partition.partition_index).is_none() {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    } else if metadata_bytes > state.config.offset_metadata_bytes_max {
        ErrorCode::OFFSET_METADATA_TOO_LARGE
    } else {
        ErrorCode::NONE
    }
}

fn commit_of(
    group: &str,
    topic: &str,
    partition: &TxnOffsetCommitRequestPartition,
) -> (OffsetKey, CommittedOffset) {
    let key =
        OffsetKey { group: group.to_owned(), topic: topic.to_owned(), partition: partition.partition_index };
    let committed = CommittedOffset {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.as_ref().map(Text::to_string).unwrap_or_default(),
        commit_ms: now_ms(),
    };
    (key, committed)
}

async fn admit(
    state: &Arc<State>,
    transactional_id: Text,
    producer: ProducerIdentity,
    version: i16,
) -> Result<AppendPermit, ErrorCode> {
    let state = Arc::clone(state);
    let admitted = blocking(move || {
        ensure_offsets(&state)?;
        let partition = offsets_partition();
        let joining = [partition.clone()].into();
        let claim = WriteClaim {
            transactional_id: &transactional_id,
            producer,
            joining: (version >= VERSION_JOINS).then_some(&joining),
        };
        Transactions::admit(&state, claim, &partition)
    });
    admitted.await.map_err(|error| match error {
        ErrorCode::INVALID_TXN_STATE if version >= VERSION_ABORTABLE => ErrorCode::TRANSACTION_ABORTABLE,
        // What this request's clients try again upon.
        ErrorCode::NOT_ENOUGH_REPLICAS => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        other => other,
    })
}
