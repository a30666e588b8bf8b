//! Metadata: which topics there are and who leads them (we do), creating topics that are asked for if the broker may.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use broker_protocol::{
    ErrorCode, Text, Uuid,
    messages::metadata::{
        MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
        MetadataResponsePartition, MetadataResponseTopic,
    },
};

use super::{
    errors::{explain, topic_error_code},
    wire_id,
};
use crate::{
    broker::State,
    server::connection::Session,
    topics::{NewTopic, Topic, TopicError, check_name, is_internal, options::TopicConfigs},
};

/// Answers Metadata.
pub(in crate::server) async fn metadata(
    state: Arc<State>,
    session: &Session,
    request: MetadataRequest,
    version: i16,
) -> MetadataResponse {
    let broker = MetadataResponseBroker {
        node_id: state.config.node_id,
        host: session.advertised.host.as_str().into(),
        port: i32::from(session.advertised.port),
        ..MetadataResponseBroker::default()
    };
    let all = version == 0 && request.topics.as_ref().is_some_and(Vec::is_empty);
    let topics = match request.topics {
        Some(wanted) if !all => {
            let create = request.allow_auto_topic_creation && state.config.auto_create_topics;
            let mut seen = HashSet::new();
            // As in Kafka, a topic that is named again is described once: a small request must not get a huge answer.
            let once = |topic: &MetadataRequestTopic| seen.insert((topic.topic_id, topic.name.clone()));
            let wanted: Vec<_> = wanted.into_iter().filter(once).collect();
            let refused = if create { create_missing(&state, &wanted).await } else { HashMap::new() };
            wanted.into_iter().map(|topic| describe_wanted(&state, topic, &refused)).collect()
        }
        _ => state.topics.all().iter().map(|topic| describe(&state, topic)).collect(),
    };
    MetadataResponse {
        brokers: vec![broker],
        cluster_id: Some(state.cluster_id.as_str().into()),
        controller_id: state.config.node_id,
        topics,
        ..MetadataResponse::default()
    }
}

/// Makes the topics that are not there, all at once; says which could not be made.
async fn create_missing(state: &Arc<State>, wanted: &[MetadataRequestTopic]) -> HashMap<Text, ErrorCode> {
    let is_missing =
        |name: &&Text| state.topics.get(name).is_none() && check_name(name).is_ok() && !is_internal(name);
    let missing: Vec<Text> =
        wanted.iter().filter_map(|topic| topic.name.as_ref()).filter(is_missing).cloned().collect();
    if missing.is_empty() {
        return HashMap::new();
    }
    let partitions = state.config.partitions_default;
    let new = |name: &Text| NewTopic { name: name.to_string(), partitions, configs: TopicConfigs::new() };
    let (shared, new) = (Arc::clone(state), missing.iter().map(new).collect());
    let created = tokio::task::spawn_blocking(move || shared.topics.get_or_create_all(new)).await;
    let created = match created {
        Ok(created) => created,
        Err(error) => {
            tracing::error!(%error, "creating topics panicked");
            return missing.into_iter().map(|name| (name, ErrorCode::UNKNOWN_SERVER_ERROR)).collect();
        }
    };
    let refusal = |(name, outcome): (Text, Result<Arc<Topic>, TopicError>)| {
        let error = outcome.err()?;
        tracing::warn!(topic = %name, "cannot create: {}", explain(&error));
        Some((name, topic_error_code(&error)))
    };
    missing.into_iter().zip(created).filter_map(refusal).collect()
}

/// Describes a topic. `refused` tells why those could not be made that were not there.
fn describe_wanted(
    state: &State,
    wanted: MetadataRequestTopic,
    refused: &HashMap<Text, ErrorCode>,
) -> MetadataResponseTopic {
    let Some(name) = wanted.name else {
        return match state.topics.by_id(uuid::Uuid::from_bytes(wanted.topic_id.0)) {
            Some(topic) => describe(state, &topic),
            None => failed(None, wanted.topic_id, ErrorCode::UNKNOWN_TOPIC_ID),
        };
    };
    if let Some(topic) = state.topics.get(&name) {
        return describe(state, &topic);
    }
    let is_legal = check_name(&name).is_ok();
    let code = match refused.get(&name) {
        Some(code) => *code,
        None if is_legal => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        None => ErrorCode::INVALID_TOPIC_EXCEPTION,
    };
    failed(Some(name), Uuid::ZERO, code)
}

fn failed(name: Option<Text>, topic_id: Uuid, error_code: ErrorCode) -> MetadataResponseTopic {
    MetadataResponseTopic { error_code, name, topic_id, ..MetadataResponseTopic::default() }
}

fn describe(state: &State, topic: &Topic) -> MetadataResponseTopic {
    let node = state.config.node_id;
    let partition = |partition_index| MetadataResponsePartition {
        partition_index,
        leader_id: node,
        leader_epoch: 0,
        replica_nodes: vec![node],
        isr_nodes: vec![node],
        ..MetadataResponsePartition::default()
    };
    let count = i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
    MetadataResponseTopic {
        name: Some((&*topic.name).into()),
        topic_id: wire_id(topic),
        is_internal: topic.is_internal(),
        partitions: (0..count).map(partition).collect(),
        ..MetadataResponseTopic::default()
    }
}
