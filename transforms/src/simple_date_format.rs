//! Java's `SimpleDateFormat` in UTC and English: moments as text, and text as moments.
//!
//! TimestampRouter and TimestampConverter are told their formats in it. The letters are y M d H h m s S a E z Z X, with quoted text
//! between; another letter is an error when the transform is made, never a text that nobody expected. The invariant: what is written, and
//! what is read from a text, is what Java's class gives, its leniency and its old calendar (Julian before 1582-10-15) included. Three
//! accidents of its reading are left out: numbers may not be `NaN`, have no exponent, and must fit 32 bits.

use std::fmt::Write as _;

use moment::Moment;

mod moment;
mod read;

/// A letter may stand this often in a row.
const COUNT_MAX: usize = 64;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// From Thursday, which 1970-01-01 was.
const WEEKDAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
const HALVES: [&str; 2] = ["AM", "PM"];
const UTC_NAME: &str = "Coordinated Universal Time";

/// What a letter stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letter {
    Year,
    Month,
    Day,
    HourOfDay,
    Hour,
    Minute,
    Second,
    Millisecond,
    Half,
    Weekday,
    ZoneName,
    ZoneOffset,
    IsoZone,
}

/// One part of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A letter and how often it stands there.
    Field(Letter, usize),
}

/// A format that was read once.
#[derive(Clone, Debug)]
pub(crate) struct SimpleDateFormat {
    pattern: String,
    parts: Vec<Part>,
    /// Years of two digits are of the hundred years from here, in milliseconds since 1970.
    century_start: i64,
}

impl SimpleDateFormat {
    /// Reads a pattern; `now` (milliseconds since 1970) says which century a year of two digits is of.
    ///
    /// # Errors
    /// The reason why the pattern will not do, in Java's words.
    pub(crate) fn new(pattern: &str, now: i64) -> Result<Self, String> {
        Ok(Self {
            pattern: pattern.to_owned(),
            parts: compile(pattern)?,
            century_start: moment::years_before(now, 80),
        })
    }

    /// The pattern as it was told.
    pub(crate) fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The text of a moment, in milliseconds since 1970.
    pub(crate) fn format(&self, ms: i64) -> String {
        let moment = Moment::of(ms);
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Field(letter, count) => write_field(*letter, *count, &moment, &mut out),
            }
        }
        out
    }

    /// The moment, in milliseconds since 1970, that the front of a text says; `None` if the text is not of this format.
    pub(crate) fn parse(&self, text: &str) -> Option<i64> {
        read::read(&self.parts, self.century_start, text)
    }
}

fn compile(pattern: &str) -> Result<Vec<Part>, String> {
    let (mut parts, mut characters) = (Vec::new(), pattern.chars().peekable());
    while let Some(character) = characters.next() {
        match character {
            '\'' if characters.next_if_eq(&'\'').is_some() => push_text(&mut parts, '\''),
            '\'' => loop {
                match characters.next().ok_or("Unterminated quote")? {
                    '\'' if characters.next_if_eq(&'\'').is_some() => push_text(&mut parts, '\''),
                    '\'' => break,
                    quoted => push_text(&mut parts, quoted),
                }
            },
            character if character.is_ascii_alphabetic() => {
                let letter =
                    letter(character).ok_or_else(|| format!("Illegal pattern character '{character}'"))?;
                let count = 1 + std::iter::from_fn(|| characters.next_if_eq(&character)).count();
                if letter == Letter::IsoZone && count > 3 {
                    return Err(format!("invalid ISO 8601 format: length={count}"));
                }
                if count > COUNT_MAX {
                    return Err(format!("'{character}' stands {count} times, more than {COUNT_MAX}"));
                }
                parts.push(Part::Field(letter, count));
            }
            other => push_text(&mut parts, other),
        }
    }
    Ok(parts)
}

fn push_text(parts: &mut Vec<Part>, character: char) {
    match parts.last_mut() {
        Some(Part::Text(text)) => text.push(character),
        _ => parts.push(Part::Text(character.to_string())),
    }
}

