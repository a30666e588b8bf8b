//! Groups: members need READ on the group, lookers DESCRIBE; offsets need the topic as well.

use broker_protocol::{
    ErrorCode, Text, Uuid,
    messages::{
        delete_groups::{DeletableGroupResult, DeleteGroupsRequest},
        describe_groups::{DescribeGroupsRequest, DescribedGroup},
        heartbeat::{HeartbeatRequest, HeartbeatResponse},
        join_group::{JoinGroupRequest, JoinGroupResponse},
        leave_group::{LeaveGroupRequest, LeaveGroupResponse},
        list_groups::ListGroupsRequest,
        offset_commit::{
            OffsetCommitRequest, OffsetCommitRequestTopic, OffsetCommitResponse,
            OffsetCommitResponsePartition, OffsetCommitResponseTopic,
        },
        offset_delete::{
            OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition,
            OffsetDeleteResponseTopic,
        },
        offset_fetch::{
            OffsetFetchRequest, OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
            OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
        },
        sync_group::{SyncGroupRequest, SyncGroupResponse},
    },
};

use super::{Authorize, Gate, Verdict, take_denied};
use crate::security::acl::{Operation, Resource};

const DENIED_GROUP: ErrorCode = ErrorCode::GROUP_AUTHORIZATION_FAILED;
const DENIED_TOPIC: ErrorCode = ErrorCode::TOPIC_AUTHORIZATION_FAILED;

/// Requests of members: READ on the group, or an error code.
macro_rules! by_member {
    ($($request:ident => $response:ident),+) => {$(
        impl Authorize for $request {
            fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
                if gate.is_open() || gate.allows(Operation::Read, Resource::group(&self.group_id)) {
                    return Verdict::Pass;
                }
                Verdict::Refused($response { error_code: DENIED_GROUP, ..$response::default() })
            }
        }
    )+};
}

by_member!(
    JoinGroupRequest => JoinGroupResponse,
    SyncGroupRequest => SyncGroupResponse,
    HeartbeatRequest => HeartbeatResponse,
    LeaveGroupRequest => LeaveGroupResponse
);

impl Authorize for OffsetCommitRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.is_open() {
            return Verdict::Pass;
        }
        if !gate.allows(Operation::Read, Resource::group(&self.group_id)) {
            let topics = std::mem::take(&mut self.topics).into_iter();
            let topics = topics.map(|topic| commit_denied(topic, DENIED_GROUP)).collect();
            return Verdict::Refused(OffsetCommitResponse { topics, ..OffsetCommitResponse::default() });
        }
        let denied = take_denied(&mut self.topics, |topic| {
            gate.allows_topic(Operation::Read, &topic.name, topic.topic_id)
        });
        let denied: Vec<_> = denied.into_iter().map(|topic| commit_denied(topic, DENIED_TOPIC)).collect();
        Self::amend(move |response| response.topics.extend(denied))
    }
}

fn commit_denied(topic: OffsetCommitRequestTopic, error_code: ErrorCode) -> OffsetCommitResponseTopic {
    let partition = |partition_index| OffsetCommitResponsePartition { partition_index, error_code };
    OffsetCommitResponseTopic {
        partitions: topic.partitions.iter().map(|wanted| partition(wanted.partition_index)).collect(),
        name: topic.name,
        topic_id: topic.topic_id,
    }
}

/// From this version on, offsets of several groups are asked for at once.
const FETCH_VERSION_GROUPS: i16 = 8;
/// From this version on, a group has an error of its own.
const FETCH_VERSION_GROUP_ERROR: i16 = 2;

impl Authorize for OffsetFetchRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.is_open() {
            return Verdict::Pass;
        }
        if gate.version >= FETCH_VERSION_GROUPS { fetch_groups(self, gate) } else { fetch_one(self, gate) }
    }
}

fn fetch_groups(request: &mut OffsetFetchRequest, gate: &Gate) -> Verdict<OffsetFetchResponse> {
    let denied = take_denied(&mut request.groups, |group| {
        gate.allows(Operation::Describe, Resource::group(&group.group_id))
    });
    let denied: Vec<_> = denied
        .into_iter()
        .map(|group| OffsetFetchResponseGroup {
            group_id: group.group_id,
            topics: Vec::new(),
            error_code: DENIED_GROUP,
        })
        .collect();
    let mut denied_topics = Vec::new();
    for group in &mut request.groups {
        let topics = group.topics.as_mut().map(|topics| {
            take_denied(topics, |topic| gate.allows_topic(Operation::Describe, &topic.name, topic.topic_id))
        });
        let topics = topics.unwrap_or_default().into_iter().map(|topic| OffsetFetchResponseTopics {
            partitions: topic.partition_indexes.into_iter().map(offset_denied).collect(),
            name: topic.name,
            topic_id: topic.topic_id,
        });
        denied_topics.push(topics.collect::<Vec<_>>());
    }
    let gate = gate.clone();
    OffsetFetchRequest::amend(move |response| {
        for (group, denied) in response.groups.iter_mut().zip(denied_topics) {
            // Who asked for all topics gets those that it may know of.
            group.topics.retain(|topic| may_describe(&gate, &topic.name, topic.topic_id));
            group.topics.extend(denied);
        }
        response.groups.extend(denied);
    })
}

