//! Record batches: against an independent codec, and against those who mean harm.

use std::io::Write;

use bytes::{Bytes, BytesMut};
use kafka_protocol::records::{
    Compression as TheirCompression, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions,
};
use proptest::prelude::*;

use crate::ErrorCode;
use crate::batch::error::RecordFault;
use crate::batch::header::{CHECKSUM_START, sequence_after};
use crate::batch::validate::{check_records, check_timestamps};
use crate::batch::{
    Batch, BatchBuilder, BatchError, BatchFields, BatchHeader, Batches, Compression, HEADER_BYTES, Header,
    InflateLimits, RecordHeaders, TimestampType, check_produced, patch, recompress,
};

const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

fn build(codec: Compression, records: u8) -> Bytes {
    let mut builder = BatchBuilder::new(0);
    for index in 0..records {
        let key = [index];
        let headers = [
            Header { key: "h", value: Some(b"first") },
            Header { key: "h", value: None },
            Header { key: "", value: Some(b"") },
        ];
        let key = (index % 3 != 1).then_some(&key[..]);
        let value = (index % 5 != 4).then(|| "value ".repeat(usize::from(index)));
        let value = value.as_ref().map(String::as_bytes);
        builder.append(1000 + i64::from(index), key, value, &headers[..usize::from(index % 4)]).unwrap();
    }
    let fields = BatchFields { compression: codec, ..Default::default() };
    builder.finish(&fields).unwrap().0.into()
}

#[test]
fn a_batch_takes_another_codec_and_keeps_all_else() {
    for from in CODECS {
        let mut bytes = BytesMut::from(&build(from, 20)[..]);
        patch::producer(&mut bytes, 7, 3, 40).unwrap();
        let batch = check_produced(bytes.freeze()).unwrap();
        for to in CODECS {
            let other = recompress(&batch, to, InflateLimits::default()).unwrap();
            let header = BatchHeader {
                size: other.bytes().len(),
                crc: other.header().crc,
                attributes: to.id(),
                ..*batch.header()
            };
            assert_eq!(*other.header(), header, "{from} to {to}");
            assert!(check_produced(other.bytes().clone()).is_ok());
            let back = recompress(&other, Compression::None, InflateLimits::default()).unwrap();
            let plain = recompress(&batch, Compression::None, InflateLimits::default()).unwrap();
            assert_eq!(back.bytes(), plain.bytes(), "{from} to {to}");
        }
    }
}

#[test]
fn time_stamps_outside_the_range_are_refused() {
    let batch = check_produced(build(Compression::None, 3)).unwrap();
    let summary = check_records(&batch, InflateLimits::default(), false).unwrap();
    assert_eq!((summary.min_timestamp, summary.max_timestamp), (1000, 1002));
    let check = |range| check_timestamps(summary.min_timestamp, summary.max_timestamp, range);
    assert!(check(1000..=1002).is_ok());
    for range in [1001..=2000, 0..=1001] {
        assert_eq!(check(range).unwrap_err().code(), ErrorCode::INVALID_TIMESTAMP);
    }
    assert!(check_timestamps(-1, -1, 5..=6).is_ok(), "no time stamp is in every range");
}

#[test]
fn records_survive_the_trip_in_every_codec() {
    for codec in CODECS {
        let batch = check_produced(build(codec, 20)).unwrap();
        assert_eq!(batch.header().compression().unwrap(), codec);
        let summary = check_records(&batch, InflateLimits::default(), false).unwrap();
        assert_eq!((summary.max_timestamp, summary.max_timestamp_delta), (1019, 19));
        let records = batch.records(InflateLimits::default()).unwrap();
        let read: Vec<_> = records.iter().collect::<Result<_, _>>().unwrap();
        assert_eq!(read.len(), 20);
        assert_eq!((read[7].offset, read[7].timestamp, read[7].key), (7, 1007, None));
        assert_eq!((read[4].value, read[3].key), (None, Some(&[3][..])));
        assert_eq!(records.share(read[2].value.unwrap()), "value value ");
        // Headers keep order and duplicates.
        let headers: Vec<_> = read[3].headers().collect();
        assert_eq!(headers[0], Header { key: "h", value: Some(b"first") });
        assert_eq!(headers[1], Header { key: "h", value: None });
        assert_eq!((headers.len(), headers[2].value), (3, Some(&b""[..])));
    }
}

