//! The transaction coordinator over the wire: who is fenced and how they are told, offsets in transactions, what tools are told, a restart in between.

use broker_protocol::{
    ErrorCode, Text,
    messages::{
        add_offsets_to_txn::AddOffsetsToTxnRequest,
        add_partitions_to_txn::{AddPartitionsToTxnRequest, AddPartitionsToTxnTopic},
        api_versions::ApiVersionsRequest,
        describe_transactions::DescribeTransactionsRequest,
        end_txn::{EndTxnRequest, EndTxnResponse},
        init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
        list_transactions::ListTransactionsRequest,
        offset_fetch::{
            OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
            OffsetFetchResponsePartitions,
        },
        txn_offset_commit::{
            TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
        },
    },
};

use crate::client::{Client, TestError, TestResult, start, start_in};

async fn initialize(
    client: &mut Client,
    expected: Option<&InitProducerIdResponse>,
    version: i16,
) -> Result<InitProducerIdResponse, TestError> {
    let request = InitProducerIdRequest {
        transactional_id: Some("tx".into()),
        transaction_timeout_ms: 60_000,
        producer_id: expected.map_or(-1, |known| known.producer_id),
        producer_epoch: expected.map_or(-1, |known| known.producer_epoch),
    };
    client.ask(request, version).await
}

async fn end(
    client: &mut Client,
    known: &InitProducerIdResponse,
    committed: bool,
    version: i16,
) -> Result<EndTxnResponse, TestError> {
    let (producer_id, producer_epoch) = (known.producer_id, known.producer_epoch);
    let request = EndTxnRequest { transactional_id: "tx".into(), producer_id, producer_epoch, committed };
    client.ask(request, version).await
}

async fn add_partition(
    client: &mut Client,
    known: &InitProducerIdResponse,
    topic: &str,
    version: i16,
) -> Result<ErrorCode, TestError> {
    let request = AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: "tx".into(),
        v3_and_below_producer_id: known.producer_id,
        v3_and_below_producer_epoch: known.producer_epoch,
        v3_and_below_topics: vec![AddPartitionsToTxnTopic { name: topic.into(), partitions: vec![0] }],
        ..Default::default()
    };
    let response = client.ask(request, version).await?;
    Ok(response.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code)
}

async fn commit_offset(
    client: &mut Client,
    known: &InitProducerIdResponse,
    offset: i64,
    version: i16,
) -> Result<ErrorCode, TestError> {
    let partition = TxnOffsetCommitRequestPartition {
        committed_offset: offset,
        committed_metadata: Some("kept".into()),
        ..Default::default()
    };
    let request = TxnOffsetCommitRequest {
        transactional_id: "tx".into(),
        group_id: "g".into(),
        producer_id: known.producer_id,
        producer_epoch: known.producer_epoch,
        topics: vec![TxnOffsetCommitRequestTopic { name: "t".into(), partitions: vec![partition] }],
        ..Default::default()
    };
    Ok(client.ask(request, version).await?.topics[0].partitions[0].error_code)
}

async fn fetch_offset(
    client: &mut Client,
    require_stable: bool,
) -> Result<OffsetFetchResponsePartitions, TestError> {
    let topics =
        OffsetFetchRequestTopics { name: "t".into(), partition_indexes: vec![0], ..Default::default() };
    let group =
        OffsetFetchRequestGroup { group_id: "g".into(), topics: Some(vec![topics]), ..Default::default() };
    let request = OffsetFetchRequest { groups: vec![group], require_stable, ..Default::default() };
    Ok(client.ask(request, 8).await?.groups.remove(0).topics.remove(0).partitions.remove(0))
}

