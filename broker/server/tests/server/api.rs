//! The broker over real sockets, frame by frame.

use std::time::{Duration, Instant};

use broker_protocol::{
    ApiKey, ErrorCode,
    batch::{BatchFields, Compression, patch},
    messages::{
        api_versions::{ApiVersionsRequest, ApiVersionsResponse},
        create_topics::{CreatableTopic, CreateTopicsRequest, CreateTopicsResponse},
        delete_groups::DeleteGroupsRequest,
        delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic},
        delete_topics::DeleteTopicsRequest,
        fetch::FetchRequest,
        find_coordinator::FindCoordinatorRequest,
        init_producer_id::InitProducerIdRequest,
        join_group::{JoinGroupRequest, JoinGroupRequestProtocol},
        list_groups::ListGroupsRequest,
        list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic},
        metadata::{MetadataRequest, MetadataRequestTopic},
        offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup},
    },
};
use bytes::Bytes;
use tokio::io::AsyncWriteExt;

use crate::client::{
    Client, TestResult, batch, fetch_request, keyed, produce_request, start, start_in, values,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_advertised_api_is_served_and_unknown_versions_get_a_way_out() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    let response = client.ask(ApiVersionsRequest::default(), 0).await?;
    let produce = response.api_keys.iter().find(|api| api.api_key == 0);
    assert_eq!(produce.map(|api| api.min_version), Some(0), "librdkafka would not compress otherwise");
    // A version from the future is answered in version 0 with the versions that there are.
    let frame = [0_u8, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff, 0];
    client.stream.write_all(&[&11_i32.to_be_bytes()[..], &frame].concat()).await?;
    let refusal: ApiVersionsResponse = client.receive::<ApiVersionsRequest>(4, 7).await?;
    assert_eq!(refusal.error_code, ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!(refusal.api_keys[0].api_key, i16::from(ApiKey::ApiVersions));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_keep_their_order_behind_a_long_poll_that_a_record_wakes() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let (mut reader, mut writer) = (Client::connect(&broker).await?, Client::connect(&broker).await?);
    writer.create("t", 1, &[]).await?;
    let begun = Instant::now();
    let poll = reader.send(&fetch_request("t", 0, Duration::from_secs(600), 1), 12).await?;
    let versions = reader.send(&ApiVersionsRequest::default(), 0).await?;
    let produced = writer.produce("t", batch(&["one"], BatchFields::default())).await?;
    assert_eq!((produced.error_code, produced.base_offset), (ErrorCode::NONE, 0));
    let fetched = reader.receive::<FetchRequest>(12, poll).await?;
    assert_eq!(values(&fetched), ["one"]);
    reader.receive::<ApiVersionsRequest>(0, versions).await?;
    assert!(begun.elapsed() < Duration::from_secs(120), "the record woke the poll");
    // Nothing comes: the answer is empty, and not before its time.
    let begun = Instant::now();
    let empty = reader.ask(fetch_request("t", 1, Duration::from_millis(80), 1), 12).await?;
    assert!(values(&empty).is_empty() && begun.elapsed() >= Duration::from_millis(75));
    // Less than the minimum waits as well, and comes at the end.
    let begun = Instant::now();
    let little = reader.ask(fetch_request("t", 0, Duration::from_millis(80), 100_000), 12).await?;
    assert!(values(&little) == ["one"] && begun.elapsed() >= Duration::from_millis(75));
    let beyond = reader.ask(fetch_request("t", 9, Duration::from_secs(30), 1), 12).await?;
    assert_eq!(beyond.responses[0].partitions[0].error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_cannot_be_read_end_their_connection_and_no_other() -> TestResult {
    let (broker, _folder) = start(|config| config.request_bytes_max = 1 << 20).await?;
    let mut bystander = Client::connect(&broker).await?;
    let hostile: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &[0xff; 64],
        &[0x7f, 0xff, 0xff, 0xff, 0, 0],
        &[0, 0, 0, 2, 0, 0],
        // A Metadata request whose array claims two billion topics.
        &[0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff],
    ];
    for bytes in hostile {
        let mut client = Client::connect(&broker).await?;
        client.stream.write_all(bytes).await?;
        assert!(client.is_closed().await, "{bytes:?}");
        bystander.ask(ApiVersionsRequest::default(), 3).await?;
    }
    // Counted once the connection is gone, which its client may see first.
    let begun = Instant::now();
    while broker.metrics().bad_requests < 6 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", broker.metrics());
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_must_not_be_stored_are_refused_with_kafkas_codes() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 1, &[("max.message.bytes", "1000")]).await?;
    client.create("compacted", 1, &[("cleanup.policy", "compact")]).await?;
    let sound = batch(&["x"], BatchFields::default());
    let mut flipped = sound.to_vec();
    flipped[70] ^= 1;
    let mut control = sound.to_vec();
    control[22] |= 0x20;
    patch::max_timestamp(&mut control, 1_000)?;
    let mut old_magic = sound.to_vec();
    old_magic[16] = 1;
    let keyless = |compression| keyed(&[(None, "x")], BatchFields { compression, ..BatchFields::default() });
    let cases = [
        ("t", batch(&[&"x".repeat(2000)], BatchFields::default()), ErrorCode::MESSAGE_TOO_LARGE),
        ("t", flipped.into(), ErrorCode::CORRUPT_MESSAGE),
        ("t", sound.slice(..sound.len() - 1), ErrorCode::CORRUPT_MESSAGE),
        ("t", Bytes::new(), ErrorCode::CORRUPT_MESSAGE),
        ("t", [&sound[..], &sound[..]].concat().into(), ErrorCode::INVALID_RECORD),
        ("t", control.into(), ErrorCode::INVALID_RECORD),
        ("t", old_magic.into(), ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT),
        ("compacted", keyless(Compression::None), ErrorCode::INVALID_RECORD),
        ("compacted", keyless(Compression::Lz4), ErrorCode::INVALID_RECORD),
        ("nowhere", sound.clone(), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        ("t", keyless(Compression::None), ErrorCode::NONE),
        ("compacted", sound.clone(), ErrorCode::NONE),
    ];
    for (topic, records, expected) in cases {
        let answer = client.produce(topic, records).await?;
        assert_eq!(answer.error_code, expected, "{topic}: {:?}", answer.error_message);
    }
    let mut wrong_acks = client.ask(produce_request("t", sound.clone(), 7), 9).await?;
    let refused = wrong_acks.responses.remove(0).partition_responses.remove(0);
    assert_eq!(refused.error_code, ErrorCode::INVALID_REQUIRED_ACKS);
    // acks=0 has no answer: the next answer is that of the next request.
    client.send(&produce_request("t", sound, 0), 9).await?;
    client.ask(ApiVersionsRequest::default(), 0).await?;
    let fetched = client.ask(fetch_request("t", 0, Duration::from_secs(5), 100), 12).await?;
    assert_eq!(fetched.responses[0].partitions[0].error_code, ErrorCode::NONE);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idempotent_producer_is_heard_once_also_over_a_crash() -> TestResult {
    let (broker, folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 1, &[]).await?;
    let producer_id = client.ask(InitProducerIdRequest::default(), 4).await?.producer_id;
    let numbered = |base_sequence| {
        batch(
            &["x", "y"],
            BatchFields { producer_id, producer_epoch: 0, base_sequence, ..BatchFields::default() },
        )
    };
    assert_eq!(client.produce("t", numbered(0)).await?.base_offset, 0);
    assert_eq!(client.produce("t", numbered(2)).await?.base_offset, 2);
    assert_eq!(client.produce("t", numbered(0)).await?.base_offset, 0);
    drop((client, broker));
    let broker = loop {
        match start_in(folder.path(), |_| ()).await {
            Err(broker_server::Error::DirectoryInUse { .. }) => tokio::task::yield_now().await,
            started => break started?,
        }
    };
    let mut client = Client::connect(&broker).await?;
    assert_eq!(client.produce("t", numbered(2)).await?.base_offset, 2, "stored before the crash");
    let gap = client.produce("t", numbered(6)).await?;
    assert_eq!(gap.error_code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(client.produce("t", numbered(4)).await?.base_offset, 4);
    let other = client.ask(InitProducerIdRequest::default(), 4).await?.producer_id;
    assert!(other > producer_id);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_created_and_deleted() -> TestResult {
    let (broker, _folder) = start(|config| config.partitions_default = 4).await?;
    let mut client = Client::connect(&broker).await?;
    let code = |response: CreateTopicsResponse| response.topics[0].error_code;
    assert_eq!(code(client.create("good", 3, &[("cleanup.policy", "compact")]).await?), ErrorCode::NONE);
    assert_eq!(code(client.create("good", 3, &[]).await?), ErrorCode::TOPIC_ALREADY_EXISTS);
    assert_eq!(code(client.create("bad/name", 3, &[]).await?), ErrorCode::INVALID_TOPIC_EXCEPTION);
    assert_eq!(code(client.create("none", 0, &[]).await?), ErrorCode::INVALID_PARTITIONS);
    assert_eq!(code(client.create("odd", 1, &[("no.such", "1")]).await?), ErrorCode::INVALID_CONFIG);
    let topic =
        CreatableTopic { name: "x".into(), num_partitions: 1, replication_factor: 2, ..Default::default() };
    let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
    assert_eq!(code(client.ask(request, 5).await?), ErrorCode::INVALID_REPLICATION_FACTOR);
    // Asking for metadata creates a topic, unless the client does not want that.
    let asked = |allow| {
        let topic = MetadataRequestTopic { name: Some("auto".into()), ..Default::default() };
        MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: allow, ..Default::default() }
    };
    let unknown = client.ask(asked(false), 9).await?;
    assert_eq!(unknown.topics[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let created = client.ask(asked(true), 9).await?;
    assert_eq!((created.topics[0].error_code, created.topics[0].partitions.len()), (ErrorCode::NONE, 4));
    let delete =
        DeleteTopicsRequest { topic_names: vec!["good".into(), "nowhere".into()], ..Default::default() };
    let deleted = client.ask(delete, 4).await?;
    let codes: Vec<ErrorCode> = deleted.responses.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]);
    let gone = client.ask(fetch_request("good", 0, Duration::from_secs(30), 1), 12).await?;
    assert_eq!(gone.responses[0].partitions[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(code(client.create("good", 1, &[]).await?), ErrorCode::NONE, "the name is free again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_are_found_by_time_and_records_deleted_before_one() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 1, &[]).await?;
    let lz4 = BatchFields { compression: Compression::Lz4, ..BatchFields::default() };
    client.produce("t", batch(&["1000", "1001", "1002"], lz4)).await?;
    let cases = [
        (-2, (-1, 0)),
        (-1, (-1, 3)),
        (1_001, (1_001, 1)),
        (0, (1_000, 0)),
        (5_000, (-1, -1)),
        (-3, (1_002, 2)),
    ];
    for (timestamp, expected) in cases {
        let partition = ListOffsetsPartition { timestamp, ..Default::default() };
        let topics = vec![ListOffsetsTopic { name: "t".into(), partitions: vec![partition] }];
        let answer =
            client.ask(ListOffsetsRequest { replica_id: -1, topics, ..Default::default() }, 7).await?;
        let found = &answer.topics[0].partitions[0];
        assert_eq!((found.timestamp, found.offset), expected, "time stamp {timestamp}");
    }
    let topics = vec![DeleteRecordsTopic {
        name: "t".into(),
        partitions: vec![DeleteRecordsPartition { partition_index: 0, offset: 2 }],
    }];
    let deleted = client.ask(DeleteRecordsRequest { topics, ..Default::default() }, 2).await?;
    assert_eq!(deleted.topics[0].partitions[0].low_watermark, 2);
    let before = client.ask(fetch_request("t", 1, Duration::ZERO, 1), 12).await?;
    assert_eq!(before.responses[0].partitions[0].error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_offsets_survive_with_their_metadata_until_they_are_deleted() -> TestResult {
    let (broker, folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 2, &[]).await?;
    let partition = |partition_index, committed_offset| OffsetCommitRequestPartition {
        partition_index,
        committed_offset,
        committed_metadata: Some("where I was".into()),
        ..Default::default()
    };
    let partitions = vec![partition(0, 5), partition(1, 6), partition(9, 7)];
    let topics = vec![OffsetCommitRequestTopic { name: "t".into(), partitions, ..Default::default() }];
    let commit = OffsetCommitRequest { group_id: "g".into(), topics, ..Default::default() };
    let committed = client.ask(commit, 8).await?;
    let codes: Vec<ErrorCode> =
        committed.topics[0].partitions.iter().map(|partition| partition.error_code).collect();
    assert_eq!(codes, [ErrorCode::NONE, ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]);
    broker.shutdown().await?;
    let broker = start_in(folder.path(), |_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    let fetch = || {
        let group = OffsetFetchRequestGroup { group_id: "g".into(), topics: None, ..Default::default() };
        OffsetFetchRequest { groups: vec![group], ..Default::default() }
    };
    let fetched = client.ask(fetch(), 8).await?;
    let found: Vec<_> = fetched.groups[0].topics[0]
        .partitions
        .iter()
        .map(|partition| (partition.committed_offset, partition.metadata.clone()))
        .collect();
    assert_eq!(found, [(5, Some("where I was".into())), (6, Some("where I was".into()))]);
    assert_eq!(client.ask(ListGroupsRequest::default(), 4).await?.groups[0].group_id, "g");
    let deleted = client.ask(DeleteGroupsRequest { groups_names: vec!["g".into(), "no".into()] }, 2).await?;
    let codes: Vec<ErrorCode> = deleted.results.iter().map(|group| group.error_code).collect();
    assert_eq!(codes, [ErrorCode::NONE, ErrorCode::GROUP_ID_NOT_FOUND]);
    assert!(client.ask(fetch(), 8).await?.groups[0].topics.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_falls_silent_is_missed_and_the_others_go_on() -> TestResult {
    let (broker, _folder) =
        start(|config| config.group_session_timeout_min = Duration::from_millis(100)).await?;
    let join = |member_id: &str| JoinGroupRequest {
        group_id: "g".into(),
        // Long enough for the second to join while the first still counts as alive.
        session_timeout_ms: 3_000,
        rebalance_timeout_ms: 10_000,
        member_id: member_id.into(),
        protocol_type: "connect".into(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "sessioned".into(),
            metadata: Bytes::from_static(b"m"),
        }],
        ..Default::default()
    };
    let (mut silent, mut alive) = (Client::connect(&broker).await?, Client::connect(&broker).await?);
    let first = silent.ask(join(""), 3).await?;
    assert_eq!(
        (first.error_code, first.generation_id, &first.leader),
        (ErrorCode::NONE, 1, &first.member_id)
    );
    // The second waits for the first to join again, until the first is taken for dead.
    let second = alive.ask(join(""), 3).await?;
    assert_eq!((second.error_code, second.generation_id), (ErrorCode::NONE, 2));
    assert_eq!((&second.leader, second.members.len()), (&second.member_id, 1));
    let returned = silent.ask(join(&first.member_id), 3).await?;
    assert_eq!(returned.error_code, ErrorCode::UNKNOWN_MEMBER_ID);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_leaves_nothing_behind() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 1, &[]).await?;
    for _ in 0..20 {
        let mut leaving = Client::connect(&broker).await?;
        leaving.send(&fetch_request("t", 0, Duration::from_secs(1_000_000), 1), 12).await?;
        drop(leaving);
    }
    let begun = Instant::now();
    while broker.metrics().connections > 1 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", broker.metrics());
        client.ask(ApiVersionsRequest::default(), 0).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_offsets_are_left_alone_and_said_while_the_rest_serves() -> TestResult {
    let (broker, folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 1, &[]).await?;
    let partition = OffsetCommitRequestPartition { committed_offset: 5, ..Default::default() };
    let topic =
        OffsetCommitRequestTopic { name: "t".into(), partitions: vec![partition], ..Default::default() };
    let commit =
        || OffsetCommitRequest { group_id: "g".into(), topics: vec![topic.clone()], ..Default::default() };
    let committed = client.ask(commit(), 8).await?;
    assert_eq!(committed.topics[0].partitions[0].error_code, ErrorCode::NONE);
    broker.shutdown().await?;
    let log = folder.path().join("__consumer_offsets-0/00000000000000000000.log");
    let mut damaged = std::fs::read(&log)?;
    damaged[70] ^= 1;
    std::fs::write(&log, &damaged)?;
    let broker = start_in(folder.path(), |_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    let found = client.ask(FindCoordinatorRequest { key: "g".into(), ..Default::default() }, 2).await?;
    assert_eq!(found.error_code, ErrorCode::COORDINATOR_NOT_AVAILABLE);
    assert!(found.error_message.is_some_and(|message| message.contains("__consumer_offsets")));
    let refused = client.ask(commit(), 8).await?;
    assert_eq!(refused.topics[0].partitions[0].error_code, ErrorCode::COORDINATOR_NOT_AVAILABLE);
    assert_eq!(client.produce("t", batch(&["x"], BatchFields::default())).await?.error_code, ErrorCode::NONE);
    assert_eq!(std::fs::read(&log)?, damaged, "nothing is cut off or deleted");
    Ok(())
}