#[test]
fn an_independent_decoder_reads_our_batches() {
    // The independent crate is built without codecs and loses repeated headers, so: no compression, one header at most.
    let mut builder = BatchBuilder::new(0);
    for index in 0..9 {
        let headers = [Header { key: "h", value: Some(b"x") }];
        builder.append(50 - index, Some(b"k"), None, &headers[..usize::from(index % 2 == 0)]).unwrap();
    }
    let fields = BatchFields { producer_id: 9, producer_epoch: 2, base_sequence: 5, ..Default::default() };
    let mut ours = Bytes::from(builder.finish(&fields).unwrap().0);
    let set = RecordBatchDecoder::decode(&mut ours).unwrap();
    assert_eq!(set.records.len(), 9);
    let last = &set.records[8];
    assert_eq!((last.offset, last.timestamp, last.producer_id, last.producer_epoch), (8, 42, 9, 2));
    assert_eq!((last.sequence, last.key.as_deref(), last.value.is_none()), (13, Some(&b"k"[..]), true));
    assert_eq!((last.headers.len(), set.records[7].headers.len()), (1, 0));
}

#[test]
fn we_read_what_an_independent_encoder_writes() {
    let mut ours = build(Compression::None, 4);
    let set = RecordBatchDecoder::decode(&mut ours).unwrap();
    let options = RecordEncodeOptions { version: 2, compression: TheirCompression::None };
    let mut theirs = BytesMut::new();
    RecordBatchEncoder::encode(&mut theirs, set.records.iter(), &options).unwrap();
    let mut batches = Batches::new(theirs.freeze());
    let records: usize = batches
        .by_ref()
        .map(|batch| {
            batch.unwrap().records(InflateLimits::default()).unwrap().iter().map(Result::unwrap).count()
        })
        .sum();
    assert_eq!((records, batches.rest().len()), (4, 0));
}

#[test]
fn a_response_may_end_within_a_batch() {
    let whole = build(Compression::Lz4, 10);
    let mut two = whole.to_vec();
    two.extend_from_slice(&whole);
    for cut in 0..whole.len() {
        let mut batches = Batches::new(Bytes::from(two[..whole.len() + cut].to_vec()));
        assert!(batches.next().unwrap().is_ok());
        assert!(batches.next().is_none(), "cut at {cut}");
        assert_eq!(batches.rest().len(), cut);
    }
}

#[test]
fn every_changed_byte_behind_the_checksum_is_noticed() {
    let whole = build(Compression::None, 3);
    for at in CHECKSUM_START..whole.len() {
        let mut changed = whole.to_vec();
        changed[at] ^= 0x10;
        let error = check_produced(changed.into()).unwrap_err();
        assert_eq!(
            error.code(),
            if matches!(error, BatchError::Field { .. }) {
                ErrorCode::INVALID_RECORD
            } else {
                ErrorCode::CORRUPT_MESSAGE
            }
        );
    }
}

#[test]
fn patches_keep_the_batch_valid() {
    let mut bytes = build(Compression::Zstd, 6).to_vec();
    patch::base_offset(&mut bytes, 700).unwrap();
    patch::leader_epoch(&mut bytes, 3).unwrap();
    patch::producer(&mut bytes, 11, 1, i32::MAX - 2).unwrap();
    patch::log_append_time(&mut bytes, 99).unwrap();
    let batch = Batch::take(&mut Bytes::from(bytes)).unwrap();
    let header = batch.header();
    assert_eq!((header.base_offset, header.last_offset(), header.next_offset()), (700, 705, 706));
    assert_eq!((header.leader_epoch, header.producer_id, header.last_sequence()), (3, 11, 2));
    assert_eq!(header.timestamp_type(), TimestampType::LogAppendTime);
    let records = batch.records(InflateLimits::default()).unwrap();
    assert!(records.iter().all(|record| record.unwrap().timestamp == 99));
    assert!(patch::base_offset(&mut [0; 60], 1).is_err());
    assert_eq!(sequence_after(i32::MAX, 1), 0);
}

#[test]
fn compaction_keeps_offsets() {
    let mut builder = BatchBuilder::new(0);
    builder.append_at(2, 10, Some(b"a"), Some(b"1"), &[]).unwrap();
    builder.append_at(5, 12, Some(b"b"), Some(b"2"), &[]).unwrap();
    assert!(builder.append_at(5, 12, None, None, &[]).is_err());
    let fields = BatchFields { base_offset: 100, last_offset_delta: Some(9), ..Default::default() };
    let mut bytes = Bytes::from(builder.finish(&fields).unwrap().0);
    let batch = Batch::take(&mut bytes).unwrap();
    assert_eq!((batch.header().record_count, batch.header().next_offset()), (2, 110));
    let records = batch.records(InflateLimits::default()).unwrap();
    let offsets: Vec<_> = records.iter().map(|record| record.unwrap().offset).collect();
    assert_eq!(offsets, [102, 105]);
    assert!(check_produced(batch.bytes().clone()).is_err(), "a producer must not leave gaps");
}

