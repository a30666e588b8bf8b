//! DescribeConfigs, AlterConfigs and IncrementalAlterConfigs. Defaults are listed too, with where each value comes from: Kafka Connect reads a
//! topic's cleanup.policy this way, and tools that read, change and write back would wipe what is not listed.

use std::sync::Arc;

use broker_protocol::{
    ErrorCode, Text,
    messages::{
        alter_configs::{self, AlterConfigsRequest, AlterConfigsResponse},
        describe_configs::{
            DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
            DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
        },
        incremental_alter_configs::{
            AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig,
            IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
        },
    },
};

use super::errors::{explain, topic_error_code};
use crate::{
    broker::State,
    topics::options::{OptionKind, TOPIC_OPTIONS, TopicConfigs, TopicOption, effective, topic_option},
};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// Where a value comes from.
const SOURCE_TOPIC: i8 = 1;
const SOURCE_BROKER_FILE: i8 = 4;
const SOURCE_DEFAULT: i8 = 5;

/// One config of a topic, with the value that counts.
pub(super) struct Entry {
    option: &'static TopicOption,
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) source: i8,
}

/// All configs of a topic with these of its own.
pub(super) fn entries(state: &State, own: &TopicConfigs) -> Vec<Entry> {
    let defaults = state.topics.defaults();
    let entry = |option: &'static TopicOption| Entry {
        option,
        name: option.name,
        value: effective(option.name, own, defaults).to_owned(),
        source: if own.contains_key(option.name) {
            SOURCE_TOPIC
        } else if defaults.contains_key(option.broker_name) {
            SOURCE_BROKER_FILE
        } else {
            SOURCE_DEFAULT
        },
    };
    TOPIC_OPTIONS.iter().map(entry).collect()
}

/// Answers DescribeConfigs.
pub(in crate::server) fn describe(
    state: &State,
    request: &DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let results = request.resources.iter().map(|resource| {
        let described = match resource.resource_type {
            TOPIC => describe_topic(state, request, resource),
            BROKER => describe_broker(state, request, resource),
            other => Err((ErrorCode::INVALID_REQUEST, format!("resource type {other} has no configs here"))),
        };
        let (error_code, error_message, configs) = match described {
            Ok(configs) => (ErrorCode::NONE, None, configs),
            Err((code, message)) => (code, Some(message.into()), Vec::new()),
        };
        DescribeConfigsResult {
            error_code,
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            configs,
        }
    });
    DescribeConfigsResponse { results: results.collect(), ..DescribeConfigsResponse::default() }
}

fn is_wanted(resource: &DescribeConfigsResource, name: &str) -> bool {
    resource.configuration_keys.as_ref().is_none_or(|keys| keys.iter().any(|key| &**key == name))
}

