//! Whether and when a failed connector or task is started again.
//!
//! Asked by the herder when something fails; pure, the time is passed in. Kafka Connect leaves a failed task dead until a person
//! comes; here it is tried again with doubling delays and jitter, until its budget is spent; a run that held for long
//! enough refills the budget. What no retry can mend (a wrong setting, a poisoned record) waits for a person.
//! Invariant: at most `attempts_max` restarts without a run that held between them.

use std::collections::{BTreeMap, HashMap};
use std::error::Error as _;
use std::hash::Hash;
use std::time::{Duration, Instant};

use api::{Error, ErrorKind};

use crate::worker::{Jitter, restart_delay};

/// How often and how soon what failed is started again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartPolicy {
    /// How many restarts in a row; zero leaves a failed task failed, as Kafka Connect does.
    pub attempts_max: u32,
    /// The delay before the first; it doubles.
    pub delay: Duration,
    /// The longest delay.
    pub delay_max: Duration,
    /// A run of at least this long refills the budget.
    pub reset_after: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            attempts_max: 20,
            delay: Duration::from_secs(1),
            delay_max: Duration::from_secs(300),
            reset_after: Duration::from_secs(600),
        }
    }
}

/// The next try of something that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NextTry {
    /// Which restart it will be, from 1.
    pub(crate) attempt: u32,
    /// After how long.
    pub(crate) delay: Duration,
}

/// Restarts that were made and are to come, by what they restart.
#[derive(Debug)]
pub(crate) struct Supervision<K> {
    attempts: HashMap<K, u32>,
    due: BTreeMap<Instant, Vec<K>>,
    jitter: Jitter,
}

impl<K: Eq + Hash + Clone> Supervision<K> {
    /// Nothing failed yet.
    pub(crate) fn new(jitter: Jitter) -> Self {
        Self { attempts: HashMap::new(), due: BTreeMap::new(), jitter }
    }

    /// Notes that something failed after it had run this long, and says when it is tried again, if it is.
    pub(crate) fn failed(
        &mut self,
        what: &K,
        policy: &RestartPolicy,
        error: &Error,
        ran: Duration,
        now: Instant,
    ) -> Option<NextTry> {
        if ran >= policy.reset_after {
            self.attempts.remove(what);
        }
        let mendable = matches!(error.kind(), ErrorKind::Retriable { .. } | ErrorKind::Fatal);
        let attempts = self.attempts.entry(what.clone()).or_default();
        if !mendable || *attempts >= policy.attempts_max {
            return None;
        }
        *attempts += 1;
        let attempt = *attempts;
        let delay = restart_delay(attempt, policy.delay, policy.delay_max, &mut self.jitter);
        self.due.entry(now + delay).or_default().push(what.clone());
        Some(NextTry { attempt, delay })
    }

    /// How many restarts in a row something has had, or is about to have.
    pub(crate) fn attempts(&self, what: &K) -> u32 {
        self.attempts.get(what).copied().unwrap_or_default()
    }

    /// Forgets about something: it was changed, restarted by a person, or is gone.
    pub(crate) fn forget(&mut self, what: &K) {
        self.attempts.remove(what);
        self.cancel(what);
    }

    /// Calls a coming try off, but remembers the attempts.
    pub(crate) fn cancel(&mut self, what: &K) {
        self.due.retain(|_, waiting| {
            waiting.retain(|waiting| waiting != what);
            !waiting.is_empty()
        });
    }

    /// When the next try is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.keys().next().copied()
    }

    /// Takes what is due by now.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<K> {
        let mut taken = Vec::new();
        while let Some(entry) = self.due.first_entry() {
            if *entry.key() > now {
                break;
            }
            taken.extend(entry.remove());
        }
        taken
    }
}

/// An error with the root cause first, then what was being done.
pub(crate) fn root_cause_first(error: &Error) -> String {
    let mut causes = vec![error.message().to_owned()];
    let mut cause = error.source();
    while let Some(inner) = cause {
        causes.push(
            inner
                .downcast_ref::<Error>()
                .map_or_else(|| inner.to_string(), |error| error.message().to_owned()),
        );
        cause = inner.source();
    }
    let mut lines = causes.into_iter().rev();
    let mut text = lines.next().unwrap_or_default();
    for line in lines {
        text.push_str("\n\twhile: ");
        text.push_str(&line);
    }
    text
}

/// The text of a failure for a status: the root cause first, then what was being done, then what happens next.
pub(crate) fn trace(error: &Error, policy: &RestartPolicy, next: Option<NextTry>) -> String {
    let mut text = root_cause_first(error);
    text.push_str(&match next {
        Some(next) => format!(
            "\nRestart {} of {} comes in {:.1} s.",
            next.attempt,
            policy.attempts_max,
            next.delay.as_secs_f64()
        ),
        None if matches!(error.kind(), ErrorKind::BadConfig) => {
            "\nNot restarted: a setting has to be changed first.".to_owned()
        }
        None if matches!(error.kind(), ErrorKind::BadRecord) => {
            "\nNot restarted: it would meet the same record again; set errors.tolerance=all to pass over such records."
                .to_owned()
        }
        None => format!("\nNot restarted: {} restarts in a row are spent.", policy.attempts_max),
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supervision() -> Supervision<&'static str> {
        Supervision::new(Jitter::new(5))
    }

    #[test]
    fn the_budget_is_spent_by_failures_in_a_row_and_refilled_by_a_run_that_held() {
        let policy = RestartPolicy { attempts_max: 3, ..RestartPolicy::default() };
        let mut supervision = supervision();
        let (now, error) = (Instant::now(), Error::fatal("broken"));
        let tries: Vec<_> = (0..5)
            .map(|_| {
                let next = supervision.failed(&"t", &policy, &error, Duration::ZERO, now);
                next.map(|next| next.attempt)
            })
            .collect();
        assert_eq!(tries, [Some(1), Some(2), Some(3), None, None]);
        let after_long = supervision.failed(&"t", &policy, &error, policy.reset_after, now).unwrap();
        assert_eq!(after_long.attempt, 1);
    }

    #[test]
    fn what_no_retry_mends_waits_for_a_person() {
        let policy = RestartPolicy::default();
        for error in [Error::bad_config("x"), Error::bad_record("x")] {
            let next = supervision().failed(&"t", &policy, &error, Duration::ZERO, Instant::now());
            assert_eq!(next, None);
            assert!(trace(&error, &policy, next).contains("Not restarted"));
        }
    }

    #[test]
    fn tries_come_due_in_order_and_can_be_called_off() {
        let policy = RestartPolicy::default();
        let (mut supervision, now) = (supervision(), Instant::now());
        let error = Error::retriable("down");
        supervision.failed(&"a", &policy, &error, Duration::ZERO, now).unwrap();
        supervision.failed(&"b", &policy, &error, Duration::ZERO, now).unwrap();
        supervision.cancel(&"a");
        assert!(supervision.take_due(now).is_empty());
        assert_eq!(supervision.take_due(supervision.next_due().unwrap()), ["b"]);
        assert_eq!(supervision.next_due(), None);
    }

    #[test]
    fn the_root_cause_stands_first() {
        let error = Error::fatal("cannot reach db:3306")
            .with_source(std::io::Error::other("connection refused"))
            .context("reading the binlog of shop");
        let next = Some(NextTry { attempt: 2, delay: Duration::from_millis(1500) });
        assert_eq!(
            trace(&error, &RestartPolicy::default(), next),
            "connection refused\n\twhile: cannot reach db:3306\n\twhile: reading the binlog of shop\n\
             Restart 2 of 20 comes in 1.5 s."
        );
    }
}
