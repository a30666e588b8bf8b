//! Default values: from the text of a DDL literal to the value in the column's schema.
//!
//! Off the hot path, once per shape. Source: Debezium 3.6, `BinlogDefaultValueConverter`: expressions give no default,
//! CURRENT_TIMESTAMP gives the epoch (nothing in an optional TIMESTAMP), zero dates give nothing or the epoch, and the commas of
//! an ENUM's word are not escaped. Invariant: the result fits the column's schema.

use api::{Bytes, Value};

use super::TypeOptions;
use super::parse;
use super::target::{Target, binary};
use crate::mysql::shape::{ColumnDefault, ColumnShape};

/// The default to put into the column's schema; `None` for none.
pub(crate) fn default_value(column: &ColumnShape, target: &Target, options: &TypeOptions) -> Option<Value> {
    match &column.default {
        ColumnDefault::Unset | ColumnDefault::Null | ColumnDefault::Expression => None,
        ColumnDefault::CurrentTimestamp => match target {
            Target::Date { .. } | Target::DateTime { .. } => temporal(column, target, "1970-01-01 00:00:00"),
            Target::Timestamp { .. } => (!column.optional).then(|| target.zero()),
            _ => None,
        },
        ColumnDefault::Literal(text) => literal(column, target, text, options),
    }
}

fn literal(column: &ColumnShape, target: &Target, text: &str, options: &TypeOptions) -> Option<Value> {
    let trimmed = match text.trim() {
        word if word.eq_ignore_ascii_case("true") => "1",
        word if word.eq_ignore_ascii_case("false") => "0",
        other => other,
    };
    let number = || trimmed.parse::<f64>().ok().map(round_half_up);
    match target {
        Target::Boolean => Some(Value::Boolean(bits(trimmed).is_some_and(|bits| bits != 0))),
        Target::Int16 => number().and_then(|number| i16::try_from(number).ok()).map(Value::Int16),
        Target::Int32 => number().and_then(|number| i32::try_from(number).ok()).map(Value::Int32),
        Target::Int64 => trimmed.parse().ok().or_else(number).map(Value::Int64),
        Target::UnsignedDecimal => trimmed.parse().ok().map(super::decimal::unsigned_decimal),
        Target::Float32 => trimmed.parse().ok().map(Value::Float32),
        Target::Float64 => trimmed.parse().ok().map(Value::Float64),
        Target::Decimal(form) => form.parsed(trimmed),
        Target::Bits { bits: length } => bits(trimmed).map(|number| {
            let bytes = *length as usize / 8 + usize::from(length % 8 != 0);
            Value::Bytes(Bytes::copy_from_slice(&number.to_le_bytes()[..bytes.min(8)]))
        }),
        Target::Year { .. } => parse::year(trimmed, true).map(Value::Int32),
        Target::Date { .. } | Target::Time(_) | Target::DateTime { .. } | Target::Timestamp { .. } => {
            temporal(column, target, trimmed)
        }
        Target::Binary { .. } => Some(binary(options.binary, Bytes::copy_from_slice(text.as_bytes()))),
        Target::Text(_)
        | Target::Enum(_)
        | Target::Set(_)
        | Target::Json
        | Target::JsonText
        | Target::Inet4
        | Target::Inet6 => Some(Value::from(text)),
        Target::Point | Target::Geometry | Target::Vector | Target::Uuid => None,
    }
}

/// Rounds as Java's `Math.round`, which stops at the largest number.
#[allow(
    clippy::cast_possible_truncation,
    reason = "a float that is too large becomes the largest integer, as in Java"
)]
fn round_half_up(number: f64) -> i64 {
    (number + 0.5).floor() as i64
}

/// `1`, `b'101'` or `x'41'`, or binary digits that Debezium's history holds without their quotes.
fn bits(text: &str) -> Option<u64> {
    let inside = |prefix: [char; 2]| {
        text.strip_prefix(prefix)
            .and_then(|rest| rest.strip_prefix('\''))
            .and_then(|rest| rest.strip_suffix('\''))
    };
    if let Some(digits) = inside(['b', 'B']) {
        return u64::from_str_radix(digits, 2).ok();
    }
    if let Some(digits) = inside(['x', 'X']) {
        return u64::from_str_radix(digits, 16).ok();
    }
    text.parse().ok()
}

/// Dates that are none become the epoch in a required column and nothing in others.
fn temporal(column: &ColumnShape, target: &Target, text: &str) -> Option<Value> {
    let value = parse::temporal(target, text);
    if value.is_none() && !column.optional { Some(target.zero()) } else { value }
}
