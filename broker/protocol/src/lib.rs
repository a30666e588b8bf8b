//! Kafka's wire protocol without I/O: what the broker and the client say to each other, byte for byte.
//!
//! - [`frame`] cuts a stream into frames; [`header`] reads and writes headers and whole frames.
//! - [`messages`] holds one file per API; [`message`] the macro that declares them and [`field`] how types stand on the wire.
//! - [`batch`] is the record batch (magic 2): check, patch, iterate, build, compress.
//!
//! Invariant of the crate: nothing trusts a length. Whatever bytes come in, the answer is a value or an error that names the
//! field; memory is bounded by what was received and by stated limits.

pub mod api_key;
pub mod batch;
pub mod consumer_protocol;
pub mod error;
pub mod error_code;
pub mod field;
pub mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod group_records;
pub mod header;
pub mod message;
pub mod messages;
pub mod reader;
#[cfg(any(test, feature = "fuzzing"))]
mod sample;
#[cfg(test)]
mod tests;
pub mod uuid;
pub mod writer;

pub use api_key::ApiKey;
pub use error::{DecodeError, DecodeFault, EncodeError};
pub use error_code::ErrorCode;
pub use message::{Message, Request};
pub use uuid::Uuid;
pub use writer::Encoded;

/// Text that is a slice of the buffer it came in.
pub type Text = bytestring::ByteString;
