//! A member of a group against a scripted broker: joins, commits, is called back, comes back, shares step by step.

use super::*;

async fn coordinate(broker: &mut ScriptedBroker) {
    let (host, port) = broker.address.split_once(':').unwrap();
    let (host, port) = (host.into(), port.parse().unwrap());
    let (_, answer) = broker.expect::<FindCoordinatorRequest>().await;
    let coordinator = Coordinator { key: "g".into(), node_id: 1, host, port, ..Default::default() };
    answer.send(&FindCoordinatorResponse { coordinators: vec![coordinator], ..Default::default() });
}

/// A whole join of one member, who leads.
async fn admit(broker: &mut ScriptedBroker, generation_id: i32, committed: i64) {
    let (request, answer) = broker.expect::<JoinGroupRequest>().await;
    let names: Vec<_> = request.protocols.iter().map(|protocol| protocol.name.to_string()).collect();
    assert_eq!(
        (&*request.protocol_type, names),
        ("consumer", vec!["range".to_owned(), "cooperative-sticky".to_owned()])
    );
    let me = JoinGroupResponseMember {
        member_id: "m".into(),
        metadata: request.protocols[0].metadata.clone(),
        ..Default::default()
    };
    answer.send(&JoinGroupResponse {
        generation_id,
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        leader: "m".into(),
        member_id: "m".into(),
        members: vec![me],
        ..Default::default()
    });
    let (request, answer) = broker.expect::<SyncGroupRequest>().await;
    assert_eq!((request.generation_id, request.assignments.len()), (generation_id, 1));
    let assignment = request.assignments[0].assignment.clone();
    let expected = AssignedPartitions { topic: "t".into(), partitions: vec![0] };
    let read: Assignment = consumer_protocol::decode(assignment.clone()).unwrap();
    assert_eq!(read.assigned_partitions, [expected]);
    answer.send(&SyncGroupResponse { assignment, ..Default::default() });
    let (_, answer) = broker.expect::<OffsetFetchRequest>().await;
    let offset = OffsetFetchResponsePartitions {
        committed_offset: committed,
        metadata: Some("note".into()),
        ..Default::default()
    };
    let topic =
        OffsetFetchResponseTopics { name: "t".into(), partitions: vec![offset], ..Default::default() };
    let group = OffsetFetchResponseGroup { group_id: "g".into(), topics: vec![topic], ..Default::default() };
    answer.send(&OffsetFetchResponse { groups: vec![group], ..Default::default() });
}

fn member(broker: &ScriptedBroker) -> GroupConsumer {
    let config = GroupConfig {
        group: "g".into(),
        heartbeat_interval: Duration::from_millis(20),
        // Long, so that the only requests are those of the script.
        topics_interval: Duration::from_secs(600),
        ..Default::default()
    };
    GroupConsumer::new(&broker.client(), config, Subscription::Topics(vec!["t".into()]))
}

#[tokio::test]
async fn a_member_joins_reads_commits_is_called_back_and_leaves() {
    let mut broker = ScriptedBroker::start(Manners::default()).await;
    broker.never_answers_fetches = true;
    let mut consumer = member(&broker);
    let script = async {
        coordinate(&mut broker).await;
        let (request, answer) = broker.expect::<JoinGroupRequest>().await;
        assert_eq!(&*request.member_id, "");
        answer.send(&JoinGroupResponse {
            error_code: ErrorCode::MEMBER_ID_REQUIRED,
            member_id: "m".into(),
            ..Default::default()
        });
        admit(&mut broker, 1, 12).await;
    };
    let (event, ()) = tokio::join!(consumer.next(), script);
    let GroupEvent::Assigned(assigned) = event.unwrap() else { panic!("expected partitions") };
    let note = OffsetAndMetadata { offset: 12, leader_epoch: -1, metadata: "note".into() };
    assert_eq!((assigned.len(), assigned[0].committed.as_ref()), (1, Some(&note)));

    let commit = [(partition(), OffsetAndMetadata { offset: 13, leader_epoch: -1, metadata: "more".into() })];
    let script = async {
        let (request, answer) = broker.expect::<HeartbeatRequest>().await;
        assert_eq!((request.generation_id, &*request.member_id), (1, "m"));
        answer
            .send(&HeartbeatResponse { error_code: ErrorCode::REBALANCE_IN_PROGRESS, ..Default::default() });
    };
    // Nobody calls next: the heartbeat comes all the same.
    script.await;
    let GroupEvent::Revoked(revoked) = consumer.next().await.unwrap() else { panic!("expected the call") };
    assert_eq!(revoked, [partition()]);
    let script = async {
        loop {
            // Heartbeats go on until the member joins again, between the requests that are looked for.
            let (request, answer) =
                match broker.expect_either::<HeartbeatRequest, OffsetCommitRequest>().await {
                    Ok((_, answer)) => {
                        answer.send(&HeartbeatResponse {
                            error_code: ErrorCode::REBALANCE_IN_PROGRESS,
                            ..Default::default()
                        });
                        continue;
                    }
                    Err(commit) => commit,
                };
            assert_eq!((request.generation_id_or_member_epoch, &*request.member_id), (1, "m"));
            let told = &request.topics[0].partitions[0];
            assert_eq!((told.committed_offset, told.committed_metadata.as_deref()), (13, Some("more")));
            let partitions = vec![OffsetCommitResponsePartition::default()];
            let topic = OffsetCommitResponseTopic { name: "t".into(), partitions, ..Default::default() };
            return answer.send(&OffsetCommitResponse { topics: vec![topic], ..Default::default() });
        }
    };
    let (committed, ()) = tokio::join!(consumer.commit(&commit), script);
    committed.unwrap();
    let leaving = tokio::spawn(consumer.leave());
    loop {
        match broker.expect_either::<HeartbeatRequest, LeaveGroupRequest>().await {
            Ok((_, answer)) => answer.send(&HeartbeatResponse::default()),
            Err((request, answer)) => {
                assert_eq!(&*request.members[0].member_id, "m");
                answer.send(&LeaveGroupResponse::default());
                break;
            }
        }
    }
    leaving.await.unwrap().unwrap();
}

