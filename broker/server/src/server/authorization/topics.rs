//! Metadata, CreateTopics, DeleteTopics, CreatePartitions, and the configs of topics and brokers.
//!
//! A client learns of a topic only if it may describe it: of others it hears TOPIC_AUTHORIZATION_FAILED whether they are there or not,
//! and in lists of all topics they are missing.

use broker_protocol::{
    ErrorCode, Text, Uuid,
    messages::{
        alter_configs::{self, AlterConfigsRequest},
        create_partitions::{CreatePartitionsRequest, CreatePartitionsTopicResult},
        create_topics::{CreatableTopicResult, CreateTopicsRequest},
        delete_topics::{DeletableTopicResult, DeleteTopicsRequest},
        describe_configs::{DescribeConfigsRequest, DescribeConfigsResult},
        describe_topic_partitions::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponseTopic},
        incremental_alter_configs::{self, IncrementalAlterConfigsRequest},
        metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseTopic},
    },
};

use super::{Authorize, DENIED, Gate, Verdict, take_denied};
use crate::security::acl::{Operation, Resource, ResourceType};

const DENIED_TOPIC: ErrorCode = ErrorCode::TOPIC_AUTHORIZATION_FAILED;

impl Authorize for MetadataRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        let all = match &self.topics {
            None => true,
            Some(topics) => gate.version == 0 && topics.is_empty(),
        };
        let denied = match &mut self.topics {
            Some(topics) if !all && !gate.is_open() => {
                metadata_denied(gate, topics, self.allow_auto_topic_creation)
            }
            _ => Vec::new(),
        };
        let cluster_operations =
            self.include_cluster_authorized_operations.then(|| gate.cluster_operations());
        let topic_operations = self.include_topic_authorized_operations;
        if gate.is_open() && cluster_operations.is_none() && !topic_operations {
            return Verdict::Pass;
        }
        let gate = gate.clone();
        Self::amend(move |response| {
            if all {
                hide(&gate, response);
            }
            if topic_operations {
                add_operations(&gate, response);
            }
            response.topics.extend(denied);
            if let Some(operations) = cluster_operations {
                response.cluster_authorized_operations = operations;
            }
        })
    }
}

/// Takes out the topics that the client may not describe, and those that it would create without the right to.
fn metadata_denied(
    gate: &Gate,
    topics: &mut Vec<MetadataRequestTopic>,
    creates: bool,
) -> Vec<MetadataResponseTopic> {
    let creates = creates && gate.state.config.auto_create_topics;
    let allowed = |topic: &MetadataRequestTopic| {
        let Some(name) = &topic.name else {
            return gate.allows_topic(Operation::Describe, &Text::new(), topic.topic_id);
        };
        let would_create = creates && gate.state.topics.get(name).is_none();
        gate.allows(Operation::Describe, Resource::topic(name)) && (!would_create || may_create(gate, name))
    };
    let denied = take_denied(topics, allowed).into_iter();
    denied
        .map(|topic| MetadataResponseTopic {
            error_code: DENIED_TOPIC,
            // A name is not told the id of, nor an id the name of.
            topic_id: if topic.name.is_some() { Uuid::ZERO } else { topic.topic_id },
            name: topic.name,
            ..MetadataResponseTopic::default()
        })
        .collect()
}

fn hide(gate: &Gate, response: &mut MetadataResponse) {
    response.topics.retain(|topic| {
        topic.name.as_ref().is_some_and(|name| gate.may(Operation::Describe, Resource::topic(name)))
    });
}

fn add_operations(gate: &Gate, response: &mut MetadataResponse) {
    for topic in &mut response.topics {
        if let (ErrorCode::NONE, Some(name)) = (topic.error_code, &topic.name) {
            topic.topic_authorized_operations = gate.operations(Resource::topic(name));
        }
    }
}

fn may_create(gate: &Gate, name: &str) -> bool {
    gate.may(Operation::Create, Resource::CLUSTER) || gate.allows(Operation::Create, Resource::topic(name))
}

impl Authorize for CreateTopicsRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.is_open() {
            return Verdict::Pass;
        }
        let denied = take_denied(&mut self.topics, |topic| may_create(gate, &topic.name));
        let denied: Vec<_> = denied
            .into_iter()
            .map(|topic| CreatableTopicResult {
                name: topic.name,
                error_code: DENIED_TOPIC,
                error_message: Some(DENIED.into()),
                ..CreatableTopicResult::default()
            })
            .collect();
        let gate = gate.clone();
        Self::amend(move |response| {
            for topic in &mut response.topics {
                if !gate.may(Operation::DescribeConfigs, Resource::topic(&topic.name)) {
                    topic.configs = None;
                    topic.num_partitions = -1;
                    topic.replication_factor = -1;
                    topic.topic_config_error_code = DENIED_TOPIC;
                }
            }
            response.topics.extend(denied);
        })
    }
}

