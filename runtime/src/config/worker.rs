//! What a worker is told: Connect's worker.properties, with defaults that work without any file.
//!
//! Parsed once at start; the command line, REST, herder and tasks read it. Invariants: every error comes at once; without
//! `bootstrap.servers` the broker inside the process is used, with its settings under `broker.`; a converter's settings stay
//! with the class that they were said for.

use broker_client::Security;
use configs::provider::Providers;
use configs::{ConfigDef, ConfigError, ConfigErrors, Props, config, strip_prefix, unknown_keys};

use super::accepted;
use super::access::RestAccess;
use super::exactly_once::{ExactlyOnce, ExactlyOnceSource};
use super::group::GroupOptions;
use super::listener::{Listener, Serves};
use super::policy::OverridePolicy;
use super::security::SecurityOptions;
use super::session::SessionOptions;

config! {
    /// Options of the worker itself and of its connections to the broker.
    pub struct WorkerOptions {
        /// Brokers to ask first, as host:port, separated by commas. Left out, a broker is started inside this process.
        bootstrap_servers: Vec<String> = default("bootstrap.servers", "").importance(High);
        /// Converter of keys for connectors that name none: JsonConverter without schemas unless said otherwise.
        key_converter: Option<String> = optional("key.converter").kind(ConfigType::Class).importance(High);
        /// Converter of values for connectors that name none: JsonConverter without schemas unless said otherwise.
        value_converter: Option<String> = optional("value.converter").kind(ConfigType::Class).importance(High);
        /// Converter of headers for connectors that name none.
        header_converter: String = default("header.converter", "org.apache.kafka.connect.storage.SimpleHeaderConverter").kind(ConfigType::Class).importance(Low);
        /// How long all tasks together may take to stop.
        task_shutdown_timeout: std::time::Duration = default("task.shutdown.graceful.timeout.ms", 5000).importance(Low);
        /// How often offsets are committed. (Kafka Connect's own default is 60000; the files that it ships say 10000.)
        offset_flush_interval: std::time::Duration = default("offset.flush.interval.ms", 10_000).importance(Low).check(at_least(1));
        /// How long a commit of offsets may take before it is given up and tried again with the next.
        offset_flush_timeout: std::time::Duration = default("offset.flush.timeout.ms", 5000).importance(Low).check(at_least(1));
        /// Config providers that settings may refer to, such as `env` or `file`. None unless named.
        config_providers: Vec<String> = default("config.providers", "").importance(Low);
        /// Which client settings a connector may override: All, None, Principal or Allowlist.
        override_policy: String = default("connector.client.config.override.policy", "All").importance(Medium);
        /// The client settings that the policy Allowlist allows.
        override_allowlist: Vec<String> = default("connector.client.config.override.allowlist", "").importance(Medium);
        /// Whether source connectors may say how their topics are created (`topic.creation.*`).
        topic_creation_enable: bool = default("topic.creation.enable", true).importance(Low);
        /// Whether the topics that a connector uses are remembered.
        topic_tracking_enable: bool = default("topic.tracking.enable", true).importance(Low);
        /// Whether what is remembered may be forgotten over REST.
        topic_tracking_allow_reset: bool = default("topic.tracking.allow.reset", true).importance(Low);
        /// Whether what sources give is delivered exactly once: records and offsets are written in transactions. `disabled`,
        /// `preparing` or `enabled`; a broker without transactions is an error only if this is said. (Kafka Connect's default is
        /// `disabled`.)
        exactly_once_source_support: ExactlyOnceSource = default("exactly.once.source.support", ExactlyOnceSource::Enabled).importance(High);
        /// What this worker calls itself towards the broker.
        client_id: String = default("client.id", "connect").importance(Low);
        /// How long the broker may take to answer.
        request_timeout: std::time::Duration = default("request.timeout.ms", 40_000).importance(Medium).check(at_least(1));
        /// How long to wait before a lost connection is opened again.
        reconnect_backoff: std::time::Duration = default("reconnect.backoff.ms", 50).importance(Low);
        /// How long to wait before a failed request is sent again.
        retry_backoff: std::time::Duration = default("retry.backoff.ms", 100).importance(Low);
    }
}

