//! OffsetDelete (key 47): deletes committed offsets of a group.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=0;
    /// The request: deletes committed offsets of a group.
    pub struct OffsetDeleteRequest {
        group_id: Text;
        topics: Vec<OffsetDeleteRequestTopic>;
    }
    /// One of `topics` of [`OffsetDeleteRequest`].
    pub struct OffsetDeleteRequestTopic {
        name: Text;
        partitions: Vec<OffsetDeleteRequestPartition>;
    }
    /// One of `partitions` of [`OffsetDeleteRequestTopic`].
    pub struct OffsetDeleteRequestPartition {
        partition_index: i32;
    }
}

message! { 0..=0;
    /// Answers [`OffsetDeleteRequest`].
    pub struct OffsetDeleteResponse {
        error_code: ErrorCode;
        throttle_time_ms: i32;
        topics: Vec<OffsetDeleteResponseTopic>;
    }
    /// One of `topics` of [`OffsetDeleteResponse`].
    pub struct OffsetDeleteResponseTopic {
        name: Text;
        partitions: Vec<OffsetDeleteResponsePartition>;
    }
    /// One of `partitions` of [`OffsetDeleteResponseTopic`].
    pub struct OffsetDeleteResponsePartition {
        partition_index: i32;
        error_code: ErrorCode;
    }
}
