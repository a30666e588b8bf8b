//! What a task is doing right now, and since when: how a task that hangs is told from one that has nothing to do.
//!
//! Written by the loops of a task around each call that may hang, read by its watcher. Pure but for the clock. Invariant: waiting
//! for records to come is no activity of a sink; for a source it is its `poll`, which has to come back after a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// A call of a task, or of the worker for it, that may hang.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Settings, plugin, clients, and the task's `start`.
    Start,
    /// The source's `poll`.
    Poll,
    /// Records wait for the broker to take earlier ones.
    Write,
    /// The sink's `put`.
    Put,
    /// The sink's `open` of new partitions.
    Open,
    /// The sink's `close` of partitions.
    Close,
    /// The sink's `pre_commit`.
    Flush,
    /// Offsets are committed.
    Commit,
}

impl Doing {
    /// The word for status, log and metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Poll => "poll",
            Self::Write => "write",
            Self::Put => "put",
            Self::Open => "open",
            Self::Close => "close",
            Self::Flush => "flush",
            Self::Commit => "commit",
        }
    }
}

/// What a task is doing. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Activity(Arc<Mutex<Option<(Doing, Instant)>>>);

/// An activity under way; what was done before goes on when it is dropped.
#[derive(Debug)]
pub(crate) struct Occupied {
    activity: Activity,
    before: Option<(Doing, Instant)>,
}

impl Activity {
    /// A task that starts.
    pub(crate) fn starting() -> Self {
        Self(Arc::new(Mutex::new(Some((Doing::Start, Instant::now())))))
    }

    /// Notes that a task starts now that waited to be resumed.
    pub(crate) fn starts(&self) {
        *self.0.lock() = Some((Doing::Start, Instant::now()));
    }

    /// Notes that something begins.
    pub(crate) fn begin(&self, doing: Doing) -> Occupied {
        let before = self.0.lock().replace((doing, Instant::now()));
        Occupied { activity: self.clone(), before }
    }

    /// Notes that the task has started.
    pub(crate) fn started(&self) {
        let mut doing = self.0.lock();
        if matches!(*doing, Some((Doing::Start, _))) {
            *doing = None;
        }
    }

    /// What hangs, and since when: what is being done, or whatever keeps a thread busy, for at least this long.
    pub(crate) fn stalled(
        &self,
        busy_since: Option<Instant>,
        now: Instant,
        timeout: Duration,
    ) -> Option<(&'static str, Instant)> {
        let hangs = |since: &Instant| now.saturating_duration_since(*since) >= timeout;
        let doing = *self.0.lock();
        if let Some((doing, since)) = doing.filter(|(_, since)| hangs(since)) {
            return Some((doing.name(), since));
        }
        let name = doing.map_or("computation", |(doing, _)| doing.name());
        busy_since.filter(hangs).map(|since| (name, since))
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        *self.activity.0.lock() = self.before;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_named_and_idleness_is_not() {
        let activity = Activity::starting();
        let (now, timeout) = (Instant::now(), Duration::from_secs(5));
        let later = now + Duration::from_secs(6);
        assert_eq!(activity.stalled(None, now, timeout), None);
        assert_eq!(activity.stalled(None, later, timeout).unwrap().0, "start");
        activity.started();
        assert_eq!(activity.stalled(None, later, timeout), None);
        let put = activity.begin(Doing::Put);
        let commit = activity.begin(Doing::Commit);
        assert_eq!(activity.stalled(None, later, timeout).unwrap().0, "commit");
        drop(commit);
        assert_eq!(activity.stalled(None, later, timeout).unwrap().0, "put");
        drop(put);
        assert_eq!(activity.stalled(None, later, timeout), None);
        assert_eq!(activity.stalled(Some(now), later, timeout), Some(("computation", now)));
    }
}
