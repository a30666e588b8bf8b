//! What the MySQL source makes of a server, outside of any worker: one JSON line an event, or the rate at which it comes.
//!
//! ```text
//! mysql_events CONFIG.properties EVENTS [--count] [--schemas] [--from FILE:POSITION]
//! ```
//! `--count` converts nothing and prints events per second: how fast rows become records. `--from` begins in the binlog
//! instead of with a snapshot. The lines have the form of the Debezium engine's, to be compared with it.

#![allow(clippy::print_stdout, reason = "it prints what it finds")]

use std::sync::Arc;
use std::time::Instant;

use api::configs::Props;
use api::{
    Converted, Converter, Error, FlatMap, Gauges, History, OffsetReader, PluginKind, Result, SchemaAndValue,
    SourceContext, SourceRecord, async_trait,
};

struct Beginning(Option<FlatMap>);

#[async_trait]
impl OffsetReader for Beginning {
    async fn offset(&self, _partition: &FlatMap) -> Result<Option<FlatMap>> {
        Ok(self.0.clone())
    }
}

struct Nothing;

#[async_trait]
impl History for Nothing {
    async fn load(&self) -> Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }

    async fn put(&self, _key: &str, _value: Option<&str>) -> Result<()> {
        Ok(())
    }
}

struct Lines {
    key: Box<dyn Converter>,
    value: Box<dyn Converter>,
}

impl Lines {
    fn new(schemas: bool) -> Result<Self> {
        let plugin = converters::ALL.iter().find(|plugin| plugin.answers_to("JsonConverter"));
        let Some(PluginKind::Converter(make)) = plugin.map(|plugin| plugin.kind) else {
            return Err(Error::fatal("there is no JsonConverter"));
        };
        let props = Props::from([("schemas.enable".to_owned(), schemas.to_string())]);
        Ok(Self { key: make(&props, true)?, value: make(&props, false)? })
    }

    fn print(&mut self, record: &SourceRecord) -> Result<()> {
        let topic = &record.record.topic;
        let text = |converter: &mut Box<dyn Converter>, datum: &SchemaAndValue| {
            let mut bytes = Vec::new();
            match converter.from_connect_data(topic, datum, &mut bytes)? {
                Converted::Null => Ok("null".to_owned()),
                Converted::Bytes => Ok::<_, Error>(String::from_utf8_lossy(&bytes).into_owned()),
            }
        };
        let key = text(&mut self.key, &record.record.key)?;
        let value = text(&mut self.value, &record.record.value)?;
        println!("{{\"topic\":\"{topic}\",\"key\":{key},\"value\":{value}}}");
        Ok(())
    }
}

/// A `.properties` file of plain lines.
fn properties(path: &str) -> Result<Props> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::bad_config(path).with_source(error))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

fn beginning(arguments: &[String]) -> Option<FlatMap> {
    let place = arguments.iter().skip_while(|argument| *argument != "--from").nth(1)?;
    let (file, pos) = place.rsplit_once(':')?;
    Some(FlatMap::new().with("file", file).with("pos", pos.parse::<i64>().ok()?))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, events, ..] = arguments.as_slice() else {
        return Err(Error::bad_config(
            "mysql_events CONFIG.properties EVENTS [--count] [--schemas] [--from FILE:POS]",
        ));
    };
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let events: usize = events.parse().map_err(|error| Error::bad_config("EVENTS").with_source(error))?;
    let config = properties(path)?;
    let class = config.get("connector.class").map_or("mysql", String::as_str);
    let plugin = connectors::ALL.iter().find(|plugin| plugin.answers_to(class));
    let Some(PluginKind::Source(make)) = plugin.map(|plugin| plugin.kind) else {
        return Err(Error::bad_config(format!("connector.class {class} is not known")));
    };
    let mut task = make().task();
    let context = SourceContext {
        connector: "events".into(),
        task: 0,
        config,
        offsets: Arc::new(Beginning(beginning(&arguments))),
        history: Arc::new(Nothing),
        topics: Arc::new(api::NoTopics),
        gauges: Gauges::default(),
        transactions: None,
    };
    task.start(context).await?;
    let mut lines = Lines::new(has("--schemas"))?;
    let (mut seen, mut first) = (0, None);
    while seen < events {
        let records = task.poll().await?;
        if !records.is_empty() && first.is_none() {
            first = Some(Instant::now());
        }
        seen += records.len();
        if !has("--count") {
            records.iter().try_for_each(|record| lines.print(record))?;
        }
    }
    task.stop().await;
    if has("--count") {
        let seconds = first.map_or(0.0, |first| first.elapsed().as_secs_f64());
        let seen = u32::try_from(seen).unwrap_or(u32::MAX);
        println!("{seen} events in {seconds:.2} s: {:.0} events/s", f64::from(seen) / seconds);
    }
    Ok(())
}
