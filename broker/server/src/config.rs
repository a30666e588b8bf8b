//! The broker's settings, by Kafka's names.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use crate::{Error, SecurityConfig, group::Assignor, topics::options::TopicConfigs};

/// An address, as in `listeners`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Host name or IP address without brackets; empty for all addresses.
    pub host: String,
    /// Port; 0 lets the system choose.
    pub port: u16,
}

/// What the broker is told. `Default` is a broker on the loopback that keeps its data in `./millrace-data/broker`.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// `node.id`.
    pub node_id: i32,
    /// `listeners`.
    pub listeners: Vec<Listener>,
    /// `advertised.listeners`: what clients are told to connect to, one per listener.
    pub advertised_listeners: Option<Vec<Listener>>,
    /// Encryption, logins and authorization.
    pub security: SecurityConfig,
    /// `log.dirs` or `log.dir`.
    pub log_directory: PathBuf,
    /// `num.partitions`, for topics that do not say.
    pub partitions_default: i32,
    /// `auto.create.topics.enable`.
    pub auto_create_topics: bool,
    /// Settings that topics take their defaults from, by the broker's names (`log.segment.bytes`, `message.max.bytes`, ...).
    pub topic_defaults: BTreeMap<String, String>,
    /// What the settings file says, by Kafka's names: what DescribeConfigs shows of settings that this structure holds.
    pub settings: BTreeMap<String, String>,
    /// `log.retention.check.interval.ms`: how often old segments are looked for.
    pub retention_check_interval: Duration,
    /// `log.cleaner.backoff.ms`: how often logs to compact are looked for.
    pub cleaner_backoff: Duration,
    /// `producer.id.expiration.ms`: how long a partition remembers a silent producer that has no transaction open.
    pub producer_id_expiration: Duration,
    /// `socket.request.max.bytes`: largest request.
    pub request_bytes_max: usize,
    /// `queued.max.request.bytes`: memory that all requests under way may take together.
    pub requests_bytes_max: usize,
    /// `max.connections`.
    pub connections_max: usize,
    /// `connections.max.idle.ms`: a connection without requests is closed after this time.
    pub connection_idle_max: Duration,
    /// `fetch.max.bytes`: largest answer to a fetch.
    pub fetch_bytes_max: usize,
    /// `max.incremental.fetch.session.cache.slots`: consumers that need not name all their partitions in each fetch.
    pub fetch_sessions_max: usize,
    /// `group.initial.rebalance.delay.ms`: how long the first members wait for others.
    pub group_initial_rebalance_delay: Duration,
    /// `group.min.session.timeout.ms`.
    pub group_session_timeout_min: Duration,
    /// `group.max.session.timeout.ms`.
    pub group_session_timeout_max: Duration,
    /// `group.max.size`: members of one group.
    pub group_size_max: usize,
    /// `group.consumer.session.timeout.ms`: silence after which a member of the consumer protocol is taken for dead.
    pub consumer_group_session_timeout: Duration,
    /// `group.consumer.heartbeat.interval.ms`: how often such members are told to report.
    pub consumer_group_heartbeat_interval: Duration,
    /// `group.consumer.max.size`: members of one such group.
    pub consumer_group_size_max: usize,
    /// `group.consumer.assignors`, the default first.
    pub consumer_group_assignors: Vec<Assignor>,
    /// `group.coordinator.rebalance.protocols`: whether it names `consumer` (KIP-848).
    pub consumer_group_protocol: bool,
    /// `offsets.retention.minutes`: how long an empty group keeps its offsets.
    pub offsets_retention: Duration,
    /// `offsets.retention.check.interval.ms`: how often old offsets are looked for.
    pub offsets_retention_check_interval: Duration,
    /// `offset.metadata.max.bytes`: longest text beside a committed offset.
    pub offset_metadata_bytes_max: usize,
    /// `transaction.max.timeout.ms`: longest timeout that a transactional producer may ask for.
    pub transaction_timeout_max: Duration,
    /// `transactional.id.expiration.ms`: how long a transactional id is remembered that nobody uses.
    pub transactional_id_expiration: Duration,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            node_id: 1,
            listeners: vec![Listener { host: "127.0.0.1".to_owned(), port: 9092 }],
            advertised_listeners: None,
            security: SecurityConfig::default(),
            log_directory: PathBuf::from("millrace-data/broker"),
            partitions_default: 1,
            auto_create_topics: true,
            topic_defaults: TopicConfigs::new(),
            settings: BTreeMap::new(),
            retention_check_interval: Duration::from_mins(5),
            cleaner_backoff: Duration::from_secs(15),
            producer_id_expiration: Duration::from_hours(24),
            request_bytes_max: 100 * 1024 * 1024,
            requests_bytes_max: 256 * 1024 * 1024,
            connections_max: 10_000,
            connection_idle_max: Duration::from_mins(10),
            fetch_bytes_max: 55 * 1024 * 1024,
            fetch_sessions_max: 1000,
            // As in the server.properties that Kafka ships: groups start at once.
            group_initial_rebalance_delay: Duration::ZERO,
            // Less than Kafka's six seconds, so that workers can be missed within three.
            group_session_timeout_min: Duration::from_secs(1),
            group_session_timeout_max: Duration::from_mins(30),
            group_size_max: 10_000,
            consumer_group_session_timeout: Duration::from_secs(45),
            consumer_group_heartbeat_interval: Duration::from_secs(5),
            consumer_group_size_max: 10_000,
            consumer_group_assignors: vec![Assignor::Uniform, Assignor::Range],
            consumer_group_protocol: true,
            offsets_retention: Duration::from_mins(7 * 24 * 60),
            offsets_retention_check_interval: Duration::from_mins(10),
            offset_metadata_bytes_max: 4096,
            transaction_timeout_max: Duration::from_mins(15),
            transactional_id_expiration: Duration::from_hours(7 * 24),
        }
    }
}

impl BrokerConfig {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |setting: &str, reason: &str| {
            Err(Error::Config { setting: setting.to_owned(), reason: reason.to_owned() })
        };
        if self.listeners.is_empty() {
            return wrong("listeners", "names no address to listen on");
        }
        if self
            .advertised_listeners
            .as_ref()
            .is_some_and(|advertised| advertised.len() != self.listeners.len())
        {
            return wrong("advertised.listeners", "must name as many addresses as listeners");
        }
        if self.requests_bytes_max < self.request_bytes_max {
            return wrong("queued.max.request.bytes", "must not be smaller than socket.request.max.bytes");
        }
        Ok(())
    }
}
