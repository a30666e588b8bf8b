//! OffsetForLeaderEpoch (key 23): asks where a leader epoch ended, to detect truncation.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 2..=4, flexible 4;
    /// The request: asks where a leader epoch ended, to detect truncation.
    pub struct OffsetForLeaderEpochRequest {
        replica_id: i32 = -2 => 3..;
        topics: Vec<OffsetForLeaderTopic>;
    }
    /// One of `topics` of [`OffsetForLeaderEpochRequest`].
    pub struct OffsetForLeaderTopic {
        topic: Text;
        partitions: Vec<OffsetForLeaderPartition>;
    }
    /// One of `partitions` of [`OffsetForLeaderTopic`].
    pub struct OffsetForLeaderPartition {
        partition: i32;
        current_leader_epoch: i32 = -1;
        leader_epoch: i32;
    }
}

message! { 2..=4, flexible 4;
    /// Answers [`OffsetForLeaderEpochRequest`].
    pub struct OffsetForLeaderEpochResponse {
        throttle_time_ms: i32;
        topics: Vec<OffsetForLeaderTopicResult>;
    }
    /// One of `topics` of [`OffsetForLeaderEpochResponse`].
    pub struct OffsetForLeaderTopicResult {
        topic: Text;
        partitions: Vec<EpochEndOffset>;
    }
    /// One of `partitions` of [`OffsetForLeaderTopicResult`].
    pub struct EpochEndOffset {
        error_code: ErrorCode;
        partition: i32;
        leader_epoch: i32 = -1;
        end_offset: i64 = -1;
    }
}