fn may_describe(gate: &Gate, name: &Text, id: Uuid) -> bool {
    if id.is_zero() || !name.is_empty() {
        return gate.may(Operation::Describe, Resource::topic(name));
    }
    let topic = gate.state.topics.by_id(uuid::Uuid::from_bytes(id.0));
    topic.is_none_or(|topic| gate.may(Operation::Describe, Resource::topic(&topic.name)))
}

fn offset_denied(partition_index: i32) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: -1,
        metadata: Some(Text::new()),
        error_code: DENIED_TOPIC,
        ..OffsetFetchResponsePartitions::default()
    }
}

fn fetch_one(request: &mut OffsetFetchRequest, gate: &Gate) -> Verdict<OffsetFetchResponse> {
    let refused = |error_code| {
        move |partition_index| OffsetFetchResponsePartition {
            partition_index,
            committed_offset: -1,
            metadata: Some(Text::new()),
            error_code,
            ..OffsetFetchResponsePartition::default()
        }
    };
    if !gate.allows(Operation::Describe, Resource::group(&request.group_id)) {
        let mut response = OffsetFetchResponse { error_code: DENIED_GROUP, ..OffsetFetchResponse::default() };
        if gate.version < FETCH_VERSION_GROUP_ERROR {
            let topics = request.topics.take().unwrap_or_default().into_iter();
            response.topics = topics
                .map(|topic| OffsetFetchResponseTopic {
                    partitions: topic.partition_indexes.into_iter().map(refused(DENIED_GROUP)).collect(),
                    name: topic.name,
                })
                .collect();
        }
        return Verdict::Refused(response);
    }
    let denied = request.topics.as_mut().map(|topics| {
        take_denied(topics, |topic| gate.allows(Operation::Describe, Resource::topic(&topic.name)))
    });
    let denied: Vec<_> = denied
        .unwrap_or_default()
        .into_iter()
        .map(|topic| OffsetFetchResponseTopic {
            partitions: topic.partition_indexes.into_iter().map(refused(DENIED_TOPIC)).collect(),
            name: topic.name,
        })
        .collect();
    let gate = gate.clone();
    OffsetFetchRequest::amend(move |response| {
        response.topics.retain(|topic| gate.may(Operation::Describe, Resource::topic(&topic.name)));
        response.topics.extend(denied);
    })
}

impl Authorize for OffsetDeleteRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.is_open() {
            return Verdict::Pass;
        }
        if !gate.allows(Operation::Delete, Resource::group(&self.group_id)) {
            let error_code = DENIED_GROUP;
            return Verdict::Refused(OffsetDeleteResponse { error_code, ..OffsetDeleteResponse::default() });
        }
        let denied =
            take_denied(&mut self.topics, |topic| gate.allows(Operation::Read, Resource::topic(&topic.name)));
        let partition =
            |partition_index| OffsetDeleteResponsePartition { partition_index, error_code: DENIED_TOPIC };
        let denied: Vec<_> = denied
            .into_iter()
            .map(|topic| OffsetDeleteResponseTopic {
                partitions: topic.partitions.iter().map(|wanted| partition(wanted.partition_index)).collect(),
                name: topic.name,
            })
            .collect();
        Self::amend(move |response| response.topics.extend(denied))
    }
}

impl Authorize for DescribeGroupsRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        let operations = self.include_authorized_operations;
        if gate.is_open() && !operations {
            return Verdict::Pass;
        }
        let denied =
            take_denied(&mut self.groups, |group| gate.allows(Operation::Describe, Resource::group(group)));
        let denied: Vec<_> = denied
            .into_iter()
            .map(|group_id| DescribedGroup {
                group_id,
                error_code: DENIED_GROUP,
                ..DescribedGroup::default()
            })
            .collect();
        let gate = gate.clone();
        Self::amend(move |response| {
            for group in &mut response.groups {
                if operations && group.error_code == ErrorCode::NONE {
                    group.authorized_operations = gate.operations(Resource::group(&group.group_id));
                }
            }
            response.groups.extend(denied);
        })
    }
}

impl Authorize for ListGroupsRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.may(Operation::Describe, Resource::CLUSTER) {
            return Verdict::Pass;
        }
        let gate = gate.clone();
        Self::amend(move |response| {
            response.groups.retain(|group| gate.may(Operation::Describe, Resource::group(&group.group_id)));
        })
    }
}

impl Authorize for DeleteGroupsRequest {
    fn authorize(&mut self, gate: &Gate) -> Verdict<Self::Response> {
        if gate.is_open() {
            return Verdict::Pass;
        }
        let denied = take_denied(&mut self.groups_names, |group| {
            gate.allows(Operation::Delete, Resource::group(group))
        });
        let denied: Vec<_> = denied
            .into_iter()
            .map(|group_id| DeletableGroupResult { group_id, error_code: DENIED_GROUP })
            .collect();
        Self::amend(move |response| response.results.extend(denied))
    }
}