/// Answers heartbeats until a commit comes.
async fn commit_request(broker: &mut ScriptedBroker) -> (i64, Answer) {
    loop {
        match broker.expect_either::<HeartbeatRequest, OffsetCommitRequest>().await {
            Ok((_, answer)) => answer.send(&HeartbeatResponse::default()),
            Err((request, answer)) => return (request.topics[0].partitions[0].committed_offset, answer),
        }
    }
}

#[tokio::test]
async fn a_commit_does_not_overtake_one_that_nobody_waited_for() {
    let mut broker = ScriptedBroker::start(Manners::default()).await;
    broker.never_answers_fetches = true;
    let mut consumer = member(&broker);
    let script = async {
        coordinate(&mut broker).await;
        admit(&mut broker, 1, 5).await;
    };
    let (event, ()) = tokio::join!(consumer.next(), script);
    event.unwrap();
    let early = [(partition(), OffsetAndMetadata::new(6))];
    let (offset, first) = tokio::select! {
        _ = consumer.commit(&early) => panic!("nobody answered"),
        commit = commit_request(&mut broker) => commit,
    };
    assert_eq!(offset, 6);
    let late = [(partition(), OffsetAndMetadata::new(7))];
    let script = async {
        let (offset, second) = commit_request(&mut broker).await;
        assert_eq!((offset, second.connection()), (7, first.connection()));
        let partitions = vec![OffsetCommitResponsePartition::default()];
        let topic = OffsetCommitResponseTopic { name: "t".into(), partitions, ..Default::default() };
        let done = OffsetCommitResponse { topics: vec![topic], ..Default::default() };
        first.send(&done);
        second.send(&done);
    };
    let (committed, ()) = tokio::join!(consumer.commit(&late), script);
    committed.unwrap();
}

#[tokio::test]
async fn a_member_that_was_thrown_out_is_told_and_comes_back() {
    let mut broker = ScriptedBroker::start(Manners::default()).await;
    broker.never_answers_fetches = true;
    let mut consumer = member(&broker);
    let script = async {
        coordinate(&mut broker).await;
        admit(&mut broker, 1, 5).await;
    };
    let (event, ()) = tokio::join!(consumer.next(), script);
    let GroupEvent::Assigned(assigned) = event.unwrap() else { panic!("expected partitions") };
    assert_eq!(assigned[0].committed.as_ref().unwrap().offset, 5);
    let (_, answer) = broker.expect::<HeartbeatRequest>().await;
    answer.send(&HeartbeatResponse { error_code: ErrorCode::UNKNOWN_MEMBER_ID, ..Default::default() });
    let revoked = consumer.next().await.unwrap();
    assert!(matches!(revoked, GroupEvent::Revoked(partitions) if partitions == [partition()]));
    let refused = async {
        let (_, answer) = broker.expect::<OffsetCommitRequest>().await;
        let error_code = ErrorCode::UNKNOWN_MEMBER_ID;
        let partitions = vec![OffsetCommitResponsePartition { error_code, ..Default::default() }];
        let topic = OffsetCommitResponseTopic { name: "t".into(), partitions, ..Default::default() };
        answer.send(&OffsetCommitResponse { topics: vec![topic], ..Default::default() });
    };
    let offsets = [(partition(), OffsetAndMetadata::new(1))];
    let (result, ()) = tokio::join!(consumer.commit(&offsets), refused);
    assert!(matches!(result, Err(Error::MembershipLost { .. })));
    let (event, ()) = tokio::join!(consumer.next(), admit(&mut broker, 5, -1));
    let GroupEvent::Assigned(assigned) = event.unwrap() else { panic!("expected partitions") };
    assert_eq!(assigned[0].committed, None);
}

