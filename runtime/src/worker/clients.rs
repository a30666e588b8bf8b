//! The producers and consumers of tasks: their settings, from the worker's file and the connector's overrides.
//!
//! Connect's order: the defaults here, then the worker's `producer.*`, then the connector's `producer.override.*`.

use std::sync::Arc;
use std::time::Duration;

use api::{Error, Props, Result};
use broker_client::{
    Acks, Assignor, Client, Compression, ConsumerConfig, GroupConfig, GroupConsumer, Isolation, OffsetReset,
    Producer, ProducerConfig, Subscription,
};

use super::settings::parse;
use crate::config::{
    ConsumerOptions, ExactlyOnceSource, ProducerOptions, SecurityOptions, SinkConfig, WorkerConfig, layered,
};

/// A record is tried to be written this long: Connect's own choice, since giving up would lose it.
const DELIVERY_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

/// The connections of a connector's clients of one kind (`producer.`, `consumer.`, `admin.`): the worker's own, unless the worker
/// or the connector says something else about their brokers or their security. What is not said is as for the worker itself.
pub(crate) fn connections(
    client: &Client,
    worker: &WorkerConfig,
    connector: &Props,
    prefix: &str,
    name: &str,
) -> Result<Client> {
    let common = SecurityOptions::select(&worker.props);
    let mut own = common.clone();
    let said = layered(&worker.props, connector, prefix);
    own.extend(SecurityOptions::select(&said));
    let mut config = (**client.config()).clone();
    let brokers = said.get("bootstrap.servers").filter(|brokers| !brokers.trim().is_empty());
    if let Some(brokers) = brokers {
        config.bootstrap_servers = brokers.split(',').map(|broker| broker.trim().to_owned()).collect();
    }
    if own == common && config.bootstrap_servers == client.config().bootstrap_servers {
        return Ok(client.clone());
    }
    config.security = parse(name, SecurityOptions::parse(&own).and_then(|options| options.security()))?;
    Ok(Client::new(config))
}

/// The way to the cluster of a sink's consumer group: `admin.override.` counts, then `consumer.override.`, whose group it is.
pub(crate) fn sink_admin(
    client: &Client,
    worker: &WorkerConfig,
    connector: &Props,
    name: &str,
) -> Result<Client> {
    let consumer = connections(client, worker, connector, "consumer.", name)?;
    connections(&consumer, worker, connector, "admin.", name)
}

/// A producer with a connector's settings.
pub(crate) fn producer(
    client: &Client,
    worker: &WorkerConfig,
    connector: &Props,
    name: &str,
) -> Result<Producer> {
    let settings = producer_settings(worker, connector, name)?;
    Ok(Producer::new(&connections(client, worker, connector, "producer.", name)?, settings))
}

/// The settings of a connector's producer.
pub(crate) fn producer_settings(
    worker: &WorkerConfig,
    connector: &Props,
    name: &str,
) -> Result<ProducerConfig> {
    let options = parse(name, ProducerOptions::parse(&layered(&worker.props, connector, "producer.")))?;
    producer_config(&options)
}

/// Whether somebody said how long a transaction may be open.
pub(crate) fn says_transaction_timeout(worker: &WorkerConfig, connector: &Props) -> bool {
    layered(&worker.props, connector, "producer.").contains_key("transaction.timeout.ms")
}

pub(crate) fn producer_config(options: &ProducerOptions) -> Result<ProducerConfig> {
    let defaults = ProducerConfig::default();
    Ok(ProducerConfig {
        acks: match options.acks.as_deref() {
            None | Some("all" | "-1") => Acks::All,
            Some("1") => Acks::Leader,
            Some("0") => Acks::None,
            Some(other) => return Err(unknown("acks", other)),
        },
        idempotence: options.enable_idempotence.unwrap_or(defaults.idempotence),
        compression: match options.compression_type.as_deref() {
            None | Some("lz4") => Compression::Lz4,
            Some("none") => Compression::None,
            Some("gzip") => Compression::Gzip,
            Some("snappy") => Compression::Snappy,
            Some("zstd") => Compression::Zstd,
            Some(other) => return Err(unknown("compression.type", other)),
        },
        linger: options.linger.unwrap_or(defaults.linger),
        batch_bytes_max: options.batch_size.unwrap_or(defaults.batch_bytes_max),
        buffer_bytes_max: options.buffer_memory.unwrap_or(defaults.buffer_bytes_max),
        request_bytes_max: options.max_request_size.unwrap_or(defaults.request_bytes_max),
        delivery_timeout: options.delivery_timeout.unwrap_or(DELIVERY_TIMEOUT),
        max_in_flight: options.max_in_flight.unwrap_or(defaults.max_in_flight),
        transactional_id: None,
        transaction_timeout: options.transaction_timeout.unwrap_or(defaults.transaction_timeout),
    })
}

