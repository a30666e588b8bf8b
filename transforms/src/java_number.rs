//! Java's numbers: `Number.intValue` and its like, which narrow in silence, and `Double.parseDouble` and its like, which do not.
//!
//! Casts are made of them. The invariant: a number narrows as the JVM narrows it, integers by their low bits and floats to the nearest
//! integer that there is. Two forms of text that Java takes and nobody writes are refused: hexadecimal floats, and digits other than 0 to 9.

use std::str::FromStr;

use api::{Schema, SchemaType, Value, java_text, logical};
use num_bigint::BigInt;

/// A decimal of more bytes (about 10,000 digits) is no number that anybody means.
const DECIMAL_BYTES_MAX: usize = 4096;

/// A number or a boolean as the number that Java makes of it.
#[derive(Clone, Debug)]
pub(crate) enum Number {
    /// An integer of at most 64 bits.
    Integer(i64),
    /// A FLOAT32.
    Single(f32),
    /// A FLOAT64.
    Double(f64),
    /// A Decimal: the low 64 bits of its integer part, and its text.
    Decimal(i64, String),
}

impl Number {
    /// The number of a value that is one; `None` for text and bytes, and for decimals beyond all bounds.
    pub(crate) fn of(value: &Value, schema: Option<&Schema>) -> Option<Self> {
        Some(match value {
            Value::Boolean(flag) => Self::Integer(i64::from(*flag)),
            Value::Float32(number) => Self::Single(*number),
            Value::Float64(number) => Self::Double(*number),
            Value::Bytes(unscaled) => {
                let schema = schema.filter(|schema| schema.name() == Some(logical::DECIMAL))?;
                let scale = schema.parameter(logical::SCALE)?.parse().ok()?;
                Self::Decimal(decimal_bits(unscaled, scale)?, java_text::big_decimal(schema, unscaled)?)
            }
            other => Self::Integer(other.as_i64()?),
        })
    }

    /// The number as a value of this type; `None` if that is no type of numbers.
    pub(crate) fn cast(&self, target: SchemaType) -> Option<Value> {
        Some(match target {
            SchemaType::Int8 => Value::Int8(low_8(self.int())),
            SchemaType::Int16 => Value::Int16(low_16(self.int())),
            SchemaType::Int32 => Value::Int32(self.int()),
            SchemaType::Int64 => Value::Int64(self.long()),
            SchemaType::Float32 => Value::Float32(self.single()?),
            SchemaType::Float64 => Value::Float64(self.double()?),
            SchemaType::Boolean => Value::Boolean(self.long() != 0),
            _ => return None,
        })
    }

    /// `Number.intValue`.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "Java's narrowing, which Rust's is for floats and integers alike"
    )]
    fn int(&self) -> i32 {
        match self {
            Self::Integer(number) | Self::Decimal(number, _) => *number as i32,
            Self::Single(number) => *number as i32,
            Self::Double(number) => *number as i32,
        }
    }

    /// `Number.longValue`.
    #[allow(clippy::cast_possible_truncation, reason = "Java's narrowing, which Rust's is")]
    fn long(&self) -> i64 {
        match self {
            Self::Integer(number) | Self::Decimal(number, _) => *number,
            Self::Single(number) => *number as i64,
            Self::Double(number) => *number as i64,
        }
    }

    /// `Number.floatValue`.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "the nearest float is what is wanted"
    )]
    fn single(&self) -> Option<f32> {
        match self {
            Self::Integer(number) => Some(*number as f32),
            Self::Single(number) => Some(*number),
            Self::Double(number) => Some(*number as f32),
            Self::Decimal(_, text) => text.parse().ok(),
        }
    }

    /// `Number.doubleValue`.
    #[allow(clippy::cast_precision_loss, reason = "the nearest double is what is wanted")]
    fn double(&self) -> Option<f64> {
        match self {
            Self::Integer(number) => Some(*number as f64),
            Self::Single(number) => Some(f64::from(*number)),
            Self::Double(number) => Some(*number),
            Self::Decimal(_, text) => text.parse().ok(),
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "Java's `(byte)`")]
const fn low_8(number: i32) -> i8 {
    number as i8
}

#[allow(clippy::cast_possible_truncation, reason = "Java's `(short)`")]
const fn low_16(number: i32) -> i16 {
    number as i16
}

/// `BigDecimal.longValue`: the integer part, of which the low 64 bits.
fn decimal_bits(unscaled: &[u8], scale: i32) -> Option<i64> {
    if unscaled.len() > DECIMAL_BYTES_MAX {
        return None;
    }
    // Ten to the 64th has 64 zero bits at its end; and a number of so many bytes has fewer than three digits a byte.
    let digits_max = i32::try_from(unscaled.len().saturating_mul(3)).ok()?;
    if scale <= -64 || scale > digits_max {
        return Some(0);
    }
    let number = BigInt::from_signed_bytes_be(unscaled);
    let power = BigInt::from(10).pow(scale.unsigned_abs());
    let whole = if scale > 0 { number / power } else { number * power };
    let bytes = whole.to_signed_bytes_le();
    let fill = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xFF } else { 0 };
    let mut low = [fill; 8];
    for (slot, byte) in low.iter_mut().zip(bytes) {
        *slot = byte;
    }
    Some(i64::from_le_bytes(low))
}

/// `Float.parseFloat` or `Double.parseDouble`.
pub(crate) fn parse_float<F: FromStr>(text: &str) -> Option<F> {
    let text = text.trim_matches(|character: char| character <= ' ');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, "NaN" | "Infinity") {
        return text.parse().ok();
    }
    let plain = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    let is_decimal = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    plain.parse().ok().filter(|_| plain.bytes().all(is_decimal))
}
