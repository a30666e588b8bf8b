//! A group as its record in the log has it: written when it becomes Stable or Empty, read when the broker starts.
//!
//! Members that come back from a record are in their generation with their assignment, and have one session timeout to be heard of.

use broker_protocol::{
    Text,
    group_records::{GroupMetadataKey, GroupMetadataValue, MemberMetadata, encode},
};

use super::{
    journal::GroupRecord,
    member::{Member, Millis},
    state::{Group, GroupLimits, GroupState},
};

/// The version of the key that names a group.
pub(super) const GROUP_KEY_VERSION: i16 = 2;
/// As Kafka writes it: the newest that is not flexible.
const GROUP_VALUE_VERSION: i16 = 3;

/// The record of a group, or its end; `None` and a line in the log if it is too long to be stored.
pub(super) fn group_record(id: &str, value: Option<&GroupMetadataValue>) -> Option<GroupRecord> {
    let key = encode(&GroupMetadataKey { group: id.into() }, GROUP_KEY_VERSION);
    let value = value.map(|value| encode(value, GROUP_VALUE_VERSION)).transpose();
    match (key, value) {
        (Ok(key), Ok(value)) => Some(GroupRecord { key, value }),
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!(group = id, "the group cannot be stored, a restart forgets its members: {error}");
            None
        }
    }
}

impl Group {
    /// The group for the log. `since_ms`: when it came to its state, in milliseconds since 1970.
    pub(super) fn remember(&self, since_ms: i64) -> GroupMetadataValue {
        let protocol = self.protocol();
        let milliseconds = |time: u64| i32::try_from(time).unwrap_or(i32::MAX);
        let member = |member: &Member| MemberMetadata {
            member_id: (&*member.id).into(),
            group_instance_id: member.instance_id.as_deref().map(Text::from),
            client_id: (&*member.client_id).into(),
            client_host: (&*member.client_host).into(),
            rebalance_timeout: milliseconds(member.rebalance_timeout_ms),
            session_timeout: milliseconds(member.session_timeout_ms),
            subscription: member.metadata(protocol),
            assignment: member.assignment.clone(),
        };
        GroupMetadataValue {
            protocol_type: self.protocol_type().into(),
            generation: self.generation,
            protocol: self.protocol.as_deref().map(Text::from),
            leader: self.leader.as_deref().map(Text::from),
            current_state_timestamp: since_ms,
            members: self.members.values().map(member).collect(),
        }
    }

    /// The group that a record tells of.
    pub(super) fn recall(limits: GroupLimits, value: GroupMetadataValue, now: Millis) -> Self {
        let mut group = Self::new(limits);
        group.generation = value.generation;
        group.protocol_type = Some(value.protocol_type.to_string()).filter(|kind| !kind.is_empty());
        group.protocol = value.protocol.map(|name| name.to_string());
        for member in value.members {
            let member = recall_member(member, group.protocol(), now);
            if let Some(instance) = &member.instance_id {
                group.instances.insert(instance.clone(), member.id.clone());
            }
            group.members.insert(member.id.clone(), member);
        }
        let leader = value.leader.map(|id| id.to_string()).filter(|id| group.members.contains_key(id));
        group.leader = leader.or_else(|| group.members.keys().next().cloned());
        if group.members.is_empty() {
            group.protocol = None;
        } else {
            group.state = GroupState::Stable;
        }
        group
    }
}

fn recall_member(member: MemberMetadata, protocol: &str, now: Millis) -> Member {
    let milliseconds = |time: i32| u64::try_from(time).unwrap_or(0);
    let mut recalled = Member {
        id: member.member_id.to_string(),
        instance_id: member.group_instance_id.map(|id| id.to_string()),
        client_id: member.client_id.to_string(),
        client_host: member.client_host.to_string(),
        session_timeout_ms: milliseconds(member.session_timeout),
        rebalance_timeout_ms: milliseconds(member.rebalance_timeout),
        protocols: vec![(protocol.to_owned(), member.subscription)],
        assignment: member.assignment,
        waits_for_join: None,
        waits_for_sync: None,
        expires_at: 0,
        given_up_at: None,
    };
    recalled.refresh(now);
    recalled
}
