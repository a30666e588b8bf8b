//! What consumers tell each other inside JoinGroup and SyncGroup (protocol type `consumer`): subscriptions and assignments.
//!
//! Both begin with their version. A newer version than ours is read as our newest one, and what follows is ignored: that is how
//! Kafka's consumers of different versions live in one group.

use bytes::Bytes;

use crate::Text;
use crate::error::{DecodeError, DecodeFault, EncodeError};
use crate::message::{Message, message};
use crate::reader::Reader;
use crate::writer::Writer;

message! { 0..=3;
    /// What a member wants, and what it holds.
    pub struct Subscription {
        topics: Vec<Text>;
        user_data: Option<Bytes>;
        owned_partitions: Vec<OwnedPartitions> => 1..;
        generation_id: i32 = -1 => 2..;
        rack_id: Option<Text> => 3..;
    }
    /// One of `owned_partitions` of [`Subscription`].
    pub struct OwnedPartitions {
        topic: Text;
        partitions: Vec<i32>;
    }
}

message! { 0..=3;
    /// What a member gets.
    pub struct Assignment {
        assigned_partitions: Vec<AssignedPartitions>;
        user_data: Option<Bytes>;
    }
    /// One of `assigned_partitions` of [`Assignment`].
    pub struct AssignedPartitions {
        topic: Text;
        partitions: Vec<i32>;
    }
}

/// Version, then the body in that version.
pub fn encode<M: Message>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new(false);
    writer.i16(version);
    message.encode(&mut writer, version)?;
    Ok(writer.finish().into_bytes())
}

/// Reads a [`Subscription`] or [`Assignment`] of any version.
pub fn decode<M: Message>(bytes: Bytes) -> Result<M, DecodeError> {
    let mut reader = Reader::new(bytes, false);
    let message = |reader: &mut Reader| {
        let version = reader.i16()?;
        let (min, max) = (*M::VERSIONS.start(), *M::VERSIONS.end());
        if version < min {
            return Err(DecodeFault::UnsupportedVersion { version, min, max }.into());
        }
        M::read(reader, version.min(max))
    };
    message(&mut reader).map_err(|error| error.within(M::NAME))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{AssignedPartitions, Assignment, OwnedPartitions, Subscription, decode, encode};

    #[test]
    fn every_version_survives_the_trip() {
        let owned = OwnedPartitions { topic: "t".into(), partitions: vec![0, 2] };
        let subscription = Subscription {
            topics: vec!["t".into(), "u".into()],
            user_data: Some(Bytes::from_static(b"x")),
            owned_partitions: vec![owned],
            generation_id: 7,
            rack_id: Some("r".into()),
        };
        assert_eq!(decode::<Subscription>(encode(&subscription, 3).unwrap()), Ok(subscription.clone()));
        let oldest = decode::<Subscription>(encode(&subscription, 0).unwrap()).unwrap();
        assert_eq!(oldest.topics, subscription.topics);
        assert_eq!((oldest.generation_id, oldest.owned_partitions.len()), (-1, 0));
    }

    #[test]
    fn a_newer_version_is_read_as_our_newest() {
        let assigned = AssignedPartitions { topic: "t".into(), partitions: vec![1] };
        let assignment = Assignment { assigned_partitions: vec![assigned], user_data: None };
        let mut bytes = encode(&assignment, 3).unwrap().to_vec();
        bytes[1] = 9;
        bytes.extend_from_slice(b"what a later version adds");
        assert_eq!(decode::<Assignment>(bytes.into()), Ok(assignment));
        assert!(decode::<Assignment>(Bytes::from_static(&[0xff, 0xff, 0, 0, 0, 0])).is_err());
        assert!(decode::<Assignment>(Bytes::from_static(&[0])).is_err());
    }
}
