//! The broker's options as Kafka's server.properties names them, declared once; only those that act.

use std::{path::PathBuf, sync::LazyLock, time::Duration};

use configs::{ConfigDef, ConfigError, ConfigErrors, ConfigType, Parsed, Props, config, unknown_keys};

use crate::{
    BrokerConfig, Listener, SecurityConfig,
    group::Assignor,
    security,
    topics::options::{TOPIC_OPTIONS, TopicConfigs, check_option},
};

config! {
    /// The options of the broker.
    pub(crate) struct BrokerSettings {
        /// Id of this broker.
        node_id: i32 = default("node.id", 1).alias("broker.id").check(at_least(0)).importance(High);
        /// Addresses to listen on, such as PLAINTEXT://127.0.0.1:9092 or SASL_SSL://:9093; port 0 lets the system choose, no host means all addresses.
        listeners: Vec<String> = default("listeners", "PLAINTEXT://127.0.0.1:9092").importance(High).check(custom("PLAINTEXT://host:port", check_listeners));
        /// Listeners that are not for clients; this broker is its own controller and does not open them.
        controller_listener_names: Vec<String> = default("controller.listener.names", "").importance(Low);
        /// Addresses that clients are told to connect to, one for each of listeners, by its name; without it, the address by which a client came.
        advertised_listeners: Option<Vec<String>> = optional("advertised.listeners").importance(High).check(custom("PLAINTEXT://host:port", check_listeners));
        /// The directory that keeps all records.
        log_dirs: Vec<String> = default("log.dirs", "millrace-data/broker").alias("log.dir").importance(High).check(custom("one directory", check_log_dirs));
        /// Partitions of a topic that does not say how many.
        num_partitions: i32 = default("num.partitions", 1).check(range(1, 10_000));
        /// Whether a topic is created when a client asks for it.
        auto_create_topics: bool = default("auto.create.topics.enable", true).importance(High);
        /// Milliseconds between two looks for segments that retention deletes.
        retention_check_interval: Duration = default("log.retention.check.interval.ms", 300_000).check(at_least(1));
        /// Milliseconds between two looks for logs to compact.
        cleaner_backoff: Duration = default("log.cleaner.backoff.ms", 15_000).check(at_least(1));
        /// Milliseconds that a partition remembers a silent producer, to tell what it sends twice; one with an open transaction is not forgotten.
        producer_id_expiration: Duration = default("producer.id.expiration.ms", 86_400_000).check(at_least(1));
        /// Bytes of the largest request.
        request_bytes_max: usize = default("socket.request.max.bytes", 104_857_600).check(range(1024, 2_147_483_647));
        /// Bytes that all requests under way may take together.
        requests_bytes_max: usize = default("queued.max.request.bytes", 268_435_456).check(at_least(1024));
        /// Connections at a time.
        connections_max: usize = default("max.connections", 10_000).check(at_least(1));
        /// Milliseconds after which a connection without requests is closed.
        connection_idle_max: Duration = default("connections.max.idle.ms", 600_000).check(at_least(1));
        /// Bytes of the largest answer to a fetch, save for a batch that is larger by itself.
        fetch_bytes_max: usize = default("fetch.max.bytes", 57_671_680).check(at_least(1024));
        /// Consumers whose partitions are remembered, so that they need not name all of them in each fetch; 0 for none.
        fetch_sessions_max: usize = default("max.incremental.fetch.session.cache.slots", 1000);
        /// Milliseconds that the first members of a group wait for others.
        group_initial_rebalance_delay: Duration = default("group.initial.rebalance.delay.ms", 0);
        /// Shortest session timeout that a member may ask for, in milliseconds.
        group_session_timeout_min: Duration = default("group.min.session.timeout.ms", 1000);
        /// Longest session timeout that a member may ask for, in milliseconds.
        group_session_timeout_max: Duration = default("group.max.session.timeout.ms", 1_800_000);
        /// Members of one group.
        group_size_max: usize = default("group.max.size", 10_000).check(at_least(1));
        /// Milliseconds of silence after which a member of a group of the consumer protocol (KIP-848) is taken for dead.
        consumer_group_session_timeout: Duration = default("group.consumer.session.timeout.ms", 45_000).check(at_least(1));
        /// Milliseconds between two heartbeats of such a member.
        consumer_group_heartbeat_interval: Duration = default("group.consumer.heartbeat.interval.ms", 5000).check(at_least(1));
        /// Members of one group of the consumer protocol.
        consumer_group_size_max: usize = default("group.consumer.max.size", 10_000).check(at_least(1));
        /// How such groups may deal out partitions, the default first: uniform, range.
        consumer_group_assignors: Vec<String> = default("group.consumer.assignors", "uniform,range").check(custom("uniform, range", check_assignors));
        /// The protocols of groups: classic, consumer (KIP-848).
        rebalance_protocols: Vec<String> = default("group.coordinator.rebalance.protocols", "classic,consumer").check(custom("classic, consumer", check_protocols));
        /// Milliseconds between two looks for offsets to expire.
        offsets_retention_check_interval: Duration = default("offsets.retention.check.interval.ms", 600_000).check(at_least(1));
        /// Minutes that a group without members keeps its offsets.
        offsets_retention_minutes: u32 = default("offsets.retention.minutes", 10_080).check(at_least(1));
        /// Bytes of the text that may stand beside a committed offset.
        offset_metadata_bytes_max: usize = default("offset.metadata.max.bytes", 4096).check(at_least(0));
        /// Longest transaction timeout that a producer may ask for, in milliseconds.
        transaction_timeout_max: Duration = default("transaction.max.timeout.ms", 900_000).check(at_least(1));
        /// Milliseconds after which a transactional id is forgotten that no producer has used.
        transactional_id_expiration: Duration = default("transactional.id.expiration.ms", 604_800_000).check(at_least(1));
        /// Bytes at which a segment is closed; topics may say otherwise, as for all log options.
        segment_bytes: Option<i64> = optional("log.segment.bytes").importance(High);
        /// Milliseconds after which a segment is closed.
        roll_ms: Option<i64> = optional("log.roll.ms").importance(High);
        /// Hours after which a segment is closed.
        roll_hours: Option<i64> = optional("log.roll.hours");
        /// Milliseconds that records are kept; -1 keeps them. Goes before the minutes, and those before the hours.
        retention_ms: Option<i64> = optional("log.retention.ms").importance(High);
        /// Minutes that records are kept.
        retention_minutes: Option<i64> = optional("log.retention.minutes").importance(High);
        /// Hours that records are kept.
        retention_hours: Option<i64> = optional("log.retention.hours").importance(High);
        /// Bytes of a partition beyond which its oldest segments are deleted; -1 is no limit.
        retention_bytes: Option<i64> = optional("log.retention.bytes").importance(High);
        /// How old records go: delete, compact, or both.
        cleanup_policy: Option<String> = optional("log.cleanup.policy");
        /// Milliseconds that tombstones stay in compacted logs.
        delete_retention_ms: Option<i64> = optional("log.cleaner.delete.retention.ms");
        /// Share of a log that must be new before it is compacted again.
        min_cleanable_ratio: Option<f64> = optional("log.cleaner.min.cleanable.ratio");
        /// Bytes of the largest batch.
        message_max_bytes: Option<i64> = optional("message.max.bytes").importance(High);
        /// CreateTime or LogAppendTime.
        message_timestamp_type: Option<String> = optional("log.message.timestamp.type");
        /// The codec that batches are kept in: producer keeps that of the producer.
        compression_type: Option<String> = optional("compression.type").importance(High);
        /// Milliseconds that a producer's time stamps may lie behind the clock.
        timestamp_before_max_ms: Option<i64> = optional("log.message.timestamp.before.max.ms");
        /// Milliseconds that a producer's time stamps may lie ahead of the clock.
        timestamp_after_max_ms: Option<i64> = optional("log.message.timestamp.after.max.ms");
        /// Records younger than these milliseconds are not compacted.
        compaction_lag_min_ms: Option<i64> = optional("log.cleaner.min.compaction.lag.ms");
        /// Records older than these milliseconds are compacted, however clean the log is.
        compaction_lag_max_ms: Option<i64> = optional("log.cleaner.max.compaction.lag.ms");
        /// Milliseconds that the files of an expired segment stay on disk.
        file_delete_delay_ms: Option<i64> = optional("log.segment.delete.delay.ms");
        /// 1, the default: a record is on disk before it is acknowledged to acks=all. More: records are acknowledged once they are written, and so many share an fsync; a power failure may take them.
        flush_messages: Option<i64> = optional("log.flush.interval.messages").importance(High);
        /// Where log.flush.interval.messages is more than 1: milliseconds after which written records are on disk.
        flush_ms: Option<i64> = optional("log.flush.interval.ms").importance(High);
        /// Whether another than the only replica may lead: as good as false.
        unclean_leader_election: Option<bool> = optional("unclean.leader.election.enable");
        /// Replicas that acks=all needs; this broker is one.
        min_insync_replicas: Option<i64> = optional("min.insync.replicas").importance(High);
    }
}