config! {
    /// Options of the REST interface.
    pub struct RestOptions {
        /// Where to listen: URLs of the form http://host:port or https://host:port. An empty host means every address of the machine.
        listeners: Vec<String> = default("listeners", "http://127.0.0.1:8083").importance(Low).check(non_empty());
        /// The host by which others reach this worker; it stands in `worker_id`.
        advertised_host: Option<String> = optional("rest.advertised.host.name").importance(Low);
        /// The port by which others reach this worker.
        advertised_port: Option<u16> = optional("rest.advertised.port").importance(Low);
        /// By which of its listeners others reach this worker: `http` or `https`. Without it, by one that speaks http if there is one.
        advertised_listener: Option<String> = optional("rest.advertised.listener").importance(Low).check(one_of_ignoring_case(&["http", "https"]));
        /// Origins whose pages may call this worker from a browser, separated by commas; `*` for all. None by default.
        allow_origin: Vec<String> = default("access.control.allow.origin", "").importance(Low);
        /// Methods that such pages may use; by default GET, POST and HEAD.
        allow_methods: Vec<String> = default("access.control.allow.methods", "").importance(Low);
        /// How long a request may take.
        request_timeout: std::time::Duration = default("rest.request.timeout.ms", 90_000).importance(Low).check(at_least(1));
    }
}

config! {
    /// The worker's group and its topics.
    pub struct StorageOptions {
        /// The name of the group of workers; connector groups may not have it.
        group_id: String = default("group.id", "connect-cluster").importance(High).check(non_empty());
        /// The topic for configurations. It has one partition.
        config_topic: String = default("config.storage.topic", "connect-configs").importance(High).check(topic_name());
        /// Its replicas, when it has to be created; -1 for the broker's default, so that a single broker and a cluster both do.
        config_replication_factor: i16 = default("config.storage.replication.factor", -1).importance(Low);
        /// The topic for source offsets.
        offset_topic: String = default("offset.storage.topic", "connect-offsets").importance(High).check(topic_name());
        /// Its partitions, when it has to be created; -1 for the broker's default.
        offset_partitions: i32 = default("offset.storage.partitions", 25).importance(Low);
        /// Its replicas.
        offset_replication_factor: i16 = default("offset.storage.replication.factor", -1).importance(Low);
        /// The topic for the states of connectors and tasks.
        status_topic: String = default("status.storage.topic", "connect-status").importance(High).check(topic_name());
        /// Its partitions, when it has to be created; -1 for the broker's default.
        status_partitions: i32 = default("status.storage.partitions", 5).importance(Low);
        /// Its replicas.
        status_replication_factor: i16 = default("status.storage.replication.factor", -1).importance(Low);
        /// The topic for what connectors remember beside their offsets, such as table shapes. (Millrace's own.)
        history_topic: String = default("history.storage.topic", "connect-history").importance(Low).check(topic_name());
        /// Its replicas.
        history_replication_factor: i16 = default("history.storage.replication.factor", -1).importance(Low);
    }
}

/// A converter and its settings, without their prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConverterSettings {
    /// The class.
    pub class: String,
    /// What it is told.
    pub props: Props,
}

/// A topic of the worker's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InternalTopic {
    /// Its name.
    pub name: String,
    /// Partitions when it has to be created; -1 for the broker's default.
    pub partitions: i32,
    /// Replicas when it has to be created; -1 for the broker's default. One on the embedded broker.
    pub replication_factor: i16,
    /// Settings when it has to be created, beside `cleanup.policy=compact`.
    pub configs: Props,
}

