//! DescribeConfigs. Defaults are listed too, with where each value comes from: Kafka Connect reads a topic's cleanup.policy
//! this way, and tools that read, change and write back would wipe what is not listed.
//!
//! Topics stand here, brokers in `broker`, changes of both in `alter`.

pub(in crate::server) mod alter;
mod broker;

use std::collections::HashSet;

use broker_protocol::{
    ErrorCode,
    messages::describe_configs::{
        DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
        DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
    },
};

use crate::{
    broker::State,
    topics::{
        Defaults, check_name,
        options::{OptionKind, TOPIC_OPTIONS, TopicConfigs, TopicOption, effective},
    },
};

/// What has configs.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
/// Where a value comes from.
const SOURCE_TOPIC: i8 = 1;
const SOURCE_BROKER: i8 = 2;
const SOURCE_CLUSTER: i8 = 3;
const SOURCE_FILE: i8 = 4;
const SOURCE_DEFAULT: i8 = 5;
const SOURCE_LOGGER: i8 = 6;

/// Why a resource's configs cannot be described or changed.
type Failure = (ErrorCode, String);

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
        value: effective(option.name, own, defaults.merged()).to_owned(),
        source: synonyms(&defaults, option, Some(own)).first().map_or(SOURCE_DEFAULT, |first| first.source),
    };
    TOPIC_OPTIONS.iter().map(entry).collect()
}

/// Answers DescribeConfigs.
pub(in crate::server) fn describe(
    state: &State,
    request: &DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let mut seen = HashSet::new();
    let results = request.resources.iter().map(|resource| {
        let described = match resource.resource_type {
            // A small request must not get a huge answer.
            _ if !seen.insert((resource.resource_type, &resource.resource_name)) => {
                Err((ErrorCode::INVALID_REQUEST, "Each resource must appear at most once.".to_owned()))
            }
            TOPIC => describe_topic(state, resource),
            BROKER => broker::describe(state, resource),
            BROKER_LOGGER => broker::describe_loggers(state, resource),
            other => Err((ErrorCode::INVALID_REQUEST, format!("resource type {other} has no configs here"))),
        };
        let (error_code, error_message, mut configs) = match described {
            Ok(configs) => (ErrorCode::NONE, None, configs),
            Err((code, message)) => (code, Some(message.into()), Vec::new()),
        };
        let keys = resource.configuration_keys.as_ref();
        configs.retain(|config| keys.is_none_or(|keys| keys.contains(&config.name)));
        for config in &mut configs {
            if !request.include_synonyms {
                config.synonyms.clear();
            }
            if !request.include_documentation {
                config.documentation = None;
            }
        }
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

fn describe_topic(
    state: &State,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, Failure> {
    check_name(&resource.resource_name).map_err(|reason| (ErrorCode::INVALID_TOPIC_EXCEPTION, reason))?;
    let topic = state.topics.get(&resource.resource_name);
    let topic = topic.ok_or((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "no such topic".to_owned()))?;
    let (own, defaults) = (topic.configs(), state.topics.defaults());
    let describe = |entry: Entry| DescribeConfigsResourceResult {
        name: entry.name.into(),
        value: Some(entry.value.into()),
        config_source: entry.source,
        synonyms: synonyms(&defaults, entry.option, Some(&own)),
        config_type: kind_id(entry.option.kind),
        documentation: Some(entry.option.documentation.into()),
        ..DescribeConfigsResourceResult::default()
    };
    Ok(entries(state, &own).into_iter().map(describe).collect())
}

/// The values that would count one after the other if those before were not set; the first is the one that counts.
fn synonyms(
    defaults: &Defaults,
    option: &TopicOption,
    own: Option<&TopicConfigs>,
) -> Vec<DescribeConfigsSynonym> {
    let synonym = |name: &str, value: &str, source| DescribeConfigsSynonym {
        name: name.into(),
        value: Some(value.into()),
        source,
    };
    let topic = own.and_then(|own| own.get(option.name));
    let topic = topic.map(|value| synonym(option.name, value, SOURCE_TOPIC));
    let said = [
        (&defaults.broker, SOURCE_BROKER),
        (&defaults.cluster, SOURCE_CLUSTER),
        (&defaults.file, SOURCE_FILE),
    ];
    let said = said.into_iter().filter_map(|(configs, source)| {
        Some(synonym(option.broker_name, configs.get(option.broker_name)?, source))
    });
    let default = synonym(option.broker_name, option.default, SOURCE_DEFAULT);
    topic.into_iter().chain(said).chain([default]).collect()
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
