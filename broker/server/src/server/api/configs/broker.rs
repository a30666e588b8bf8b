//! The configs of the broker itself: every option of its settings file as declared, with what counts now. Those that topics
//! take their defaults from can be changed while it runs; the rest is read-only. Passwords are never shown.

use broker_protocol::{
    ErrorCode,
    messages::describe_configs::{
        DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsSynonym,
    },
};
use configs::{ConfigKey, ConfigType, DefaultValue};

use super::{Failure, SOURCE_CLUSTER, SOURCE_DEFAULT, SOURCE_FILE, SOURCE_LOGGER, kind_id, synonyms};
use crate::{
    BrokerConfig,
    broker::State,
    topics::{Scope, option_of_broker, options::TopicConfigs},
};

/// For whom a resource name speaks: no name is the whole cluster.
pub(super) fn scope(state: &State, resource_name: &str) -> Result<Scope, Failure> {
    let node_id = state.config.node_id.to_string();
    match resource_name {
        "" => Ok(Scope::Cluster),
        name if name == node_id => Ok(Scope::Broker),
        other => {
            let message = format!("Unexpected broker id, expected {node_id}, but received {other}");
            Err((ErrorCode::INVALID_REQUEST, message))
        }
    }
}

/// All configs of this broker; for the whole cluster, only what was changed for it.
pub(super) fn describe(
    state: &State,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, Failure> {
    if scope(state, &resource.resource_name)? == Scope::Cluster {
        let defaults = state.topics.defaults();
        return Ok(defaults.changed(Scope::Cluster).iter().map(changed_for_all).collect());
    }
    let keys = BrokerConfig::definition().keys().iter();
    Ok(keys.map(|key| describe_option(state, key)).collect())
}

fn changed_for_all((name, value): (&String, &String)) -> DescribeConfigsResourceResult {
    let option = option_of_broker(name);
    let synonym = DescribeConfigsSynonym {
        name: name.as_str().into(),
        value: Some(value.as_str().into()),
        source: SOURCE_CLUSTER,
    };
    DescribeConfigsResourceResult {
        name: name.as_str().into(),
        value: Some(value.as_str().into()),
        config_source: SOURCE_CLUSTER,
        synonyms: vec![synonym],
        config_type: option.map_or(0, |option| kind_id(option.kind)),
        documentation: option.map(|option| option.documentation.into()),
        ..DescribeConfigsResourceResult::default()
    }
}

fn describe_option(state: &State, key: &ConfigKey) -> DescribeConfigsResourceResult {
    let mut described = DescribeConfigsResourceResult {
        name: (&*key.name).into(),
        config_type: type_id(key.kind),
        documentation: Some((&*key.documentation).into()),
        is_sensitive: key.kind == ConfigType::Password,
        ..DescribeConfigsResourceResult::default()
    };
    match option_of_broker(&key.name) {
        Some(option) => {
            described.synonyms = synonyms(&state.topics.defaults(), option, None);
            described.config_type = kind_id(option.kind);
        }
        None => {
            described.read_only = true;
            described.synonyms = said_and_default(&state.config, key);
        }
    }
    if let Some(first) = described.synonyms.first() {
        described.value = first.value.clone();
        described.config_source = first.source;
    } else {
        described.config_source = SOURCE_DEFAULT;
    }
    if described.is_sensitive {
        described.value = None;
        described.synonyms.iter_mut().for_each(|synonym| synonym.value = None);
    }
    described
}

/// What the settings file says of an option, and what counts if it says nothing.
fn said_and_default(config: &BrokerConfig, key: &ConfigKey) -> Vec<DescribeConfigsSynonym> {
    let synonym = |value: &str, source| DescribeConfigsSynonym {
        name: (&*key.name).into(),
        value: Some(value.into()),
        source,
    };
    let mut names = std::iter::once(&key.name).chain(&key.aliases);
    let said = names.find_map(|name| config.settings.get(&**name)).cloned();
    let default = match &key.default {
        DefaultValue::Text(text) => Some(&**text),
        DefaultValue::Null | DefaultValue::Required => None,
    };
    // Who starts the broker in a process of its own may set these without a file.
    let said = said.or_else(|| held(config).remove(&*key.name).filter(|held| Some(held.as_str()) != default));
    let said = said.map(|value| synonym(&value, SOURCE_FILE));
    said.into_iter().chain(default.map(|value| synonym(value, SOURCE_DEFAULT))).collect()
}

/// The values that the broker runs with, of the options that matter most to tools.
fn held(config: &BrokerConfig) -> TopicConfigs {
    let held = [
        ("node.id", config.node_id.to_string()),
        ("num.partitions", config.partitions_default.to_string()),
        ("auto.create.topics.enable", config.auto_create_topics.to_string()),
        ("log.dirs", config.log_directory.display().to_string()),
        ("socket.request.max.bytes", config.request_bytes_max.to_string()),
        ("fetch.max.bytes", config.fetch_bytes_max.to_string()),
        ("offsets.retention.minutes", (config.offsets_retention.as_secs() / 60).to_string()),
        ("offset.metadata.max.bytes", config.offset_metadata_bytes_max.to_string()),
        ("transaction.max.timeout.ms", config.transaction_timeout_max.as_millis().to_string()),
        ("transactional.id.expiration.ms", config.transactional_id_expiration.as_millis().to_string()),
    ];
    held.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The one logger there is, with the level that was set when the process started.
pub(super) fn describe_loggers(
    state: &State,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, Failure> {
    if scope(state, &resource.resource_name)? == Scope::Cluster {
        return Err((ErrorCode::INVALID_REQUEST, "Broker id must not be empty".to_owned()));
    }
    let level = tracing::level_filters::LevelFilter::current().to_string().to_uppercase();
    Ok(vec![DescribeConfigsResourceResult {
        name: "root".into(),
        value: Some(level.into()),
        read_only: true,
        config_source: SOURCE_LOGGER,
        config_type: kind_id(crate::topics::options::OptionKind::String),
        documentation: Some("Set with RUST_LOG when the process is started.".into()),
        ..DescribeConfigsResourceResult::default()
    }])
}

fn type_id(kind: ConfigType) -> i8 {
    match kind {
        ConfigType::Boolean => 1,
        ConfigType::String => 2,
        ConfigType::Int => 3,
        ConfigType::Short => 4,
        ConfigType::Long => 5,
        ConfigType::Double => 6,
        ConfigType::List => 7,
        ConfigType::Class => 8,
        ConfigType::Password => 9,
    }
}
