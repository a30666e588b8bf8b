//! Offsets of many partitions at once: one request to each leader.
//!
//! Invariant: every partition asked for is answered, in the order asked, or the whole fails with the first error.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use broker_protocol::ApiKey;
use broker_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};

use super::offsets::wire_timestamp;
use super::refused;
use super::topics::millis;
use crate::client::Client;
use crate::config::Isolation;
use crate::error::Result;
use crate::types::{OffsetSpec, TopicPartition};

impl Client {
    /// The offset of a moment in each of these partitions; behind the last record if no record is that young. With
    /// [`Isolation::ReadCommitted`] the end is in front of the first open transaction.
    pub async fn list_offsets_of(
        &self,
        partitions: &[TopicPartition],
        at: OffsetSpec,
        isolation: Isolation,
    ) -> Result<Vec<i64>> {
        let mut found = self.retrying(|| self.ask_leaders(partitions, wire_timestamp(at), isolation)).await?;
        // A time stamp behind the last record is answered with -1.
        let missing: Vec<_> =
            partitions.iter().filter(|it| found.get(it).is_none_or(|offset| *offset < 0)).cloned().collect();
        if !missing.is_empty() {
            let latest = wire_timestamp(OffsetSpec::Latest);
            found.extend(self.retrying(|| self.ask_leaders(&missing, latest, isolation)).await?);
        }
        Ok(partitions.iter().map(|it| found.get(it).copied().unwrap_or(-1)).collect())
    }

    async fn ask_leaders(
        &self,
        partitions: &[TopicPartition],
        timestamp: i64,
        isolation: Isolation,
    ) -> Result<HashMap<TopicPartition, i64>> {
        let topics: BTreeSet<&str> = partitions.iter().map(|it| &*it.topic).collect();
        let topics: Vec<&str> = topics.into_iter().collect();
        let known = |it: &TopicPartition| self.metadata().leader(&it.topic, it.partition).is_ok();
        if !partitions.iter().all(known) {
            self.refresh(Some(&topics), false).await?;
        }
        let metadata = self.metadata();
        let mut by_leader: BTreeMap<String, Vec<&TopicPartition>> = BTreeMap::new();
        for partition in partitions {
            let (_id, address) = metadata.leader(&partition.topic, partition.partition)?;
            by_leader.entry(address).or_default().push(partition);
        }
        let mut found = HashMap::new();
        for (address, partitions) in by_leader {
            let answers = self.ask_leader(&address, &partitions, timestamp, isolation).await;
            if answers.is_err() {
                // The leader moved, or the topic is new: what is known is no longer true.
                drop(self.refresh(Some(&topics), false).await);
            }
            found.extend(answers?);
        }
        Ok(found)
    }

    async fn ask_leader(
        &self,
        address: &str,
        partitions: &[&TopicPartition],
        timestamp: i64,
        isolation: Isolation,
    ) -> Result<Vec<(TopicPartition, i64)>> {
        let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
        for it in partitions {
            let partition_index = it.partition;
            let asked = ListOffsetsPartition { partition_index, current_leader_epoch: -1, timestamp };
            topics.entry(&it.topic).or_default().push(asked);
        }
        let topic = |(name, partitions): (&str, _)| ListOffsetsTopic { name: name.into(), partitions };
        let request = ListOffsetsRequest {
            replica_id: -1,
            isolation_level: i8::from(isolation == Isolation::ReadCommitted),
            topics: topics.into_iter().map(topic).collect(),
            timeout_ms: millis(self.config().request_timeout),
        };
        let connection = self.at(address).await?;
        let response = connection.call(&request, i16::MAX, None).await?;
        let mut found = Vec::new();
        for topic in response.topics {
            for answer in topic.partitions {
                let place = TopicPartition::new(topic.name.clone(), answer.partition_index);
                answer.error_code.check().map_err(|code| {
                    refused(&connection, ApiKey::ListOffsets, place.to_string(), code, None)
                })?;
                found.push((place, answer.offset));
            }
        }
        Ok(found)
    }
}
