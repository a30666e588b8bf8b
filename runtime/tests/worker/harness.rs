//! A real broker and a real herder in this process, and ways to wait for what they do.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{Props, Registry};
use broker_client::{Client, ClientConfig, ConsumerConfig, PartitionConsumer, TopicPartition};
use broker_server::{Broker, BrokerConfig};
use runtime::config::WorkerConfig;
use runtime::herder::{ConnectorStatus, Herder, HerderSetup, RunningHerder, State};
use runtime::metrics::Metrics;
use runtime::validation::{PluginCalls, Validator};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::connectors;

/// How long anything may take. Generous, since it costs nothing where things go well: test machines are slow and shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A broker with data of its own.
pub(crate) struct TestBroker {
    broker: Broker,
    data: TempDir,
    pub(crate) client: Client,
}

impl TestBroker {
    pub(crate) async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let broker = start_broker(&data, "127.0.0.1:0").await;
        let client = Client::new(ClientConfig {
            bootstrap_servers: vec![broker.addresses()[0].to_string()],
            ..ClientConfig::default()
        });
        Self { broker, data, client }
    }

    /// Stops the broker, leaves it down for a while, and starts it again at the same address with the same data.
    pub(crate) async fn restart(self, down: Duration) -> Self {
        let address = self.address();
        let Self { broker, data, client } = self;
        broker.shutdown().await.unwrap();
        tokio::time::sleep(down).await;
        // While it was down, another test's server may have been given its port, for as long as that test lasts.
        let broker = eventually("the broker at its address again", || async {
            match try_start_broker(&data, &address).await {
                Err(broker_server::Error::Listen { .. }) => None,
                started => Some(started.unwrap()),
            }
        });
        Self { broker: broker.await, data, client }
    }

    fn address(&self) -> String {
        self.broker.addresses()[0].to_string()
    }

    /// The end of partition 0 of a topic; 0 while there is none.
    pub(crate) async fn end(&self, topic: &str) -> i64 {
        self.client.list_offsets(topic, 0, broker_client::OffsetSpec::Latest).await.unwrap_or(0)
    }

    /// The values in partition 0 of a topic, up to its end.
    pub(crate) async fn values(&self, topic: &str) -> Vec<String> {
        let records = self.records(topic).await;
        records.into_iter().map(|record| text(record.value.as_deref())).collect()
    }

    /// The records in partition 0 of a topic, up to its end.
    pub(crate) async fn records(&self, topic: &str) -> Vec<broker_client::ConsumerRecord> {
        let end = self.end(topic).await;
        let partition = TopicPartition::new(topic, 0);
        let start = vec![(partition.clone(), 0)];
        let mut consumer = PartitionConsumer::assign(&self.client, start, ConsumerConfig::default());
        let mut found = Vec::new();
        while consumer.position(&partition).unwrap_or(0) < end {
            for fetched in consumer.poll().await.unwrap() {
                found.extend(fetched.records);
            }
        }
        found
    }
}

async fn start_broker(data: &TempDir, address: &str) -> Broker {
    try_start_broker(data, address).await.unwrap()
}

async fn try_start_broker(data: &TempDir, address: &str) -> Result<Broker, broker_server::Error> {
    let config = BrokerConfig::from_props(&props(&[
        ("listeners", &format!("PLAINTEXT://{address}")),
        ("log.dirs", data.path().to_str().unwrap()),
    ]));
    Broker::start(config.unwrap()).await
}

/// A worker on a broker.
pub(crate) struct TestWorker {
    pub(crate) herder: Herder,
    pub(crate) metrics: Metrics,
    task: JoinHandle<api::Result<()>>,
    stop: CancellationToken,
}

impl TestWorker {
    pub(crate) async fn start(broker: &TestBroker) -> Self {
        Self::with(broker, &[]).await
    }

    /// A worker with more settings.
    pub(crate) async fn with(broker: &TestBroker, settings: &[(&str, &str)]) -> Self {
        let mut said = props(&[
            ("bootstrap.servers", &broker.address()),
            ("offset.flush.interval.ms", "100"),
            // A task that is cut off cannot commit, and repeats; tests of tasks that hang say less.
            ("task.shutdown.graceful.timeout.ms", "30000"),
            ("config.storage.replication.factor", "1"),
            ("offset.storage.replication.factor", "1"),
            ("status.storage.replication.factor", "1"),
            ("history.storage.replication.factor", "1"),
            ("offset.storage.partitions", "3"),
            ("key.converter", "org.apache.kafka.connect.storage.StringConverter"),
            ("value.converter", "org.apache.kafka.connect.storage.StringConverter"),
        ]);
        said.extend(props(settings));
        let config = WorkerConfig::parse(&said).unwrap();
        let registry = Registry::new()
            .with(&[&connectors::NUMBERS, &connectors::MEMORY])
            .with(converters::ALL)
            .with(transforms::ALL);
        let calls = PluginCalls::new(PATIENCE);
        let checker = Validator::new(registry.clone(), &config, calls).unwrap();
        let (metrics, stop) = (Metrics::default(), CancellationToken::new());
        let setup = HerderSetup {
            in_group: false,
            registry,
            bootstrap_servers: config.options.bootstrap_servers.clone(),
            config,
            checker: Arc::new(checker),
            metrics: metrics.clone(),
            worker_id: "127.0.0.1:8083".to_owned(),
        };
        let RunningHerder { herder, task } = Herder::start(setup, stop.clone());
        Self { herder, metrics, task, stop }
    }

    /// Stops cleanly.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
    }

    /// Why the worker could not start.
    pub(crate) async fn start_error(self) -> api::Error {
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap_err()
    }

    pub(crate) async fn create(&self, name: &str, config: &[(&str, &str)]) {
        self.herder.create(name, props(config), Default::default()).await.unwrap();
    }

    /// Waits until a connector's tasks are all in this state, as many as these.
    pub(crate) async fn tasks_are(&self, name: &str, count: usize, state: State) -> ConnectorStatus {
        eventually(&format!("{count} tasks of {name} {state:?}"), || async {
            let status = self.herder.status(name).await.ok()?;
            let good = status.tasks.len() == count && status.tasks.iter().all(|task| task.state == state);
            good.then_some(status)
        })
        .await
    }
}

/// Settings.
pub(crate) fn props(said: &[(&str, &str)]) -> Props {
    said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// Waits until something is so: what it then is.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn text(bytes: Option<&[u8]>) -> String {
    bytes.map_or_else(|| "null".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// "0", "1", ... below the count.
pub(crate) fn numbers(count: i64) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}
