//! Connectors for tests: a source that numbers its records, a sink that remembers what it got, and ways to misbehave.
//!
//! What a test does to a connector while it runs, and what the connector saw, is kept by connector name.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use api::{
    AssignedPartition, Error, FlatMap, Plugin, PluginKind, Props, Record, Result, SchemaAndValue,
    SinkConnector, SinkContext, SinkOffsets, SinkRecord, SinkTask, SourceConnector, SourceContext,
    SourceOffset, SourceRecord, SourceTask, TopicPartition, async_trait, consumed_offsets,
};
use configs::config;

/// What a test and a connector share.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    /// Starts of tasks.
    pub(crate) starts: AtomicU32,
    /// Stops of tasks.
    pub(crate) stops: AtomicU32,
    /// The largest offset that the source heard was committed.
    pub(crate) committed: AtomicI64,
    /// Panics, one for each poll or put, until none are left.
    pub(crate) panics: AtomicU32,
    /// Retriable failures, one for each poll or put, until none are left.
    pub(crate) failures: AtomicU32,
    /// Blocks the thread in poll or put while set.
    pub(crate) blocks: AtomicBool,
    /// Never answers from poll or put while set.
    pub(crate) hangs: AtomicBool,
    /// Calls of poll or put that were made to block or to hang.
    pub(crate) stuck: AtomicU32,
    /// Blocks the thread in `start` while set.
    pub(crate) blocks_start: AtomicBool,
    /// How many records a source has to make, instead of what its configuration says, once it is not 0.
    pub(crate) count: AtomicI64,
    /// What a sink got: topic, partition, offset, value.
    pub(crate) received: Mutex<Vec<(String, i32, i64, String)>>,
}

static PROBES: LazyLock<Mutex<HashMap<String, Arc<Probe>>>> = LazyLock::new(Mutex::default);

/// The probe of a connector.
pub(crate) fn probe(connector: &str) -> Arc<Probe> {
    Arc::clone(PROBES.lock().unwrap().entry(connector.to_owned()).or_default())
}

impl Probe {
    async fn misbehave(&self) -> Result<()> {
        if self.blocks.load(Ordering::Relaxed) || self.hangs.load(Ordering::Relaxed) {
            self.stuck.fetch_add(1, Ordering::Relaxed);
        }
        while self.blocks.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if take_one(&self.panics) {
            panic!("made to panic");
        }
        match take_one(&self.failures) {
            true => Err(Error::retriable_after(Duration::from_millis(20), "made to fail")),
            false => Ok(()),
        }
    }
}

