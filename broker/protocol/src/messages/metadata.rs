//! Metadata (key 3): asks for brokers, topics, partitions and their leaders, and may create topics.

use crate::message::message;
use crate::{ErrorCode, Text, Uuid};

message! { 0..=13, flexible 9;
    /// The request: asks for brokers, topics, partitions and their leaders, and may create topics.
    pub struct MetadataRequest {
        topics: Option<Vec<MetadataRequestTopic>> => 0.., nullable 1..;
        allow_auto_topic_creation: bool = true => 4..;
        include_cluster_authorized_operations: bool => 8..=10;
        include_topic_authorized_operations: bool => 8..;
    }
    /// One of `topics` of [`MetadataRequest`].
    pub struct MetadataRequestTopic {
        topic_id: Uuid => 10..;
        name: Option<Text> => 0.., nullable 10..;
    }
}

message! { 0..=13, flexible 9;
    /// Answers [`MetadataRequest`].
    pub struct MetadataResponse {
        throttle_time_ms: i32 => 3..;
        brokers: Vec<MetadataResponseBroker>;
        cluster_id: Option<Text> => 2..;
        controller_id: i32 = -1 => 1..;
        topics: Vec<MetadataResponseTopic>;
        cluster_authorized_operations: i32 = i32::MIN => 8..=10;
        error_code: ErrorCode => 13..;
    }
    /// One of `brokers` of [`MetadataResponse`].
    pub struct MetadataResponseBroker {
        node_id: i32;
        host: Text;
        port: i32;
        rack: Option<Text> => 1..;
    }
    /// One of `topics` of [`MetadataResponse`].
    pub struct MetadataResponseTopic {
        error_code: ErrorCode;
        name: Option<Text> => 0.., nullable 12..;
        topic_id: Uuid => 10..;
        is_internal: bool => 1..;
        partitions: Vec<MetadataResponsePartition>;
        topic_authorized_operations: i32 = i32::MIN => 8..;
    }
    /// One of `partitions` of [`MetadataResponseTopic`].
    pub struct MetadataResponsePartition {
        error_code: ErrorCode;
        partition_index: i32;
        leader_id: i32;
        leader_epoch: i32 = -1 => 7..;
        replica_nodes: Vec<i32>;
        isr_nodes: Vec<i32>;
        offline_replicas: Vec<i32> => 5..;
    }
}
