//! What tools ask of one broker: where partitions rest, page by page descriptions, dynamic configs; and what topic configs do to
//! what is produced.

use broker_protocol::{
    ErrorCode,
    batch::{BatchFields, Batches, Compression},
    messages::{
        alter_partition_reassignments::{
            AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
        },
        describe_configs::{DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult},
        describe_log_dirs::{DescribableLogDirTopic, DescribeLogDirsRequest},
        describe_topic_partitions::DescribeTopicPartitionsRequest,
        elect_leaders::{ElectLeadersRequest, TopicPartitions},
        fetch::FetchRequest,
        incremental_alter_configs::{AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest},
        list_partition_reassignments::ListPartitionReassignmentsRequest,
    },
};

use crate::client::{Client, TestError, TestResult, batch, fetch_request, keyed, start, start_in, values};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_directories_are_described_with_sizes_and_room() -> TestResult {
    let (broker, folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("a", 2, &[]).await?;
    client.create("b", 1, &[]).await?;
    client.produce("a", batch(&["x"], BatchFields::default())).await?;
    for version in 1..=5 {
        let all = client.ask(DescribeLogDirsRequest { topics: None }, version).await?.results.remove(0);
        assert_eq!(all.log_dir.to_string(), folder.path().display().to_string());
        let sizes: Vec<(String, Vec<bool>)> = all
            .topics
            .iter()
            .map(|topic| {
                (topic.name.to_string(), topic.partitions.iter().map(|p| p.partition_size > 0).collect())
            })
            .collect();
        assert_eq!(sizes, [("a".to_owned(), vec![true, false]), ("b".to_owned(), vec![false])]);
        assert_eq!(all.total_bytes > all.usable_bytes && all.usable_bytes > 0, version >= 4);
    }
    let wanted = |topic: &str, partitions| DescribableLogDirTopic { topic: topic.into(), partitions };
    let topics = Some(vec![wanted("a", vec![1, 7]), wanted("gone", vec![0])]);
    let some = client.ask(DescribeLogDirsRequest { topics }, 4).await?.results.remove(0);
    assert_eq!((some.topics.len(), some.topics[0].partitions.len()), (1, 1), "what is not here is left out");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_described_page_by_page() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("a", 3, &[]).await?;
    client.create("b", 2, &[]).await?;
    let mut request = DescribeTopicPartitionsRequest { response_partition_limit: 2, ..Default::default() };
    let mut pages = Vec::new();
    loop {
        let page = client.ask(request.clone(), 0).await?;
        let partitions = page.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(move |partition| (topic.name.clone(), partition.partition_index))
        });
        pages.push(
            partitions.map(|(name, at)| format!("{}{at}", name.unwrap_or_default())).collect::<Vec<_>>(),
        );
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec!["a0", "a1"], vec!["a2", "b0"], vec!["b1"]]);
    let topics = ["b", "gone", "no/name"]
        .map(|name| broker_protocol::messages::describe_topic_partitions::TopicRequest { name: name.into() });
    let named = DescribeTopicPartitionsRequest { topics: topics.to_vec(), ..Default::default() };
    let codes: Vec<ErrorCode> =
        client.ask(named, 0).await?.topics.iter().map(|topic| topic.error_code).collect();
    let expected =
        [ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ErrorCode::INVALID_TOPIC_EXCEPTION];
    assert_eq!(codes, expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_stay_where_they_are_and_tools_are_told_so() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("a", 1, &[]).await?;
    let partition = |partition_index, replicas| ReassignablePartition { partition_index, replicas };
    let partitions = vec![
        partition(0, Some(vec![1])),
        partition(0, Some(vec![2])),
        partition(0, None),
        partition(5, None),
    ];
    let topics = vec![ReassignableTopic { name: "a".into(), partitions }];
    let request = AlterPartitionReassignmentsRequest { topics, ..Default::default() };
    let answered = client.ask(request, 1).await?;
    let codes: Vec<ErrorCode> =
        answered.responses[0].partitions.iter().map(|partition| partition.error_code).collect();
    let expected = [
        ErrorCode::NONE,
        ErrorCode::INVALID_REPLICA_ASSIGNMENT,
        ErrorCode::NO_REASSIGNMENT_IN_PROGRESS,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ];
    assert_eq!(codes, expected);
    assert!(client.ask(ListPartitionReassignmentsRequest::default(), 0).await?.topics.is_empty());
    let wanted = TopicPartitions { topic: "a".into(), partitions: vec![0, 5] };
    let request = ElectLeadersRequest { topic_partitions: Some(vec![wanted]), ..Default::default() };
    let elected = client.ask(request, 2).await?.replica_election_results.remove(0);
    let codes: Vec<ErrorCode> = elected.partition_result.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [ErrorCode::ELECTION_NOT_NEEDED, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]);
    Ok(())
}