impl BrokerConfig {
    /// The options of the broker, for validation and documentation.
    #[must_use]
    pub fn definition() -> &'static ConfigDef {
        static DEFINITION: LazyLock<ConfigDef> =
            LazyLock::new(|| BrokerSettings::definition().clone().merge(&security::definition()));
        &DEFINITION
    }

    /// Reads the settings of a server.properties; names that no option has are reported in the log.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn from_props(props: &Props) -> Result<Self, ConfigErrors> {
        for unknown in unknown_keys(Self::definition(), props) {
            tracing::warn!("{unknown}");
        }
        let settings = BrokerSettings::parse(props)?;
        let (topic_defaults, mut errors) = settings.topic_defaults();
        let listeners = settings.client_listeners();
        if let Err(reason) = settings.advertised(&listeners) {
            errors
                .push(ConfigError::other("advertised.listeners", format!("advertised.listeners: {reason}")));
        }
        let names: Vec<String> = listeners.iter().map(|(name, _)| name.clone()).collect();
        let security = SecurityConfig::from_props(props, &names).unwrap_or_else(|more| {
            errors.extend(more);
            SecurityConfig::default()
        });
        if settings.requests_bytes_max < settings.request_bytes_max {
            let (bytes, reason) =
                (settings.requests_bytes_max, "must not be less than socket.request.max.bytes");
            errors.push(ConfigError::invalid("queued.max.request.bytes", bytes, reason));
        }
        let config = Self { settings: shown(props), ..settings.into_config(topic_defaults, security) };
        errors.into_result(config)
    }
}

