//! Dates, times and years out of text: a snapshot's cells and the literals of DDL defaults.
//!
//! The two differ where Debezium reads them by different ways: [`cell`] is a snapshot's, [`temporal`] a literal's. Tolerant as MySQL is where it writes such text itself: a date alone is midnight, fractions may be missing.
//! Invariant: `None` for what is no date or time, zero dates among them; never a panic on any text.

use api::Value;

use super::target::Target;
use super::temporal::{DateTime, adjusted_year, digits_needed, zoned};

/// The value of a DATE, TIME, DATETIME or TIMESTAMP from a snapshot's text, as Debezium's snapshot has it: year 0 is a year,
/// DATETIMEs go through Java's old calendar, and TIMESTAMPs lose the zeros at the end of their fraction.
pub(crate) fn cell(target: &Target, text: &str) -> Option<Value> {
    match target {
        Target::Date { form, adjust } => {
            let mut date = date_time(text)?;
            date.year = adjusted_year(date.year, *adjust);
            form.value(date)
        }
        Target::DateTime { form, adjust } => {
            form.value(date_time(text)?.through_java_calendar().adjusted(*adjust)?)
        }
        Target::Timestamp { .. } => {
            let moment = date_time(text)?;
            zoned(moment, digits_needed(moment.micros))
        }
        target => temporal(target, text),
    }
}

/// The value of a DATE, TIME, DATETIME or TIMESTAMP from the text of a literal.
pub(crate) fn temporal(target: &Target, text: &str) -> Option<Value> {
    match target {
        Target::Date { form, adjust } => form.value(date_time(text)?.adjusted(*adjust)?),
        Target::DateTime { form, adjust } => form.value(date_time(text)?.adjusted(*adjust)?),
        Target::Timestamp { digits } => zoned(date_time(text)?, *digits),
        Target::Time(form) => {
            let time = text.rsplit_once(' ').map_or(text, |(_, time)| time);
            form.value(time_micros(time)?)
        }
        _ => None,
    }
}

/// `YYYY-MM-DD`, with or without ` hh:mm:ss[.ffffff]`; a zero date is one too.
pub(crate) fn date_time(text: &str) -> Option<DateTime> {
    printed(text).or_else(|| tolerant_date_time(text))
}

/// As servers print it, to the letter: every row of a snapshot that has one comes by here. `None` for any other text.
fn printed(text: &str) -> Option<DateTime> {
    let (whole, fraction) = text.as_bytes().split_first_chunk::<19>()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b' ', h1, h2, b':', n1, n2, b':', s1, s2] = whole else {
        return None;
    };
    let number = |digits: &[&u8]| {
        let digit = |sum: u32, digit: &&u8| Some(sum * 10 + char::from(**digit).to_digit(10)?);
        digits.iter().try_fold(0, digit)
    };
    let micros = match fraction {
        [] => 0,
        [b'.', digits @ ..] if (1..=6).contains(&digits.len()) => {
            let digit = |sum: u32, digit: &u8| Some(sum * 10 + char::from(*digit).to_digit(10)?);
            digits.iter().try_fold(0, digit)? * 10_u32.pow(6 - u32::try_from(digits.len()).ok()?)
        }
        _ => return None,
    };
    let (minute, second) = (number(&[n1, n2])?, number(&[s1, s2])?);
    let in_range = minute <= 59 && second <= 59;
    in_range.then_some(DateTime {
        year: i32::try_from(number(&[y1, y2, y3, y4])?).ok()?,
        month: number(&[m1, m2])?,
        day: number(&[d1, d2])?,
        hour: number(&[h1, h2])?,
        minute,
        second,
        micros,
    })
}

fn tolerant_date_time(text: &str) -> Option<DateTime> {
    let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, "0:0:0"));
    let mut parts = date.split('-').map(str::parse::<u32>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    if parts.next().is_some() || year > 9999 {
        return None;
    }
    let micros = u64::try_from(time_micros(time)?).ok()?;
    let small = |number: u64| u32::try_from(number).ok();
    let seconds = micros / 1_000_000;
    Some(DateTime {
        year: i32::try_from(year).ok()?,
        month,
        day,
        hour: small(seconds / 3600)?,
        minute: small(seconds / 60 % 60)?,
        second: small(seconds % 60)?,
        micros: small(micros % 1_000_000)?,
    })
}

/// `[-]hhh:mm[:ss[.ffffff]]` in microseconds.
pub(crate) fn time_micros(text: &str) -> Option<i64> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let mut parts = whole.split(':').map(str::parse::<u32>);
    let (hours, minutes) = (parts.next()?.ok()?, parts.next()?.ok()?);
    let seconds = parts.next().unwrap_or(Ok(0)).ok()?;
    if parts.next().is_some() || minutes > 59 || seconds > 59 || fraction.len() > 6 {
        return None;
    }
    let scale = 10_i64.pow(6 - u32::try_from(fraction.len()).ok()?);
    let micros = if fraction.is_empty() { 0 } else { i64::from(fraction.parse::<u32>().ok()?) * scale };
    let all = (i64::from(hours) * 3600 + i64::from(minutes) * 60 + i64::from(seconds)) * 1_000_000 + micros;
    Some(if negative { -all } else { all })
}

/// A YEAR from its text.
pub(crate) fn year(text: &str, adjust: bool) -> Option<i32> {
    let year = text.parse().ok()?;
    (0..=9999).contains(&year).then(|| adjusted_year(year, adjust))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_sign_and_fraction() {
        assert_eq!(time_micros("-838:59:59.000001"), Some(-3_020_399_000_001));
        assert_eq!(time_micros("-00:00:00.5"), Some(-500_000));
        assert_eq!(time_micros("12:34"), Some(45_240_000_000));
        for text in ["", ":", "1", "1:60", "1:2:3:4", "1:2:3.1234567", "-", "99999999999:0:0"] {
            assert_eq!(time_micros(text), None, "{text}");
        }
    }

    #[test]
    fn what_servers_print_is_read_as_anything_else_is() {
        let texts = [
            "2018-06-26 12:34:56",
            "2018-06-26 12:34:56.7",
            "0000-00-00 00:00:00.000000",
            "9999-12-31 23:59:59.999999",
            "2018-06-26 99:34:56",
            "2018-06-26 12:60:00",
            "2018-06-26 12:00:60",
            "2018-06-26 12:34:56.",
            "2018-06-26T12:34:56",
            "2018-06-26 12:34:56.1234567",
            "2018-06-26 12:34:56x",
            "2018-06-26 12:3a:56",
            "+018-06-26 12:34:56",
        ];
        for text in texts {
            let Some(printed) = printed(text) else { continue };
            assert_eq!(Some(printed), tolerant_date_time(text), "{text}");
        }
        assert_eq!(printed("2018-06-26 12:34:56.7").unwrap().micros, 700_000);
        assert!(texts.iter().skip(5).all(|text| printed(text).is_none()));
    }

    #[test]
    fn dates_may_stand_alone() {
        assert_eq!(date_time("2018-06-26"), date_time("2018-06-26 00:00:00"));
        for text in ["", "2018", "2018-06", "2018-06-26-1", "x-y-z", "99999-01-01", "2018-06-26 99999:00"] {
            assert!(date_time(text).and_then(DateTime::epoch_micros).is_none(), "{text}");
        }
    }
}
