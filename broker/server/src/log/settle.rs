//! After a write: when does it go to disk, and when do readers see it?
//!
//! By default an append queues the fsync that all appends of the moment share, and is acknowledged and read after it. Where
//! `flush.messages` is more than 1 somebody has chosen speed: the append is read and acknowledged at once, and the
//! fsync comes after so many records, or after `flush.ms`, whichever is first. A kill of the process loses nothing either way.
//!
//! A producer that has nothing else under way gains nothing from the queue, and pays for it with the wake-up of a thread. Who appends for
//! such a one takes the log's place in the queue beforehand ([`PartitionLog::take_flush_turn`]) and syncs itself. It is the queue's own
//! argument that makes this right: the place is given back before the fsync notes how far the log reaches, so an append that found
//! it taken is covered, and one that comes later queues the log again.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use parking_lot::MutexGuard;

use super::{PartitionLog, flusher::Flush, partition::Inner};

impl PartitionLog {
    /// Takes note of what was just written.
    pub(super) fn settle(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>) {
        let (relaxed, records, flush_ms) = {
            let config = self.config.read();
            (config.is_relaxed(), config.flush_records, config.flush_ms)
        };
        if !relaxed {
            drop(inner);
            return self.queue_flush();
        }
        (inner.flushed_offset, inner.flushed_position) = (inner.end_offset, inner.active.size);
        self.publish(&mut inner);
        let waiting = u64::try_from(inner.end_offset - inner.synced_offset).unwrap_or(0);
        drop(inner);
        if waiting >= records {
            self.queue_flush();
        } else if flush_ms < i64::MAX && !self.deferred.swap(true, Ordering::AcqRel) {
            let log: Arc<dyn Flush> = Arc::clone(self) as Arc<dyn Flush>;
            self.queue.defer(log, Duration::from_millis(flush_ms.unsigned_abs()));
        }
    }
}

/// A log's place in the flush queue, in the hands of somebody who appends and then syncs: dropping it is the fsync, so no append that
/// counts on it is ever left without. Blocks on the disk.
#[derive(Debug)]
pub(crate) struct FlushTurn<'a>(&'a PartitionLog);

impl Drop for FlushTurn<'_> {
    fn drop(&mut self) {
        self.0.flush();
    }
}

impl PartitionLog {
    /// The log's place in the flush queue, for who is about to append; `None` while somebody else has it or an fsync is under way, which
    /// the next one had better share with others, and for a log that is not synced with each append.
    pub(crate) fn take_flush_turn(&self) -> Option<FlushTurn<'_>> {
        let free = !self.syncing.load(Ordering::Acquire) && !self.config.read().is_relaxed();
        (free && !self.queued.swap(true, Ordering::AcqRel)).then(|| FlushTurn(self))
    }
}
