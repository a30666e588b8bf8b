//! The cluster, its topics and their settings.

use std::collections::HashMap;

use broker_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use broker_protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use broker_protocol::messages::describe_cluster::DescribeClusterRequest;
use broker_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResult,
};
use broker_protocol::messages::metadata::{MetadataResponsePartition, MetadataResponseTopic};
use broker_protocol::{ApiKey, ErrorCode, Request};

use super::description::{ConfigSource, PartitionDetails, TopicDetails};
use super::refused;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::types::{
    BrokerDescription, ClusterDescription, ConfigEntry, NewTopic, TopicDescription, TopicOutcome, TopicResult,
};

/// DescribeConfigs' resource type of topics.
pub(crate) const TOPIC_RESOURCE: i8 = 2;

impl Client {
    /// Who the cluster is: its id, its brokers, its controller.
    pub async fn cluster(&self) -> Result<ClusterDescription> {
        self.retrying(|| async move {
            let connection = self.any().await?;
            if !connection.versions().offers(ApiKey::DescribeCluster) {
                self.refresh(Some(&[]), false).await?;
                return Ok(self.metadata().describe_cluster());
            }
            let request = DescribeClusterRequest::default();
            let response = connection.call(&request, 1, None).await?;
            response.error_code.check().map_err(|code| {
                let message = response.error_message.as_ref();
                refused(&connection, ApiKey::DescribeCluster, "the cluster", code, message)
            })?;
            let brokers = response.brokers.iter().map(|broker| BrokerDescription {
                id: broker.broker_id,
                host: broker.host.to_string(),
                port: broker.port,
            });
            Ok(ClusterDescription {
                cluster_id: Some(response.cluster_id.to_string()),
                brokers: brokers.collect(),
                controller: response.controller_id,
            })
        })
        .await
    }

    /// Every topic there is.
    pub async fn topics(&self) -> Result<Vec<TopicDescription>> {
        self.retrying(|| async move {
            self.refresh(None, false).await?;
            Ok(self.metadata().describe_topics())
        })
        .await
    }

    /// How many partitions a topic has. With `create` the broker may create it (if its settings allow), else a topic that is
    /// not there is [`Error::UnknownTopic`] at once.
    pub async fn partitions_for(&self, topic: &str, create: bool) -> Result<i32> {
        let unknown = || Error::UnknownTopic { topic: topic.to_owned() };
        let counts = self.partition_counts(&[topic], create).await?;
        counts.first().copied().flatten().ok_or_else(unknown)
    }

    /// How many partitions each of some topics has, asked for all at once. With `create` the broker may create what is missing (if its
    /// settings allow), else a topic that is not there has none.
    ///
    /// # Errors
    /// About the first topic that cannot be told of.
    pub async fn partition_counts(&self, topics: &[&str], create: bool) -> Result<Vec<Option<i32>>> {
        self.retrying(|| async move {
            let response = self.refresh(Some(topics), create).await?;
            let codes =
                response.topics.iter().filter_map(|topic| Some((&**topic.name.as_ref()?, topic.error_code)));
            let codes: HashMap<&str, ErrorCode> = codes.collect();
            let metadata = self.metadata();
            let mut counts = Vec::with_capacity(topics.len());
            for topic in topics {
                let code = codes.get(topic).copied().unwrap_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
                match metadata.partition_count(topic).filter(|count| *count > 0) {
                    Some(count) => counts.push(Some(count)),
                    None if code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION && !create => counts.push(None),
                    None => {
                        let connection = self.any().await?;
                        return Err(refused(
                            &connection,
                            ApiKey::Metadata,
                            format!("topic {topic}"),
                            code,
                            None,
                        ));
                    }
                }
            }
            Ok(counts)
        })
        .await
    }

    /// A topic with its partitions, replicas and leaders. A topic that is not there is [`Error::UnknownTopic`] at once.
    pub async fn describe_topic(&self, topic: &str) -> Result<TopicDetails> {
        let found = self
            .retrying(|| async move {
                let response = self.refresh(Some(&[topic]), false).await?;
                let answer = response.topics.into_iter().next().unwrap_or_default();
                match answer.error_code {
                    ErrorCode::NONE => Ok(Some(topic_details(answer))),
                    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => Ok(None),
                    code => {
                        let connection = self.any().await?;
                        Err(refused(&connection, ApiKey::Metadata, format!("topic {topic}"), code, None))
                    }
                }
            })
            .await?;
        found.ok_or_else(|| Error::UnknownTopic { topic: topic.to_owned() })
    }

