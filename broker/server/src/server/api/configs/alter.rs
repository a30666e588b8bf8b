//! AlterConfigs, which replaces all that a resource has of its own, and IncrementalAlterConfigs with its four operations.
//! Each resource succeeds or fails for itself and as a whole.

use std::{collections::BTreeSet, sync::Arc};

use broker_protocol::{
    ErrorCode, Text,
    messages::{
        alter_configs::{self, AlterConfigsRequest, AlterConfigsResponse},
        incremental_alter_configs::{
            AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig,
            IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
        },
    },
};

use super::{BROKER, BROKER_LOGGER, TOPIC, broker};
use crate::{
    broker::State,
    server::api::errors::{explain, topic_error_code},
    topics::{
        TopicError, option_of_broker,
        options::{OptionKind, TopicConfigs, TopicOption, topic_option},
    },
};

/// What one resource is answered.
type Outcome = (ErrorCode, Option<Text>);

fn refused(message: impl Into<Text>) -> Outcome {
    (ErrorCode::INVALID_REQUEST, Some(message.into()))
}

/// Answers IncrementalAlterConfigs.
pub(in crate::server) async fn incremental(
    state: Arc<State>,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let altered = tokio::task::spawn_blocking(move || {
        let resources =
            request.resources.iter().map(|resource| (resource.resource_type, &resource.resource_name));
        let repeated = repeated(resources);
        let alter = |resource: &AlterConfigsResource| {
            let (resource_type, resource_name) = (resource.resource_type, resource.resource_name.clone());
            let (error_code, error_message) = if repeated.contains(&(resource_type, &resource_name)) {
                refused("Each resource must appear at most once.")
            } else {
                alter(&state, resource, request.validate_only)
            };
            AlterConfigsResourceResponse { error_code, error_message, resource_type, resource_name }
        };
        request.resources.iter().map(alter).collect()
    });
    let responses = altered.await.unwrap_or_else(|error| {
        tracing::error!(%error, "altering configs panicked");
        Vec::new()
    });
    IncrementalAlterConfigsResponse { responses, ..IncrementalAlterConfigsResponse::default() }
}

/// What is named more than once.
fn repeated<'a>(resources: impl Iterator<Item = (i8, &'a Text)>) -> BTreeSet<(i8, &'a Text)> {
    let (mut seen, mut repeated) = (BTreeSet::new(), BTreeSet::new());
    for resource in resources {
        if !seen.insert(resource) {
            repeated.insert(resource);
        }
    }
    repeated
}

fn alter(state: &State, resource: &AlterConfigsResource, validate_only: bool) -> Outcome {
    let (kind, name) = (resource.resource_type, &resource.resource_name);
    let mut names = BTreeSet::new();
    if !resource.configs.iter().all(|config| names.insert(&*config.name)) {
        return refused("Error due to duplicate config keys");
    }
    change(state, kind, name, validate_only, |old| {
        let mut configs = old.clone();
        let defaults = state.topics.defaults();
        for config in &resource.configs {
            let option = option_of(kind, &config.name)?;
            let held = old.get(&*config.name).or_else(|| defaults.merged().get(option.broker_name));
            let held = held.map_or(option.default, String::as_str);
            apply(&mut configs, option, held, config)?;
        }
        Ok(configs)
    })
}

fn option_of(resource_type: i8, name: &str) -> Result<&'static TopicOption, TopicError> {
    if resource_type == TOPIC {
        let unknown = || TopicError::InvalidConfig(format!("Unknown topic config name: {name}"));
        return topic_option(name).ok_or_else(unknown);
    }
    option_of_broker(name).ok_or_else(|| {
        TopicError::InvalidRequest(format!("Cannot update these configs dynamically: Set({name})"))
    })
}

/// Changes what a resource has of its own.
fn change(
    state: &State,
    resource_type: i8,
    name: &str,
    validate_only: bool,
    change: impl FnOnce(&TopicConfigs) -> Result<TopicConfigs, TopicError>,
) -> Outcome {
    let changed = match resource_type {
        TOPIC => state.topics.set_configs(name, change, validate_only),
        BROKER => match broker::scope(state, name) {
            Ok(scope) => state.topics.set_defaults(scope, change, validate_only),
            Err((_, message)) => return refused(message),
        },
        BROKER_LOGGER => return refused("levels are set with RUST_LOG when the process is started"),
        other => return refused(format!("resource type {other} has no configs here")),
    };
    match changed {
        Ok(()) => (ErrorCode::NONE, None),
        Err(error) => (topic_error_code(&error), Some(explain(&error).into())),
    }
}

/// Answers AlterConfigs.
pub(in crate::server) async fn replace(
    state: Arc<State>,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let altered = tokio::task::spawn_blocking(move || {
        let resources =
            request.resources.iter().map(|resource| (resource.resource_type, &resource.resource_name));
        let repeated = repeated(resources);
        let replace = |resource: &alter_configs::AlterConfigsResource| {
            let (resource_type, resource_name) = (resource.resource_type, resource.resource_name.clone());
            let (error_code, error_message) = if repeated.contains(&(resource_type, &resource_name)) {
                refused("Each resource must appear at most once.")
            } else {
                replace_one(&state, resource, request.validate_only)
            };
            alter_configs::AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type,
                resource_name,
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

fn replace_one(
    state: &State,
    resource: &alter_configs::AlterConfigsResource,
    validate_only: bool,
) -> Outcome {
    let mut own = TopicConfigs::new();
    for config in &resource.configs {
        let Some(value) = &config.value else {
            return refused(format!("Null value not supported for : {}", config.name));
        };
        if own.insert(config.name.to_string(), value.to_string()).is_some() {
            return refused("Error due to duplicate config keys");
        }
    }
    change(state, resource.resource_type, &resource.resource_name, validate_only, |_old| Ok(own))
}

/// One of the four operations: set, delete, append to a list, subtract from a list. `held` is the value that counts now.
fn apply(
    configs: &mut TopicConfigs,
    option: &TopicOption,
    held: &str,
    change: &AlterableConfig,
) -> Result<(), TopicError> {
    const SET: i8 = 0;
    const DELETE: i8 = 1;
    const APPEND: i8 = 2;
    const SUBTRACT: i8 = 3;
    let (name, operation) = (change.name.to_string(), change.config_operation);
    if operation == DELETE {
        configs.remove(&name);
        return Ok(());
    }
    let Some(value) = &change.value else {
        return Err(TopicError::InvalidRequest(format!("Null value not supported for : {name}")));
    };
    if operation == SET {
        configs.insert(name, value.to_string());
        return Ok(());
    }
    if !matches!(operation, APPEND | SUBTRACT) {
        return Err(TopicError::InvalidRequest(format!("Unknown operation {operation} for {name}")));
    }
    if option.kind != OptionKind::List {
        let word = if operation == APPEND { "append" } else { "subtract" };
        let reason = format!("Config value {word} is not allowed for config key: {name}");
        return Err(TopicError::InvalidConfig(reason));
    }
    let mut list: Vec<&str> = held.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
    let given: Vec<&str> = value.split(',').map(str::trim).collect();
    if operation == SUBTRACT {
        list.retain(|item| !given.contains(item));
    } else {
        for item in given {
            if !list.contains(&item) {
                list.push(item);
            }
        }
    }
    configs.insert(name, list.join(","));
    Ok(())
}
