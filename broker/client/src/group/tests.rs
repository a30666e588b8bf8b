//! A member of a group of another kind against a scripted broker: joins, leads, is called back, is thrown out, goes unheard.

use std::time::Duration;

use broker_protocol::ErrorCode;
use broker_protocol::messages::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};
use broker_protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use broker_protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use broker_protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse};
use broker_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};
use bytes::Bytes;

use super::{GroupMembership, GroupProtocol, JoinedGroup, MembershipConfig, Standing};
use crate::error::Result;
use crate::scripted::{Manners, ScriptedBroker};

fn member(broker: &ScriptedBroker, session_timeout: Duration) -> GroupMembership {
    let config = MembershipConfig {
        group: "workers".into(),
        protocol_type: "connect",
        session_timeout,
        heartbeat_interval: Duration::from_millis(20),
        rebalance_timeout: Duration::from_secs(60),
    };
    GroupMembership::new(&broker.client(), config)
}

fn offer() -> Vec<GroupProtocol> {
    ["sessioned", "default"]
        .map(|name| GroupProtocol { name: name.into(), metadata: Bytes::from(format!("of {name}")) })
        .to_vec()
}

async fn coordinate(broker: &mut ScriptedBroker) {
    let (host, port) = broker.address.split_once(':').unwrap();
    let (host, port) = (host.into(), port.parse().unwrap());
    let (_, answer) = broker.expect::<FindCoordinatorRequest>().await;
    let coordinator = Coordinator { key: "workers".into(), node_id: 1, host, port, ..Default::default() };
    answer.send(&FindCoordinatorResponse { coordinators: vec![coordinator], ..Default::default() });
}

/// Admits the member, which leads; heartbeats that come meanwhile are answered.
async fn admit(broker: &mut ScriptedBroker, generation_id: i32) {
    let (request, answer) = loop {
        match broker.expect_either::<HeartbeatRequest, JoinGroupRequest>().await {
            Ok((_, answer)) => answer.send(&HeartbeatResponse {
                error_code: ErrorCode::REBALANCE_IN_PROGRESS,
                ..Default::default()
            }),
            Err(join) => break join,
        }
    };
    assert_eq!(&*request.protocol_type, "connect");
    let metadata = request.protocols[0].metadata.clone();
    assert_eq!((&*request.protocols[0].name, &metadata[..]), ("sessioned", &b"of sessioned"[..]));
    let me = JoinGroupResponseMember { member_id: "m".into(), metadata, ..Default::default() };
    answer.send(&JoinGroupResponse {
        generation_id,
        protocol_type: Some("connect".into()),
        protocol_name: Some("sessioned".into()),
        leader: "m".into(),
        member_id: "m".into(),
        members: vec![me],
        ..Default::default()
    });
}

async fn share(broker: &mut ScriptedBroker, generation_id: i32) {
    loop {
        match broker.expect_either::<HeartbeatRequest, SyncGroupRequest>().await {
            Ok((request, answer)) => {
                assert_eq!(request.generation_id, generation_id, "it beats for the generation that begins");
                answer.send(&HeartbeatResponse::default());
            }
            Err((request, answer)) => {
                assert_eq!((request.generation_id, request.assignments.len()), (generation_id, 1));
                let assignment = request.assignments[0].assignment.clone();
                return answer.send(&SyncGroupResponse { assignment, ..Default::default() });
            }
        }
    }
}

async fn join(member: &mut GroupMembership) -> Result<JoinedGroup> {
    let joined = member.join(&offer()).await?;
    assert!(joined.is_leader());
    let shares = joined.members.iter().map(|(id, _)| (id.clone(), Bytes::from_static(b"all"))).collect();
    assert_eq!(&member.sync(&joined, shares).await?[..], b"all");
    Ok(joined)
}

