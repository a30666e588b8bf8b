//! What a topic's configs make of a batch that a producer sent: its records checked as far as the topic needs, its time
//! stamps within range, its codec the topic's. Pure: a batch and the settings in, the batch to append out.
//!
//! A batch in its producer's codec is not inflated unless something in it must be looked at: the newest time stamp is in
//! its head, which is believed as far as it only concerns the producer's own records.

use broker_protocol::batch::{
    Batch, BatchError, Compression, InflateLimits, TimestampType, patch, recompress,
    validate::{check_records, check_timestamps},
};
use bytes::BytesMut;

use crate::log::LogConfig;

/// Checks and, where the topic asks for it, changes a batch whose head and checksum were checked before.
pub(super) fn accept(batch: Batch, config: &LogConfig, now_ms: i64) -> Result<Batch, BatchError> {
    let header = *batch.header();
    let key_required = config.cleanup_policy.compact;
    let codec = header.compression()?;
    let other_codec = config.compression.filter(|wanted| *wanted != codec);
    let earliest_matters = !config.log_append_time && config.timestamp_before_max_ms < i64::MAX;
    let inspected = key_required || codec == Compression::None || other_codec.is_some() || earliest_matters;
    let (mut min_timestamp, mut max_timestamp) = (header.max_timestamp, header.max_timestamp);
    if inspected {
        let summary = check_records(&batch, InflateLimits::default(), key_required)?;
        (min_timestamp, max_timestamp) = (summary.min_timestamp, summary.max_timestamp);
        if min_timestamp == i64::MAX {
            min_timestamp = max_timestamp;
        }
    }
    if !config.log_append_time {
        if header.timestamp_type() == TimestampType::LogAppendTime {
            let (field, value) = ("attributes", header.attributes.into());
            let rule = "a producer must not set the time stamp type LogAppendTime";
            return Err(BatchError::Field { field, value, rule });
        }
        check_timestamps(min_timestamp, max_timestamp, range(config, now_ms))?;
    }
    let batch = match other_codec {
        Some(codec) => recompress(&batch, codec, InflateLimits::default())?,
        None => batch,
    };
    if batch.bytes().len() > config.max_message_bytes {
        return Err(BatchError::TooLarge { size: batch.bytes().len() });
    }
    stamp(batch, config.log_append_time.then_some(now_ms), max_timestamp)
}

/// The time stamps that the topic takes.
fn range(config: &LogConfig, now_ms: i64) -> std::ops::RangeInclusive<i64> {
    let earliest = now_ms.saturating_sub(config.timestamp_before_max_ms).max(0);
    earliest..=now_ms.saturating_add(config.timestamp_after_max_ms)
}

/// The broker's time, or the newest of the records where the producer's head says another.
fn stamp(batch: Batch, append_time_ms: Option<i64>, max_timestamp: i64) -> Result<Batch, BatchError> {
    if append_time_ms.is_none() && batch.header().max_timestamp == max_timestamp {
        return Ok(batch);
    }
    let mut stamped = BytesMut::from(&batch.bytes()[..]);
    match append_time_ms {
        Some(now_ms) => patch::log_append_time(&mut stamped, now_ms)?,
        None => patch::max_timestamp(&mut stamped, max_timestamp)?,
    }
    Batch::take(&mut stamped.freeze())
}

#[cfg(test)]
mod tests {
    use broker_protocol::{
        ErrorCode,
        batch::{BatchBuilder, BatchFields, check_produced},
    };

    use super::*;

    const NOW_MS: i64 = 1_000_000;

    fn batch(timestamps: &[i64], compression: Compression) -> Batch {
        let mut builder = BatchBuilder::new(100);
        for timestamp in timestamps {
            builder.append(*timestamp, Some(b"key"), Some(&[b'x'; 200]), &[]).unwrap();
        }
        let fields = BatchFields { compression, ..BatchFields::default() };
        check_produced(builder.finish(&fields).unwrap().0.into()).unwrap()
    }

    fn code(batch: Batch, config: &LogConfig) -> ErrorCode {
        accept(batch, config, NOW_MS).map_or_else(|error| error.code(), |_| ErrorCode::NONE)
    }

    #[test]
    fn batches_take_the_codec_of_the_topic() {
        for wanted in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let config = LogConfig { compression: Some(wanted), ..LogConfig::default() };
            let accepted = accept(batch(&[1, 2, 3], Compression::Lz4), &config, NOW_MS).unwrap();
            assert_eq!(accepted.header().compression().unwrap(), wanted);
            let records = accepted.records(InflateLimits::default()).unwrap();
            assert_eq!(records.iter().map(|record| record.unwrap().timestamp).collect::<Vec<_>>(), [1, 2, 3]);
        }
        let untouched = batch(&[1], Compression::Lz4);
        let accepted = accept(untouched.clone(), &LogConfig::default(), NOW_MS).unwrap();
        assert_eq!(accepted.bytes(), untouched.bytes(), "producer keeps what came");
    }

    #[test]
    fn a_batch_that_grows_beyond_the_limit_in_another_codec_is_refused() {
        let config = LogConfig {
            compression: Some(Compression::None),
            max_message_bytes: 300,
            ..LogConfig::default()
        };
        let small = batch(&[1; 10], Compression::Gzip);
        assert!(small.bytes().len() < 300);
        assert_eq!(code(small, &config), ErrorCode::MESSAGE_TOO_LARGE);
    }

    #[test]
    fn time_stamps_must_lie_within_the_range() {
        let config =
            LogConfig { timestamp_before_max_ms: 500, timestamp_after_max_ms: 50, ..LogConfig::default() };
        for codec in [Compression::None, Compression::Gzip] {
            assert_eq!(code(batch(&[NOW_MS - 500, NOW_MS + 50], codec), &config), ErrorCode::NONE);
            for wrong in [[NOW_MS - 501, NOW_MS], [NOW_MS, NOW_MS + 51]] {
                assert_eq!(code(batch(&wrong, codec), &config), ErrorCode::INVALID_TIMESTAMP);
            }
            assert_eq!(code(batch(&[-1], codec), &config), ErrorCode::NONE, "no time stamp");
            assert_eq!(code(batch(&[-2], codec), &LogConfig::default()), ErrorCode::INVALID_TIMESTAMP);
        }
        let config = LogConfig { log_append_time: true, ..config };
        let accepted = accept(batch(&[5], Compression::None), &config, NOW_MS).unwrap();
        assert_eq!(accepted.header().max_timestamp, NOW_MS, "the broker's time needs no check");
    }

    #[test]
    fn an_hour_ahead_is_too_much_by_default() {
        let late = |ms| batch(&[NOW_MS + ms], Compression::Zstd);
        assert_eq!(code(late(3_600_000), &LogConfig::default()), ErrorCode::NONE);
        assert_eq!(code(late(3_600_001), &LogConfig::default()), ErrorCode::INVALID_TIMESTAMP);
    }

    #[test]
    fn the_newest_time_stamp_in_the_head_is_that_of_the_records() {
        let mut lying = BytesMut::from(&batch(&[10, 30, 20], Compression::None).bytes()[..]);
        patch::max_timestamp(&mut lying, 5).unwrap();
        let lying = check_produced(lying.freeze()).unwrap();
        let accepted = accept(lying, &LogConfig::default(), NOW_MS).unwrap();
        assert_eq!(accepted.header().max_timestamp, 30);
        assert!(check_produced(accepted.bytes().clone()).is_ok());
    }
}
