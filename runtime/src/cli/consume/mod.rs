//! `millrace consume`: records of topics to standard output.
//!
//! ```text
//! start (which offsets) -> follow (by partitions) or share (in a group) -> sink (how many, in which form) -> standard output
//! ```
//! Invariant: what a group commits was written to standard output before.

mod follow;
mod format;
mod json;
mod plain;
mod share;
mod sink;
mod start;

use broker_client::{ConsumerConfig, Isolation, OffsetReset};
use clap::{Args, ValueEnum};

use super::connection::{Connected, ConnectionArgs};
use super::exit::Exit;
use super::moment::moment;
use crate::config::ConsumerOptions;
pub(super) use follow::{Ends, follow};
use format::Format;
use plain::Plain;
pub(super) use sink::{Form, Shown, Sink};
pub(super) use start::{Start, partitions_of, places};

/// `millrace consume`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct ConsumeArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// The topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Start with the first record there is
    #[arg(long, conflicts_with_all = ["offset", "from_timestamp"])]
    from_beginning: bool,
    /// Start at this offset, at earliest or latest, or (-N) N records before the end of each partition [default: latest; with
    /// --exit-at-end: earliest]
    #[arg(long, short = 'o', value_name = "OFFSET", allow_hyphen_values = true, value_parser = start::parse)]
    offset: Option<Start>,
    /// Start with the records of this moment: milliseconds since 1970, or 2026-01-31T10:00:00Z
    #[arg(long, value_name = "MOMENT", value_parser = moment, conflicts_with = "offset")]
    from_timestamp: Option<i64>,
    /// Only these partitions
    #[arg(long, short = 'p', value_delimiter = ',', value_parser = clap::value_parser!(i32).range(0..))]
    partition: Vec<i32>,
    /// Share the partitions with the other members of this group, start where it stopped, and commit what was printed
    #[arg(long, short = 'g', conflicts_with_all = ["partition", "from_timestamp"])]
    group: Option<String>,
    /// End after so many records
    #[arg(long, short = 'n', visible_alias = "count", value_parser = clap::value_parser!(u64).range(1..))]
    max_messages: Option<u64>,
    /// End where the partitions ended when this command started
    #[arg(long, short = 'e')]
    exit_at_end: bool,
    /// Which records of transactions are seen
    #[arg(long, value_enum)]
    isolation: Option<IsolationArg>,
    /// Print one JSON object a line; bytes that are not UTF-8 become {"base64": "..."}
    #[arg(long, conflicts_with_all = ["format", "print_key", "print_headers", "print_timestamp", "print_offset", "print_partition"])]
    json: bool,
    /// Print each record so: %t topic, %p partition, %o offset, %k key, %s value, %T timestamp, %h headers, %K and %S lengths
    /// (-1 for null), %% a percent sign; \n, \r, \t, \\, \xHH
    #[arg(long, short = 'f', value_name = "FORMAT", value_parser = format::parse)]
    format: Option<Format>,
    /// Print keys, in front of the values
    #[arg(long)]
    print_key: bool,
    /// Print headers
    #[arg(long)]
    print_headers: bool,
    /// Print time stamps
    #[arg(long)]
    print_timestamp: bool,
    /// Print offsets
    #[arg(long)]
    print_offset: bool,
    /// Print partitions
    #[arg(long)]
    print_partition: bool,
    /// What stands between the parts of a line
    #[arg(long, default_value = "\t", conflicts_with_all = ["json", "format"])]
    key_separator: String,
    /// What stands for a key or value that is null
    #[arg(long, default_value = "null", conflicts_with_all = ["json", "format"])]
    null_marker: String,
}

/// `isolation.level`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum IsolationArg {
    /// Those of committed transactions
    #[value(name = "read_committed", alias = "committed")]
    Committed,
    /// All, also those of open and aborted transactions
    #[value(name = "read_uncommitted", alias = "uncommitted")]
    Uncommitted,
}

/// Runs the command.
pub(super) async fn run(arguments: ConsumeArgs) -> Result<(), Exit> {
    let connected = arguments.connection.connect().await?;
    let options = ConsumerOptions::parse(&connected.props).map_err(Exit::usage)?;
    let config = consumer_config(&options, arguments.isolation);
    let mut sink = Sink::new(form(&arguments), arguments.max_messages);
    match arguments.group.clone() {
        Some(group) => share::run(&connected, &arguments, group, &options, config, &mut sink).await,
        None => read_partitions(&connected, &arguments, config, &mut sink).await,
    }
}

async fn read_partitions(
    connected: &Connected,
    arguments: &ConsumeArgs,
    config: ConsumerConfig,
    sink: &mut Sink,
) -> Result<(), Exit> {
    let client = &connected.client;
    let partitions = partitions_of(client, &arguments.topics, &arguments.partition).await?;
    let places = places(client, &partitions, arguments.start(), config.isolation).await?;
    let ends = match arguments.exit_at_end {
        true => Ends::now(client, &partitions, config.isolation).await?,
        false => Ends::never(),
    };
    follow(client, places, config, &ends, sink).await
}

impl ConsumeArgs {
    fn start(&self) -> Start {
        match (self.offset, self.from_timestamp) {
            (Some(start), _) => start,
            (None, Some(timestamp)) => Start::Timestamp(timestamp),
            (None, None) if self.from_beginning || self.exit_at_end => Start::Earliest,
            (None, None) => Start::Latest,
        }
    }
}

fn form(arguments: &ConsumeArgs) -> Form {
    match &arguments.format {
        _ if arguments.json => Form::Json,
        Some(format) => Form::Format(format.clone()),
        None => Form::Plain(Plain {
            timestamp: arguments.print_timestamp,
            partition: arguments.print_partition,
            offset: arguments.print_offset,
            headers: arguments.print_headers,
            key: arguments.print_key,
            separator: arguments.key_separator.clone(),
            null_marker: arguments.null_marker.clone(),
        }),
    }
}

/// The flags over the file over the defaults.
pub(super) fn consumer_config(options: &ConsumerOptions, isolation: Option<IsolationArg>) -> ConsumerConfig {
    let defaults = ConsumerConfig::default();
    let committed = match isolation {
        Some(isolation) => matches!(isolation, IsolationArg::Committed),
        None => options.isolation_level.as_deref() == Some("read_committed"),
    };
    ConsumerConfig {
        offset_reset: OffsetReset::Earliest,
        isolation: if committed { Isolation::ReadCommitted } else { Isolation::ReadUncommitted },
        fetch_wait: options.fetch_max_wait.unwrap_or(defaults.fetch_wait),
        fetch_bytes_min: options.fetch_min_bytes.unwrap_or(defaults.fetch_bytes_min),
        fetch_bytes_max: options.fetch_max_bytes.unwrap_or(defaults.fetch_bytes_max),
        partition_bytes_max: options.max_partition_fetch_bytes.unwrap_or(defaults.partition_bytes_max),
        ..defaults
    }
}
