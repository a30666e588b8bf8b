//! AlterPartitionReassignments, ListPartitionReassignments and ElectLeaders: with one broker every partition is where it
//! can be and led by who can lead it. Tools get the answers that Kafka gives in such a cluster.

use broker_protocol::{
    ErrorCode, Text,
    messages::{
        alter_partition_reassignments::{
            AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
            ReassignablePartitionResponse, ReassignableTopicResponse,
        },
        elect_leaders::{ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult},
        list_partition_reassignments::ListPartitionReassignmentsResponse,
    },
};

use crate::broker::State;

/// Kinds of election: the first replica, or any that is left.
const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;
const UNKNOWN_PARTITION: &str = "This server does not host this topic-partition.";

/// Answers AlterPartitionReassignments: where a partition is already, it may be asked for.
pub(in crate::server) fn alter(
    state: &State,
    request: &AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let topics = request.topics.iter().map(|topic| ReassignableTopicResponse {
        name: topic.name.clone(),
        partitions: topic.partitions.iter().map(|wanted| alter_one(state, &topic.name, wanted)).collect(),
    });
    AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: request.allow_replication_factor_change,
        responses: topics.collect(),
        ..AlterPartitionReassignmentsResponse::default()
    }
}

fn alter_one(state: &State, topic: &str, wanted: &ReassignablePartition) -> ReassignablePartitionResponse {
    let partition_index = wanted.partition_index;
    let refused = match &wanted.replicas {
        _ if state.topics.partition(topic, partition_index).is_none() => {
            Some((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_PARTITION.to_owned()))
        }
        None => {
            let reason = "No partition reassignment is in progress.".to_owned();
            Some((ErrorCode::NO_REASSIGNMENT_IN_PROGRESS, reason))
        }
        Some(replicas) if *replicas == [state.config.node_id] => None,
        Some(replicas) if replicas.is_empty() => {
            let reason = "The manual partition assignment includes an empty replica list.".to_owned();
            Some((ErrorCode::INVALID_REPLICA_ASSIGNMENT, reason))
        }
        Some(replicas) => {
            let other = replicas.iter().find(|broker| **broker != state.config.node_id);
            let reason = other.map_or_else(
                || "The manual partition assignment includes this broker more than once.".to_owned(),
                |other| {
                    format!("The manual partition assignment includes broker {other}, but no such broker is registered.")
                },
            );
            Some((ErrorCode::INVALID_REPLICA_ASSIGNMENT, reason))
        }
    };
    let (error_code, error_message) =
        refused.map_or((ErrorCode::NONE, None), |(code, reason)| (code, Some(Text::from(reason))));
    ReassignablePartitionResponse { partition_index, error_code, error_message }
}

/// Answers ListPartitionReassignments: nothing is ever on its way.
pub(in crate::server) fn list() -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default()
}

/// Answers ElectLeaders: the only replica leads already. Asked for all partitions, Kafka lists only those that changed.
pub(in crate::server) fn elect(state: &State, request: &ElectLeadersRequest) -> ElectLeadersResponse {
    if !matches!(request.election_type, PREFERRED | UNCLEAN) {
        return ElectLeadersResponse {
            error_code: ErrorCode::INVALID_REQUEST,
            ..ElectLeadersResponse::default()
        };
    }
    let results = request.topic_partitions.iter().flatten().map(|wanted| {
        let elect = |partition_id: &i32| {
            let (error_code, message) = match state.topics.partition(&wanted.topic, *partition_id) {
                None => (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_PARTITION),
                Some(_) => {
                    (ErrorCode::ELECTION_NOT_NEEDED, "Leader election not needed for topic partition.")
                }
            };
            PartitionResult { partition_id: *partition_id, error_code, error_message: Some(message.into()) }
        };
        ReplicaElectionResult {
            topic: wanted.topic.clone(),
            partition_result: wanted.partitions.iter().map(elect).collect(),
        }
    });
    ElectLeadersResponse { replica_election_results: results.collect(), ..ElectLeadersResponse::default() }
}
