//! Transactional ids as records of `__transaction_state`, in Kafka's own format: keys of version 0, values of version 1 (0 is read, too).

use std::collections::{BTreeMap, BTreeSet};

use broker_protocol::{DecodeError, EncodeError, Text, reader::Reader, writer::Writer};
use bytes::Bytes;

use super::transaction::{NO_PRODUCER_EPOCH, NO_PRODUCER_ID, TopicPartition, Transaction, TransactionState};

const KEY_VERSION: i16 = 0;
const VALUE_VERSION: i16 = 1;
const TAG_PREVIOUS_PRODUCER_ID: u32 = 0;
const TAG_NEXT_PRODUCER_ID: u32 = 1;
const TAG_CLIENT_VERSION: u32 = 2;

/// Why a record of the log cannot be understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("{0}")]
    Unknown(String),
}

/// The record's key.
pub(super) fn encode_key(transactional_id: &str) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new(false);
    writer.i16(KEY_VERSION);
    writer.text(Some(transactional_id))?;
    Ok(writer.finish().into_bytes())
}

/// The record's value.
pub(super) fn encode_value(transaction: &Transaction) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new(true);
    writer.i16(VALUE_VERSION);
    writer.i64(transaction.producer_id);
    writer.i16(transaction.producer_epoch);
    writer.i32(transaction.timeout_ms);
    writer.i8(transaction.state.number());
    if transaction.state == TransactionState::Empty {
        writer.array_length(None)?;
    } else {
        write_partitions(&mut writer, &transaction.partitions)?;
    }
    writer.i64(transaction.update_ms);
    writer.i64(transaction.start_ms);
    let mut tags = Vec::new();
    let ids = [
        (TAG_PREVIOUS_PRODUCER_ID, transaction.previous_producer_id),
        (TAG_NEXT_PRODUCER_ID, transaction.next_producer_id),
    ];
    for (tag, id) in ids.into_iter().filter(|(_, id)| *id != NO_PRODUCER_ID) {
        tags.push((tag, Bytes::copy_from_slice(&id.to_be_bytes())));
    }
    if transaction.client_version != 0 {
        tags.push((TAG_CLIENT_VERSION, Bytes::copy_from_slice(&transaction.client_version.to_be_bytes())));
    }
    writer.tagged_fields(tags)?;
    Ok(writer.finish().into_bytes())
}

fn write_partitions(writer: &mut Writer, partitions: &BTreeSet<TopicPartition>) -> Result<(), EncodeError> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for TopicPartition { topic, partition } in partitions {
        topics.entry(topic).or_default().push(*partition);
    }
    writer.array_length(Some(topics.len()))?;
    for (topic, partitions) in topics {
        writer.text(Some(topic))?;
        writer.array_length(Some(partitions.len()))?;
        partitions.into_iter().for_each(|partition| writer.i32(partition));
        writer.tagged_fields(Vec::new())?;
    }
    Ok(())
}

/// The transactional id of a key; `None` for keys of other kinds.
pub(super) fn decode_key(key: &[u8]) -> Result<Option<String>, DecodeError> {
    let mut reader = Reader::new(Bytes::copy_from_slice(key), false);
    if reader.i16()? != KEY_VERSION {
        return Ok(None);
    }
    Ok(reader.text()?.map(|id: Text| id.to_string()))
}

