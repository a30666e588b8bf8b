//! The producer against a scripted broker: numbering, retries, order, and errors that name themselves.

use std::sync::Arc;
use std::time::Duration;

use broker_protocol::ErrorCode;
use broker_protocol::batch::{Batch, Compression, InflateLimits, check_produced};
use broker_protocol::messages::produce::{
    PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse,
};

use super::{Delivery, Producer};
use crate::config::{Acks, ProducerConfig};
use crate::error::Error;
use crate::scripted::{Answer, Manners, ScriptedBroker};
use crate::types::ProducerRecord;

/// Every record is a batch of its own, sent at once.
fn one_by_one() -> ProducerConfig {
    ProducerConfig { linger: Duration::ZERO, batch_bytes_max: 1, ..Default::default() }
}

async fn started(config: ProducerConfig, partitions: i32) -> (ScriptedBroker, Producer) {
    let broker = ScriptedBroker::start(Manners { partitions, ..Manners::default() }).await;
    let producer = Producer::new(&broker.client(), config);
    producer.prepare("t").await.unwrap();
    (broker, producer)
}

fn send(producer: &Producer, value: &str) -> Arc<Delivery> {
    let delivery = Delivery::new();
    let record = ProducerRecord { topic: "t", value: Some(value.as_bytes()), ..Default::default() };
    producer.append(record, &delivery).unwrap();
    delivery
}

/// A Produce request with one batch, and what it says.
struct Seen {
    batch: Batch,
    answer: Answer,
}

async fn seen(broker: &mut ScriptedBroker) -> Seen {
    let (request, answer) = broker.expect::<ProduceRequest>().await;
    assert_eq!((request.topic_data.len(), request.topic_data[0].partition_data.len()), (1, 1));
    let records = request.topic_data[0].partition_data[0].records.clone().unwrap();
    Seen { batch: check_produced(records).unwrap(), answer }
}

impl Seen {
    /// Values, producer id, first sequence.
    fn is(&self, values: &[&str], producer_id: i64, sequence: i32) {
        let records = self.batch.records(InflateLimits::default()).unwrap();
        let found: Vec<_> = records
            .iter()
            .map(|record| String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap())
            .collect();
        let header = self.batch.header();
        assert_eq!(
            (found.iter().map(String::as_str).collect::<Vec<_>>(), header.producer_id, header.base_sequence),
            (values.to_vec(), producer_id, sequence)
        );
    }

    fn answer(self, code: ErrorCode) {
        let partition = PartitionProduceResponse { error_code: code, ..Default::default() };
        let topic = TopicProduceResponse {
            name: "t".into(),
            partition_responses: vec![partition],
            ..Default::default()
        };
        self.answer.send(&ProduceResponse { responses: vec![topic], ..Default::default() });
    }
}

#[tokio::test]
async fn batches_are_numbered_and_pipelined_five_at_a_time() {
    let (mut broker, producer) = started(one_by_one(), 1).await;
    let deliveries: Vec<_> = (0..6).map(|index| send(&producer, &index.to_string())).collect();
    let mut under_way = Vec::new();
    for index in 0..5 {
        let seen = seen(&mut broker).await;
        seen.is(&[&index.to_string()], 1000, index);
        under_way.push(seen);
    }
    // The sixth waits for room: nothing has come although the sender had every chance while the five arrived.
    broker.expect_silence();
    assert!(deliveries.iter().all(|delivery| !delivery.is_complete()));
    for seen in under_way {
        seen.answer(ErrorCode::NONE);
    }
    deliveries[4].wait().await.unwrap();
    let sixth = seen(&mut broker).await;
    sixth.is(&["5"], 1000, 5);
    sixth.answer(ErrorCode::NONE);
    producer.flush().await.unwrap();
    assert!(deliveries[5].is_complete());
}

#[tokio::test]
async fn records_of_one_moment_share_a_batch() {
    let config = ProducerConfig { linger: Duration::from_millis(20), ..Default::default() };
    let (mut broker, producer) = started(config, 1).await;
    let deliveries: Vec<_> = ["a", "b", "c"].iter().map(|value| send(&producer, value)).collect();
    let seen = seen(&mut broker).await;
    seen.is(&["a", "b", "c"], 1000, 0);
    seen.answer(ErrorCode::NONE);
    for delivery in deliveries {
        delivery.wait().await.unwrap();
    }
}

