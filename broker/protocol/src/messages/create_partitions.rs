//! CreatePartitions (key 37): adds partitions to topics.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=3, flexible 2;
    /// The request: adds partitions to topics.
    pub struct CreatePartitionsRequest {
        topics: Vec<CreatePartitionsTopic>;
        timeout_ms: i32;
        validate_only: bool;
    }
    /// One of `topics` of [`CreatePartitionsRequest`].
    pub struct CreatePartitionsTopic {
        name: Text;
        count: i32;
        assignments: Option<Vec<CreatePartitionsAssignment>>;
    }
    /// One of `assignments` of [`CreatePartitionsTopic`].
    pub struct CreatePartitionsAssignment {
        broker_ids: Vec<i32>;
    }
}

message! { 0..=3, flexible 2;
    /// Answers [`CreatePartitionsRequest`].
    pub struct CreatePartitionsResponse {
        throttle_time_ms: i32;
        results: Vec<CreatePartitionsTopicResult>;
    }
    /// One of `results` of [`CreatePartitionsResponse`].
    pub struct CreatePartitionsTopicResult {
        name: Text;
        error_code: ErrorCode;
        error_message: Option<Text>;
    }
}
