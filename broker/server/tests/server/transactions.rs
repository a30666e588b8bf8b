//! Transactions over the wire, as far as the log's side goes: what Produce takes, and what readers of either isolation get.

use std::time::Duration;

use broker_protocol::{
    ErrorCode,
    batch::{Batch, BatchFields, InflateLimits, patch},
    messages::{
        delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic},
        describe_producers::{DescribeProducersRequest, PartitionResponse, TopicRequest},
        end_txn::{EndTxnRequest, EndTxnResponse},
        fetch::{FetchRequest, PartitionData},
        init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
        list_offsets::{
            ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsTopic,
        },
        produce::PartitionProduceResponse,
    },
};
use bytes::Bytes;

use crate::{
    client::{Client, TestError, TestResult, batch, fetch_request, produce_request, start, start_in, values},
    kill::spawn,
};

/// A version in which partitions join by being written to, and each transaction has an epoch of its own.
const PRODUCE: i16 = 12;
const END: i16 = 5;

/// A producer with a transactional id, as the tests drive it.
struct Producer {
    id: &'static str,
    known: InitProducerIdResponse,
    sequence: i32,
}

impl Producer {
    async fn init(client: &mut Client, id: &'static str) -> Result<Self, TestError> {
        let transactional_id = Some(id.into());
        let request =
            InitProducerIdRequest { transactional_id, transaction_timeout_ms: 60_000, ..Default::default() };
        let known = client.ask(request, 4).await?;
        assert_eq!(known.error_code, ErrorCode::NONE);
        Ok(Self { id, known, sequence: 0 })
    }

    fn batch(&self, values: &[&str], is_transactional: bool) -> Bytes {
        let (producer_id, producer_epoch) = (self.known.producer_id, self.known.producer_epoch);
        let base_sequence = self.sequence;
        batch(
            values,
            BatchFields {
                producer_id,
                producer_epoch,
                base_sequence,
                is_transactional,
                ..Default::default()
            },
        )
    }

    async fn send(
        &mut self,
        client: &mut Client,
        values: &[&str],
    ) -> Result<PartitionProduceResponse, TestError> {
        let mut request = produce_request("t", self.batch(values, true), -1);
        request.transactional_id = Some(self.id.into());
        let mut response = client.ask(request, PRODUCE).await?;
        let answer = response.responses.remove(0).partition_responses.remove(0);
        if answer.error_code == ErrorCode::NONE {
            self.sequence += i32::try_from(values.len())?;
        }
        Ok(answer)
    }

    async fn end(&mut self, client: &mut Client, committed: bool) -> TestResult {
        let (producer_id, producer_epoch) = (self.known.producer_id, self.known.producer_epoch);
        let transactional_id = self.id.into();
        let request = EndTxnRequest { transactional_id, producer_id, producer_epoch, committed };
        let EndTxnResponse { error_code, producer_id, producer_epoch, .. } = client.ask(request, END).await?;
        assert_eq!(error_code, ErrorCode::NONE);
        (self.known.producer_id, self.known.producer_epoch, self.sequence) = (producer_id, producer_epoch, 0);
        Ok(())
    }
}

fn committed(offset: i64, wait: Duration) -> FetchRequest {
    FetchRequest { isolation_level: 1, ..fetch_request("t", offset, wait, 1) }
}

async fn fetched(
    client: &mut Client,
    request: FetchRequest,
) -> Result<(Vec<String>, PartitionData), TestError> {
    let mut response = client.ask(request, 12).await?;
    let values = values(&response);
    Ok((values, response.responses.remove(0).partitions.remove(0)))
}

async fn listed(
    client: &mut Client,
    timestamp: i64,
    isolation_level: i8,
    version: i16,
) -> Result<ListOffsetsPartitionResponse, TestError> {
    let partitions = vec![ListOffsetsPartition { timestamp, ..Default::default() }];
    let topics = vec![ListOffsetsTopic { name: "t".into(), partitions }];
    let request = ListOffsetsRequest { replica_id: -1, isolation_level, topics, ..Default::default() };
    Ok(client.ask(request, version).await?.topics.remove(0).partitions.remove(0))
}