fn rebuilt(change: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut bytes = build(Compression::None, 3).to_vec();
    change(&mut bytes);
    patch::checksum(&mut bytes);
    bytes.into()
}

#[test]
fn what_a_producer_must_not_send() {
    let code = |bytes| check_produced(bytes).unwrap_err().code();
    assert_eq!(code(rebuilt(|bytes| bytes[16] = 1)), ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT);
    assert_eq!(code(rebuilt(|bytes| bytes[22] = 5)), ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    assert_eq!(code(rebuilt(|bytes| bytes[22] = 0x20)), ErrorCode::INVALID_RECORD);
    assert_eq!(code(rebuilt(|bytes| bytes[60] = 2)), ErrorCode::INVALID_RECORD);
    assert_eq!(code(rebuilt(|bytes| bytes[57] = 0x80)), ErrorCode::INVALID_RECORD);
    assert_eq!(code(rebuilt(|bytes| bytes[43..51].fill(0))), ErrorCode::INVALID_RECORD);
    assert_eq!(code(rebuilt(|bytes| bytes[8] = 0xff)), ErrorCode::CORRUPT_MESSAGE);
    assert_eq!(code(rebuilt(|bytes| bytes.truncate(70))), ErrorCode::CORRUPT_MESSAGE);
    let two = [build(Compression::None, 3), build(Compression::None, 3)].concat();
    assert_eq!(code(two.into()), ErrorCode::INVALID_RECORD);
    assert_eq!(code(Bytes::new()), ErrorCode::CORRUPT_MESSAGE);
    let mut unchecked = build(Compression::None, 3).to_vec();
    unchecked[17] ^= 1;
    assert!(matches!(check_produced(unchecked.into()), Err(BatchError::Checksum { .. })));
}

#[test]
fn broken_records_name_themselves() {
    let check = |bytes| check_records(&check_produced(bytes).unwrap(), InflateLimits::default(), false);
    let fault = |bytes| match check(bytes).unwrap_err() {
        BatchError::Record { index, fault } => (index, fault),
        other => panic!("{other}"),
    };
    // The first record: length 7 -> 14 zigzagged, attributes, timestamp, offset, key length 1 -> 2, key, value length, ...
    assert_eq!(fault(rebuilt(|bytes| bytes[HEADER_BYTES] = 0x7e)).1, RecordFault::Truncated);
    assert!(matches!(fault(rebuilt(|bytes| bytes[HEADER_BYTES] = 3)).1, RecordFault::Length { .. }));
    assert!(matches!(
        fault(rebuilt(|bytes| bytes[HEADER_BYTES + 3] = 8)),
        (0, RecordFault::OffsetDelta { found: 4, expected: 0 })
    ));
    assert!(matches!(
        fault(rebuilt(|bytes| bytes[HEADER_BYTES + 4] = 3)).1,
        RecordFault::Length { length: -2 }
    ));
    let keyless =
        check_records(&check_produced(build(Compression::None, 3)).unwrap(), InflateLimits::default(), true);
    let keyless = keyless.unwrap_err();
    assert_eq!(keyless.code(), ErrorCode::INVALID_RECORD);
    assert!(matches!(keyless, BatchError::Record { index: 1, fault: RecordFault::MissingKey }));
}

/// A batch around compressed bytes of our choice.
fn around(codec: Compression, payload: &[u8], records: i32) -> Batch {
    let mut bytes = build(Compression::None, 1)[..HEADER_BYTES].to_vec();
    bytes.extend_from_slice(payload);
    let length = i32::try_from(bytes.len() - 12).unwrap();
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[22] = u8::try_from(codec.id()).unwrap();
    bytes[23..27].copy_from_slice(&(records - 1).to_be_bytes());
    bytes[57..61].copy_from_slice(&records.to_be_bytes());
    patch::checksum(&mut bytes);
    check_produced(bytes.into()).unwrap()
}

#[test]
fn zip_bombs_stop_at_the_limit() {
    let zeros = vec![0; 48 << 20];
    let limits = InflateLimits { bytes_max: 16 << 20, ratio_max: 100_000 };
    let tight = InflateLimits { bytes_max: 1 << 30, ratio_max: 10 };
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let mut bomb = Vec::new();
        crate::batch::compression::deflate(codec, &zeros, &mut bomb).unwrap();
        let batch = around(codec, &bomb, 1);
        let error = batch.records(limits).unwrap_err();
        assert!(matches!(error, BatchError::InflatesTooFar { limit: 0x0100_0000, .. }), "{codec}: {error}");
        assert_eq!(error.code(), ErrorCode::MESSAGE_TOO_LARGE);
        let error = batch.records(tight).unwrap_err();
        assert!(matches!(error, BatchError::InflatesTooFar { .. }), "{codec}: {error}");
    }
}

