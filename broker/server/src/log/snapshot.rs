//! Producer tables on disk: `<offset>.snapshot` holds the table as it was before the batch at that offset.
//!
//! A snapshot saves reading the closed segments at start. It carries its own checksum; a damaged one is not believed,
//! and the table is rebuilt from the log instead. Snapshots of the first format, which knew no transactions, are read as well.

use std::{collections::VecDeque, io, path::Path};

use super::{
    disk::replace_file,
    producers::{BATCHES_KEPT, Producer, ProducerTable, StoredBatch},
};

const MAGIC: &[u8; 4] = b"MRP2";
/// Begins a snapshot without what transactions need.
const MAGIC_WITHOUT_TRANSACTIONS: &[u8; 4] = b"MRP1";
const BATCH_BYTES: usize = 32;

/// Writes the table; the file is complete and on disk, or not there.
pub(crate) fn write(path: &Path, table: &ProducerTable) -> io::Result<()> {
    let mut body = Vec::new();
    for (id, producer) in &table.producers {
        body.extend_from_slice(&id.to_be_bytes());
        body.extend_from_slice(&producer.epoch.to_be_bytes());
        body.extend_from_slice(&producer.last_timestamp.to_be_bytes());
        body.extend_from_slice(&producer.coordinator_epoch.to_be_bytes());
        body.extend_from_slice(&producer.transaction.unwrap_or(-1).to_be_bytes());
        body.push(u8::try_from(producer.batches.len()).unwrap_or(u8::MAX));
        for batch in &producer.batches {
            body.extend_from_slice(&batch.base_sequence.to_be_bytes());
            body.extend_from_slice(&batch.last_sequence.to_be_bytes());
            body.extend_from_slice(&batch.base_offset.to_be_bytes());
            body.extend_from_slice(&batch.last_offset.to_be_bytes());
            body.extend_from_slice(&batch.timestamp.to_be_bytes());
        }
    }
    let mut file = Vec::with_capacity(8 + body.len());
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&crc32c::crc32c(&body).to_be_bytes());
    file.extend_from_slice(&body);
    replace_file(path, &file)
}

/// Reads a table back; `None` if the bytes are not what [`write`] wrote.
pub(crate) fn decode(file: &[u8]) -> Option<ProducerTable> {
    let (magic, body) = file.split_first_chunk::<4>()?;
    let with_transactions = match magic {
        MAGIC => true,
        MAGIC_WITHOUT_TRANSACTIONS => false,
        _ => return None,
    };
    let (crc, mut body) = body.split_first_chunk::<4>()?;
    if crc32c::crc32c(body) != u32::from_be_bytes(*crc) {
        return None;
    }
    let mut table = ProducerTable::default();
    while !body.is_empty() {
        let id = i64::from_be_bytes(take(&mut body)?);
        let mut producer = Producer::new(i16::from_be_bytes(take(&mut body)?));
        if with_transactions {
            producer.last_timestamp = i64::from_be_bytes(take(&mut body)?);
            producer.coordinator_epoch = i32::from_be_bytes(take(&mut body)?);
            producer.transaction = Some(i64::from_be_bytes(take(&mut body)?)).filter(|first| *first >= 0);
        }
        let [count] = take(&mut body)?;
        let count = usize::from(count);
        if count > BATCHES_KEPT || body.len() < count * BATCH_BYTES {
            return None;
        }
        let batches: Option<VecDeque<StoredBatch>> = (0..count).map(|_| decode_batch(&mut body)).collect();
        producer.batches = batches?;
        table.insert(id, producer);
    }
    Some(table)
}

fn decode_batch(body: &mut &[u8]) -> Option<StoredBatch> {
    Some(StoredBatch {
        base_sequence: i32::from_be_bytes(take(body)?),
        last_sequence: i32::from_be_bytes(take(body)?),
        base_offset: i64::from_be_bytes(take(body)?),
        last_offset: i64::from_be_bytes(take(body)?),
        timestamp: i64::from_be_bytes(take(body)?),
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_comes_back_and_any_flipped_bit_is_noticed() {
        let batch = |at| StoredBatch {
            base_sequence: at,
            last_sequence: at,
            base_offset: 5,
            last_offset: 5,
            timestamp: 9,
        };
        let mut table = ProducerTable::default();
        let batches = [batch(0), batch(1)].into();
        table.insert(7, Producer { batches, transaction: Some(5), coordinator_epoch: 3, ..Producer::new(2) });
        assert_eq!(table.first_open(), Some(5));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.snapshot");
        write(&path, &table).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(decode(&bytes).unwrap(), table);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&damaged), None, "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), None, "cut to {length}");
        }
    }

    #[test]
    fn a_snapshot_from_before_transactions_is_read() {
        let batch = [
            &7_i32.to_be_bytes()[..],
            &8_i32.to_be_bytes(),
            &5_i64.to_be_bytes(),
            &6_i64.to_be_bytes(),
            &9_i64.to_be_bytes(),
        ];
        let body = [&11_i64.to_be_bytes()[..], &2_i16.to_be_bytes(), &[1], &batch.concat()].concat();
        let file = [&b"MRP1"[..], &crc32c::crc32c(&body).to_be_bytes(), &body].concat();
        let table = decode(&file).unwrap();
        let producer = &table.producers[&11];
        assert_eq!((producer.epoch, producer.batches[0].last_sequence, producer.transaction), (2, 8, None));
        assert_eq!(table.first_open(), None);
    }
}
