//! Offsets: of partitions, and those that groups committed.

use std::collections::BTreeMap;

use broker_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use broker_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use broker_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use broker_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    OffsetFetchResponse,
};
use broker_protocol::{ApiKey, ErrorCode};
use bytestring::ByteString;

use super::refused;
use crate::client::Client;
use crate::config::Isolation;
use crate::error::{Error, Result};
use crate::net::connection::Connection;
use crate::types::{OffsetAndMetadata, OffsetSpec, TopicPartition};

/// Versions from 10 on name topics by id; up to 9 by name.
pub(crate) const OFFSET_VERSION_MAX: i16 = 9;

impl Client {
    /// The first, the last, or the offset at a time stamp. Behind the last record if no record is that young.
    pub async fn list_offsets(&self, topic: &str, partition: i32, at: OffsetSpec) -> Result<i64> {
        self.list_offsets_isolated(topic, partition, at, Isolation::ReadUncommitted).await
    }

    /// The same for readers of what is committed: the last offset is then before the first open transaction.
    pub async fn list_offsets_isolated(
        &self,
        topic: &str,
        partition: i32,
        at: OffsetSpec,
        isolation: Isolation,
    ) -> Result<i64> {
        let ask = |at| self.list_offset(topic, partition, wire_timestamp(at), isolation.wire());
        let offset = self.retrying(|| ask(at)).await?;
        if offset >= 0 {
            return Ok(offset);
        }
        self.retrying(|| ask(OffsetSpec::Latest)).await
    }

    pub(crate) async fn list_offset(
        &self,
        topic: &str,
        partition: i32,
        timestamp: i64,
        isolation: i8,
    ) -> Result<i64> {
        if self.metadata().leader(topic, partition).is_err() {
            self.refresh(Some(&[topic]), false).await?;
        }
        let (_id, address) = self.metadata().leader(topic, partition)?;
        let connection = self.at(&address).await?;
        let asked = ListOffsetsPartition { partition_index: partition, current_leader_epoch: -1, timestamp };
        let request = ListOffsetsRequest {
            replica_id: -1,
            isolation_level: isolation,
            topics: vec![ListOffsetsTopic { name: topic.into(), partitions: vec![asked] }],
            timeout_ms: super::topics::millis(self.config().request_timeout),
        };
        let response = connection.call(&request, i16::MAX, None).await?;
        let answer =
            response.topics.into_iter().flat_map(|topic| topic.partitions).next().unwrap_or_default();
        match answer.error_code.check() {
            Ok(()) => Ok(answer.offset),
            Err(code) => {
                // The leader moved, or the topic is new: what is known is no longer true.
                drop(self.refresh(Some(&[topic]), false).await);
                let subject = TopicPartition::new(topic, partition).to_string();
                Err(refused(&connection, ApiKey::ListOffsets, subject, code, None))
            }
        }
    }

    /// All offsets that a group committed.
    pub async fn group_offsets(&self, group: &str) -> Result<Vec<(TopicPartition, OffsetAndMetadata)>> {
        self.retrying(|| async move {
            let connection = self.at(&self.coordinator(group).await?).await?;
            fetch_group_offsets(&connection, group, None).await
        })
        .await
    }

    /// Commits offsets from outside: the group must have no members.
    pub async fn commit_group_offsets(
        &self,
        group: &str,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
    ) -> Result<()> {
        let request = commit_request(group, offsets);
        let request = &request;
        self.retrying(|| async move {
            let connection = self.at(&self.coordinator(group).await?).await?;
            let response = connection.call(request, OFFSET_VERSION_MAX, None).await?;
            check_commit(&connection, group, &response).map_err(|error| match error {
                Error::MembershipLost { code, .. } => {
                    let advice = ByteString::from_static("the group has members; stop its consumers first");
                    refused(&connection, ApiKey::OffsetCommit, format!("group {group}"), code, Some(&advice))
                }
                other => other,
            })
        })
        .await
    }

    /// Deletes committed offsets of partitions that no member of the group reads.
    pub async fn delete_group_offsets(&self, group: &str, partitions: &[TopicPartition]) -> Result<()> {
        let mut request = OffsetDeleteRequest { group_id: group.into(), topics: Vec::new() };
        for (topic, partition_index) in partitions.iter().map(|it| (&it.topic, it.partition)) {
            let partition = OffsetDeleteRequestPartition { partition_index };
            match request.topics.iter_mut().find(|known| known.name == *topic) {
                Some(known) => known.partitions.push(partition),
                None => request
                    .topics
                    .push(OffsetDeleteRequestTopic { name: topic.clone(), partitions: vec![partition] }),
            }
        }
        let request = &request;
        self.retrying(|| async move {
            let connection = self.at(&self.coordinator(group).await?).await?;
            let response = connection.call(request, i16::MAX, None).await?;
            let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
            let mut codes = std::iter::once(response.error_code).chain(partitions.map(|it| it.error_code));
            codes.find(|code| !code.is_ok()).map_or(Ok(()), |code| {
                Err(refused(&connection, ApiKey::OffsetDelete, format!("group {group}"), code, None))
            })
        })
        .await
    }
}

/// As ListOffsets says it.
pub(crate) fn wire_timestamp(at: OffsetSpec) -> i64 {
    match at {
        OffsetSpec::Latest => -1,
        OffsetSpec::Earliest => -2,
        OffsetSpec::Timestamp(timestamp) => timestamp,
    }
}

