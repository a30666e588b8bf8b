//! The four codecs of record batches, each within limits.
//!
//! Invariant: inflating reads as a stream and stops at the limit; no length inside the data is believed before bytes for it
//! have come out. Formats: gzip; snappy in xerial's framing or raw; the LZ4 frame format; zstd.

use std::fmt;
use std::io::{self, Read, Write};

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use lz4_flex::frame::FrameDecoder;

use super::error::BatchError;
use super::{lz4, snappy};

/// Kafka's default level of zstd.
const ZSTD_LEVEL: i32 = 3;
/// The largest window that is accepted, 128 MiB: what zstd itself allows by default.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// Data may always inflate to this much, whatever the ratio.
const RATIO_FREE_BYTES: usize = 4 << 20;

/// How the records of a batch are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// Snappy.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// How far a batch may inflate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InflateLimits {
    /// Bytes of the inflated records.
    pub bytes_max: usize,
    /// Inflated bytes per compressed byte, once the inflated records exceed 4 MiB.
    pub ratio_max: usize,
}

impl Default for InflateLimits {
    /// 64 MiB, and a ratio that rows of zeros still keep.
    fn default() -> Self {
        Self { bytes_max: 64 << 20, ratio_max: 2000 }
    }
}

impl InflateLimits {
    fn of(self, compressed_bytes: usize) -> usize {
        let by_ratio = compressed_bytes.saturating_mul(self.ratio_max).max(RATIO_FREE_BYTES);
        self.bytes_max.min(by_ratio)
    }
}

impl Compression {
    /// From the lowest three bits of a batch's attributes.
    pub fn from_attributes(attributes: i16) -> Result<Self, BatchError> {
        match attributes & 0x07 {
            0 => Ok(Self::None),
            1 => Ok(Self::Gzip),
            2 => Ok(Self::Snappy),
            3 => Ok(Self::Lz4),
            4 => Ok(Self::Zstd),
            id => Err(BatchError::UnknownCompression { id }),
        }
    }

    /// The bits in a batch's attributes.
    pub fn id(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// The name in Kafka's settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The codec of this name in Kafka's settings.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd]
            .into_iter()
            .find(|codec| codec.name() == name)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Appends the compressed form of `bytes` to `output`.
pub fn deflate(codec: Compression, bytes: &[u8], output: &mut Vec<u8>) -> Result<(), BatchError> {
    let result = match codec {
        Compression::None => output.write_all(bytes),
        Compression::Gzip => deflate_gzip(bytes, output),
        Compression::Snappy => snappy::deflate(bytes, output),
        Compression::Lz4 => lz4::deflate(bytes, output),
        Compression::Zstd => zstd::stream::copy_encode(bytes, output, ZSTD_LEVEL),
    };
    result.map_err(|source| BatchError::Deflate { codec: codec.name(), source })
}

fn deflate_gzip(bytes: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
    let mut encoder = GzEncoder::new(output, flate2::Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish().map(|_output| ())
}

/// Inflates `bytes` within the limits.
pub fn inflate(codec: Compression, bytes: &[u8], limits: InflateLimits) -> Result<Vec<u8>, BatchError> {
    let limit = limits.of(bytes.len());
    let mut output = Vec::with_capacity(bytes.len().saturating_mul(4).min(limit));
    let complete = match codec {
        Compression::None => read_within(bytes, limit, &mut output),
        Compression::Gzip => read_within(MultiGzDecoder::new(bytes), limit, &mut output),
        Compression::Snappy => snappy::inflate(bytes, limit, &mut output),
        Compression::Lz4 => match lz4::inflate(bytes, limit, &mut output) {
            Some(complete) => Ok(complete),
            None => read_within(FrameDecoder::new(bytes), limit, &mut output),
        },
        Compression::Zstd => inflate_zstd(bytes, limit, &mut output),
    };
    match complete {
        Ok(true) => Ok(output),
        Ok(false) => Err(BatchError::InflatesTooFar { codec: codec.name(), compressed: bytes.len(), limit }),
        Err(source) => Err(BatchError::Inflate { codec: codec.name(), source }),
    }
}

fn inflate_zstd(bytes: &[u8], limit: usize, output: &mut Vec<u8>) -> io::Result<bool> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    read_within(decoder, limit, output)
}

/// Reads to the end, or until more than `limit` bytes came: then the answer is false.
fn read_within(source: impl Read, limit: usize, output: &mut Vec<u8>) -> io::Result<bool> {
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    source.take(one_more).read_to_end(output)?;
    Ok(output.len() <= limit)
}
