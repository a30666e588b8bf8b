//! The queue between the reader, which reads ahead, and `poll`, which hands out: bounded in bytes and in records.
//!
//! A slow runtime stops the reader, and the reader stops the server's dump: memory stays flat whatever the server sends.
//! Invariants: what was sent comes out in order, errors among batches; a batch larger than the whole bound still
//! passes, alone; dropping a waiting `receive` loses nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use api::{Error, Result, SourceRecord};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::row_event::RowEvent;
use super::snapshot::RowBatch;

/// How many batches and errors wait at most, whatever they weigh.
const SLOTS_MAX: usize = 1024;

/// About how many records are made at once of events: few enough that they are in the processor's cache until they are written.
const HANDFUL: usize = 256;

/// Records, or what they are made of.
#[derive(Debug)]
pub enum Part {
    /// Records.
    Records(Vec<SourceRecord>),
    /// Rows that are not decoded yet.
    Event(Box<RowEvent>),
    /// Rows of a snapshot that are not decoded yet.
    Rows(Box<RowBatch>),
    /// The end, for a reason.
    Failed(Error),
}

/// Some records and what they weigh.
#[derive(Debug, Default)]
pub struct Batch {
    /// The records, in order.
    pub parts: Vec<Part>,
    /// How many they are.
    pub records: usize,
    /// About the memory they hold.
    pub bytes: usize,
}

struct Slot {
    parts: Vec<Part>,
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
pub struct Receiver {
    slots: mpsc::Receiver<Slot>,
    /// What was received and is not handed out.
    parts: VecDeque<Part>,
    records_max: usize,
}

/// A queue that holds at most this many bytes and records, and hands out at most `batch_records_max` at a time.
#[must_use]
pub fn queue(bytes_max: usize, records_max: usize, batch_records_max: usize) -> (Sender, Receiver) {
    let (slots, receiver) = mpsc::channel(SLOTS_MAX);
    let bounds = (permits(bytes_max), permits(records_max));
    let semaphore = |bound: u32| Arc::new(Semaphore::new(usize::try_from(bound).unwrap_or(usize::MAX)));
    let sender = Sender { slots, bytes: semaphore(bounds.0), records: semaphore(bounds.1), bounds };
    let records_max = batch_records_max.max(1);
    (sender, Receiver { slots: receiver, parts: VecDeque::new(), records_max })
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
        if batch.parts.is_empty() {
            return Ok(());
        }
        let acquire = |semaphore: &Arc<Semaphore>, wanted: usize, bound: u32| {
            Arc::clone(semaphore).acquire_many_owned(permits(wanted).min(bound))
        };
        let bytes = acquire(&self.bytes, batch.bytes, self.bounds.0).await;
        let records = acquire(&self.records, batch.records, self.bounds.1).await;
        let permits = [
            bytes.map_err(|error| closed().with_source(error))?,
            records.map_err(|error| closed().with_source(error))?,
        ];
        self.push(Slot { parts: batch.parts, _permits: Some(permits) }).await
    }

    /// Sends an error, which weighs nothing.
    ///
    /// # Errors
    /// `Fatal` when nobody will receive any more.
    pub async fn send_error(&self, error: Error) -> Result<()> {
        self.push(Slot { parts: vec![Part::Failed(error)], _permits: None }).await
    }

    async fn push(&self, slot: Slot) -> Result<()> {
        self.slots.send(slot).await.map_err(|error| closed().with_source(error.to_string()))
    }
}

fn closed() -> Error {
    Error::fatal("the task that reads MySQL was stopped")
}

impl Receiver {
    /// The next records or error; `None` when the reader has ended. Cancel-safe.
    pub async fn receive(&mut self) -> Option<Result<Vec<SourceRecord>>> {
        while self.parts.is_empty() {
            self.parts = self.slots.recv().await?.parts.into();
        }
        Some(self.hand_out())
    }

    /// The first records of what was received.
    fn hand_out(&mut self) -> Result<Vec<SourceRecord>> {
        let mut records = Vec::new();
        let handful = HANDFUL.min(self.records_max);
        while records.len() < handful
            && let Some(part) = self.parts.pop_front()
        {
            match part {
                Part::Records(made) if records.is_empty() => records = made,
                Part::Records(made) => records.extend(made),
                Part::Event(mut event) => {
                    if records.is_empty() {
                        records.reserve(handful);
                    }
                    let outcome = event.take(handful - records.len(), &mut records);
                    if event.rows_left() > 0 {
                        self.parts.push_front(Part::Event(event));
                    }
                    if let Err(error) = outcome {
                        self.parts.push_front(Part::Failed(error));
                    }
                }
                Part::Rows(mut batch) => {
                    let outcome = batch.take(handful - records.len(), &mut records);
                    if batch.left() > 0 {
                        self.parts.push_front(Part::Rows(batch));
                    }
                    if let Err(error) = outcome {
                        self.parts.push_front(Part::Failed(error));
                    }
                }
                Part::Failed(error) if records.is_empty() => return Err(error),
                failed @ Part::Failed(_) => {
                    self.parts.push_front(failed);
                    break;
                }
            }
        }
        if records.len() > self.records_max {
            let rest = records.split_off(self.records_max);
            self.parts.push_front(Part::Records(rest));
        }
        Ok(records)
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
        Batch { parts: vec![Part::Records(vec![record; records])], records, bytes }
    }

    #[tokio::test]
    async fn a_full_queue_makes_the_sender_wait_until_a_batch_is_taken() {
        let (sender, mut receiver) = queue(100, 1000, 1000);
        sender.send(batch(1, 60)).await.unwrap();
        assert!(sender.send(batch(1, 60)).now_or_never().is_none(), "120 bytes into 100");
        assert!(receiver.receive().await.unwrap().is_ok());
        sender.send(batch(1, 60)).now_or_never().unwrap().unwrap();
    }

    #[tokio::test]
    async fn records_are_bounded_too_and_an_oversized_batch_passes_alone() {
        let (sender, mut receiver) = queue(1 << 40, 2, 3);
        sender.send(batch(5, 1)).now_or_never().unwrap().unwrap();
        assert!(sender.send(batch(1, 1)).now_or_never().is_none());
        // It was received at once, but is handed out in batches that may be.
        assert_eq!(receiver.receive().await.unwrap().unwrap().len(), 3);
        sender.send(batch(1, 1)).now_or_never().unwrap().unwrap();
        assert_eq!(receiver.receive().await.unwrap().unwrap().len(), 2);
        assert_eq!(receiver.receive().await.unwrap().unwrap().len(), 1);
        sender.send_error(Error::retriable("gone")).await.unwrap();
        assert!(receiver.receive().await.unwrap().is_err());
        drop(sender);
        assert!(receiver.receive().await.is_none());
    }
}
