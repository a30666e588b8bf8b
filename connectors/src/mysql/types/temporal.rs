//! Dates and times: from their parts to values, in every `time.precision.mode`.
//!
//! On the hot path of both readers; no time zone is ever asked: DATETIME counts as UTC and TIMESTAMP is UTC. Invariant: what
//! is no date (a zero in it, 30 February) gives `None`, and the column's fallback stands for it.

use std::fmt::Write as _;

use api::{Schema, SchemaBuilder, SchemaType, Value, logical};

use super::TimePrecision;

const MICROS_A_SECOND: i64 = 1_000_000;
const SECONDS_A_DAY: i64 = 86_400;

/// A date and a time of day as they were written; nothing is checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DateTime {
    pub(crate) year: i32,
    pub(crate) month: u32,
    pub(crate) day: u32,
    pub(crate) hour: u32,
    pub(crate) minute: u32,
    pub(crate) second: u32,
    pub(crate) micros: u32,
}

impl DateTime {
    /// The parts of an instant in UTC.
    pub(crate) fn of_epoch(seconds: i64, micros: u32) -> Self {
        let (year, month, day) = civil(seconds.div_euclid(SECONDS_A_DAY));
        let rest = u32::try_from(seconds.rem_euclid(SECONDS_A_DAY)).unwrap_or_default();
        Self { year, month, day, hour: rest / 3600, minute: rest / 60 % 60, second: rest % 60, micros }
    }

    /// Years below 100 mean 1970 to 2069, but year 0 is that of a zero date.
    pub(crate) const fn adjusted(mut self, adjust: bool) -> Option<Self> {
        if self.year == 0 {
            return None;
        }
        self.year = adjusted_year(self.year, adjust);
        Some(self)
    }

    /// What becomes of it on the way through Java's old calendar: that has no year 0 and takes it for year 1, and counts
    /// on where it leaves out 5 to 14 October 1582.
    pub(crate) const fn through_java_calendar(mut self) -> Self {
        match (self.year, self.month, self.day) {
            (0, _, _) => self.year = 1,
            (1582, 10, 5..=14) => self.day += 10,
            _ => {}
        }
        self
    }

    /// Days since 1970-01-01, if this is a day.
    pub(crate) fn epoch_days(self) -> Option<i32> {
        if self.day == 0 || self.day > days_in_month(self.year, self.month)? {
            return None;
        }
        i32::try_from(days(self.year, self.month, self.day)).ok()
    }

    /// Microseconds since 1970-01-01T00:00:00Z, if this is a date and a time.
    pub(crate) fn epoch_micros(self) -> Option<i64> {
        if self.hour > 23 || self.minute > 59 || self.second > 59 {
            return None;
        }
        let day = i64::from(self.epoch_days()?) * SECONDS_A_DAY;
        let seconds = i64::from(self.hour * 3600 + self.minute * 60 + self.second);
        Some((day + seconds) * MICROS_A_SECOND + i64::from(self.micros))
    }
}

/// Years below 100 mean 1970 to 2069, when `adjust` is on.
pub(crate) const fn adjusted_year(year: i32, adjust: bool) -> i32 {
    match year {
        0..=69 if adjust => year + 2000,
        70..=99 if adjust => year + 1900,
        year => year,
    }
}

