//! Plugins for tests: connectors that can hang, panic or fail, and stages that do nothing.

use std::collections::BTreeMap;

use api::{
    Converted, Converter, Error, Header, HeaderConverter, Plugin, PluginKind, Predicate, Record,
    SchemaAndValue, SinkConnector, SinkContext, SinkOffsets, SinkRecord, SinkTask, SourceConnector,
    SourceContext, SourceRecord, SourceTask, TopicPartition, Transform, async_trait,
};
use configs::{ConfigError, ConfigErrors, Props, config};

config! {
    /// What the test connectors understand.
    struct Own {
        /// Where to.
        file: String = required("file").importance(High);
        /// A secret.
        password: Option<configs::Password> = optional("password");
        /// How to misbehave.
        mood: String = default("mood", "good");
    }
}

config! {
    /// What the test converter understands.
    struct ConverterOptions {
        /// A boolean.
        prop: bool = default("prop", false);
    }
}

config! {
    /// No options at all.
    struct Nothing {}
}

struct Connector;

async fn act(props: &Props) -> Result<(), ConfigErrors> {
    match props.get("mood").map(String::as_str) {
        Some("hang") => std::future::pending().await,
        Some("panic") => panic!("whoops"),
        Some("unreachable") => {
            let password = props.get("password").map_or("", String::as_str);
            Err(ConfigError::other("file", format!("cannot log in with {password}")).into())
        }
        _ => Ok(()),
    }
}

#[async_trait]
impl SourceConnector for Connector {
    async fn validate(&self, config: &Props) -> Result<(), ConfigErrors> {
        act(config).await
    }
    fn task_configs(&self, config: &Props, _tasks_max: usize) -> api::Result<Vec<Props>> {
        Ok(vec![config.clone()])
    }
    fn task(&self) -> Box<dyn SourceTask> {
        Box::new(Idle)
    }
}

#[async_trait]
impl SinkConnector for Connector {
    async fn validate(&self, config: &Props) -> Result<(), ConfigErrors> {
        act(config).await
    }
    fn task(&self) -> Box<dyn SinkTask> {
        Box::new(Idle)
    }
}

/// A task that moves nothing, or fails at once.
struct Idle;

fn start(config: &Props) -> api::Result<()> {
    match config.get("mood").map(String::as_str) {
        Some("fail") => Err(Error::fatal("the task was told to fail")),
        _ => Ok(()),
    }
}

#[async_trait]
impl SourceTask for Idle {
    async fn start(&mut self, context: SourceContext) -> api::Result<()> {
        start(&context.config)
    }
    async fn poll(&mut self) -> api::Result<Vec<SourceRecord>> {
        std::future::pending().await
    }
    async fn stop(&mut self) {}
}

#[async_trait]
impl SinkTask for Idle {
    async fn start(&mut self, context: SinkContext) -> api::Result<()> {
        start(&context.config)
    }
    async fn put(&mut self, _: &[SinkRecord]) -> api::Result<()> {
        Ok(())
    }
    async fn pre_commit(&mut self, consumed: &BTreeMap<TopicPartition, i64>) -> api::Result<SinkOffsets> {
        Ok(api::consumed_offsets(consumed))
    }
    async fn stop(&mut self) {}
}

struct Stage;

impl Transform for Stage {
    fn apply(&mut self, record: Record) -> api::Result<Option<Record>> {
        Ok(Some(record))
    }
}

impl Predicate for Stage {
    fn test(&self, _record: &Record) -> bool {
        true
    }
}

impl Converter for Stage {
    fn from_connect_data(&mut self, _: &str, _: &SchemaAndValue, _: &mut Vec<u8>) -> api::Result<Converted> {
        Ok(Converted::Null)
    }
    fn to_connect_data(&mut self, _: &str, _: Option<api::Bytes>) -> api::Result<SchemaAndValue> {
        Ok(SchemaAndValue::NULL)
    }
}

impl HeaderConverter for Stage {
    fn from_connect_header(&mut self, _: &str, _: &Header, _: &mut Vec<u8>) -> api::Result<Converted> {
        Ok(Converted::Null)
    }
    fn to_connect_header(&mut self, _: &str, _: &str, _: Option<api::Bytes>) -> api::Result<SchemaAndValue> {
        Ok(SchemaAndValue::NULL)
    }
}

const fn plugin(
    class: &'static str,
    kind: PluginKind,
    config: fn() -> &'static configs::ConfigDef,
) -> Plugin {
    let aliases: &[&str] =
        if matches!(kind, PluginKind::Source(_) | PluginKind::Sink(_)) { &["both"] } else { &[] };
    Plugin { class, aliases, version: "1", documentation: "For tests.", config, kind }
}

pub(crate) static PLUGINS: [&Plugin; 12] = [
    &plugin("test.FileSourceConnector", PluginKind::Source(|| Box::new(Connector)), Own::definition),
    &plugin("test.FileSinkConnector", PluginKind::Sink(|| Box::new(Connector)), Own::definition),
    &plugin("test.Filter", PluginKind::Transform(|_| Ok(Box::new(Stage))), Nothing::definition),
    &plugin("test.InsertField$Key", PluginKind::Transform(|_| Ok(Box::new(Stage))), Own::definition),
    &plugin("test.InsertField$Value", PluginKind::Transform(|_| Ok(Box::new(Stage))), Own::definition),
    &plugin("test.RecordIsTombstone", PluginKind::Predicate(|_| Ok(Box::new(Stage))), Nothing::definition),
    &plugin("test.StringConverter", PluginKind::Converter(|_, _| Ok(Box::new(Stage))), Nothing::definition),
    &plugin(
        "test.OptionConverter",
        PluginKind::Converter(|_, _| Ok(Box::new(Stage))),
        ConverterOptions::definition,
    ),
    &plugin(
        "test.ThrowingConverter",
        PluginKind::Converter(|_, _| Err(Error::bad_config("whoops"))),
        Nothing::definition,
    ),
    &plugin(
        "test.HeaderConverter",
        PluginKind::HeaderConverter(|_| Ok(Box::new(Stage))),
        ConverterOptions::definition,
    ),
    &plugin(
        "test.PlainHeaderConverter",
        PluginKind::HeaderConverter(|_| Ok(Box::new(Stage))),
        Nothing::definition,
    ),
    &plugin(
        "test.ThrowingHeaderConverter",
        PluginKind::HeaderConverter(|_| Err(Error::bad_config("whoops"))),
        Nothing::definition,
    ),
];
