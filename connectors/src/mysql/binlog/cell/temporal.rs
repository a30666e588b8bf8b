//! Cells of dates and times: YEAR, DATE, TIME, DATETIME and TIMESTAMP, in their forms before and since MySQL 5.6.
//!
//! Part of reading a cell, on the hot path. Invariant: as for any cell, exactly its bytes are taken, or it fails.
//! Source: `my_time.cc` of MySQL, which packs and unpacks them.

use api::Value;

use super::{Cell, CellFault, Wire, fraction_bytes, sign_extended};
use crate::mysql::binlog::reader::{OutOfBytes, Reader};
use crate::mysql::types::target::Target;
use crate::mysql::types::temporal::{DateTime, adjusted_year, zoned};

impl Cell {
    pub(super) fn temporal(&self, reader: &mut Reader<'_>) -> Result<Value, CellFault> {
        let value = match (self.wire, &self.target) {
            (Wire::Year, Target::Year { adjust }) => {
                Some(Value::Int32(adjusted_year(1900 + i32::from(reader.byte()?), *adjust)))
            }
            (Wire::Date, Target::Date { form, adjust }) => {
                let packed = low_word(reader.number(3)?);
                let date = DateTime {
                    year: year(packed >> 9),
                    month: packed >> 5 & 15,
                    day: packed & 31,
                    ..DateTime::default()
                };
                date.adjusted(*adjust).and_then(|date| form.value(date))
            }
            (Wire::OldTime | Wire::Time { .. }, Target::Time(form)) => form.value(self.time(reader)?),
            (Wire::OldDateTime | Wire::DateTime { .. }, Target::DateTime { form, adjust, .. }) => {
                self.date_time(reader)?.adjusted(*adjust).and_then(|moment| form.value(moment))
            }
            (Wire::OldTimestamp, Target::Timestamp { digits }) => instant(reader.number(4)?, 0, *digits),
            (Wire::Timestamp { digits }, Target::Timestamp { .. }) => {
                let seconds = reader.array::<4>().map(u32::from_be_bytes)?;
                instant(u64::from(seconds), fraction(reader, digits)?, digits)
            }
            _ => None,
        };
        Ok(value.unwrap_or_else(|| self.null()))
    }

    /// A TIME in microseconds.
    fn time(&self, reader: &mut Reader<'_>) -> Result<i64, CellFault> {
        let Wire::Time { digits } = self.wire else {
            // Before MySQL 5.6: the decimal digits hhmmss.
            let number = sign_extended(reader.number(3)?, 3);
            let (size, sign) = (number.abs(), number.signum());
            return Ok(sign * ((size / 10_000 * 3600) + (size / 100 % 100 * 60) + size % 100) * 1_000_000);
        };
        // One number with its sign at the front and the fraction at its end, so that bytes sort as times do.
        let fraction_bytes = digits.div_ceil(2) as usize;
        let bytes = reader.take(3 + fraction_bytes)?;
        let whole = bytes.iter().fold(0_i64, |number, byte| number << 8 | i64::from(*byte));
        let packed = whole - (0x80_0000_i64 << (8 * fraction_bytes));
        let (size, negative) = (packed.abs(), packed < 0);
        let scale = [0, 10_000, 100, 1][fraction_bytes.min(3)];
        let micros = (size & ((1 << (8 * fraction_bytes)) - 1)) * scale;
        let clock = size >> (8 * fraction_bytes);
        let seconds = (clock >> 12 & 0x3ff) * 3600 + (clock >> 6 & 63) * 60 + (clock & 63);
        let all = seconds * 1_000_000 + micros;
        Ok(if negative { -all } else { all })
    }

    fn date_time(&self, reader: &mut Reader<'_>) -> Result<DateTime, CellFault> {
        let Wire::DateTime { digits } = self.wire else {
            // Before MySQL 5.6: the decimal digits YYYYMMDDhhmmss.
            let number = reader.number(8)?;
            let part = |divisor: u64, modulus: u64| low_word(number / divisor % modulus);
            return Ok(DateTime {
                year: year(part(10_000_000_000, 10_000)),
                month: part(100_000_000, 100),
                day: part(1_000_000, 100),
                hour: part(10_000, 100),
                minute: part(100, 100),
                second: part(1, 100),
                micros: 0,
            });
        };
        // 1 bit sign, 17 of year and month, 5 day, 5 hour, 6 minute, 6 second.
        let packed = reader.take(5)?.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let months = packed >> 22 & 0x1_ffff;
        let bits = |shift: u32, mask: u64| low_word(packed >> shift & mask);
        Ok(DateTime {
            year: year(low_word(months / 13)),
            month: low_word(months % 13),
            day: bits(17, 31),
            hour: bits(12, 31),
            minute: bits(6, 63),
            second: bits(0, 63),
            micros: fraction(reader, digits)?,
        })
    }
}

/// The fraction of a second behind DATETIME and TIMESTAMP, in microseconds.
fn fraction(reader: &mut Reader<'_>, digits: u32) -> Result<u32, OutOfBytes> {
    let bytes = reader.take(fraction_bytes(digits))?;
    let number = bytes.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    Ok(number * [1_000_000, 10_000, 100, 1][bytes.len()])
}

/// Second 0 is how the server writes the zero timestamp.
fn instant(seconds: u64, micros: u32, digits: u32) -> Option<Value> {
    if seconds == 0 && micros == 0 {
        return None;
    }
    zoned(DateTime::of_epoch(i64::try_from(seconds).ok()?, micros), digits)
}

fn year(number: u32) -> i32 {
    i32::try_from(number).unwrap_or_default()
}

#[allow(clippy::cast_possible_truncation, reason = "bit fields of at most 17 bits")]
const fn low_word(number: u64) -> u32 {
    number as u32
}
