//! What is known of the cluster: brokers, topics, leaders. Each answer of a broker is laid over it.

use std::collections::{BTreeMap, HashMap};

use broker_protocol::Uuid;
use broker_protocol::messages::metadata::{MetadataResponse, MetadataResponseTopic};
use bytestring::ByteString;

use crate::error::{Error, Result};
use crate::types::{BrokerDescription, ClusterDescription, TopicDescription};

/// One state of knowledge.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metadata {
    pub(crate) cluster_id: Option<String>,
    pub(crate) controller: i32,
    pub(crate) brokers: BTreeMap<i32, BrokerDescription>,
    pub(crate) topics: HashMap<ByteString, TopicMetadata>,
}

/// A topic's partitions, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicMetadata {
    pub(crate) id: Uuid,
    pub(crate) is_internal: bool,
    pub(crate) partitions: Vec<PartitionMetadata>,
}

/// Who leads a partition; -1 if nobody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartitionMetadata {
    pub(crate) leader: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) replicas: i16,
}

impl Metadata {
    /// Lays a response over this knowledge. `all` says that the response names every topic there is. What it costs does not depend on how
    /// many other topics are known.
    pub(crate) fn merge(&mut self, response: &MetadataResponse, all: bool) {
        let before = if all { std::mem::take(&mut self.topics) } else { HashMap::new() };
        for topic in &response.topics {
            let Some(name) = topic.name.clone() else { continue };
            if topic.error_code.is_ok() {
                // An older leader epoch than the known one comes from a broker that lags: it must not bring back an old leader.
                // A topic of another id is another topic.
                let known = if all { before.get(&name) } else { self.topics.get(&name) };
                let merged = merged_topic(topic, known.filter(|known| known.id == topic.topic_id));
                self.topics.insert(name, merged);
            } else if !topic.error_code.is_retriable() || topic.partitions.is_empty() {
                self.topics.remove(&name);
            }
        }
        let brokers = response.brokers.iter().map(|broker| {
            let (id, host, port) = (broker.node_id, broker.host.to_string(), broker.port);
            (id, BrokerDescription { id, host, port })
        });
        self.brokers = brokers.collect();
        self.cluster_id = response.cluster_id.as_ref().map(ToString::to_string);
        self.controller = response.controller_id;
    }

    /// `host:port` of a broker.
    pub(crate) fn address(&self, broker: i32) -> Option<String> {
        self.brokers.get(&broker).map(|broker| join_address(&broker.host, broker.port))
    }

    /// Id and address of a partition's leader.
    pub(crate) fn leader(&self, topic: &str, partition: i32) -> Result<(i32, String)> {
        let no_leader = || Error::NoLeader { topic: topic.to_owned(), partition };
        let known = self.topics.get(topic).ok_or_else(|| Error::UnknownTopic { topic: topic.to_owned() })?;
        let index = usize::try_from(partition).map_err(|_negative| no_leader())?;
        let leader = known.partitions.get(index).ok_or_else(no_leader)?.leader;
        let address = self.address(leader).ok_or_else(no_leader)?;
        Ok((leader, address))
    }

    /// How many partitions a topic has, if it is known.
    pub(crate) fn partition_count(&self, topic: &str) -> Option<i32> {
        self.topics.get(topic).and_then(|topic| i32::try_from(topic.partitions.len()).ok())
    }

    pub(crate) fn describe_cluster(&self) -> ClusterDescription {
        ClusterDescription {
            cluster_id: self.cluster_id.clone(),
            brokers: self.brokers.values().cloned().collect(),
            controller: self.controller,
        }
    }

    pub(crate) fn describe_topics(&self) -> Vec<TopicDescription> {
        let mut topics: Vec<_> =
            self.topics.iter().map(|(name, topic)| describe_topic(name, topic)).collect();
        topics.sort_by(|one, other| one.name.cmp(&other.name));
        topics
    }
}

/// `host:port`; an IPv6 address gets its brackets.
pub(crate) fn join_address(host: &str, port: i32) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn describe_topic(name: &ByteString, topic: &TopicMetadata) -> TopicDescription {
    TopicDescription {
        name: name.to_string(),
        partitions: i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
        replication_factor: topic.partitions.first().map_or(0, |partition| partition.replicas),
        is_internal: topic.is_internal,
    }
}

