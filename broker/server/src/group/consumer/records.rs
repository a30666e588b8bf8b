//! Groups of the consumer protocol as records of the log, in Kafka's format: what a change writes, and what they say at the next start.

use std::collections::{BTreeMap, BTreeSet};

use broker_protocol::{
    DecodeError, EncodeError, Message, Text,
    group_records::{
        ConsumerGroupCurrentMemberAssignmentKey as CurrentKey,
        ConsumerGroupCurrentMemberAssignmentValue as CurrentValue,
        ConsumerGroupMemberMetadataKey as MemberKey, ConsumerGroupMemberMetadataValue as MemberValue,
        ConsumerGroupMetadataKey as GroupKey, ConsumerGroupMetadataValue as GroupValue,
        ConsumerGroupTargetAssignmentMemberKey as TargetOfKey,
        ConsumerGroupTargetAssignmentMemberValue as TargetOfValue,
        ConsumerGroupTargetAssignmentMetadataKey as TargetKey,
        ConsumerGroupTargetAssignmentMetadataValue as TargetValue, TopicPartitions, decode, encode,
    },
};
use bytes::Bytes;

use super::{
    member::{Assigned, ConsumerMember, MemberState},
    state::{Change, ConsumerGroup, ConsumerLimits},
};
use crate::group::{journal::GroupRecord, member::Millis};

/// Whether a key of this version is about groups of the consumer protocol.
pub(in crate::group) fn is_consumer_key(version: i16) -> bool {
    [
        GroupKey::VERSIONS,
        MemberKey::VERSIONS,
        TargetKey::VERSIONS,
        TargetOfKey::VERSIONS,
        CurrentKey::VERSIONS,
    ]
    .iter()
    .any(|versions| versions.contains(&version))
}

impl ConsumerGroup {
    /// The records of these changes. Ends come first and in reverse, so that nothing ever points at what is gone.
    pub(in crate::group) fn records(
        &self,
        id: &str,
        changes: &BTreeSet<Change>,
    ) -> Result<Vec<GroupRecord>, EncodeError> {
        let records = changes.iter().map(|change| self.record(id, change)).collect::<Result<Vec<_>, _>>()?;
        let (mut ends, rest): (Vec<_>, Vec<_>) =
            records.into_iter().partition(|record| record.value.is_none());
        ends.reverse();
        ends.extend(rest);
        Ok(ends)
    }

    /// Everything that the log knows of the group, to end it.
    pub(in crate::group) fn all_changes(&self) -> BTreeSet<Change> {
        let of = |id: &String| {
            [Change::Member(id.clone()), Change::TargetOf(id.clone()), Change::Current(id.clone())]
        };
        let members = self.members.keys().chain(self.targets.keys()).flat_map(of);
        members.chain([Change::Group, Change::Target]).collect()
    }

    fn record(&self, id: &str, change: &Change) -> Result<GroupRecord, EncodeError> {
        let group_id = || Text::from(id);
        match change {
            Change::Group => {
                let value = GroupValue { epoch: self.epoch, metadata_hash: self.topics_hash };
                record(&GroupKey { group_id: group_id() }, (self.epoch > 0).then_some(value))
            }
            Change::Target => {
                let value = TargetValue { assignment_epoch: self.target_epoch };
                record(&TargetKey { group_id: group_id() }, (self.epoch > 0).then_some(value))
            }
            Change::Member(member) => {
                let key = MemberKey { group_id: group_id(), member_id: (&**member).into() };
                record(&key, self.members.get(member).map(member_value))
            }
            Change::TargetOf(member) => {
                let key = TargetOfKey { group_id: group_id(), member_id: (&**member).into() };
                let value = |target: &Assigned| TargetOfValue { topic_partitions: topic_partitions(target) };
                record(&key, self.targets.get(member).map(value))
            }
            Change::Current(member) => {
                let key = CurrentKey { group_id: group_id(), member_id: (&**member).into() };
                record(&key, self.members.get(member).map(current_value))
            }
        }
    }
}

fn record<K: Message, V: Message>(key: &K, value: Option<V>) -> Result<GroupRecord, EncodeError> {
    let value = value.map(|value| encode(&value, *V::VERSIONS.end())).transpose()?;
    Ok(GroupRecord { key: encode(key, *K::VERSIONS.end())?, value })
}

fn member_value(member: &ConsumerMember) -> MemberValue {
    let text = |text: &Option<String>| text.as_deref().map(Text::from);
    MemberValue {
        instance_id: text(&member.instance_id),
        rack_id: text(&member.rack_id),
        client_id: (&*member.client_id).into(),
        client_host: (&*member.client_host).into(),
        subscribed_topic_names: member.topics.iter().map(|topic| (&**topic).into()).collect(),
        subscribed_topic_regex: text(&member.regex),
        rebalance_timeout_ms: i32::try_from(member.rebalance_timeout_ms).unwrap_or(i32::MAX),
        server_assignor: text(&member.assignor),
    }
}