/// A commit outside of any generation; a member fills in who it is.
pub(crate) fn commit_request(
    group: &str,
    offsets: &[(TopicPartition, OffsetAndMetadata)],
) -> OffsetCommitRequest {
    let mut topics: Vec<OffsetCommitRequestTopic> = Vec::new();
    for (partition, offset) in offsets {
        let entry = OffsetCommitRequestPartition {
            partition_index: partition.partition,
            committed_offset: offset.offset,
            committed_leader_epoch: offset.leader_epoch,
            committed_metadata: Some(offset.metadata.as_str().into()),
        };
        match topics.iter_mut().find(|topic| topic.name == partition.topic) {
            Some(topic) => topic.partitions.push(entry),
            None => topics.push(OffsetCommitRequestTopic {
                name: partition.topic.clone(),
                partitions: vec![entry],
                ..Default::default()
            }),
        }
    }
    OffsetCommitRequest { group_id: group.into(), topics, ..Default::default() }
}

/// The first partition that was refused decides.
pub(crate) fn check_commit(
    connection: &Connection,
    group: &str,
    response: &OffsetCommitResponse,
) -> Result<()> {
    for topic in &response.topics {
        for partition in &topic.partitions {
            let Err(code) = partition.error_code.check() else { continue };
            if matches!(
                code,
                ErrorCode::ILLEGAL_GENERATION | ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::FENCED_INSTANCE_ID
            ) {
                return Err(Error::MembershipLost { group: group.to_owned(), code });
            }
            let subject = format!("group {group}, partition {}-{}", topic.name, partition.partition_index);
            return Err(refused(connection, ApiKey::OffsetCommit, subject, code, None));
        }
    }
    Ok(())
}

/// What the group has committed, for some partitions or for all, from its coordinator.
pub(crate) async fn fetch_group_offsets(
    connection: &Connection,
    group: &str,
    partitions: Option<&[TopicPartition]>,
) -> Result<Vec<(TopicPartition, OffsetAndMetadata)>> {
    let request = fetch_request(group, partitions);
    let response = connection.call(&request, OFFSET_VERSION_MAX, None).await?;
    let rows = offset_rows(response);
    let mut offsets = Vec::new();
    for row in rows {
        let (topic, partition, found, code) = row;
        let subject = || format!("group {group}, partition {topic}-{partition}");
        code.check().map_err(|code| refused(connection, ApiKey::OffsetFetch, subject(), code, None))?;
        if found.offset >= 0 {
            offsets.push((TopicPartition { topic, partition }, found));
        }
    }
    Ok(offsets)
}

/// In both layouts: one group (up to version 7) and a list of groups.
fn fetch_request(group: &str, partitions: Option<&[TopicPartition]>) -> OffsetFetchRequest {
    let mut by_topic: Option<BTreeMap<&ByteString, Vec<i32>>> = partitions.map(|_| BTreeMap::new());
    for (topic, partition) in partitions.unwrap_or_default().iter().map(|it| (&it.topic, it.partition)) {
        by_topic.get_or_insert_default().entry(topic).or_default().push(partition);
    }
    let topics = by_topic.as_ref().map(|by_topic| {
        let topic = |(name, partitions): (&&ByteString, &Vec<i32>)| OffsetFetchRequestTopic {
            name: (*name).clone(),
            partition_indexes: partitions.clone(),
        };
        by_topic.iter().map(topic).collect()
    });
    let group_topics = by_topic.map(|by_topic| {
        let topic = |(name, partition_indexes): (&ByteString, Vec<i32>)| OffsetFetchRequestTopics {
            name: name.clone(),
            partition_indexes,
            ..Default::default()
        };
        by_topic.into_iter().map(topic).collect()
    });
    let asked =
        OffsetFetchRequestGroup { group_id: group.into(), topics: group_topics, ..Default::default() };
    OffsetFetchRequest { group_id: group.into(), topics, groups: vec![asked], require_stable: true }
}

type OffsetRow = (ByteString, i32, OffsetAndMetadata, ErrorCode);

/// Both layouts as rows; an error of the whole answer is a row as well.
fn offset_rows(response: OffsetFetchResponse) -> Vec<OffsetRow> {
    let row = |topic: &ByteString, partition, offset, leader_epoch, metadata: Option<ByteString>, code| {
        let metadata = metadata.map(|text| text.to_string()).unwrap_or_default();
        (topic.clone(), partition, OffsetAndMetadata { offset, leader_epoch, metadata }, code)
    };
    let nothing = OffsetAndMetadata::new(-1);
    let mut rows = vec![(ByteString::new(), -1, nothing.clone(), response.error_code)];
    for topic in response.topics {
        rows.extend(topic.partitions.into_iter().map(|it| {
            let epoch = it.committed_leader_epoch;
            row(&topic.name, it.partition_index, it.committed_offset, epoch, it.metadata, it.error_code)
        }));
    }
    for group in response.groups {
        rows.push((ByteString::new(), -1, nothing.clone(), group.error_code));
        for topic in group.topics {
            rows.extend(topic.partitions.into_iter().map(|it| {
                let epoch = it.committed_leader_epoch;
                row(&topic.name, it.partition_index, it.committed_offset, epoch, it.metadata, it.error_code)
            }));
        }
    }
    rows
}
