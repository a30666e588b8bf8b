//! Text as a moment, by the rules of `SimpleDateFormat.parse` in its lenient mode.
//!
//! A number takes all its digits, but where the next field is a number too, it takes as many characters as it has letters. Spaces and tabs
//! before a number or a zone are skipped; names and zones are read in either case; text between must be as the pattern has it. What stands
//! behind the last field is left alone, as in Java.

use super::moment::Fields;
use super::{HALVES, Letter, MONTHS, Part, UTC_NAME, WEEKDAYS, moment};

/// The zones that are read by name, with the minutes they are ahead of UTC. Java knows more, and takes some names for one of several zones.
const ZONES: [(&str, i64); 15] = [
    (UTC_NAME, 0),
    ("UTC", 0),
    ("GMT", 0),
    ("EST", -300),
    ("EDT", -240),
    ("CST", -360),
    ("CDT", -300),
    ("MST", -420),
    ("MDT", -360),
    ("PST", -480),
    ("PDT", -420),
    ("CEST", 120),
    ("CET", 60),
    ("BST", 60),
    ("JST", 540),
];

/// Reads the fields of a format from the front of a text.
pub(super) fn read(parts: &[Part], century_start: i64, text: &str) -> Option<i64> {
    let mut reader = Reader { text, place: 0, fields: Fields::default(), ambiguous: false, century_start };
    for (index, part) in parts.iter().enumerate() {
        match part {
            Part::Text(expected) => {
                let rest = text.get(reader.place..)?;
                reader.place += rest.starts_with(expected.as_str()).then_some(expected.len())?;
            }
            Part::Field(letter, count) => {
                let is_bounded = parts.get(index + 1).is_some_and(is_number);
                reader.field(index, *letter, *count, is_bounded)?;
            }
        }
    }
    let ms = reader.fields.ms()?;
    if reader.ambiguous && ms < century_start {
        let year = reader.fields.year.map(|year| year + 100);
        return Fields { year, ..reader.fields }.ms();
    }
    Some(ms)
}

/// Whether a part is written in digits.
const fn is_number(part: &Part) -> bool {
    match part {
        Part::Text(_) => false,
        Part::Field(Letter::Month, count) => *count <= 2,
        Part::Field(letter, _) => !matches!(
            letter,
            Letter::Half | Letter::Weekday | Letter::ZoneName | Letter::ZoneOffset | Letter::IsoZone
        ),
    }
}

struct Reader<'a> {
    text: &'a str,
    /// How many bytes are read.
    place: usize,
    fields: Fields,
    /// Whether the year is of two digits, and the one in which the century of such years starts.
    ambiguous: bool,
    century_start: i64,
}

