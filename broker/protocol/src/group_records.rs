//! The records of `__consumer_offsets` that tell of groups and their members, in Kafka's own format.
//!
//! Keys and values both begin with their version; the version of a key says what kind of record it is. Offsets (keys 0 and 1) are
//! not here. Source: Kafka 4.3's `group-coordinator/src/main/resources/common/message`.

use bytes::Bytes;

use crate::error::{DecodeError, EncodeError};
use crate::message::{Message, message};
use crate::reader::Reader;
use crate::writer::Writer;
use crate::{Text, Uuid};

message! { 2..=2;
    /// Names a classic group.
    pub struct GroupMetadataKey {
        group: Text;
    }
}

message! { 0..=4, flexible 4;
    /// A classic group as its leader's last SyncGroup left it, or without members.
    pub struct GroupMetadataValue {
        protocol_type: Text;
        generation: i32;
        protocol: Option<Text>;
        leader: Option<Text>;
        current_state_timestamp: i64 = -1 => 2..;
        members: Vec<MemberMetadata>;
    }
    /// One of `members` of [`GroupMetadataValue`].
    pub struct MemberMetadata {
        member_id: Text;
        group_instance_id: Option<Text> => 3..;
        client_id: Text;
        client_host: Text;
        rebalance_timeout: i32 => 1..;
        session_timeout: i32;
        subscription: Bytes;
        assignment: Bytes;
    }
}

message! { 3..=3;
    /// Names a group of the consumer protocol (KIP-848).
    pub struct ConsumerGroupMetadataKey {
        group_id: Text;
    }
}

message! { 0..=0, flexible 0;
    /// The epoch of a group.
    pub struct ConsumerGroupMetadataValue {
        epoch: i32;
        metadata_hash: i64 => 0.., tag 0;
    }
}

message! { 5..=5;
    /// Names a member.
    pub struct ConsumerGroupMemberMetadataKey {
        group_id: Text;
        member_id: Text;
    }
}

message! { 0..=0, flexible 0;
    /// Who a member is, and what it subscribes to.
    pub struct ConsumerGroupMemberMetadataValue {
        instance_id: Option<Text>;
        rack_id: Option<Text>;
        client_id: Text;
        client_host: Text;
        subscribed_topic_names: Vec<Text>;
        subscribed_topic_regex: Option<Text>;
        rebalance_timeout_ms: i32 = -1;
        server_assignor: Option<Text>;
    }
}

message! { 6..=6;
    /// Names a group's target assignment.
    pub struct ConsumerGroupTargetAssignmentMetadataKey {
        group_id: Text;
    }
}

message! { 0..=0, flexible 0;
    /// The group epoch that the target assignment was made for.
    pub struct ConsumerGroupTargetAssignmentMetadataValue {
        assignment_epoch: i32;
    }
}

message! { 7..=7;
    /// Names a member's part of the target assignment.
    pub struct ConsumerGroupTargetAssignmentMemberKey {
        group_id: Text;
        member_id: Text;
    }
}

message! { 0..=0, flexible 0;
    /// What a member is to have in the end.
    pub struct ConsumerGroupTargetAssignmentMemberValue {
        topic_partitions: Vec<TopicPartitions>;
    }
    /// Some partitions of one topic.
    pub struct TopicPartitions {
        topic_id: Uuid;
        partitions: Vec<i32>;
    }
}

message! { 8..=8;
    /// Names what a member has.
    pub struct ConsumerGroupCurrentMemberAssignmentKey {
        group_id: Text;
        member_id: Text;
    }
}

message! { 0..=0, flexible 0;
    /// What a member has, and what it is to give back first.
    pub struct ConsumerGroupCurrentMemberAssignmentValue {
        member_epoch: i32;
        previous_member_epoch: i32;
        state: i8;
        assigned_partitions: Vec<TopicPartitions>;
        partitions_pending_revocation: Vec<TopicPartitions>;
    }
}

/// Version, then the body in that version.
///
/// # Errors
/// A version that the message does not have, and texts that are too long for it.
pub fn encode<M: Message>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new(false);
    writer.i16(version);
    message.encode(&mut writer, version)?;
    Ok(writer.finish().into_bytes())
}

/// The version at the beginning of a key, which says what it names; `None` if there is none.
pub fn key_version(key: &[u8]) -> Option<i16> {
    key.first_chunk().copied().map(i16::from_be_bytes)
}

/// Reads a key or value that begins with its version.
///
/// # Errors
/// Unknown versions, and bytes that are not such a record.
pub fn decode<M: Message>(bytes: Bytes) -> Result<M, DecodeError> {
    let mut reader = Reader::new(bytes, false);
    let version = reader.i16().map_err(|error| error.within(M::NAME))?;
    M::decode_from(&mut reader, version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_metadata_is_kafkas_bytes() {
        let key = encode(&GroupMetadataKey { group: "g".into() }, 2).unwrap();
        assert_eq!(&key[..], [0, 2, 0, 1, b'g']);
        assert_eq!((key_version(&key), key_version(&[0])), (Some(2), None));
        let member = MemberMetadata {
            member_id: "m".into(),
            group_instance_id: Some("i".into()),
            client_id: "c".into(),
            client_host: "/h".into(),
            rebalance_timeout: 1,
            session_timeout: 2,
            subscription: Bytes::from_static(b"s"),
            assignment: Bytes::from_static(b"a"),
        };
        let value = GroupMetadataValue {
            protocol_type: "t".into(),
            generation: 3,
            protocol: Some("p".into()),
            leader: None,
            current_state_timestamp: 4,
            members: vec![member],
        };
        let bytes = encode(&value, 3).unwrap();
        let expected = b"\0\x03\0\x01t\0\0\0\x03\0\x01p\xff\xff\0\0\0\0\0\0\0\x04\0\0\0\x01\
            \0\x01m\0\x01i\0\x01c\0\x02/h\0\0\0\x01\0\0\0\x02\0\0\0\x01s\0\0\0\x01a";
        assert_eq!(&bytes[..], &expected[..]);
        for version in 0..=4 {
            let read: GroupMetadataValue = decode(encode(&value, version).unwrap()).unwrap();
            assert_eq!((read.generation, read.members.len()), (3, 1), "version {version}");
        }
        assert!(decode::<GroupMetadataValue>(Bytes::from_static(&[0, 9])).is_err());
    }

    #[test]
    fn the_assignment_of_a_member_is_kafkas_bytes() {
        let assigned = TopicPartitions { topic_id: Uuid([7; 16]), partitions: vec![1] };
        let value = ConsumerGroupCurrentMemberAssignmentValue {
            member_epoch: 2,
            previous_member_epoch: 1,
            state: 0,
            assigned_partitions: vec![assigned],
            partitions_pending_revocation: Vec::new(),
        };
        let mut expected = vec![0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 2];
        expected.extend_from_slice(&[7; 16]);
        expected.extend_from_slice(&[2, 0, 0, 0, 1, 0, 1, 0]);
        let bytes = encode(&value, 0).unwrap();
        assert_eq!(&bytes[..], expected);
        assert_eq!(decode::<ConsumerGroupCurrentMemberAssignmentValue>(bytes), Ok(value));
    }
}
