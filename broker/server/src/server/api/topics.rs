//! CreateTopics, DeleteTopics, CreatePartitions, DeleteRecords. Each topic succeeds or fails for itself.

use std::{collections::HashMap, sync::Arc};

use broker_protocol::{
    ErrorCode, Text, Uuid,
    messages::{
        create_partitions::{CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopicResult},
        create_topics::{
            CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest,
            CreateTopicsResponse,
        },
        delete_records::{
            DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
            DeleteRecordsTopicResult,
        },
        delete_topics::{DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse},
    },
};

use super::{
    configs,
    errors::{explain, log_error_code, topic_error_code},
    wire_id,
};
use crate::{
    broker::State,
    group::Coordinator,
    topics::{NewTopic, TopicError, options::TopicConfigs},
};

/// Partitions that one request may create, as in Kafka.
const REQUEST_PARTITIONS_MAX: usize = 10_000;

/// Runs an answer that blocks on the disk; if it panics, the answer is the default one with an error in the log.
async fn blocking<T: Default + Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request panicked");
        T::default()
    })
}

/// Answers CreateTopics.
pub(in crate::server) async fn create(
    state: Arc<State>,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let topics = blocking(move || {
        let mut times: HashMap<Text, usize> = HashMap::new();
        for topic in &request.topics {
            *times.entry(topic.name.clone()).or_default() += 1;
        }
        let asked = request.topics.iter().map(|topic| topic_partitions(&state, topic)).sum::<usize>();
        if asked > REQUEST_PARTITIONS_MAX {
            return request.topics.iter().map(|topic| too_many(topic, asked)).collect();
        }
        let wanted = request.topics.iter().map(|topic| new_topic(&state, topic, times[&topic.name] > 1));
        let outcomes = create_all(&state, wanted.collect(), request.validate_only);
        let answer = |(topic, outcome)| answer(&state, topic, outcome);
        request.topics.iter().zip(outcomes).map(answer).collect()
    })
    .await;
    CreateTopicsResponse { topics, ..CreateTopicsResponse::default() }
}

/// Partitions that a topic to be created asks for, as far as they can be.
fn topic_partitions(state: &State, topic: &CreatableTopic) -> usize {
    let asked = partition_count(state, topic).unwrap_or(0);
    usize::try_from(asked).unwrap_or(0)
}

fn too_many(topic: &CreatableTopic, asked: usize) -> CreatableTopicResult {
    let reason = format!(
        "Excessively large number of partitions per request: {asked}, at most {REQUEST_PARTITIONS_MAX}."
    );
    CreatableTopicResult {
        name: topic.name.clone(),
        error_code: ErrorCode::POLICY_VIOLATION,
        error_message: Some(reason.into()),
        ..CreatableTopicResult::default()
    }
}

type Failure = (ErrorCode, String);
/// Its id, how many partitions it has, and its own configs.
type Created = (Uuid, i32, TopicConfigs);

fn topic_failure(error: &TopicError) -> Failure {
    (topic_error_code(error), explain(error))
}

fn answer(state: &State, topic: &CreatableTopic, outcome: Result<Created, Failure>) -> CreatableTopicResult {
    match outcome {
        Ok((topic_id, partitions, own)) => {
            let configs = configs::entries(state, &own).into_iter().map(|entry| CreatableTopicConfigs {
                name: entry.name.into(),
                value: Some(entry.value.into()),
                read_only: false,
                config_source: entry.source,
                is_sensitive: false,
            });
            CreatableTopicResult {
                name: topic.name.clone(),
                topic_id,
                num_partitions: partitions,
                replication_factor: 1,
                configs: Some(configs.collect()),
                ..CreatableTopicResult::default()
            }
        }
        Err((error_code, message)) => CreatableTopicResult {
            name: topic.name.clone(),
            error_code,
            error_message: Some(message.into()),
            ..CreatableTopicResult::default()
        },
    }
}

/// Makes all of a request's topics that can be made; the outcomes are in their order.
fn create_all(
    state: &State,
    wanted: Vec<Result<NewTopic, Failure>>,
    validate_only: bool,
) -> Vec<Result<Created, Failure>> {
    let sound: Vec<NewTopic> = wanted.iter().filter_map(|topic| topic.as_ref().ok().cloned()).collect();
    let ids: Vec<Result<Uuid, TopicError>> = if validate_only {
        sound.iter().map(|topic| state.topics.check_new(topic).map(|()| Uuid::ZERO)).collect()
    } else {
        state.topics.create_all(sound).into_iter().map(|made| made.map(|topic| wire_id(&topic))).collect()
    };
    let mut ids = ids.into_iter();
    let outcome = |topic: Result<NewTopic, Failure>| {
        let NewTopic { name, partitions, configs } = topic?;
        let id = ids.next().unwrap_or(Err(TopicError::Unknown(name)));
        id.map(|id| (id, partitions, configs)).map_err(|error| topic_failure(&error))
    };
    wanted.into_iter().map(outcome).collect()
}

/// What a request wants, unless that makes no sense.
fn new_topic(state: &State, topic: &CreatableTopic, repeated: bool) -> Result<NewTopic, Failure> {
    if repeated {
        return Err((ErrorCode::INVALID_REQUEST, "The request names this topic more than once.".to_owned()));
    }
    let partitions = partition_count(state, topic)?;
    let mut configs = TopicConfigs::new();
    for config in &topic.configs {
        let Some(value) = &config.value else {
            return Err((
                ErrorCode::INVALID_CONFIG,
                format!("Null value not supported for topic configs: {}", config.name),
            ));
        };
        configs.insert(config.name.to_string(), value.to_string());
    }
    Ok(NewTopic { name: topic.name.to_string(), partitions, configs })
}

