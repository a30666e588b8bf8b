//! TxnOffsetCommit (key 28): commits the offsets of a group within a transaction.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=5, flexible 3;
    /// The request: commits the offsets of a group within a transaction.
    pub struct TxnOffsetCommitRequest {
        transactional_id: Text;
        group_id: Text;
        producer_id: i64;
        producer_epoch: i16;
        generation_id: i32 = -1 => 3..;
        member_id: Text => 3..;
        group_instance_id: Option<Text> => 3..;
        topics: Vec<TxnOffsetCommitRequestTopic>;
    }
    /// One of `topics` of [`TxnOffsetCommitRequest`].
    pub struct TxnOffsetCommitRequestTopic {
        name: Text;
        partitions: Vec<TxnOffsetCommitRequestPartition>;
    }
    /// One of `partitions` of [`TxnOffsetCommitRequestTopic`].
    pub struct TxnOffsetCommitRequestPartition {
        partition_index: i32;
        committed_offset: i64;
        committed_leader_epoch: i32 = -1 => 2..;
        committed_metadata: Option<Text>;
    }
}

message! { 0..=5, flexible 3;
    /// Answers [`TxnOffsetCommitRequest`].
    pub struct TxnOffsetCommitResponse {
        throttle_time_ms: i32;
        topics: Vec<TxnOffsetCommitResponseTopic>;
    }
    /// One of `topics` of [`TxnOffsetCommitResponse`].
    pub struct TxnOffsetCommitResponseTopic {
        name: Text;
        partitions: Vec<TxnOffsetCommitResponsePartition>;
    }
    /// One of `partitions` of [`TxnOffsetCommitResponseTopic`].
    pub struct TxnOffsetCommitResponsePartition {
        partition_index: i32;
        error_code: ErrorCode;
    }
}