impl Reader<'_> {
    fn field(&mut self, index: usize, letter: Letter, count: usize, is_bounded: bool) -> Option<()> {
        let start = self.place;
        let blanks = self.text.get(start..)?.bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let actual_start = start + blanks;
        if actual_start >= self.text.len() {
            return None;
        }
        match letter {
            Letter::Month if count > 2 => self.fields.month = Some(self.name(&MONTHS)? + 1),
            Letter::Weekday => self.fields.weekday = Some(self.name(&WEEKDAYS)?),
            Letter::Half => self.fields.half = Some((index, self.name(&HALVES)?)),
            Letter::ZoneName | Letter::ZoneOffset => {
                self.place = actual_start;
                self.fields.zone_minutes = self.zone()?;
            }
            Letter::IsoZone => {
                self.place = actual_start;
                self.fields.zone_minutes = self.iso_zone(count)?;
            }
            _ => {
                let end = if is_bounded { start + count } else { self.text.len() };
                self.place = actual_start;
                let number = self.number(end)?;
                self.set(index, letter, number, count == 1 || count == 2, actual_start);
            }
        }
        Some(())
    }

    fn set(&mut self, index: usize, letter: Letter, number: i64, is_short: bool, start: usize) {
        let fields = &mut self.fields;
        match letter {
            Letter::Year => {
                let digits = self.text.get(start..self.place).unwrap_or_default();
                if is_short && digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    let first = moment::Moment::of(self.century_start).year;
                    self.ambiguous = number == first.rem_euclid(100);
                    let century = if number < first.rem_euclid(100) { 100 } else { 0 };
                    fields.year = Some(number + first - first.rem_euclid(100) + century);
                } else {
                    fields.year = Some(number);
                }
            }
            Letter::Month => fields.month = Some(number),
            Letter::Day => fields.day = Some(number),
            Letter::HourOfDay => fields.hour_of_day = Some((index, number)),
            Letter::Hour => fields.hour = Some((index, if number == 12 { 0 } else { number })),
            Letter::Minute => fields.minute = number,
            Letter::Second => fields.second = number,
            _ => fields.millisecond = number,
        }
    }

    /// A number with or without a minus in front, that ends at `end` at the latest.
    fn number(&mut self, end: usize) -> Option<i64> {
        let room = self.text.get(self.place..end)?;
        let sign = usize::from(room.starts_with('-'));
        let digits = room.get(sign..)?.bytes().take_while(u8::is_ascii_digit).count();
        let number: i32 = room.get(..sign + digits)?.parse().ok()?;
        self.place += sign + digits;
        Some(i64::from(number))
    }

    /// The place of a name in its list; the full name is tried before the short one.
    fn name(&mut self, names: &[&str]) -> Option<i64> {
        let rest = self.text.get(self.place..)?;
        let full = names.iter().map(|name| (*name, name.len()));
        let short = names.iter().map(|name| (*name, 3.min(name.len())));
        let found = full.chain(short).zip((0..names.len()).cycle());
        let matching = |(name, length): (&str, usize)| {
            let front = rest.get(..length);
            front.zip(name.get(..length)).is_some_and(|(front, name)| front.eq_ignore_ascii_case(name))
        };
        let ((_, length), place) = found.into_iter().find(|(name, _)| matching(*name))?;
        self.place += length;
        i64::try_from(place).ok()
    }

    /// `+hhmm`, `GMT`, `GMT+hh:mm` or a zone's name.
    fn zone(&mut self) -> Option<i64> {
        if let Some(sign) = self.sign() {
            return self.offset(sign, false, true, false);
        }
        let rest = self.text.get(self.place..)?;
        let is_at_front =
            |name: &str| rest.get(..name.len()).is_some_and(|front| front.eq_ignore_ascii_case(name));
        let (name, minutes) = ZONES.iter().find(|(name, _)| is_at_front(name))?;
        self.place += name.len();
        match self.sign().filter(|_| *name == "GMT") {
            Some(sign) => self.offset(sign, true, true, true),
            None => Some(*minutes),
        }
    }

    /// `Z`, or as many as `count` of hours, minutes and the colon between: `+hh`, `+hhmm`, `+hh:mm`.
    fn iso_zone(&mut self, count: usize) -> Option<i64> {
        if self.text.get(self.place..)?.starts_with('Z') {
            self.place += 1;
            return Some(0);
        }
        let sign = self.sign()?;
        self.offset(sign, count == 3, count != 1, false)
    }

    /// 1 or -1, and past it.
    fn sign(&mut self) -> Option<i64> {
        let sign = match self.text.as_bytes().get(self.place)? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        self.place += 1;
        Some(sign)
    }

    /// The minutes of an offset behind its sign.
    fn offset(&mut self, sign: i64, colon: bool, with_minutes: bool, short_hour: bool) -> Option<i64> {
        let mut hours = self.digit()?;
        match self.digit() {
            Some(digit) => hours = hours * 10 + digit,
            None if short_hour => {}
            None => return None,
        }
        let mut minutes = 0;
        if with_minutes {
            if colon {
                self.text.get(self.place..)?.strip_prefix(':')?;
                self.place += 1;
            }
            minutes = self.digit()? * 10 + self.digit()?;
        }
        (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
    }

    fn digit(&mut self) -> Option<i64> {
        let byte = self.text.as_bytes().get(self.place).filter(|byte| byte.is_ascii_digit())?;
        self.place += 1;
        Some(i64::from(byte - b'0'))
    }
}
