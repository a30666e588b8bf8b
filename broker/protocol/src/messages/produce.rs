//! Produce (key 0): appends record batches to partitions. Versions 0 to 2 carry message sets of magic 0 or 1: they are read and answered
//! with an error, and advertised all the same, because librdkafka before 2.11.1 silently stops compressing when the
//! advertised minimum is above 0 (KAFKA-18659).

use bytes::Bytes;

use crate::message::message;
use crate::{ErrorCode, Text, Uuid};

message! { 0..=13, flexible 9;
    /// The request: appends record batches to partitions.
    pub struct ProduceRequest {
        transactional_id: Option<Text> => 3..;
        acks: i16;
        timeout_ms: i32;
        topic_data: Vec<TopicProduceData>;
    }
    /// One of `topic_data` of [`ProduceRequest`].
    pub struct TopicProduceData {
        name: Text => ..=12;
        topic_id: Uuid => 13..;
        partition_data: Vec<PartitionProduceData>;
    }
    /// One of `partition_data` of [`TopicProduceData`].
    pub struct PartitionProduceData {
        index: i32;
        records: Option<Bytes>;
    }
}

message! { 0..=13, flexible 9;
    /// Answers [`ProduceRequest`].
    pub struct ProduceResponse {
        responses: Vec<TopicProduceResponse>;
        throttle_time_ms: i32 => 1..;
        node_endpoints: Vec<NodeEndpoint> => 10.., tag 0;
    }
    /// One of `responses` of [`ProduceResponse`].
    pub struct TopicProduceResponse {
        name: Text => ..=12;
        topic_id: Uuid => 13..;
        partition_responses: Vec<PartitionProduceResponse>;
    }
    /// One of `partition_responses` of [`TopicProduceResponse`].
    pub struct PartitionProduceResponse {
        index: i32;
        error_code: ErrorCode;
        base_offset: i64;
        log_append_time_ms: i64 = -1 => 2..;
        log_start_offset: i64 = -1 => 5..;
        record_errors: Vec<BatchIndexAndErrorMessage> => 8..;
        error_message: Option<Text> => 8..;
        current_leader: LeaderIdAndEpoch => 10.., tag 0;
    }
    /// One of `record_errors` of [`PartitionProduceResponse`].
    pub struct BatchIndexAndErrorMessage {
        batch_index: i32;
        batch_index_error_message: Option<Text>;
    }
    /// The `current_leader` of [`PartitionProduceResponse`].
    pub struct LeaderIdAndEpoch {
        leader_id: i32 = -1;
        leader_epoch: i32 = -1;
    }
    /// One of `node_endpoints` of [`ProduceResponse`].
    pub struct NodeEndpoint {
        node_id: i32;
        host: Text;
        port: i32;
        rack: Option<Text>;
    }
}
