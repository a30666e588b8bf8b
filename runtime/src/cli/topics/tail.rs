//! `millrace topics tail`: the newest records of all partitions, and then what comes, for people.

use std::io::{self, Write};

use clap::Args;

use super::super::connection::Connected;
use super::super::consume::{Ends, Form, Shown, Sink, Start, consumer_config, follow, partitions_of, places};
use super::super::exit::Exit;
use super::super::moment;
use super::pretty;
use crate::config::ConsumerOptions;

/// What may be said.
#[derive(Debug, Args)]
pub(super) struct TailArgs {
    /// The topic
    name: String,
    /// How many records of each partition to show first
    #[arg(long, short = 'n', default_value_t = 10, value_parser = clap::value_parser!(i64).range(0..))]
    lines: i64,
    /// End there, instead of waiting for more
    #[arg(long, short = 'e')]
    exit_at_end: bool,
}

pub(super) async fn run(connected: &Connected, arguments: &TailArgs, json: bool) -> Result<(), Exit> {
    let client = &connected.client;
    let options = ConsumerOptions::parse(&connected.props).map_err(Exit::usage)?;
    let config = consumer_config(&options, None);
    let partitions = partitions_of(client, std::slice::from_ref(&arguments.name), &[]).await?;
    let ends = match arguments.exit_at_end {
        true => Ends::now(client, &partitions, config.isolation).await?,
        false => Ends::never(),
    };
    let places = places(client, &partitions, Start::Back(arguments.lines), config.isolation).await?;
    let form = if json { Form::Json } else { Form::Other(write_record) };
    follow(client, places, config, &ends, &mut Sink::new(form, None)).await
}

/// A line of where and when, the headers, the key, the value, and an empty line.
fn write_record(shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    let record = shown.record;
    let when = moment::shown(record.timestamp);
    writeln!(out, "{}-{} @ {}  {when}", shown.topic, shown.partition, record.offset)?;
    for (name, value) in &record.headers {
        writeln!(out, "header {}: {}", pretty::plain(name), pretty::text(value.as_deref()))?;
    }
    if record.key.is_some() {
        writeln!(out, "key {}", pretty::text(record.key.as_deref()))?;
    }
    writeln!(out, "{}\n", pretty::text(record.value.as_deref()))
}
