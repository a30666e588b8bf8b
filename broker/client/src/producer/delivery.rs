//! Tells when records have arrived. One `Delivery` may stand for any number of records: what is counted is the runs of them in batches,
//! so that neither appending a record behind another one of its delivery nor acknowledging a batch costs anything per record.
//!
//! Invariant: `pending` is the number of runs with records of this delivery that are neither acknowledged nor failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::error::{Error, Result};

/// Counts runs of records that are on their way, and keeps the first error. Complete while nothing was appended with it.
#[derive(Debug, Default)]
pub struct Delivery {
    pending: AtomicU64,
    error: Mutex<Option<Error>>,
    changed: Notify,
}

impl Delivery {
    /// Nothing on its way.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Whether every record appended so far is acknowledged or failed.
    pub fn is_complete(&self) -> bool {
        self.pending.load(Ordering::Acquire) == 0
    }

    /// The first failure.
    pub fn error(&self) -> Option<Error> {
        self.error.lock().clone()
    }

    /// Waits until it is complete; the first failure is the result. Cancel-safe.
    pub async fn wait(&self) -> Result<()> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the look at the counter, so that no change is missed.
            changed.as_mut().enable();
            if self.is_complete() {
                return self.error().map_or(Ok(()), Err);
            }
            changed.await;
        }
    }

    #[inline]
    pub(crate) fn add(&self) {
        self.pending.fetch_add(1, Ordering::Relaxed);
    }

    fn settle(&self, error: Option<&Error>) {
        if let Some(error) = error {
            self.error.lock().get_or_insert_with(|| error.clone());
        }
        if self.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.changed.notify_waiters();
        }
    }
}

/// The deliveries of one batch's records: one for each run of records with the same.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    runs: Vec<Arc<Delivery>>,
}

impl Deliveries {
    /// One more record of this delivery.
    #[inline]
    pub(crate) fn add(&mut self, delivery: &Arc<Delivery>) {
        if !self.runs.last().is_some_and(|last| Arc::ptr_eq(last, delivery)) {
            delivery.add();
            self.runs.push(Arc::clone(delivery));
        }
    }

    /// All records arrived (or failed, with this error).
    pub(crate) fn settle(mut self, error: Option<&Error>) {
        for delivery in std::mem::take(&mut self.runs) {
            delivery.settle(error);
        }
    }
}

impl Drop for Deliveries {
    /// A batch that is dropped on the way (the runtime shuts down) must not leave anyone waiting.
    fn drop(&mut self) {
        for delivery in std::mem::take(&mut self.runs) {
            delivery.settle(Some(&Error::Closed { what: "producer" }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use super::{Deliveries, Delivery};
    use crate::error::Error;

    #[tokio::test]
    async fn completes_when_the_last_run_is_settled() {
        let (one, two) = (Delivery::new(), Delivery::new());
        assert!(one.is_complete());
        let (mut first, mut second) = (Deliveries::default(), Deliveries::default());
        first.add(&one);
        first.add(&one);
        first.add(&two);
        second.add(&one);
        assert_eq!((first.runs.len(), one.pending.load(Ordering::Acquire)), (2, 2));
        let waiter = tokio::spawn({
            let one = Arc::clone(&one);
            async move { one.wait().await }
        });
        first.settle(None);
        assert!(two.is_complete() && !one.is_complete());
        second.settle(Some(&Error::Closed { what: "producer" }));
        assert!(matches!(waiter.await.unwrap(), Err(Error::Closed { .. })));
        assert!(two.wait().await.is_ok());
    }
}
