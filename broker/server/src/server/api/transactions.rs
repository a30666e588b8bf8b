//! AddPartitionsToTxn, AddOffsetsToTxn, EndTxn, TxnOffsetCommit, WriteTxnMarkers: transactions, as far as the coordinator decides them.

use std::{collections::BTreeSet, sync::Arc};

use broker_protocol::{
    ErrorCode, Text,
    messages::{
        add_offsets_to_txn::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse},
        add_partitions_to_txn::{
            AddPartitionsToTxnPartitionResult, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
            AddPartitionsToTxnResult, AddPartitionsToTxnTopic, AddPartitionsToTxnTopicResult,
            AddPartitionsToTxnTransaction,
        },
        end_txn::{EndTxnRequest, EndTxnResponse},
    },
};
use tokio::sync::oneshot;

use super::errors::{explain, topic_error_code};
use crate::{
    broker::State,
    group::ensure_offsets_log,
    topics::OFFSETS_TOPIC,
    transactions::{End, ProducerIdentity, TopicPartition, Transactions, VERSION_EPOCH_BUMP},
};

/// From this version on EndTxn raises the producer's epoch (KIP-890).
const END_VERSION_BUMP: i16 = 5;
/// From this version on AddPartitionsToTxn carries several transactions; brokers send it.
const ADD_VERSION_BATCHED: i16 = 4;
/// Before this version AddPartitionsToTxn does not know TRANSACTION_ABORTABLE.
const ADD_VERSION_ABORTABLE: i16 = 5;
/// Before this version these requests do not know PRODUCER_FENCED.
const VERSION_FENCED: i16 = 2;

/// Runs what blocks on the disk; a client that hangs up does not stop it half-way.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ErrorCode> + Send + 'static,
) -> Result<T, ErrorCode> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request of a transaction panicked");
        Err(ErrorCode::UNKNOWN_SERVER_ERROR)
    })
}

/// The code for old clients that do not know the newer word for being fenced.
pub(super) fn fenced_for(version: i16, version_fenced: i16, error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::PRODUCER_FENCED if version < version_fenced => ErrorCode::INVALID_PRODUCER_EPOCH,
        other => other,
    }
}

/// Answers AddPartitionsToTxn.
pub(in crate::server) async fn add_partitions(
    state: Arc<State>,
    request: AddPartitionsToTxnRequest,
    version: i16,
) -> AddPartitionsToTxnResponse {
    if version < ADD_VERSION_BATCHED {
        let one = AddPartitionsToTxnTransaction {
            transactional_id: request.v3_and_below_transactional_id,
            producer_id: request.v3_and_below_producer_id,
            producer_epoch: request.v3_and_below_producer_epoch,
            verify_only: false,
            topics: request.v3_and_below_topics,
        };
        let results_by_topic_v3_and_below = add_to_one(&state, one, version).await;
        return AddPartitionsToTxnResponse { results_by_topic_v3_and_below, ..Default::default() };
    }
    let mut results_by_transaction = Vec::with_capacity(request.transactions.len());
    for transaction in request.transactions {
        let transactional_id = transaction.transactional_id.clone();
        let topic_results = add_to_one(&state, transaction, version).await;
        results_by_transaction.push(AddPartitionsToTxnResult { transactional_id, topic_results });
    }
    AddPartitionsToTxnResponse { results_by_transaction, ..Default::default() }
}

/// All partitions join, or none: one that does not exist keeps the others out.
async fn add_to_one(
    state: &Arc<State>,
    request: AddPartitionsToTxnTransaction,
    version: i16,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let producer = ProducerIdentity { id: request.producer_id, epoch: request.producer_epoch };
    let (id, topics) = (request.transactional_id, request.topics);
    let exists =
        |partition: &TopicPartition| state.topics.partition(&partition.topic, partition.partition).is_some();
    let partitions: BTreeSet<TopicPartition> = topics.iter().flat_map(partitions_of).collect();
    if request.verify_only {
        return results(&topics, |partition| match state.transactions.verify(&id, producer, partition) {
            Err(ErrorCode::INVALID_TXN_STATE) if version >= ADD_VERSION_ABORTABLE => {
                ErrorCode::TRANSACTION_ABORTABLE
            }
            verified => verified.err().unwrap_or(ErrorCode::NONE),
        });
    }
    if !partitions.iter().all(exists) {
        return results(&topics, |partition| match exists(partition) {
            true => ErrorCode::OPERATION_NOT_ATTEMPTED,
            false => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        });
    }
    let shared = Arc::clone(state);
    let added = blocking(move || Transactions::add_partitions(&shared, &id, producer, &partitions)).await;
    let code = fenced_for(version, VERSION_FENCED, added.err().unwrap_or(ErrorCode::NONE));
    results(&topics, |_| code)
}

