//! OffsetCommit (key 8): stores how far a consumer group has read.

use crate::message::message;
use crate::{ErrorCode, Text, Uuid};

message! { 2..=10, flexible 8;
    /// The request: stores how far a consumer group has read.
    pub struct OffsetCommitRequest {
        group_id: Text;
        generation_id_or_member_epoch: i32 = -1;
        member_id: Text;
        group_instance_id: Option<Text> => 7..;
        retention_time_ms: i64 = -1 => ..=4;
        topics: Vec<OffsetCommitRequestTopic>;
    }
    /// One of `topics` of [`OffsetCommitRequest`].
    pub struct OffsetCommitRequestTopic {
        name: Text => ..=9;
        topic_id: Uuid => 10..;
        partitions: Vec<OffsetCommitRequestPartition>;
    }
    /// One of `partitions` of [`OffsetCommitRequestTopic`].
    pub struct OffsetCommitRequestPartition {
        partition_index: i32;
        committed_offset: i64;
        committed_leader_epoch: i32 = -1 => 6..;
        committed_metadata: Option<Text>;
    }
}

message! { 2..=10, flexible 8;
    /// Answers [`OffsetCommitRequest`].
    pub struct OffsetCommitResponse {
        throttle_time_ms: i32 => 3..;
        topics: Vec<OffsetCommitResponseTopic>;
    }
    /// One of `topics` of [`OffsetCommitResponse`].
    pub struct OffsetCommitResponseTopic {
        name: Text => ..=9;
        topic_id: Uuid => 10..;
        partitions: Vec<OffsetCommitResponsePartition>;
    }
    /// One of `partitions` of [`OffsetCommitResponseTopic`].
    pub struct OffsetCommitResponsePartition {
        partition_index: i32;
        error_code: ErrorCode;
    }
}
