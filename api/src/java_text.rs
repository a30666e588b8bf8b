//! Java's `toString` of Connect's values: the text that people know from files, string topics and casts to string.
//!
//! Where a value becomes text (the string converter, the file sink, a cast) Connect calls `toString`, and what reads
//! those files and topics expects its form: `Struct{a=1,b=x}`, `[1, 2]`, `{k=v}`, `1.0E10`. Logical types print as the
//! Java classes that Connect holds them in: `BigDecimal` and `java.util.Date` (in UTC, where a JVM takes its own zone).
//! One form is ours: bytes print as base64, since Java prints their address (`[B@1b6d3586`).
//! Invariant: the same value and schema always give the same text.

use std::fmt::Write as _;

use crate::schema::Schema;
use crate::value::{SchemaAndValue, Struct, Value};
use crate::{calendar, logical};

/// A Decimal of more bytes than this (about 10,000 digits) prints as bytes: its digits would cost quadratic time.
const DECIMAL_BYTES_MAX: usize = 4096;

/// The text of a value. Of text that is a copy: see [`Value::as_str`] to borrow it.
#[must_use]
pub fn of(datum: &SchemaAndValue) -> String {
    let mut text = String::new();
    append(datum.schema.as_deref(), &datum.value, &mut text);
    text
}

/// Appends the text of a value. The schema, where there is one, tells logical types from plain ones.
pub fn append(schema: Option<&Schema>, value: &Value, text: &mut String) {
    if let Some(schema) = schema
        && let Some(name) = schema.name()
        && append_logical(name, schema, value, text)
    {
        return;
    }
    match value {
        Value::Null => text.push_str("null"),
        Value::Boolean(flag) => append_display(flag, text),
        Value::Int8(number) => append_display(number, text),
        Value::Int16(number) => append_display(number, text),
        Value::Int32(number) => append_display(number, text),
        Value::Int64(number) => append_display(number, text),
        Value::Float32(number) => append_float(*number, text),
        Value::Float64(number) => append_double(*number, text),
        Value::String(string) => text.push_str(string),
        Value::Bytes(bytes) => append_base64(bytes, text),
        Value::Array(items) => append_list(schema, items, text),
        Value::Map(entries) => append_map(schema, entries, text),
        Value::Struct(value) => append_struct(value, text),
    }
}

/// Appends a `double` as `Double.toString` does: `1.0`, `1.0E10`, `4.9E-324`, `NaN`, `Infinity`.
pub fn append_double(number: f64, text: &mut String) {
    let shortest = format!("{number:e}");
    let two_digits = format!("{number:.1e}");
    let same = two_digits.parse::<f64>().is_ok_and(|back| back == number);
    append_floating(&shortest, same.then_some(&two_digits), text);
}

/// Appends a `float` as `Float.toString` does.
pub fn append_float(number: f32, text: &mut String) {
    let shortest = format!("{number:e}");
    let two_digits = format!("{number:.1e}");
    let same = two_digits.parse::<f32>().is_ok_and(|back| back == number);
    append_floating(&shortest, same.then_some(&two_digits), text);
}

/// A Decimal as `BigDecimal.toString` does, which is a JSON number as well: `12.34`, `1E-7`. None when the schema says no
/// scale, or when there are more digits than anyone means (about 10,000).
#[must_use]
pub fn big_decimal(schema: &Schema, unscaled: &[u8]) -> Option<String> {
    let scale = schema.parameter(logical::SCALE)?.parse().ok()?;
    let mut text = String::new();
    (unscaled.len() <= DECIMAL_BYTES_MAX).then(|| append_big_decimal(unscaled, scale, &mut text))?;
    Some(text)
}

fn append_display(value: &impl std::fmt::Display, text: &mut String) {
    let written = write!(text, "{value}");
    debug_assert!(written.is_ok(), "a String takes all that is written to it");
}

/// Says whether it knew the logical type and printed it.
fn append_logical(name: &str, schema: &Schema, value: &Value, text: &mut String) -> bool {
    match (name, value) {
        (logical::DECIMAL, Value::Bytes(unscaled)) => {
            let Some(decimal) = big_decimal(schema, unscaled) else { return false };
            text.push_str(&decimal);
        }
        (logical::DATE, Value::Int32(days)) => {
            text.push_str(&calendar::java_date(i64::from(*days) * calendar::DAY_MS))
        }
        (logical::TIME, Value::Int32(millis)) => text.push_str(&calendar::java_date(i64::from(*millis))),
        (logical::TIMESTAMP, Value::Int64(millis)) => text.push_str(&calendar::java_date(*millis)),
        _ => return false,
    }
    true
}

/// `AbstractCollection.toString`: `[a, b]`.
fn append_list(schema: Option<&Schema>, items: &[Value], text: &mut String) {
    let item_schema = schema.and_then(Schema::value_schema).map(|schema| &**schema);
    text.push('[');
    for (index, item) in items.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { ", " });
        append(item_schema, item, text);
    }
    text.push(']');
}

