//! Where a source's transactions end: the decision, and nothing else.
//!
//! Between the source loop and its transactional producer; pure, the time is passed in. `poll` puts the ends between polled batches,
//! as Connect does, but not behind every single one: a commit costs round trips and fsyncs, so batches that follow one another at
//! once share it, for [`BUSY_MAX`] at most. To a reader this is a source that polls larger batches. Invariant: a transaction ends
//! behind a whole batch, or where the connector says.

use std::time::{Duration, Instant};

use api::{SourceRecord, TransactionContext, TransactionEnd, TransactionEnds};

/// A transaction of a source that has nothing more to give is committed at this age at the latest. Earlier if it is small: as soon as
/// the commit before it has rested, for this part of the time that it took. What comes while a commit is under way waits for it and
/// shares the next one, so the rest need not be long for commits to be few.
const IDLE_MAX: Duration = Duration::from_millis(4);
const REST_PART: u32 = 4;

/// With so many bytes of keys and values a transaction is not small: its source moves a lot, and larger transactions cost less.
const SMALL_BYTES_MAX: u64 = 128 << 10;

/// A transaction of a source that always has more is committed at this age,
const BUSY_MAX: Duration = Duration::from_millis(100);

/// or once it has this many bytes of keys and values: readers of what is committed get it all at once.
const BUSY_BYTES_MAX: u64 = 64 << 20;

/// The commit of the transaction before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Commit {
    /// When it was done.
    pub(crate) ended: Instant,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Where transactions end.
#[derive(Debug, Clone)]
pub(crate) enum Boundary {
    /// Between polled batches.
    Poll,
    /// Behind the first batch after this long.
    Interval(Duration),
    /// Where the connector says.
    Connector(TransactionContext),
}

impl Boundary {
    /// When a transaction is to be committed if the source has nothing to give by then.
    pub(crate) fn idle_due(&self, opened: Instant, bytes: u64, before: Option<Commit>) -> Option<Instant> {
        match self {
            Self::Poll if bytes < SMALL_BYTES_MAX => {
                let rested = before.map_or(opened, |before| before.ended + before.took / REST_PART);
                Some(rested.clamp(opened, opened + IDLE_MAX))
            }
            Self::Poll => Some(opened + IDLE_MAX),
            Self::Interval(interval) => Some(opened + *interval),
            Self::Connector(_) => None,
        }
    }

    /// Whether a transaction is to be committed behind a batch although there is more to come.
    pub(crate) fn is_due(&self, opened: Instant, bytes: u64, now: Instant) -> bool {
        match self {
            Self::Poll => now >= opened + BUSY_MAX || bytes >= BUSY_BYTES_MAX,
            Self::Interval(interval) => now >= opened + *interval,
            Self::Connector(_) => false,
        }
    }

    /// Whether what was polled completely may be committed when the task stops. A connector's transaction that it did not end is not.
    pub(crate) const fn commits_at_stop(&self) -> bool {
        !matches!(self, Self::Connector(_))
    }

    /// Forgets what a dropped poll asked for.
    pub(crate) fn forget(&self) {
        if let Self::Connector(context) = self {
            drop(context.take());
        }
    }

    /// A batch in pieces, each but perhaps the last with the end of a transaction behind it.
    pub(crate) fn pieces(&self, batch: Vec<SourceRecord>) -> Vec<Piece> {
        match self {
            Self::Connector(context) => cut(batch, context.take()),
            _ => vec![Piece { records: batch, end: None }],
        }
    }
}

/// Part of a batch.
#[derive(Debug)]
pub(crate) struct Piece {
    /// The records.
    pub(crate) records: Vec<SourceRecord>,
    /// What becomes of the transaction behind them.
    pub(crate) end: Option<TransactionEnd>,
}

