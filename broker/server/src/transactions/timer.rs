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
        let Some(deadline) = deadline else { return };
        let mut wakes_at = self.wakes_at.lock();
        if wakes_at.is_none_or(|at| deadline < at) {
            *wakes_at = Some(deadline);
            self.moved.notify_one();
        }
    }

    /// Sleeps until something is due. A deadline that comes closer only shortens the sleep: to look at every id whenever one of them
    /// begins a transaction would cost more than the transactions.
    async fn sleep(&self) {
        loop {
            let wakes_at = *self.wakes_at.lock();
            let sleep = async {
                match wakes_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep => return,
                () = self.moved.notified() => {}
            }
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
            deadline => alarm.set(deadline),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_closer_deadline_shortens_the_sleep_and_does_not_end_it() {
        let alarm = Arc::new(Alarm::default());
        alarm.set(Some(Instant::now() + Duration::from_secs(600)));
        let sleeper = Arc::clone(&alarm);
        let sleeping = tokio::spawn(async move { sleeper.sleep().await });
        // It sleeps before it hears of the closer one.
        tokio::task::yield_now().await;
        let closer = Instant::now() + Duration::from_millis(30);
        alarm.set(Some(closer));
        sleeping.await.unwrap();
        assert!(Instant::now() >= closer);
    }
}
