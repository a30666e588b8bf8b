//! Topics by the hundred, at a broker of the test's own, whose requests are counted.

use broker_client::{ClientConfig, ProducerConfig};
use broker_server::{Broker, BrokerConfig};
use configs::Props;

use super::*;
use crate::config::topic_creation_rules;

/// So many topics, as a captured database has tables.
const TOPICS: usize = 300;

/// A broker, and a client of it.
async fn broker(folder: &std::path::Path) -> (Broker, Client) {
    let said = [
        ("listeners", "PLAINTEXT://127.0.0.1:0".to_owned()),
        ("log.dirs", folder.join("data").to_str().unwrap().to_owned()),
    ];
    let props: Props = said.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
    let broker = Broker::start(BrokerConfig::from_props(&props).unwrap()).await.unwrap();
    let bootstrap_servers = vec![broker.addresses()[0].to_string()];
    (broker, Client::new(ClientConfig { bootstrap_servers, ..ClientConfig::default() }))
}

fn task_topics(client: &Client, said: &[(&str, &str)]) -> TaskTopics {
    let props: Props = said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let id = TaskId { connector: "many".to_owned(), task: 0 };
    TaskTopics::new(client.clone(), topic_creation_rules(&props).unwrap(), None, id, None)
}

fn names(prefix: &str) -> Vec<Text> {
    (0..TOPICS).map(|number| Text::from(format!("{prefix}.t{number:03}"))).collect()
}

#[tokio::test]
async fn hundreds_of_topics_take_a_handful_of_requests() {
    let folder = tempfile::tempdir().unwrap();
    let (broker, client) = broker(folder.path()).await;
    let producer = Producer::new(&client, ProducerConfig::default());
    client.topics().await.unwrap();

    let before = broker.metrics().requests;
    task_topics(&client, &[]).prepare(&producer, &names("plain")).await.unwrap();
    let plain = broker.metrics().requests - before;
    assert!(plain <= 3, "{plain} requests for {TOPICS} topics that the broker makes");

    let rules = [
        ("topic.creation.groups", "wide"),
        ("topic.creation.default.partitions", "1"),
        ("topic.creation.default.replication.factor", "-1"),
        ("topic.creation.wide.include", "shop\\.t00.*"),
        ("topic.creation.wide.partitions", "3"),
        ("topic.creation.wide.cleanup.policy", "compact"),
    ];
    let before = broker.metrics().requests;
    task_topics(&client, &rules).prepare(&producer, &names("shop")).await.unwrap();
    let by_rules = broker.metrics().requests - before;
    assert!(by_rules <= 6, "{by_rules} requests for {TOPICS} topics that rules make");
    let counts = client.partition_counts(&["shop.t009", "shop.t010", "nobody.s"], false).await.unwrap();
    assert_eq!(counts, [Some(3), Some(1), None]);
    let configs = client.topic_configs("shop.t000").await.unwrap();
    assert!(
        configs
            .iter()
            .any(|entry| entry.name == "cleanup.policy" && entry.value.as_deref() == Some("compact"))
    );
    drop(producer);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_topic_that_is_refused_is_named_with_its_rule_and_the_others_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let (broker, client) = broker(folder.path()).await;
    let producer = Producer::new(&client, ProducerConfig::default());
    let rules = [
        ("topic.creation.groups", "replicated"),
        ("topic.creation.default.partitions", "1"),
        ("topic.creation.default.replication.factor", "1"),
        ("topic.creation.replicated.include", "b"),
        ("topic.creation.replicated.replication.factor", "3"),
    ];
    let topics = ["a", "b", "c"].map(Text::from_static);
    let error = task_topics(&client, &rules).prepare(&producer, &topics).await.unwrap_err();
    let told = error.report();
    assert!(told.contains("cannot create topic b by topic.creation.replicated.*"), "{told}");
    assert!(told.contains("replication factor"), "{told}");
    assert_eq!(client.partition_counts(&["a", "b", "c"], false).await.unwrap(), [Some(1), None, Some(1)]);
    drop(producer);
    broker.shutdown().await.unwrap();
}

#[test]
fn a_request_makes_no_more_partitions_than_brokers_take() {
    let rule = |partitions: i32| TopicCreationRule {
        group: "default".to_owned(),
        include: Vec::new(),
        exclude: Vec::new(),
        partitions,
        replication_factor: 1,
        configs: Props::new(),
    };
    let fitting = |partitions: i32, topics: usize| {
        let rule = rule(partitions);
        let wanted: Vec<_> = (0..topics).map(|_| (new_topic("t", &rule), &rule)).collect();
        one_request(&wanted)
    };
    assert_eq!(fitting(1, 300), 300);
    assert_eq!(fitting(100, 300), 50);
    assert_eq!(fitting(-1, 300), 50, "the broker chooses");
    assert_eq!(fitting(9_000, 2), 1);
}
