//! Produce, Fetch, ListOffsets, OffsetForLeaderEpoch, DeleteRecords, DescribeProducers: records of topics.
//!
//! Two traps others fell into: a producer with a transactional id needs the right to that id whatever its records look like
//! (GHSA-47w3-66wq-cpxg), and who claims to be a follower needs a broker's right (CVE-2018-1288).

use broker_protocol::{
    ErrorCode, Text,
    messages::{
        delete_records::{DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsTopicResult},
        describe_producers::{DescribeProducersRequest, PartitionResponse, TopicResponse},
        fetch::{FetchRequest, FetchableTopicResponse, PartitionData},
        list_offsets::{ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsTopicResponse},
        offset_for_leader_epoch::{EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderTopicResult},
        produce::{
            PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData, TopicProduceResponse,
        },
    },
};

use super::{Authorize, DENIED, Gate, Verdict, take_denied};
use crate::security::acl::{Operation, Resource};

const DENIED_TOPIC: ErrorCode = ErrorCode::TOPIC_AUTHORIZATION_FAILED;

impl Authorize for ProduceRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.is_open() {
            return Verdict::Pass;
        }
        // Records that are transactional without an id are refused by the handler.
        if let Some(id) = &self.transactional_id
            && !gate.allows(Operation::Write, Resource::transactional_id(id))
        {
            let topics = std::mem::take(&mut self.topic_data).into_iter();
            let code = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
            let responses = topics.map(|topic| produce_denied(topic, code)).collect();
            return Verdict::Refused(ProduceResponse { responses, ..ProduceResponse::default() });
        }
        let denied = take_denied(&mut self.topic_data, |topic| {
            gate.allows_topic(Operation::Write, &topic.name, topic.topic_id)
        });
        if denied.is_empty() {
            return Verdict::Pass;
        }
        let denied: Vec<_> = denied.into_iter().map(|topic| produce_denied(topic, DENIED_TOPIC)).collect();
        Self::amend(move |response| response.responses.extend(denied))
    }
}

fn produce_denied(topic: TopicProduceData, error_code: ErrorCode) -> TopicProduceResponse {
    let partition = |index| PartitionProduceResponse {
        index,
        error_code,
        base_offset: -1,
        error_message: Some(DENIED.into()),
        ..PartitionProduceResponse::default()
    };
    let partitions = topic.partition_data.iter().map(|data| partition(data.index));
    TopicProduceResponse {
        partition_responses: partitions.collect(),
        name: topic.name,
        topic_id: topic.topic_id,
    }
}

impl Authorize for FetchRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.is_open() {
            return Verdict::Pass;
        }
        let follows = self.replica_id >= 0 || self.replica_state.replica_id >= 0;
        let broker = follows && gate.allows(Operation::ClusterAction, Resource::CLUSTER);
        let denied = take_denied(&mut self.topics, |topic| {
            broker || (!follows && gate.allows_topic(Operation::Read, &topic.topic, topic.topic_id))
        });
        let denied: Vec<_> = denied
            .into_iter()
            .map(|topic| FetchableTopicResponse {
                partitions: topic.partitions.iter().map(|wanted| fetch_denied(wanted.partition)).collect(),
                topic: topic.topic,
                topic_id: topic.topic_id,
            })
            .collect();
        if broker {
            return Verdict::Pass;
        }
        // A session may bring topics that this request does not name, and rights may have gone since it began to wait.
        let gate = gate.clone();
        Self::amend(move |response| {
            for topic in &mut response.responses {
                if !may_read(&gate, topic) {
                    for partition in &mut topic.partitions {
                        *partition = fetch_denied(partition.partition_index);
                    }
                }
            }
            response.responses.extend(denied);
        })
    }
}

fn may_read(gate: &Gate, topic: &FetchableTopicResponse) -> bool {
    if topic.topic_id.is_zero() {
        return gate.may(Operation::Read, Resource::topic(&topic.topic));
    }
    let known = gate.state.topics.by_id(uuid::Uuid::from_bytes(topic.topic_id.0));
    known.is_none_or(|known| gate.may(Operation::Read, Resource::topic(&known.name)))
}

fn fetch_denied(partition_index: i32) -> PartitionData {
    PartitionData {
        partition_index,
        error_code: DENIED_TOPIC,
        high_watermark: -1,
        records: Some(bytes::Bytes::new()),
        ..PartitionData::default()
    }
}

/// Requests that are lists of topics with partitions, each denied by itself.
macro_rules! by_topic {
    ($request:ident, $topics:ident, $name:ident => $operation:expr, $answers:ident, |$topic:ident| $denied:expr) => {
        impl Authorize for $request {
            fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
                if gate.is_open() {
                    return Verdict::Pass;
                }
                let denied = take_denied(&mut self.$topics, |topic| {
                    gate.allows($operation, Resource::topic(&topic.$name))
                });
                let denied: Vec<_> = denied.into_iter().map(|$topic| $denied).collect();
                Self::amend(move |response| response.$answers.extend(denied))
            }
        }
    };
}

by_topic!(ListOffsetsRequest, topics, name => Operation::Describe, topics, |topic| {
    let partition = |partition_index| ListOffsetsPartitionResponse {
        partition_index,
        error_code: DENIED_TOPIC,
        offset: -1,
        ..ListOffsetsPartitionResponse::default()
    };
    let partitions = topic.partitions.iter().map(|wanted| partition(wanted.partition_index));
    ListOffsetsTopicResponse { partitions: partitions.collect(), name: topic.name }
});

by_topic!(DeleteRecordsRequest, topics, name => Operation::Delete, topics, |topic| {
    let partition = |partition_index| DeleteRecordsPartitionResult {
        partition_index,
        low_watermark: -1,
        error_code: DENIED_TOPIC,
    };
    let partitions = topic.partitions.iter().map(|wanted| partition(wanted.partition_index));
    DeleteRecordsTopicResult { partitions: partitions.collect(), name: topic.name }
});

by_topic!(DescribeProducersRequest, topics, name => Operation::Read, topics, |topic| {
    let partition = |partition_index: &i32| PartitionResponse {
        partition_index: *partition_index,
        error_code: DENIED_TOPIC,
        error_message: Some(Text::from(DENIED)),
        ..PartitionResponse::default()
    };
    TopicResponse { partitions: topic.partition_indexes.iter().map(partition).collect(), name: topic.name }
});

impl Authorize for OffsetForLeaderEpochRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.is_open()
            || (self.replica_id >= 0 && gate.allows(Operation::ClusterAction, Resource::CLUSTER))
        {
            return Verdict::Pass;
        }
        let denied = take_denied(&mut self.topics, |topic| {
            gate.allows(Operation::Describe, Resource::topic(&topic.topic))
        });
        let partition =
            |partition| EpochEndOffset { error_code: DENIED_TOPIC, partition, ..EpochEndOffset::default() };
        let denied: Vec<_> = denied
            .into_iter()
            .map(|topic| OffsetForLeaderTopicResult {
                partitions: topic.partitions.iter().map(|wanted| partition(wanted.partition)).collect(),
                topic: topic.topic,
            })
            .collect();
        Self::amend(move |response| response.topics.extend(denied))
    }
}
