//! Groups over a restart of the broker: members go on in their generation, as they would with Kafka.

use broker_protocol::{
    ErrorCode,
    messages::{
        delete_groups::DeleteGroupsRequest,
        describe_groups::{DescribeGroupsRequest, DescribedGroup},
        heartbeat::HeartbeatRequest,
        join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse},
        leave_group::{LeaveGroupRequest, MemberIdentity},
        sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse},
    },
};
use bytes::Bytes;

use crate::{
    client::{Client, TestError, TestResult, start_in},
    kill::spawn,
};

const GROUP: &str = "g";

fn join_request(member_id: &str, instance: Option<&str>) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: GROUP.into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        member_id: member_id.into(),
        group_instance_id: instance.map(Into::into),
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".into(),
            metadata: Bytes::from_static(b"what"),
        }],
        ..Default::default()
    }
}

/// Joins as a static member, and assigns "all" to itself if it leads and must assign.
async fn join(client: &mut Client, instance: &str) -> Result<JoinGroupResponse, TestError> {
    client.ask(join_request("", Some(instance)), 9).await
}

async fn sync(
    client: &mut Client,
    joined: &JoinGroupResponse,
    assigns: &[u8],
) -> Result<SyncGroupResponse, TestError> {
    let assignment = |member: &broker_protocol::messages::join_group::JoinGroupResponseMember| {
        SyncGroupRequestAssignment {
            member_id: member.member_id.clone(),
            assignment: Bytes::copy_from_slice(assigns),
        }
    };
    let assigns_all = !joined.skip_assignment;
    let request = SyncGroupRequest {
        group_id: GROUP.into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        assignments: joined.members.iter().filter(|_| assigns_all).map(assignment).collect(),
        ..Default::default()
    };
    client.ask(request, 5).await
}

async fn heartbeat(client: &mut Client, joined: &JoinGroupResponse) -> Result<ErrorCode, TestError> {
    let request = HeartbeatRequest {
        group_id: GROUP.into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        ..Default::default()
    };
    Ok(client.ask(request, 4).await?.error_code)
}

async fn describe(client: &mut Client) -> Result<DescribedGroup, TestError> {
    let request = DescribeGroupsRequest { groups: vec![GROUP.into()], ..Default::default() };
    Ok(client.ask(request, 6).await?.groups.remove(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_go_on_in_their_generation_after_kill_9() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut broker = spawn(folder.path())?;
    let mut client = Client::to(&broker.address).await?;
    let joined = join(&mut client, "i").await?;
    assert_eq!((joined.error_code, joined.generation_id), (ErrorCode::NONE, 1));
    assert_eq!(sync(&mut client, &joined, b"all").await?.assignment, "all");
    broker.kill()?;

    let mut broker = spawn(folder.path())?;
    let mut client = Client::to(&broker.address).await?;
    assert_eq!(heartbeat(&mut client, &joined).await?, ErrorCode::NONE, "no rebalance");
    let described = describe(&mut client).await?;
    assert_eq!((&*described.group_state, &*described.protocol_data), ("Stable", "range"));
    assert_eq!(described.members[0].member_assignment, "all");
    // The static member itself comes back: its assignment is kept, under its new id, also on disk.
    let back = join(&mut client, "i").await?;
    assert_eq!((back.error_code, back.generation_id, back.skip_assignment), (ErrorCode::NONE, 1, true));
    assert_eq!(heartbeat(&mut client, &joined).await?, ErrorCode::UNKNOWN_MEMBER_ID);
    broker.kill()?;

    let mut broker = spawn(folder.path())?;
    let mut client = Client::to(&broker.address).await?;
    assert_eq!(heartbeat(&mut client, &back).await?, ErrorCode::NONE);
    assert_eq!(sync(&mut client, &back, b"").await?.assignment, "all");
    broker.kill()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_group_keeps_its_generation_and_a_deleted_one_stays_deleted() -> TestResult {
    let folder = tempfile::tempdir()?;
    let broker = start_in(folder.path(), |_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    let joined = join(&mut client, "i").await?;
    sync(&mut client, &joined, b"all").await?;
    let leaves = MemberIdentity { group_instance_id: Some("i".into()), ..Default::default() };
    let request = LeaveGroupRequest { group_id: GROUP.into(), members: vec![leaves], ..Default::default() };
    let left = client.ask(request, 5).await?;
    assert_eq!(left.members[0].error_code, ErrorCode::NONE);
    drop(client);
    broker.shutdown().await?;

    let broker = start_in(folder.path(), |_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    let described = describe(&mut client).await?;
    assert_eq!((&*described.group_state, &*described.protocol_type), ("Empty", "consumer"));
    assert_eq!(join(&mut client, "i").await?.generation_id, 3, "one for joining, one for leaving");
    let request = LeaveGroupRequest {
        group_id: GROUP.into(),
        members: vec![MemberIdentity { group_instance_id: Some("i".into()), ..Default::default() }],
        ..Default::default()
    };
    client.ask(request, 5).await?;
    let delete = DeleteGroupsRequest { groups_names: vec![GROUP.into()] };
    assert_eq!(client.ask(delete, 2).await?.results[0].error_code, ErrorCode::NONE);
    drop(client);
    broker.shutdown().await?;

    let broker = start_in(folder.path(), |_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    assert_eq!(describe(&mut client).await?.error_code, ErrorCode::GROUP_ID_NOT_FOUND);
    broker.shutdown().await?;
    Ok(())
}
