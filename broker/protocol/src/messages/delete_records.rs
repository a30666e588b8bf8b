//! DeleteRecords (key 21): deletes the records before an offset.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 0..=2, flexible 2;
    /// The request: deletes the records before an offset.
    pub struct DeleteRecordsRequest {
        topics: Vec<DeleteRecordsTopic>;
        timeout_ms: i32;
    }
    /// One of `topics` of [`DeleteRecordsRequest`].
    pub struct DeleteRecordsTopic {
        name: Text;
        partitions: Vec<DeleteRecordsPartition>;
    }
    /// One of `partitions` of [`DeleteRecordsTopic`].
    pub struct DeleteRecordsPartition {
        partition_index: i32;
        offset: i64;
    }
}

message! { 0..=2, flexible 2;
    /// Answers [`DeleteRecordsRequest`].
    pub struct DeleteRecordsResponse {
        throttle_time_ms: i32;
        topics: Vec<DeleteRecordsTopicResult>;
    }
    /// One of `topics` of [`DeleteRecordsResponse`].
    pub struct DeleteRecordsTopicResult {
        name: Text;
        partitions: Vec<DeleteRecordsPartitionResult>;
    }
    /// One of `partitions` of [`DeleteRecordsTopicResult`].
    pub struct DeleteRecordsPartitionResult {
        partition_index: i32;
        low_watermark: i64;
        error_code: ErrorCode;
    }
}
