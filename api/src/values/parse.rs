//! The type that a text has by itself: the narrowest number, a boolean, a date, a list, a map, else a string.
//!
//! The invariant: the answer accounts for every character of the text, or is the text.

use num_bigint::BigInt;

use super::common;
use crate::schema::{Schema, SchemaType};
use crate::value::{SchemaAndValue, Text, Value};
use crate::{calendar, logical};

/// How deep lists and maps may be nested; deeper ones stay text.
const DEPTH_MAX: usize = 64;
/// How many digits a number may have; longer ones stay text.
const DIGITS_MAX: usize = 1000;

/// The value that `text` says, with its schema; what says nothing else is itself, a string.
#[must_use]
pub fn parse(text: &Text) -> SchemaAndValue {
    let mut parser = Parser { rest: text.trim_matches(is_space), depth: 0 };
    if text.is_empty() {
        return SchemaAndValue::of_text(text.clone());
    }
    let whole = match parser.value(false) {
        Some(datum) if parser.rest.trim_start_matches(is_space).is_empty() => Some(datum),
        _ => None,
    };
    whole.unwrap_or_else(|| SchemaAndValue::of_text(text.clone()))
}

/// Java's `String.trim`.
const fn is_space(character: char) -> bool {
    character <= ' '
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    /// One value at the front of the rest; `None` if there is none that is not plain text.
    fn value(&mut self, embedded: bool) -> Option<SchemaAndValue> {
        self.rest = self.rest.trim_start_matches(is_space);
        match self.rest.chars().next()? {
            '"' if embedded => self.quoted(),
            '[' => self.nested(Self::list),
            '{' => self.nested(Self::map),
            '0'..='9' | '+' | '-' => self.temporal().or_else(|| self.number()),
            _ => self.word(),
        }
    }

    fn nested(&mut self, parse: impl Fn(&mut Self) -> Option<SchemaAndValue>) -> Option<SchemaAndValue> {
        self.depth += 1;
        self.rest = self.rest.get(1..).filter(|_| self.depth <= DEPTH_MAX)?;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn take(&mut self, character: char) -> Option<()> {
        self.rest = self.rest.trim_start_matches(is_space).strip_prefix(character)?;
        Some(())
    }

    fn list(&mut self) -> Option<SchemaAndValue> {
        let mut items = Vec::new();
        if self.take(']').is_none() {
            loop {
                items.push(self.value(true)?);
                match self.take(',') {
                    Some(()) => {}
                    None => break self.take(']')?,
                }
            }
        }
        let (schema, items) = common(items).ok()?;
        let schema = schema.map_or_else(|| Schema::builder(SchemaType::Array), Schema::array);
        Some(SchemaAndValue::new(schema.build(), Value::Array(items)))
    }

    fn map(&mut self) -> Option<SchemaAndValue> {
        let (mut keys, mut items) = (Vec::new(), Vec::new());
        if self.take('}').is_none() {
            loop {
                let key = self.value(true)?;
                self.take(':')?;
                let item = self.value(true)?;
                match keys.iter().position(|known| *known == key) {
                    Some(place) => items[place] = item,
                    None => {
                        keys.push(key);
                        items.push(item);
                    }
                }
                match self.take(',') {
                    Some(()) if keys.len() < 1000 => {}
                    Some(()) => return None,
                    None => break self.take('}')?,
                }
            }
        }
        let (key_schema, keys) = common(keys).ok()?;
        let (item_schema, items) = common(items).ok()?;
        let schema = match (key_schema, item_schema) {
            (Some(keys), Some(items)) => Schema::map(keys, items),
            _ => Schema::builder(SchemaType::Map),
        };
        Some(SchemaAndValue::new(schema.build(), Value::Map(keys.into_iter().zip(items).collect())))
    }

    /// A text in quotation marks, which may still be a date.
    fn quoted(&mut self) -> Option<SchemaAndValue> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        loop {
            match characters.next()? {
                (end, '"') => {
                    self.rest = self.rest.get(end + 1..)?;
                    break;
                }
                (_, '\\') => text.push(characters.next()?.1),
                (_, character) => text.push(character),
            }
        }
        Some(as_temporal(&text).unwrap_or_else(|| SchemaAndValue::of_text(text)))
    }

    /// A timestamp, time or date: fixed forms, tried before numbers, which they start like.
    fn temporal(&mut self) -> Option<SchemaAndValue> {
        for length in ["yyyy-MM-ddTHH:mm:ss.SSSZ".len(), "HH:mm:ss.SSSZ".len(), "yyyy-MM-dd".len()] {
            let Some((text, rest)) = self.rest.split_at_checked(length) else { continue };
            if let Some(datum) = as_temporal(text).filter(|_| is_end(rest)) {
                self.rest = rest;
                return Some(datum);
            }
        }
        None
    }

    fn number(&mut self) -> Option<SchemaAndValue> {
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')))
            .unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at_checked(end)?;
        let datum = as_number(token).filter(|_| is_end(rest))?;
        self.rest = rest;
        Some(datum)
    }

    fn word(&mut self) -> Option<SchemaAndValue> {
        let boolean =
            |value: bool| SchemaAndValue::new(Schema::plain(SchemaType::Boolean), Value::Boolean(value));
        for (word, datum) in
            [("true", boolean(true)), ("false", boolean(false)), ("null", SchemaAndValue::NULL)]
        {
            if let Some(rest) = self.rest.strip_prefix(word).filter(|rest| is_end(rest)) {
                self.rest = rest;
                return Some(datum);
            }
        }
        None
    }
}

