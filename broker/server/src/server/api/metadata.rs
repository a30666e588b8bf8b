//! Metadata: which topics there are and who leads them (we do), creating topics that are asked for if the broker may.

use std::{collections::HashSet, sync::Arc};

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
    topics::{Topic, check_name, is_internal, options::TopicConfigs},
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
            let (mut topics, mut seen) = (Vec::new(), HashSet::new());
            for topic in wanted {
                // As in Kafka, a topic that is named again is described once: a small request must not get a huge answer.
                if !seen.insert((topic.topic_id, topic.name.clone())) {
                    continue;
                }
                topics.push(describe_wanted(&state, topic, create).await);
            }
            topics
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

async fn describe_wanted(
    state: &Arc<State>,
    wanted: MetadataRequestTopic,
    create: bool,
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
    if check_name(&name).is_err() {
        return failed(Some(name), Uuid::ZERO, ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    if !create || is_internal(&name) {
        return failed(Some(name), Uuid::ZERO, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    let (shared, new) = (Arc::clone(state), name.clone());
    let created = tokio::task::spawn_blocking(move || {
        shared.topics.get_or_create(&new, shared.config.partitions_default, TopicConfigs::new())
    });
    match created.await {
        Ok(Ok(topic)) => describe(state, &topic),
        Ok(Err(error)) => {
            tracing::warn!(topic = %name, "cannot create: {}", explain(&error));
            failed(Some(name), Uuid::ZERO, topic_error_code(&error))
        }
        Err(error) => {
            tracing::error!(topic = %name, %error, "creating panicked");
            failed(Some(name), Uuid::ZERO, ErrorCode::UNKNOWN_SERVER_ERROR)
        }
    }
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
