//! ListOffsets (key 2): asks for the first, the last, or the offset at a time stamp.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 1..=11, flexible 6;
    /// The request: asks for the first, the last, or the offset at a time stamp.
    pub struct ListOffsetsRequest {
        replica_id: i32;
        isolation_level: i8 => 2..;
        topics: Vec<ListOffsetsTopic>;
        timeout_ms: i32 => 10..;
    }
    /// One of `topics` of [`ListOffsetsRequest`].
    pub struct ListOffsetsTopic {
        name: Text;
        partitions: Vec<ListOffsetsPartition>;
    }
    /// One of `partitions` of [`ListOffsetsTopic`].
    pub struct ListOffsetsPartition {
        partition_index: i32;
        current_leader_epoch: i32 = -1 => 4..;
        timestamp: i64;
    }
}

message! { 1..=11, flexible 6;
    /// Answers [`ListOffsetsRequest`].
    pub struct ListOffsetsResponse {
        throttle_time_ms: i32 => 2..;
        topics: Vec<ListOffsetsTopicResponse>;
    }
    /// One of `topics` of [`ListOffsetsResponse`].
    pub struct ListOffsetsTopicResponse {
        name: Text;
        partitions: Vec<ListOffsetsPartitionResponse>;
    }
    /// One of `partitions` of [`ListOffsetsTopicResponse`].
    pub struct ListOffsetsPartitionResponse {
        partition_index: i32;
        error_code: ErrorCode;
        timestamp: i64 = -1;
        offset: i64 = -1;
        leader_epoch: i32 = -1 => 4..;
    }
}
