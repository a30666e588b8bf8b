//! ConsumerGroupHeartbeat and ConsumerGroupDescribe: groups of the consumer protocol (KIP-848).

use std::future::Future;

use broker_protocol::{
    ErrorCode, Text,
    messages::{
        consumer_group_describe::{
            ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribedAssignment,
            DescribedConsumerGroup, DescribedConsumerGroupMember, DescribedTopicPartitions,
        },
        consumer_group_heartbeat::{
            ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
            ConsumerGroupHeartbeatResponseAssignment, ConsumerGroupHeartbeatResponseTopicPartitions,
        },
    },
};

use super::groups::each_once;
use crate::{
    broker::State,
    group::{Assigned, Assignor, Beat, BeatAnswer, ConsumerMemberView, Refused, TopicView},
    server::{connection::Session, dispatch::Call},
};

/// A member that speaks the consumer protocol, and not the classic one.
const CONSUMER_MEMBER: i8 = 1;

/// Answers ConsumerGroupHeartbeat; the group has taken it when this returns, the answer may wait for the disk.
pub(in crate::server) fn heartbeat(
    state: &State,
    session: &Session,
    call: &Call,
    request: &ConsumerGroupHeartbeatRequest,
) -> impl Future<Output = ConsumerGroupHeartbeatResponse> + Send + 'static {
    let waiting = check(state, request, call.version).map(|()| {
        let beat = beat_of(session, call, request);
        state.groups.beat(&state.topics, &request.group_id, &beat)
    });
    async move {
        let gone = |_gone| {
            Err(Refused::new(ErrorCode::COORDINATOR_NOT_AVAILABLE, "The coordinator is shutting down."))
        };
        let answer = match waiting {
            Ok(waiting) => waiting.await.unwrap_or_else(gone),
            Err(refused) => Err(refused),
        };
        answer.map_or_else(refusal, response)
    }
}

fn check(state: &State, request: &ConsumerGroupHeartbeatRequest, version: i16) -> Result<(), Refused> {
    if state.groups.failure().is_some() {
        let message = "The offsets of groups cannot be read.";
        return Err(Refused::new(ErrorCode::COORDINATOR_NOT_AVAILABLE, message));
    }
    let empty = |text: &Option<Text>| text.as_ref().is_some_and(|text| text.is_empty());
    let joins = request.member_epoch == 0;
    let holds = request.topic_partitions.as_ref();
    let message = if request.group_id.is_empty() {
        "GroupId can't be empty."
    } else if request.member_id.is_empty() && (version > 0 || !joins) {
        "MemberId can't be empty."
    } else if empty(&request.instance_id) {
        "InstanceId can't be empty."
    } else if empty(&request.rack_id) {
        "RackId can't be empty."
    } else if joins && request.rebalance_timeout_ms < 0 {
        "RebalanceTimeoutMs must be provided in first request."
    } else if joins && holds.is_none_or(|holds| !holds.is_empty()) {
        "TopicPartitions must be empty when (re-)joining."
    } else if joins && request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() {
        "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining."
    } else if request.member_epoch == -2 && request.instance_id.is_none() {
        "InstanceId can't be null."
    } else if request.member_epoch < -2 {
        "MemberEpoch is invalid."
    } else {
        return check_assignor(state, request.server_assignor.as_deref());
    };
    Err(Refused::new(ErrorCode::INVALID_REQUEST, message))
}

fn check_assignor(state: &State, asked: Option<&str>) -> Result<(), Refused> {
    let known = &state.config.consumer_group_assignors;
    match asked {
        Some(name) if !known.iter().any(|assignor| assignor.name() == name) => {
            let names: Vec<&str> = known.iter().map(|assignor: &Assignor| assignor.name()).collect();
            let names = names.join(", ");
            let message = format!("ServerAssignor {name} is not supported. Supported assignors: {names}.");
            Err(Refused::new(ErrorCode::UNSUPPORTED_ASSIGNOR, message))
        }
        _ => Ok(()),
    }
}

