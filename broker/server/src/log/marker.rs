//! The marker that ends a transaction: a control batch of one record, as Kafka writes it (KIP-98).
//!
//! Key: version 0 and type (0 abort, 1 commit), two bytes each. Value: version 0 (two bytes) and the coordinator's epoch (four). A header of the
//! record, which clients do not look at, says where the transaction began: so each index of a segment can be built again from that
//! segment alone, however long ago the transaction began and whatever compaction has taken since.

use broker_protocol::batch::{Batch, BatchBuilder, BatchError, BatchFields, Header, InflateLimits, patch};
use bytes::Bytes;

use super::aborted::Aborted;

const HEADER_KEY: &str = "millrace.transaction";
const VERSION: [u8; 2] = [0, 0];
const ABORT: u8 = 0;
const COMMIT: u8 = 1;

/// How a producer's transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Whose transaction.
    pub producer_id: i64,
    /// Lower epochs are fenced from now on; a producer of this epoch may go on.
    pub producer_epoch: i16,
    /// Epoch of the transaction coordinator.
    pub coordinator_epoch: i32,
    /// Committed, or aborted.
    pub commit: bool,
}

/// What a marker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// First offset of the transaction.
    pub(crate) first_offset: i64,
    /// With the transaction gone, everything before this offset is decided.
    pub(crate) last_stable: i64,
}

impl Marker {
    /// The control batch. `ended` is what there was to end in this log, if anything.
    pub(crate) fn encode(&self, ended: Option<Ended>, now_ms: i64) -> Result<Batch, BatchError> {
        let key = [VERSION[0], VERSION[1], 0, if self.commit { COMMIT } else { ABORT }];
        let value = [&VERSION[..], &self.coordinator_epoch.to_be_bytes()].concat();
        let range =
            ended.map(|ended| [ended.first_offset.to_be_bytes(), ended.last_stable.to_be_bytes()].concat());
        let headers: Vec<Header<'_>> =
            range.iter().map(|range| Header { key: HEADER_KEY, value: Some(range) }).collect();
        let mut builder = BatchBuilder::new(128);
        builder.append(now_ms, Some(&key), Some(&value), &headers)?;
        let (mut bytes, _) = builder.finish(&BatchFields {
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            is_transactional: true,
            ..BatchFields::default()
        })?;
        patch::control(&mut bytes)?;
        Batch::take(&mut Bytes::from(bytes))
    }

    /// Reads a control batch; `None` if it is another kind of control batch than a transaction's end.
    pub(crate) fn decode(batch: &Batch) -> Result<Option<(Self, Option<Ended>)>, BatchError> {
        let records = batch.records(InflateLimits::default())?;
        let Some(record) = records.iter().next().transpose()? else { return Ok(None) };
        let commit = match record.key {
            Some([0, 0, 0, ABORT]) => false,
            Some([0, 0, 0, COMMIT]) => true,
            _ => return Ok(None),
        };
        let epoch = record.value.and_then(|value| value.get(2..)).and_then(<[u8]>::first_chunk);
        let marker = Self {
            producer_id: batch.header().producer_id,
            producer_epoch: batch.header().producer_epoch,
            coordinator_epoch: epoch.map_or(-1, |epoch| i32::from_be_bytes(*epoch)),
            commit,
        };
        let range = record.headers().find(|header| header.key == HEADER_KEY).and_then(|header| header.value);
        Ok(Some((marker, range.and_then(Ended::decode))))
    }
}

impl Ended {
    fn decode(range: &[u8]) -> Option<Self> {
        let (first_offset, rest) = range.split_first_chunk()?;
        let (first_offset, last_stable) = (i64::from_be_bytes(*first_offset), *rest.first_chunk()?);
        Some(Self { first_offset, last_stable: i64::from_be_bytes(last_stable) })
    }

    /// The entry of the index of aborted transactions for a marker at `offset`.
    pub(crate) fn aborted(self, marker: &Marker, offset: i64) -> Option<Aborted> {
        (!marker.commit).then_some(Aborted {
            producer_id: marker.producer_id,
            first_offset: self.first_offset,
            last_offset: offset,
            last_stable: self.last_stable,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_laid_out_as_kafkas_and_comes_back() {
        for commit in [false, true] {
            let marker = Marker { producer_id: 7, producer_epoch: 3, coordinator_epoch: 5, commit };
            for ended in [None, Some(Ended { first_offset: 1 << 40, last_stable: (1 << 40) + 9 })] {
                let batch = marker.encode(ended, 1_000).unwrap();
                let header = batch.header();
                assert!(header.is_control() && header.is_transactional());
                assert_eq!((header.base_sequence, header.record_count, header.max_timestamp), (-1, 1, 1_000));
                let records = batch.records(InflateLimits::default()).unwrap();
                let record = records.iter().next().unwrap().unwrap();
                assert_eq!(record.key, Some(&[0, 0, 0, u8::from(commit)][..]));
                assert_eq!(record.value, Some(&[0, 0, 0, 0, 0, 5][..]));
                assert_eq!(Marker::decode(&batch).unwrap(), Some((marker, ended)));
            }
        }
    }
}
