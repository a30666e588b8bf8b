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

mod group;

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
