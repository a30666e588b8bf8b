//! ConsumerGroupHeartbeat (key 68): joins, stays in and leaves a group of the consumer protocol (KIP-848).

use crate::error::{DecodeError, EncodeError};
use crate::field::{Field, Nullable};
use crate::message::message;
use crate::reader::Reader;
use crate::writer::Writer;
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

/// A structure that may be null begins with -1 if it is, with 1 if it is not.
impl Nullable for ConsumerGroupHeartbeatResponseAssignment {
    fn read_nullable(reader: &mut Reader, version: i16) -> Result<Option<Self>, DecodeError> {
        if reader.i8()? < 0 { Ok(None) } else { Self::read(reader, version).map(Some) }
    }

    fn write_nullable(value: Option<&Self>, writer: &mut Writer, version: i16) -> Result<(), EncodeError> {
        writer.i8(if value.is_some() { 1 } else { -1 });
        value.map_or(Ok(()), |value| value.write(writer, version))
    }

    fn empty() -> Self {
        Self::default()
    }
}
