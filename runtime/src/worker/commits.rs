//! Commits of source offsets: at an interval, one at a time, beside the loop that polls.
//!
//! Between the acknowledgements and the offset store. The write itself runs as a task of its own, so that neither a slow offsets
//! topic nor a slow source holds the other back. Invariant: what a failed write did not commit is committed with the next.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{Error, Result};
use broker_client::Delivery;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

use super::acks::{Acknowledged, Acks, Committable};
use crate::metrics::TaskMetrics;
use crate::store::{ConnectorOffsets, broker_error};

/// Batches of one source partition that may be on their way.
const BATCHES_MAX: usize = 1_024;

/// One poll batch on its way to the topics.
#[derive(Clone)]
pub(crate) struct BatchDelivery {
    delivery: Arc<Delivery>,
    /// `errors.tolerance=all`: what a broker refuses for good is passed over (KIP-779).
    tolerate: bool,
}

impl BatchDelivery {
    /// A batch's delivery.
    pub(crate) const fn new(delivery: Arc<Delivery>, tolerate: bool) -> Self {
        Self { delivery, tolerate }
    }

    /// Waits until the batch is acknowledged or has failed; which, the next look at it tells.
    pub(crate) async fn settled(&self) {
        if let Err(error) = self.delivery.wait().await {
            tracing::debug!(%error, "a batch failed");
        }
    }
}

impl Acknowledged for BatchDelivery {
    fn is_acknowledged(&self) -> Result<bool> {
        match self.delivery.error() {
            Some(error) if self.tolerate && !error.is_retriable() => {
                if self.delivery.is_complete() {
                    tracing::error!(%error, "records were not written, and are passed over (errors.tolerance=all)");
                }
                Ok(self.delivery.is_complete())
            }
            Some(error) => Err(broker_error("cannot write the records of a batch", error)),
            None => Ok(self.delivery.is_complete()),
        }
    }
}

struct InFlight {
    offsets: Vec<Committable>,
    write: JoinHandle<Result<()>>,
    since: Instant,
}

/// The commits of one source task.
pub(crate) struct OffsetCommits {
    store: Arc<ConnectorOffsets>,
    metrics: Arc<TaskMetrics>,
    /// The batches on their way.
    pub(crate) acks: Acks<BatchDelivery>,
    timer: Interval,
    timeout: Duration,
    /// Offsets were committed before, or are being committed.
    has_begun: bool,
    in_flight: Option<InFlight>,
    committed: Vec<Committable>,
}

impl OffsetCommits {
    /// Commits for a connector at this interval; a write that takes longer than `timeout` counts as failed.
    pub(crate) fn new(
        store: Arc<ConnectorOffsets>,
        metrics: Arc<TaskMetrics>,
        interval: Duration,
        timeout: Duration,
    ) -> Self {
        let mut timer = interval_at(tokio::time::Instant::now() + interval, interval);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (acks, in_flight, committed) = (Acks::new(BATCHES_MAX), None, Vec::new());
        Self { store, metrics, acks, timer, timeout, has_begun: false, in_flight, committed }
    }

    /// Waits for the next thing to do, and does it: a commit that is due is begun, one that has ended is taken in. May be dropped
    /// while it waits.
    ///
    /// # Errors
    /// When a batch failed.
    pub(crate) async fn advance(&mut self) -> Result<()> {
        match &mut self.in_flight {
            Some(flight) => {
                let outcome = (&mut flight.write).await;
                self.take_in(outcome.unwrap_or_else(|error| {
                    Err(Error::retriable("writing offsets ended without an answer").with_source(error))
                }))
            }
            None => {
                self.is_due().await;
                let outcome = self.acks.advance();
                self.begin();
                outcome
            }
        }
    }

    /// Waits for the interval's end; but the first commit comes with the first acknowledged batch, since a run that is killed before it
    /// begins anew, with a source that may have changed since.
    async fn is_due(&mut self) {
        let first = if self.has_begun { None } else { self.acks.oldest() };
        match first {
            Some(first) => tokio::select! {
                () = first.settled() => {}
                _ = self.timer.tick() => {}
            },
            None => drop(self.timer.tick().await),
        }
    }

    fn begin(&mut self) {
        let offsets = self.acks.take_committable();
        if offsets.is_empty() {
            return;
        }
        self.has_begun = true;
        let pairs = offsets.iter().map(|(partition, offset)| (&**partition, Some(offset.to_map())));
        let (store, changes, timeout) = (Arc::clone(&self.store), self.store.changes(pairs), self.timeout);
        let write = tokio::spawn(async move {
            tokio::time::timeout(timeout, store.write(&changes?)).await.unwrap_or_else(|elapsed| {
                Err(Error::retriable(format!(
                    "offsets were not written within {timeout:?} (offset.flush.timeout.ms)"
                ))
                .with_source(elapsed))
            })
        });
        self.in_flight = Some(InFlight { offsets, write, since: Instant::now() });
    }

    /// What may work later is committed with the next; what never will (an offset that cannot be stored) is the task's end.
    fn take_in(&mut self, outcome: Result<()>) -> Result<()> {
        use std::sync::atomic::Ordering::Relaxed;
        let Some(flight) = self.in_flight.take() else { return Ok(()) };
        self.metrics.offset_commit.add(flight.since.elapsed());
        match outcome {
            Ok(()) => {
                self.metrics.offset_commit_success.fetch_add(1, Relaxed);
                self.metrics.progress(Instant::now());
                self.committed.extend(flight.offsets);
                Ok(())
            }
            Err(error) => {
                self.metrics.offset_commit_failure.fetch_add(1, Relaxed);
                if !error.is_retriable() {
                    return Err(error.context("cannot commit source offsets"));
                }
                tracing::warn!(%error, "cannot commit source offsets; they are committed with the next");
                self.acks.give_back(flight.offsets);
                Ok(())
            }
        }
    }

    /// Takes what was committed since the last call: the task shall hear of it.
    pub(crate) fn take_committed(&mut self) -> Vec<Committable> {
        std::mem::take(&mut self.committed)
    }

    /// Commits everything that is acknowledged, now: at the end of a task.
    ///
    /// # Errors
    /// When a batch failed; what was acknowledged before it has been committed.
    pub(crate) async fn finish(&mut self) -> Result<()> {
        for last in [false, true] {
            if self.in_flight.is_some() {
                self.advance().await?;
            }
            if !last {
                let outcome = self.acks.advance();
                self.begin();
                if outcome.is_err() {
                    if self.in_flight.is_some() {
                        self.advance().await?;
                    }
                    return outcome;
                }
            }
        }
        Ok(())
    }
}
