//! The laws of sinks: what was committed is in the target, whatever was killed when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use configs::Props;

use super::assert_stopped_in_time;
use crate::error::{Error, Result};
use crate::gauges::Gauges;
use crate::record::{SinkRecord, TopicPartition};
use crate::sink::{
    AssignedPartition, ErrantRecordReporter, SinkConnector, SinkContext, SinkOffsets, SinkTask,
};
use crate::value::Text;

/// Where a sink delivers to.
pub trait Target {
    /// The configuration that makes the sink deliver here.
    fn config(&self) -> Props;

    /// What arrived, in order, a text for each record.
    fn delivered(&self) -> Vec<String>;
}

/// A sink under the laws.
#[allow(missing_debug_implementations, reason = "a connector need not be printable")]
pub struct SinkLaws<'a> {
    /// The connector.
    pub connector: &'a dyn SinkConnector,
    /// Makes an empty target for each law.
    pub target: &'a dyn Fn() -> Box<dyn Target>,
    /// At least four records, in offset order per partition, no two with the same text.
    pub records: Vec<SinkRecord>,
    /// The text of a record in the target.
    pub text: fn(&SinkRecord) -> String,
    /// Whether the sink promises that each record is there once, instead of at least once.
    pub exactly_once: bool,
}

impl SinkLaws<'_> {
    /// All of them.
    pub async fn all(&self) {
        self.commits_nothing_that_is_not_delivered().await;
        self.takes_the_same_batch_again().await;
        self.survives_a_kill_before_the_first_commit().await;
        self.survives_a_kill_after_a_commit().await;
        self.stops_in_time().await;
    }

    /// An offset that `pre_commit` returns is one that was consumed, and all before it is in the target.
    pub async fn commits_nothing_that_is_not_delivered(&self) {
        let target = (self.target)();
        let mut task = self.opened(&*target, &SinkOffsets::new()).await;
        for batch in self.records.chunks(2) {
            put(&mut *task, batch).await;
        }
        put(&mut *task, &[]).await;
        let consumed = consumed(&self.records);
        let committed = pre_commit(&mut *task, &consumed).await;
        for (partition, offset) in &committed {
            let known = consumed.get(partition).copied();
            assert!(
                Some(offset.offset) <= known,
                "offset {} of {partition:?} was not consumed",
                offset.offset
            );
        }
        let delivered = target.delivered();
        for record in self.records.iter().filter(|record| is_committed(&committed, record)) {
            let text = (self.text)(record);
            assert!(delivered.contains(&text), "{text:?} was committed but not delivered");
        }
    }

    /// A batch that is put again loses nothing: the runtime puts it again after a `Retriable`.
    pub async fn takes_the_same_batch_again(&self) {
        let target = (self.target)();
        let mut task = self.opened(&*target, &SinkOffsets::new()).await;
        for _ in 0..2 {
            put(&mut *task, &self.records).await;
        }
        pre_commit(&mut *task, &consumed(&self.records)).await;
        self.assert_nothing_is_missing(&target.delivered());
    }

    /// Killed with records put but none committed, it loses none, and repeats none if it promised so.
    pub async fn survives_a_kill_before_the_first_commit(&self) {
        let target = (self.target)();
        let mut task = self.opened(&*target, &SinkOffsets::new()).await;
        put(&mut *task, &self.records).await;
        drop(task);
        self.deliver_the_rest(&*target, &SinkOffsets::new()).await;
    }

    /// Killed with some records committed and some not, it loses none, and repeats none if it promised so.
    pub async fn survives_a_kill_after_a_commit(&self) {
        let target = (self.target)();
        let mut task = self.opened(&*target, &SinkOffsets::new()).await;
        let (first, second) = self.records.split_at(self.records.len() / 2);
        put(&mut *task, first).await;
        let committed = pre_commit(&mut *task, &consumed(first)).await;
        put(&mut *task, second).await;
        drop(task);
        self.deliver_the_rest(&*target, &committed).await;
        self.deliver_the_rest(&*target, &committed).await;
    }

    /// `stop` returns soon, with partitions closed or not.
    pub async fn stops_in_time(&self) {
        for closes in [true, false] {
            let target = (self.target)();
            let mut task = self.opened(&*target, &SinkOffsets::new()).await;
            put(&mut *task, &self.records).await;
            let begun = Instant::now();
            if closes {
                task.close(&partitions(&self.records)).await.expect("partitions can be closed");
            }
            task.stop().await;
            assert_stopped_in_time(begun);
        }
    }

    /// A new task gets what is not committed, as the runtime would give it, and is killed again without a commit.
    async fn deliver_the_rest(&self, target: &dyn Target, committed: &SinkOffsets) {
        let mut task = self.opened(target, committed).await;
        let rest: Vec<_> =
            self.records.iter().filter(|record| !is_committed(committed, record)).cloned().collect();
        for batch in rest.chunks(3) {
            put(&mut *task, batch).await;
        }
        pre_commit(&mut *task, &consumed(&self.records)).await;
        let delivered = target.delivered();
        self.assert_nothing_is_missing(&delivered);
        if self.exactly_once {
            let expected: Vec<_> = self.records.iter().map(self.text).collect();
            assert_eq!(delivered, expected, "not each record is there once, in order");
        }
    }

    fn assert_nothing_is_missing(&self, delivered: &[String]) {
        let expected = self.records.iter().map(self.text);
        let missing: Vec<_> = expected.filter(|text| !delivered.contains(text)).collect();
        assert!(missing.is_empty(), "missing in the target: {missing:?}");
    }

    async fn opened(&self, target: &dyn Target, committed: &SinkOffsets) -> Box<dyn SinkTask> {
        let configs = self.connector.task_configs(&target.config(), 1).expect("the configuration is good");
        let config = configs.into_iter().next().expect("there is work for one task");
        let mut task = self.connector.task();
        task.start(sink_context(config, Arc::new(Reports::default()))).await.expect("the task starts");
        let assigned: Vec<_> = partitions(&self.records)
            .into_iter()
            .map(|partition| AssignedPartition { committed: committed.get(&partition).cloned(), partition })
            .collect();
        let seeks = task.open(&assigned).await.expect("partitions can be opened");
        assert!(seeks.is_empty(), "the laws do not know how to seek");
        task
    }
}

