//! ListPartitionReassignments (key 46): asks which partitions are on their way to other brokers.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=0, flexible 0;
    /// The request: asks which partitions are on their way to other brokers; null is all.
    pub struct ListPartitionReassignmentsRequest {
        timeout_ms: i32 = 60000;
        topics: Option<Vec<ListPartitionReassignmentsTopics>>;
    }
    /// One of `topics` of [`ListPartitionReassignmentsRequest`].
    pub struct ListPartitionReassignmentsTopics {
        name: Text;
        partition_indexes: Vec<i32>;
    }
}

message! { 0..=0, flexible 0;
    /// Answers [`ListPartitionReassignmentsRequest`].
    pub struct ListPartitionReassignmentsResponse {
        throttle_time_ms: i32;
        error_code: ErrorCode;
        error_message: Option<Text>;
        topics: Vec<OngoingTopicReassignment>;
    }
    /// One of `topics` of [`ListPartitionReassignmentsResponse`].
    pub struct OngoingTopicReassignment {
        name: Text;
        partitions: Vec<OngoingPartitionReassignment>;
    }
    /// One of `partitions` of [`OngoingTopicReassignment`].
    pub struct OngoingPartitionReassignment {
        partition_index: i32;
        replicas: Vec<i32>;
        adding_replicas: Vec<i32>;
        removing_replicas: Vec<i32>;
    }
}