async fn described(client: &mut Client, topic: &str) -> Result<PartitionResponse, TestError> {
    let topics = vec![TopicRequest { name: topic.into(), partition_indexes: vec![0] }];
    Ok(client.ask(DescribeProducersRequest { topics }, 0).await?.topics.remove(0).partitions.remove(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_committed_records_stop_at_the_open_transaction_and_hear_of_aborted_ones() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 1, &[]).await?;
    let (mut one, mut two) =
        (Producer::init(&mut client, "one").await?, Producer::init(&mut client, "two").await?);
    let aborted_id = one.known.producer_id;
    assert_eq!(one.send(&mut client, &["gone"]).await?.base_offset, 0);
    one.end(&mut client, false).await?;
    client.produce("t", batch(&["plain"], BatchFields::default())).await?;
    assert_eq!(two.send(&mut client, &["open"]).await?.base_offset, 3);
    client.produce("t", batch(&["behind"], BatchFields::default())).await?;

    let (all, answer) = fetched(&mut client, fetch_request("t", 0, Duration::ZERO, 1)).await?;
    assert_eq!(all.len(), 5, "{all:?}");
    assert_eq!((answer.high_watermark, answer.last_stable_offset), (5, 3));
    assert_eq!(answer.aborted_transactions, None);
    let (all, answer) = fetched(&mut client, committed(0, Duration::ZERO)).await?;
    assert_eq!((all[0].as_str(), all[2].as_str(), all.len()), ("gone", "plain", 3));
    assert_eq!((answer.high_watermark, answer.last_stable_offset), (5, 3));
    let aborted: Vec<_> = answer.aborted_transactions.iter().flatten().collect();
    assert_eq!((aborted.len(), aborted[0].producer_id, aborted[0].first_offset), (1, aborted_id, 0));
    let (_, answer) = fetched(&mut client, committed(2, Duration::ZERO)).await?;
    assert_eq!(answer.aborted_transactions, Some(Vec::new()), "its marker is before");

    // A long poll waits at the open transaction and is woken by its end, not by what others append.
    let mut waiting = Client::connect(&broker).await?;
    let id = waiting.send(&committed(3, Duration::from_secs(30)), 12).await?;
    client.produce("t", batch(&["more"], BatchFields::default())).await?;
    two.end(&mut client, true).await?;
    let answer = waiting.receive::<FetchRequest>(12, id).await?;
    assert_eq!(values(&answer)[..3], ["open", "behind", "more"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_are_listed_by_isolation_and_special_time_stamps_by_version() -> TestResult {
    let (broker, folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 1, &[]).await?;
    client.produce("t", batch(&["a", "b"], BatchFields::default())).await?;
    let mut open = Producer::init(&mut client, "open").await?;
    open.send(&mut client, &["c", "d", "e"]).await?;
    drop((client, broker));
    // Also after a crash, from what is on disk.
    let broker = loop {
        match start_in(folder.path(), |_| ()).await {
            Err(broker_server::Error::DirectoryInUse { .. }) => tokio::task::yield_now().await,
            started => break started?,
        }
    };
    let mut client = Client::connect(&broker).await?;
    let cases = [
        (-1, 5, 2),
        (-2, 0, 0),
        (-3, 4, -1),
        (-4, 0, 0),
        (-5, -1, -1),
        (-6, -1, -1),
        (1_001, 1, 1),
        (1_002, 4, -1),
    ];
    for (timestamp, uncommitted, committed) in cases {
        assert_eq!(listed(&mut client, timestamp, 0, 11).await?.offset, uncommitted, "{timestamp}");
        assert_eq!(listed(&mut client, timestamp, 1, 11).await?.offset, committed, "{timestamp}");
    }
    for (timestamp, first) in [(-1, 1), (-3, 7), (-4, 8), (-5, 9), (-6, 11)] {
        assert_eq!(
            listed(&mut client, timestamp, 0, first).await?.error_code,
            ErrorCode::NONE,
            "{timestamp}"
        );
        if first > 1 {
            let refused = listed(&mut client, timestamp, 0, first - 1).await?.error_code;
            assert_eq!(refused, ErrorCode::UNSUPPORTED_VERSION, "{timestamp}");
        }
    }
    assert_eq!(listed(&mut client, -7, 0, 11).await?.error_code, ErrorCode::UNSUPPORTED_VERSION);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_belong_to_the_transaction_is_refused() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 1, &[]).await?;
    let mut one = Producer::init(&mut client, "one").await?;
    let nameless = client.produce("t", one.batch(&["x"], true)).await?;
    assert_eq!(nameless.error_code, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    let mut control = one.batch(&["x"], true).to_vec();
    patch::control(&mut control)?;
    assert_eq!(client.produce("t", control.into()).await?.error_code, ErrorCode::INVALID_RECORD);
    one.sequence = 3;
    let later = one.send(&mut client, &["its first is missing"]).await?;
    assert_eq!(later.error_code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    one.sequence = 0;
    assert_eq!(one.send(&mut client, &["first"]).await?.error_code, ErrorCode::NONE);
    let outside = client.produce("t", one.batch(&["x"], false)).await?;
    assert_eq!(outside.error_code, ErrorCode::INVALID_TXN_STATE);
    let stale = Producer { id: "one", known: one.known.clone(), sequence: one.sequence };
    one.end(&mut client, true).await?;
    let mut stale = stale;
    let late = stale.send(&mut client, &["after the end"]).await?;
    assert_eq!(late.error_code, ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(one.send(&mut client, &["next"]).await?.error_code, ErrorCode::NONE);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn producers_are_described_with_their_open_transactions() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 1, &[]).await?;
    assert_eq!(described(&mut client, "t").await?.active_producers, []);
    client.produce("t", batch(&["plain"], BatchFields::default())).await?;
    let mut one = Producer::init(&mut client, "one").await?;
    one.send(&mut client, &["a", "b"]).await?;
    let producer = described(&mut client, "t").await?.active_producers.remove(0);
    assert_eq!(producer.producer_id, one.known.producer_id);
    assert_eq!((producer.last_sequence, producer.current_txn_start_offset), (1, 1));
    assert_eq!((producer.coordinator_epoch, producer.last_timestamp), (-1, 1_001));
    // Deleting its records, as Kafka allows, moves the last stable offset along.
    let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset: -1 }];
    let topics = vec![DeleteRecordsTopic { name: "t".into(), partitions }];
    let deleted = client.ask(DeleteRecordsRequest { topics, timeout_ms: 1_000 }, 2).await?;
    assert_eq!(deleted.topics[0].partitions[0].low_watermark, 3);
    assert_eq!(listed(&mut client, -1, 1, 11).await?.offset, 3);
    one.end(&mut client, true).await?;
    let producer = described(&mut client, "t").await?.active_producers.remove(0);
    assert_eq!((producer.last_sequence, producer.current_txn_start_offset), (-1, -1));
    assert_eq!(described(&mut client, "nowhere").await?.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    Ok(())
}

/// EndTxn is answered before the markers are written. A client that is refused in between looks for another leader first, which
/// takes franz-go five seconds a transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_transaction_may_begin_as_soon_as_the_end_of_the_one_before_is_answered() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 1, &[]).await?;
    let mut one = Producer::init(&mut client, "one").await?;
    for number in 0..50 {
        let sent = one.send(&mut client, &["record"]).await?;
        assert_eq!(
            (sent.error_code, sent.base_offset),
            (ErrorCode::NONE, 2 * number),
            "transaction {number}"
        );
        one.end(&mut client, number % 2 == 0).await?;
    }
    broker.shutdown().await?;
    Ok(())
}

/// Partitions that join by being written to are not written down: after a kill, and after a clean stop, a start finds the records, and the
/// transaction goes on, ends, and is followed by another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_only_its_records_know_of_outlives_a_kill_and_a_restart() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut killed = spawn(folder.path())?;
    let mut client = Client::to(&killed.address).await?;
    client.create("t", 1, &[]).await?;
    let mut one = Producer::init(&mut client, "one").await?;
    for (committed, value) in [(true, "first"), (false, "aborted"), (true, "second")] {
        one.send(&mut client, &[value]).await?;
        one.end(&mut client, committed).await?;
    }
    one.send(&mut client, &["third"]).await?;
    killed.kill()?;

    let broker = start_in(folder.path(), |_| ()).await?;
    assert_eq!(broker.metrics().transactions, 1, "the transaction is open");
    let mut client = Client::connect(&broker).await?;
    let (mut seen, _) = fetched(&mut client, committed(0, Duration::ZERO)).await?;
    seen.retain(|value| !value.starts_with('\0'));
    assert_eq!(seen, ["first", "aborted", "second"], "clients drop what is aborted; the third is undecided");
    one.sequence -= 1;
    assert_eq!(one.send(&mut client, &["third"]).await?.base_offset, 6, "it was there already");
    drop(client);
    broker.shutdown().await?;

    let broker = start_in(folder.path(), |_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    one.end(&mut client, true).await?;
    one.send(&mut client, &["fourth"]).await?;
    let (mut seen, partition) = fetched(&mut client, committed(6, Duration::ZERO)).await?;
    seen.retain(|value| !value.starts_with('\0'));
    assert_eq!((seen, partition.last_stable_offset), (vec!["third".to_owned()], 8));
    // A successor aborts what a start found, as any other transaction.
    Producer::init(&mut client, "one").await?;
    assert_eq!(described(&mut client, "t").await?.active_producers[0].current_txn_start_offset, -1);
    broker.shutdown().await?;
    Ok(())
}

/// The states that the coordinator has written down from an offset on, by Kafka's numbers; waits for the first of them.
async fn states(client: &mut Client, offset: i64) -> Result<Vec<u8>, TestError> {
    /// Behind the version, the producer's id and epoch, and the timeout.
    const STATE_AT: usize = 16;
    let request = fetch_request("__transaction_state", offset, Duration::from_secs(10), 1);
    let (_, partition) = fetched(client, request).await?;
    let mut records = partition.records.unwrap_or_default();
    let mut states = Vec::new();
    while !records.is_empty() {
        let batch = Batch::take(&mut records)?;
        for record in &batch.records(InflateLimits::default())? {
            let value = record?.value.ok_or("the id was forgotten")?;
            states.push(*value.get(STATE_AT).ok_or("a short state")?);
        }
    }
    Ok(states)
}

/// Complete is written down only when nothing follows: the outcome of the next transaction takes its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_follow_one_another_write_one_state_each_and_the_last_one_its_completion()
-> TestResult {
    const PREPARE_COMMIT: u8 = 2;
    const COMPLETE_COMMIT: u8 = 4;
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 1, &[]).await?;
    let mut one = Producer::init(&mut client, "one").await?;
    for value in ["a", "b", "c", "d", "e"] {
        one.send(&mut client, &[value]).await?;
        one.end(&mut client, true).await?;
    }
    let mut seen = states(&mut client, 0).await?;
    while seen.last() != Some(&COMPLETE_COMMIT) {
        let more = states(&mut client, i64::try_from(seen.len())?).await?;
        assert!(!more.is_empty(), "{seen:?}: the last transaction is never complete");
        seen.extend(more);
    }
    let count = |state| seen.iter().filter(|seen| **seen == state).count();
    assert_eq!(count(PREPARE_COMMIT), 5, "{seen:?}");
    // A machine that stands still for a second between two of them gets more.
    assert!(count(COMPLETE_COMMIT) < 5, "{seen:?}");
    broker.shutdown().await?;
    Ok(())
}
