//! OffsetFetch (key 9): asks how far a consumer group has read.

use crate::message::message;
use crate::{ErrorCode, Text, Uuid};

message! { 1..=10, flexible 6;
    /// The request: asks how far a consumer group has read.
    pub struct OffsetFetchRequest {
        group_id: Text => ..=7;
        topics: Option<Vec<OffsetFetchRequestTopic>> => ..=7, nullable 2..;
        groups: Vec<OffsetFetchRequestGroup> => 8..;
        require_stable: bool => 7..;
    }
    /// One of `topics` of [`OffsetFetchRequest`].
    pub struct OffsetFetchRequestTopic {
        name: Text;
        partition_indexes: Vec<i32>;
    }
    /// One of `groups` of [`OffsetFetchRequest`].
    pub struct OffsetFetchRequestGroup {
        group_id: Text;
        member_id: Option<Text> => 9..;
        member_epoch: i32 = -1 => 9..;
        topics: Option<Vec<OffsetFetchRequestTopics>>;
    }
    /// One of `topics` of [`OffsetFetchRequestGroup`].
    pub struct OffsetFetchRequestTopics {
        name: Text => ..=9;
        topic_id: Uuid => 10..;
        partition_indexes: Vec<i32>;
    }
}

message! { 1..=10, flexible 6;
    /// Answers [`OffsetFetchRequest`].
    pub struct OffsetFetchResponse {
        throttle_time_ms: i32 => 3..;
        topics: Vec<OffsetFetchResponseTopic> => ..=7;
        error_code: ErrorCode => 2..=7;
        groups: Vec<OffsetFetchResponseGroup> => 8..;
    }
    /// One of `topics` of [`OffsetFetchResponse`].
    pub struct OffsetFetchResponseTopic {
        name: Text;
        partitions: Vec<OffsetFetchResponsePartition>;
    }
    /// One of `partitions` of [`OffsetFetchResponseTopic`].
    pub struct OffsetFetchResponsePartition {
        partition_index: i32;
        committed_offset: i64;
        committed_leader_epoch: i32 = -1 => 5..;
        metadata: Option<Text>;
        error_code: ErrorCode;
    }
    /// One of `groups` of [`OffsetFetchResponse`].
    pub struct OffsetFetchResponseGroup {
        group_id: Text;
        topics: Vec<OffsetFetchResponseTopics>;
        error_code: ErrorCode;
    }
    /// One of `topics` of [`OffsetFetchResponseGroup`].
    pub struct OffsetFetchResponseTopics {
        name: Text => ..=9;
        topic_id: Uuid => 10..;
        partitions: Vec<OffsetFetchResponsePartitions>;
    }
    /// One of `partitions` of [`OffsetFetchResponseTopics`].
    pub struct OffsetFetchResponsePartitions {
        partition_index: i32;
        committed_offset: i64;
        committed_leader_epoch: i32 = -1;
        metadata: Option<Text>;
        error_code: ErrorCode;
    }
}
