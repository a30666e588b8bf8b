//! A source task's transactions: its records and its offsets are committed together, or neither.
//!
//! Between the source loop and the transactional producer. One transaction is open at a time. While one is being ended the source is
//! polled on, and the next is begun once that is done.
//!
//! # Why every record is there exactly once
//! - A transaction's offsets are those of whole batches (or of pieces where the connector ends it) all of whose records were appended
//!   to it before: [`Transactions::submit`] comes after the last append, and a batch that is left half-way tears the transaction, which is
//!   then never committed.
//! - Offsets are appended by the same producer right before the commit, to the topic that a successor reads. So whoever sees the records
//!   of a transaction sees its offsets, and the other way round.
//! - A successor reads offsets after its producer was initialized, which ended every earlier transaction of the task, and after the
//!   producers of an earlier set of tasks were fenced. So it sees the last offsets that will ever be committed before its own.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use api::{Error, FlatMap, Result, SourceOffset, TransactionEnd};
use broker_client::{Delivery, Producer, ProducerRecord};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::acks::Committable;
use super::boundary::{Boundary, Commit};
use crate::metrics::TaskMetrics;
use crate::store::{Change, ConnectorOffsets, broker_error};

/// How long to wait before a coordinator that could not be reached is asked again.
const END_PAUSE: Duration = Duration::from_millis(250);

/// The transaction that records are appended to.
struct Open {
    since: Instant,
    records: u64,
    bytes: u64,
    /// The last offset of each source partition.
    offsets: Vec<Committable>,
    /// Records were appended whose offsets will not come.
    torn: bool,
}

/// A transaction that is being ended.
struct Ending {
    since: Instant,
    records: u64,
    offsets: Vec<Committable>,
    changes: Arc<Vec<Change>>,
    done: BoxFuture<'static, Result<()>>,
}

/// The transactions of one source task.
pub(crate) struct Transactions {
    producer: Arc<Producer>,
    store: Arc<ConnectorOffsets>,
    boundary: Boundary,
    metrics: Arc<TaskMetrics>,
    open: Option<Open>,
    ending: Option<Ending>,
    /// The last commit.
    before: Option<Commit>,
    committed: Vec<Committable>,
}

impl Transactions {
    /// Transactions of this producer, which has been initialized.
    pub(crate) fn new(
        producer: Arc<Producer>,
        store: Arc<ConnectorOffsets>,
        boundary: Boundary,
        metrics: Arc<TaskMetrics>,
    ) -> Self {
        let (open, ending, before, committed) = (None, None, None, Vec::new());
        Self { producer, store, boundary, metrics, open, ending, before, committed }
    }

    /// Where they end.
    pub(crate) const fn boundary(&self) -> &Boundary {
        &self.boundary
    }

    /// Sees to it that a transaction is open. May be dropped while it waits for the one before.
    ///
    /// # Errors
    /// When the one before could not be ended.
    pub(crate) async fn open(&mut self) -> Result<()> {
        self.settle().await?;
        if self.open.is_none() {
            self.producer.begin_transaction().map_err(broken)?;
            let since = Instant::now();
            self.open = Some(Open { since, records: 0, bytes: 0, offsets: Vec::new(), torn: false });
        }
        Ok(())
    }