fn partitions_of(topic: &AddPartitionsToTxnTopic) -> impl Iterator<Item = TopicPartition> {
    let named = |partition: &i32| TopicPartition { topic: topic.name.to_string(), partition: *partition };
    topic.partitions.iter().map(named)
}

fn results(
    topics: &[AddPartitionsToTxnTopic],
    code: impl Fn(&TopicPartition) -> ErrorCode,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let result = |partition: TopicPartition| AddPartitionsToTxnPartitionResult {
        partition_index: partition.partition,
        partition_error_code: code(&partition),
    };
    let topic_result = |topic: &AddPartitionsToTxnTopic| AddPartitionsToTxnTopicResult {
        name: topic.name.clone(),
        results_by_partition: partitions_of(topic).map(result).collect(),
    };
    topics.iter().map(topic_result).collect()
}

/// The partition where a group's offsets rest: part of a transaction that commits them.
pub(super) fn offsets_partition() -> TopicPartition {
    TopicPartition { topic: OFFSETS_TOPIC.to_owned(), partition: 0 }
}

/// Answers AddOffsetsToTxn.
pub(in crate::server) async fn add_offsets(
    state: Arc<State>,
    request: AddOffsetsToTxnRequest,
    version: i16,
) -> AddOffsetsToTxnResponse {
    let AddOffsetsToTxnRequest { transactional_id, producer_id: id, producer_epoch: epoch, group_id } =
        request;
    let added = blocking(move || {
        if group_id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        ensure_offsets(&state)?;
        let partitions = [offsets_partition()].into();
        Transactions::add_partitions(&state, &transactional_id, ProducerIdentity { id, epoch }, &partitions)
    });
    let error_code = fenced_for(version, VERSION_FENCED, added.await.err().unwrap_or(ErrorCode::NONE));
    AddOffsetsToTxnResponse { error_code, ..Default::default() }
}

/// Blocks on the disk.
pub(super) fn ensure_offsets(state: &State) -> Result<(), ErrorCode> {
    ensure_offsets_log(&state.topics).map_err(|error| {
        tracing::warn!("cannot create the topic of committed offsets: {}", explain(&error));
        match topic_error_code(&error) {
            ErrorCode::KAFKA_STORAGE_ERROR => ErrorCode::COORDINATOR_NOT_AVAILABLE,
            other => other,
        }
    })
}

/// Answers EndTxn, as soon as the outcome is on disk; the markers follow.
pub(in crate::server) async fn end(
    state: Arc<State>,
    request: EndTxnRequest,
    version: i16,
) -> EndTxnResponse {
    let end = End {
        producer: ProducerIdentity { id: request.producer_id, epoch: request.producer_epoch },
        commit: request.committed,
        client_version: if version >= END_VERSION_BUMP { VERSION_EPOCH_BUMP } else { 0 },
    };
    let (sender, receiver) = oneshot::channel();
    let id: Text = request.transactional_id;
    tokio::task::spawn_blocking(move || {
        Transactions::end(&state, &id, end, |ended| {
            if sender.send(ended).is_err() {
                tracing::debug!("a producer hung up before it heard of its transaction's end");
            }
        });
    });
    match receiver.await.unwrap_or(Err(ErrorCode::UNKNOWN_SERVER_ERROR)) {
        Ok(producer) => EndTxnResponse {
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            ..EndTxnResponse::default()
        },
        Err(error) => EndTxnResponse {
            error_code: fenced_for(version, VERSION_FENCED, error),
            ..EndTxnResponse::default()
        },
    }
}
