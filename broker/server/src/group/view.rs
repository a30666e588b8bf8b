//! Groups as those see them who list and describe.

use bytes::Bytes;

use super::{
    consumer::{Assigned, ConsumerGroup, ConsumerMember, ConsumerState, TopicImage},
    coordinator::{Cell, Coordinator, Kind},
    member::Member,
    state::{Group, GroupState},
};
use crate::topics::Topics;

/// A group for those who list.
#[derive(Clone, Debug)]
pub(crate) struct ListedView {
    pub(crate) id: String,
    /// Kafka's name of its state.
    pub(crate) state: &'static str,
    pub(crate) protocol_type: String,
    /// `classic` or `consumer`.
    pub(crate) kind: &'static str,
}

/// A classic group for those who describe.
#[derive(Clone, Debug)]
pub(crate) struct GroupView {
    pub(crate) state: GroupState,
    pub(crate) protocol_type: String,
    /// Empty unless the group is stable.
    pub(crate) protocol: String,
    pub(crate) members: Vec<MemberView>,
}

/// A member of a [`GroupView`].
#[derive(Clone, Debug)]
pub(crate) struct MemberView {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) metadata: Bytes,
    pub(crate) assignment: Bytes,
}

/// A group of the consumer protocol for those who describe.
#[derive(Clone, Debug)]
pub(crate) struct ConsumerGroupView {
    pub(crate) state: ConsumerState,
    pub(crate) epoch: i32,
    pub(crate) assignment_epoch: i32,
    pub(crate) assignor: &'static str,
    pub(crate) members: Vec<ConsumerMemberView>,
}

/// A member of a [`ConsumerGroupView`].
#[derive(Clone, Debug)]
pub(crate) struct ConsumerMemberView {
    pub(crate) member: ConsumerMember,
    pub(crate) assigned: Vec<TopicView>,
    pub(crate) target: Vec<TopicView>,
}

/// Some partitions of a topic.
#[derive(Clone, Debug)]
pub(crate) struct TopicView {
    pub(crate) id: broker_protocol::Uuid,
    /// Empty if the topic is gone.
    pub(crate) name: String,
    pub(crate) partitions: Vec<i32>,
}

impl Coordinator {
    /// All groups that were joined or have offsets, by name.
    pub(crate) fn list(&self) -> Vec<ListedView> {
        let groups = self.groups.lock();
        self.ids(&groups.by_id).into_iter().map(|id| listed(groups.by_id.get(&id), id)).collect()
    }

    /// How many groups there are.
    pub(crate) fn group_count(&self) -> usize {
        self.ids(&self.groups.lock().by_id).len()
    }

    fn ids(&self, groups: &std::collections::HashMap<String, Cell>) -> Vec<String> {
        let mut ids: Vec<String> = self.offsets.lock().groups().chain(groups.keys()).cloned().collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Whether a group has no members; `None` if there is no group of that name.
    pub(crate) fn is_empty(&self, id: &str) -> Option<bool> {
        let empty = self.groups.lock().by_id.get(id).map(|cell| match &cell.kind {
            Kind::Classic(group) => group.state() == GroupState::Empty,
            Kind::Consumer(group) => group.state() == ConsumerState::Empty,
        });
        empty.or_else(|| self.offsets.lock().contains(id).then_some(true))
    }

    /// One classic group; `None` if there is none of that name.
    pub(crate) fn describe(&self, id: &str) -> Option<GroupView> {
        let has_offsets = self.offsets.lock().contains(id);
        match self.groups.lock().by_id.get(id) {
            Some(Cell { kind: Kind::Classic(group), .. }) => Some(view(group)),
            Some(Cell { kind: Kind::Consumer(_), .. }) => None,
            None if has_offsets => Some(view(&Group::new(self.limits))),
            None => None,
        }
    }

    /// One group of the consumer protocol; `None` if there is none of that name.
    pub(crate) fn describe_consumer_group(&self, topics: &Topics, id: &str) -> Option<ConsumerGroupView> {
        let image = self.image(topics);
        match self.groups.lock().by_id.get(id) {
            Some(Cell { kind: Kind::Consumer(group), .. }) => {
                let assignor = group.assignor(&self.consumer_limits).map_or("", |assignor| assignor.name());
                Some(consumer_view(group, assignor, &image))
            }
            _ => None,
        }
    }

    /// Whether a member of the group reads a topic; `None` for groups that say nothing about topics while they have members.
    pub(crate) fn reads(&self, id: &str, topic: &str) -> Option<bool> {
        let groups = self.groups.lock();
        // Without an entry, the group has nothing but offsets.
        let Some(cell) = groups.by_id.get(id) else { return Some(false) };
        match &cell.kind {
            Kind::Classic(group) if group.state() == GroupState::Empty => Some(false),
            Kind::Classic(group) if group.protocol_type() != "consumer" => None,
            // In the middle of a rebalance nobody knows: rather keep the offset.
            Kind::Classic(group) if group.state() != GroupState::Stable => Some(true),
            Kind::Classic(group) => {
                Some(group.subscribed_topics().is_none_or(|topics| topics.contains(topic)))
            }
            Kind::Consumer(group) => {
                Some(group.members().flat_map(|member| group.topics_of(member)).any(|read| read == topic))
            }
        }
    }
}

fn listed(cell: Option<&Cell>, id: String) -> ListedView {
    let (state, protocol_type, kind) = match cell.map(|cell| &cell.kind) {
        Some(Kind::Classic(group)) => (group.state().name(), group.protocol_type(), "classic"),
        Some(Kind::Consumer(group)) => (group.state().name(), "consumer", "consumer"),
        None => (GroupState::Empty.name(), "", "classic"),
    };
    ListedView { id, state, protocol_type: protocol_type.to_owned(), kind }
}

fn view(group: &Group) -> GroupView {
    let stable = group.state() == GroupState::Stable;
    let protocol = if stable { group.protocol().to_owned() } else { String::new() };
    let member = |member: &Member| MemberView {
        id: member.id.clone(),
        instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        metadata: if stable { member.metadata(&protocol) } else { Bytes::new() },
        assignment: if stable { member.assignment.clone() } else { Bytes::new() },
    };
    GroupView {
        state: group.state(),
        protocol_type: group.protocol_type().to_owned(),
        members: group.members().map(member).collect(),
        protocol,
    }
}

fn consumer_view(group: &ConsumerGroup, assignor: &'static str, image: &TopicImage) -> ConsumerGroupView {
    let topics = |assigned: &Assigned| {
        let topic =
            |(id, partitions): (&broker_protocol::Uuid, &std::collections::BTreeSet<i32>)| TopicView {
                id: *id,
                name: image.name(*id).to_owned(),
                partitions: partitions.iter().copied().collect(),
            };
        assigned.iter().map(topic).collect()
    };
    let member = |member: &ConsumerMember| ConsumerMemberView {
        assigned: topics(&member.assigned),
        target: topics(&group.target_of(&member.id)),
        member: member.clone(),
    };
    ConsumerGroupView {
        state: group.state(),
        epoch: group.epoch(),
        assignment_epoch: group.assignment_epoch(),
        assignor,
        members: group.members().map(member).collect(),
    }
}
