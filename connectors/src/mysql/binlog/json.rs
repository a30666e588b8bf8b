//! MySQL's binary JSON, written as the text that Debezium writes of it.
//!
//! On the hot path of tables with JSON columns: text is written straight from the bytes, no tree is built. A
//! snapshot has the server's own text instead, which differs in white space and numbers. Invariant: hostile documents end in an error: depth is limited,
//! and offsets that share bytes run out of a budget that no honest document needs.
//! Source of the format: MySQL's sql-common/json_binary.h.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::reader::{OutOfBytes, Reader};
use super::table_map::column_type;
use crate::mysql::types::DecimalHandling;
use crate::mysql::types::decimal::DecimalForm;

/// MySQL itself stops at 100.
const DEPTH_MAX: usize = 128;

/// A document that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// It is cut off.
    #[error("the JSON document is cut off: {0}")]
    CutOff(#[from] OutOfBytes),
    /// Something in it cannot be.
    #[error("the JSON document makes no sense: {0}")]
    Malformed(String),
}

fn malformed<T>(what: impl Into<String>) -> Result<T, JsonError> {
    Err(JsonError::Malformed(what.into()))
}

/// Writes a binary document as text: no white space, exact decimal digits, opaque values in base64.
///
/// # Errors
/// When the document is cut off, contradicts itself, or is nested deeper than MySQL allows.
pub fn to_text(document: &[u8]) -> Result<String, JsonError> {
    let mut writer = Writer { text: String::with_capacity(document.len() + 16), budget: document.len() };
    let (of_type, body) = document.split_first().ok_or(OutOfBytes { position: 0, wanted: 1, left: 0 })?;
    writer.value(*of_type, body, DEPTH_MAX)?;
    Ok(writer.text)
}

struct Writer {
    text: String,
    /// How many bytes of the document are left to be told: an honest document tells each of its bytes once.
    budget: usize,
}

impl Writer {
    fn spend(&mut self, bytes: usize) -> Result<(), JsonError> {
        match self.budget.checked_sub(bytes) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => malformed("its parts overlap"),
        }
    }

    fn value(&mut self, of_type: u8, body: &[u8], depth: usize) -> Result<(), JsonError> {
        if depth == 0 {
            return malformed(format!("it is nested more than {DEPTH_MAX} deep"));
        }
        let mut reader = Reader::new(body);
        match of_type {
            0 | 1 => self.container(body, of_type == 1, true, depth),
            2 | 3 => self.container(body, of_type == 3, false, depth),
            4 => self.literal(reader.byte()?),
            5 => self.display(i16::from_le_bytes(reader.array()?)),
            6 => self.display(u16::from_le_bytes(reader.array()?)),
            7 => self.display(i32::from_le_bytes(reader.array()?)),
            8 => self.display(u32::from_le_bytes(reader.array()?)),
            9 => self.display(i64::from_le_bytes(reader.array()?)),
            10 => self.display(u64::from_le_bytes(reader.array()?)),
            11 => push_double(&mut self.text, f64::from_le_bytes(reader.array()?)),
            12 => {
                let length = variable_length(&mut reader)?;
                let bytes = reader.take(length)?;
                self.spend(length)?;
                push_string(&mut self.text, &String::from_utf8_lossy(bytes));
                Ok(())
            }
            15 => {
                let field_type = reader.byte()?;
                let length = variable_length(&mut reader)?;
                let bytes = reader.take(length)?;
                self.spend(length)?;
                self.opaque(field_type, bytes)
            }
            other => malformed(format!("type {other}")),
        }
    }

    fn display(&mut self, number: impl std::fmt::Display) -> Result<(), JsonError> {
        let _written = write!(self.text, "{number}");
        Ok(())
    }

    fn literal(&mut self, literal: u8) -> Result<(), JsonError> {
        self.text.push_str(match literal {
            0 => "null",
            1 => "true",
            2 => "false",
            other => return malformed(format!("literal {other}")),
        });
        Ok(())
    }

    /// An object or an array: counts, then entries of keys, then entries of values, all with offsets from `body`.
    fn container(&mut self, body: &[u8], large: bool, object: bool, depth: usize) -> Result<(), JsonError> {
        let width = if large { 4 } else { 2 };
        let mut reader = Reader::new(body);
        let count = reader.length(width)?;
        let size = reader.length(width)?;
        let Some(body) = body.get(..size) else {
            return Err(OutOfBytes { position: 0, wanted: size, left: body.len() }.into());
        };
        self.spend(count)?;
        let key_entries = reader.position();
        let key_width = if object { width + 2 } else { 0 };
        let value_entries = count.checked_mul(key_width).map(|length| length + key_entries);
        let mut values = Reader::new(body);
        values.take(value_entries.unwrap_or(usize::MAX))?;
        let mut keys = Reader::new(body);
        keys.take(key_entries)?;
        self.text.push(if object { '{' } else { '[' });
        for index in 0..count {
            if index > 0 {
                self.text.push(',');
            }
            if object {
                let (offset, length) = (keys.length(width)?, keys.length(2)?);
                let key = part(body, offset)?.get(..length);
                let key =
                    key.ok_or(OutOfBytes { position: offset, wanted: length, left: body.len() - offset })?;
                self.spend(length)?;
                push_string(&mut self.text, &String::from_utf8_lossy(key));
                self.text.push(':');
            }
            let of_type = values.byte()?;
            let inlined = values.take(width)?;
            if matches!(of_type, 4..=6) || (large && matches!(of_type, 7 | 8)) {
                self.value(of_type, inlined, depth - 1)?;
            } else {
                let offset = Reader::new(inlined).length(width)?;
                self.value(of_type, part(body, offset)?, depth - 1)?;
            }
        }
        self.text.push(if object { '}' } else { ']' });
        Ok(())
    }

    fn opaque(&mut self, field_type: u8, bytes: &[u8]) -> Result<(), JsonError> {
        match field_type {
            column_type::NEWDECIMAL => {
                let mut reader = Reader::new(bytes);
                let (precision, scale) = (usize::from(reader.byte()?), usize::from(reader.byte()?));
                if precision == 0 || precision > 65 || scale > precision {
                    return malformed(format!("DECIMAL({precision},{scale})"));
                }
                let form = DecimalForm { precision, scale, handling: DecimalHandling::String };
                let value = form.packed(reader.take(form.packed_length())?);
                self.text.push_str(value.as_str().unwrap_or_default());
            }
            column_type::DATE | column_type::DATETIME | column_type::TIMESTAMP => {
                self.moment(field_type, i64::from_le_bytes(Reader::new(bytes).array()?));
            }
            column_type::TIME => self.time(i64::from_le_bytes(Reader::new(bytes).array()?)),
            _ => {
                self.text.push('"');
                BASE64_STANDARD.encode_string(bytes, &mut self.text);
                self.text.push('"');
            }
        }
        Ok(())
    }

    /// A packed DATE or DATETIME: 17 bits of year and month, 5 of day, 5 of hour, 6 and 6, then 24 of microseconds.
    fn moment(&mut self, field_type: u8, packed: i64) {
        let (whole, micros) = (packed >> 24, packed & 0xff_ffff);
        let (date, time) = (whole >> 17, whole & 0x1_ffff);
        let (year, month, day) = ((date >> 5) / 13, (date >> 5) % 13, date & 31);
        let _written = write!(self.text, "\"{year:04}-{month:02}-{day:02}");
        if field_type != column_type::DATE {
            self.text.push(' ');
            self.clock(time >> 12, time, micros);
        }
        self.text.push('"');
    }

    fn time(&mut self, packed: i64) {
        let (whole, micros) = (packed.unsigned_abs() >> 24, packed.unsigned_abs() & 0xff_ffff);
        self.text.push_str(if packed < 0 { "\"-" } else { "\"" });
        let (whole, micros) =
            (i64::try_from(whole).unwrap_or_default(), i64::try_from(micros).unwrap_or_default());
        self.clock(whole >> 12 & 0x3ff, whole, micros);
        self.text.push('"');
    }

    fn clock(&mut self, hours: i64, time: i64, micros: i64) {
        let _written = write!(self.text, "{hours:02}:{:02}:{:02}", time >> 6 & 63, time & 63);
        if micros != 0 {
            let digits = format!("{micros:06}");
            self.text.push('.');
            self.text.push_str(digits.trim_end_matches('0'));
        }
    }
}

