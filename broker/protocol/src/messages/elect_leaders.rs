//! ElectLeaders (key 43): asks for elections of partition leaders.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=2, flexible 2;
    /// The request: asks for elections of partition leaders; null is all partitions.
    pub struct ElectLeadersRequest {
        election_type: i8 => 1..;
        topic_partitions: Option<Vec<TopicPartitions>>;
        timeout_ms: i32 = 60000;
    }
    /// One of `topic_partitions` of [`ElectLeadersRequest`].
    pub struct TopicPartitions {
        topic: Text;
        partitions: Vec<i32>;
    }
}

message! { 0..=2, flexible 2;
    /// Answers [`ElectLeadersRequest`].
    pub struct ElectLeadersResponse {
        throttle_time_ms: i32;
        error_code: ErrorCode => 1..;
        replica_election_results: Vec<ReplicaElectionResult>;
    }
    /// One of `replica_election_results` of [`ElectLeadersResponse`].
    pub struct ReplicaElectionResult {
        topic: Text;
        partition_result: Vec<PartitionResult>;
    }
    /// One of `partition_result` of [`ReplicaElectionResult`].
    pub struct PartitionResult {
        partition_id: i32;
        error_code: ErrorCode;
        error_message: Option<Text>;
    }
}
