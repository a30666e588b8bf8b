//! Records that a sink could not handle: reported, dead-lettered, and tolerated or not.
//!
//! Shared between the sink's loop (converters, transforms) and the sink itself, which may refuse single records (KIP-610).
//! Invariant: a record that was reported is in the dead letter queue, if there is one, before its offset is committed, whatever
//! the tolerance says.

use std::collections::{BTreeMap, VecDeque};

use api::{ErrantRecordReporter, Error, Result, SinkRecord, TopicPartition};
use async_trait::async_trait;
use broker_client::{ConsumerRecord, FetchedRecords};
use parking_lot::Mutex;

use super::dead_letter::DeadLetters;
use super::pipeline::StageFailure;
use super::report::ErrorReports;
use super::tolerance::{Stage, Verdict};

/// Takes the records that a sink task could not handle.
pub(crate) struct ErrantRecords {
    reports: ErrorReports,
    tolerate_all: bool,
    class: &'static str,
    dead_letters: Option<DeadLetters>,
    /// What was read and not committed, as it was read: kept only for a dead letter queue.
    originals: Mutex<BTreeMap<TopicPartition, VecDeque<ConsumerRecord>>>,
}

impl ErrantRecords {
    /// Takes records for a task of a connector of this class.
    pub(crate) fn new(
        reports: ErrorReports,
        tolerate_all: bool,
        class: &'static str,
        dead_letters: Option<DeadLetters>,
    ) -> Self {
        Self { reports, tolerate_all, class, dead_letters, originals: Mutex::new(BTreeMap::new()) }
    }

    /// Keeps the originals of what the sink is about to get.
    pub(crate) fn keep(&self, fetched: &FetchedRecords) {
        if self.dead_letters.is_some() {
            let partition = TopicPartition { topic: fetched.topic.clone(), partition: fetched.partition };
            let mut originals = self.originals.lock();
            originals.entry(partition).or_default().extend(fetched.records.iter().cloned());
        }
    }

    /// Lets go of the originals before an offset.
    pub(crate) fn release(&self, partition: &TopicPartition, offset: i64) {
        if let Some(kept) = self.originals.lock().get_mut(partition) {
            while kept.front().is_some_and(|record| record.offset < offset) {
                kept.pop_front();
            }
        }
    }

    /// Lets go of all originals of a partition.
    pub(crate) fn forget(&self, partition: &TopicPartition) {
        self.originals.lock().remove(partition);
    }

    /// Reports a record that failed on its way to the sink.
    ///
    /// # Errors
    /// When the dead letter queue does not take it.
    pub(crate) async fn failed(
        &self,
        verdict: Verdict,
        failure: &StageFailure,
        partition: &TopicPartition,
        raw: &ConsumerRecord,
    ) -> Result<()> {
        self.reports.judged(verdict, failure, || describe(partition, raw));
        match &self.dead_letters {
            Some(queue) if !matches!(verdict, Verdict::Retry(_)) => {
                queue.send(&partition.topic, partition.partition, raw, failure).await?;
                if verdict == Verdict::Fail { queue.flush().await } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// Waits until every reported record is safe.
    ///
    /// # Errors
    /// When one is not.
    pub(crate) async fn flush(&self) -> Result<()> {
        match &self.dead_letters {
            Some(queue) => queue.flush().await,
            None => Ok(()),
        }
    }

    fn original(&self, partition: &TopicPartition, offset: i64) -> Option<ConsumerRecord> {
        let originals = self.originals.lock();
        let kept = originals.get(partition)?;
        let index = kept.binary_search_by_key(&offset, |record| record.offset).ok()?;
        kept.get(index).cloned()
    }
}

/// Connect's words for where a consumed record lay, and its content.
fn describe(partition: &TopicPartition, raw: &ConsumerRecord) -> String {
    format!(
        "where consumed record is {{topic='{}', partition={}, offset={}, timestamp={}, key={:?}, value={:?}}}",
        partition.topic, partition.partition, raw.offset, raw.timestamp, raw.key, raw.value
    )
}

#[async_trait]
impl ErrantRecordReporter for ErrantRecords {
    async fn report(&self, record: &SinkRecord, error: Error) -> Result<()> {
        let verdict = if self.tolerate_all { Verdict::Skip } else { Verdict::Fail };
        let place = format!(
            "the sink refuses the record at offset {} of {}-{}",
            record.offset, record.original.topic, record.original.partition
        );
        let failure = StageFailure::new(Stage::TaskPut, self.class, error.context(place));
        match self.original(&record.original, record.offset) {
            Some(raw) => self.failed(verdict, &failure, &record.original, &raw).await?,
            None if self.dead_letters.is_some() => {
                return Err(failure.error.context("a record was reported after its offset was committed"));
            }
            None => self.reports.judged(verdict, &failure, || format!("{record:?}")),
        }
        match self.tolerate_all {
            true => Ok(()),
            false => {
                let error = Error::bad_record("Tolerance exceeded in error handler");
                Err(error.with_source(failure.error))
            }
        }
    }
}
