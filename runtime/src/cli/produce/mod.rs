//! `millrace produce`: lines of standard input or a file become records.
//!
//! ```text
//! a thread reads blocks -> lines -> key, value, headers -> the producer's batches -> brokers
//! ```
//! Invariants: memory is bounded by a few blocks, one line and the producer's buffer; success means that every record was
//! acknowledged.

mod input;
mod line;
mod summary;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use broker_client::{Delivery, Header, Producer, ProducerConfig, ProducerRecord};
use clap::{Args, ValueEnum};

use super::asked_to_stop;
use super::connection::ConnectionArgs;
use super::exit::{Exit, chain, say};
use crate::config::ProducerOptions;
use crate::worker::producer_config;
use input::{Blocks, Lines};
use line::LineForm;
use summary::Summary;

/// `millrace produce`.
#[derive(Debug, Args)]
pub(super) struct ProduceArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// The topic. The broker creates it if its settings allow (auto.create.topics.enable)
    topic: String,
    /// Read this file instead of standard input
    #[arg(long, short = 'l', value_name = "FILE")]
    file: Option<PathBuf>,
    /// What stands between key and value on a line; without it lines are values
    #[arg(long, short = 'K', value_name = "TEXT", value_parser = non_empty)]
    key_separator: Option<String>,
    /// The key of all records
    #[arg(long, short = 'k', conflicts_with = "key_separator")]
    key: Option<String>,
    /// A header of all records; may be said several times
    #[arg(long, short = 'H', visible_alias = "headers", value_name = "NAME=VALUE", value_parser = header)]
    header: Vec<(String, String)>,
    /// The partition of all records [default: by the key; without keys partitions take turns]
    #[arg(long, short = 'p', value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// How batches are compressed [default: lz4]
    #[arg(long, short = 'z', value_enum)]
    compression: Option<CompressionArg>,
    /// Who must have a record: 0 nobody, 1 the leader, all every in-sync replica [default: all]
    #[arg(long, value_enum)]
    acks: Option<AcksArg>,
    /// A key or value that is this text is null: a value that is null is a tombstone
    #[arg(long, value_name = "TEXT")]
    null_marker: Option<String>,
    /// Do not tell at the end how much was written and how fast
    #[arg(long, short = 'q')]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CompressionArg {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum AcksArg {
    #[value(name = "0")]
    Nobody,
    #[value(name = "1")]
    Leader,
    #[value(name = "all", alias = "-1")]
    All,
}

/// Runs the command.
pub(super) async fn run(arguments: ProduceArgs) -> Result<(), Exit> {
    let blocks = Blocks::open(arguments.file.as_deref())?;
    let connected = arguments.connection.connect().await?;
    let mut props = connected.props.clone();
    arguments.lay_over(&mut props);
    let config = producer_settings(&ProducerOptions::parse(&props).map_err(Exit::usage)?)?;
    check_partition(&arguments, connected.client.partitions_for(&arguments.topic, true).await?)?;
    let lines = Lines::new(config.buffer_bytes_max);
    let producer = Producer::new(&connected.client, config);
    producer.prepare(&arguments.topic).await?;
    let run = Run { arguments: &arguments, producer, delivery: Delivery::new(), summary: Summary::default() };
    run.all(blocks, lines).await
}

/// One run of the command.
struct Run<'a> {
    arguments: &'a ProduceArgs,
    producer: Producer,
    delivery: Arc<Delivery>,
    summary: Summary,
}

impl Run<'_> {
    /// Sends everything until the input ends or Ctrl-C, waits for the acknowledgements, and tells of it.
    async fn all(mut self, mut blocks: Blocks, mut lines: Lines) -> Result<(), Exit> {
        let began = Instant::now();
        let read = self.read(&mut blocks, &mut lines).await;
        let flushed = self.producer.flush().await.map_err(|error| self.undelivered(&error));
        if !self.arguments.quiet {
            say(&self.summary.told(&self.arguments.topic, began.elapsed()));
        }
        read.and(flushed)
    }

    async fn read(&mut self, blocks: &mut Blocks, lines: &mut Lines) -> Result<(), Exit> {
        let stop = asked_to_stop();
        tokio::pin!(stop);
        let headers = self.arguments.headers();
        let form = self.arguments.form();
        loop {
            let block = tokio::select! {
                stopped = &mut stop => return stopped,
                block = blocks.next() => block?,
            };
            match &block {
                Some(block) => lines.feed(block, |line| self.send(line, &form, &headers))?,
                None => return lines.finish(|line| self.send(line, &form, &headers)),
            }
            if let Some(error) = self.delivery.error() {
                return Err(self.undelivered(&error));
            }
            self.producer.ready().await.map_err(|error| self.undelivered(&error))?;
        }
    }

    fn send(&mut self, line: &[u8], form: &LineForm<'_>, headers: &[Header<'_>]) -> Result<(), Exit> {
        let number = self.summary.records + 1;
        let (key, value) =
            form.split(line).map_err(|error| Exit::runtime(format!("line {number}: {error}")))?;
        let record = ProducerRecord {
            topic: &self.arguments.topic,
            partition: self.arguments.partition,
            key: key.or(self.arguments.key.as_deref().map(str::as_bytes)),
            value,
            headers: headers.into(),
            timestamp: None,
        };
        self.producer.append(record, &self.delivery).map_err(|error| self.undelivered(&error))?;
        self.summary.count(line.len());
        Ok(())
    }

    fn undelivered(&self, error: &broker_client::Error) -> Exit {
        Exit::runtime(format!(
            "not all of the {} records were acknowledged: {}",
            self.summary.records,
            chain(error)
        ))
    }
}

impl ProduceArgs {
    /// The flags win over the file.
    fn lay_over(&self, props: &mut configs::Props) {
        let name =
            |value: Option<clap::builder::PossibleValue>| value.map(|value| value.get_name().to_owned());
        let said = [
            ("acks", name(self.acks.and_then(|acks| acks.to_possible_value()))),
            ("compression.type", name(self.compression.and_then(|codec| codec.to_possible_value()))),
        ];
        props.extend(said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }

    fn headers(&self) -> Vec<Header<'_>> {
        self.header.iter().map(|(key, value)| Header { key, value: Some(value.as_bytes()) }).collect()
    }

    fn form(&self) -> LineForm<'_> {
        LineForm {
            key_separator: self.key_separator.as_deref().map(str::as_bytes),
            null_marker: self.null_marker.as_deref().map(str::as_bytes),
        }
    }
}

/// As for connectors, but a record is not tried for ever: somebody waits.
fn producer_settings(options: &ProducerOptions) -> Result<ProducerConfig, Exit> {
    let config = producer_config(options).map_err(|error| Exit::usage(error.report()))?;
    let delivery_timeout = options.delivery_timeout.unwrap_or(ProducerConfig::default().delivery_timeout);
    Ok(ProducerConfig { delivery_timeout, ..config })
}

fn check_partition(arguments: &ProduceArgs, count: i32) -> Result<(), Exit> {
    match arguments.partition.filter(|partition| *partition >= count) {
        Some(partition) => {
            let (topic, last) = (&arguments.topic, count - 1);
            Err(Exit::runtime(format!("topic {topic} has partitions 0 to {last}, not {partition}")))
        }
        None => Ok(()),
    }
}

/// `name=value` of a header.
fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("\"{text}\" is no name=value"))?;
    Ok((name.to_owned(), value.to_owned()))
}

fn non_empty(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("the separator is empty".to_owned()) } else { Ok(text.to_owned()) }
}