impl BrokerSettings {
    /// What topics take their defaults from, by the broker's names, and what is wrong with it.
    fn topic_defaults(&self) -> (TopicConfigs, ConfigErrors) {
        let hours = |hours: Option<i64>| {
            hours.map(|hours| if hours < 0 { -1 } else { hours.saturating_mul(3_600_000) })
        };
        let minutes = self
            .retention_minutes
            .map(|minutes| if minutes < 0 { -1 } else { minutes.saturating_mul(60_000) });
        let retention_ms = self.retention_ms.or(minutes).or(hours(self.retention_hours));
        let number = |number: Option<i64>| number.map(|number| number.to_string());
        let said = [
            ("log.segment.bytes", number(self.segment_bytes)),
            ("log.roll.ms", number(self.roll_ms.or(hours(self.roll_hours)))),
            ("log.retention.ms", number(retention_ms)),
            ("log.retention.bytes", number(self.retention_bytes)),
            ("log.cleanup.policy", self.cleanup_policy.clone()),
            ("log.cleaner.delete.retention.ms", number(self.delete_retention_ms)),
            ("log.cleaner.min.cleanable.ratio", self.min_cleanable_ratio.map(|ratio| ratio.to_string())),
            ("message.max.bytes", number(self.message_max_bytes)),
            ("log.message.timestamp.type", self.message_timestamp_type.clone()),
            ("min.insync.replicas", number(self.min_insync_replicas)),
            ("compression.type", self.compression_type.clone()),
            ("log.message.timestamp.before.max.ms", number(self.timestamp_before_max_ms)),
            ("log.message.timestamp.after.max.ms", number(self.timestamp_after_max_ms)),
            ("log.cleaner.min.compaction.lag.ms", number(self.compaction_lag_min_ms)),
            ("log.cleaner.max.compaction.lag.ms", number(self.compaction_lag_max_ms)),
            ("log.segment.delete.delay.ms", number(self.file_delete_delay_ms)),
            ("log.flush.interval.messages", number(self.flush_messages)),
            ("log.flush.interval.ms", number(self.flush_ms)),
            ("unclean.leader.election.enable", self.unclean_leader_election.map(|said| said.to_string())),
        ];
        let (mut defaults, mut errors) = (TopicConfigs::new(), ConfigErrors::new());
        for (name, value) in said {
            let Some(value) = value else { continue };
            let option = TOPIC_OPTIONS.iter().find(|option| option.broker_name == name);
            if let Some(Err(reason)) = option.map(|option| check_option(option, &value)) {
                errors.push(ConfigError::invalid(name, &value, reason));
            }
            defaults.insert(name.to_owned(), value);
        }
        (defaults, errors)
    }

    /// The listeners for clients, with their names.
    fn client_listeners(&self) -> Vec<(String, Listener)> {
        let parsed = self.listeners.iter().filter_map(|text| parse_listener(text).ok());
        let is_controllers =
            |name: &str| self.controller_listener_names.iter().any(|other| other.eq_ignore_ascii_case(name));
        parsed.filter(|(name, _)| !is_controllers(name)).collect()
    }

