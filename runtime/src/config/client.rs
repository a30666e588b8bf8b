//! The client settings that work here: `producer.*`, `consumer.*` of the worker, `producer.override.*`, `consumer.override.*` of a
//! connector, with Kafka's names.
//!
//! Read by source and sink tasks when they open their clients. Invariant: a connector's override wins over the worker's
//! setting, and either over the client's own default, which stands wherever a field is `None`.

use configs::{Props, config, strip_prefix};

config! {
    /// Settings of the producers of source tasks and dead letter queues.
    pub struct ProducerOptions {
        /// Brokers of another cluster to ask first, as host:port, separated by commas; by default the worker's.
        bootstrap_servers: Vec<String> = default("bootstrap.servers", "").importance(High);
        /// How many replicas must have a record before it counts as written: `all`, `1` or `0`.
        acks: Option<String> = optional("acks").importance(Low).check(one_of(&["all", "-1", "1", "0"]));
        /// Whether the broker drops what a retry would write twice.
        enable_idempotence: Option<bool> = optional("enable.idempotence").importance(Low);
        /// How batches are compressed.
        compression_type: Option<String> = optional("compression.type").importance(Low)
            .check(one_of(&["none", "gzip", "snappy", "lz4", "zstd"]));
        /// How long a batch waits for more records.
        linger: Option<std::time::Duration> = optional("linger.ms").importance(Medium);
        /// Size of a batch, in bytes.
        batch_size: Option<usize> = optional("batch.size").importance(Medium).check(at_least(0));
        /// Bytes of records that wait to be sent at most.
        buffer_memory: Option<usize> = optional("buffer.memory").importance(High).check(at_least(0));
        /// Bytes of a request at most.
        max_request_size: Option<usize> = optional("max.request.size").importance(Medium).check(at_least(0));
        /// How long a record is tried to be sent.
        delivery_timeout: Option<std::time::Duration> = optional("delivery.timeout.ms").importance(Medium);
        /// Requests in flight per broker at most.
        max_in_flight: Option<usize> = optional("max.in.flight.requests.per.connection").importance(Low).check(range(1, 5));
        /// How long a transaction may stay open before the broker aborts it.
        transaction_timeout: Option<std::time::Duration> = optional("transaction.timeout.ms").importance(Low).check(at_least(1));
    }
}

config! {
    /// Settings of the consumers of sink tasks.
    pub struct ConsumerOptions {
        /// Brokers of another cluster to ask first, as host:port, separated by commas; by default the worker's.
        bootstrap_servers: Vec<String> = default("bootstrap.servers", "").importance(High);
        /// The consumer group of a sink; by default `connect-` and the connector's name.
        group_id: Option<String> = optional("group.id").importance(High).check(non_empty());
        /// Where to start without a committed offset: `earliest`, `latest`, or `none` to fail.
        auto_offset_reset: Option<String> = optional("auto.offset.reset").importance(Medium)
            .check(one_of_ignoring_case(&["earliest", "latest", "none"]));
        /// How long the group waits for a silent member.
        session_timeout: Option<std::time::Duration> = optional("session.timeout.ms").importance(High);
        /// How often a member says that it lives.
        heartbeat_interval: Option<std::time::Duration> = optional("heartbeat.interval.ms").importance(High);
        /// How a group's partitions are shared out, preferred first: `range`, `roundrobin`, `cooperative-sticky`, or the Java classes.
        /// With `cooperative-sticky` alone, members go on reading during a rebalance.
        assignment_strategy: Vec<String> = default("partition.assignment.strategy", "range,cooperative-sticky").importance(Medium)
            .check(one_of(&[
                "range", "roundrobin", "cooperative-sticky",
                "org.apache.kafka.clients.consumer.RangeAssignor",
                "org.apache.kafka.clients.consumer.RoundRobinAssignor",
                "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
            ]));
        /// Bytes of a fetch at most.
        fetch_max_bytes: Option<usize> = optional("fetch.max.bytes").importance(Medium).check(at_least(0));
        /// Bytes of a partition in a fetch at most.
        max_partition_fetch_bytes: Option<usize> = optional("max.partition.fetch.bytes").importance(High).check(at_least(0));
        /// How long a fetch waits at the broker for new records.
        fetch_max_wait: Option<std::time::Duration> = optional("fetch.max.wait.ms").importance(Low);
        /// Bytes for which a fetch waits at the broker.
        fetch_min_bytes: Option<usize> = optional("fetch.min.bytes").importance(High).check(at_least(0));
        /// Records that a sink gets in one batch at most.
        max_poll_records: Option<usize> = optional("max.poll.records").importance(Medium).check(at_least(1));
        /// `read_committed` skips records of aborted transactions.
        isolation_level: Option<String> = optional("isolation.level").importance(Medium)
            .check(one_of(&["read_committed", "read_uncommitted"]));
    }
}

/// The settings of one client: the worker's under `prefix` (`producer.`), with the connector's under `prefix` and `override.` in
/// their place.
#[must_use]
pub fn layered(worker: &Props, connector: &Props, prefix: &str) -> Props {
    let mut settings = strip_prefix(worker, prefix);
    settings.extend(strip_prefix(connector, &format!("{prefix}override.")));
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connector_wins_over_the_worker() {
        let props = |said: &[(&str, &str)]| {
            said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
        };
        let worker = props(&[("producer.linger.ms", "5"), ("producer.acks", "1")]);
        let connector = props(&[("producer.override.linger.ms", "9"), ("consumer.override.group.id", "g")]);
        let options = ProducerOptions::parse(&layered(&worker, &connector, "producer.")).unwrap();
        assert_eq!(options.linger.unwrap().as_millis(), 9);
        assert_eq!((options.acks.as_deref(), options.batch_size), (Some("1"), None));
    }
}