    /// Notes the offsets of a piece that has been appended, and begins to commit if it is time.
    pub(crate) fn submit(
        &mut self,
        positions: impl Iterator<Item = (Arc<FlatMap>, SourceOffset)>,
        records: u64,
        bytes: u64,
    ) -> Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        for (partition, offset) in positions {
            let same = |(known, _): &&mut Committable| Arc::ptr_eq(known, &partition) || *known == partition;
            match open.offsets.iter_mut().find(same) {
                Some((_, last)) => *last = offset,
                None => open.offsets.push((partition, offset)),
            }
        }
        open.records += records;
        open.bytes += bytes;
        if self.boundary.is_due(open.since, open.bytes, Instant::now()) {
            self.begin_end(TransactionEnd::Commit)?;
        }
        Ok(())
    }

    /// A batch was left half-way: what is open must not be committed.
    pub(crate) const fn tear(&mut self) {
        if let Some(open) = &mut self.open {
            open.torn = true;
        }
    }

    /// Waits for the next thing to do, and does it: a commit that is due is begun, one that is under way is seen to its end. May be
    /// dropped while it waits.
    ///
    /// # Errors
    /// When a transaction could not be ended.
    pub(crate) async fn advance(&mut self) -> Result<()> {
        if self.ending.is_some() {
            return self.settle().await;
        }
        let due =
            self.open.as_ref().and_then(|open| self.boundary.idle_due(open.since, open.bytes, self.before));
        let Some(due) = due else { return std::future::pending().await };
        tokio::time::sleep_until(due.into()).await;
        // Whoever polls the source beside this has the first word: only if it gives nothing now it is idle.
        tokio::task::yield_now().await;
        self.begin_end(TransactionEnd::Commit)
    }

    /// Begins to end the open transaction.
    ///
    /// # Errors
    /// When an offset cannot be stored.
    pub(crate) fn begin_end(&mut self, end: TransactionEnd) -> Result<()> {
        let Some(open) = self.open.take_if(|open| !open.torn) else { return Ok(()) };
        let offsets = open.offsets.iter().map(|(partition, offset)| (&**partition, Some(offset.to_map())));
        let changes = Arc::new(self.store.changes(offsets)?);
        let (producer, store, written) =
            (Arc::clone(&self.producer), Arc::clone(&self.store), Arc::clone(&changes));
        let done = async move {
            if end == TransactionEnd::Abort {
                abort(&producer).await?;
                producer.begin_transaction().map_err(broken)?;
            }
            write_offsets(&producer, store.topic(), &written).await?;
            commit(&producer).await
        };
        let (since, records, offsets) = (Instant::now(), open.records, open.offsets);
        self.ending = Some(Ending { since, records, offsets, changes, done: done.boxed() });
        Ok(())
    }

    /// Waits until no transaction is being ended. May be dropped while it waits.
    ///
    /// # Errors
    /// When it could not be ended.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        let Some(ending) = &mut self.ending else { return Ok(()) };
        let outcome = (&mut ending.done).await;
        let Some(ending) = self.ending.take() else { return Ok(()) };
        let took = ending.since.elapsed();
        self.before = Some(Commit { ended: Instant::now(), took });
        self.metrics.offset_commit.add(took);
        match outcome {
            Ok(()) => {
                self.metrics.offset_commit_success.fetch_add(1, Relaxed);
                self.metrics.progress(Instant::now());
                self.store.back_up(&ending.changes);
                self.committed.extend(ending.offsets);
                Ok(())
            }
            Err(error) => {
                self.metrics.offset_commit_failure.fetch_add(1, Relaxed);
                Err(error)
            }
        }
    }

    /// Commits what was polled, and leaves no transaction open: before a pause, whose end nobody knows.
    ///
    /// # Errors
    /// As [`Transactions::settle`].
    pub(crate) async fn commit_now(&mut self) -> Result<()> {
        self.settle().await?;
        self.begin_end(TransactionEnd::Commit)?;
        self.settle().await
    }

    /// The end of the task: commits what was polled, if all is well; else aborts, and the records come again.
    ///
    /// # Errors
    /// When what was polled could not be committed.
    pub(crate) async fn finish(&mut self, is_well: bool) -> Result<()> {
        let settled = self.settle().await;
        let is_torn = self.open.as_ref().is_some_and(|open| open.torn);
        if is_well && settled.is_ok() && !is_torn && self.boundary.commits_at_stop() {
            return self.commit_now().await;
        }
        self.open = None;
        // Readers of what is committed wait at an open transaction; the successor would abort it too, but perhaps much later.
        let aborted = self.producer.abort_transaction().await;
        if let Err(error) = aborted {
            tracing::debug!(%error, "the open transaction was not aborted; the broker does it in time");
        }
        settled
    }

    /// Takes what was committed since the last call.
    pub(crate) fn take_committed(&mut self) -> Vec<Committable> {
        std::mem::take(&mut self.committed)
    }

    /// Records that are not known to be committed.
    pub(crate) fn active_records(&self) -> u64 {
        let open = self.open.as_ref().map_or(0, |open| open.records);
        open + self.ending.as_ref().map_or(0, |ending| ending.records)
    }
}

/// Appends offsets to the open transaction. How they fare the commit tells.
async fn write_offsets(producer: &Producer, topic: &str, changes: &[Change]) -> Result<()> {
    let delivery = Delivery::new();
    for (key, value) in changes {
        let record =
            || ProducerRecord { topic, key: Some(key), value: value.as_deref(), ..ProducerRecord::default() };
        let appended = match producer.append(record(), &delivery) {
            Err(broker_client::Error::BufferFull { .. }) => {
                producer.ready().await.map_err(broken)?;
                producer.append(record(), &delivery)
            }
            appended => appended,
        };
        appended.map_err(broken)?;
    }
    Ok(())
}

/// Commits; a coordinator that cannot be reached is asked again, for ever, since only it knows whether the transaction is committed.
async fn commit(producer: &Producer) -> Result<()> {
    loop {
        match producer.commit_transaction().await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_retriable() => {
                tracing::warn!(%error, "cannot commit a transaction; trying again");
                tokio::time::sleep(END_PAUSE).await;
            }
            Err(error) => return Err(cause(producer, error).await),
        }
    }
}

/// Why a transaction cannot go on. Who writes with an epoch that is no longer his hears from a partition's leader only that; the coordinator
/// tells, when the transaction is aborted, whether somebody took over.
pub(crate) async fn cause(producer: &Producer, error: broker_client::Error) -> Error {
    if !error.is_abortable() {
        return broken(error);
    }
    match producer.abort_transaction().await {
        Err(fenced) if fenced.is_fenced() => broken(fenced),
        _ => broken(error),
    }
}

async fn abort(producer: &Producer) -> Result<()> {
    loop {
        match producer.abort_transaction().await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_retriable() => {
                tracing::warn!(%error, "cannot abort a transaction; trying again");
                tokio::time::sleep(END_PAUSE).await;
            }
            Err(error) => return Err(broken(error)),
        }
    }
}

/// A transaction that cannot go on ends the run: its records come again from the last committed offset.
fn broken(error: broker_client::Error) -> Error {
    let doing = match error.is_fenced() {
        true => {
            "the task's producer was fenced: another run of this task has taken over, or the transaction stayed open for longer than \
             the broker allows (producer.override.transaction.timeout.ms)"
        }
        false => "the task's transaction failed; its records come again from the last committed offset",
    };
    broker_error(doing, error)
}