#[tokio::test]
async fn batches_are_compressed_where_there_is_something_to_gain() {
    let (mut broker, producer) = started(one_by_one(), 1).await;
    for (value, codec) in [("x".to_owned(), Compression::None), ("x".repeat(2000), Compression::Lz4)] {
        let delivery = send(&producer, &value);
        let seen = seen(&mut broker).await;
        assert_eq!(seen.batch.header().compression().unwrap(), codec);
        seen.answer(ErrorCode::NONE);
        delivery.wait().await.unwrap();
    }
}

#[tokio::test]
async fn after_a_failure_everything_goes_again_in_order_with_the_same_numbers() {
    let (mut broker, producer) = started(one_by_one(), 1).await;
    let deliveries: Vec<_> = (0..3).map(|index| send(&producer, &index.to_string())).collect();
    let (first, second, third) = (seen(&mut broker).await, seen(&mut broker).await, seen(&mut broker).await);
    first.answer(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    second.answer(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    third.answer(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    for index in 0..3 {
        let again = seen(&mut broker).await;
        again.is(&[&index.to_string()], 1000, index);
        again.answer(ErrorCode::NONE);
    }
    for delivery in deliveries {
        delivery.wait().await.unwrap();
    }
}

#[tokio::test]
async fn a_broken_connection_loses_and_doubles_nothing() {
    let (mut broker, producer) = started(one_by_one(), 1).await;
    let deliveries: Vec<_> = (0..2).map(|index| send(&producer, &index.to_string())).collect();
    let (first, second) = (seen(&mut broker).await, seen(&mut broker).await);
    first.answer.hang_up();
    drop(second);
    let first = seen(&mut broker).await;
    first.is(&["0"], 1000, 0);
    // It was in the log already; only the answer was lost.
    first.answer(ErrorCode::DUPLICATE_SEQUENCE_NUMBER);
    let second = seen(&mut broker).await;
    second.is(&["1"], 1000, 1);
    second.answer(ErrorCode::NONE);
    for delivery in deliveries {
        delivery.wait().await.unwrap();
    }
}

#[tokio::test]
async fn a_forgotten_producer_id_is_replaced_and_numbers_start_anew() {
    let (mut broker, producer) = started(one_by_one(), 1).await;
    let zero = send(&producer, "0");
    seen(&mut broker).await.answer(ErrorCode::NONE);
    zero.wait().await.unwrap();
    let rest: Vec<_> = (1..3).map(|index| send(&producer, &index.to_string())).collect();
    let (first, second) = (seen(&mut broker).await, seen(&mut broker).await);
    first.is(&["1"], 1000, 1);
    first.answer(ErrorCode::UNKNOWN_PRODUCER_ID);
    second.answer(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    for (sequence, value) in [(0, "1"), (1, "2")] {
        let again = seen(&mut broker).await;
        again.is(&[value], 1001, sequence);
        again.answer(ErrorCode::NONE);
    }
    for delivery in rest {
        delivery.wait().await.unwrap();
    }
}

#[tokio::test]
async fn a_refused_batch_fails_alone_and_names_itself() {
    let (mut broker, producer) = started(one_by_one(), 1).await;
    let refused = send(&producer, "bad");
    seen(&mut broker).await.answer(ErrorCode::MESSAGE_TOO_LARGE);
    let error = refused.wait().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::MESSAGE_TOO_LARGE));
    assert!(error.to_string().contains("t-0"), "{error}");
    // The gap in the numbers is closed by a new producer id.
    let next = send(&producer, "good");
    let seen = seen(&mut broker).await;
    seen.is(&["good"], 1001, 0);
    seen.answer(ErrorCode::NONE);
    next.wait().await.unwrap();
    assert!(producer.flush().await.is_err(), "flush reports the failure since the last one");
    assert!(producer.flush().await.is_ok());
}

#[tokio::test]
async fn a_record_beyond_the_request_size_is_refused_before_it_is_sent() {
    let config = ProducerConfig { request_bytes_max: 1000, compression: Compression::None, ..one_by_one() };
    let (mut broker, producer) = started(config, 1).await;
    let large = send(&producer, &"x".repeat(2000));
    let error = large.wait().await.unwrap_err();
    assert!(matches!(error, Error::RecordTooLarge { limit: 1000, .. }), "{error}");
    assert!(error.to_string().contains("max.request.size"));
    let small = send(&producer, "small");
    let seen = seen(&mut broker).await;
    seen.is(&["small"], 1000, 0);
    seen.answer(ErrorCode::NONE);
    small.wait().await.unwrap();
}

#[tokio::test]
async fn what_is_not_acknowledged_in_time_fails_with_the_last_cause() {
    let config = ProducerConfig { delivery_timeout: Duration::from_secs(2), ..one_by_one() };
    let (mut broker, producer) = started(config, 1).await;
    let delivery = send(&producer, "late");
    let answers = tokio::spawn(async move {
        loop {
            seen(&mut broker).await.answer(ErrorCode::NOT_ENOUGH_REPLICAS);
        }
    });
    let error = delivery.wait().await.unwrap_err();
    answers.abort();
    let Error::DeliveryTimeout { source: Some(source), .. } = &error else { panic!("{error}") };
    assert_eq!(source.code(), Some(ErrorCode::NOT_ENOUGH_REPLICAS));
}

#[tokio::test]
async fn without_acknowledgements_written_is_delivered() {
    let config = ProducerConfig { acks: Acks::None, ..one_by_one() };
    let (mut broker, producer) = started(config, 1).await;
    send(&producer, "a").wait().await.unwrap();
    let (request, _never) = broker.expect::<ProduceRequest>().await;
    assert_eq!(request.acks, 0);
}

#[tokio::test]
async fn keys_decide_and_without_a_key_partitions_take_turns() {
    let (_broker, producer) = started(ProducerConfig::default(), 3).await;
    let delivery = Delivery::new();
    let partition = |key: Option<&[u8]>| {
        let record = ProducerRecord { topic: "t", key, value: Some(b"v"), ..Default::default() };
        producer.append(record, &delivery).unwrap()
    };
    // murmur2("foobar") is -790332482; without its sign bit that is 1357151166, and 1357151166 % 3 is 0.
    assert_eq!(partition(Some(b"foobar")), 0);
    let turns: Vec<_> = (0..6).map(|_| partition(None)).collect();
    assert_eq!(turns, [1, 2, 0, 1, 2, 0]);
    let unknown = ProducerRecord { topic: "t", partition: Some(3), ..Default::default() };
    assert!(matches!(producer.append(unknown, &delivery), Err(Error::UnknownPartition { last: 2, .. })));
    let unprepared = ProducerRecord { topic: "u", ..Default::default() };
    assert!(matches!(producer.append(unprepared, &delivery), Err(Error::TopicNotPrepared { .. })));
}

#[tokio::test]
async fn ready_waits_for_room() {
    let config = ProducerConfig {
        buffer_bytes_max: 500,
        linger: Duration::from_secs(60),
        compression: Compression::None,
        ..Default::default()
    };
    let (mut broker, producer) = started(config, 1).await;
    let delivery = send(&producer, &"x".repeat(800));
    {
        let ready = producer.ready();
        tokio::pin!(ready);
        let seen = tokio::select! {
            _ = &mut ready => panic!("ready although nothing was acknowledged"),
            seen = seen(&mut broker) => seen,
        };
        seen.answer(ErrorCode::NONE);
        ready.await.unwrap();
    }
    assert!(delivery.is_complete());
}

#[tokio::test]
async fn closing_flushes_and_dropping_fails_what_is_left() {
    let (mut broker, producer) = started(ProducerConfig::default(), 1).await;
    let delivery = send(&producer, "last");
    let closing = tokio::spawn(producer.close(Duration::from_secs(10)));
    seen(&mut broker).await.answer(ErrorCode::NONE);
    closing.await.unwrap().unwrap();
    delivery.wait().await.unwrap();

    let (_broker, producer) = started(ProducerConfig::default(), 1).await;
    let delivery = send(&producer, "lost");
    drop(producer);
    assert!(matches!(delivery.wait().await, Err(Error::Closed { .. })));
}
