//! Consumers against a scripted broker: fetching ahead, starting over, joining, losing.

use std::time::Duration;

use broker_protocol::ErrorCode;
use broker_protocol::batch::{BatchBuilder, BatchFields};
use broker_protocol::consumer_protocol::{self, AssignedPartitions, Assignment};
use broker_protocol::messages::fetch::{
    AbortedTransaction, FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData,
};
use broker_protocol::messages::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};
use broker_protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use broker_protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use broker_protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse};
use broker_protocol::messages::list_offsets::{
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use broker_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use broker_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopics,
};
use broker_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};

use super::{GroupConsumer, PartitionConsumer, Subscription};
use crate::config::{Assignor, ConsumerConfig, GroupConfig, Isolation, OffsetReset};
use crate::error::Error;
use crate::scripted::{Answer, Manners, ScriptedBroker};
use crate::types::{FetchedRecords, GroupEvent, OffsetAndMetadata, TopicPartition};

fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn batch(base_offset: i64, values: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(0);
    for value in values {
        builder.append(1, None, Some(value.as_bytes()), &[]).unwrap();
    }
    builder.finish(&BatchFields { base_offset, ..Default::default() }).unwrap().0
}

fn send_fetched(answer: Answer, error_code: ErrorCode, records: Vec<u8>) {
    let data = PartitionData {
        error_code,
        high_watermark: 100,
        records: Some(records.into()),
        ..Default::default()
    };
    let topic = FetchableTopicResponse { topic: "t".into(), partitions: vec![data], ..Default::default() };
    answer.send(&FetchResponse { responses: vec![topic], ..Default::default() });
}

async fn fetch(broker: &mut ScriptedBroker) -> (i64, Answer) {
    let (request, answer) = broker.expect::<FetchRequest>().await;
    (request.topics[0].partitions[0].fetch_offset, answer)
}

async fn list(broker: &mut ScriptedBroker, offset: i64) -> i64 {
    let (request, answer) = broker.expect::<ListOffsetsRequest>().await;
    let partition = ListOffsetsPartitionResponse { offset, ..Default::default() };
    let topic = ListOffsetsTopicResponse { name: "t".into(), partitions: vec![partition] };
    answer.send(&ListOffsetsResponse { topics: vec![topic], ..Default::default() });
    request.topics[0].partitions[0].timestamp
}

fn values(fetched: &[FetchedRecords]) -> Vec<String> {
    let records = fetched.iter().flat_map(|fetched| &fetched.records);
    records.map(|record| String::from_utf8(record.value.as_ref().unwrap().to_vec()).unwrap()).collect()
}

#[tokio::test]
async fn the_next_answer_is_asked_for_before_the_last_is_used_up() {
    let mut broker = ScriptedBroker::start(Manners::default()).await;
    let mut consumer =
        PartitionConsumer::assign(&broker.client(), vec![(partition(), 7)], ConsumerConfig::default());
    let script = async {
        let (offset, answer) = fetch(&mut broker).await;
        assert_eq!(offset, 7);
        // The broker sends whole batches: the reader asked for the middle of this one.
        send_fetched(answer, ErrorCode::NONE, batch(5, &["5", "6", "7", "8"]));
    };
    let (fetched, ()) = tokio::join!(consumer.poll(), script);
    let fetched = fetched.unwrap();
    assert_eq!(values(&fetched), ["7", "8"]);
    assert_eq!((fetched[0].high_watermark, consumer.position(&partition())), (100, Some(9)));
    assert_eq!(consumer.lag(), [(partition(), 91)]);
    // Without another poll the next request is under way.
    let (offset, answer) = fetch(&mut broker).await;
    assert_eq!(offset, 9);
    send_fetched(answer, ErrorCode::NONE, Vec::new());
    assert!(consumer.poll().await.unwrap().is_empty(), "an empty answer is told");
}

#[tokio::test]
async fn readers_of_what_is_committed_skip_aborted_records_and_their_position_moves_on() {
    let mut broker = ScriptedBroker::start(Manners::default()).await;
    let config = ConsumerConfig { isolation: Isolation::ReadCommitted, ..Default::default() };
    let mut consumer = PartitionConsumer::assign(&broker.client(), vec![(partition(), 5)], config);
    let transactional = |base_offset, producer_id| {
        let mut builder = BatchBuilder::new(0);
        builder.append(1, None, Some(b"tx"), &[]).unwrap();
        let fields = BatchFields { base_offset, producer_id, is_transactional: true, ..Default::default() };
        builder.finish(&fields).unwrap().0
    };
    for (offset, all_aborted) in [(5, false), (7, true)] {
        let script = async {
            let (request, answer) = broker.expect::<FetchRequest>().await;
            assert_eq!((request.isolation_level, request.topics[0].partitions[0].fetch_offset), (1, offset));
            let committed = if all_aborted { Vec::new() } else { batch(offset, &["plain"]) };
            let data = PartitionData {
                high_watermark: 100,
                last_stable_offset: 10,
                aborted_transactions: Some(vec![AbortedTransaction { producer_id: 9, first_offset: 0 }]),
                records: Some([committed, transactional(offset + 1, 9)].concat().into()),
                ..Default::default()
            };
            let topic =
                FetchableTopicResponse { topic: "t".into(), partitions: vec![data], ..Default::default() };
            answer.send(&FetchResponse { responses: vec![topic], ..Default::default() });
        };
        let (fetched, ()) = tokio::join!(consumer.poll(), script);
        let fetched = fetched.unwrap();
        assert_eq!(values(&fetched).is_empty(), all_aborted);
        assert_eq!(consumer.position(&partition()), Some(offset + 2));
        // Behind the first open transaction nothing can be read: that is no lag.
        assert_eq!(consumer.lag(), [(partition(), 10 - offset - 2)]);
    }
}

