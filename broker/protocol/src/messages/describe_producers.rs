//! DescribeProducers (key 61): asks which producers a partition knows, and which have a transaction open.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=0, flexible 0;
    /// The request: asks which producers a partition knows, and which have a transaction open.
    pub struct DescribeProducersRequest {
        topics: Vec<TopicRequest>;
    }
    /// One of `topics` of [`DescribeProducersRequest`].
    pub struct TopicRequest {
        name: Text;
        partition_indexes: Vec<i32>;
    }
}

message! { 0..=0, flexible 0;
    /// Answers [`DescribeProducersRequest`].
    pub struct DescribeProducersResponse {
        throttle_time_ms: i32;
        topics: Vec<TopicResponse>;
    }
    /// One of `topics` of [`DescribeProducersResponse`].
    pub struct TopicResponse {
        name: Text;
        partitions: Vec<PartitionResponse>;
    }
    /// One of `partitions` of [`TopicResponse`].
    pub struct PartitionResponse {
        partition_index: i32;
        error_code: ErrorCode;
        error_message: Option<Text>;
        active_producers: Vec<ProducerState>;
    }
    /// One of `active_producers` of [`PartitionResponse`].
    pub struct ProducerState {
        producer_id: i64;
        producer_epoch: i32;
        last_sequence: i32 = -1;
        last_timestamp: i64 = -1;
        coordinator_epoch: i32;
        current_txn_start_offset: i64 = -1;
    }
}
