//! The choices that Debezium gives over how values are written, under its option names.
//!
//! They are fixed for a task's life; decoders are compiled for them. Invariant: every variant here is carried out in full
//! by the binlog decoder, the snapshot's text reader and the schemas alike.

use api::Text;

/// `decimal.handling.mode`: how DECIMAL is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DecimalHandling {
    /// Connect's Decimal.
    #[default]
    Precise,
    /// FLOAT64, which may round.
    Double,
    /// STRING.
    String,
}

/// `bigint.unsigned.handling.mode`: how BIGINT UNSIGNED is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BigintUnsignedHandling {
    /// INT64; numbers from 2^63 on come out negative.
    #[default]
    Long,
    /// Connect's Decimal with scale 0.
    Precise,
}

/// `time.precision.mode`: how dates and times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimePrecision {
    /// Days, microseconds for TIME, milliseconds or microseconds for DATETIME by the column's precision.
    #[default]
    AdaptiveTimeMicroseconds,
    /// Connect's own Date, Time and Timestamp, all in milliseconds. A TIME outside of one day has no such value and
    /// becomes null, as in Debezium.
    Connect,
    /// ISO 8601 text. A TIME outside of one day becomes null, as in Debezium.
    IsoString,
    /// Microseconds throughout.
    Microseconds,
    /// Nanoseconds throughout.
    Nanoseconds,
}

/// `binary.handling.mode`: how BINARY, VARBINARY and BLOB are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BinaryHandling {
    /// BYTES.
    #[default]
    Bytes,
    /// STRING in base64.
    Base64,
    /// STRING in base64 with the URL-safe alphabet.
    Base64UrlSafe,
    /// STRING in lower-case hex.
    Hex,
}

/// All choices together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeOptions {
    /// `decimal.handling.mode`.
    pub decimal: DecimalHandling,
    /// `bigint.unsigned.handling.mode`.
    pub bigint_unsigned: BigintUnsignedHandling,
    /// `time.precision.mode`.
    pub time_precision: TimePrecision,
    /// `binary.handling.mode`.
    pub binary: BinaryHandling,
    /// `enable.time.adjuster`: years below 100 mean 1970 to 2069.
    pub time_adjuster: bool,
    /// `unavailable.value.placeholder`: stands for a text or blob that `binlog_row_image=NOBLOB` left out.
    pub unavailable_value: Text,
}

impl Default for TypeOptions {
    fn default() -> Self {
        Self {
            decimal: DecimalHandling::default(),
            bigint_unsigned: BigintUnsignedHandling::default(),
            time_precision: TimePrecision::default(),
            binary: BinaryHandling::default(),
            time_adjuster: true,
            unavailable_value: Text::from_static("__debezium_unavailable_value"),
        }
    }
}
