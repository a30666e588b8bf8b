//! Days and milliseconds as dates and times of day, in UTC: what Java's `SimpleDateFormat` and `Date.toString` are used for in Connect.
//!
//! The calendar is the proleptic Gregorian one. Pure.

/// The milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;
/// The days of the week from Thursday, which 1970-01-01 was.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Year, month (from 1) and day (from 1) of a day counted from 1970-01-01. (Hinnant, "chrono-compatible low-level date algorithms".)
#[must_use]
pub const fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + (month <= 2) as i64, month, day)
}

/// The reverse of [`civil`] for a month from 1 to 12; a day that the month does not have is one of the months after or before it.
#[must_use]
pub const fn days(year: i64, month: i64, day: i64) -> i64 {
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// `yyyy-MM-dd`.
#[must_use]
pub fn date(days: i64) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `HH:mm:ss.SSS'Z'` of milliseconds since midnight.
#[must_use]
pub fn time(ms: i64) -> String {
    let (hour, minute, second, rest) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
    format!("{hour:02}:{minute:02}:{second:02}.{rest:03}Z")
}

/// `yyyy-MM-dd'T'HH:mm:ss.SSS'Z'` of milliseconds since 1970.
#[must_use]
pub fn timestamp(ms: i64) -> String {
    format!("{}T{}", date(ms.div_euclid(DAY_MS)), time(ms.rem_euclid(DAY_MS)))
}

/// `java.util.Date.toString()`: `Fri Feb 13 23:31:30 UTC 2009`.
#[must_use]
pub fn java_date(ms: i64) -> String {
    let days = ms.div_euclid(DAY_MS);
    let (year, month, day) = civil(days);
    let pick = |names: &'static [&'static str], place: i64| {
        usize::try_from(place).ok().and_then(|place| names.get(place)).copied().unwrap_or("")
    };
    let clock = time(ms.rem_euclid(DAY_MS));
    let clock = clock.get(..8).unwrap_or_default();
    format!(
        "{} {} {day:02} {clock} UTC {year}",
        pick(&WEEKDAYS, days.rem_euclid(7)),
        pick(&MONTHS, month - 1)
    )
}

/// The day that `yyyy-MM-dd` says.
#[must_use]
pub fn parse_date(text: &str) -> Option<i64> {
    let [year, month, day] = numbers(text, "dddd-dd-dd")?;
    Some(days(year, month, day)).filter(|count| civil(*count) == (year, month, day))
}

/// The milliseconds since midnight that `HH:mm:ss.SSSZ` says.
#[must_use]
pub fn parse_time(text: &str) -> Option<i64> {
    let [hour, minute, second, ms] = numbers(text, "dd:dd:dd.dddZ")?;
    (hour < 24 && minute < 60 && second < 60).then_some(((hour * 60 + minute) * 60 + second) * 1000 + ms)
}

/// The milliseconds since 1970 that `yyyy-MM-ddTHH:mm:ss.SSSZ` says.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    Some(parse_date(date)? * DAY_MS + parse_time(time)?)
}

/// The groups of digits in a text of exactly this form, where `d` is a digit and everything else itself.
fn numbers<const COUNT: usize>(text: &str, form: &str) -> Option<[i64; COUNT]> {
    let fits = |(byte, wanted): (u8, u8)| if wanted == b'd' { byte.is_ascii_digit() } else { byte == wanted };
    if text.len() != form.len() || !text.bytes().zip(form.bytes()).all(fits) {
        return None;
    }
    let mut groups =
        text.split(|character: char| !character.is_ascii_digit()).filter(|group| !group.is_empty());
    let mut found = [0; COUNT];
    for slot in &mut found {
        *slot = groups.next()?.parse().ok()?;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_a_thousand_years_comes_back() {
        for day in -182_500..182_500 {
            assert_eq!(parse_date(&date(day)), Some(day));
        }
        assert_eq!(
            (date(0).as_str(), date(10_000).as_str(), date(-1).as_str()),
            ("1970-01-01", "1997-05-19", "1969-12-31")
        );
    }

    #[test]
    fn times_are_javas() {
        assert_eq!(timestamp(1_234_567_890_123), "2009-02-13T23:31:30.123Z");
        assert_eq!(timestamp(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(parse_timestamp("2009-02-13T23:31:30.123Z"), Some(1_234_567_890_123));
        assert_eq!((time(1234).as_str(), parse_time("00:00:01.234Z")), ("00:00:01.234Z", Some(1234)));
        assert_eq!(java_date(1_234_567_890_123), "Fri Feb 13 23:31:30 UTC 2009");
        assert_eq!(java_date(0), "Thu Jan 01 00:00:00 UTC 1970");
        assert!(java_date(-61_945_603_200_000).ends_with(" UTC 7"), "Java pads no year");
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "2019-02-30",
            "2019-8-3",
            "2019-13-01",
            "2019-00-10",
            "99999-01-01",
            "2019-08-23 ",
            "２019-08-23",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
        for text in ["24:00:00.000Z", "14:34:54Z", "14:34:54.346", "14:60:00.000Z"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
