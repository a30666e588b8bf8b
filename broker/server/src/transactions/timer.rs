//! What is due without being asked for: transactions that take too long, and markers that could not be written (or that a crash prevented).
//!
//! Sleeps until the earliest deadline, so that a broker without open transactions never wakes.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::coordinator::Transactions;
use crate::broker::State;

/// When the timer wakes; deadlines may come closer while it sleeps.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    wakes_at: Mutex<Option<Instant>>,
    moved: Notify,
}

impl Alarm {
    /// Takes note of a deadline.
    pub(super) fn set(&self, deadline: Option<Instant>) {
        if self.note(deadline) {
            self.moved.notify_one();
        }
    }

    /// Takes note of a deadline without waking the timer, for the timer itself: one that woke itself would never sleep while a
    /// transaction is open. True if it comes before all others.
    fn note(&self, deadline: Option<Instant>) -> bool {
        let Some(deadline) = deadline else { return false };
        let mut wakes_at = self.wakes_at.lock();
        let is_first = wakes_at.is_none_or(|at| deadline < at);
        if is_first {
            *wakes_at = Some(deadline);
        }
        is_first
    }

    /// Sleeps until something is due, or due earlier.
    async fn sleep(&self) {
        let wakes_at = *self.wakes_at.lock();
        let sleep = async {
            match wakes_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => {}
            () = self.moved.notified() => {}
        }
    }
}

/// Gives time to the transactions until shutdown.
pub(crate) async fn run_timer(state: Arc<State>) {
    loop {
        let shared = Arc::clone(&state);
        if let Err(error) = tokio::task::spawn_blocking(move || act_on_due(&shared)).await {
            tracing::error!(%error, "ending transactions panicked; the timer goes on");
        }
        tokio::select! {
            () = state.transactions.alarm.sleep() => {}
            () = state.shutdown.cancelled() => return,
        }
    }
}

fn act_on_due(state: &State) {
    let (alarm, now) = (&state.transactions.alarm, Instant::now());
    // Deadlines that are set from here on are noticed even if the walk below has passed them.
    *alarm.wakes_at.lock() = None;
    for entry in state.transactions.all() {
        match entry.deadline() {
            Some(deadline) if deadline <= now => Transactions::act(state, &entry, now),
            deadline => {
                alarm.note(deadline);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Whether the timer wakes long before any deadline of these tests.
    async fn wakes_early(alarm: &Alarm) -> bool {
        tokio::time::timeout(Duration::from_millis(20), alarm.sleep()).await.is_ok()
    }

    #[tokio::test]
    async fn the_timer_sleeps_on_while_a_transaction_is_open_until_an_earlier_deadline_comes() {
        let (alarm, begin) = (Alarm::default(), Instant::now());
        assert!(alarm.note(Some(begin + Duration::from_secs(60))));
        assert!(!wakes_early(&alarm).await, "it woke itself");
        alarm.set(Some(begin + Duration::from_secs(90)));
        assert!(!wakes_early(&alarm).await, "a later deadline woke it");
        alarm.set(Some(begin + Duration::from_secs(30)));
        assert!(wakes_early(&alarm).await, "an earlier deadline did not wake it");
        assert!(!wakes_early(&alarm).await);
    }
}
