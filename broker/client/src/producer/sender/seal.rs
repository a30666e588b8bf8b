//! From the accumulator to the wire: sealing (compressing, numbering) batches, and giving up those whose time is over.

use std::sync::Arc;

use broker_protocol::batch::{BatchError, BatchFields, Compression, patch};
use tokio::time::Instant;

use super::Sender;
use crate::error::Error;
use crate::producer::accumulator::{GrowingBatch, Place};
use crate::producer::lane::SealedBatch;
use crate::producer::produce::Sending;

/// Batches of fewer bytes are not compressed: there is next to nothing to gain, and both sides would make room for whole blocks.
const COMPRESSED_BYTES_MIN: usize = 512;

impl Sender {
    /// The next batch of a partition whose lane is open: one that goes again, or a new one.
    pub(super) fn next_batch(&mut self, place: Place) -> Option<Sending> {
        let lane = self.lanes.get_mut(&place)?;
        let batch = match lane.next_queued() {
            Some(batch) => batch,
            None => {
                let growing = self.shared.accumulator.lock().take(place)?;
                self.seal_or_fail(place, growing)?
            }
        };
        let topic = self.shared.accumulator.lock().topic_name(place.0);
        Some(Sending { topic, partition: number(place), batch })
    }

    /// Compresses a batch and gives it its numbers. One that cannot be sent fails here, before it has any.
    fn seal_or_fail(&mut self, place: Place, growing: GrowingBatch) -> Option<SealedBatch> {
        let GrowingBatch { builder, deliveries, opened_at, ordinal, counted_bytes } = growing;
        let records = builder.count();
        let is_transactional = self.shared.transactional.is_some();
        let is_small = builder.size() < COMPRESSED_BYTES_MIN;
        let compression = if is_small { Compression::None } else { self.config.compression };
        let fields = BatchFields { compression, is_transactional, ..Default::default() };
        let sealed = builder
            .finish(&fields)
            .and_then(|(bytes, spare)| self.number_batch(place, records, bytes, spare));
        let error = match sealed {
            Ok(Ok((bytes, base_sequence))) => {
                self.shared.accumulator.lock().recount(counted_bytes, bytes.len());
                self.shared.progress.notify_waiters();
                let bytes = bytes.into();
                return Some(SealedBatch {
                    place,
                    bytes,
                    records,
                    ordinal,
                    opened_at,
                    deliveries,
                    base_sequence,
                });
            }
            Ok(Err(size)) => Error::RecordTooLarge {
                topic: self.topic(place),
                partition: number(place),
                size,
                limit: self.config.request_bytes_max,
            },
            Err(source) => Error::Batch {
                topic: self.topic(place),
                partition: number(place),
                offset: -1,
                source: Arc::new(source),
            },
        };
        self.note_lost(&error);
        self.shared.accumulator.lock().settle(ordinal, counted_bytes, Some(&error));
        deliveries.settle(Some(&error));
        self.shared.progress.notify_waiters();
        None
    }

    /// The bytes with their numbers, or the size if it is beyond what a request may hold.
    #[allow(clippy::type_complexity, reason = "two outcomes of one step, taken apart right away")]
    fn number_batch(
        &mut self,
        place: Place,
        records: i32,
        mut bytes: Vec<u8>,
        spare: Option<Vec<u8>>,
    ) -> Result<Result<(Vec<u8>, i32), usize>, BatchError> {
        if let Some(spare) = spare {
            self.shared.accumulator.lock().keep_spare(spare);
        }
        if bytes.len() > self.config.request_bytes_max {
            return Ok(Err(bytes.len()));
        }
        let Some(lane) = self.lanes.get_mut(&place) else { return Ok(Ok((bytes, -1))) };
        let (id, epoch, base_sequence) = lane.number(records);
        if id >= 0 {
            patch::producer(&mut bytes, id, epoch, base_sequence)?;
        }
        Ok(Ok((bytes, base_sequence)))
    }

    /// Fails what was opened longer ago than the delivery timeout and is not under way.
    pub(super) fn expire(&mut self) {
        let timeout = self.config.delivery_timeout;
        let Some(before) = Instant::now().checked_sub(timeout) else { return };
        let source = self.last_error.clone().map(Arc::new);
        let late = |sender: &Self, place| Error::DeliveryTimeout {
            topic: sender.topic(place),
            partition: number(place),
            after: timeout,
            source: source.clone(),
        };
        self.give_up(Some(before), late);
    }

    /// Fails everything that is not under way, and whatever will be appended.
    pub(super) fn fail_all(&mut self, error: &Error) {
        self.shared.accumulator.lock().fail(error.clone());
        self.give_up(None, |_sender, _place| error.clone());
        self.shared.progress.notify_waiters();
    }

    fn give_up(&mut self, before: Option<Instant>, error_of: impl Fn(&Self, Place) -> Error) {
        let expired: Vec<_> = self.lanes.values_mut().flat_map(|lane| lane.take_expired(before)).collect();
        for batch in expired {
            let error = error_of(self, batch.place);
            self.settle(batch, Some(&error));
            self.shared.progress.notify_waiters();
        }
        self.give_up_unsent(before, error_of);
    }

    /// Fails what was never sent.
    pub(super) fn give_up_unsent(&self, before: Option<Instant>, error_of: impl Fn(&Self, Place) -> Error) {
        let waiting = self.shared.accumulator.lock().take_expired(before);
        for (place, batch) in waiting {
            let error = error_of(self, place);
            self.note_lost(&error);
            self.shared.accumulator.lock().settle(batch.ordinal, batch.counted_bytes, Some(&error));
            batch.deliveries.settle(Some(&error));
            self.shared.progress.notify_waiters();
        }
    }

    fn topic(&self, place: Place) -> String {
        self.shared.accumulator.lock().topic_name(place.0).to_string()
    }
}

fn number(place: Place) -> i32 {
    i32::try_from(place.1).unwrap_or(i32::MAX)
}
