//! DescribeTopicPartitions (key 75): what Metadata says of topics, page by page.

use crate::field::nullable_structure;
use crate::message::{message, structure};
use crate::{ErrorCode, Text, Uuid};

message! { 0..=0, flexible 0;
    /// The request: asks for topics by name, all of them if there are none, from the cursor on.
    pub struct DescribeTopicPartitionsRequest {
        topics: Vec<TopicRequest>;
        response_partition_limit: i32 = 2000;
        cursor: Option<Cursor>;
    }
    /// One of `topics` of [`DescribeTopicPartitionsRequest`].
    pub struct TopicRequest {
        name: Text;
    }
}

message! { 0..=0, flexible 0;
    /// Answers [`DescribeTopicPartitionsRequest`].
    pub struct DescribeTopicPartitionsResponse {
        throttle_time_ms: i32;
        topics: Vec<DescribeTopicPartitionsResponseTopic>;
        next_cursor: Option<Cursor>;
    }
    /// One of `topics` of [`DescribeTopicPartitionsResponse`].
    pub struct DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode;
        name: Option<Text>;
        topic_id: Uuid;
        is_internal: bool;
        partitions: Vec<DescribeTopicPartitionsResponsePartition>;
        topic_authorized_operations: i32 = i32::MIN;
    }
    /// One of `partitions` of [`DescribeTopicPartitionsResponseTopic`].
    pub struct DescribeTopicPartitionsResponsePartition {
        error_code: ErrorCode;
        partition_index: i32;
        leader_id: i32;
        leader_epoch: i32 = -1;
        replica_nodes: Vec<i32>;
        isr_nodes: Vec<i32>;
        eligible_leader_replicas: Option<Vec<i32>>;
        last_known_elr: Option<Vec<i32>>;
        offline_replicas: Vec<i32>;
    }
}

structure! {
    /// The first topic and partition of a page.
    Cursor {
        topic_name: Text;
        partition_index: i32;
    }
}

nullable_structure!(Cursor);