impl Authorize for DeleteTopicsRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.is_open() {
            return Verdict::Pass;
        }
        let may = |name: &Text, id| {
            gate.allows_topic(Operation::Describe, name, id) && gate.allows_topic(Operation::Delete, name, id)
        };
        let names = take_denied(&mut self.topic_names, |name| may(name, Uuid::ZERO));
        let topics = take_denied(&mut self.topics, |topic| match &topic.name {
            Some(name) => may(name, Uuid::ZERO),
            None => may(&Text::new(), topic.topic_id),
        });
        let by_name = names.into_iter().map(|name| (Some(name), Uuid::ZERO));
        let denied = by_name.chain(topics.into_iter().map(|topic| (topic.name, topic.topic_id)));
        let denied: Vec<_> = denied
            .map(|(name, topic_id)| DeletableTopicResult {
                name,
                topic_id,
                error_code: DENIED_TOPIC,
                error_message: Some(DENIED.into()),
            })
            .collect();
        Self::amend(move |response| response.responses.extend(denied))
    }
}

impl Authorize for CreatePartitionsRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.is_open() {
            return Verdict::Pass;
        }
        let denied = take_denied(&mut self.topics, |topic| {
            gate.allows(Operation::Alter, Resource::topic(&topic.name))
        });
        let denied: Vec<_> = denied
            .into_iter()
            .map(|topic| CreatePartitionsTopicResult {
                name: topic.name,
                error_code: DENIED_TOPIC,
                error_message: Some(DENIED.into()),
            })
            .collect();
        Self::amend(move |response| response.results.extend(denied))
    }
}

/// Resource types of configs; what is neither topic nor group belongs to the cluster.
const CONFIG_TOPIC: i8 = 2;
const CONFIG_GROUP: i8 = 32;

fn allows_configs(gate: &Gate, operation: Operation, kind: i8, name: &str) -> bool {
    match kind {
        CONFIG_TOPIC => gate.allows(operation, Resource::topic(name)),
        CONFIG_GROUP => gate.allows(operation, Resource { kind: ResourceType::Group, name }),
        _ => gate.allows(operation, Resource::CLUSTER),
    }
}

fn config_code(kind: i8) -> ErrorCode {
    match kind {
        CONFIG_TOPIC => DENIED_TOPIC,
        CONFIG_GROUP => ErrorCode::GROUP_AUTHORIZATION_FAILED,
        _ => ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
    }
}

impl Authorize for DescribeConfigsRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.is_open() {
            return Verdict::Pass;
        }
        let denied = take_denied(&mut self.resources, |resource| {
            allows_configs(gate, Operation::DescribeConfigs, resource.resource_type, &resource.resource_name)
        });
        let denied: Vec<_> = denied
            .into_iter()
            .map(|resource| DescribeConfigsResult {
                error_code: config_code(resource.resource_type),
                error_message: Some(DENIED.into()),
                resource_type: resource.resource_type,
                resource_name: resource.resource_name,
                configs: Vec::new(),
            })
            .collect();
        Self::amend(move |response| response.results.extend(denied))
    }
}

macro_rules! altering_configs {
    ($module:ident, $request:ident) => {
        impl Authorize for $request {
            fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
                if gate.is_open() {
                    return Verdict::Pass;
                }
                let denied = take_denied(&mut self.resources, |resource| {
                    allows_configs(
                        gate,
                        Operation::AlterConfigs,
                        resource.resource_type,
                        &resource.resource_name,
                    )
                });
                let denied: Vec<_> = denied
                    .into_iter()
                    .map(|resource| $module::AlterConfigsResourceResponse {
                        error_code: config_code(resource.resource_type),
                        error_message: Some(DENIED.into()),
                        resource_type: resource.resource_type,
                        resource_name: resource.resource_name,
                    })
                    .collect();
                Self::amend(move |response| response.responses.extend(denied))
            }
        }
    };
}

altering_configs!(alter_configs, AlterConfigsRequest);
altering_configs!(incremental_alter_configs, IncrementalAlterConfigsRequest);

impl Authorize for DescribeTopicPartitionsRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        let all = self.topics.is_empty();
        let denied = take_denied(&mut self.topics, |topic| {
            gate.allows(Operation::Describe, Resource::topic(&topic.name))
        });
        // Without names the handler would list all topics, so a list that is empty now must not reach it as such: it keeps one name
        // of the denied, and the answer to it is replaced.
        let stand_in = if self.topics.is_empty() { denied.first().cloned() } else { None };
        self.topics.extend(stand_in);
        let denied: Vec<_> = denied
            .into_iter()
            .map(|topic| DescribeTopicPartitionsResponseTopic {
                error_code: DENIED_TOPIC,
                name: Some(topic.name),
                ..DescribeTopicPartitionsResponseTopic::default()
            })
            .collect();
        let gate = gate.clone();
        Self::amend(move |response| {
            response.topics.retain(|topic| {
                topic.name.as_ref().is_some_and(|name| gate.may(Operation::Describe, Resource::topic(name)))
            });
            for topic in &mut response.topics {
                if let (ErrorCode::NONE, Some(name)) = (topic.error_code, &topic.name) {
                    topic.topic_authorized_operations = gate.operations(Resource::topic(name));
                }
            }
            if !all {
                response.topics.extend(denied);
            }
        })
    }
}