#[tokio::test]
async fn out_of_range_starts_over_or_fails_as_told() {
    for reset in [OffsetReset::Earliest, OffsetReset::Latest, OffsetReset::Fail] {
        let mut broker = ScriptedBroker::start(Manners::default()).await;
        let config = ConsumerConfig { offset_reset: reset, ..Default::default() };
        let mut consumer = PartitionConsumer::assign(&broker.client(), vec![(partition(), 7)], config);
        let script = async {
            let (_, answer) = fetch(&mut broker).await;
            send_fetched(answer, ErrorCode::OFFSET_OUT_OF_RANGE, Vec::new());
            if reset == OffsetReset::Fail {
                return;
            }
            let asked = list(&mut broker, 40).await;
            assert_eq!(asked, if reset == OffsetReset::Latest { -1 } else { -2 });
            let (offset, answer) = fetch(&mut broker).await;
            assert_eq!(offset, 40);
            send_fetched(answer, ErrorCode::NONE, batch(40, &["x"]));
        };
        let reading = async {
            loop {
                match consumer.poll().await {
                    Ok(fetched) if fetched.is_empty() => {}
                    other => return other,
                }
            }
        };
        let (result, ()) = tokio::join!(reading, script);
        match result {
            Ok(fetched) => assert_eq!(values(&fetched), ["x"]),
            Err(error) => {
                assert_eq!(reset, OffsetReset::Fail);
                assert!(matches!(error, Error::OffsetOutOfRange { offset: 7, .. }), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_moved_leader_and_a_broken_connection_are_got_over() {
    let mut broker = ScriptedBroker::start(Manners::default()).await;
    let mut consumer =
        PartitionConsumer::assign(&broker.client(), vec![(partition(), 0)], ConsumerConfig::default());
    let script = async {
        let (_, answer) = fetch(&mut broker).await;
        send_fetched(answer, ErrorCode::NOT_LEADER_OR_FOLLOWER, Vec::new());
        let (_, answer) = fetch(&mut broker).await;
        answer.hang_up();
        let (_, answer) = fetch(&mut broker).await;
        send_fetched(answer, ErrorCode::NONE, batch(0, &["at last"]));
    };
    let reading = async {
        loop {
            let fetched = consumer.poll().await.unwrap();
            if !fetched.is_empty() {
                return values(&fetched);
            }
        }
    };
    let (read, ()) = tokio::join!(reading, script);
    assert_eq!(read, ["at last"]);
}

#[tokio::test]
async fn a_seek_drops_what_was_fetched_ahead_and_a_dropped_poll_loses_nothing() {
    let mut broker = ScriptedBroker::start(Manners::default()).await;
    let mut consumer =
        PartitionConsumer::assign(&broker.client(), vec![(partition(), 0)], ConsumerConfig::default());
    let (_, stale) = {
        let poll = consumer.poll();
        tokio::pin!(poll);
        tokio::select! {
            _ = &mut poll => panic!("nothing was answered"),
            asked = fetch(&mut broker) => asked,
        }
    };
    consumer.seek(&partition(), 50);
    send_fetched(stale, ErrorCode::NONE, batch(0, &["stale"]));
    let script = async {
        let (offset, answer) = fetch(&mut broker).await;
        assert_eq!(offset, 50);
        send_fetched(answer, ErrorCode::NONE, batch(50, &["fresh"]));
    };
    let reading = async {
        loop {
            let fetched = consumer.poll().await.unwrap();
            if !fetched.is_empty() {
                return values(&fetched);
            }
        }
    };
    let (read, ()) = tokio::join!(reading, script);
    assert_eq!(read, ["fresh"]);
}

#[tokio::test]
async fn a_corrupt_batch_is_an_error_with_its_place() {
    let mut broker = ScriptedBroker::start(Manners::default()).await;
    let mut consumer =
        PartitionConsumer::assign(&broker.client(), vec![(partition(), 3)], ConsumerConfig::default());
    let script = async {
        let (_, answer) = fetch(&mut broker).await;
        let mut bytes = batch(3, &["x"]);
        bytes[64] ^= 1;
        send_fetched(answer, ErrorCode::NONE, bytes);
    };
    let (result, ()) = tokio::join!(consumer.poll(), script);
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Batch { partition: 0, offset: 3, .. }), "{error}");
}

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
