//! A source that counts: each task hands out `0`, `1`, `2`, ... up to what it was told, and goes on where it was after a restart.

use std::sync::Arc;
use std::time::Duration;

use api::{
    Error, FlatMap, Headers, Plugin, PluginKind, Props, Record, Result, SchemaAndValue, SourceConnector,
    SourceContext, SourceOffset, SourceRecord, SourceTask, Value, async_trait,
};
use configs::{ConfigError, ConfigErrors, config};

use crate::control::Control;

config! {
    /// Options of the counting source.
    pub(crate) struct SourceConfig {
        /// The topic.
        topic: String = required("topic").importance(High);
        /// How many records each task hands out.
        records: i64 = default("records", 10).importance(High);
        /// How many tasks there are, whatever tasks.max says; 0 for tasks.max.
        tasks: i64 = default("tasks", 0).importance(Low);
        /// The folder of the files that say what to do.
        control: String = required("control").importance(High);
        /// Never shown.
        secret: Option<configs::Password> = optional("secret").importance(Low);
    }
}

/// See the file.
pub(crate) static SOURCE: Plugin = Plugin {
    class: "org.example.acceptance.CountingSourceConnector",
    aliases: &["counting"],
    version: "7.1",
    documentation: "Counts.",
    config: SourceConfig::definition,
    kind: PluginKind::Source(|| Box::new(Counting)),
};

/// How long a poll waits when there is nothing.
const IDLE: Duration = Duration::from_millis(20);

/// Records of one poll at most.
const BATCH: i64 = 100;

struct Counting;

#[async_trait]
impl SourceConnector for Counting {
    async fn validate(&self, config: &Props) -> std::result::Result<(), ConfigErrors> {
        let entered = Control::of(config).enter_waiting("validate", "").await;
        entered.map_err(|error| ConfigError::invalid("control", "", error).into())
    }

    fn task_configs(&self, config: &Props, tasks_max: usize) -> Result<Vec<Props>> {
        Control::of(config).enter("task_configs", "")?;
        let said = parse(config)?;
        let told = usize::try_from(said.tasks).ok().filter(|tasks| *tasks > 0);
        let task = |number: usize| {
            let mut props = config.clone();
            props.insert("task.number".to_owned(), number.to_string());
            props
        };
        Ok((0..told.unwrap_or(tasks_max)).map(task).collect())
    }

    fn task(&self) -> Box<dyn SourceTask> {
        Box::new(CountingTask::default())
    }
}

fn parse(config: &Props) -> Result<SourceConfig> {
    SourceConfig::parse(config).map_err(|errors| Error::bad_config("counting").with_source(errors))
}

#[derive(Default)]
struct CountingTask {
    control: Control,
    number: String,
    partition: Arc<FlatMap>,
    shared: Arc<FlatMap>,
    topic: api::Text,
    next: i64,
    records: i64,
}

#[async_trait]
impl SourceTask for CountingTask {
    async fn start(&mut self, context: SourceContext) -> Result<()> {
        self.control = Control::of(&context.config);
        self.number = context.config.get("task.number").cloned().unwrap_or_default();
        let said = parse(&context.config)?;
        tracing::info!("counting with secret {}", context.config.get("secret").map_or("none", |text| text));
        (self.topic, self.records) = (said.topic.into(), said.records);
        self.partition = Arc::new(FlatMap::new().with("task", self.number.clone()));
        let known = context.offsets.offset(&self.partition).await?;
        self.next = known.and_then(|map| map.get("n")?.as_i64()).map_or(0, |last| last + 1);
        self.control.enter_waiting("start", &self.number).await?;
        self.control.enter(&format!("start-{}", self.number), "")
    }

    async fn poll(&mut self) -> Result<Vec<SourceRecord>> {
        if self.next >= self.records {
            tokio::time::sleep(IDLE).await;
        }
        self.control.enter_waiting("poll", "").await?;
        self.control.enter(&format!("poll-{}", self.number), "")?;
        let end = (self.next + BATCH).min(self.records);
        let records = (self.next..end).map(|n| self.record(n)).collect();
        self.next = self.next.max(end);
        Ok(records)
    }

    async fn stop(&mut self) {
        // Only how long it takes can be told here.
        drop(self.control.enter_waiting("stop", &self.number).await);
    }
}

impl CountingTask {
    fn record(&self, n: i64) -> SourceRecord {
        let mut headers = Headers::new();
        if n % 2 == 0 {
            headers.add("even", SchemaAndValue::of_text("yes"));
        }
        SourceRecord {
            record: Record {
                topic: self.topic.clone(),
                key: SchemaAndValue::of_text(self.number.clone()),
                value: SchemaAndValue { value: Value::String(n.to_string().into()), ..SchemaAndValue::NULL },
                headers,
                ..Record::default()
            },
            source_partition: Arc::clone(&self.partition),
            source_offset: SourceOffset::with_counter(Arc::clone(&self.shared), "n", n),
        }
    }
}