#[test]
fn forged_lengths_inside_compressed_data() {
    let limits = InflateLimits::default();
    let raw_snappy = [0xff, 0xff, 0xff, 0xff, 0x0f, 0];
    assert!(around(Compression::Snappy, &raw_snappy, 1).records(limits).is_err());
    let small_lie = [0x80, 0x80, 0x80, 0x01, 0];
    assert!(matches!(
        around(Compression::Snappy, &small_lie, 1).records(limits),
        Err(BatchError::Inflate { codec: "snappy", .. })
    ));
    let mut xerial = vec![0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1];
    xerial.extend_from_slice(&[0x7f, 0xff, 0xff, 0xff, 1]);
    assert!(around(Compression::Snappy, &xerial, 1).records(limits).is_err());
    // zstd: a frame header that asks for a window of 2^41 bytes.
    assert!(
        around(Compression::Zstd, &[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 0, 0, 0], 1).records(limits).is_err()
    );
    // LZ4: a content size of 2^60 in front of nothing.
    let lz4 = [0x04, 0x22, 0x4d, 0x18, 0x68, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x10, 0];
    assert!(around(Compression::Lz4, &lz4, 1).records(limits).is_err());
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        assert!(around(codec, b"not what it says", 1).records(limits).is_err(), "{codec}");
    }
}

#[test]
fn snappy_is_read_raw_as_well() {
    let framed = build(Compression::None, 12);
    let raw = snap::raw::Encoder::new().compress_vec(&framed[HEADER_BYTES..]).unwrap();
    let batch = around(Compression::Snappy, &raw, 12);
    assert_eq!(batch.records(InflateLimits::default()).unwrap().iter().map(Result::unwrap).count(), 12);
}

#[test]
fn gzip_members_in_a_row_are_one_stream() {
    let framed = build(Compression::None, 12);
    let mut members = Vec::new();
    for part in framed[HEADER_BYTES..].chunks(100) {
        let mut encoder = flate2::write::GzEncoder::new(&mut members, flate2::Compression::fast());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap();
    }
    let batch = around(Compression::Gzip, &members, 12);
    assert_eq!(batch.records(InflateLimits::default()).unwrap().iter().map(Result::unwrap).count(), 12);
}

#[test]
fn counts_are_not_believed() {
    let framed = build(Compression::None, 3);
    let many = around(Compression::None, &framed[HEADER_BYTES..], 1_000_000);
    assert!(check_records(&many, InflateLimits::default(), false).is_err());
    let few = around(Compression::None, &framed[HEADER_BYTES..], 2);
    assert!(matches!(
        check_records(&few, InflateLimits::default(), false),
        Err(BatchError::TrailingBytes { records: 2, .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn noise_in_records_never_panics(payload in proptest::collection::vec(any::<u8>(), 0..200), codec in 0..5_usize, count in 1..50_i32) {
        let batch = around(CODECS[codec], &payload, count);
        drop(check_records(&batch, InflateLimits::default(), true));
        if let Ok(records) = batch.records(InflateLimits::default()) {
            for record in records.iter().flatten() {
                prop_assert_eq!(record.headers().count(), record.header_count());
            }
        }
    }

    #[test]
    fn noise_as_a_batch_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(check_produced(bytes.clone().into()));
        prop_assert!(Batches::new(bytes.into()).count() <= 1);
    }

    #[test]
    fn any_record_survives(
        key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
        value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..3000)),
        timestamps in proptest::collection::vec(any::<i64>(), 1..5),
        codec in 0..5_usize,
    ) {
        let mut builder = BatchBuilder::new(0);
        for timestamp in &timestamps {
            let before = builder.size();
            builder.append(*timestamp, key.as_deref(), value.as_deref(), &[]).unwrap();
            let bound = BatchBuilder::record_size_max(key.as_deref(), value.as_deref(), RecordHeaders::default());
            prop_assert!(builder.size() - before <= bound);
        }
        let fields = BatchFields { compression: CODECS[codec], ..Default::default() };
        let batch = check_produced(builder.finish(&fields).unwrap().0.into()).unwrap();
        prop_assert_eq!(batch.header().max_timestamp, *timestamps.iter().max().unwrap());
        let records = batch.records(InflateLimits::default()).unwrap();
        for (record, timestamp) in records.iter().zip(&timestamps) {
            let record = record.unwrap();
            prop_assert_eq!(record.timestamp, *timestamp);
            prop_assert_eq!(record.key, key.as_deref());
            prop_assert_eq!(record.value, value.as_deref());
        }
    }
}
