//! DescribeLogDirs (key 35): asks what the log directories hold and how full they are.

use crate::message::message;
use crate::{ErrorCode, Text};

message! { 1..=5, flexible 2;
    /// The request: asks what the log directories hold; null is all topics.
    pub struct DescribeLogDirsRequest {
        topics: Option<Vec<DescribableLogDirTopic>>;
    }
    /// One of `topics` of [`DescribeLogDirsRequest`].
    pub struct DescribableLogDirTopic {
        topic: Text;
        partitions: Vec<i32>;
    }
}

message! { 1..=5, flexible 2;
    /// Answers [`DescribeLogDirsRequest`].
    pub struct DescribeLogDirsResponse {
        throttle_time_ms: i32;
        error_code: ErrorCode => 3..;
        results: Vec<DescribeLogDirsResult>;
    }
    /// One of `results` of [`DescribeLogDirsResponse`]; sizes in bytes, -1 where they are not known.
    pub struct DescribeLogDirsResult {
        error_code: ErrorCode;
        log_dir: Text;
        topics: Vec<DescribeLogDirsTopic>;
        total_bytes: i64 = -1 => 4..;
        usable_bytes: i64 = -1 => 4..;
        is_cordoned: bool => 5..;
    }
    /// One of `topics` of [`DescribeLogDirsResult`].
    pub struct DescribeLogDirsTopic {
        name: Text;
        partitions: Vec<DescribeLogDirsPartition>;
    }
    /// One of `partitions` of [`DescribeLogDirsTopic`].
    pub struct DescribeLogDirsPartition {
        partition_index: i32;
        partition_size: i64;
        offset_lag: i64;
        is_future_key: bool;
    }
}
