//! What is done with hostile bytes, one function per target: anything that comes in from a socket or lies on a disk is read as
//! we read it. A panic, an endless loop or memory beyond the limit is a finding; what reads well must also write well.
//!
//! `make fuzz` runs each target; `fuzz/run` says how. A finding becomes a regression test beside the code that it was found in.

mod log;

use broker_protocol::{
    batch::{
        Batch, Batches, Compression, HEADER_BYTES, InflateLimits, check_produced, recompress,
        validate::check_records,
    },
    frame,
    fuzzing,
    header::{RequestHeader, check_version},
    reader::Reader,
};
use bytes::{Bytes, BytesMut};

pub use self::log::{internal_topics, log_recovery};
pub use converters::fuzzing::avro;

/// Largest frame that is taken, bytes.
const FRAME_BYTES_MAX: usize = 1 << 20;

/// A stream of bytes on the broker's port: frames, headers, bodies.
pub fn frame(data: &[u8]) {
    let mut buffer = BytesMut::from(data);
    while let Ok(Some(frame)) = frame::take_frame(&mut buffer, FRAME_BYTES_MAX) {
        let mut reader = Reader::new(frame, false);
        let Ok(header) = RequestHeader::read(&mut reader) else { continue };
        if let Ok(api) = check_version(&header) {
            fuzzing::request(api, header.api_version, reader.into_rest());
        }
    }
}

/// The body of one request: the first two bytes choose the API and the version.
pub fn request(data: &[u8]) {
    if let Some((api, version, body)) = fuzzing::choose(data) {
        fuzzing::request(api, version, body);
    }
}

/// The body of one response: the first two bytes choose the API and the version.
pub fn response(data: &[u8]) {
    if let Some((api, version, body)) = fuzzing::choose(data) {
        fuzzing::response(api, version, body);
    }
}

/// A record batch as a producer sends it, as it came and with a length and a checksum that fit, so that what lies behind them
/// is reached.
pub fn batch(data: &[u8]) {
    read_batches(Bytes::copy_from_slice(data));
    if data.len() < HEADER_BYTES {
        return;
    }
    let mut sound = data.to_vec();
    let length = i32::try_from(data.len() - 12).unwrap_or(i32::MAX);
    sound[8..12].copy_from_slice(&length.to_be_bytes());
    sound[16] = 2;
    let max_timestamp = i64::from_be_bytes(*sound[35..].first_chunk().unwrap_or(&[0; 8]));
    // Setting any field under the checksum computes it anew.
    if broker_protocol::batch::patch::max_timestamp(&mut sound, max_timestamp).is_ok() {
        read_batches(sound.into());
    }
}

fn read_batches(bytes: Bytes) {
    for batch in Batches::new(bytes.clone()).flatten() {
        if let Ok(records) = batch.records(InflateLimits::default()) {
            for record in records.iter().flatten() {
                assert_eq!(record.headers().count(), record.header_count());
            }
        }
    }
    let Ok(batch) = check_produced(bytes) else { return };
    for key_required in [false, true] {
        let checked = check_records(&batch, InflateLimits::default(), key_required);
        if let Ok(summary) = checked
            && summary.inflated_bytes < 1 << 16
        {
            every_codec(&batch);
        }
    }
}

/// Sound records stay what they are in whatever codec.
fn every_codec(batch: &Batch) {
    let plain = recompress(batch, Compression::None, InflateLimits::default()).expect("it was read before");
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let other = recompress(&plain, codec, InflateLimits::default()).expect("it was read before");
        let back = recompress(&other, Compression::None, InflateLimits::default()).expect("just written");
        assert_eq!(back.bytes(), plain.bytes(), "{codec}");
    }
}