/// Everything that a worker is told.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The worker itself.
    pub options: WorkerOptions,
    /// The REST interface.
    pub rest: RestOptions,
    /// The group and the topics.
    pub storage: StorageOptions,
    /// How requests between workers are signed.
    pub session: SessionOptions,
    /// How it is a member of its group, if it is not alone.
    pub group: GroupOptions,
    /// How its connections to brokers are made safe.
    pub security: Security,
    /// Where REST listens, for everyone and for admins.
    pub listeners: Vec<Listener>,
    /// Whether sources deliver exactly once.
    pub exactly_once: ExactlyOnce,
    /// Who may reach REST, and what they may do.
    pub access: RestAccess,
    /// What connectors may override.
    pub override_policy: OverridePolicy,
    /// All settings, references resolved: `producer.`, `consumer.` and `admin.` are read from here.
    pub props: Props,
    /// Things to log: settings without effect, unknown ones with a suggestion.
    pub notices: Vec<String>,
}

impl WorkerConfig {
    /// Reads a worker's settings.
    ///
    /// # Errors
    /// Every setting that is wrong, at once.
    pub fn parse(said: &Props) -> Result<Self, ConfigErrors> {
        let resolved = Providers::from_worker(said)?.resolve(said)?;
        let props = resolved.props;
        let mut errors = ConfigErrors::new();
        let options = WorkerOptions::parse(&props).map_err(|found| errors.extend(found)).ok();
        let rest = RestOptions::parse(&props).map_err(|found| errors.extend(found)).ok();
        let storage = StorageOptions::parse(&props).map_err(|found| errors.extend(found)).ok();
        let session = SessionOptions::checked(&props).map_err(|found| errors.extend(found)).ok();
        let group = GroupOptions::parse_all(&props).map_err(|found| errors.extend(found)).ok();
        let security = SecurityOptions::parse(&props).and_then(|options| options.security());
        let security = security.map_err(|found| errors.extend(found)).ok();
        let mut listeners =
            rest.as_ref().map_or_else(Vec::new, |rest| parse_listeners(&rest.listeners, &mut errors));
        check_advertised(rest.as_ref(), &listeners, &mut errors);
        let access = RestAccess::of(&props, &mut listeners, &mut errors);
        let override_policy = options.as_ref().and_then(|options| parse_policy(options, &mut errors));
        let (Some(session), Some(group), Some(security), Some(access)) = (session, group, security, access)
        else {
            return Err(errors.mask(&resolved.secrets));
        };
        let (Some(options), Some(rest), Some(storage), Some(override_policy), true) =
            (options, rest, storage, override_policy, errors.is_empty())
        else {
            return Err(errors.mask(&resolved.secrets));
        };
        let mut notices = resolved.warnings;
        notices.extend(accepted::notices(&props));
        notices.extend(unknown_keys(&Self::definition(), &props).iter().map(ToString::to_string));
        let exactly_once = ExactlyOnce::new(options.exactly_once_source_support, &props);
        Ok(Self {
            options,
            rest,
            access,
            storage,
            group,
            session,
            security,
            listeners,
            exactly_once,
            override_policy,
            props,
            notices,
        })
    }

    /// The listener by which others reach this worker, as Kafka Connect chooses it: the first that speaks what is said, or http.
    #[must_use]
    pub fn advertised(&self) -> Option<&Listener> {
        let regular = || self.listeners.iter().filter(|listener| listener.serves != Serves::Admin);
        let speaks = |https: bool| regular().find(|listener| listener.https == https);
        match &self.rest.advertised_listener {
            Some(said) => speaks(said.eq_ignore_ascii_case("https")),
            None => speaks(false).or_else(|| speaks(true)),
        }
    }

    /// All that a worker can be told.
    #[must_use]
    pub fn definition() -> ConfigDef {
        const OPEN: [&str; 11] = [
            "key.converter.",
            "value.converter.",
            "header.converter.",
            "producer.",
            "consumer.",
            "admin.",
            "broker.",
            "config.providers.",
            "config.storage.",
            "offset.storage.",
            "status.storage.",
        ];
        let declared = ConfigDef::default()
            .merge(WorkerOptions::definition())
            .merge(RestOptions::definition())
            .merge(&RestAccess::definition())
            .merge(StorageOptions::definition())
            .merge(SessionOptions::definition())
            .merge(GroupOptions::definition())
            .merge(SecurityOptions::definition());
        OPEN.into_iter().chain(accepted::names()).fold(declared, ConfigDef::open)
    }

