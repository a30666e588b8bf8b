//! From the bytes of a Fetch response's partition to records.
//!
//! Invariant: records come in order of offset, none below the offset asked for; control batches and (when only committed records
//! are wanted) those of aborted transactions are left out; `next_offset` is behind everything that was looked at.

use std::collections::HashSet;

use broker_protocol::batch::{Batch, BatchError, Batches, InflateLimits, Record, Records, TimestampType};
use bytes::Bytes;
use bytestring::ByteString;

use crate::config::Isolation;
use crate::types::ConsumerRecord;

/// What a partition's bytes held.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    pub(crate) records: Vec<ConsumerRecord>,
    pub(crate) next_offset: i64,
}

/// An aborted transaction: its producer, and the first offset of it.
pub(crate) type Aborted = (i64, i64);

/// Decodes whole batches. A broken batch behind good ones is left for the next fetch, which starts with it.
pub(crate) fn decode(
    bytes: Bytes,
    fetch_offset: i64,
    isolation: Isolation,
    aborted: Vec<Aborted>,
    limits: InflateLimits,
) -> Result<Decoded, BatchError> {
    let mut decoded = Decoded { records: Vec::new(), next_offset: fetch_offset };
    let mut transactions = Transactions::new(isolation, aborted);
    let size = bytes.len();
    let mut batches = Batches::new(bytes);
    let mut whole = 0;
    for batch in batches.by_ref() {
        let taken =
            batch.and_then(|batch| take_batch(&batch, fetch_offset, &mut transactions, limits, &mut decoded));
        match taken {
            Ok(()) => whole += 1,
            Err(_later) if whole > 0 => return Ok(decoded),
            Err(error) => return Err(error),
        }
    }
    if whole == 0 && size > 0 {
        // Brokers send the first batch whole, whatever the limits (KIP-74).
        return Err(BatchError::Truncated { needed: size + 1, found: size });
    }
    Ok(decoded)
}

fn take_batch(
    batch: &Batch,
    fetch_offset: i64,
    transactions: &mut Transactions,
    limits: InflateLimits,
    decoded: &mut Decoded,
) -> Result<(), BatchError> {
    let header = batch.header();
    if header.last_offset() < fetch_offset {
        return Ok(());
    }
    if !transactions.hides(batch) {
        let records = batch.records(limits)?;
        let kind = header.timestamp_type();
        let start = decoded.records.len();
        decoded.records.reserve(usize::try_from(header.record_count).unwrap_or_default().min(records.size()));
        for record in &records {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    // Half a batch would be read twice: it comes again as a whole, and fails as a whole.
                    decoded.records.truncate(start);
                    return Err(error);
                }
            };
            if record.offset >= fetch_offset {
                decoded.records.push(own(&records, &record, kind));
            }
        }
    }
    decoded.next_offset = header.next_offset();
    Ok(())
}

fn own(records: &Records, record: &Record<'_>, timestamp_type: TimestampType) -> ConsumerRecord {
    let headers = record.headers().map(|header| {
        // The key was found to be UTF-8 when the record was read.
        let key = ByteString::try_from(records.share(header.key.as_bytes())).unwrap_or_default();
        (key, header.value.map(|value| records.share(value)))
    });
    ConsumerRecord {
        offset: record.offset,
        timestamp: record.timestamp,
        timestamp_type,
        key: record.key.map(|key| records.share(key)),
        value: record.value.map(|value| records.share(value)),
        headers: headers.collect(),
    }
}

/// Which producers' transactions are aborted at the place that is read.
#[derive(Debug)]
struct Transactions {
    committed_only: bool,
    /// Not reached yet, latest first.
    ahead: Vec<Aborted>,
    active: HashSet<i64>,
}

impl Transactions {
    fn new(isolation: Isolation, mut aborted: Vec<Aborted>) -> Self {
        aborted.sort_by_key(|(_producer, first_offset)| std::cmp::Reverse(*first_offset));
        let committed_only = isolation == Isolation::ReadCommitted;
        Self { committed_only, ahead: aborted, active: HashSet::new() }
    }