fn describe_topic(
    state: &State,
    request: &DescribeConfigsRequest,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, (ErrorCode, String)> {
    let topic = state.topics.get(&resource.resource_name);
    let topic = topic.ok_or((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "no such topic".to_owned()))?;
    let own = topic.configs();
    let wanted = entries(state, &own).into_iter().filter(|entry| is_wanted(resource, entry.name));
    Ok(wanted
        .map(|entry| {
            let synonyms =
                if request.include_synonyms { synonyms(state, entry.option, &own) } else { Vec::new() };
            let documentation = request.include_documentation.then(|| entry.option.documentation.into());
            result(entry.name, entry.value, entry.source, kind_id(entry.option.kind), synonyms, documentation)
        })
        .collect())
}

/// The values that would count one after the other if those before were not set.
fn synonyms(state: &State, option: &TopicOption, own: &TopicConfigs) -> Vec<DescribeConfigsSynonym> {
    let synonym = |name: &str, value: &str, source| DescribeConfigsSynonym {
        name: name.into(),
        value: Some(value.into()),
        source,
    };
    let topic = own.get(option.name).map(|value| synonym(option.name, value, SOURCE_TOPIC));
    let broker = state.topics.defaults().get(option.broker_name);
    let broker = broker.map(|value| synonym(option.broker_name, value, SOURCE_BROKER_FILE));
    let default = synonym(option.broker_name, option.default, SOURCE_DEFAULT);
    topic.into_iter().chain(broker).chain([default]).collect()
}

fn describe_broker(
    state: &State,
    request: &DescribeConfigsRequest,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, (ErrorCode, String)> {
    let node_id = state.config.node_id.to_string();
    if !resource.resource_name.is_empty() && *resource.resource_name != *node_id {
        let message =
            format!("Unexpected broker id, expected {node_id}, but received {}", resource.resource_name);
        return Err((ErrorCode::INVALID_REQUEST, message));
    }
    let config = &state.config;
    let mut all: Vec<(&str, String, OptionKind)> = vec![
        ("node.id", node_id, OptionKind::Int),
        ("num.partitions", config.partitions_default.to_string(), OptionKind::Int),
        ("auto.create.topics.enable", config.auto_create_topics.to_string(), OptionKind::Boolean),
        ("log.dirs", config.log_directory.display().to_string(), OptionKind::String),
        ("socket.request.max.bytes", config.request_bytes_max.to_string(), OptionKind::Int),
        ("fetch.max.bytes", config.fetch_bytes_max.to_string(), OptionKind::Int),
        ("offsets.retention.minutes", (config.offsets_retention.as_secs() / 60).to_string(), OptionKind::Int),
        ("offset.metadata.max.bytes", config.offset_metadata_bytes_max.to_string(), OptionKind::Int),
        ("default.replication.factor", "1".to_owned(), OptionKind::Int),
    ];
    let none = TopicConfigs::new();
    for option in TOPIC_OPTIONS {
        let value = effective(option.name, &none, state.topics.defaults()).to_owned();
        all.push((option.broker_name, value, option.kind));
    }
    let wanted = all.into_iter().filter(|(name, ..)| is_wanted(resource, name));
    Ok(wanted
        .map(|(name, value, kind)| {
            let documentation = request.include_documentation.then(|| "".into());
            let mut entry = result(name, value, SOURCE_BROKER_FILE, kind_id(kind), Vec::new(), documentation);
            entry.read_only = true;
            entry
        })
        .collect())
}

fn result(
    name: &str,
    value: String,
    config_source: i8,
    config_type: i8,
    synonyms: Vec<DescribeConfigsSynonym>,
    documentation: Option<Text>,
) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult {
        name: name.into(),
        value: Some(value.into()),
        config_source,
        synonyms,
        config_type,
        documentation,
        ..DescribeConfigsResourceResult::default()
    }
}

fn kind_id(kind: OptionKind) -> i8 {
    match kind {
        OptionKind::Boolean => 1,
        OptionKind::String => 2,
        OptionKind::Int => 3,
        OptionKind::Long => 5,
        OptionKind::Double => 6,
        OptionKind::List => 7,
    }
}

/// Answers IncrementalAlterConfigs.
pub(in crate::server) async fn incremental_alter(
    state: Arc<State>,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let altered = tokio::task::spawn_blocking(move || {
        request.resources.iter().map(|resource| alter(&state, resource, request.validate_only)).collect()
    });
    let responses = altered.await.unwrap_or_else(|error| {
        tracing::error!(%error, "altering configs panicked");
        Vec::new()
    });
    IncrementalAlterConfigsResponse { responses, ..IncrementalAlterConfigsResponse::default() }
}

fn alter(
    state: &State,
    resource: &AlterConfigsResource,
    validate_only: bool,
) -> AlterConfigsResourceResponse {
    let (kind, name) = (resource.resource_type, &resource.resource_name);
    let (error_code, error_message) = change(state, kind, name, validate_only, |old| {
        let mut configs = old.clone();
        for config in &resource.configs {
            apply(&mut configs, state.topics.defaults(), config)?;
        }
        Ok(configs)
    });
    AlterConfigsResourceResponse {
        error_code,
        error_message,
        resource_type: kind,
        resource_name: name.clone(),
    }
}

/// Changes a topic's configs; nothing else has any that change while the broker runs.
fn change(
    state: &State,
    resource_type: i8,
    name: &str,
    validate_only: bool,
    change: impl FnOnce(&TopicConfigs) -> Result<TopicConfigs, String>,
) -> (ErrorCode, Option<Text>) {
    if resource_type != TOPIC {
        let message = "only topics have configs that can be changed while the broker runs";
        return (ErrorCode::INVALID_REQUEST, Some(message.into()));
    }
    match state.topics.set_configs(name, change, validate_only) {
        Ok(()) => (ErrorCode::NONE, None),
        Err(error) => (topic_error_code(&error), Some(explain(&error).into())),
    }
}

/// Answers AlterConfigs, which replaces all of a topic's own configs.
pub(in crate::server) async fn alter_all(
    state: Arc<State>,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let altered = tokio::task::spawn_blocking(move || {
        let replace = |resource: &alter_configs::AlterConfigsResource| {
            let (kind, name) = (resource.resource_type, &resource.resource_name);
            let own = resource
                .configs
                .iter()
                .filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string())));
            let own: TopicConfigs = own.collect();
            let (error_code, error_message) =
                change(&state, kind, name, request.validate_only, |_old| Ok(own));
            alter_configs::AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type: kind,
                resource_name: name.clone(),
            }
        };
        request.resources.iter().map(replace).collect()
    });
    let responses = altered.await.unwrap_or_else(|error| {
        tracing::error!(%error, "altering configs panicked");
        Vec::new()
    });
    AlterConfigsResponse { responses, ..AlterConfigsResponse::default() }
}

/// One of the four operations: set, delete, append to a list, subtract from a list.
fn apply(
    configs: &mut TopicConfigs,
    defaults: &TopicConfigs,
    change: &AlterableConfig,
) -> Result<(), String> {
    const SET: i8 = 0;
    const DELETE: i8 = 1;
    const APPEND: i8 = 2;
    const SUBTRACT: i8 = 3;
    let name = change.name.to_string();
    let option = topic_option(&name).ok_or_else(|| format!("Unknown topic config name: {name}"))?;
    if change.config_operation == DELETE {
        configs.remove(&name);
        return Ok(());
    }
    let value = change.value.as_ref().ok_or_else(|| format!("{name} needs a value"))?;
    if change.config_operation == SET {
        configs.insert(name, value.to_string());
        return Ok(());
    }
    if option.kind != OptionKind::List {
        return Err(format!("Config value append is not allowed for config key: {name}"));
    }
    let given: Vec<&str> = value.split(',').map(str::trim).collect();
    let mut list: Vec<String> =
        effective(&name, configs, defaults).split(',').map(|item| item.trim().to_owned()).collect();
    list.retain(|item| !given.contains(&item.as_str()));
    match change.config_operation {
        APPEND => list.extend(given.iter().map(|item| (*item).to_owned())),
        SUBTRACT => {}
        other => return Err(format!("unknown operation {other} for {name}")),
    }
    configs.insert(name, list.join(","));
    Ok(())
}
