//! Moments and periods as people write them.
//!
//! Pure: the present is passed in. Everything is milliseconds since 1970, as in records.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp};

/// `1700000000000` (ms since 1970), `2026-01-31T10:00:00Z`, `2026-01-31T10:00:00+01:00`; without a zone it is UTC, as for Kafka's tools.
pub(super) fn moment(text: &str) -> Result<i64, String> {
    if let Ok(millis) = text.parse::<i64>() {
        return if millis >= 0 { Ok(millis) } else { Err(format!("{millis} lies before 1970")) };
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp.as_millisecond());
    }
    let wrong = |error: jiff::Error| {
        format!(
            "\"{text}\" is no moment; say for example 2026-01-31T10:00:00Z or milliseconds since 1970: {error}"
        )
    };
    let civil: DateTime = text.parse().map_err(wrong)?;
    Ok(civil.to_zoned(TimeZone::UTC).map_err(wrong)?.timestamp().as_millisecond())
}

/// `P1DT2H30M`, `PT90S`, as Kafka's tools; also `2h 30m`. A day has 24 hours.
pub(super) fn period(text: &str) -> Result<i64, String> {
    let wrong = |error: jiff::Error| format!("\"{text}\" is no duration; say for example P1DT2H30M: {error}");
    let span: Span = text.parse().map_err(wrong)?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(wrong)?;
    if length.is_negative() {
        return Err(format!("\"{text}\" is negative; the offsets are looked for that long ago"));
    }
    i64::try_from(length.as_millis()).map_err(|error| format!("\"{text}\" is too long: {error}"))
}

/// A record's time stamp for people.
pub(super) fn shown(timestamp_ms: i64) -> String {
    match Timestamp::from_millisecond(timestamp_ms) {
        Ok(timestamp) => format!("{timestamp:.3}"),
        Err(_out_of_range) => timestamp_ms.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_utc_unless_they_say_otherwise() {
        assert_eq!(moment("1700000000000"), Ok(1_700_000_000_000));
        assert_eq!(moment("1970-01-01T00:00:01Z"), Ok(1000));
        assert_eq!(moment("1970-01-01T01:00:01+01:00"), Ok(1000));
        assert_eq!(moment("1970-01-01T00:00:01.500"), Ok(1500));
        assert!(moment("yesterday").unwrap_err().contains("2026-01-31"));
        assert!(moment("-5").is_err());
        assert_eq!(shown(1500), "1970-01-01T00:00:01.500Z");
    }

    #[test]
    fn periods_are_iso_8601() {
        assert_eq!(period("P1DT2H"), Ok(26 * 3_600_000));
        assert_eq!(period("PT0.5S"), Ok(500));
        assert!(period("-PT1S").is_err() && period("soon").is_err() && period("P1M").is_err());
    }
}