    /// What clients of each listener are told: the advertised address of its name.
    fn advertised(&self, listeners: &[(String, Listener)]) -> Result<Option<Vec<Listener>>, String> {
        let Some(advertised) = &self.advertised_listeners else { return Ok(None) };
        let mut left: Vec<(String, Listener)> =
            advertised.iter().filter_map(|text| parse_listener(text).ok()).collect();
        let of = |(name, _): &(String, Listener)| {
            let at = left.iter().position(|(other, _)| other.eq_ignore_ascii_case(name));
            let at = at.ok_or_else(|| format!("names no address for the listener {name}"))?;
            Ok(left.remove(at).1)
        };
        let found: Result<Vec<Listener>, String> = listeners.iter().map(of).collect();
        let found = found?;
        match left.first() {
            Some((name, _)) => Err(format!("{name} is not one of listeners")),
            None => Ok(Some(found)),
        }
    }

    fn into_config(self, topic_defaults: TopicConfigs, security: SecurityConfig) -> BrokerConfig {
        let listeners = self.client_listeners();
        BrokerConfig {
            node_id: self.node_id,
            advertised_listeners: self.advertised(&listeners).unwrap_or_default(),
            listeners: listeners.into_iter().map(|(_, listener)| listener).collect(),
            security,
            log_directory: self.log_dirs.first().map(PathBuf::from).unwrap_or_default(),
            partitions_default: self.num_partitions,
            auto_create_topics: self.auto_create_topics,
            topic_defaults,
            settings: Props::new(),
            retention_check_interval: self.retention_check_interval,
            cleaner_backoff: self.cleaner_backoff,
            producer_id_expiration: self.producer_id_expiration,
            request_bytes_max: self.request_bytes_max,
            requests_bytes_max: self.requests_bytes_max,
            connections_max: self.connections_max,
            connection_idle_max: self.connection_idle_max,
            fetch_bytes_max: self.fetch_bytes_max,
            fetch_sessions_max: self.fetch_sessions_max,
            group_initial_rebalance_delay: self.group_initial_rebalance_delay,
            group_session_timeout_min: self.group_session_timeout_min,
            group_session_timeout_max: self.group_session_timeout_max,
            group_size_max: self.group_size_max,
            consumer_group_session_timeout: self.consumer_group_session_timeout,
            consumer_group_heartbeat_interval: self.consumer_group_heartbeat_interval,
            consumer_group_size_max: self.consumer_group_size_max,
            consumer_group_assignors: assignors(&self.consumer_group_assignors),
            consumer_group_protocol: self.rebalance_protocols.iter().any(|name| name == "consumer"),
            offsets_retention_check_interval: self.offsets_retention_check_interval,
            offsets_retention: Duration::from_mins(u64::from(self.offsets_retention_minutes)),
            offset_metadata_bytes_max: self.offset_metadata_bytes_max,
            transaction_timeout_max: self.transaction_timeout_max,
            transactional_id_expiration: self.transactional_id_expiration,
        }
    }
}

/// What may be shown of what was said: options as declared, no passwords.
fn shown(props: &Props) -> Props {
    let keys = BrokerConfig::definition().keys().iter().filter(|key| key.kind != ConfigType::Password);
    let names = keys.flat_map(|key| std::iter::once(&key.name).chain(&key.aliases));
    names.filter_map(|name| Some((name.to_string(), props.get(&**name)?.clone()))).collect()
}

fn check_listeners(value: &Parsed) -> Result<(), String> {
    match value {
        Parsed::List(texts) if texts.is_empty() => Err("must name at least one address".to_owned()),
        Parsed::List(texts) => texts.iter().try_for_each(|text| parse_listener(text).map(|_| ())),
        _ => Err("must be a list".to_owned()),
    }
}

fn assignors(names: &[String]) -> Vec<Assignor> {
    names.iter().filter_map(|name| Assignor::of_name(name)).collect()
}

fn check_assignors(value: &Parsed) -> Result<(), String> {
    match value {
        Parsed::List(names) if names.is_empty() => Err("must name at least one".to_owned()),
        Parsed::List(names) => match names.iter().find(|name| Assignor::of_name(name).is_none()) {
            None => Ok(()),
            Some(unknown) => Err(format!("{unknown} is not known, use uniform or range")),
        },
        _ => Err("must be a list".to_owned()),
    }
}