fn days_in_month(year: i32, month: u32) -> Option<u32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    Some(match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    })
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, by eras of 400 years.
fn days(year: i32, month: u32, day: u32) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * i64::from((month + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days`].
fn civil(days: i64) -> (i32, u32, u32) {
    let days = days + 719_468;
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = (month + 2) % 12 + 1;
    let year = days.div_euclid(146_097) * 400 + year_of_era + i64::from(month <= 2);
    let small = |number: i64| u32::try_from(number).unwrap_or_default();
    (i32::try_from(year).unwrap_or_default(), small(month), small(day))
}

/// What a DATE becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DateForm {
    Days,
    ConnectDays,
    Iso,
}

impl DateForm {
    pub(crate) const fn of(precision: TimePrecision) -> Self {
        match precision {
            TimePrecision::Connect => Self::ConnectDays,
            TimePrecision::IsoString => Self::Iso,
            _ => Self::Days,
        }
    }

    pub(crate) fn schema(self) -> SchemaBuilder {
        match self {
            Self::Days => named(SchemaType::Int32, "io.debezium.time.Date"),
            Self::ConnectDays => logical::date(),
            Self::Iso => named(SchemaType::String, "io.debezium.time.IsoDate"),
        }
    }

    pub(crate) fn value(self, date: DateTime) -> Option<Value> {
        let days = date.epoch_days()?;
        Some(match self {
            Self::Days | Self::ConnectDays => Value::Int32(days),
            Self::Iso => Value::from(format!("{}Z", iso_date(date))),
        })
    }
}

/// What a TIME becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeForm {
    Micros,
    Nanos,
    ConnectMillis,
    Iso,
}

impl TimeForm {
    pub(crate) const fn of(precision: TimePrecision) -> Self {
        match precision {
            TimePrecision::Connect => Self::ConnectMillis,
            TimePrecision::IsoString => Self::Iso,
            TimePrecision::Nanoseconds => Self::Nanos,
            _ => Self::Micros,
        }
    }

    pub(crate) fn schema(self) -> SchemaBuilder {
        match self {
            Self::Micros => named(SchemaType::Int64, "io.debezium.time.MicroTime"),
            Self::Nanos => named(SchemaType::Int64, "io.debezium.time.NanoTime"),
            Self::ConnectMillis => logical::time(),
            Self::Iso => named(SchemaType::String, "io.debezium.time.IsoTime"),
        }
    }

    /// The value; `None` where Connect's Time and ISO 8601 know no such time of day, as Debezium has it.
    pub(crate) fn value(self, micros: i64) -> Option<Value> {
        let in_a_day = (0..=SECONDS_A_DAY * MICROS_A_SECOND).contains(&micros);
        match self {
            Self::Micros => Some(Value::Int64(micros)),
            Self::Nanos => micros.checked_mul(1000).map(Value::Int64),
            Self::ConnectMillis if in_a_day => i32::try_from(micros / 1000).ok().map(Value::Int32),
            Self::Iso if in_a_day => {
                Some(Value::from(iso_time_of(micros % (SECONDS_A_DAY * MICROS_A_SECOND))))
            }
            Self::ConnectMillis | Self::Iso => None,
        }
    }
}

/// What a DATETIME becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DateTimeForm {
    Millis,
    Micros,
    Nanos,
    ConnectMillis,
    Iso,
}

impl DateTimeForm {
    /// The form for a column of so many fraction digits.
    pub(crate) const fn of(precision: TimePrecision, digits: u32) -> Self {
        match precision {
            TimePrecision::AdaptiveTimeMicroseconds if digits <= 3 => Self::Millis,
            TimePrecision::AdaptiveTimeMicroseconds | TimePrecision::Microseconds => Self::Micros,
            TimePrecision::Connect => Self::ConnectMillis,
            TimePrecision::IsoString => Self::Iso,
            TimePrecision::Nanoseconds => Self::Nanos,
        }
    }

    pub(crate) fn schema(self) -> SchemaBuilder {
        match self {
            Self::Millis => named(SchemaType::Int64, "io.debezium.time.Timestamp"),
            Self::Micros => named(SchemaType::Int64, "io.debezium.time.MicroTimestamp"),
            Self::Nanos => named(SchemaType::Int64, "io.debezium.time.NanoTimestamp"),
            Self::ConnectMillis => logical::timestamp(),
            Self::Iso => named(SchemaType::String, "io.debezium.time.IsoTimestamp"),
        }
    }

    pub(crate) fn value(self, moment: DateTime) -> Option<Value> {
        let micros = moment.epoch_micros()?;
        Some(match self {
            Self::Millis | Self::ConnectMillis => Value::Int64(micros.div_euclid(1000)),
            Self::Micros => Value::Int64(micros),
            // Nanoseconds since 1970 only reach from 1677 to 2262.
            Self::Nanos => Value::Int64(micros.checked_mul(1000)?),
            Self::Iso => {
                let mut text = iso_date(moment);
                let _written = write!(text, "T{:02}:{:02}:{:02}", moment.hour, moment.minute, moment.second);
                push_fraction(&mut text, moment.micros);
                text.push('Z');
                Value::from(text)
            }
        })
    }
}

/// A TIMESTAMP: ISO 8601 in UTC with exactly so many fraction digits. Written by hand into a buffer of its own:
/// `write!` would cost more than all the rest of a row.
pub(crate) fn zoned(moment: DateTime, digits: u32) -> Option<Value> {
    moment.epoch_days()?;
    let digits = digits.min(6) as usize;
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    put_digits(&mut text[..4], u32::try_from(moment.year).ok()?);
    put_digits(&mut text[5..7], moment.month);
    put_digits(&mut text[8..10], moment.day);
    put_digits(&mut text[11..13], moment.hour);
    put_digits(&mut text[14..16], moment.minute);
    put_digits(&mut text[17..19], moment.second);
    put_digits(&mut text[20..26], moment.micros);
    let end = if digits == 0 { 19 } else { 20 + digits };
    text[end] = b'Z';
    std::str::from_utf8(&text[..=end]).ok().map(Value::from)
}

/// How many digits a second's fraction needs, without zeros at its end.
pub(crate) const fn digits_needed(micros: u32) -> u32 {
    let (mut digits, mut rest) = (6, micros);
    while digits > 0 && rest % 10 == 0 {
        digits -= 1;
        rest /= 10;
    }
    digits
}

/// The last digits of a number, as many as there is room for.
fn put_digits(room: &mut [u8], mut number: u32) {
    for digit in room.iter_mut().rev() {
        *digit = b"0123456789"[number as usize % 10];
        number /= 10;
    }
}

pub(crate) fn named(kind: SchemaType, name: &'static str) -> SchemaBuilder {
    Schema::builder(kind).name(name).version(1)
}

fn iso_date(date: DateTime) -> String {
    format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)
}

fn iso_time_of(micros: i64) -> String {
    let seconds = micros.div_euclid(MICROS_A_SECOND);
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    push_fraction(&mut text, u32::try_from(micros.rem_euclid(MICROS_A_SECOND)).unwrap_or_default());
    text.push('Z');
    text
}

/// A point and the fraction's digits, without trailing zeros; nothing when there is no fraction.
fn push_fraction(text: &mut String, micros: u32) {
    if micros != 0 {
        let digits = format!("{micros:06}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_civil_are_inverse_from_year_1_to_9999() {
        for day in (-719_162..2_932_897).step_by(97) {
            let (year, month, date) = civil(day);
            assert_eq!(days(year, month, date), day, "{year}-{month}-{date}");
        }
        assert_eq!(civil(2_932_896), (9999, 12, 31));
        assert_eq!(days(1, 1, 1), -719_162);
    }

    #[test]
    fn what_is_no_date_is_none() {
        for (year, month, day) in
            [(0, 0, 0), (2024, 0, 10), (2024, 5, 0), (2023, 2, 29), (2024, 13, 1), (0, 0, 1)]
        {
            assert_eq!(DateTime { year, month, day, ..DateTime::default() }.epoch_days(), None);
        }
        assert!(DateTime { year: 2024, month: 2, day: 29, ..DateTime::default() }.epoch_days().is_some());
    }

    #[test]
    fn year_0_is_no_year_but_to_java() {
        let date = DateTime { year: 0, month: 5, day: 6, ..DateTime::default() };
        assert_eq!(date.adjusted(true), None);
        assert_eq!(date.through_java_calendar().year, 1);
        let skipped = DateTime { year: 1582, month: 10, day: 14, ..DateTime::default() };
        assert_eq!(skipped.through_java_calendar().day, 24);
        assert_eq!(skipped.adjusted(true), Some(skipped));
    }

    #[test]
    fn times_before_1970_round_down() {
        let moment =
            DateTime { year: 1969, month: 12, day: 31, hour: 23, minute: 59, second: 59, micros: 999_900 };
        assert_eq!(DateTimeForm::Millis.value(moment), Some(Value::Int64(-1)));
        assert_eq!(DateTimeForm::Micros.value(moment), Some(Value::Int64(-100)));
    }

    #[test]
    fn a_fraction_needs_no_zeros_at_its_end() {
        let needed = [0, 1, 10, 120_000, 123_000, 500_000, 999_999].map(digits_needed);
        assert_eq!(needed, [0, 6, 5, 2, 3, 1, 6]);
    }

    #[test]
    fn zoned_shows_the_columns_digits() {
        let moment = DateTime::of_epoch(1_529_476_623, 120_000);
        assert_eq!(zoned(moment, 3), Some(Value::from("2018-06-20T06:37:03.120Z")));
        assert_eq!(zoned(moment, 0), Some(Value::from("2018-06-20T06:37:03Z")));
        assert_eq!(zoned(moment, 6), Some(Value::from("2018-06-20T06:37:03.120000Z")));
    }
}
