//! DescribeProducers: which producers a partition knows, and where their open transactions began (KIP-664).

use broker_protocol::{
    ErrorCode, Text,
    messages::describe_producers::{
        DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
    },
};

use crate::{broker::State, log::ProducerView};

/// Answers DescribeProducers.
pub(in crate::server) fn describe(
    state: &State,
    request: &DescribeProducersRequest,
) -> DescribeProducersResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|index| describe_one(state, &topic.name, *index));
        TopicResponse { name: topic.name.clone(), partitions: partitions.collect() }
    });
    DescribeProducersResponse { topics: topics.collect(), ..DescribeProducersResponse::default() }
}

fn describe_one(state: &State, topic: &Text, partition_index: i32) -> PartitionResponse {
    let answer = PartitionResponse { partition_index, ..PartitionResponse::default() };
    match state.topics.partition(topic, partition_index) {
        None => PartitionResponse {
            error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            error_message: Some(format!("{topic}-{partition_index} does not exist").into()),
            ..answer
        },
        Some(log) => {
            PartitionResponse { active_producers: log.producers().iter().map(view).collect(), ..answer }
        }
    }
}

fn view(producer: &ProducerView) -> ProducerState {
    ProducerState {
        producer_id: producer.producer_id,
        producer_epoch: producer.producer_epoch.into(),
        last_sequence: producer.last_sequence,
        last_timestamp: producer.last_timestamp,
        coordinator_epoch: producer.coordinator_epoch,
        current_txn_start_offset: producer.transaction_start_offset,
    }
}
