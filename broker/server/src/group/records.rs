//! Committed offsets as records of `__consumer_offsets`, in Kafka's own format: keys of version 1, values of version 3.
//!
//! Other keys (group metadata, newer versions) are skipped, so a log that Kafka wrote can be read.

use broker_protocol::{Text, reader::Reader, writer::Writer};
use bytes::Bytes;

use super::offsets::{CommittedOffset, OffsetKey};

const KEY_VERSION: i16 = 1;
const VALUE_VERSION: i16 = 3;
/// The oldest value version that has a leader epoch.
const VALUE_VERSION_EPOCH: i16 = 3;

/// A record's key.
pub(super) fn encode_key(key: &OffsetKey) -> Option<Bytes> {
    let mut writer = Writer::new(false);
    writer.i16(KEY_VERSION);
    writer.text(Some(&key.group)).ok()?;
    writer.text(Some(&key.topic)).ok()?;
    writer.i32(key.partition);
    Some(writer.finish().into_bytes())
}

/// A record's value.
pub(super) fn encode_value(committed: &CommittedOffset) -> Option<Bytes> {
    let mut writer = Writer::new(false);
    writer.i16(VALUE_VERSION);
    writer.i64(committed.offset);
    writer.i32(committed.leader_epoch);
    writer.text(Some(&committed.metadata)).ok()?;
    writer.i64(committed.commit_ms);
    Some(writer.finish().into_bytes())
}

/// The key of an offset record; `None` for other records.
pub(super) fn decode_key(key: &[u8]) -> Option<OffsetKey> {
    let mut reader = Reader::new(Bytes::copy_from_slice(key), false);
    if !matches!(reader.i16().ok()?, 0 | KEY_VERSION) {
        return None;
    }
    let mut text = || reader.text().ok().flatten().map(|text: Text| text.to_string());
    let (group, topic) = (text()?, text()?);
    Some(OffsetKey { group, topic, partition: reader.i32().ok()? })
}

/// The value of an offset record; `None` if it cannot be read.
pub(super) fn decode_value(value: &[u8]) -> Option<CommittedOffset> {
    let mut reader = Reader::new(Bytes::copy_from_slice(value), false);
    let version = reader.i16().ok()?;
    if !(0..=VALUE_VERSION).contains(&version) {
        return None;
    }
    let offset = reader.i64().ok()?;
    let leader_epoch = if version >= VALUE_VERSION_EPOCH { reader.i32().ok()? } else { -1 };
    let metadata = reader.text().ok().flatten().map(|text| text.to_string()).unwrap_or_default();
    Some(CommittedOffset { offset, leader_epoch, metadata, commit_ms: reader.i64().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_are_kafkas_bytes() {
        let key = OffsetKey { group: "g".to_owned(), topic: "t".to_owned(), partition: 7 };
        let bytes = encode_key(&key).unwrap();
        assert_eq!(&bytes[..], [0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 7]);
        assert_eq!(decode_key(&bytes).unwrap(), key);
        let committed =
            CommittedOffset { offset: 5, leader_epoch: 0, metadata: "m".to_owned(), commit_ms: 9 };
        let bytes = encode_value(&committed).unwrap();
        let mut expected = vec![0, 3, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 1, b'm'];
        expected.extend_from_slice(&9_i64.to_be_bytes());
        assert_eq!(&bytes[..], expected);
        assert_eq!(decode_value(&bytes).unwrap(), committed);
        assert_eq!(decode_key(&[0, 2, 0, 1, b'g']), None);
    }
}
