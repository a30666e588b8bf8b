//! ConsumerGroupHeartbeat (key 68): joins, stays in and leaves a group of the consumer protocol (KIP-848).

use crate::field::nullable_structure;
use crate::message::message;
use crate::{ErrorCode, Text, Uuid};

message! { 0..=1, flexible 0;
    /// The request: joins, stays in and leaves a group of the consumer protocol (KIP-848).
    pub struct ConsumerGroupHeartbeatRequest {
        group_id: Text;
        member_id: Text;
        member_epoch: i32;
        instance_id: Option<Text>;
        rack_id: Option<Text>;
        rebalance_timeout_ms: i32 = -1;
        subscribed_topic_names: Option<Vec<Text>>;
        subscribed_topic_regex: Option<Text> => 1..;
        server_assignor: Option<Text>;
        topic_partitions: Option<Vec<ConsumerGroupHeartbeatRequestTopicPartitions>>;
    }
    /// One of `topic_partitions` of [`ConsumerGroupHeartbeatRequest`].
    pub struct ConsumerGroupHeartbeatRequestTopicPartitions {
        topic_id: Uuid;
        partitions: Vec<i32>;
    }
}

message! { 0..=1, flexible 0;
    /// Answers [`ConsumerGroupHeartbeatRequest`].
    pub struct ConsumerGroupHeartbeatResponse {
        throttle_time_ms: i32;
        error_code: ErrorCode;
        error_message: Option<Text>;
        member_id: Option<Text>;
        member_epoch: i32;
        heartbeat_interval_ms: i32;
        assignment: Option<ConsumerGroupHeartbeatResponseAssignment>;
    }
    /// `assignment` of [`ConsumerGroupHeartbeatResponse`].
    pub struct ConsumerGroupHeartbeatResponseAssignment {
        topic_partitions: Vec<ConsumerGroupHeartbeatResponseTopicPartitions>;
    }
    /// One of `topic_partitions` of [`ConsumerGroupHeartbeatResponseAssignment`].
    pub struct ConsumerGroupHeartbeatResponseTopicPartitions {
        topic_id: Uuid;
        partitions: Vec<i32>;
    }
}

nullable_structure!(ConsumerGroupHeartbeatResponseAssignment);
