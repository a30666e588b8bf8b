//! What an answer means, and how long to wait before the next try. Pure: time and chance are passed in.
//!
//! Invariant: every status has exactly one meaning; what is not understood is never taken for success.

use std::time::Duration;

use jiff::Timestamp;

/// No `Retry-After` makes us wait longer.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// What is to be done after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The endpoint has the records.
    Delivered,
    /// It may take the same request later.
    Retry,
    /// Some records are at fault: try parts.
    Split,
    /// The records are refused.
    Refused,
    /// No request will be taken until someone changes something; this is what.
    Hopeless(&'static str),
}

/// The status codes after which a request is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RetryCodes(Vec<(u16, u16)>);

impl RetryCodes {
    /// Reads `408` and `500-599`.
    ///
    /// # Errors
    /// The reason, naming the entry.
    pub(super) fn parse(entries: &[String]) -> Result<Self, String> {
        let code = |text: &str, entry: &str| match text.trim().parse::<u16>() {
            Ok(code @ 400..=599) => Ok(code),
            _ => Err(format!("\"{entry}\" must be a code from 400 to 599, or a range of such as 500-599")),
        };
        let range = |entry: &String| {
            let (first, last) = entry.split_once('-').unwrap_or((entry, entry));
            Ok((code(first, entry)?, code(last, entry)?))
        };
        entries.iter().map(range).collect::<Result<_, _>>().map(Self)
    }

    fn has(&self, status: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}

/// What a status means.
pub(super) fn verdict(status: u16, retry_codes: &RetryCodes) -> Verdict {
    match status {
        200..=299 => Verdict::Delivered,
        status if retry_codes.has(status) => Verdict::Retry,
        400 | 413 | 422 => Verdict::Split,
        401 | 403 => {
            Verdict::Hopeless("check http.auth.type and what goes with it, and what the endpoint allows")
        }
        407 => Verdict::Hopeless("a proxy is in the way, and wants credentials"),
        300..=399 => {
            Verdict::Hopeless("redirects are not followed: set http.url to where the endpoint really is")
        }
        400..=499 => Verdict::Refused,
        _ => Verdict::Hopeless("this is no answer of an endpoint that takes records"),
    }
}

/// How long `Retry-After` asks to wait: seconds, or until a date (RFC 9110 section 10.2.3). At most an hour.
pub(super) fn retry_after(header: Option<&str>, now: Timestamp) -> Option<Duration> {
    let text = header?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_not_seconds) => {
            // What is neither counts as not said: our own backoff holds then.
            let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO)
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// How long to wait before try number `attempt` (from 0) again: doubling up to `longest`, of which `chance` (0 to 255) takes up to a half,
/// so that many sinks do not come back at once.
pub(super) fn backoff(attempt: u32, first: Duration, longest: Duration, chance: u8) -> Duration {
    let doubled = first.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX)).min(longest);
    doubled - doubled * u32::from(chance) / 512
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes() -> RetryCodes {
        RetryCodes::parse(&["408".into(), "425".into(), "429".into(), "500-599".into()]).unwrap()
    }

    #[test]
    fn every_status_has_its_meaning() {
        for status in [200, 201, 204] {
            assert_eq!(verdict(status, &codes()), Verdict::Delivered);
        }
        for status in [408, 425, 429, 500, 502, 503, 504, 599] {
            assert_eq!(verdict(status, &codes()), Verdict::Retry, "{status}");
        }
        for status in [400, 413, 422] {
            assert_eq!(verdict(status, &codes()), Verdict::Split);
        }
        for status in [404, 405, 409, 410, 415] {
            assert_eq!(verdict(status, &codes()), Verdict::Refused);
        }
        for status in [101, 301, 304, 401, 403, 407, 999] {
            assert!(matches!(verdict(status, &codes()), Verdict::Hopeless(_)), "{status}");
        }
        let fewer = RetryCodes::parse(&["503".into()]).unwrap();
        assert!(matches!(verdict(500, &fewer), Verdict::Hopeless(_)));
    }

    #[test]
    fn codes_are_codes_or_ranges() {
        for bad in ["5xx", "200", "", "500-", "600", "-1"] {
            assert!(RetryCodes::parse(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_too_long() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let wait = |text: &str| retry_after(Some(text), now);
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sat, 21 Nov 2026 12:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(wait("Sat, 21 Nov 2026 11:00:00 GMT"), Some(Duration::ZERO), "in the past");
        assert_eq!(wait("999999999"), Some(RETRY_AFTER_MAX));
        assert_eq!((wait("soon"), retry_after(None, now)), (None, None));
    }

    #[test]
    fn backoff_doubles_to_its_limit_and_chance_takes_less_than_half() {
        let wait =
            |attempt, chance| backoff(attempt, Duration::from_millis(200), Duration::from_secs(30), chance);
        assert_eq!([wait(0, 0), wait(1, 0), wait(2, 0)], [200, 400, 800].map(Duration::from_millis));
        assert_eq!([wait(10, 0), wait(31, 0), wait(99, 0)], [Duration::from_secs(30); 3]);
        assert!(wait(0, 255) > Duration::from_millis(100) && wait(0, 255) < Duration::from_millis(101));
    }
}
