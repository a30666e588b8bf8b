//! Connect's logical types: plain types that a name gives another meaning.
//!
//! On the data path a logical value is held in its encoded form (a Date is the INT32 that Connect would write), so
//! that a converter needs no case for it unless it prints it differently. Source: `org.apache.kafka.connect.data`.

use crate::schema::{Schema, SchemaBuilder, SchemaType};

/// An unscaled integer in two's complement, big-endian; the scale stands in parameter `scale`.
pub const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
/// Days since 1970-01-01, as INT32.
pub const DATE: &str = "org.apache.kafka.connect.data.Date";
/// Milliseconds since midnight, as INT32.
pub const TIME: &str = "org.apache.kafka.connect.data.Time";
/// Milliseconds since 1970-01-01T00:00:00Z, as INT64.
pub const TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";
/// The parameter of [`DECIMAL`] that holds the number of digits after the point.
pub const SCALE: &str = "scale";

/// Starts a Decimal schema with this many digits after the point.
#[must_use]
pub fn decimal(scale: i32) -> SchemaBuilder {
    Schema::builder(SchemaType::Bytes).name(DECIMAL).version(1).parameter(SCALE, scale.to_string())
}

/// Starts a Date schema.
#[must_use]
pub fn date() -> SchemaBuilder {
    Schema::builder(SchemaType::Int32).name(DATE).version(1)
}

/// Starts a Time schema.
#[must_use]
pub fn time() -> SchemaBuilder {
    Schema::builder(SchemaType::Int32).name(TIME).version(1)
}

/// Starts a Timestamp schema.
#[must_use]
pub fn timestamp() -> SchemaBuilder {
    Schema::builder(SchemaType::Int64).name(TIMESTAMP).version(1)
}