/// How many partitions the topic gets, by number or by assignment to this broker.
fn partition_count(state: &State, topic: &CreatableTopic) -> Result<i32, Failure> {
    if topic.assignments.is_empty() {
        if !matches!(topic.replication_factor, 1 | -1) {
            let reason = format!(
                "Unable to replicate the partition {} time(s): The target replication factor of {0} cannot be reached because only 1 broker(s) are registered.",
                topic.replication_factor
            );
            return Err((ErrorCode::INVALID_REPLICATION_FACTOR, reason));
        }
        let asked = topic.num_partitions;
        return Ok(if asked == -1 { state.config.partitions_default } else { asked });
    }
    if topic.num_partitions != -1 || topic.replication_factor != -1 {
        let reason = "Both numPartitions or replicationFactor and replicasAssignments were set.".to_owned();
        return Err((ErrorCode::INVALID_REQUEST, reason));
    }
    let mut indexes: Vec<i32> =
        topic.assignments.iter().map(|assignment| assignment.partition_index).collect();
    indexes.sort_unstable();
    let here = topic.assignments.iter().all(|assignment| assignment.broker_ids == [state.config.node_id]);
    if !here || !indexes.iter().zip(0..).all(|(index, expected)| *index == expected) {
        let reason = "partitions must be assigned consecutively from 0, each to this one broker".to_owned();
        return Err((ErrorCode::INVALID_REPLICA_ASSIGNMENT, reason));
    }
    Ok(i32::try_from(indexes.len()).unwrap_or(i32::MAX))
}

/// Answers DeleteTopics.
pub(in crate::server) async fn delete(
    state: Arc<State>,
    request: DeleteTopicsRequest,
    version: i16,
) -> DeleteTopicsResponse {
    let wanted: Vec<DeleteTopicState> = if version >= 6 {
        request.topics
    } else {
        let by_name = |name| DeleteTopicState { name: Some(name), ..DeleteTopicState::default() };
        request.topic_names.into_iter().map(by_name).collect()
    };
    let shared = Arc::clone(&state);
    let responses: Vec<DeletableTopicResult> =
        blocking(move || wanted.into_iter().map(|topic| delete_one(&shared, topic)).collect()).await;
    for deleted in responses.iter().filter(|topic| topic.error_code == ErrorCode::NONE) {
        if let Some(name) = &deleted.name {
            Coordinator::forget_topic(&state, name).await;
        }
    }
    DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() }
}

fn delete_one(state: &State, wanted: DeleteTopicState) -> DeletableTopicResult {
    let topic = match &wanted.name {
        Some(name) => state.topics.get(name),
        None => state.topics.by_id(uuid::Uuid::from_bytes(wanted.topic_id.0)),
    };
    let failed = |error_code, message: String| DeletableTopicResult {
        name: wanted.name.clone(),
        topic_id: wanted.topic_id,
        error_code,
        error_message: Some(message.into()),
    };
    let Some(topic) = topic else {
        let by_name = wanted.name.is_some();
        let code = if by_name { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION } else { ErrorCode::UNKNOWN_TOPIC_ID };
        return failed(code, "This server does not host this topic.".to_owned());
    };
    if topic.is_internal() {
        return failed(ErrorCode::INVALID_TOPIC_EXCEPTION, "the broker needs its internal topics".to_owned());
    }
    match state.topics.delete(&topic.name) {
        Ok(()) => DeletableTopicResult {
            name: Some((&*topic.name).into()),
            topic_id: wire_id(&topic),
            ..DeletableTopicResult::default()
        },
        Err(error) => failed(topic_error_code(&error), explain(&error)),
    }
}

/// Answers CreatePartitions.
pub(in crate::server) async fn create_partitions(
    state: Arc<State>,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let results = blocking(move || {
        let add = |topic: broker_protocol::messages::create_partitions::CreatePartitionsTopic| {
            let done = state.topics.create_partitions(&topic.name, topic.count, request.validate_only);
            let (error_code, error_message) = match done {
                Ok(()) => (ErrorCode::NONE, None),
                Err(error) => (topic_error_code(&error), Some(explain(&error).into())),
            };
            CreatePartitionsTopicResult { name: topic.name, error_code, error_message }
        };
        request.topics.into_iter().map(add).collect()
    })
    .await;
    CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() }
}

/// Answers DeleteRecords.
pub(in crate::server) async fn delete_records(
    state: Arc<State>,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let topics = blocking(move || {
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|wanted| {
                let (low_watermark, error_code) =
                    delete_before(&state, &topic.name, wanted.partition_index, wanted.offset);
                DeleteRecordsPartitionResult {
                    partition_index: wanted.partition_index,
                    low_watermark,
                    error_code,
                }
            });
            DeleteRecordsTopicResult { partitions: partitions.collect(), name: topic.name.clone() }
        });
        topics.collect()
    })
    .await;
    DeleteRecordsResponse { topics, ..DeleteRecordsResponse::default() }
}

fn delete_before(state: &State, topic: &str, partition: i32, offset: i64) -> (i64, ErrorCode) {
    let Some(log) = state.topics.partition(topic, partition) else {
        return (-1, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    };
    if !log.config().cleanup_policy.delete {
        return (-1, ErrorCode::POLICY_VIOLATION);
    }
    let offset = if offset == -1 { log.offsets().high_watermark } else { offset };
    match log.delete_before(offset) {
        Ok(start) => (start, ErrorCode::NONE),
        Err(error) => {
            tracing::warn!(topic, partition, "cannot delete records: {}", explain(&error));
            (-1, log_error_code(&error))
        }
    }
}