fn cut(mut rest: Vec<SourceRecord>, ends: TransactionEnds) -> Vec<Piece> {
    let (mut pieces, mut behind) = (Vec::new(), 0);
    for (record, end) in ends.after_records {
        let count = record.saturating_add(1).saturating_sub(behind);
        if count > rest.len() {
            tracing::warn!(record, "the connector ends a transaction behind a record that it did not give");
            break;
        }
        let left = rest.split_off(count);
        pieces.push(Piece { records: std::mem::replace(&mut rest, left), end: Some(end) });
        behind += count;
    }
    if !rest.is_empty() || ends.after_batch.is_some() {
        pieces.push(Piece { records: rest, end: ends.after_batch });
    }
    pieces
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use api::{FlatMap, Record, SourceOffset};

    use super::*;

    fn batch(count: i64) -> Vec<SourceRecord> {
        let record = |number| SourceRecord {
            record: Record::default(),
            source_partition: Arc::default(),
            source_offset: SourceOffset::with_counter(Arc::new(FlatMap::new()), "n", number),
        };
        (0..count).map(record).collect()
    }

    fn lengths(pieces: &[Piece]) -> Vec<(usize, Option<TransactionEnd>)> {
        pieces.iter().map(|piece| (piece.records.len(), piece.end)).collect()
    }

    #[test]
    fn a_busy_source_commits_now_and_then_and_an_idle_one_soon() {
        let opened = Instant::now();
        let boundary = Boundary::Poll;
        assert_eq!(boundary.idle_due(opened, SMALL_BYTES_MAX, None), Some(opened + IDLE_MAX));
        assert!(!boundary.is_due(opened, 0, opened + IDLE_MAX));
        assert!(boundary.is_due(opened, 0, opened + BUSY_MAX));
        assert!(boundary.is_due(opened, BUSY_BYTES_MAX, opened));
    }

    #[test]
    fn a_small_transaction_waits_until_the_commit_before_it_has_rested() {
        let opened = Instant::now();
        let due = |before: Option<Commit>| Boundary::Poll.idle_due(opened, 1000, before);
        let millis = Duration::from_millis;
        assert_eq!(due(None), Some(opened), "nothing came for long: at once");
        assert_eq!(due(Some(Commit { ended: opened, took: millis(8) })), Some(opened + millis(2)));
        assert_eq!(due(Some(Commit { ended: opened, took: millis(900) })), Some(opened + IDLE_MAX));
        let long_ago = opened.checked_sub(millis(50)).unwrap_or(opened);
        assert_eq!(due(Some(Commit { ended: long_ago, took: millis(2) })), Some(opened));
    }

    #[test]
    fn an_interval_ends_in_time_and_a_connector_when_it_says() {
        let opened = Instant::now();
        let second = Duration::from_secs(1);
        let interval = Boundary::Interval(second);
        assert_eq!(interval.idle_due(opened, 0, None), Some(opened + second));
        assert!(!interval.is_due(opened, u64::MAX, opened + second / 2));
        assert!(interval.is_due(opened, 0, opened + second));
        let connector = Boundary::Connector(TransactionContext::default());
        assert_eq!(connector.idle_due(opened, 0, None), None);
        assert!(!connector.is_due(opened, u64::MAX, opened + second) && !connector.commits_at_stop());
    }

    #[test]
    fn a_batch_is_cut_where_the_connector_says() {
        let context = TransactionContext::default();
        let boundary = Boundary::Connector(context.clone());
        let (commit, abort) = (Some(TransactionEnd::Commit), Some(TransactionEnd::Abort));
        assert_eq!(lengths(&boundary.pieces(batch(3))), [(3, None)]);
        context.commit_after(0);
        context.abort_after(3);
        assert_eq!(lengths(&boundary.pieces(batch(6))), [(1, commit), (3, abort), (2, None)]);
        context.abort_after(1);
        context.commit();
        assert_eq!(lengths(&boundary.pieces(batch(2))), [(2, abort), (0, commit)]);
        context.commit();
        assert_eq!(lengths(&boundary.pieces(batch(0))), [(0, commit)]);
        context.commit_after(7);
        assert_eq!(lengths(&boundary.pieces(batch(2))), [(2, None)]);
        context.commit();
        boundary.forget();
        assert!(boundary.pieces(batch(0)).is_empty());
    }
}