fn take_one(counter: &AtomicU32) -> bool {
    counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

config! {
    /// Options of the numbering source.
    pub(crate) struct NumbersConfig {
        /// The topic.
        topic: String = required("topic").importance(High);
        /// How many records a task makes in all.
        count: i64 = default("count", 1000).importance(High);
        /// Records of one poll.
        batch: i64 = default("batch", 100).importance(High);
        /// Splits into more tasks than allowed.
        too_many: bool = default("too.many", false).importance(Low);
    }
}

/// `{"value": n}` for n = 0, 1, 2, ... `count`, and then nothing.
pub(crate) static NUMBERS: Plugin = Plugin {
    class: "test.NumbersSourceConnector",
    aliases: &[],
    version: "1",
    documentation: "Numbers.",
    config: NumbersConfig::definition,
    kind: PluginKind::Source(|| Box::new(Numbers)),
};

struct Numbers;

#[async_trait]
impl SourceConnector for Numbers {
    fn task_configs(&self, config: &Props, tasks_max: usize) -> Result<Vec<Props>> {
        let said = NumbersConfig::parse(config)
            .map_err(|errors| Error::bad_config("numbers").with_source(errors))?;
        let tasks = if said.too_many { tasks_max + 1 } else { tasks_max };
        Ok((0..tasks)
            .map(|task| {
                let mut props = config.clone();
                props.insert("number".to_owned(), task.to_string());
                props
            })
            .collect())
    }

    fn task(&self) -> Box<dyn SourceTask> {
        Box::new(NumbersTask::default())
    }
}

#[derive(Default)]
struct NumbersTask {
    probe: Arc<Probe>,
    partition: Arc<FlatMap>,
    shared: Arc<FlatMap>,
    topic: api::Text,
    next: i64,
    count: i64,
    batch: i64,
}

#[async_trait]
impl SourceTask for NumbersTask {
    async fn start(&mut self, context: SourceContext) -> Result<()> {
        self.probe = probe(&context.connector);
        self.probe.starts.fetch_add(1, Ordering::Relaxed);
        while self.probe.blocks_start.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let said = NumbersConfig::parse(&context.config)
            .map_err(|errors| Error::bad_config("numbers").with_source(errors))?;
        let number = context.config["number"].clone();
        self.partition = Arc::new(FlatMap::new().with("number", number));
        (self.topic, self.count, self.batch) = (said.topic.into(), said.count, said.batch);
        let known = context.offsets.offset(&self.partition).await?;
        self.next = known.and_then(|map| map.get("n")?.as_i64()).map_or(0, |last| last + 1);
        context.history.put("started", Some(&self.next.to_string())).await
    }

    async fn poll(&mut self) -> Result<Vec<SourceRecord>> {
        self.probe.misbehave().await?;
        let count = match self.probe.count.load(Ordering::Relaxed) {
            0 => self.count,
            count => count,
        };
        if self.next >= count {
            tokio::time::sleep(Duration::from_millis(20)).await;
            return Ok(Vec::new());
        }
        let end = (self.next + self.batch).min(count);
        let record = |n: i64| SourceRecord {
            record: Record {
                topic: self.topic.clone(),
                value: SchemaAndValue::of_text(n.to_string()),
                ..Record::default()
            },
            source_partition: Arc::clone(&self.partition),
            source_offset: SourceOffset::with_counter(Arc::clone(&self.shared), "n", n),
        };
        let records = (self.next..end).map(record).collect();
        self.next = end;
        Ok(records)
    }

    async fn commit(&mut self, _partition: &FlatMap, offset: &FlatMap) -> Result<()> {
        let n = offset.get("n").and_then(api::Value::as_i64).unwrap_or(-1);
        self.probe.committed.fetch_max(n, Ordering::Relaxed);
        Ok(())
    }

    async fn stop(&mut self) {
        self.probe.stops.fetch_add(1, Ordering::Relaxed);
    }
}

config! {
    /// Options of the remembering sink.
    pub(crate) struct MemoryConfig {
        /// Values that it refuses, each by itself.
        refuses: String = default("refuses", "").importance(Low);
    }
}

/// Remembers what it gets.
pub(crate) static MEMORY: Plugin = Plugin {
    class: "test.MemorySinkConnector",
    aliases: &[],
    version: "1",
    documentation: "Memory.",
    config: MemoryConfig::definition,
    kind: PluginKind::Sink(|| Box::new(Memory)),
};

struct Memory;

#[async_trait]
impl SinkConnector for Memory {
    fn task(&self) -> Box<dyn SinkTask> {
        Box::new(MemoryTask { context: None, probe: Arc::default(), refuses: String::new() })
    }
}

struct MemoryTask {
    context: Option<SinkContext>,
    probe: Arc<Probe>,
    refuses: String,
}

#[async_trait]
impl SinkTask for MemoryTask {
    async fn start(&mut self, context: SinkContext) -> Result<()> {
        self.probe = probe(&context.connector);
        self.probe.starts.fetch_add(1, Ordering::Relaxed);
        self.refuses = context.config.get("refuses").cloned().unwrap_or_default();
        self.context = Some(context);
        Ok(())
    }

    async fn open(&mut self, _partitions: &[AssignedPartition]) -> Result<BTreeMap<TopicPartition, i64>> {
        Ok(BTreeMap::new())
    }

    async fn put(&mut self, records: &[SinkRecord]) -> Result<()> {
        self.probe.misbehave().await?;
        for record in records {
            let value = record.record.value.value.as_str().unwrap_or("null").to_owned();
            if !self.refuses.is_empty() && value == self.refuses {
                let errors = &self.context.as_ref().unwrap().errors;
                errors.report(record, Error::bad_record("this sink refuses it")).await?;
                continue;
            }
            let place = (record.original.topic.to_string(), record.original.partition, record.offset, value);
            self.probe.received.lock().unwrap().push(place);
        }
        Ok(())
    }

    async fn pre_commit(&mut self, consumed: &BTreeMap<TopicPartition, i64>) -> Result<SinkOffsets> {
        Ok(consumed_offsets(consumed))
    }

    async fn stop(&mut self) {
        self.probe.stops.fetch_add(1, Ordering::Relaxed);
    }
}