fn beat_of(session: &Session, call: &Call, request: &ConsumerGroupHeartbeatRequest) -> Beat {
    let text = |text: &Option<Text>| text.as_ref().map(Text::to_string);
    let owned = request.topic_partitions.as_ref().map(|topics| {
        let mut owned = Assigned::new();
        for topic in topics.iter().filter(|topic| !topic.partitions.is_empty()) {
            owned.entry(topic.topic_id).or_default().extend(&topic.partitions);
        }
        owned
    });
    // In version 0 the coordinator names the newcomers.
    let member_id = if request.member_id.is_empty() {
        uuid::Uuid::new_v4().to_string()
    } else {
        request.member_id.to_string()
    };
    let topics = request.subscribed_topic_names.as_ref();
    Beat {
        member_id,
        member_epoch: request.member_epoch,
        instance_id: text(&request.instance_id),
        rack_id: text(&request.rack_id),
        client_id: call.client_id.clone(),
        client_host: format!("/{}", session.peer.ip()),
        rebalance_timeout_ms: u64::try_from(request.rebalance_timeout_ms).ok(),
        topics: topics.map(|topics| topics.iter().map(Text::to_string).collect()),
        regex: text(&request.subscribed_topic_regex),
        assignor: text(&request.server_assignor),
        owned,
    }
}

fn response(answer: BeatAnswer) -> ConsumerGroupHeartbeatResponse {
    let assignment = answer.assignment.map(|assigned| {
        let topic = |(topic_id, partitions): (_, std::collections::BTreeSet<i32>)| {
            ConsumerGroupHeartbeatResponseTopicPartitions {
                topic_id,
                partitions: partitions.into_iter().collect(),
            }
        };
        ConsumerGroupHeartbeatResponseAssignment {
            topic_partitions: assigned.into_iter().map(topic).collect(),
        }
    });
    ConsumerGroupHeartbeatResponse {
        member_id: Some(answer.member_id.into()),
        member_epoch: answer.member_epoch,
        heartbeat_interval_ms: i32::try_from(answer.heartbeat_interval_ms).unwrap_or(i32::MAX),
        assignment,
        ..ConsumerGroupHeartbeatResponse::default()
    }
}

fn refusal(refused: Refused) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse {
        error_code: refused.code,
        error_message: Some(refused.message.into()),
        ..ConsumerGroupHeartbeatResponse::default()
    }
}

/// Answers ConsumerGroupDescribe.
pub(in crate::server) fn describe(
    state: &State,
    request: &ConsumerGroupDescribeRequest,
) -> ConsumerGroupDescribeResponse {
    let groups = each_once(&request.group_ids).map(|id| describe_one(state, id)).collect();
    ConsumerGroupDescribeResponse { groups, ..ConsumerGroupDescribeResponse::default() }
}

fn describe_one(state: &State, id: &Text) -> DescribedConsumerGroup {
    let failed = |error_code, message: String| DescribedConsumerGroup {
        error_code,
        error_message: Some(message.into()),
        group_id: id.clone(),
        ..DescribedConsumerGroup::default()
    };
    if id.is_empty() {
        return failed(ErrorCode::INVALID_GROUP_ID, "The group id is empty.".to_owned());
    }
    let Some(group) = state.groups.describe_consumer_group(&state.topics, id) else {
        let what = if state.groups.is_empty(id).is_some() { "is not a consumer group" } else { "not found" };
        return failed(ErrorCode::GROUP_ID_NOT_FOUND, format!("Group {id} {what}."));
    };
    DescribedConsumerGroup {
        group_id: id.clone(),
        group_state: group.state.name().into(),
        group_epoch: group.epoch,
        assignment_epoch: group.assignment_epoch,
        assignor_name: group.assignor.into(),
        members: group.members.into_iter().map(described_member).collect(),
        ..DescribedConsumerGroup::default()
    }
}

fn described_member(view: ConsumerMemberView) -> DescribedConsumerGroupMember {
    let assignment = |topics: Vec<TopicView>| DescribedAssignment {
        topic_partitions: topics
            .into_iter()
            .map(|topic| DescribedTopicPartitions {
                topic_id: topic.id,
                topic_name: topic.name.into(),
                partitions: topic.partitions,
            })
            .collect(),
    };
    let member = view.member;
    DescribedConsumerGroupMember {
        member_id: member.id.into(),
        instance_id: member.instance_id.map(Text::from),
        rack_id: member.rack_id.map(Text::from),
        member_epoch: member.epoch,
        client_id: member.client_id.into(),
        client_host: member.client_host.into(),
        subscribed_topic_names: member.topics.into_iter().map(Text::from).collect(),
        subscribed_topic_regex: member.regex.map(Text::from),
        assignment: assignment(view.assigned),
        target_assignment: assignment(view.target),
        member_type: CONSUMER_MEMBER,
    }
}
