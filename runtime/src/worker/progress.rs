//! How a source task gets from records to committed offsets: in transactions, or at least once.
//!
//! Between the source loop, which does not care, and the two ways. Invariant: whichever way, nothing is committed that is not written,
//! and on a clean stop everything that was polled is.

use std::time::Duration;

use api::{Result, SourceRecord, TransactionEnd};
use broker_client::Producer;

use super::acks::Committable;
use super::boundary::Piece;
use super::commits::{BatchDelivery, OffsetCommits};
use super::source::Work;
use super::transactions::Transactions;

/// One of the two ways.
pub(crate) enum Progress {
    /// Offsets are committed behind acknowledged records, at an interval.
    AtLeastOnce(OffsetCommits),
    /// Offsets are committed with their records.
    ExactlyOnce(Box<Transactions>),
}

impl Progress {
    /// Forgets what a poll that was dropped said of transactions.
    pub(crate) fn forget_dropped_poll(&self) {
        if let Self::ExactlyOnce(transactions) = self {
            transactions.boundary().forget();
        }
    }

    /// A batch in pieces, as transactions end in it.
    pub(crate) fn pieces(&self, batch: Vec<SourceRecord>) -> Vec<Piece> {
        match self {
            Self::AtLeastOnce(_) => vec![Piece { records: batch, end: None }],
            Self::ExactlyOnce(transactions) => transactions.boundary().pieces(batch),
        }
    }

    /// Gets ready for records. May be dropped while it waits.
    pub(crate) async fn open(&mut self) -> Result<()> {
        match self {
            Self::AtLeastOnce(_) => Ok(()),
            Self::ExactlyOnce(transactions) => transactions.open().await,
        }
    }

    /// Takes over records that have all been appended. `tolerate`: what the broker refuses is passed over (at least once only: a
    /// transaction that lost a record cannot be committed).
    pub(crate) fn submit(&mut self, work: Work, tolerate: bool) -> Result<()> {
        match self {
            Self::AtLeastOnce(commits) => {
                // What was acknowledged meanwhile is taken in here too: a refused batch is told now, not at the next commit.
                commits.acks.advance()?;
                let delivery = BatchDelivery::new(work.delivery, tolerate);
                for position in work.positions {
                    let (partition, offset) = (position.partition, position.offset);
                    commits.acks.submit(&partition, offset, delivery.clone(), position.records);
                }
                Ok(())
            }
            Self::ExactlyOnce(transactions) => {
                let records = work.positions.iter().map(|position| position.records).sum();
                let positions =
                    work.positions.into_iter().map(|position| (position.partition, position.offset));
                transactions.submit(positions, records, work.written_bytes)
            }
        }
    }

    /// Ends the open transaction, as the connector said.
    pub(crate) fn end(&mut self, end: TransactionEnd) -> Result<()> {
        match self {
            Self::AtLeastOnce(_) => Ok(()),
            Self::ExactlyOnce(transactions) => transactions.begin_end(end),
        }
    }

    /// A batch was left half-way.
    pub(crate) fn tear(&mut self) {
        if let Self::ExactlyOnce(transactions) = self {
            transactions.tear();
        }
    }

    /// The batch to wait for before another poll, if too many are on their way.
    pub(crate) fn oldest_when_full(&self) -> Option<BatchDelivery> {
        match self {
            Self::AtLeastOnce(commits) => commits.acks.oldest_when_full(),
            Self::ExactlyOnce(_) => None,
        }
    }

    /// Takes in what was acknowledged.
    pub(crate) fn take_in(&mut self) -> Result<()> {
        match self {
            Self::AtLeastOnce(commits) => commits.acks.advance(),
            Self::ExactlyOnce(_) => Ok(()),
        }
    }

    /// Waits for the next thing to do, and does it. May be dropped while it waits.
    pub(crate) async fn advance(&mut self) -> Result<()> {
        match self {
            Self::AtLeastOnce(commits) => commits.advance().await,
            Self::ExactlyOnce(transactions) => transactions.advance().await,
        }
    }

    /// Leaves nothing open that could run out of time.
    pub(crate) async fn before_pause(&mut self) -> Result<()> {
        match self {
            Self::AtLeastOnce(_) => Ok(()),
            Self::ExactlyOnce(transactions) => transactions.commit_now().await,
        }
    }

    /// Takes what was committed since the last call: the task shall hear of it.
    pub(crate) fn take_committed(&mut self) -> Vec<Committable> {
        match self {
            Self::AtLeastOnce(commits) => commits.take_committed(),
            Self::ExactlyOnce(transactions) => transactions.take_committed(),
        }
    }

    /// Records that are not known to be written for good.
    pub(crate) fn active_records(&self) -> u64 {
        match self {
            Self::AtLeastOnce(commits) => commits.acks.active_records(),
            Self::ExactlyOnce(transactions) => transactions.active_records(),
        }
    }

    /// The end of the task: writes what is left and commits what is written, if all is well, within about this time.
    pub(crate) async fn finish(
        &mut self,
        producer: &Producer,
        is_well: bool,
        timeout: Duration,
    ) -> Result<()> {
        match self {
            Self::AtLeastOnce(commits) => {
                let flushed = tokio::time::timeout(timeout, producer.flush()).await;
                let finished = commits.finish().await;
                match flushed {
                    Ok(Ok(())) => finished,
                    Ok(Err(error)) => {
                        finished.and(Err(crate::store::broker_error("cannot write the last records", error)))
                    }
                    Err(_elapsed) => {
                        come_again(timeout);
                        finished
                    }
                }
            }
            Self::ExactlyOnce(transactions) => {
                let finished = tokio::time::timeout(timeout, transactions.finish(is_well)).await;
                finished.unwrap_or_else(|_elapsed| {
                    come_again(timeout);
                    Ok(())
                })
            }
        }
    }
}

fn come_again(timeout: Duration) {
    tracing::warn!(
        ?timeout,
        "the last records were not acknowledged in time; they come again (offset.flush.timeout.ms)"
    );
}
