//! Sharing out: the leader's reading of everyone's wishes, and a member's reading of its share.

use std::collections::BTreeSet;

use broker_protocol::consumer_protocol::{self, AssignedPartitions, Assignment, OwnedPartitions};
use broker_protocol::messages::join_group::JoinGroupResponse;
use broker_protocol::messages::sync_group::SyncGroupRequestAssignment;
use broker_protocol::{ApiKey, EncodeError};
use bytes::Bytes;

use super::{CONSUMER_PROTOCOL_VERSION, Connection, Error, Membership, Setback, TopicPartition};
use crate::config::Assignor;
use crate::consumer::assignor::{self, Wish};

impl Membership {
    /// The leader's work: everyone's share, in the protocol's bytes.
    pub(super) async fn share_out(
        &self,
        answer: &JoinGroupResponse,
    ) -> std::result::Result<Vec<SyncGroupRequestAssignment>, Setback> {
        let chosen = answer.protocol_name.as_deref().unwrap_or_default();
        let assignor = self.config.assignors.iter().find(|assignor| assignor.name() == chosen).copied();
        let mut wishes = Vec::new();
        for member in &answer.members {
            let subscription: consumer_protocol::Subscription =
                consumer_protocol::decode(member.metadata.clone()).map_err(|source| {
                    let broker = format!("(member {})", member.member_id);
                    Setback::Fatal(Error::Response { broker, api: ApiKey::JoinGroup, source })
                })?;
            wishes.push(Wish {
                member_id: member.member_id.clone(),
                instance_id: member.group_instance_id.clone(),
                generation: generation_of(&subscription),
                owned: owned_partitions(subscription.owned_partitions),
                topics: subscription.topics.into_iter().collect(),
            });
        }
        let wanted: BTreeSet<&str> =
            wishes.iter().flat_map(|wish| wish.topics.iter().map(|topic| &**topic)).collect();
        let wanted: Vec<&str> = wanted.into_iter().collect();
        self.client.refresh(Some(&wanted), false).await.map_err(Setback::of)?;
        let metadata = self.client.metadata();
        let count = |topic: &&str| Some(((*topic).into(), metadata.partition_count(topic)?));
        let partitions = wanted.iter().filter_map(count).collect();
        let shares = assignor::assign(assignor.unwrap_or(Assignor::Range), wishes, &partitions);
        let encoded = shares.into_iter().map(|(member_id, share)| {
            let assignment = consumer_protocol::encode(&assignment(share), CONSUMER_PROTOCOL_VERSION)?;
            Ok(SyncGroupRequestAssignment { member_id, assignment })
        });
        encoded
            .collect::<std::result::Result<_, EncodeError>>()
            .map_err(|source| Setback::Fatal(Error::Request { api: ApiKey::SyncGroup, source }))
    }

    /// What the leader gave to this member.
    pub(super) fn read_assignment(
        &self,
        connection: &Connection,
        bytes: Bytes,
    ) -> std::result::Result<Vec<TopicPartition>, Setback> {
        if bytes.is_empty() {
            // The leader left us out: no partitions.
            return Ok(Vec::new());
        }
        let assignment: Assignment = consumer_protocol::decode(bytes).map_err(|source| {
            let broker = connection.broker().to_string();
            Setback::Fatal(Error::Response { broker, api: ApiKey::SyncGroup, source })
        })?;
        let partitions = assignment.assigned_partitions.into_iter().flat_map(|it| {
            let topic = it.topic;
            it.partitions.into_iter().map(move |partition| TopicPartition { topic: topic.clone(), partition })
        });
        Ok(partitions.collect())
    }
}

/// What a member has, as it tells the leader.
pub(super) fn owned(partitions: &[TopicPartition]) -> Vec<OwnedPartitions> {
    let mut topics: Vec<OwnedPartitions> = Vec::new();
    for TopicPartition { topic, partition } in partitions {
        match topics.iter_mut().find(|known| known.topic == *topic) {
            Some(known) => known.partitions.push(*partition),
            None => topics.push(OwnedPartitions { topic: topic.clone(), partitions: vec![*partition] }),
        }
    }
    topics
}

fn owned_partitions(topics: Vec<OwnedPartitions>) -> Vec<TopicPartition> {
    let partitions = topics.into_iter().flat_map(|it| {
        let topic = it.topic;
        it.partitions.into_iter().map(move |partition| TopicPartition { topic: topic.clone(), partition })
    });
    partitions.collect()
}

/// What the assignor itself adds to a subscription: `cooperative-sticky` the generation, as the Java client's does.
pub(super) fn user_data(assignor: Assignor, generation: i32) -> Option<Bytes> {
    let sticky = assignor == Assignor::CooperativeSticky;
    sticky.then(|| Bytes::copy_from_slice(&generation.to_be_bytes()))
}

/// The generation in which a member got what it has: a field of newer subscriptions, the assignor's own bytes in older ones.
fn generation_of(subscription: &consumer_protocol::Subscription) -> i32 {
    if subscription.generation_id >= 0 {
        return subscription.generation_id;
    }
    let bytes = subscription.user_data.as_deref().and_then(<[u8]>::first_chunk::<4>);
    bytes.map_or(-1, |bytes| i32::from_be_bytes(*bytes))
}

fn assignment(share: Vec<TopicPartition>) -> Assignment {
    let mut topics: Vec<AssignedPartitions> = Vec::new();
    for TopicPartition { topic, partition } in share {
        match topics.iter_mut().find(|known| known.topic == topic) {
            Some(known) => known.partitions.push(partition),
            None => topics.push(AssignedPartitions { topic, partitions: vec![partition] }),
        }
    }
    Assignment { assigned_partitions: topics, user_data: None }
}
