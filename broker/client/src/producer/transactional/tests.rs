//! Transactions against a scripted broker: both ways of adding partitions, retries, fencing, aborts.

use std::sync::Arc;
use std::time::Duration;

use broker_protocol::ErrorCode;
use broker_protocol::batch::check_produced;
use broker_protocol::messages::add_offsets_to_txn::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
use broker_protocol::messages::add_partitions_to_txn::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopicResult,
};
use broker_protocol::messages::end_txn::{EndTxnRequest, EndTxnResponse};
use broker_protocol::messages::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};
use broker_protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use broker_protocol::messages::produce::{
    PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse,
};
use broker_protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
};

use crate::config::ProducerConfig;
use crate::error::{Error, Result};
use crate::producer::{Delivery, Producer};
use crate::scripted::{Answer, Manners, ScriptedBroker};
use crate::types::{GroupMetadata, OffsetAndMetadata, ProducerRecord, TopicPartition};

struct Stage {
    broker: ScriptedBroker,
    producer: Arc<Producer>,
}

/// A call of the producer that runs while the test plays the broker.
type Call = tokio::task::JoinHandle<Result<()>>;

impl Stage {
    async fn new(transaction_version: i16) -> Self {
        let broker = ScriptedBroker::start(Manners { transaction_version, ..Manners::default() }).await;
        let config = ProducerConfig {
            linger: Duration::ZERO,
            transactional_id: Some("tx".to_owned()),
            ..Default::default()
        };
        let producer = Producer::new(&broker.client(), config);
        producer.prepare("t").await.unwrap();
        Self { broker, producer: Arc::new(producer) }
    }

    /// With producer id 7, epoch 0, and a transaction open.
    async fn open(transaction_version: i16) -> Self {
        let mut stage = Self::new(transaction_version).await;
        let init = stage.call(|producer| async move { producer.init_transactions().await });
        stage.find(1, "tx").await;
        let (request, answer) = stage.broker.expect::<InitProducerIdRequest>().await;
        assert_eq!((request.producer_id, request.producer_epoch), (-1, -1));
        assert_eq!(request.transactional_id.as_deref(), Some("tx"));
        answer.send(&identity(7, 0));
        init.await.unwrap().unwrap();
        stage.producer.begin_transaction().unwrap();
        stage
    }

    fn call<F>(&self, call: impl FnOnce(Arc<Producer>) -> F) -> Call
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        tokio::spawn(call(Arc::clone(&self.producer)))
    }

    fn commit(&self) -> Call {
        self.call(|producer| async move { producer.commit_transaction().await })
    }

    fn abort(&self) -> Call {
        self.call(|producer| async move { producer.abort_transaction().await })
    }

    fn send(&self, value: &str) -> Arc<Delivery> {
        let delivery = Delivery::new();
        let record = ProducerRecord { topic: "t", value: Some(value.as_bytes()), ..Default::default() };
        self.producer.append(record, &delivery).unwrap();
        delivery
    }

    /// Somebody asks for a coordinator: it is this broker.
    async fn find(&mut self, key_type: i8, key: &str) {
        let (request, answer) = self.broker.expect::<FindCoordinatorRequest>().await;
        assert_eq!((request.key_type, &*request.coordinator_keys[0]), (key_type, key));
        let (host, port) = self.broker.address.split_once(':').unwrap();
        let (host, port) = (host.into(), port.parse().unwrap());
        let found = Coordinator { key: key.into(), node_id: 1, host, port, ..Default::default() };
        answer.send(&FindCoordinatorResponse { coordinators: vec![found], ..Default::default() });
    }

    async fn adds_partitions(&mut self, code: ErrorCode) {
        let (request, answer) = self.broker.expect::<AddPartitionsToTxnRequest>().await;
        assert_eq!((request.v3_and_below_producer_id, &*request.v3_and_below_transactional_id), (7, "tx"));
        assert_eq!(request.v3_and_below_topics[0].partitions, [0]);
        let partition = AddPartitionsToTxnPartitionResult { partition_index: 0, partition_error_code: code };
        let topic = AddPartitionsToTxnTopicResult { name: "t".into(), results_by_partition: vec![partition] };
        answer.send(&AddPartitionsToTxnResponse {
            results_by_topic_v3_and_below: vec![topic],
            ..Default::default()
        });
    }

    /// A Produce request of this epoch and first sequence number.
    async fn produces(&mut self, version: i16, epoch: i16, sequence: i32) -> Answer {
        let (request, answer) = self.broker.expect::<ProduceRequest>().await;
        assert_eq!((request.transactional_id.as_deref(), answer.version()), (Some("tx"), version));
        let records = request.topic_data[0].partition_data[0].records.clone().unwrap();
        let header = *check_produced(records).unwrap().header();
        assert!(header.is_transactional());
        assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (7, epoch, sequence));
        answer
    }

    async fn ends(&mut self, commit: bool, epoch: i16, version: i16) -> Answer {
        let (request, answer) = self.broker.expect::<EndTxnRequest>().await;
        assert_eq!((request.committed, request.producer_id, request.producer_epoch), (commit, 7, epoch));
        assert_eq!(answer.version(), version);
        answer
    }
}

