//! The laws of sources: what was not handed out is not lost, what was committed does not come again.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Instant;

use async_trait::async_trait;
use configs::Props;

use super::assert_stopped_in_time;
use crate::error::Result;
use crate::gauges::Gauges;
use crate::record::{FlatMap, SourceRecord};
use crate::source::{History, NoTopics, OffsetReader, SourceConnector, SourceContext, SourceTask};
use crate::value::{SchemaAndValue, Text};

/// How many polls in a row may return nothing before a source counts as dry.
const EMPTY_POLLS_MAX: usize = 1000;

/// A source under the laws.
#[allow(missing_debug_implementations, reason = "a connector need not be printable")]
pub struct SourceLaws<'a> {
    /// The connector.
    pub connector: &'a dyn SourceConnector,
    /// A configuration that reads the same records each time.
    pub config: Props,
    /// How many records the source has for its first task.
    pub records: usize,
}

/// What must be the same when records come again: all but the time.
#[derive(Debug, PartialEq, Clone)]
struct Essence {
    topic: Text,
    key: SchemaAndValue,
    value: SchemaAndValue,
    partition: FlatMap,
    offset: FlatMap,
}

impl SourceLaws<'_> {
    /// All of them.
    pub async fn all(&self) {
        self.resumes_from_committed_offsets().await;
        self.poll_may_be_dropped().await;
        self.stops_in_time().await;
    }

    /// Whatever record's offset was committed last: the records after it come, those before do not.
    pub async fn resumes_from_committed_offsets(&self) {
        let all = self.read_all(CommittedOffsets::default()).await;
        let last = all.len().saturating_sub(1);
        for cut in [0, 1, last / 3, last / 2, last] {
            let offsets = CommittedOffsets::of(all.iter().take(cut + 1));
            let rest: Vec<_> = all.iter().skip(cut + 1).cloned().collect();
            let mut task = self.started(offsets).await;
            let read = read(&mut *task, rest.len()).await;
            assert_eq!(
                values(&read),
                values(&rest),
                "after a restart from record {cut} the source goes on with others"
            );
            assert_eq!(read, rest, "after a restart from record {cut} the records differ");
            task.stop().await;
        }
    }

    /// A `poll` that is dropped before it is ready costs no record and repeats none.
    pub async fn poll_may_be_dropped(&self) {
        let all = self.read_all(CommittedOffsets::default()).await;
        let mut task = self.started(CommittedOffsets::default()).await;
        let mut read = Vec::new();
        for _ in 0..EMPTY_POLLS_MAX {
            for _ in 0..3 {
                read.extend(poll_and_drop(&mut *task).await);
            }
            if read.len() >= all.len() {
                break;
            }
            read.extend(poll(&mut *task).await);
        }
        assert_eq!(values(&read), values(&all), "dropping polls changes what is read");
        assert_eq!(read, all, "dropping polls changes the records");
        task.stop().await;
    }

    /// `stop` returns soon: before any poll, after a dropped poll, and when all is read.
    pub async fn stops_in_time(&self) {
        for polls in 0..3 {
            let mut task = self.started(CommittedOffsets::default()).await;
            for _ in 0..polls {
                poll_and_drop(&mut *task).await;
            }
            let begun = Instant::now();
            task.stop().await;
            assert_stopped_in_time(begun);
        }
    }

    async fn read_all(&self, offsets: CommittedOffsets) -> Vec<Essence> {
        let mut task = self.started(offsets).await;
        let all = read(&mut *task, self.records).await;
        task.stop().await;
        all
    }

    async fn started(&self, offsets: CommittedOffsets) -> Box<dyn SourceTask> {
        let configs = self.connector.task_configs(&self.config, 1).expect("the configuration is good");
        let config = configs.into_iter().next().expect("there is work for one task");
        let mut task = self.connector.task();
        task.start(source_context(config, offsets)).await.expect("the task starts");
        task
    }
}

/// Values alone: where two runs differ, these tell it in the fewest words.
fn values(records: &[Essence]) -> Vec<&crate::value::Value> {
    records.iter().map(|record| &record.value.value).collect()
}

async fn read(task: &mut dyn SourceTask, count: usize) -> Vec<Essence> {
    let (mut records, mut empty) = (Vec::new(), 0);
    while records.len() < count {
        let polled = poll(task).await;
        empty = if polled.is_empty() { empty + 1 } else { 0 };
        assert!(empty < EMPTY_POLLS_MAX, "the source gave {} records of {count}", records.len());
        records.extend(polled);
    }
    assert_eq!(records.len(), count, "the source gave more records than it has");
    records
}

async fn poll(task: &mut dyn SourceTask) -> Vec<Essence> {
    task.poll().await.expect("the source can be read").into_iter().map(essence).collect()
}

/// Polls the future once and drops it, as the runtime does on pause and stop.
async fn poll_and_drop(task: &mut dyn SourceTask) -> Vec<Essence> {
    let once = poll_fn(|context| match task.poll().as_mut().poll(context) {
        Poll::Ready(records) => Poll::Ready(Some(records)),
        Poll::Pending => Poll::Ready(None),
    });
    let records = once.await.transpose().expect("the source can be read");
    records.unwrap_or_default().into_iter().map(essence).collect()
}

fn essence(record: SourceRecord) -> Essence {
    Essence {
        topic: record.record.topic,
        key: record.record.key,
        value: record.record.value,
        partition: (*record.source_partition).clone(),
        offset: record.source_offset.to_map(),
    }
}

/// A context with these offsets and nothing else.
#[must_use]
pub fn source_context(config: Props, offsets: CommittedOffsets) -> SourceContext {
    SourceContext {
        connector: Text::from_static("laws"),
        task: 0,
        config,
        offsets: Arc::new(offsets),
        history: Arc::new(RememberedTexts::default()),
        topics: Arc::new(NoTopics),
        gauges: Gauges::default(),
        transactions: None,
    }
}

/// Offsets that were committed.
#[derive(Debug, Clone, Default)]
pub struct CommittedOffsets(Vec<(FlatMap, FlatMap)>);

impl CommittedOffsets {
    /// This offset for this partition, and none for others.
    #[must_use]
    pub fn one(partition: FlatMap, offset: FlatMap) -> Self {
        Self(vec![(partition, offset)])
    }

    /// The offsets of a record, as if it was the last one that was committed.
    #[must_use]
    pub fn after(record: &SourceRecord) -> Self {
        Self::one((*record.source_partition).clone(), record.source_offset.to_map())
    }

    fn of<'a>(records: impl Iterator<Item = &'a Essence>) -> Self {
        let mut offsets: Vec<(FlatMap, FlatMap)> = Vec::new();
        for record in records {
            offsets.retain(|(partition, _)| *partition != record.partition);
            offsets.push((record.partition.clone(), record.offset.clone()));
        }
        Self(offsets)
    }
}

#[async_trait]
impl OffsetReader for CommittedOffsets {
    async fn offset(&self, partition: &FlatMap) -> Result<Option<FlatMap>> {
        Ok(self.0.iter().find(|(known, _)| known == partition).map(|(_, offset)| offset.clone()))
    }
}

/// A history that lasts as long as its test.
#[derive(Debug, Default)]
pub struct RememberedTexts(Mutex<BTreeMap<String, String>>);

#[async_trait]
impl History for RememberedTexts {
    async fn load(&self) -> Result<Vec<(String, String)>> {
        let texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(texts.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    async fn put(&self, key: &str, value: Option<&str>) -> Result<()> {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match value {
            Some(value) => texts.insert(key.to_owned(), value.to_owned()),
            None => texts.remove(key),
        };
        Ok(())
    }
}