/// `AbstractMap.toString`: `{a=1, b=2}`.
fn append_map(schema: Option<&Schema>, entries: &[(Value, Value)], text: &mut String) {
    let key_schema = schema.and_then(Schema::key_schema).map(|schema| &**schema);
    let value_schema = schema.and_then(Schema::value_schema).map(|schema| &**schema);
    text.push('{');
    for (index, (key, value)) in entries.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { ", " });
        append(key_schema, key, text);
        text.push('=');
        append(value_schema, value, text);
    }
    text.push('}');
}

/// Connect's `Struct.toString`: `Struct{a=1,b=2}`, without the fields that are null.
fn append_struct(value: &Struct, text: &mut String) {
    text.push_str("Struct{");
    let mut separator = "";
    for (field, value) in value.schema().fields().iter().zip(value.values()) {
        if value.is_null() {
            continue;
        }
        text.push_str(separator);
        separator = ",";
        text.push_str(&field.name);
        text.push('=');
        append(Some(&field.schema), value, text);
    }
    text.push('}');
}

/// Java's form of a floating number, from Rust's shortest digits in scientific form (`1.5e10`).
///
/// Both choose the shortest decimal that reads back as the number, but Java's has two digits at least, and of those
/// it takes the nearest: `4.9E-324`, where the shortest is `5e-324`.
fn append_floating(shortest: &str, two_digits: Option<&String>, text: &mut String) {
    let Some((mantissa, _)) = shortest.split_once('e') else {
        text.push_str(if shortest.ends_with("inf") {
            shortest.strip_suffix("inf").unwrap_or("")
        } else {
            "NaN"
        });
        text.push_str(if shortest.ends_with("inf") { "Infinity" } else { "" });
        return;
    };
    let chosen = if mantissa.contains('.') { shortest } else { two_digits.map_or(shortest, |text| text) };
    let (mantissa, exponent) = chosen.split_once('e').unwrap_or((chosen, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_end_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    text.push_str(sign);
    match usize::try_from(exponent) {
        Ok(exponent @ 0..=6) => append_with_point(digits, exponent + 1, text),
        Err(_) if exponent >= -3 => {
            text.push_str("0.");
            text.extend(std::iter::repeat_n('0', usize::try_from(-exponent - 1).unwrap_or(0)));
            text.push_str(digits);
        }
        _ => {
            append_with_point(digits, 1, text);
            append_display(&format_args!("E{exponent}"), text);
        }
    }
}

/// Digits with a point after the first `whole` of them, filled up with zeros, and one digit after the point at least.
fn append_with_point(digits: &str, whole: usize, text: &mut String) {
    let (left, right) = digits.split_at_checked(whole).unwrap_or((digits, ""));
    text.push_str(left);
    text.extend(std::iter::repeat_n('0', whole - left.len()));
    text.push('.');
    text.push_str(if right.is_empty() { "0" } else { right });
}

/// `BigDecimal.toString`: plain while the scale is not negative and the number not below a millionth, else scientific.
fn append_big_decimal(unscaled: &[u8], scale: i32, text: &mut String) {
    let (negative, digits) = big_integer_digits(unscaled);
    text.push_str(if negative { "-" } else { "" });
    let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let scale = i64::from(scale);
    let adjusted = length - 1 - scale;
    if scale == 0 {
        text.push_str(&digits);
    } else if scale > 0 && adjusted >= -6 {
        let padding = usize::try_from(scale + 1 - length).unwrap_or(0);
        let padded = format!("{}{digits}", "0".repeat(padding));
        let whole = padded.len() - usize::try_from(scale).unwrap_or(0);
        append_with_point(&padded, whole, text);
    } else {
        let (first, rest) = digits.split_at_checked(1).unwrap_or((&digits, ""));
        let point = if rest.is_empty() { "" } else { "." };
        append_display(&format_args!("{first}{point}{rest}E{adjusted:+}"), text);
    }
}

/// The sign and the decimal digits of a big-endian integer in two's complement.
fn big_integer_digits(bytes: &[u8]) -> (bool, String) {
    const CHUNK: u64 = 1_000_000_000;
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut magnitude = bytes.to_vec();
    if negative {
        magnitude.iter_mut().for_each(|byte| *byte = !*byte);
        for byte in magnitude.iter_mut().rev() {
            let (sum, carry) = byte.overflowing_add(1);
            *byte = sum;
            if !carry {
                break;
            }
        }
    }
    let mut chunks = Vec::new();
    while magnitude.iter().any(|byte| *byte != 0) {
        let mut remainder = 0_u64;
        for byte in &mut magnitude {
            let value = (remainder << 8) | u64::from(*byte);
            *byte = u8::try_from(value / CHUNK).unwrap_or(u8::MAX);
            remainder = value % CHUNK;
        }
        chunks.push(remainder);
    }
    let mut digits = chunks.pop().unwrap_or(0).to_string();
    for chunk in chunks.iter().rev() {
        append_display(&format_args!("{chunk:09}"), &mut digits);
    }
    (negative, digits)
}

fn append_base64(bytes: &[u8], text: &mut String) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    text.reserve(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let sextet = bits >> (18 - 6 * place) & 0x3f;
            let letter = usize::try_from(sextet).ok().and_then(|index| ALPHABET.get(index));
            let present = place <= chunk.len();
            text.push(if present { letter.map_or('=', |letter| char::from(*letter)) } else { '=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::SchemaType;

    fn double(number: f64) -> String {
        let mut text = String::new();
        append_double(number, &mut text);
        text
    }

    /// As printed by `Double.toString` of a JDK 25.
    #[test]
    fn doubles_print_as_in_java() {
        let known = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (100.0, "100.0"),
            (1_234_567.0, "1234567.0"),
            (9_999_999.0, "9999999.0"),
            (1.0e7, "1.0E7"),
            (1.234_567_89e8, "1.23456789E8"),
            (0.001, "0.001"),
            (0.012_345, "0.012345"),
            (0.000_999, "9.99E-4"),
            (2.0e-3, "0.002"),
            (2.0e23, "2.0E23"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
            (5e-324, "4.9E-324"),
            (1e-323, "9.9E-324"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (number, expected) in known {
            assert_eq!(double(number), expected, "{number:e}");
        }
    }

    #[test]
    fn floats_have_their_own_shortest_digits() {
        let text = |number: f32| of(&SchemaAndValue::schemaless(number.into()));
        assert_eq!(text(0.1), "0.1");
        assert_eq!(text(3.402_823_5e38), "3.4028235E38");
        assert_eq!(text(1.4e-45), "1.4E-45");
        assert_eq!(text(16_777_216.0), "1.6777216E7");
    }

    #[test]
    fn big_decimals_print_as_in_java() {
        let text = |unscaled: i64, scale: i32| {
            let bytes = unscaled.to_be_bytes().to_vec();
            of(&SchemaAndValue::new(logical::decimal(scale).build(), Value::from(bytes)))
        };
        let known = [
            (0, 0, "0"),
            (0, 2, "0.00"),
            (12345, 2, "123.45"),
            (-12345, 2, "-123.45"),
            (5, 3, "0.005"),
            (1, 6, "0.000001"),
            (1, 7, "1E-7"),
            (123, 10, "1.23E-8"),
            (123, -1, "1.23E+3"),
            (1, -3, "1E+3"),
            (0, -2, "0E+2"),
            (0, 8, "0E-8"),
            (-5, 9, "-5E-9"),
            (i64::MIN, 0, "-9223372036854775808"),
            (1_000_000_000, 0, "1000000000"),
        ];
        for (unscaled, scale, expected) in known {
            assert_eq!(text(unscaled, scale), expected);
        }
    }

    #[test]
    fn dates_print_as_in_java_with_utc() {
        let date = |days: i32| of(&SchemaAndValue::new(logical::date().build(), Value::Int32(days)));
        assert_eq!(date(0), "Thu Jan 01 00:00:00 UTC 1970");
        assert_eq!(date(19_782), "Thu Feb 29 00:00:00 UTC 2024");
        assert_eq!(date(-1), "Wed Dec 31 00:00:00 UTC 1969");
        let stamp = SchemaAndValue::new(logical::timestamp().build(), Value::Int64(1_700_000_000_123));
        assert_eq!(of(&stamp), "Tue Nov 14 22:13:20 UTC 2023");
        let time = SchemaAndValue::new(logical::time().build(), Value::Int32(3_723_000));
        assert_eq!(of(&time), "Thu Jan 01 01:02:03 UTC 1970");
    }

    #[test]
    fn structs_leave_nulls_out_and_lists_and_maps_have_spaces() {
        let schema = Schema::structure()
            .field("id", Schema::plain(SchemaType::Int64))
            .field("note", Schema::plain_optional(SchemaType::String))
            .field("tags", Schema::array(Schema::plain(SchemaType::String)).build())
            .field("price", logical::decimal(2).build())
            .build();
        let values = vec![
            Value::Int64(7),
            Value::Null,
            Value::Array(vec!["a".into(), Value::Null]),
            Value::from(vec![0x04, 0xd2]),
        ];
        let value = Struct::of(schema, values).unwrap();
        assert_eq!(of(&SchemaAndValue::of_struct(value)), "Struct{id=7,tags=[a, null],price=12.34}");
        let map = Value::Map(vec![("k".into(), Value::Int8(1)), (Value::Boolean(true), "v".into())]);
        assert_eq!(of(&SchemaAndValue::schemaless(map)), "{k=1, true=v}");
        assert_eq!(of(&SchemaAndValue::NULL), "null");
    }

    #[test]
    fn bytes_print_as_base64() {
        let text = |bytes: &[u8]| of(&SchemaAndValue::schemaless(bytes.to_vec().into()));
        for (bytes, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(text(bytes.as_bytes()), expected);
        }
    }
}