/// One round of a cooperative group in which this member is given `partitions`; the answer is what it said to have, and in which
/// generation.
async fn cooperate(broker: &mut ScriptedBroker, generation_id: i32, partitions: &[i32]) -> (Vec<i32>, i32) {
    let (request, answer) = loop {
        match broker.expect_either::<HeartbeatRequest, JoinGroupRequest>().await {
            Ok((_, answer)) => answer.send(&HeartbeatResponse::default()),
            Err(join) => break join,
        }
    };
    assert_eq!(&*request.protocols[0].name, "cooperative-sticky");
    let said: consumer_protocol::Subscription =
        consumer_protocol::decode(request.protocols[0].metadata.clone()).unwrap();
    let generation = i32::from_be_bytes(said.user_data.unwrap()[..].try_into().unwrap());
    let owned = said.owned_partitions.into_iter().flat_map(|topic| topic.partitions).collect();
    answer.send(&JoinGroupResponse {
        generation_id,
        protocol_type: Some("consumer".into()),
        protocol_name: Some("cooperative-sticky".into()),
        leader: "other".into(),
        member_id: "m".into(),
        ..Default::default()
    });
    let (_, answer) = broker.expect::<SyncGroupRequest>().await;
    let assigned = AssignedPartitions { topic: "t".into(), partitions: partitions.to_vec() };
    let assignment = Assignment { assigned_partitions: vec![assigned], user_data: None };
    let assignment = consumer_protocol::encode(&assignment, 1).unwrap();
    answer.send(&SyncGroupResponse { assignment, ..Default::default() });
    (owned, generation)
}

/// The group has committed offset 5 everywhere; `codes` come first.
async fn committed_everywhere(broker: &mut ScriptedBroker, codes: &[ErrorCode]) {
    for code in codes.iter().copied().chain([ErrorCode::NONE]) {
        let (request, answer) = broker.expect::<OffsetFetchRequest>().await;
        let asked = request.groups[0].topics.as_ref().unwrap()[0].partition_indexes.clone();
        let partition = |partition_index| OffsetFetchResponsePartitions {
            partition_index,
            committed_offset: 5,
            ..Default::default()
        };
        let partitions = asked.into_iter().map(partition).collect();
        let topic = OffsetFetchResponseTopics { name: "t".into(), partitions, ..Default::default() };
        answer.send(&OffsetFetchResponse {
            groups: vec![OffsetFetchResponseGroup {
                group_id: "g".into(),
                topics: vec![topic],
                error_code: code,
            }],
            ..Default::default()
        });
    }
}

#[tokio::test]
async fn a_cooperative_member_gives_up_only_what_changes_hands() {
    let mut broker = ScriptedBroker::start(Manners { partitions: 3, ..Manners::default() }).await;
    broker.never_answers_fetches = true;
    let config = GroupConfig {
        group: "g".into(),
        assignors: vec![Assignor::CooperativeSticky],
        heartbeat_interval: Duration::from_millis(20),
        topics_interval: Duration::from_secs(600),
        ..Default::default()
    };
    let mut consumer = GroupConsumer::new(&broker.client(), config, Subscription::Topics(vec!["t".into()]));
    let script = async {
        coordinate(&mut broker).await;
        assert_eq!(cooperate(&mut broker, 1, &[0, 1]).await, (vec![], -1));
        // A transaction with offsets of the group is open: that is waited for, without joining again.
        committed_everywhere(&mut broker, &[ErrorCode::UNSTABLE_OFFSET_COMMIT]).await;
    };
    let (event, ()) = tokio::join!(consumer.next(), script);
    let GroupEvent::Assigned(assigned) = event.unwrap() else { panic!("expected partitions") };
    assert_eq!(assigned.iter().map(|it| it.partition).collect::<Vec<_>>(), [0, 1]);

    // The group calls; partition 1 goes elsewhere, partition 2 comes. Nothing is revoked before it is known what.
    let (_, answer) = broker.expect::<HeartbeatRequest>().await;
    answer.send(&HeartbeatResponse { error_code: ErrorCode::REBALANCE_IN_PROGRESS, ..Default::default() });
    let (event, held) = tokio::join!(consumer.next(), cooperate(&mut broker, 2, &[0, 2]));
    assert_eq!(held, (vec![0, 1], 1));
    let GroupEvent::Revoked(revoked) = event.unwrap() else { panic!("expected a loss") };
    assert_eq!(revoked, [TopicPartition::new("t", 1)]);
    let (event, ()) = tokio::join!(consumer.next(), committed_everywhere(&mut broker, &[]));
    let GroupEvent::Assigned(assigned) = event.unwrap() else { panic!("expected partitions") };
    assert_eq!(assigned.iter().map(|it| it.partition).collect::<Vec<_>>(), [2]);
    // What was given up is given out in another round, which this member calls.
    let script = async {
        assert_eq!(cooperate(&mut broker, 3, &[0, 2]).await, (vec![0, 2], 2));
        let (_, answer) = broker.expect::<HeartbeatRequest>().await;
        answer.send(&HeartbeatResponse { error_code: ErrorCode::UNKNOWN_MEMBER_ID, ..Default::default() });
    };
    // Then it is thrown out: everything is lost.
    let (event, ()) = tokio::join!(consumer.next(), script);
    let GroupEvent::Revoked(revoked) = event.unwrap() else { panic!("expected a loss") };
    assert_eq!(revoked, [TopicPartition::new("t", 0), TopicPartition::new("t", 2)]);
}