fn part(body: &[u8], offset: usize) -> Result<&[u8], OutOfBytes> {
    body.get(offset..).ok_or(OutOfBytes { position: offset, wanted: 1, left: 0 })
}

/// Seven bits a byte, least significant first, the highest bit says that more follow.
fn variable_length(reader: &mut Reader<'_>) -> Result<usize, JsonError> {
    let mut length = 0;
    for shift in [0, 7, 14, 21, 28] {
        let byte = reader.byte()?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(length);
        }
    }
    malformed("a length of more than five bytes")
}

/// As Java prints doubles between 0.001 and 10,000,000, and all exact digits of others.
fn push_double(text: &mut String, number: f64) -> Result<(), JsonError> {
    let size = number.abs();
    let _written = if !number.is_finite() {
        return malformed(format!("the number {number}"));
    } else if number == 0.0 || (1e-3..1e7).contains(&size) {
        write!(text, "{number:?}")
    } else if number.fract() == 0.0 {
        write!(text, "{number:.0}")
    } else {
        // 1074 digits after the point hold every double.
        let digits = format!("{number:.1074}");
        write!(text, "{}", digits.trim_end_matches('0'))
    };
    Ok(())
}

/// A string with its quotes, escaped where JSON demands it.
pub(super) fn push_string(text: &mut String, string: &str) {
    text.push('"');
    let mut rest = string;
    while let Some(place) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        let (plain, escaped) = rest.split_at(place);
        text.push_str(plain);
        let mut characters = escaped.chars();
        match characters.next() {
            Some('\n') => text.push_str("\\n"),
            Some('\r') => text.push_str("\\r"),
            Some('\t') => text.push_str("\\t"),
            Some('\u{8}') => text.push_str("\\b"),
            Some('\u{c}') => text.push_str("\\f"),
            Some(mark @ ('"' | '\\')) => text.extend(['\\', mark]),
            other => {
                let _written = write!(text, "\\u{:04X}", other.map_or(0, u32::from));
            }
        }
        rest = characters.as_str();
    }
    text.push_str(rest);
    text.push('"');
}

#[cfg(test)]
mod tests;