    /// The settings of the broker inside this process, or `None` when the worker uses another.
    #[must_use]
    pub fn embedded_broker(&self) -> Option<Props> {
        self.options.bootstrap_servers.is_empty().then(|| strip_prefix(&self.props, "broker."))
    }

    /// The converter of keys (`key.converter`), values (`value.converter`) or headers (`header.converter`) for connectors that name none.
    #[must_use]
    pub fn converter(&self, option: &str) -> ConverterSettings {
        let mut props = strip_prefix(&self.props, &format!("{option}."));
        props.remove("plugin.version");
        if option == "header.converter" {
            return ConverterSettings { class: self.options.header_converter.clone(), props };
        }
        if let Some(class) = self.props.get(option) {
            return ConverterSettings { class: class.trim().to_owned(), props };
        }
        props.entry("schemas.enable".to_owned()).or_insert_with(|| "false".to_owned());
        ConverterSettings { class: "org.apache.kafka.connect.json.JsonConverter".to_owned(), props }
    }

    /// The topic for configurations.
    #[must_use]
    pub fn config_topic(&self) -> InternalTopic {
        self.topic("config", &self.storage.config_topic, 1, self.storage.config_replication_factor)
    }

    /// The topic for source offsets.
    #[must_use]
    pub fn offset_topic(&self) -> InternalTopic {
        let storage = &self.storage;
        self.topic(
            "offset",
            &storage.offset_topic,
            storage.offset_partitions,
            storage.offset_replication_factor,
        )
    }

    /// The topic for states.
    #[must_use]
    pub fn status_topic(&self) -> InternalTopic {
        let storage = &self.storage;
        self.topic(
            "status",
            &storage.status_topic,
            storage.status_partitions,
            storage.status_replication_factor,
        )
    }

    /// The topic for what connectors remember.
    #[must_use]
    pub fn history_topic(&self) -> InternalTopic {
        self.topic("history", &self.storage.history_topic, 1, self.storage.history_replication_factor)
    }

    fn topic(&self, kind: &str, name: &str, partitions: i32, replication_factor: i16) -> InternalTopic {
        let mut configs = strip_prefix(&self.props, &format!("{kind}.storage."));
        configs.retain(|name, _| {
            !["topic", "partitions", "replication.factor", "file.filename", "cleanup.policy"]
                .contains(&name.as_str())
        });
        let embedded = self.options.bootstrap_servers.is_empty();
        let replication_factor = if embedded { 1 } else { replication_factor };
        InternalTopic { name: name.to_owned(), partitions, replication_factor, configs }
    }
}

fn parse_listeners(urls: &[String], errors: &mut ConfigErrors) -> Vec<Listener> {
    let mut parsed = Vec::new();
    for url in urls {
        match Listener::parse(url) {
            Ok(listener) => parsed.push(listener),
            Err(reason) => errors.push(ConfigError::invalid("listeners", url, reason)),
        }
    }
    parsed
}

/// What others are told to use must be there.
fn check_advertised(rest: Option<&RestOptions>, listeners: &[Listener], errors: &mut ConfigErrors) {
    let Some(said) = rest.and_then(|rest| rest.advertised_listener.as_deref()) else { return };
    if !listeners.iter().any(|listener| listener.scheme().eq_ignore_ascii_case(said)) {
        let reason = "no URL in listeners begins so: others could not reach this worker";
        errors.push(ConfigError::invalid("rest.advertised.listener", said, reason));
    }
}

fn parse_policy(options: &WorkerOptions, errors: &mut ConfigErrors) -> Option<OverridePolicy> {
    let parsed = OverridePolicy::of_name(&options.override_policy, &options.override_allowlist);
    let name = "connector.client.config.override.policy";
    parsed.map_err(|reason| errors.push(ConfigError::invalid(name, &options.override_policy, reason))).ok()
}

#[cfg(test)]
mod tests;
