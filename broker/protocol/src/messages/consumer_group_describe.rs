//! ConsumerGroupDescribe (key 69): asks for the state and the members of groups of the consumer protocol (KIP-848).

use crate::message::message;
use crate::{ErrorCode, Text, Uuid};

message! { 0..=1, flexible 0;
    /// The request: asks for the state and the members of groups of the consumer protocol (KIP-848).
    pub struct ConsumerGroupDescribeRequest {
        group_ids: Vec<Text>;
        include_authorized_operations: bool;
    }
}

message! { 0..=1, flexible 0;
    /// Answers [`ConsumerGroupDescribeRequest`].
    pub struct ConsumerGroupDescribeResponse {
        throttle_time_ms: i32;
        groups: Vec<DescribedConsumerGroup>;
    }
    /// One of `groups` of [`ConsumerGroupDescribeResponse`].
    pub struct DescribedConsumerGroup {
        error_code: ErrorCode;
        error_message: Option<Text>;
        group_id: Text;
        group_state: Text;
        group_epoch: i32;
        assignment_epoch: i32;
        assignor_name: Text;
        members: Vec<DescribedConsumerGroupMember>;
        authorized_operations: i32 = i32::MIN;
    }
    /// One of `members` of [`DescribedConsumerGroup`].
    pub struct DescribedConsumerGroupMember {
        member_id: Text;
        instance_id: Option<Text>;
        rack_id: Option<Text>;
        member_epoch: i32;
        client_id: Text;
        client_host: Text;
        subscribed_topic_names: Vec<Text>;
        subscribed_topic_regex: Option<Text>;
        assignment: DescribedAssignment;
        target_assignment: DescribedAssignment;
        member_type: i8 = -1 => 1..;
    }
    /// What a member of [`DescribedConsumerGroup`] has or is to have.
    pub struct DescribedAssignment {
        topic_partitions: Vec<DescribedTopicPartitions>;
    }
    /// One of `topic_partitions` of [`DescribedAssignment`].
    pub struct DescribedTopicPartitions {
        topic_id: Uuid;
        topic_name: Text;
        partitions: Vec<i32>;
    }
}