fn current_value(member: &ConsumerMember) -> CurrentValue {
    CurrentValue {
        member_epoch: member.epoch,
        previous_member_epoch: member.previous_epoch,
        state: member.state.number(),
        assigned_partitions: topic_partitions(&member.assigned),
        partitions_pending_revocation: topic_partitions(&member.revoking),
    }
}

fn topic_partitions(assigned: &Assigned) -> Vec<TopicPartitions> {
    let of = |(topic_id, partitions): (&broker_protocol::Uuid, &BTreeSet<i32>)| TopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
    };
    assigned.iter().map(of).collect()
}

fn assigned(topics: Vec<TopicPartitions>) -> Assigned {
    let of = |topic: TopicPartitions| (topic.topic_id, topic.partitions.into_iter().collect());
    topics.into_iter().map(of).collect()
}

/// What the log says of one group.
#[derive(Clone, Debug, Default)]
pub(in crate::group) struct LoadedConsumerGroup {
    group: Option<GroupValue>,
    target_epoch: i32,
    members: BTreeMap<String, MemberValue>,
    targets: BTreeMap<String, Assigned>,
    currents: BTreeMap<String, CurrentValue>,
}

impl LoadedConsumerGroup {
    /// Takes a record; it belongs to the group that is named first in its key.
    pub(in crate::group) fn apply(
        groups: &mut std::collections::HashMap<String, Self>,
        version: i16,
        key: Bytes,
        value: Option<Bytes>,
    ) -> Result<(), DecodeError> {
        match version {
            3 => {
                let key: GroupKey = decode(key)?;
                groups.entry(key.group_id.to_string()).or_default().group = value.map(decode).transpose()?;
            }
            5 => {
                let key: MemberKey = decode(key)?;
                let group = groups.entry(key.group_id.to_string()).or_default();
                set(&mut group.members, &key.member_id, value.map(decode).transpose()?);
            }
            6 => {
                let key: TargetKey = decode(key)?;
                let value: Option<TargetValue> = value.map(decode).transpose()?;
                let group = groups.entry(key.group_id.to_string()).or_default();
                group.target_epoch = value.map_or(0, |value| value.assignment_epoch);
            }
            7 => {
                let key: TargetOfKey = decode(key)?;
                let value: Option<TargetOfValue> = value.map(decode).transpose()?;
                let group = groups.entry(key.group_id.to_string()).or_default();
                set(&mut group.targets, &key.member_id, value.map(|value| assigned(value.topic_partitions)));
            }
            _ => {
                let key: CurrentKey = decode(key)?;
                let group = groups.entry(key.group_id.to_string()).or_default();
                set(&mut group.currents, &key.member_id, value.map(decode).transpose()?);
            }
        }
        Ok(())
    }

    /// The group as it was; `None` if it had ended. Members have one session timeout to be heard of.
    pub(in crate::group) fn recall(self, limits: &ConsumerLimits, now: Millis) -> Option<ConsumerGroup> {
        let value = self.group?;
        let mut group = ConsumerGroup::new();
        (group.epoch, group.target_epoch) = (value.epoch, self.target_epoch.min(value.epoch));
        group.topics_hash = value.metadata_hash;
        let mut currents = self.currents;
        for (id, value) in self.members {
            let current = currents.remove(&id);
            let mut member = recall_member(id, value, current);
            member.expires_at = now.saturating_add(limits.session_timeout_ms);
            if member.state == MemberState::Unrevoked {
                member.revokes_until = Some(now.saturating_add(member.rebalance_timeout_ms));
            }
            group.put(member);
        }
        group.targets = self.targets;
        group.targets.retain(|id, _| group.members.contains_key(id));
        Some(group)
    }
}

fn recall_member(id: String, value: MemberValue, current: Option<CurrentValue>) -> ConsumerMember {
    let text = |text: Option<Text>| text.map(|text| text.to_string());
    let mut member = ConsumerMember {
        instance_id: text(value.instance_id),
        rack_id: text(value.rack_id),
        client_id: value.client_id.to_string(),
        client_host: value.client_host.to_string(),
        topics: value.subscribed_topic_names.iter().map(ToString::to_string).collect(),
        regex: text(value.subscribed_topic_regex).filter(|regex| !regex.is_empty()),
        rebalance_timeout_ms: u64::try_from(value.rebalance_timeout_ms).unwrap_or(0),
        assignor: text(value.server_assignor),
        ..ConsumerMember::new(id)
    };
    if let Some(current) = current {
        (member.epoch, member.previous_epoch) = (current.member_epoch, current.previous_member_epoch);
        member.state = MemberState::of_number(current.state).unwrap_or(MemberState::Unreleased);
        member.assigned = assigned(current.assigned_partitions);
        member.revoking = assigned(current.partitions_pending_revocation);
    }
    member
}

fn set<V>(map: &mut BTreeMap<String, V>, id: &str, value: Option<V>) {
    match value {
        Some(value) => {
            map.insert(id.to_owned(), value);
        }
        None => {
            map.remove(id);
        }
    }
}
