//! AlterPartitionReassignments (key 45): moves partitions to other brokers, or stops such a move.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=1, flexible 0;
    /// The request: moves partitions to other brokers.
    pub struct AlterPartitionReassignmentsRequest {
        timeout_ms: i32 = 60000;
        allow_replication_factor_change: bool = true => 1..;
        topics: Vec<ReassignableTopic>;
    }
    /// One of `topics` of [`AlterPartitionReassignmentsRequest`].
    pub struct ReassignableTopic {
        name: Text;
        partitions: Vec<ReassignablePartition>;
    }
    /// One of `partitions` of [`ReassignableTopic`]; without replicas, a move under way is to stop.
    pub struct ReassignablePartition {
        partition_index: i32;
        replicas: Option<Vec<i32>>;
    }
}

message! { 0..=1, flexible 0;
    /// Answers [`AlterPartitionReassignmentsRequest`].
    pub struct AlterPartitionReassignmentsResponse {
        throttle_time_ms: i32;
        allow_replication_factor_change: bool = true => 1..;
        error_code: ErrorCode;
        error_message: Option<Text>;
        responses: Vec<ReassignableTopicResponse>;
    }
    /// One of `responses` of [`AlterPartitionReassignmentsResponse`].
    pub struct ReassignableTopicResponse {
        name: Text;
        partitions: Vec<ReassignablePartitionResponse>;
    }
    /// One of `partitions` of [`ReassignableTopicResponse`].
    pub struct ReassignablePartitionResponse {
        partition_index: i32;
        error_code: ErrorCode;
        error_message: Option<Text>;
    }
}
