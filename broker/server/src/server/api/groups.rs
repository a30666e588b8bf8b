//! JoinGroup, SyncGroup, Heartbeat, LeaveGroup, and what tools ask about groups.

use std::{collections::HashSet, future::Future, sync::Arc};

use broker_protocol::{
    ErrorCode, Text,
    messages::{
        delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse},
        describe_groups::{
            DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
        },
        heartbeat::{HeartbeatRequest, HeartbeatResponse},
        join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember},
        leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse},
        list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup},
        sync_group::{SyncGroupRequest, SyncGroupResponse},
    },
};

use crate::{
    broker::State,
    group::{Claim, Coordinator, Join, JoinAnswer, Sync, SyncAnswer},
    server::{connection::Session, dispatch::Call},
};

/// Answers JoinGroup; the member is in the group's hands when this returns, the answer may come much later.
pub(in crate::server) fn join(
    state: &State,
    session: &Session,
    call: &Call,
    request: JoinGroupRequest,
) -> impl Future<Output = JoinGroupResponse> + Send + 'static {
    let member_id = request.member_id.to_string();
    if let Some(reason) = request.reason.as_deref().filter(|reason| !reason.is_empty()) {
        tracing::info!(group = &*request.group_id, member = member_id, reason, "a member joins");
    }
    let waiting = match check_join(state, &request) {
        Err(error) => Err(JoinAnswer::failed(error, member_id)),
        Ok(session_timeout_ms) => {
            let join = join_of(session, call, &request, session_timeout_ms);
            Ok(state.groups.join(&request.group_id, join))
        }
    };
    async move {
        let answer = match waiting {
            Err(answer) => answer,
            Ok(waiting) => waiting.await.unwrap_or_else(|_gone| {
                JoinAnswer::failed(ErrorCode::COORDINATOR_NOT_AVAILABLE, &*request.member_id)
            }),
        };
        join_response(answer)
    }
}

fn check_join(state: &State, request: &JoinGroupRequest) -> Result<u64, ErrorCode> {
    check_group(state, &request.group_id)?;
    let session_ms = u64::try_from(request.session_timeout_ms).unwrap_or(0);
    let config = &state.config;
    let allowed = config.group_session_timeout_min.as_millis()..=config.group_session_timeout_max.as_millis();
    if allowed.contains(&u128::from(session_ms)) {
        Ok(session_ms)
    } else {
        Err(ErrorCode::INVALID_SESSION_TIMEOUT)
    }
}

/// What every request of a member needs: a coordinator, and a group's name.
fn check_group(state: &State, group: &str) -> Result<(), ErrorCode> {
    if group.is_empty() {
        return Err(ErrorCode::INVALID_GROUP_ID);
    }
    if state.groups.failure().is_some() {
        return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
    }
    Ok(())
}

fn join_of(session: &Session, call: &Call, request: &JoinGroupRequest, session_timeout_ms: u64) -> Join {
    let instance_id = request.group_instance_id.as_ref().map(Text::to_string);
    let prefix = instance_id.as_deref().unwrap_or(&call.client_id);
    Join {
        member_id: request.member_id.to_string(),
        new_member_id: format!("{prefix}-{}", uuid::Uuid::new_v4()),
        client_id: call.client_id.clone(),
        client_host: format!("/{}", session.peer.ip()),
        session_timeout_ms,
        // Version 0 had only the session timeout.
        rebalance_timeout_ms: u64::try_from(request.rebalance_timeout_ms).unwrap_or(session_timeout_ms),
        protocol_type: request.protocol_type.to_string(),
        protocols: request
            .protocols
            .iter()
            .map(|protocol| (protocol.name.to_string(), protocol.metadata.clone()))
            .collect(),
        known_id_required: call.version >= 4 && instance_id.is_none(),
        can_skip_assignment: call.version >= 9,
        instance_id,
    }
}

fn join_response(answer: JoinAnswer) -> JoinGroupResponse {
    let member =
        |(id, instance_id, metadata): (String, Option<String>, bytes::Bytes)| JoinGroupResponseMember {
            member_id: id.into(),
            group_instance_id: instance_id.map(Text::from),
            metadata,
        };
    JoinGroupResponse {
        error_code: answer.error,
        generation_id: answer.generation,
        protocol_type: answer.protocol_type.map(Text::from),
        protocol_name: answer.protocol.map(Text::from),
        leader: answer.leader.into(),
        skip_assignment: answer.skip_assignment,
        member_id: answer.member_id.into(),
        members: answer.members.into_iter().map(member).collect(),
        ..JoinGroupResponse::default()
    }
}

/// Answers SyncGroup.
pub(in crate::server) fn sync(
    state: &State,
    request: SyncGroupRequest,
    version: i16,
) -> impl Future<Output = SyncGroupResponse> + Send + 'static {
    let sync = Sync {
        claim: Claim {
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_deref(),
            generation: request.generation_id,
        },
        protocol_type: request.protocol_type.as_deref(),
        protocol: request.protocol_name.as_deref(),
        assignments: request
            .assignments
            .iter()
            .map(|assignment| (assignment.member_id.to_string(), assignment.assignment.clone()))
            .collect(),
    };
    // From version 5 on a member must say what it takes the group for.
    let says_protocol = version < 5 || (sync.protocol_type.is_some() && sync.protocol.is_some());
    let waiting = match check_group(state, &request.group_id) {
        Ok(()) if says_protocol => Ok(state.groups.sync(&request.group_id, sync)),
        Ok(()) => Err(SyncAnswer::failed(ErrorCode::INCONSISTENT_GROUP_PROTOCOL)),
        Err(error) => Err(SyncAnswer::failed(error)),
    };
    async move {
        let gone = |_gone| SyncAnswer::failed(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        let answer = match waiting {
            Ok(waiting) => waiting.await.unwrap_or_else(gone),
            Err(refused) => refused,
        };
        SyncGroupResponse {
            error_code: answer.error,
            protocol_type: answer.protocol_type.map(Text::from),
            protocol_name: answer.protocol.map(Text::from),
            assignment: answer.assignment,
            ..SyncGroupResponse::default()
        }
    }
}