async fn alter(
    client: &mut Client,
    kind: i8,
    name: &str,
    (operation, config, value): (i8, &str, Option<&str>),
) -> Result<ErrorCode, TestError> {
    let config =
        AlterableConfig { name: config.into(), config_operation: operation, value: value.map(Into::into) };
    let resource =
        AlterConfigsResource { resource_type: kind, resource_name: name.into(), configs: vec![config] };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    Ok(client.ask(request, 1).await?.responses[0].error_code)
}

async fn described(
    client: &mut Client,
    kind: i8,
    name: &str,
    key: &str,
) -> Result<Option<DescribeConfigsResourceResult>, TestError> {
    let resource = DescribeConfigsResource {
        resource_type: kind,
        resource_name: name.into(),
        configuration_keys: Some(vec![key.into()]),
    };
    let request = DescribeConfigsRequest {
        resources: vec![resource],
        include_synonyms: true,
        include_documentation: true,
    };
    Ok(client.ask(request, 4).await?.results.remove(0).configs.pop())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broker_configs_change_while_it_runs_and_stay_changed() -> TestResult {
    let (broker, folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 1, &[]).await?;
    let set = |value| (0, "log.retention.ms", Some(value));
    assert_eq!(alter(&mut client, BROKER, "", set("5000")).await?, ErrorCode::NONE);
    assert_eq!(alter(&mut client, BROKER, "1", set("6000")).await?, ErrorCode::NONE);
    for (name, change) in [
        ("1", (0, "node.id", Some("2"))),
        ("1", set("soon")),
        ("9", set("1")),
        ("1", (2, "log.retention.ms", Some("1"))),
        ("1", (0, "log.retention.ms", None)),
        ("1", (7, "log.retention.ms", Some("1"))),
    ] {
        assert_ne!(alter(&mut client, BROKER, name, change).await?, ErrorCode::NONE, "{name} {change:?}");
    }
    broker.shutdown().await?;
    let broker = start_in(folder.path(), |_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    let of_topic = described(&mut client, TOPIC, "t", "retention.ms").await?.ok_or("no retention.ms")?;
    assert_eq!((of_topic.value.as_deref(), of_topic.config_source), (Some("6000"), 2));
    let synonyms: Vec<(String, i8)> = of_topic
        .synonyms
        .iter()
        .map(|synonym| (synonym.value.clone().unwrap_or_default().to_string(), synonym.source))
        .collect();
    assert_eq!(synonyms, [("6000".to_owned(), 2), ("5000".to_owned(), 3), ("604800000".to_owned(), 5)]);
    let of_broker = described(&mut client, BROKER, "1", "log.retention.ms").await?.ok_or("missing")?;
    assert_eq!((of_broker.value.as_deref(), of_broker.read_only), (Some("6000"), false));
    let of_all = described(&mut client, BROKER, "", "log.retention.ms").await?.ok_or("missing")?;
    assert_eq!((of_all.value.as_deref(), of_all.config_source), (Some("5000"), 3));
    let fixed = described(&mut client, BROKER, "1", "log.dirs").await?.ok_or("missing")?;
    assert_eq!(fixed.value.map(|value| value.to_string()), Some(folder.path().display().to_string()));
    assert!(fixed.read_only && fixed.documentation.is_some_and(|text| !text.is_empty()));
    let logger = described(&mut client, 8, "1", "root").await?.ok_or("no root logger")?;
    assert_eq!(logger.config_source, 6);
    assert_eq!(alter(&mut client, BROKER, "1", (1, "log.retention.ms", None)).await?, ErrorCode::NONE);
    let of_topic = described(&mut client, TOPIC, "t", "retention.ms").await?.ok_or("no retention.ms")?;
    assert_eq!(of_topic.value.as_deref(), Some("5000"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_four_operations_change_a_topics_configs() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 1, &[]).await?;
    let steps = [
        ((2, "cleanup.policy", Some("compact")), Some("delete,compact")),
        ((2, "cleanup.policy", Some("delete")), Some("delete,compact")),
        ((3, "cleanup.policy", Some("delete")), Some("compact")),
        ((0, "cleanup.policy", Some("delete")), Some("delete")),
        ((1, "cleanup.policy", None), Some("delete")),
    ];
    for (change, expected) in steps {
        assert_eq!(alter(&mut client, TOPIC, "t", change).await?, ErrorCode::NONE, "{change:?}");
        let policy = described(&mut client, TOPIC, "t", "cleanup.policy").await?.ok_or("missing")?;
        assert_eq!(policy.value.as_deref(), expected, "{change:?}");
    }
    let code = alter(&mut client, TOPIC, "t", (3, "retention.ms", Some("1"))).await?;
    assert_eq!(code, ErrorCode::INVALID_CONFIG);
    let code = alter(&mut client, TOPIC, "gone", (1, "retention.ms", None)).await?;
    assert_eq!(code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topic_configs_decide_codec_and_time_of_what_is_produced() -> TestResult {
    let (broker, _folder) = start(|_| ()).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("zipped", 1, &[("compression.type", "zstd")]).await?;
    let value = "much of the same ".repeat(50);
    client.produce("zipped", batch(&[&value, &value], BatchFields::default())).await?;
    let fetched = client.ask(fetch_request("zipped", 0, std::time::Duration::ZERO, 1), 12).await?;
    let records = fetched.responses[0].partitions[0].records.clone().unwrap_or_default();
    let stored = Batches::new(records).next().ok_or("no batch")??;
    assert_eq!(stored.header().compression()?, Compression::Zstd);
    assert_eq!(values(&fetched), [value.clone(), value]);
    // The records of `keyed` are from 1970.
    client.create("young", 1, &[("message.timestamp.before.max.ms", "60000")]).await?;
    let old = client.produce("young", keyed(&[(None, "x")], BatchFields::default())).await?;
    assert_eq!(old.error_code, ErrorCode::INVALID_TIMESTAMP);
    // Acknowledged without waiting for the disk, because the topic says so.
    client.create("fast", 1, &[("flush.messages", "1000000")]).await?;
    let written = client.produce("fast", batch(&["x"], BatchFields::default())).await?;
    assert_eq!(written.error_code, ErrorCode::NONE);
    let fetched = client.ask(fetch_request("fast", 0, std::time::Duration::ZERO, 1), 12).await?;
    assert_eq!(values(&fetched), ["x"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_session_names_only_what_changed() -> TestResult {
    let (broker, _folder) = start(|config| config.fetch_sessions_max = 1).await?;
    let mut client = Client::connect(&broker).await?;
    client.create("t", 1, &[]).await?;
    let first = FetchRequest { session_epoch: 0, ..fetch_request("t", 0, std::time::Duration::ZERO, 0) };
    let opened = client.ask(first.clone(), 12).await?;
    assert!(opened.session_id > 0 && opened.responses.len() == 1);
    let next = |session_epoch| FetchRequest {
        session_id: opened.session_id,
        session_epoch,
        topics: Vec::new(),
        ..first.clone()
    };
    assert!(client.ask(next(1), 12).await?.responses.is_empty());
    client.produce("t", batch(&["x"], BatchFields::default())).await?;
    let news = client.ask(next(2), 12).await?;
    assert_eq!((values(&news), news.session_id), (vec!["x".to_owned()], opened.session_id));
    assert_eq!(client.ask(next(2), 12).await?.error_code, ErrorCode::INVALID_FETCH_SESSION_EPOCH);
    assert_eq!(client.ask(next(3), 13).await?.error_code, ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
    let refused = client.ask(first.clone(), 12).await?;
    assert_eq!((refused.session_id, refused.responses.len()), (0, 1), "the one slot is taken");
    assert_eq!(broker.metrics().fetch_sessions, 1);
    client.ask(next(-1), 12).await?;
    assert_eq!(client.ask(next(3), 12).await?.error_code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    Ok(())
}