    /// Creates topics; the answer says for each what became of it.
    pub async fn create_topics(&self, topics: &[NewTopic]) -> Result<Vec<TopicOutcome>> {
        let request = CreateTopicsRequest {
            topics: topics.iter().map(creatable).collect(),
            timeout_ms: millis(self.config().request_timeout),
            validate_only: false,
        };
        let request = &request;
        self.retrying(|| async move {
            let connection = self.controller().await?;
            // Before version 4 there are no broker defaults to ask for with -1; brokers of that age are not supported anyway.
            let response = connection.call(request, i16::MAX, None).await?;
            let outcomes = response.topics.iter().map(|topic| {
                let result = match topic.error_code {
                    ErrorCode::NONE => TopicResult::Done,
                    ErrorCode::TOPIC_ALREADY_EXISTS => TopicResult::AlreadyExists,
                    code => {
                        let subject = format!("topic {}", topic.name);
                        let message = topic.error_message.as_ref();
                        TopicResult::Failed(refused(
                            &connection,
                            ApiKey::CreateTopics,
                            subject,
                            code,
                            message,
                        ))
                    }
                };
                TopicOutcome { name: topic.name.to_string(), result }
            });
            retriable_first(outcomes.collect())
        })
        .await
    }

    /// Deletes topics; the answer says for each what became of it.
    pub async fn delete_topics(&self, topics: &[&str]) -> Result<Vec<TopicOutcome>> {
        let state = |name: &&str| DeleteTopicState { name: Some((*name).into()), ..Default::default() };
        let request = DeleteTopicsRequest {
            topics: topics.iter().map(state).collect(),
            topic_names: topics.iter().map(|name| (*name).into()).collect(),
            timeout_ms: millis(self.config().request_timeout),
        };
        let request = &request;
        self.retrying(|| async move {
            let connection = self.controller().await?;
            let response = connection.call(request, i16::MAX, None).await?;
            let outcomes = response.responses.iter().map(|topic| {
                let name = topic.name.as_ref().map(ToString::to_string).unwrap_or_default();
                let result = match topic.error_code {
                    ErrorCode::NONE => TopicResult::Done,
                    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => TopicResult::Unknown,
                    code => {
                        let message = topic.error_message.as_ref();
                        let subject = format!("topic {name}");
                        TopicResult::Failed(refused(
                            &connection,
                            ApiKey::DeleteTopics,
                            subject,
                            code,
                            message,
                        ))
                    }
                };
                TopicOutcome { name, result }
            });
            retriable_first(outcomes.collect())
        })
        .await
    }

    /// All settings of a topic, defaults included.
    pub async fn topic_configs(&self, topic: &str) -> Result<Vec<ConfigEntry>> {
        let resource = DescribeConfigsResource {
            resource_type: TOPIC_RESOURCE,
            resource_name: topic.into(),
            configuration_keys: None,
        };
        let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
        let request = &request;
        self.retrying(|| async move {
            let connection = self.any().await?;
            let response = connection.call(request, i16::MAX, None).await?;
            let result = response.results.into_iter().next().unwrap_or_default();
            result.error_code.check().map_err(|code| {
                let message = result.error_message.as_ref();
                refused(&connection, DescribeConfigsRequest::KEY, format!("topic {topic}"), code, message)
            })?;
            Ok(config_entries(result))
        })
        .await
    }
}

fn topic_details(topic: MetadataResponseTopic) -> TopicDetails {
    let partition = |it: MetadataResponsePartition| PartitionDetails {
        partition: it.partition_index,
        leader: (it.leader_id >= 0).then_some(it.leader_id),
        replicas: it.replica_nodes,
        in_sync: it.isr_nodes,
    };
    let mut partitions: Vec<_> = topic.partitions.into_iter().map(partition).collect();
    partitions.sort_by_key(|it| it.partition);
    TopicDetails {
        name: topic.name.map(|name| name.to_string()).unwrap_or_default(),
        id: if topic.topic_id.is_zero() { String::new() } else { topic.topic_id.to_string() },
        is_internal: topic.is_internal,
        partitions,
    }
}

fn config_entries(result: DescribeConfigsResult) -> Vec<ConfigEntry> {
    let entries = result.configs.into_iter().map(|entry| ConfigEntry {
        name: entry.name.to_string(),
        value: entry.value.map(|value| value.to_string()),
        source: ConfigSource::from_wire(entry.config_source),
        is_default: ConfigSource::from_wire(entry.config_source) == ConfigSource::Default,
        read_only: entry.read_only,
        is_sensitive: entry.is_sensitive,
    });
    entries.collect()
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let configs = topic.configs.iter();
    CreatableTopic {
        name: topic.name.as_str().into(),
        num_partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        assignments: Vec::new(),
        configs: configs
            .map(|(name, value)| CreatableTopicConfig {
                name: name.as_str().into(),
                value: Some(value.as_str().into()),
            })
            .collect(),
    }
}

/// If a topic failed in a way that may pass, the whole request is tried again: what was done stays done.
fn retriable_first(outcomes: Vec<TopicOutcome>) -> Result<Vec<TopicOutcome>> {
    let passing = outcomes.iter().find_map(|outcome| match &outcome.result {
        TopicResult::Failed(error) if error.is_retriable() => Some(error.clone()),
        _ => None,
    });
    passing.map_or(Ok(outcomes), Err)
}

pub(crate) fn millis(duration: std::time::Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