#[tokio::test]
async fn a_member_leads_is_called_back_and_leaves() {
    let mut broker = ScriptedBroker::start(Manners::default()).await;
    let mut member = member(&broker, Duration::from_secs(60));
    let script = async {
        coordinate(&mut broker).await;
        let (request, answer) = broker.expect::<JoinGroupRequest>().await;
        assert_eq!(&*request.member_id, "");
        answer.send(&JoinGroupResponse {
            error_code: ErrorCode::MEMBER_ID_REQUIRED,
            member_id: "m".into(),
            ..Default::default()
        });
        admit(&mut broker, 1).await;
        share(&mut broker, 1).await;
    };
    let (joined, ()) = tokio::join!(join(&mut member), script);
    assert_eq!(joined.unwrap().generation, 1);
    let (request, answer) = broker.expect::<HeartbeatRequest>().await;
    assert_eq!((request.generation_id, &*request.member_id), (1, "m"));
    answer.send(&HeartbeatResponse { error_code: ErrorCode::REBALANCE_IN_PROGRESS, ..Default::default() });
    let mut standing = member.standing();
    standing.wait_for(|standing| *standing == Standing::Rebalancing).await.unwrap();
    let script = async {
        admit(&mut broker, 2).await;
        share(&mut broker, 2).await;
    };
    let (joined, ()) = tokio::join!(join(&mut member), script);
    assert_eq!(joined.unwrap().generation, 2);
    assert_eq!(*standing.borrow(), Standing::Stable);
    let script = async {
        loop {
            match broker.expect_either::<HeartbeatRequest, LeaveGroupRequest>().await {
                Ok((_, answer)) => answer.send(&HeartbeatResponse::default()),
                Err((request, answer)) => {
                    assert_eq!(&*request.members[0].member_id, "m");
                    return answer.send(&LeaveGroupResponse::default());
                }
            }
        }
    };
    let (left, ()) = tokio::join!(member.leave(), script);
    left.unwrap();
}

#[tokio::test]
async fn a_member_that_was_thrown_out_comes_back_as_a_new_one() {
    let mut broker = ScriptedBroker::start(Manners::default()).await;
    let mut member = member(&broker, Duration::from_secs(60));
    let script = async {
        coordinate(&mut broker).await;
        admit(&mut broker, 1).await;
        share(&mut broker, 1).await;
    };
    let (joined, ()) = tokio::join!(join(&mut member), script);
    joined.unwrap();
    let (_, answer) = broker.expect::<HeartbeatRequest>().await;
    answer.send(&HeartbeatResponse { error_code: ErrorCode::UNKNOWN_MEMBER_ID, ..Default::default() });
    let lost = Standing::Lost(ErrorCode::UNKNOWN_MEMBER_ID);
    member.standing().wait_for(|standing| *standing == lost).await.unwrap();
    member.forget(ErrorCode::UNKNOWN_MEMBER_ID).await;
    let script = async {
        let (request, answer) = broker.expect::<JoinGroupRequest>().await;
        assert_eq!(&*request.member_id, "");
        answer.send(&JoinGroupResponse {
            error_code: ErrorCode::INVALID_SESSION_TIMEOUT,
            ..Default::default()
        });
    };
    let offer = offer();
    let (joined, ()) = tokio::join!(member.join(&offer), script);
    assert_eq!(joined.unwrap_err().code(), Some(ErrorCode::INVALID_SESSION_TIMEOUT));
}

/// The coordinator falls silent, without the connection breaking: the member takes itself for out before it is.
#[tokio::test]
async fn a_member_that_hears_nothing_is_out_before_its_session_ends() {
    let mut broker = ScriptedBroker::start(Manners::default()).await;
    let session = Duration::from_millis(600);
    let mut member = member(&broker, session);
    let script = async {
        coordinate(&mut broker).await;
        admit(&mut broker, 1).await;
        share(&mut broker, 1).await;
    };
    let (joined, ()) = tokio::join!(join(&mut member), script);
    joined.unwrap();
    let (_, answer) = broker.expect::<HeartbeatRequest>().await;
    let heard_at = std::time::Instant::now();
    answer.send(&HeartbeatResponse::default());
    let silent = async {
        let mut unanswered = Vec::new();
        loop {
            unanswered.push(broker.any().await);
        }
    };
    let mut standing = member.standing();
    tokio::select! {
        found = standing.wait_for(|standing| *standing == Standing::Unproven) => drop(found.unwrap()),
        () = silent => unreachable!("it listens for ever"),
    }
    // What was answered last was sent before it was heard here, and a slow machine only makes it later.
    assert!(heard_at.elapsed() < session * 20, "{:?}", heard_at.elapsed());
}
