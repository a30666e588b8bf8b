//! Where transactions begin and end, for the records that say so and for the places of rows in them.
//!
//! Does nothing unless `provide.transaction.metadata` is set. Invariant: a transaction that is read again after a restart
//! goes on counting where it stood, and its beginning is not said twice.

use std::sync::Arc;

use api::{Result, SourceOffset, Text};

use super::Follower;
use crate::mysql::envelope::transaction::{Transaction, milliseconds};
use crate::mysql::position::signed;
use crate::mysql::reader::Reader;

impl Follower {
    /// The transaction that the tracker is in begins.
    pub(super) fn mark_begin(&mut self, reader: &mut Reader) -> Result<()> {
        self.shared = None;
        if !reader.events.config.transactions || self.tracker.is_standalone() {
            return Ok(());
        }
        let id = self.transaction_id();
        if self.tracker.is_resuming() {
            // Without its counts, from an offset of before the option, it counts from here.
            if self.transaction.as_ref().is_none_or(|transaction| *transaction.id() != id) {
                self.transaction = Some(Transaction::new(id));
            }
            return Ok(());
        }
        let transaction = Transaction::new(id);
        let offset = Arc::new(transaction.in_offset(&self.shared_offset()));
        // Behind the event that begins it, so that a restart from here does not say it again.
        let offset =
            SourceOffset::with_counters(offset, [("row", 0), ("event", signed(self.tracker.events()) + 1)]);
        let now = milliseconds(self.tracker.timestamp_us());
        reader.outbox.records.push(transaction.begin(&reader.envelopes, now, offset)?);
        self.transaction = Some(transaction);
        Ok(())
    }

    /// The transaction ends with the current event: the position behind it is said with what was in it.
    pub(super) fn commit(&mut self, reader: &mut Reader) -> Result<()> {
        let now = milliseconds(self.tracker.timestamp_us());
        let server_id = self.tracker.server_id();
        self.tracker.commit();
        (self.shared, self.query) = (None, None);
        if let Some(transaction) = self.transaction.take() {
            let offset = SourceOffset::new(self.offset_behind(now, server_id));
            reader.outbox.records.push(transaction.end(&reader.envelopes, now, offset)?);
        }
        Ok(())
    }

    /// The GTID, or the place of the transaction's first event.
    fn transaction_id(&self) -> Text {
        let place = || {
            let restart = self.tracker.restart();
            Text::from(format!("file={},pos={}", restart.file, restart.pos))
        };
        self.tracker.gtid().cloned().unwrap_or_else(place)
    }
}