fn check_protocols(value: &Parsed) -> Result<(), String> {
    let known = |name: &String| name == "classic" || name == "consumer";
    match value {
        Parsed::List(names) if !names.iter().any(|name| name == "classic") => {
            Err("must name classic".to_owned())
        }
        Parsed::List(names) => match names.iter().find(|name| !known(name)) {
            None => Ok(()),
            Some(unknown) => Err(format!("{unknown} is not served, use classic and consumer")),
        },
        _ => Err("must be a list".to_owned()),
    }
}

fn check_log_dirs(value: &Parsed) -> Result<(), String> {
    match value {
        Parsed::List(paths) if paths.len() == 1 && !paths[0].is_empty() => Ok(()),
        _ => Err("must be one directory: this broker keeps all records in one place".to_owned()),
    }
}

/// `NAME://host:port`; an IPv6 address stands in brackets.
fn parse_listener(text: &str) -> Result<(String, Listener), String> {
    let (name, address) =
        text.split_once("://").ok_or_else(|| format!("{text:?} does not look like PLAINTEXT://host:port"))?;
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)) {
        return Err(format!("{name:?} is no name of a listener"));
    }
    let (host, port) = address.rsplit_once(':').ok_or_else(|| format!("{text:?} has no port"))?;
    let port = port.parse().map_err(|error| format!("{text:?}: port {port:?}: {error}"))?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Ok((name.to_ascii_uppercase(), Listener { host: host.to_owned(), port }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn props(pairs: &[(&str, &str)]) -> Props {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn nothing_said_is_the_default() {
        let (ours, default) = (BrokerConfig::from_props(&Props::new()).unwrap(), BrokerConfig::default());
        assert_eq!(format!("{ours:?}"), format!("{default:?}"));
    }

    #[test]
    fn kafkas_names_are_understood() {
        let config = BrokerConfig::from_props(&props(&[
            ("broker.id", "7"),
            ("listeners", "PLAINTEXT://[::1]:0,PLAINTEXT://:9093"),
            ("log.dir", "/tmp/x"),
            ("log.retention.hours", "2"),
            ("log.retention.minutes", "1"),
            ("log.segment.bytes", "1000"),
        ]))
        .unwrap();
        assert_eq!(config.node_id, 7);
        let expected =
            [Listener { host: "::1".to_owned(), port: 0 }, Listener { host: String::new(), port: 9093 }];
        assert_eq!(config.listeners, expected);
        assert_eq!(config.log_directory, PathBuf::from("/tmp/x"));
        assert_eq!(config.topic_defaults["log.retention.ms"], "60000");
        assert_eq!(config.topic_defaults["log.segment.bytes"], "1000");
    }

    #[test]
    fn all_errors_come_at_once_and_name_their_setting() {
        let wrong = props(&[
            ("log.segment.bytes", "1"),
            ("log.cleanup.policy", "burn"),
            ("queued.max.request.bytes", "2048"),
        ]);
        let errors = BrokerConfig::from_props(&wrong).unwrap_err().to_string();
        for name in ["log.segment.bytes", "log.cleanup.policy", "queued.max.request.bytes"] {
            assert!(errors.contains(name), "{name} is missing in: {errors}");
        }
        let wrong = props(&[("listeners", "x:1"), ("num.partitions", "0"), ("log.dirs", "a,b")]);
        let errors = BrokerConfig::from_props(&wrong).unwrap_err().to_string();
        for name in ["listeners", "num.partitions", "log.dirs"] {
            assert!(errors.contains(name), "{name} is missing in: {errors}");
        }
    }

    #[test]
    fn a_kraft_file_opens_the_clients_listeners_and_advertises_them_by_name() {
        let config = BrokerConfig::from_props(&props(&[
            ("listeners", "INSIDE://:9092,CONTROLLER://:9093,OUTSIDE://:9094"),
            ("controller.listener.names", "CONTROLLER"),
            ("listener.security.protocol.map", "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT"),
            ("advertised.listeners", "OUTSIDE://example.org:1,INSIDE://inside:2"),
        ]))
        .unwrap();
        let ports: Vec<u16> = config.listeners.iter().map(|listener| listener.port).collect();
        assert_eq!(ports, [9092, 9094]);
        let advertised: Vec<u16> =
            config.advertised_listeners.unwrap().iter().map(|listener| listener.port).collect();
        assert_eq!(advertised, [2, 1]);
        for advertised in ["PLAINTEXT://a:1,SSL://b:2", "SSL://b:2"] {
            let wrong = props(&[("listeners", "PLAINTEXT://:1"), ("advertised.listeners", advertised)]);
            let errors = BrokerConfig::from_props(&wrong).unwrap_err().to_string();
            assert!(errors.contains("advertised.listeners"), "{errors}");
        }
    }
}
