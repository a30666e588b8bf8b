//! Kafka Connect's InternalTopicsIntegrationTest: the worker's own topics are made with the right settings, or used if they have them,
//! and refused with a clear message if they do not.

use broker_client::{Client, ClientConfig, NewTopic, TopicResult};
use harness::broker::Broker;
use harness::millrace::Millrace;
use harness::wait;

const TOPICS: [&str; 3] = ["own-configs", "own-offsets", "own-status"];

struct Stage {
    folder: tempfile::TempDir,
    broker: Broker,
    client: Client,
}

impl Stage {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("broker");
        std::fs::create_dir(&own).unwrap();
        let broker = Broker::start(&own, &[]).await.unwrap();
        let bootstrap_servers = vec![broker.bootstrap_servers()];
        let client = Client::new(ClientConfig { bootstrap_servers, ..ClientConfig::default() });
        Self { folder, broker, client }
    }

    async fn create(&self, name: &str, partitions: i32, policy: &str) {
        let configs = vec![("cleanup.policy".to_owned(), policy.to_owned())];
        let new = NewTopic { name: name.to_owned(), partitions, replication_factor: 1, configs };
        let outcomes = self.client.create_topics(&[new]).await.unwrap();
        assert!(!matches!(outcomes[0].result, TopicResult::Failed(_)), "{outcomes:?}");
    }

    async fn start(&self, more: &[(&str, &str)]) -> anyhow::Result<Millrace> {
        let brokers = self.broker.bootstrap_servers();
        let mut settings = vec![
            ("bootstrap.servers", brokers.as_str()),
            ("config.storage.topic", TOPICS[0]),
            ("offset.storage.topic", TOPICS[1]),
            ("status.storage.topic", TOPICS[2]),
        ];
        settings.extend(more);
        Millrace::standalone(self.folder.path(), &settings).await
    }

    /// The last words of a worker that does not start. REST may answer first: it does so before the topics are looked at.
    async fn refusal(&self, more: &[(&str, &str)]) -> String {
        let mut millrace = match self.start(more).await {
            Ok(millrace) => millrace,
            Err(error) => return format!("{error:#}"),
        };
        let process = millrace.process().unwrap();
        process.ended(wait::PATIENCE).await.unwrap();
        process.log()
    }
}

#[tokio::test]
async fn internal_topics_are_created_compacted_with_the_settings_that_were_said() {
    let stage = Stage::new().await;
    let millrace = stage
        .start(&[("offset.storage.partitions", "3"), ("status.storage.segment.bytes", "1048576")])
        .await
        .unwrap();
    // Answered once the topics are there.
    millrace.get("/connectors").await.unwrap();
    for (topic, partitions) in TOPICS.into_iter().zip([1, 3, 5]) {
        assert_eq!(stage.client.partitions_for(topic, false).await.unwrap(), partitions, "{topic}");
        let configs = stage.client.topic_configs(topic).await.unwrap();
        let value = |name: &str| {
            configs.iter().find(|entry| entry.name == name).and_then(|entry| entry.value.clone())
        };
        assert_eq!(value("cleanup.policy").as_deref(), Some("compact"), "{topic}");
        if topic == TOPICS[2] {
            assert_eq!(value("segment.bytes").as_deref(), Some("1048576"));
        }
    }
}

#[tokio::test]
async fn topics_that_were_created_compacted_are_used() {
    let stage = Stage::new().await;
    for topic in TOPICS {
        stage.create(topic, 1, "compact").await;
    }
    let _millrace = stage.start(&[]).await.unwrap();
    assert_eq!(stage.client.partitions_for(TOPICS[1], false).await.unwrap(), 1);
}

#[tokio::test]
async fn topics_that_would_lose_records_or_their_order_are_refused() {
    let stage = Stage::new().await;
    stage.create(TOPICS[1], 1, "delete").await;
    let said = stage.refusal(&[]).await;
    assert!(said.contains("own-offsets (offset.storage.topic) has cleanup.policy=delete"), "{said}");
    let said = stage
        .refusal(&[
            ("offset.storage.topic", "other"),
            ("status.storage.replication.factor", "3"),
            ("status.storage.topic", "many"),
        ])
        .await;
    assert!(
        said.contains("cannot create topic many (status.storage.topic)")
            && said.contains("replication factor 3"),
        "{said}"
    );
    stage.create("wide", 2, "compact").await;
    let said = stage.refusal(&[("offset.storage.topic", "other"), ("config.storage.topic", "wide")]).await;
    assert!(
        said.contains("wide (config.storage.topic) must have exactly 1 partition") && said.contains("has 2"),
        "{said}"
    );
}