/// Whether a token may end here.
fn is_end(rest: &str) -> bool {
    rest.chars()
        .next()
        .is_none_or(|character| is_space(character) || matches!(character, ',' | ':' | ']' | '}'))
}

fn as_temporal(text: &str) -> Option<SchemaAndValue> {
    let date = || {
        let days = calendar::parse_date(text).and_then(|days| i32::try_from(days).ok())?;
        Some(SchemaAndValue::new(logical::date().build(), Value::Int32(days)))
    };
    let time = || {
        let ms = calendar::parse_time(text).and_then(|ms| i32::try_from(ms).ok())?;
        Some(SchemaAndValue::new(logical::time().build(), Value::Int32(ms)))
    };
    let timestamp = || {
        Some(SchemaAndValue::new(
            logical::timestamp().build(),
            Value::Int64(calendar::parse_timestamp(text)?),
        ))
    };
    date().or_else(time).or_else(timestamp)
}

/// A number in the form of Java's `BigDecimal`: an integer of the narrowest width; else FLOAT32 if that is finite, FLOAT64, or a Decimal.
fn as_number(token: &str) -> Option<SchemaAndValue> {
    let (mantissa, exponent) = token.split_once(['e', 'E']).unwrap_or((token, "0"));
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    let length = whole.len() + fraction.len();
    if !all_digits || length == 0 || length > DIGITS_MAX {
        return None;
    }
    let exponent: i32 = exponent.parse().ok()?;
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    let digits = format!("{sign}{whole}{fraction}");
    if let Some(datum) = as_integer(&digits, scale) {
        return Some(datum);
    }
    let (float, double): (f32, f64) = (token.parse().ok()?, token.parse().ok()?);
    Some(if scale != 0 && float.is_finite() {
        SchemaAndValue::new(Schema::plain(SchemaType::Float32), Value::Float32(float))
    } else if scale != 0 && double.is_finite() {
        SchemaAndValue::new(Schema::plain(SchemaType::Float64), Value::Float64(double))
    } else {
        let unscaled: BigInt = digits.parse().ok()?;
        SchemaAndValue::new(
            logical::decimal(scale).build(),
            Value::Bytes(unscaled.to_signed_bytes_be().into()),
        )
    })
}

/// The integer of the narrowest width, if the number is one of at most 64 bits, however it is written: `1.0`, `1e3`.
fn as_integer(digits: &str, scale: i32) -> Option<SchemaAndValue> {
    let significant = digits.trim_end_matches('0');
    let integer: i64 = if matches!(significant, "" | "-") {
        0
    } else {
        let zeros = i64::try_from(digits.len() - significant.len()).ok()? - i64::from(scale);
        let zeros = usize::try_from(zeros).ok().filter(|zeros| *zeros < 20)?;
        format!("{significant}{}", "0".repeat(zeros)).parse().ok()?
    };
    let of = |kind, value| Some(SchemaAndValue::new(Schema::plain(kind), value));
    if let Ok(number) = i8::try_from(integer) {
        return of(SchemaType::Int8, Value::Int8(number));
    }
    if let Ok(number) = i16::try_from(integer) {
        return of(SchemaType::Int16, Value::Int16(number));
    }
    if let Ok(number) = i32::try_from(integer) {
        return of(SchemaType::Int32, Value::Int32(number));
    }
    of(SchemaType::Int64, Value::Int64(integer))
}
