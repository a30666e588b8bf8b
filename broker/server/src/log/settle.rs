//! After a write: when does it go to disk, and when do readers see it?
//!
//! By default an append queues the fsync that all appends of the moment share, and is acknowledged and read after it. Where
//! `flush.messages` is more than 1 somebody has chosen speed: the append is read and acknowledged at once, and the
//! fsync comes after so many records, or after `flush.ms`, whichever is first. A kill of the process loses nothing either way.

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