const fn letter(character: char) -> Option<Letter> {
    Some(match character {
        'y' => Letter::Year,
        'M' => Letter::Month,
        'd' => Letter::Day,
        'H' => Letter::HourOfDay,
        'h' => Letter::Hour,
        'm' => Letter::Minute,
        's' => Letter::Second,
        'S' => Letter::Millisecond,
        'a' => Letter::Half,
        'E' => Letter::Weekday,
        'z' => Letter::ZoneName,
        'Z' => Letter::ZoneOffset,
        'X' => Letter::IsoZone,
        _ => return None,
    })
}

fn write_field(letter: Letter, count: usize, moment: &Moment, out: &mut String) {
    let number = match letter {
        Letter::Year if count == 2 => moment.year_of_era() % 100,
        Letter::Year => moment.year_of_era(),
        Letter::Month if count > 2 => return write_name(&MONTHS, moment.month - 1, count, out),
        Letter::Month => moment.month,
        Letter::Day => moment.day,
        Letter::HourOfDay => moment.hour(),
        Letter::Hour => (moment.hour() + 11) % 12 + 1,
        Letter::Minute => moment.of_day / 60_000 % 60,
        Letter::Second => moment.of_day / 1000 % 60,
        Letter::Millisecond => moment.of_day % 1000,
        Letter::Half => return write_name(&HALVES, moment.hour() / 12, count, out),
        Letter::Weekday => return write_name(&WEEKDAYS, moment.weekday, count, out),
        Letter::ZoneName if count > 3 => return out.push_str(UTC_NAME),
        Letter::ZoneName => return out.push_str("UTC"),
        Letter::ZoneOffset => return out.push_str("+0000"),
        Letter::IsoZone => return out.push('Z'),
    };
    let written = write!(out, "{number:0count$}");
    debug_assert!(written.is_ok(), "a String takes all that is written to it");
}

/// A name: in full for four letters or more, else the first three characters of it.
fn write_name(names: &[&str], place: i64, count: usize, out: &mut String) {
    let name = usize::try_from(place).ok().and_then(|place| names.get(place)).copied().unwrap_or("");
    out.push_str(if count > 3 { name } else { name.get(..3).unwrap_or(name) });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty-first of November 2026.
    const NOW: i64 = 1_795_219_200_000;

    #[test]
    fn years_of_two_digits_are_at_most_80_years_old() {
        let format = SimpleDateFormat::new("yy-MM-dd", NOW).expect("valid");
        let year = |text: &str| Moment::of(format.parse(text).expect("a date")).year_of_era();
        assert_eq!((year("47-01-01"), year("45-01-01")), (1947, 2045));
        // The year in which the century starts is told apart by the day.
        assert_eq!((year("46-11-20"), year("46-11-22")), (2046, 1946));
    }

    #[test]
    fn every_day_that_is_written_reads_back() {
        let format = SimpleDateFormat::new("EEEE d MMM yyyy HH:mm:ss.SSS zzzz", NOW).expect("valid");
        for day in (-719_000..400_000).step_by(97) {
            let ms = day * 86_400_000 + 45_296_789;
            assert_eq!(format.parse(&format.format(ms)), Some(ms));
        }
    }

    #[test]
    fn what_cannot_be_written_is_told() {
        for (pattern, reason) in [
            ("yyyyQ", "Illegal pattern character 'Q'"),
            ("'x", "Unterminated quote"),
            ("XXXX", "invalid ISO 8601 format: length=4"),
        ] {
            assert_eq!(SimpleDateFormat::new(pattern, NOW).err().as_deref(), Some(reason));
        }
        assert!(SimpleDateFormat::new(&"y".repeat(100_000), NOW).is_err());
    }

    #[test]
    fn any_text_is_read_without_a_panic() {
        let format = SimpleDateFormat::new("yyyyMMddhhmmssSSSaEEEz ZX'ü'", NOW).expect("valid");
        for text in
            ["ü", "2009ü", "-2147483648-2147483648", "20090213ü", "9999999999", "2009\u{7f}", "        "]
        {
            assert_eq!(format.parse(text), None, "{text}");
        }
        let year = SimpleDateFormat::new("y-M-d", NOW).expect("valid");
        assert_eq!(year.parse("2147483647-1-1"), None);
        assert_eq!(year.parse("-2147483648-2147483647-2147483647"), None);
    }
}