/// Answers Heartbeat.
pub(in crate::server) fn heartbeat(state: &State, request: &HeartbeatRequest) -> HeartbeatResponse {
    let claim = Claim {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let refused = check_group(state, &request.group_id).err();
    let error_code = refused.unwrap_or_else(|| state.groups.heartbeat(&request.group_id, claim));
    HeartbeatResponse { error_code, ..HeartbeatResponse::default() }
}

/// Answers LeaveGroup once the group's end is on disk, if this was its last member.
pub(in crate::server) fn leave(
    state: &State,
    request: &LeaveGroupRequest,
    version: i16,
) -> impl Future<Output = LeaveGroupResponse> + Send + 'static {
    let response = take_out(state, request, version);
    let written = state.groups.written(&request.group_id);
    async move {
        let failed = |error_code| LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() };
        match written.await {
            Ok(ErrorCode::NONE) => response,
            Ok(error_code) => failed(error_code),
            Err(_gone) => failed(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        }
    }
}

fn take_out(state: &State, request: &LeaveGroupRequest, version: i16) -> LeaveGroupResponse {
    if let Err(error_code) = check_group(state, &request.group_id) {
        return LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() };
    }
    if version < 3 {
        let error_code = state.groups.leave(&request.group_id, &request.member_id, None);
        return LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() };
    }
    let leave = |member: &MemberIdentity| {
        let (id, instance) = (&*member.member_id, member.group_instance_id.as_deref());
        let error_code = state.groups.leave(&request.group_id, id, instance);
        if let Some(reason) = member.reason.as_deref().filter(|reason| !reason.is_empty()) {
            tracing::info!(group = &*request.group_id, member = id, instance, reason, "a member leaves");
        }
        MemberResponse {
            member_id: member.member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            error_code,
        }
    };
    let members = request.members.iter().map(leave).collect();
    LeaveGroupResponse { members, ..LeaveGroupResponse::default() }
}

/// Answers DescribeGroups.
pub(in crate::server) fn describe(
    state: &State,
    request: &DescribeGroupsRequest,
    version: i16,
) -> DescribeGroupsResponse {
    let groups = each_once(&request.groups).map(|id| describe_one(state, id, version)).collect();
    DescribeGroupsResponse { groups, ..DescribeGroupsResponse::default() }
}

/// Names without repetitions, in their order: a small request must not ask for a large answer many times over.
pub(super) fn each_once(names: &[Text]) -> impl Iterator<Item = &Text> {
    let mut seen = HashSet::new();
    names.iter().filter(move |name| seen.insert(*name))
}

fn describe_one(state: &State, id: &Text, version: i16) -> DescribedGroup {
    let Some(group) = state.groups.describe(id) else {
        let missing = version >= 6;
        return DescribedGroup {
            error_code: if missing { ErrorCode::GROUP_ID_NOT_FOUND } else { ErrorCode::NONE },
            error_message: missing.then(|| format!("Group {id} not found.").into()),
            group_id: id.clone(),
            group_state: "Dead".into(),
            ..DescribedGroup::default()
        };
    };
    let members = group.members.into_iter().map(|member| DescribedGroupMember {
        member_id: member.id.into(),
        group_instance_id: member.instance_id.map(Text::from),
        client_id: member.client_id.into(),
        client_host: member.client_host.into(),
        member_metadata: member.metadata,
        member_assignment: member.assignment,
    });
    DescribedGroup {
        group_id: id.clone(),
        group_state: group.state.name().into(),
        protocol_type: group.protocol_type.into(),
        protocol_data: group.protocol.into(),
        members: members.collect(),
        ..DescribedGroup::default()
    }
}

/// Answers ListGroups.
pub(in crate::server) fn list(state: &State, request: &ListGroupsRequest) -> ListGroupsResponse {
    let among = |filter: &[Text], value: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let groups = state.groups.list().into_iter();
    let wanted = groups.filter(|group| {
        among(&request.states_filter, group.state) && among(&request.types_filter, group.kind)
    });
    let groups = wanted
        .map(|group| ListedGroup {
            group_id: group.id.into(),
            protocol_type: group.protocol_type.into(),
            group_state: group.state.into(),
            group_type: group.kind.into(),
        })
        .collect();
    ListGroupsResponse { groups, ..ListGroupsResponse::default() }
}

/// Answers DeleteGroups.
pub(in crate::server) async fn delete(
    state: Arc<State>,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group_id in request.groups_names {
        let error_code = Coordinator::delete_group(&state, &group_id).await;
        results.push(DeletableGroupResult { group_id, error_code });
    }
    DeleteGroupsResponse { results, ..DeleteGroupsResponse::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_named_many_times_is_described_once() {
        let names = ["b", "a", "b", "b"].map(Text::from_static);
        let once: Vec<&str> = each_once(&names).map(|name| &**name).collect();
        assert_eq!(once, ["b", "a"]);
    }
}