async fn put(task: &mut dyn SinkTask, batch: &[SinkRecord]) {
    task.put(batch).await.expect("the target takes records");
}

async fn pre_commit(task: &mut dyn SinkTask, consumed: &BTreeMap<TopicPartition, i64>) -> SinkOffsets {
    task.pre_commit(consumed).await.expect("the target can be flushed")
}

fn consumed(records: &[SinkRecord]) -> BTreeMap<TopicPartition, i64> {
    records.iter().map(|record| (record.original.clone(), record.offset + 1)).collect()
}

fn partitions(records: &[SinkRecord]) -> Vec<TopicPartition> {
    consumed(records).into_keys().collect()
}

fn is_committed(committed: &SinkOffsets, record: &SinkRecord) -> bool {
    committed.get(&record.original).is_some_and(|committed| record.offset < committed.offset)
}

/// A context for a sink's task.
#[must_use]
pub fn sink_context(config: Props, errors: Arc<Reports>) -> SinkContext {
    SinkContext { connector: Text::from_static("laws"), task: 0, config, errors, gauges: Gauges::default() }
}

/// Takes every bad record, and tells which.
#[derive(Debug, Default)]
pub struct Reports(Mutex<Vec<(i64, String)>>);

impl Reports {
    /// The offset of each record that was reported, and why.
    #[must_use]
    pub fn all(&self) -> Vec<(i64, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl ErrantRecordReporter for Reports {
    async fn report(&self, record: &SinkRecord, error: Error) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((record.offset, error.to_string()));
        Ok(())
    }
}
