//! A sink that writes down what it is called with, and what it gets.

use std::collections::BTreeMap;

use api::{
    AssignedPartition, Error, Plugin, PluginKind, Props, Result, SinkConnector, SinkContext, SinkOffsets,
    SinkRecord, SinkTask, TopicPartition, async_trait, consumed_offsets,
};
use configs::{ConfigError, ConfigErrors, config};

use crate::control::Control;

config! {
    /// Options of the writing sink.
    pub(crate) struct SinkConfig {
        /// The folder of the files that say what to do.
        control: String = required("control").importance(High);
        /// A value that it refuses, each record by itself.
        refuses: String = default("refuses", "").importance(Low);
    }
}

/// See the file.
pub(crate) static SINK: Plugin = Plugin {
    class: "org.example.acceptance.NotingSinkConnector",
    aliases: &["noting"],
    version: "7.2",
    documentation: "Notes.",
    config: SinkConfig::definition,
    kind: PluginKind::Sink(|| Box::new(Noting)),
};

struct Noting;

#[async_trait]
impl SinkConnector for Noting {
    async fn validate(&self, config: &Props) -> std::result::Result<(), ConfigErrors> {
        let entered = Control::of(config).enter_waiting("validate", "").await;
        entered.map_err(|error| ConfigError::invalid("control", "", error).into())
    }

    fn task_configs(&self, config: &Props, tasks_max: usize) -> Result<Vec<Props>> {
        Control::of(config).enter("task_configs", "")?;
        Ok(vec![config.clone(); tasks_max])
    }

    fn task(&self) -> Box<dyn SinkTask> {
        Box::new(NotingTask { context: None, control: Control::default() })
    }
}

struct NotingTask {
    context: Option<SinkContext>,
    control: Control,
}

fn names<'a>(partitions: impl Iterator<Item = &'a TopicPartition>) -> String {
    let mut names: Vec<_> =
        partitions.map(|partition| format!("{}-{}", partition.topic, partition.partition)).collect();
    names.sort();
    names.join(",")
}

#[async_trait]
impl SinkTask for NotingTask {
    async fn start(&mut self, context: SinkContext) -> Result<()> {
        self.control = Control::of(&context.config);
        let number = context.task.to_string();
        self.context = Some(context);
        self.control.enter_waiting("start", &number).await
    }

    async fn open(&mut self, partitions: &[AssignedPartition]) -> Result<BTreeMap<TopicPartition, i64>> {
        let names = names(partitions.iter().map(|assigned| &assigned.partition));
        self.control.enter_waiting("open", &names).await?;
        Ok(BTreeMap::new())
    }

    async fn put(&mut self, records: &[SinkRecord]) -> Result<()> {
        let Some(context) = &self.context else { return Err(Error::fatal("not started")) };
        let first = records.first().map(|record| &record.original);
        let partition = first.map(|place| format!("{}-{}", place.topic, place.partition));
        self.control.enter_waiting("put", &partition.unwrap_or_default()).await?;
        for record in records {
            let value = record.record.value.value.as_str().unwrap_or("null").to_owned();
            if context.config.get("refuses").is_some_and(|refused| *refused == value) {
                context.errors.report(record, Error::bad_record("this sink refuses it")).await?;
                continue;
            }
            let place = &record.original;
            let line = format!("{}\t{}\t{}\t{value}", place.topic, place.partition, record.offset);
            self.control.note("received", &line);
        }
        Ok(())
    }

    async fn pre_commit(&mut self, consumed: &BTreeMap<TopicPartition, i64>) -> Result<SinkOffsets> {
        self.control.enter_waiting("pre_commit", &names(consumed.keys())).await?;
        Ok(consumed_offsets(consumed))
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.control.enter_waiting("close", &names(partitions.iter())).await
    }

    async fn stop(&mut self) {
        // Only how long it takes can be told here.
        drop(self.control.enter_waiting("stop", "").await);
    }
}