fn merged_topic(topic: &MetadataResponseTopic, known: Option<&TopicMetadata>) -> TopicMetadata {
    let nobody = PartitionMetadata { leader: -1, leader_epoch: -1, replicas: 0 };
    let mut partitions = vec![nobody; topic.partitions.len()];
    for partition in &topic.partitions {
        let Some(index) = usize::try_from(partition.partition_index).ok() else { continue };
        let Some(place) = partitions.get_mut(index) else { continue };
        let replicas = i16::try_from(partition.replica_nodes.len()).unwrap_or(i16::MAX);
        *place =
            PartitionMetadata { leader: partition.leader_id, leader_epoch: partition.leader_epoch, replicas };
        let newer = known.and_then(|known| known.partitions.get(index));
        if let Some(newer) =
            newer.filter(|newer| newer.leader_epoch > place.leader_epoch && place.leader_epoch >= 0)
        {
            *place = *newer;
        }
    }
    TopicMetadata { id: topic.topic_id, is_internal: topic.is_internal, partitions }
}

#[cfg(test)]
mod tests {
    use broker_protocol::messages::metadata::{
        MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
    };
    use broker_protocol::{ErrorCode, Uuid};

    use super::{Metadata, join_address};
    use crate::error::Error;

    fn answer(id: u8, leader_id: i32, leader_epoch: i32, error_code: ErrorCode) -> MetadataResponse {
        let partition = MetadataResponsePartition { leader_id, leader_epoch, ..Default::default() };
        let topic = MetadataResponseTopic {
            name: Some("t".into()),
            topic_id: Uuid([id; 16]),
            error_code,
            partitions: vec![partition],
            ..Default::default()
        };
        let broker =
            |node_id| MetadataResponseBroker { node_id, host: "h".into(), port: 9092 + node_id, rack: None };
        MetadataResponse { brokers: vec![broker(1), broker(2)], topics: vec![topic], ..Default::default() }
    }

    fn laid_over(known: &Metadata, response: &MetadataResponse, all: bool) -> Metadata {
        let mut known = known.clone();
        known.merge(response, all);
        known
    }

    #[test]
    fn an_older_epoch_does_not_bring_back_an_old_leader() {
        let merged = |known: &Metadata, response: &MetadataResponse| laid_over(known, response, false);
        let known = merged(&Metadata::default(), &answer(7, 2, 5, ErrorCode::NONE));
        assert_eq!(known.leader("t", 0).unwrap(), (2, "h:9094".to_owned()));
        let lagging = merged(&known, &answer(7, 1, 4, ErrorCode::NONE));
        assert_eq!(lagging.leader("t", 0).unwrap().0, 2);
        // A topic that was deleted and created again starts at epoch 0, and has another id.
        let recreated = merged(&known, &answer(8, 1, 0, ErrorCode::NONE));
        assert_eq!(recreated.leader("t", 0).unwrap().0, 1);
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let known = laid_over(&Metadata::default(), &answer(7, 1, 0, ErrorCode::NONE), false);
        let all_without = MetadataResponse { topics: Vec::new(), ..answer(7, 1, 0, ErrorCode::NONE) };
        assert!(
            laid_over(&known, &all_without, false).leader("t", 0).is_ok(),
            "the answer was about other topics"
        );
        assert!(matches!(
            laid_over(&known, &all_without, true).leader("t", 0),
            Err(Error::UnknownTopic { .. })
        ));
        let refused = laid_over(&known, &answer(7, 1, 0, ErrorCode::TOPIC_AUTHORIZATION_FAILED), false);
        assert!(matches!(refused.leader("t", 0), Err(Error::UnknownTopic { .. })));
        let leaderless = laid_over(&known, &answer(7, -1, 1, ErrorCode::NONE), false);
        assert!(matches!(leaderless.leader("t", 0), Err(Error::NoLeader { .. })));
        assert!(matches!(known.leader("t", 1), Err(Error::NoLeader { partition: 1, .. })));
    }

    #[test]
    fn addresses_of_ipv6_get_brackets() {
        assert_eq!(join_address("::1", 9092), "[::1]:9092");
        assert_eq!(join_address("localhost", 9092), "localhost:9092");
    }
}
