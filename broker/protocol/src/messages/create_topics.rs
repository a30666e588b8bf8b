//! CreateTopics (key 19): creates topics.

use crate::message::message;
use crate::{ErrorCode, Text, Uuid};

message! { 2..=7, flexible 5;
    /// The request: creates topics.
    pub struct CreateTopicsRequest {
        topics: Vec<CreatableTopic>;
        timeout_ms: i32 = 60000;
        validate_only: bool;
    }
    /// One of `topics` of [`CreateTopicsRequest`].
    pub struct CreatableTopic {
        name: Text;
        num_partitions: i32;
        replication_factor: i16;
        assignments: Vec<CreatableReplicaAssignment>;
        configs: Vec<CreatableTopicConfig>;
    }
    /// One of `assignments` of [`CreatableTopic`].
    pub struct CreatableReplicaAssignment {
        partition_index: i32;
        broker_ids: Vec<i32>;
    }
    /// One of `configs` of [`CreatableTopic`].
    pub struct CreatableTopicConfig {
        name: Text;
        value: Option<Text>;
    }
}

message! { 2..=7, flexible 5;
    /// Answers [`CreateTopicsRequest`].
    pub struct CreateTopicsResponse {
        throttle_time_ms: i32;
        topics: Vec<CreatableTopicResult>;
    }
    /// One of `topics` of [`CreateTopicsResponse`].
    pub struct CreatableTopicResult {
        name: Text;
        topic_id: Uuid => 7..;
        error_code: ErrorCode;
        error_message: Option<Text>;
        topic_config_error_code: ErrorCode => 5.., tag 0;
        num_partitions: i32 = -1 => 5..;
        replication_factor: i16 = -1 => 5..;
        configs: Option<Vec<CreatableTopicConfigs>> => 5..;
    }
    /// One of `configs` of [`CreatableTopicResult`].
    pub struct CreatableTopicConfigs {
        name: Text;
        value: Option<Text>;
        read_only: bool;
        config_source: i8 = -1;
        is_sensitive: bool;
    }
}