    /// Whether the batch's records are not for the reader.
    fn hides(&mut self, batch: &Batch) -> bool {
        let header = batch.header();
        if !self.committed_only {
            return header.is_control();
        }
        while let Some((producer, _offset)) =
            self.ahead.pop_if(|(_producer, first)| *first <= header.last_offset())
        {
            self.active.insert(producer);
        }
        if header.is_control() {
            // Whether commit or abort: the transaction ends with its marker.
            self.active.remove(&header.producer_id);
            return true;
        }
        header.is_transactional() && self.active.contains(&header.producer_id)
    }
}

#[cfg(test)]
mod tests {
    use broker_protocol::batch::{BatchBuilder, BatchError, BatchFields, InflateLimits};
    use bytes::Bytes;

    use super::{Decoded, decode};
    use crate::config::Isolation;

    fn batch(base_offset: i64, records: i32, fields: BatchFields) -> Vec<u8> {
        let mut builder = BatchBuilder::new(0);
        for index in 0..records {
            builder.append(7, Some(&index.to_be_bytes()), Some(b"v"), &[]).unwrap();
        }
        builder.finish(&BatchFields { base_offset, ..fields }).unwrap().0
    }

    fn offsets(decoded: &Decoded) -> Vec<i64> {
        decoded.records.iter().map(|record| record.offset).collect()
    }

    fn read(bytes: Vec<u8>, from: i64) -> Result<Decoded, BatchError> {
        decode(bytes.into(), from, Isolation::ReadUncommitted, Vec::new(), InflateLimits::default())
    }

    #[test]
    fn starts_within_a_batch_and_stops_before_a_partial_one() {
        let mut bytes = [batch(10, 4, BatchFields::default()), batch(14, 2, BatchFields::default())].concat();
        bytes.extend_from_slice(&batch(16, 3, BatchFields::default())[..70]);
        let decoded = read(bytes, 12).unwrap();
        assert_eq!((offsets(&decoded), decoded.next_offset), (vec![12, 13, 14, 15], 16));
    }

    #[test]
    fn a_broken_batch_is_an_error_only_when_it_comes_first() {
        let mut broken = batch(14, 2, BatchFields::default());
        broken[70] ^= 1;
        let bytes = [batch(10, 4, BatchFields::default()), broken].concat();
        let decoded = read(bytes.clone(), 10).unwrap();
        assert_eq!((decoded.records.len(), decoded.next_offset), (4, 14));
        assert!(read(bytes[bytes.len() - 80..].to_vec(), 14).is_err());
        assert!(matches!(read(bytes[..50].to_vec(), 10), Err(BatchError::Truncated { .. })));
    }

    #[test]
    fn aborted_transactions_are_hidden_from_readers_of_what_is_committed() {
        let of = |producer_id| BatchFields {
            producer_id,
            producer_epoch: 0,
            base_sequence: 0,
            is_transactional: true,
            ..Default::default()
        };
        let marker = |offset, producer| {
            let mut bytes = batch(offset, 1, of(producer));
            bytes[22] |= 0x20;
            broker_protocol::batch::patch::max_timestamp(&mut bytes, 7).unwrap();
            bytes
        };
        let plain = BatchFields::default();
        let log = [
            batch(0, 2, of(1)),
            batch(2, 1, of(2)),
            batch(3, 1, plain),
            marker(4, 1),
            batch(5, 1, of(1)),
            marker(6, 1),
        ];
        let bytes = Bytes::from(log.concat());
        let limits = InflateLimits::default();
        let committed = decode(bytes.clone(), 0, Isolation::ReadCommitted, vec![(1, 0)], limits).unwrap();
        assert_eq!((offsets(&committed), committed.next_offset), (vec![2, 3, 5], 7));
        let all = decode(bytes, 0, Isolation::ReadUncommitted, Vec::new(), limits).unwrap();
        assert_eq!(offsets(&all), [0, 1, 2, 3, 5]);
    }
}
