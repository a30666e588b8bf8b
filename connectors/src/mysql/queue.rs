//! The queue between the reader, which decodes ahead, and `poll`, which hands out: bounded in bytes and in records.
//!
//! A slow runtime stops the reader, and the reader stops the server's dump: memory stays flat whatever the server sends.
//! Invariants: what was sent comes out in order, errors among batches; a batch larger than the whole bound still
//! passes, alone; dropping a waiting `receive` loses nothing.

use std::sync::Arc;

use api::{Error, Result, SourceRecord};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// How many batches and errors wait at most, whatever they weigh.
const SLOTS_MAX: usize = 1024;

/// Some records and what they weigh.
#[derive(Debug, Default)]
pub struct Batch {
    /// The records, in order.
    pub records: Vec<SourceRecord>,
    /// About the memory they hold.
    pub bytes: usize,
}

struct Slot {
    item: Result<Vec<SourceRecord>>,
    _permits: Option<[OwnedSemaphorePermit; 2]>,
}

/// The reader's end.
#[derive(Debug)]
pub struct Sender {
    slots: mpsc::Sender<Slot>,
    bytes: Arc<Semaphore>,
    records: Arc<Semaphore>,
    bounds: (u32, u32),
}

/// The end of `poll`.
#[derive(Debug)]
pub struct Receiver(mpsc::Receiver<Slot>);

/// A queue that holds at most this many bytes and records.
#[must_use]
pub fn queue(bytes_max: usize, records_max: usize) -> (Sender, Receiver) {
    let (slots, receiver) = mpsc::channel(SLOTS_MAX);
    let bounds = (permits(bytes_max), permits(records_max));
    let semaphore = |bound: u32| Arc::new(Semaphore::new(usize::try_from(bound).unwrap_or(usize::MAX)));
    let sender = Sender { slots, bytes: semaphore(bounds.0), records: semaphore(bounds.1), bounds };
    (sender, Receiver(receiver))
}

/// A bound as a semaphore takes it: at least one, at most 2^29.
fn permits(bound: usize) -> u32 {
    const PERMITS_MAX: usize = Semaphore::MAX_PERMITS >> 3;
    u32::try_from(bound.clamp(1, PERMITS_MAX)).unwrap_or(1 << 29).min(1 << 29)
}

impl Sender {
    /// Sends a batch; waits until there is room for it.
    ///
    /// # Errors
    /// `Fatal` when nobody will receive any more.
    pub async fn send(&self, batch: Batch) -> Result<()> {
        if batch.records.is_empty() {
            return Ok(());
        }
        let acquire = |semaphore: &Arc<Semaphore>, wanted: usize, bound: u32| {
            Arc::clone(semaphore).acquire_many_owned(permits(wanted).min(bound))
        };
        let bytes = acquire(&self.bytes, batch.bytes, self.bounds.0).await;
        let records = acquire(&self.records, batch.records.len(), self.bounds.1).await;
        let permits = [
            bytes.map_err(|error| closed().with_source(error))?,
            records.map_err(|error| closed().with_source(error))?,
        ];
        self.push(Slot { item: Ok(batch.records), _permits: Some(permits) }).await
    }

    /// Sends an error, which weighs nothing.
    ///
    /// # Errors
    /// `Fatal` when nobody will receive any more.
    pub async fn send_error(&self, error: Error) -> Result<()> {
        self.push(Slot { item: Err(error), _permits: None }).await
    }

    async fn push(&self, slot: Slot) -> Result<()> {
        self.slots.send(slot).await.map_err(|error| closed().with_source(error.to_string()))
    }
}

fn closed() -> Error {
    Error::fatal("the task that reads MySQL was stopped")
}

impl Receiver {
    /// The next batch or error; `None` when the reader has ended. Cancel-safe.
    pub async fn receive(&mut self) -> Option<Result<Vec<SourceRecord>>> {
        self.0.recv().await.map(|slot| slot.item)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use api::{FlatMap, Record, SourceOffset};
    use futures::FutureExt;

    use super::*;

    fn batch(records: usize, bytes: usize) -> Batch {
        let record = SourceRecord {
            record: Record::default(),
            source_partition: Arc::new(FlatMap::new()),
            source_offset: SourceOffset::new(Arc::new(FlatMap::new())),
        };
        Batch { records: vec![record; records], bytes }
    }

    #[tokio::test]
    async fn a_full_queue_makes_the_sender_wait_until_a_batch_is_taken() {
        let (sender, mut receiver) = queue(100, 1000);
        sender.send(batch(1, 60)).await.unwrap();
        assert!(sender.send(batch(1, 60)).now_or_never().is_none(), "120 bytes into 100");
        assert!(receiver.receive().await.unwrap().is_ok());
        sender.send(batch(1, 60)).now_or_never().unwrap().unwrap();
    }

    #[tokio::test]
    async fn records_are_bounded_too_and_an_oversized_batch_passes_alone() {
        let (sender, mut receiver) = queue(1 << 40, 2);
        sender.send(batch(5, 1)).now_or_never().unwrap().unwrap();
        assert!(sender.send(batch(1, 1)).now_or_never().is_none());
        assert_eq!(receiver.receive().await.unwrap().unwrap().len(), 5);
        sender.send_error(Error::retriable("gone")).await.unwrap();
        assert!(receiver.receive().await.unwrap().is_err());
        drop(sender);
        assert!(receiver.receive().await.is_none());
    }
}