/// What a record says.
pub(super) fn decode_value(value: &[u8]) -> Result<Transaction, RecordError> {
    let mut reader = Reader::new(Bytes::copy_from_slice(value), false);
    let version = reader.i16()?;
    if !(0..=VALUE_VERSION).contains(&version) {
        return Err(RecordError::Unknown(format!(
            "value version {version} is not known, a newer broker may have written it"
        )));
    }
    reader.set_flexible(version >= VALUE_VERSION);
    let (producer_id, producer_epoch, timeout_ms) = (reader.i64()?, reader.i16()?, reader.i32()?);
    let number = reader.i8()?;
    let state = TransactionState::ALL.into_iter().find(|state| state.number() == number);
    let state = state.ok_or_else(|| RecordError::Unknown(format!("state {number} is not known")))?;
    let partitions = read_partitions(&mut reader)?;
    let (update_ms, start_ms) = (reader.i64()?, reader.i64()?);
    let (mut previous_producer_id, mut next_producer_id, mut client_version) =
        (NO_PRODUCER_ID, NO_PRODUCER_ID, 0);
    if reader.flexible() {
        reader.tagged_fields(|tag, reader| {
            match tag {
                TAG_PREVIOUS_PRODUCER_ID => previous_producer_id = reader.i64()?,
                TAG_NEXT_PRODUCER_ID => next_producer_id = reader.i64()?,
                TAG_CLIENT_VERSION => client_version = reader.i16()?,
                _ => {}
            }
            Ok(())
        })?;
    }
    Ok(Transaction {
        producer_id,
        previous_producer_id,
        next_producer_id,
        producer_epoch,
        last_producer_epoch: NO_PRODUCER_EPOCH,
        timeout_ms,
        state,
        partitions,
        start_ms,
        update_ms,
        client_version,
    })
}

fn read_partitions(reader: &mut Reader) -> Result<BTreeSet<TopicPartition>, DecodeError> {
    let mut partitions = BTreeSet::new();
    for _ in 0..reader.array_length()?.unwrap_or(0) {
        let topic = reader.text()?.map(|topic| topic.to_string()).unwrap_or_default();
        for _ in 0..reader.array_length()?.unwrap_or(0) {
            partitions.insert(TopicPartition { topic: topic.clone(), partition: reader.i32()? });
        }
        if reader.flexible() {
            reader.tagged_fields(|_, _| Ok(()))?;
        }
    }
    Ok(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_are_kafkas_bytes() {
        let key = encode_key("tx").unwrap();
        assert_eq!(&key[..], [0, 0, 0, 2, b't', b'x']);
        assert_eq!(decode_key(&key).unwrap().as_deref(), Some("tx"));
        assert_eq!(decode_key(&[0, 1, 0, 1, b'x']).unwrap(), None);
        let topic = |partition| TopicPartition { topic: "t".to_owned(), partition };
        let transaction = Transaction {
            producer_id: 7,
            previous_producer_id: 7,
            next_producer_id: 9,
            producer_epoch: 3,
            last_producer_epoch: NO_PRODUCER_EPOCH,
            timeout_ms: 60_000,
            state: TransactionState::PrepareCommit,
            partitions: [topic(0), topic(2)].into(),
            start_ms: 5,
            update_ms: 6,
            client_version: 2,
        };
        let bytes = encode_value(&transaction).unwrap();
        let mut expected = vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 3, 0, 0, 0xea, 0x60, 2];
        // One topic: "t", two partitions, no tags.
        expected.extend([2, 2, b't', 3, 0, 0, 0, 0, 0, 0, 0, 2, 0]);
        expected.extend(6_i64.to_be_bytes());
        expected.extend(5_i64.to_be_bytes());
        expected.extend([3, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7, 1, 8, 0, 0, 0, 0, 0, 0, 0, 9, 2, 2, 0, 2]);
        assert_eq!(&bytes[..], expected);
        assert_eq!(decode_value(&bytes).unwrap(), transaction);
    }

    #[test]
    fn the_old_format_is_read_and_unknown_ones_are_named() {
        let mut old = vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 3, 0, 0, 0, 9, 1];
        old.extend([0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 4]);
        old.extend(6_i64.to_be_bytes());
        old.extend(5_i64.to_be_bytes());
        let read = decode_value(&old).unwrap();
        assert_eq!((read.producer_id, read.producer_epoch, read.state), (7, 3, TransactionState::Ongoing));
        assert_eq!(read.partitions, [TopicPartition { topic: "t".to_owned(), partition: 4 }].into());
        assert!(decode_value(&[0, 9]).unwrap_err().to_string().contains("version 9"));
        old[16] = 7;
        assert!(decode_value(&old).unwrap_err().to_string().contains("state 7"));
    }
}
