//! Moments as the fields of Java's `GregorianCalendar`, and fields as moments.
//!
//! The calendar is Gregorian from 1582-10-15 on and Julian before, as in Java, and lenient: the 30th of February is a day of March, and the
//! month 0 the December before. Pure; whatever the numbers, nothing overflows unseen.

use api::calendar::{self, DAY_MS};

/// The first day of the Gregorian calendar, 1582-10-15, counted from 1970-01-01.
const CUTOVER_DAYS: i64 = -141_427;

/// A moment in its parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The year; 0 is the one before 1.
    pub year: i64,
    /// From 1.
    pub month: i64,
    /// From 1.
    pub day: i64,
    /// Days since a Thursday.
    pub weekday: i64,
    /// Milliseconds since midnight.
    pub of_day: i64,
}

impl Moment {
    pub(super) const fn of(ms: i64) -> Self {
        let days = ms.div_euclid(DAY_MS);
        let (year, month, day) = if days >= CUTOVER_DAYS { calendar::civil(days) } else { julian(days) };
        Self { year, month, day, weekday: days.rem_euclid(7), of_day: ms.rem_euclid(DAY_MS) }
    }

    /// The year as it is written: years before Christ are counted backwards, without a sign.
    pub(super) const fn year_of_era(&self) -> i64 {
        if self.year > 0 { self.year } else { 1 - self.year }
    }

    pub(super) const fn hour(&self) -> i64 {
        self.of_day / 3_600_000
    }
}

/// The same moment of an earlier year.
pub(super) fn years_before(ms: i64, years: i64) -> i64 {
    let moment = Moment::of(ms);
    let day = if (moment.month, moment.day) == (2, 29) { 28 } else { moment.day };
    days(moment.year - years, moment.month, day) * DAY_MS + moment.of_day
}

/// The day of a year, a month (counted from 1) and a day, any of which may be more or less than there are.
pub(super) const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    let gregorian = calendar::days(year, month, 1) + day - 1;
    let in_julian = julian_days(year, month, 1) + day - 1;
    if year >= 1582 && gregorian >= CUTOVER_DAYS { gregorian } else { in_julian }
}

/// Year, month and day in the Julian calendar, by years that start in March and cycles of four of them.
const fn julian(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_470;
    let (cycle, day_of_cycle) = (shifted.div_euclid(1461), shifted.rem_euclid(1461));
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1460) / 365;
    let day_of_year = day_of_cycle - 365 * year_of_cycle;
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (cycle * 4 + year_of_cycle + (month <= 2) as i64, month, day)
}

/// The reverse of [`julian`].
const fn julian_days(year: i64, month: i64, day: i64) -> i64 {
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    shifted_year.div_euclid(4) * 1461 + shifted_year.rem_euclid(4) * 365 + day_of_year - 719_470
}

/// What was read of a moment; what was not is that of 1970-01-01 00:00. Each number is one that fits 32 bits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fields {
    pub year: Option<i64>,
    pub month: Option<i64>,
    pub day: Option<i64>,
    pub weekday: Option<i64>,
    /// The hour from 0 to 23, with its place in the text: what came last counts.
    pub hour_of_day: Option<(usize, i64)>,
    /// The hour of half a day.
    pub hour: Option<(usize, i64)>,
    /// 1 is the afternoon.
    pub half: Option<(usize, i64)>,
    pub minute: i64,
    pub second: i64,
    pub millisecond: i64,
    /// How far the clock is ahead of UTC.
    pub zone_minutes: i64,
}

impl Fields {
    /// Milliseconds since 1970, unless they are more than 64 bits hold.
    pub(super) fn ms(&self) -> Option<i64> {
        let (year, month) = (self.year.unwrap_or(1970), self.month.unwrap_or(1));
        let day = match (self.day, self.weekday) {
            (Some(day), _) => day,
            (None, None) => 1,
            (None, Some(weekday)) => 1 + (weekday - days(year, month, 1)).rem_euclid(7),
        };
        let clock = ((self.hours() * 60 + self.minute - self.zone_minutes) * 60 + self.second) * 1000;
        days(year, month, day).checked_mul(DAY_MS)?.checked_add(clock)?.checked_add(self.millisecond)
    }

    fn hours(&self) -> i64 {
        let place = |field: Option<(usize, i64)>| field.map(|(place, _)| place);
        let number = |field: Option<(usize, i64)>| field.map_or(0, |(_, number)| number);
        let halved = match (place(self.hour), place(self.half)) {
            (Some(hour), Some(half)) => Some(hour.max(half)),
            _ => None,
        };
        if self.hour_of_day.is_some() && place(self.hour_of_day) > halved {
            number(self.hour_of_day)
        } else {
            number(self.hour) + 12 * number(self.half)
        }
    }
}