/// The consumer of a sink: its group, and how many records a batch may have.
pub(crate) struct SinkConsumer {
    /// How the group is joined.
    pub(crate) group: GroupConfig,
    /// Records of one put at most.
    pub(crate) records_max: usize,
}

/// The consumer settings of a sink connector.
pub(crate) fn sink_consumer(worker: &WorkerConfig, connector: &Props, name: &str) -> Result<SinkConsumer> {
    let options = parse(name, ConsumerOptions::parse(&layered(&worker.props, connector, "consumer.")))?;
    let (group, consumer) = (GroupConfig::default(), ConsumerConfig::default());
    let consumer = ConsumerConfig {
        offset_reset: match options.auto_offset_reset.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("earliest") => OffsetReset::Earliest,
            Some("latest") => OffsetReset::Latest,
            Some("none") => OffsetReset::Fail,
            Some(other) => return Err(unknown("auto.offset.reset", other)),
        },
        isolation: match options.isolation_level.as_deref() {
            Some("read_committed") => Isolation::ReadCommitted,
            Some(_) => Isolation::ReadUncommitted,
            // Sources that deliver exactly once leave records of aborted transactions in topics; no sink shall deliver those.
            None if worker.options.exactly_once_source_support != ExactlyOnceSource::Disabled => {
                Isolation::ReadCommitted
            }
            None => Isolation::ReadUncommitted,
        },
        fetch_wait: options.fetch_max_wait.unwrap_or(consumer.fetch_wait),
        fetch_bytes_min: options.fetch_min_bytes.unwrap_or(consumer.fetch_bytes_min),
        fetch_bytes_max: options.fetch_max_bytes.unwrap_or(consumer.fetch_bytes_max),
        partition_bytes_max: options.max_partition_fetch_bytes.unwrap_or(consumer.partition_bytes_max),
        batch_bytes_max: consumer.batch_bytes_max,
    };
    let group = GroupConfig {
        group: options.group_id.unwrap_or_else(|| sink_group(name)),
        assignors: options.assignment_strategy.iter().map(|name| assignor(name)).collect::<Result<_>>()?,
        session_timeout: options.session_timeout.unwrap_or(SESSION_TIMEOUT),
        heartbeat_interval: options.heartbeat_interval.unwrap_or(HEARTBEAT_INTERVAL),
        consumer,
        ..group
    };
    Ok(SinkConsumer { group, records_max: options.max_poll_records.unwrap_or(RECORDS_MAX) })
}

/// Joins the group with the connector's topics, or those that its pattern matches as a whole.
pub(crate) fn join(client: &Client, group: GroupConfig, sink: &SinkConfig) -> Result<GroupConsumer> {
    let pattern = sink.topics_regex.trim();
    let subscription = match pattern.is_empty() {
        true => Subscription::Topics(sink.topics.clone()),
        false => {
            let pattern = configs::check::compile(&format!("^(?:{pattern})$"));
            let pattern =
                pattern.map_err(|error| Error::bad_config("topics.regex is malformed").with_source(error))?;
            Subscription::Matching(Arc::new(move |topic: &str| pattern.is_match(topic).unwrap_or(false)))
        }
    };
    Ok(GroupConsumer::new(client, group, subscription))
}

/// The group of a sink connector, unless `consumer.override.group.id` names another.
pub(crate) fn sink_group(connector: &str) -> String {
    format!("connect-{connector}")
}

/// Heartbeats do not wait for the sink, so a member that is silent for this long is gone: Kafka's 45 s would leave the partitions
/// of a killed worker alone for as long. Six seconds are the least that Apache Kafka's brokers allow.
const SESSION_TIMEOUT: Duration = Duration::from_secs(6);

/// A third of the session, as Kafka has it.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(2);

/// Records of one put, if `max.poll.records` does not say: more than Kafka's 500, since batches are bounded in bytes as well.
const RECORDS_MAX: usize = 10_000;

fn assignor(name: &str) -> Result<Assignor> {
    match name.rsplit('.').next() {
        Some("range" | "RangeAssignor") => Ok(Assignor::Range),
        Some("roundrobin" | "RoundRobinAssignor") => Ok(Assignor::RoundRobin),
        Some("cooperative-sticky" | "CooperativeStickyAssignor") => Ok(Assignor::CooperativeSticky),
        _ => Err(unknown("partition.assignment.strategy", name)),
    }
}

fn unknown(option: &str, value: &str) -> Error {
    Error::bad_config(format!("{option}={value} is not a value that this worker knows"))
}
