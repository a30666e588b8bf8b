//! What becomes of an error in a task: tried again, tolerated, or the end of the task. The one `match` on it.
//!
//! Stands beside every stage of the data path, asked only when something failed. Connect's rules (`errors.*`, KIP-298): what may
//! recover is retried with backoff until `errors.retry.timeout`; what is then left, and bad records, are tolerated under
//! `errors.tolerance=all`; wrong settings and fatal errors never are. Invariant: nothing is skipped silently: whoever gets
//! [`Verdict::Skip`] or [`Verdict::Fail`] reports the record (log, dead letter queue) before it goes on.

use std::time::{Duration, Instant};

use api::{Error, ErrorKind};

use super::backoff::{Jitter, retry_delay};

/// Where on the data path something failed: Connect's names of the stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The sink's `put`.
    TaskPut,
    /// A transform or its predicate.
    Transformation,
    /// The converter of keys.
    KeyConverter,
    /// The converter of values.
    ValueConverter,
    /// The converter of header values.
    HeaderConverter,
    /// Writing to a topic.
    KafkaProduce,
}

impl Stage {
    /// Connect's name, such as `VALUE_CONVERTER`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TaskPut => "TASK_PUT",
            Self::Transformation => "TRANSFORMATION",
            Self::KeyConverter => "KEY_CONVERTER",
            Self::ValueConverter => "VALUE_CONVERTER",
            Self::HeaderConverter => "HEADER_CONVERTER",
            Self::KafkaProduce => "KAFKA_PRODUCE",
        }
    }
}

/// How many errors a connector lives with: its `errors.*` settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorPolicy {
    /// `errors.retry.timeout`: how long to retry one operation. `None` is for ever (-1), zero is not at all.
    pub retry_timeout: Option<Duration>,
    /// `errors.retry.delay.max.ms`.
    pub retry_delay_max: Duration,
    /// `errors.tolerance=all`.
    pub tolerate_all: bool,
    /// `errors.log.enable`.
    pub log: bool,
    /// `errors.log.include.messages`.
    pub log_messages: bool,
}

impl Default for ErrorPolicy {
    fn default() -> Self {
        Self {
            retry_timeout: Some(Duration::ZERO),
            retry_delay_max: Duration::from_secs(60),
            tolerate_all: false,
            log: false,
            log_messages: false,
        }
    }
}

impl ErrorPolicy {
    /// Whether anything is ever retried; if not, nobody needs to keep a record for a second try.
    pub(crate) fn retries(&self) -> bool {
        self.retry_timeout != Some(Duration::ZERO)
    }
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Try the same again after this long.
    Retry(Duration),
    /// Report the record and go on with the next.
    Skip,
    /// Report the record and end the task.
    Fail,
}

/// Judges the errors of one task; knows how often the operation at hand was tried.
#[derive(Debug)]
pub(crate) struct Tolerance {
    policy: ErrorPolicy,
    jitter: Jitter,
    attempts: u32,
    since: Option<Instant>,
}

impl Tolerance {
    /// A judge for this policy.
    pub(crate) const fn new(policy: ErrorPolicy, jitter: Jitter) -> Self {
        Self { policy, jitter, attempts: 0, since: None }
    }

    /// The policy.
    pub(crate) const fn policy(&self) -> &ErrorPolicy {
        &self.policy
    }

    /// Judges a failure of the operation at hand.
    pub(crate) fn judge(&mut self, error: &Error, now: Instant) -> Verdict {
        let verdict = match error.kind() {
            ErrorKind::Retriable { after } => match self.next_delay(after, now) {
                Some(delay) => return Verdict::Retry(delay),
                None if self.policy.tolerate_all => Verdict::Skip,
                None => Verdict::Fail,
            },
            ErrorKind::BadRecord if self.policy.tolerate_all => Verdict::Skip,
            ErrorKind::BadRecord | ErrorKind::BadConfig | ErrorKind::Fatal => Verdict::Fail,
        };
        self.succeeded();
        verdict
    }

    /// Hears that the operation at hand is over: the next failure is the first of another.
    pub(crate) const fn succeeded(&mut self) {
        self.attempts = 0;
        self.since = None;
    }

    fn next_delay(&mut self, asked: Option<Duration>, now: Instant) -> Option<Duration> {
        if !self.policy.retries() {
            return None;
        }
        let since = *self.since.get_or_insert(now);
        self.attempts += 1;
        let delay = retry_delay(self.attempts, self.policy.retry_delay_max, &mut self.jitter);
        let delay = asked.unwrap_or(delay);
        let in_time = |timeout| now.duration_since(since) + delay <= timeout;
        self.policy.retry_timeout.is_none_or(in_time).then_some(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(policy: ErrorPolicy) -> Tolerance {
        Tolerance::new(policy, Jitter::new(1))
    }

    #[test]
    fn by_default_the_first_error_ends_the_task() {
        let now = Instant::now();
        for error in [Error::retriable("x"), Error::bad_record("x"), Error::fatal("x")] {
            assert_eq!(judge(ErrorPolicy::default()).judge(&error, now), Verdict::Fail);
        }
    }

    #[test]
    fn all_tolerates_records_but_neither_settings_nor_fatal_errors() {
        let policy = ErrorPolicy { tolerate_all: true, ..ErrorPolicy::default() };
        let now = Instant::now();
        assert_eq!(judge(policy.clone()).judge(&Error::bad_record("x"), now), Verdict::Skip);
        assert_eq!(judge(policy.clone()).judge(&Error::retriable("x"), now), Verdict::Skip);
        assert_eq!(judge(policy.clone()).judge(&Error::bad_config("x"), now), Verdict::Fail);
        assert_eq!(judge(policy).judge(&Error::fatal("x"), now), Verdict::Fail);
    }

    #[test]
    fn retries_until_the_timeout_and_then_by_tolerance() {
        let policy = ErrorPolicy { retry_timeout: Some(Duration::from_secs(1)), ..ErrorPolicy::default() };
        let mut tolerance = judge(policy);
        let start = Instant::now();
        let error = Error::retriable("down");
        assert_eq!(tolerance.judge(&error, start), Verdict::Retry(Duration::from_millis(300)));
        let later = start + Duration::from_millis(300);
        assert_eq!(tolerance.judge(&error, later), Verdict::Retry(Duration::from_millis(600)));
        assert_eq!(tolerance.judge(&error, start + Duration::from_millis(900)), Verdict::Fail);
        assert_eq!(
            tolerance.judge(&error, later),
            Verdict::Retry(Duration::from_millis(300)),
            "the next operation starts anew"
        );
    }

    #[test]
    fn the_other_sides_wish_is_heard() {
        let policy = ErrorPolicy { retry_timeout: None, ..ErrorPolicy::default() };
        let error = Error::retriable_after(Duration::from_secs(7), "busy");
        assert_eq!(judge(policy).judge(&error, Instant::now()), Verdict::Retry(Duration::from_secs(7)));
    }
}
