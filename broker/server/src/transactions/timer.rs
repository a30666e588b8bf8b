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
            deadline => alarm.set(deadline),
        }
    }
}