fn identity(producer_id: i64, producer_epoch: i16) -> InitProducerIdResponse {
    InitProducerIdResponse { producer_id, producer_epoch, ..Default::default() }
}

fn ended(error_code: ErrorCode) -> EndTxnResponse {
    EndTxnResponse { error_code, ..Default::default() }
}

fn produced(error_code: ErrorCode) -> ProduceResponse {
    let partition = PartitionProduceResponse { error_code, ..Default::default() };
    let topic =
        TopicProduceResponse { name: "t".into(), partition_responses: vec![partition], ..Default::default() };
    ProduceResponse { responses: vec![topic], ..Default::default() }
}

#[tokio::test]
async fn before_kip_890_partitions_are_added_and_numbers_go_on() {
    let mut stage = Stage::open(0).await;
    for sequence in 0..2 {
        let delivery = stage.send("a");
        let commit = stage.commit();
        // The coordinator still ends the transaction before: that passes.
        stage.adds_partitions(ErrorCode::CONCURRENT_TRANSACTIONS).await;
        stage.adds_partitions(ErrorCode::NONE).await;
        stage.produces(11, 0, sequence).await.send(&produced(ErrorCode::NONE));
        stage.ends(true, 0, 4).await.send(&ended(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
        stage.ends(true, 0, 4).await.send(&ended(ErrorCode::NONE));
        commit.await.unwrap().unwrap();
        delivery.wait().await.unwrap();
        stage.producer.begin_transaction().unwrap();
    }
}

#[tokio::test]
async fn with_kip_890_producing_adds_and_every_end_brings_a_new_epoch() {
    let mut stage = Stage::open(2).await;
    for epoch in 0..2 {
        stage.send("a");
        let commit = stage.commit();
        // The transaction before is not quite over.
        stage.produces(12, epoch, 0).await.send(&produced(ErrorCode::CONCURRENT_TRANSACTIONS));
        stage.produces(12, epoch, 0).await.send(&produced(ErrorCode::NONE));
        let answer = stage.ends(true, epoch, 5).await;
        answer.send(&EndTxnResponse { producer_id: 7, producer_epoch: epoch + 1, ..Default::default() });
        commit.await.unwrap().unwrap();
        stage.producer.begin_transaction().unwrap();
    }
    // Nothing was sent: nobody is asked, and the epoch stays.
    stage.commit().await.unwrap().unwrap();
    stage.broker.expect_silence();
}

#[tokio::test]
async fn offsets_go_with_the_transaction() {
    let offsets = [(TopicPartition::new("in", 3), OffsetAndMetadata::new(42))];
    let group = GroupMetadata {
        generation: 5,
        member_id: "m".to_owned(),
        instance_id: Some("i".to_owned()),
        ..GroupMetadata::outside("g")
    };
    for transaction_version in [0, 2] {
        let mut stage = Stage::open(transaction_version).await;
        let (offsets, group) = (offsets.clone(), group.clone());
        let sending = stage
            .call(|producer| async move { producer.send_offsets_to_transaction(&offsets, &group).await });
        if transaction_version == 0 {
            let (request, answer) = stage.broker.expect::<AddOffsetsToTxnRequest>().await;
            assert_eq!((&*request.group_id, request.producer_id), ("g", 7));
            answer.send(&AddOffsetsToTxnResponse::default());
        }
        stage.find(0, "g").await;
        let (request, answer) = stage.broker.expect::<TxnOffsetCommitRequest>().await;
        assert_eq!((request.generation_id, &*request.member_id), (5, "m"));
        assert_eq!(request.group_instance_id.as_deref(), Some("i"));
        assert_eq!(request.topics[0].partitions[0].committed_offset, 42);
        assert_eq!(answer.version(), if transaction_version == 0 { 4 } else { 5 });
        let partition = TxnOffsetCommitResponsePartition { partition_index: 3, ..Default::default() };
        let topic = TxnOffsetCommitResponseTopic { name: "in".into(), partitions: vec![partition] };
        answer.send(&TxnOffsetCommitResponse { topics: vec![topic], ..Default::default() });
        sending.await.unwrap().unwrap();
        let commit = stage.commit();
        let version = if transaction_version == 0 { 4 } else { 5 };
        stage.ends(true, 0, version).await.send(&ended(ErrorCode::NONE));
        commit.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_refused_record_spoils_the_transaction_and_an_abort_mends_it() {
    let mut stage = Stage::open(0).await;
    let refused = stage.send("a");
    let commit = stage.commit();
    stage.adds_partitions(ErrorCode::NONE).await;
    stage.produces(11, 0, 0).await.send(&produced(ErrorCode::INVALID_RECORD));
    let error = commit.await.unwrap().unwrap_err();
    assert!(error.is_abortable(), "{error}");
    assert_eq!(refused.wait().await.unwrap_err().code(), Some(ErrorCode::INVALID_RECORD));
    let record = ProducerRecord { topic: "t", value: Some(b"b"), ..Default::default() };
    let refusal = stage.producer.append(record, &Delivery::new()).unwrap_err();
    assert!(refusal.is_abortable(), "{refusal}");
    let abort = stage.abort();
    stage.ends(false, 0, 4).await.send(&ended(ErrorCode::NONE));
    let (request, answer) = stage.broker.expect::<InitProducerIdRequest>().await;
    assert_eq!((request.producer_id, request.producer_epoch), (7, 0));
    answer.send(&identity(7, 1));
    abort.await.unwrap().unwrap();
    stage.producer.begin_transaction().unwrap();
    stage.send("c");
    let commit = stage.commit();
    stage.adds_partitions(ErrorCode::NONE).await;
    stage.produces(11, 1, 0).await.send(&produced(ErrorCode::NONE));
    stage.ends(true, 1, 4).await.send(&ended(ErrorCode::NONE));
    commit.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_abort_gives_up_what_was_not_sent_and_waits_for_what_was() {
    let mut stage = Stage::open(2).await;
    let sent = stage.send("a");
    let under_way = stage.produces(12, 0, 0).await;
    let held: Vec<_> = (0..2000).map(|_| stage.send(&"x".repeat(1000))).collect();
    let abort = stage.abort();
    // Up to five requests were under way already; the rest is never sent.
    let mut lost = 0;
    under_way.send(&produced(ErrorCode::NONE));
    let mut sequence_answers = 0;
    let end = loop {
        match stage.broker.expect_either::<ProduceRequest, EndTxnRequest>().await {
            Ok((_request, answer)) => {
                sequence_answers += 1;
                answer.send(&produced(ErrorCode::NONE));
            }
            Err((request, answer)) => {
                assert!(!request.committed && sequence_answers <= 5);
                break answer;
            }
        }
    };
    sent.wait().await.unwrap();
    for delivery in &held {
        match delivery.wait().await {
            Ok(()) => {}
            Err(Error::TransactionAborted { .. }) => lost += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(lost > 0, "nothing was given up");
    end.send(&EndTxnResponse { producer_id: 7, producer_epoch: 1, ..Default::default() });
    abort.await.unwrap().unwrap();
    stage.producer.begin_transaction().unwrap();
}

#[tokio::test]
async fn a_fenced_producer_is_told_so_and_cannot_go_on() {
    let mut stage = Stage::open(0).await;
    let delivery = stage.send("a");
    stage.adds_partitions(ErrorCode::PRODUCER_FENCED).await;
    assert!(delivery.wait().await.unwrap_err().is_fenced());
    for call in [stage.commit(), stage.abort()] {
        let error = call.await.unwrap().unwrap_err();
        assert!(error.is_fenced() && !error.is_retriable() && !error.is_abortable(), "{error}");
    }
    let record = ProducerRecord { topic: "t", ..Default::default() };
    assert!(stage.producer.append(record, &Delivery::new()).unwrap_err().is_fenced());
}

#[tokio::test]
async fn a_coordinator_that_moved_is_looked_for_and_a_lost_answer_asked_for_again() {
    let mut stage = Stage::open(2).await;
    stage.send("a");
    let commit = stage.commit();
    stage.produces(12, 0, 0).await.send(&produced(ErrorCode::NONE));
    stage.ends(true, 0, 5).await.send(&ended(ErrorCode::NOT_COORDINATOR));
    stage.find(1, "tx").await;
    stage.ends(true, 0, 5).await.hang_up();
    stage.find(1, "tx").await;
    // It was carried out: the broker knows a retry by its old epoch.
    let answer = stage.ends(true, 0, 5).await;
    answer.send(&EndTxnResponse { producer_id: 7, producer_epoch: 1, ..Default::default() });
    commit.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_commit_that_nobody_waited_for_is_taken_up_again() {
    let mut stage = Stage::open(2).await;
    stage.send("a");
    let commit = stage.commit();
    stage.produces(12, 0, 0).await.send(&produced(ErrorCode::NONE));
    let first = stage.ends(true, 0, 5).await;
    commit.abort();
    let again = stage.commit();
    assert!(matches!(stage.producer.begin_transaction(), Err(Error::TransactionState { .. })));
    // The second request waits for the first one's answer, whoever asked for it.
    first.send(&EndTxnResponse { producer_id: 7, producer_epoch: 1, ..Default::default() });
    let answer = stage.ends(true, 0, 5).await;
    answer.send(&EndTxnResponse { producer_id: 7, producer_epoch: 1, ..Default::default() });
    again.await.unwrap().unwrap();
    stage.producer.begin_transaction().unwrap();
}

#[tokio::test]
async fn records_need_a_transaction_and_transactions_an_id() {
    let stage = Stage::new(0).await;
    let record = ProducerRecord { topic: "t", ..Default::default() };
    let error = stage.producer.append(record, &Delivery::new()).unwrap_err();
    assert!(error.to_string().contains("init_transactions"), "{error}");
    let plain = Producer::new(&stage.broker.client(), ProducerConfig::default());
    let error = plain.init_transactions().await.unwrap_err();
    assert!(error.to_string().contains("transactional.id"), "{error}");
}

#[tokio::test]
async fn an_administrator_fences_and_waits_for_transactions_that_are_ending() {
    let mut stage = Stage::new(2).await;
    let client = stage.broker.client();
    let fencing = tokio::spawn(async move { client.fence_producers(&["tx".to_owned()]).await });
    for code in [ErrorCode::CONCURRENT_TRANSACTIONS, ErrorCode::NONE] {
        stage.find(1, "tx").await;
        let (request, answer) = stage.broker.expect::<InitProducerIdRequest>().await;
        assert_eq!((request.transactional_id.as_deref(), request.producer_id), (Some("tx"), -1));
        answer.send(&InitProducerIdResponse { error_code: code, ..identity(7, 1) });
    }
    fencing.await.unwrap().unwrap();
}
