//! Converters: how a record becomes bytes, and how bytes become a record.
//!
//! They stand on either side of the broker: last on a source's path, first on a sink's. One file a converter; [`ALL`] lists them.
//! The invariant of each: what it writes it reads back, and what Kafka Connect's converter of the same class writes, it writes byte for byte.

mod avro;
mod bytes;
mod cache;
mod header;
mod java_text;
mod json;
mod numbers;
mod string;
mod values;

use api::Plugin;

#[cfg(any(test, feature = "fuzzing"))]
pub use avro::fuzzing;

/// Every converter and header converter of this crate.
pub static ALL: &[&Plugin] = &[
    &json::PLUGIN,
    &json::HEADER_PLUGIN,
    &string::PLUGIN,
    &string::HEADER_PLUGIN,
    &bytes::PLUGIN,
    &bytes::HEADER_PLUGIN,
    &numbers::BOOLEAN,
    &numbers::BOOLEAN_HEADER,
    &numbers::SHORT,
    &numbers::SHORT_HEADER,
    &numbers::INTEGER,
    &numbers::INTEGER_HEADER,
    &numbers::LONG,
    &numbers::LONG_HEADER,
    &numbers::FLOAT,
    &numbers::FLOAT_HEADER,
    &numbers::DOUBLE,
    &numbers::DOUBLE_HEADER,
    &header::PLUGIN,
    &avro::PLUGIN,
];

/// The version that the worker tells for them.
const VERSION: &str = env!("CARGO_PKG_VERSION");
