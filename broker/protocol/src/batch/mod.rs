//! The record batch (magic 2): what producers send, brokers store and consumers get, byte for byte the same.
//!
//! - [`header`]: the 61 bytes in front, the checks a broker makes, and how whole batches are told apart in a log.
//! - [`patch`]: the few fields a broker may change in place.
//! - [`recompress()`]: the same records in another codec.
//! - [`records`]: iterates records without copying them.
//! - [`builder`]: appends records straight into the buffer that becomes the batch.
//! - [`compression`]: the four codecs, with limits.

pub mod builder;
pub mod compression;
pub mod error;
pub mod header;
mod lz4;
pub mod patch;
mod recompress;
mod record_headers;
pub mod records;
mod snappy;
pub mod validate;
mod varint;

pub use builder::{BatchBuilder, BatchFields};
pub use compression::{Compression, InflateLimits};
pub use error::BatchError;
pub use header::{Batch, BatchHeader, Batches, HEADER_BYTES, TimestampType};
pub use recompress::recompress;
pub use record_headers::{EncodedHeaders, RecordHeaders};
pub use records::{Header, Record, Records};
pub use validate::{RecordSummary, check_produced};