/// Markers follow the answer to EndTxn: the next step of the id comes after them.
async fn await_end(client: &mut Client, known: &InitProducerIdResponse) -> TestResult {
    assert_eq!(add_partition(client, known, "t", 3).await?, ErrorCode::NONE);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zombies_are_told_in_the_words_of_their_version() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 1, &[]).await?;
    let zombie = initialize(&mut client, None, 4).await?;
    assert_eq!((zombie.error_code, zombie.producer_epoch), (ErrorCode::NONE, 0));
    assert_eq!(
        add_partition(&mut client, &zombie, "nowhere", 3).await?,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );
    assert_eq!(add_partition(&mut client, &zombie, "t", 3).await?, ErrorCode::NONE);
    // The heir aborts what the zombie had begun, and need not ask twice.
    let heir = initialize(&mut client, None, 4).await?;
    assert_eq!((heir.error_code, heir.producer_id), (ErrorCode::NONE, zombie.producer_id));
    assert!(heir.producer_epoch > zombie.producer_epoch + 1, "an epoch for the abort, one for the heir");
    for (version, code) in [(1, ErrorCode::INVALID_PRODUCER_EPOCH), (2, ErrorCode::PRODUCER_FENCED)] {
        assert_eq!(add_partition(&mut client, &zombie, "t", version).await?, code);
        assert_eq!(end(&mut client, &zombie, true, version).await?.error_code, code);
    }
    assert_eq!(end(&mut client, &zombie, true, 5).await?.error_code, ErrorCode::PRODUCER_FENCED);
    for (version, code) in [(3, ErrorCode::INVALID_PRODUCER_EPOCH), (4, ErrorCode::PRODUCER_FENCED)] {
        assert_eq!(initialize(&mut client, Some(&zombie), version).await?.error_code, code);
    }
    assert_eq!(commit_offset(&mut client, &zombie, 1, 5).await?, ErrorCode::INVALID_PRODUCER_EPOCH);
    let stranger = InitProducerIdResponse { producer_id: 999_999, ..heir.clone() };
    let code = end(&mut client, &stranger, true, 5).await?.error_code;
    assert_eq!(code, ErrorCode::INVALID_PRODUCER_ID_MAPPING);
    // Nothing of this has hurt the heir, which may also go on after an error (KIP-360), and be answered again if the answer was lost.
    let renewed = initialize(&mut client, Some(&heir), 4).await?;
    assert_eq!(renewed.producer_epoch, heir.producer_epoch + 1);
    assert_eq!(initialize(&mut client, Some(&heir), 4).await?.producer_epoch, renewed.producer_epoch);
    let too_long = InitProducerIdRequest {
        transactional_id: Some("tx".into()),
        transaction_timeout_ms: 900_001,
        ..Default::default()
    };
    assert_eq!(client.ask(too_long, 4).await?.error_code, ErrorCode::INVALID_TRANSACTION_TIMEOUT);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_is_asked_for_again_is_answered_as_the_first_time() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 1, &[]).await?;
    let mut known = initialize(&mut client, None, 4).await?;
    assert_eq!(end(&mut client, &known, true, 5).await?.error_code, ErrorCode::INVALID_TXN_STATE);
    for committed in [true, false] {
        assert_eq!(add_partition(&mut client, &known, "t", 3).await?, ErrorCode::NONE);
        let first = end(&mut client, &known, committed, 5).await?;
        assert_eq!((first.error_code, first.producer_epoch), (ErrorCode::NONE, known.producer_epoch + 1));
        assert_eq!(end(&mut client, &known, committed, 5).await?, first);
        let other = end(&mut client, &known, !committed, 5).await?.error_code;
        assert_eq!(other, ErrorCode::INVALID_TXN_STATE, "the outcome stands");
        known.producer_epoch = first.producer_epoch;
    }
    // An old client keeps its epoch.
    assert_eq!(add_partition(&mut client, &known, "t", 3).await?, ErrorCode::NONE);
    assert_eq!(end(&mut client, &known, true, 4).await?.error_code, ErrorCode::NONE);
    assert_eq!(end(&mut client, &known, true, 4).await?.error_code, ErrorCode::NONE);
    assert_eq!(end(&mut client, &known, false, 4).await?.error_code, ErrorCode::INVALID_TXN_STATE);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_of_a_transaction_count_from_its_commit_on_also_over_a_restart() -> TestResult {
    let (broker, folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 1, &[]).await?;
    let mut known = initialize(&mut client, None, 4).await?;
    assert_eq!(
        commit_offset(&mut client, &known, 7, 3).await?,
        ErrorCode::INVALID_TXN_STATE,
        "old clients add the group first"
    );
    let request = AddOffsetsToTxnRequest {
        transactional_id: "tx".into(),
        producer_id: known.producer_id,
        producer_epoch: known.producer_epoch,
        group_id: "g".into(),
    };
    assert_eq!(client.ask(request, 3).await?.error_code, ErrorCode::NONE);
    assert_eq!(commit_offset(&mut client, &known, 7, 3).await?, ErrorCode::NONE);
    assert_eq!(fetch_offset(&mut client, true).await?.error_code, ErrorCode::UNSTABLE_OFFSET_COMMIT);
    assert_eq!(fetch_offset(&mut client, false).await?.committed_offset, -1);
    known.producer_epoch = end(&mut client, &known, true, 5).await?.producer_epoch;
    await_end(&mut client, &known).await?;
    let fetched = fetch_offset(&mut client, true).await?;
    assert_eq!((fetched.committed_offset, fetched.metadata.as_deref()), (7, Some("kept")));
    // Twice in one transaction, in newer clients without asking; an abort drops both.
    for offset in [8, 9] {
        assert_eq!(commit_offset(&mut client, &known, offset, 5).await?, ErrorCode::NONE);
    }
    known.producer_epoch = end(&mut client, &known, false, 5).await?.producer_epoch;
    await_end(&mut client, &known).await?;
    assert_eq!(fetch_offset(&mut client, true).await?.committed_offset, 7);
    assert_eq!(commit_offset(&mut client, &known, 10, 5).await?, ErrorCode::NONE);
    assert_eq!(commit_offset(&mut client, &known, 11, 5).await?, ErrorCode::NONE);

    drop(client);
    broker.shutdown().await?;
    let broker = start_in(folder.path(), |_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    assert_eq!(fetch_offset(&mut client, true).await?.error_code, ErrorCode::UNSTABLE_OFFSET_COMMIT);
    assert_eq!(fetch_offset(&mut client, false).await?.committed_offset, 7);
    known.producer_epoch = end(&mut client, &known, true, 5).await?.producer_epoch;
    await_end(&mut client, &known).await?;
    assert_eq!(fetch_offset(&mut client, true).await?.committed_offset, 11);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_are_told_which_transactions_there_are() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 2, &[]).await?;
    let known = initialize(&mut client, None, 4).await?;
    assert_eq!(add_partition(&mut client, &known, "t", 3).await?, ErrorCode::NONE);
    assert_eq!(broker.metrics().transactions, 1);
    let named = |names: &[&str]| names.iter().map(|name| Text::from(*name)).collect::<Vec<_>>();
    let all = ListTransactionsRequest::default;
    let cases = [
        (all(), true),
        (ListTransactionsRequest { state_filters: named(&["Ongoing"]), ..all() }, true),
        (ListTransactionsRequest { state_filters: named(&["Empty", "Dead"]), ..all() }, false),
        (ListTransactionsRequest { producer_id_filters: vec![known.producer_id + 1], ..all() }, false),
        (ListTransactionsRequest { duration_filter: 3_600_000, ..all() }, false),
        (ListTransactionsRequest { transactional_id_pattern: Some("t.".into()), ..all() }, true),
        (ListTransactionsRequest { transactional_id_pattern: Some("t".into()), ..all() }, false),
    ];
    for (request, is_listed) in cases {
        let response = client.ask(request.clone(), 2).await?;
        assert_eq!(response.error_code, ErrorCode::NONE);
        assert!(response.unknown_state_filters.is_empty());
        assert_eq!(response.transaction_states.len(), usize::from(is_listed), "{request:?}");
    }
    let unknown = ListTransactionsRequest { state_filters: named(&["Lost"]), ..all() };
    assert_eq!(client.ask(unknown, 2).await?.unknown_state_filters, named(&["Lost"]));
    let broken = ListTransactionsRequest { transactional_id_pattern: Some("(".into()), ..all() };
    assert_eq!(client.ask(broken, 2).await?.error_code, ErrorCode::INVALID_REGULAR_EXPRESSION);
    let request = DescribeTransactionsRequest { transactional_ids: named(&["tx", "other"]) };
    let described = client.ask(request, 0).await?.transaction_states;
    assert_eq!(described[1].error_code, ErrorCode::TRANSACTIONAL_ID_NOT_FOUND);
    assert_eq!((&*described[0].transaction_state, described[0].transaction_timeout_ms), ("Ongoing", 60_000));
    assert_eq!((&*described[0].topics[0].topic, &described[0].topics[0].partitions[..]), ("t", &[0][..]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_of_version_2_are_told_to_all_clients_but_librdkafka() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    for (name, is_told) in
        [("apache-kafka-java", true), ("librdkafka", false), ("confluent-kafka-python", false)]
    {
        let request =
            ApiVersionsRequest { client_software_name: name.into(), client_software_version: "1".into() };
        let response = client.ask(request, 3).await?;
        let level =
            response.finalized_features.iter().find(|feature| &*feature.name == "transaction.version");
        assert_eq!(level.map(|feature| feature.max_version_level), is_told.then_some(2), "{name}");
        assert_eq!(response.finalized_features_epoch >= 0, is_told, "{name}");
    }
    Ok(())
}
