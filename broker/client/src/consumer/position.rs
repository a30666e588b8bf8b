//! Where a partition is read: the offset to fetch next, the offset the user has got to, and what stands in the way.
//!
//! Invariant: `epoch` changes with every seek, so that what was fetched for an older place is recognised and dropped.

use tokio::time::Instant;

use crate::types::OffsetSpec;

/// One partition's place.
#[derive(Debug)]
pub(crate) struct Position {
    /// What to fetch next; `None` while the offset is being looked up.
    fetch_offset: Option<i64>,
    /// Where to start, as long as there is no offset.
    pub(crate) reset: Option<OffsetSpec>,
    /// Behind the last record that was handed out.
    pub(crate) delivered: Option<i64>,
    pub(crate) high_watermark: Option<i64>,
    /// The end of what may be read: before the first open transaction, for readers of what is committed.
    pub(crate) end: Option<i64>,
    pub(crate) epoch: u64,
    pub(crate) paused: bool,
    /// A fetch or look-up is under way, or records wait to be handed out.
    pub(crate) busy: bool,
    pub(crate) muted_until: Option<Instant>,
}

impl Position {
    /// At an offset; -1 is the end and -2 the beginning, as in Kafka's ListOffsets.
    pub(crate) fn at(offset: i64, epoch: u64) -> Self {
        let reset = match offset {
            0.. => None,
            -2 => Some(OffsetSpec::Earliest),
            _ => Some(OffsetSpec::Latest),
        };
        let known = (offset >= 0).then_some(offset);
        Self {
            fetch_offset: known,
            reset,
            delivered: known,
            high_watermark: None,
            end: None,
            epoch,
            paused: false,
            busy: false,
            muted_until: None,
        }
    }

    /// Continues elsewhere; what is under way becomes stale.
    pub(crate) fn seek(&mut self, offset: i64, epoch: u64) {
        let (paused, high_watermark, end) = (self.paused, self.high_watermark, self.end);
        *self = Self { paused, high_watermark, end, ..Self::at(offset, epoch) };
    }

    /// Looks for a new place to start.
    pub(crate) fn start_over(&mut self, at: OffsetSpec) {
        self.fetch_offset = None;
        self.reset = Some(at);
    }

    /// A look-up brought this.
    pub(crate) fn found(&mut self, offset: i64) {
        self.reset = None;
        self.fetch_offset = Some(offset);
        self.delivered = Some(offset);
    }

    /// Records up to before `next_offset` were fetched.
    pub(crate) fn advance(&mut self, next_offset: i64) {
        self.fetch_offset = Some(next_offset);
    }

    /// The offset to fetch now, if a fetch is to be made.
    pub(crate) fn wants_fetch(&self, now: Instant) -> Option<i64> {
        self.fetch_offset.filter(|_| self.is_free(now))
    }

    /// What to look up now, if a look-up is to be made.
    pub(crate) fn wants_lookup(&self, now: Instant) -> Option<OffsetSpec> {
        self.reset.filter(|_| self.is_free(now))
    }

    fn is_free(&self, now: Instant) -> bool {
        !self.busy && !self.paused && self.muted_until.is_none_or(|until| until <= now)
    }
}
