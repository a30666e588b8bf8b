//! Fetch (key 1): reads record batches, waiting until enough bytes are there or the time is up.

use bytes::Bytes;

use crate::message::message;
use crate::{ErrorCode, Text, Uuid};

message! { 4..=18, flexible 12;
    /// The request: reads record batches, waiting until enough bytes are there or the time is up.
    pub struct FetchRequest {
        cluster_id: Option<Text> => 12.., tag 0;
        replica_id: i32 = -1 => ..=14;
        replica_state: ReplicaState => 15.., tag 1;
        max_wait_ms: i32;
        min_bytes: i32;
        max_bytes: i32 = i32::MAX;
        isolation_level: i8;
        session_id: i32 => 7..;
        session_epoch: i32 = -1 => 7..;
        topics: Vec<FetchTopic>;
        forgotten_topics_data: Vec<ForgottenTopic> => 7..;
        rack_id: Text => 11..;
    }
    /// The `replica_state` of [`FetchRequest`].
    pub struct ReplicaState {
        replica_id: i32 = -1;
        replica_epoch: i64 = -1;
    }
    /// One of `topics` of [`FetchRequest`].
    pub struct FetchTopic {
        topic: Text => ..=12;
        topic_id: Uuid => 13..;
        partitions: Vec<FetchPartition>;
    }
    /// One of `partitions` of [`FetchTopic`].
    pub struct FetchPartition {
        partition: i32;
        current_leader_epoch: i32 = -1 => 9..;
        fetch_offset: i64;
        last_fetched_epoch: i32 = -1 => 12..;
        log_start_offset: i64 = -1 => 5..;
        partition_max_bytes: i32;
        replica_directory_id: Uuid => 17.., tag 0;
        high_watermark: i64 = i64::MAX => 18.., tag 1;
    }
    /// One of `forgotten_topics_data` of [`FetchRequest`].
    pub struct ForgottenTopic {
        topic: Text => ..=12;
        topic_id: Uuid => 13..;
        partitions: Vec<i32>;
    }
}

message! { 4..=18, flexible 12;
    /// Answers [`FetchRequest`].
    pub struct FetchResponse {
        throttle_time_ms: i32;
        error_code: ErrorCode => 7..;
        session_id: i32 => 7..;
        responses: Vec<FetchableTopicResponse>;
        node_endpoints: Vec<NodeEndpoint> => 16.., tag 0;
    }
    /// One of `responses` of [`FetchResponse`].
    pub struct FetchableTopicResponse {
        topic: Text => ..=12;
        topic_id: Uuid => 13..;
        partitions: Vec<PartitionData>;
    }
    /// One of `partitions` of [`FetchableTopicResponse`].
    pub struct PartitionData {
        partition_index: i32;
        error_code: ErrorCode;
        high_watermark: i64;
        last_stable_offset: i64 = -1;
        log_start_offset: i64 = -1 => 5..;
        diverging_epoch: EpochEndOffset => 12.., tag 0;
        current_leader: LeaderIdAndEpoch => 12.., tag 1;
        snapshot_id: SnapshotId => 12.., tag 2;
        aborted_transactions: Option<Vec<AbortedTransaction>>;
        preferred_read_replica: i32 = -1 => 11..;
        records: Option<Bytes>;
    }
    /// The `diverging_epoch` of [`PartitionData`].
    pub struct EpochEndOffset {
        epoch: i32 = -1;
        end_offset: i64 = -1;
    }
    /// The `current_leader` of [`PartitionData`].
    pub struct LeaderIdAndEpoch {
        leader_id: i32 = -1;
        leader_epoch: i32 = -1;
    }
    /// The `snapshot_id` of [`PartitionData`].
    pub struct SnapshotId {
        end_offset: i64 = -1;
        epoch: i32 = -1;
    }
    /// One of `aborted_transactions` of [`PartitionData`].
    pub struct AbortedTransaction {
        producer_id: i64;
        first_offset: i64;
    }
    /// One of `node_endpoints` of [`FetchResponse`].
    pub struct NodeEndpoint {
        node_id: i32;
        host: Text;
        port: i32;
        rack: Option<Text>;
    }
}
