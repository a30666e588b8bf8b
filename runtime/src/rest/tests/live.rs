//! REST over a real herder and a real broker: a connector's whole life, with its secrets kept.

use std::sync::Arc;
use std::time::{Duration, Instant};

use broker_client::{Client, ClientConfig};
use broker_server::{Broker, BrokerConfig};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::described::unlike;
use super::{Answer, Server, assert_error, registry, state, validator, worker_config};
use crate::herder::{Herder, HerderSetup, RunningHerder};
use crate::metrics::Metrics;
use crate::store::ConfigStore;

/// How long something that happens soon may take.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// A worker with a broker in a folder of its own.
pub(super) struct Worker {
    pub(super) server: Server,
    pub(super) herder: Herder,
    broker: Broker,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<api::Result<()>>,
    _folder: tempfile::TempDir,
}

impl Worker {
    pub(super) async fn start() -> Self {
        // The worker's panic hook writes to the log: without one, a failed assertion would be silent.
        drop(tracing_subscriber::fmt().with_test_writer().with_env_filter("warn").try_init());
        let folder = tempfile::tempdir().unwrap();
        let said = [
            ("listeners", "PLAINTEXT://127.0.0.1:0".to_owned()),
            ("log.dirs", folder.path().join("data").to_str().unwrap().to_owned()),
        ];
        let props = said.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        let broker = Broker::start(BrokerConfig::from_props(&props).unwrap()).await.unwrap();
        let config = worker_config(&[
            ("key.converter", "test.StringConverter"),
            ("value.converter", "test.StringConverter"),
            ("header.converter", "test.HeaderConverter"),
        ]);
        let setup = HerderSetup {
            in_group: false,
            registry: registry(),
            config: config.clone(),
            checker: Arc::new(validator(&config)),
            metrics: Metrics::default(),
            worker_id: "127.0.0.1:8083".to_owned(),
            bootstrap_servers: vec![broker.addresses()[0].to_string()],
        };
        let stop = CancellationToken::new();
        let RunningHerder { herder, task } = Herder::start(setup, stop.clone());
        let state = state(&config, herder.clone());
        tokio::spawn(herder.clone().follow_levels(state.levels.clone()));
        let server = Server::serve(&config, state).await;
        Self { server, herder, broker, stop, task, _folder: folder }
    }

    /// The config topic, as another worker would open it.
    pub(super) async fn config_topic(&self) -> ConfigStore {
        let bootstrap_servers = vec![self.broker.addresses()[0].to_string()];
        let client = Client::new(ClientConfig { bootstrap_servers, ..ClientConfig::default() });
        ConfigStore::open(&client, &worker_config(&[]).config_topic(), None).await.unwrap()
    }

    pub(super) async fn create(&self, body: &Value) -> Answer {
        self.server.json("POST", "/connectors", body.to_string().as_bytes()).await
    }

    /// Asks again until the answer does.
    pub(super) async fn until(&self, path: &str, does: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let answer = self.server.get(path).await.json();
            if does(&answer) {
                return answer;
            }
            assert!(began.elapsed() < LIMIT, "{path}: {answer}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(super) async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
        drop(self.server);
        self.broker.shutdown().await.unwrap();
    }
}

fn tasks_are(state: &'static str) -> impl Fn(&Value) -> bool {
    move |status| {
        status["tasks"]
            .as_array()
            .is_some_and(|tasks| !tasks.is_empty() && tasks.iter().all(|task| task["state"] == state))
    }
}

/// Every answer is as the OpenAPI document says.
async fn are_described(server: &Server, path: &str) {
    for (path, schema) in [
        ("/", "WorkerInfo"),
        ("/health", "Health"),
        ("/connectors", "ConnectorList"),
        ("/connectors?expand=status&expand=info", "ConnectorList"),
        (&format!("{path}/config"), "Config"),
        (&format!("{path}/status"), "ConnectorStatus"),
        (&format!("{path}/tasks"), "TaskList"),
        (&format!("{path}/tasks/0/status"), "TaskStatus"),
        (&format!("{path}/topics"), "Topics"),
        (&format!("{path}/offsets"), "Offsets"),
        ("/connector-plugins?connectorsOnly=false", "PluginList"),
        ("/connector-plugins/FileSink/config", "ConfigKeyList"),
        ("/admin/loggers", "Loggers"),
        ("/connectors/none", "Error"),
    ] {
        let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
        assert_eq!(unlike(&server.get(path).await.json(), &schema, path), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_connector_lives_and_its_secrets_stay() {
    let worker = Worker::start().await;
    let server = &worker.server;
    let root = server.get("/").await.json();
    assert_eq!(root["kafka_cluster_id"], worker.broker.cluster_id());
    worker.until("/health", |health| health["status"] == "healthy").await;

    // Created once, under a name that a path must encode.
    let name = "a/b ü";
    let path = "/connectors/a%2Fb%20%C3%BC";
    let config =
        json!({"connector.class": "FileSource", "file": "/f", "password": "CANARY-11", "tasks.max": 1});
    let answer = worker.create(&json!({"name": name, "config": config})).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert!(answer.head.contains("location: /connectors/a%2fb%20%c3%bc"), "{}", answer.head);
    let info = answer.json();
    assert_eq!((&info["name"], &info["type"]), (&json!(name), &json!("source")));
    assert_eq!(
        (&info["config"]["password"], &info["config"]["tasks.max"]),
        (&json!("[hidden]"), &json!("1"))
    );
    assert_error(
        &worker.create(&json!({"name": name, "config": config})).await,
        409,
        "already exists",
        "twice",
    );

    // What is shown can be sent back: the secret stays what it was.
    let mut shown = server.get(&format!("{path}/config")).await.json();
    shown["tasks.max"] = json!("2");
    let answer = server.json("PUT", &format!("{path}/config"), shown.to_string().as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let patch = json!({"password": "[hidden]", "tasks.max": null, "mood": "calm"});
    let answer = server.json("PATCH", &format!("{path}/config"), patch.to_string().as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let stored = worker.herder.config(name).await.unwrap();
    assert_eq!((stored["password"].as_str(), stored["mood"].as_str()), ("CANARY-11", "calm"));
    assert!(!stored.contains_key("tasks.max"));

    let status = worker.until(&format!("{path}/status"), tasks_are("RUNNING")).await;
    let task = json!({"id": 0, "state": "RUNNING", "worker_id": "127.0.0.1:8083", "version": "1"});
    let of_connect = |mut task: Value| {
        assert!(task.as_object_mut().unwrap().remove("last_progress_age_ms").unwrap().is_i64());
        task
    };
    assert_eq!((of_connect(status["tasks"][0].clone()), &status["type"]), (task.clone(), &json!("source")));
    assert_eq!(status["health"], "healthy");
    assert_eq!(of_connect(server.get(&format!("{path}/tasks/0/status")).await.json()), task);
    let tasks = server.get(&format!("{path}/tasks")).await;
    assert_eq!(tasks.json()[0]["id"], json!({"connector": name, "task": 0}));
    let expanded = server.get("/connectors?expand=status&expand=info").await;
    assert_eq!(expanded.json()[name]["info"]["type"], "source");
    assert_eq!(expanded.json()[name]["status"]["connector"]["state"], "RUNNING");
    are_described(server, path).await;
    for answer in [&tasks, &expanded] {
        assert!(answer.body.contains("[hidden]") && !answer.body.contains("CANARY"), "{}", answer.body);
    }

    // States and what they allow.
    let offsets =
        json!({"offsets": [{"partition": {"filename": "/f"}, "offset": {"position": 1}}]}).to_string();
    let refused = server.json("PATCH", &format!("{path}/offsets"), offsets.as_bytes()).await;
    assert_error(&refused, 400, "Connectors must be in the STOPPED state", "offsets");
    for (call, status) in [("pause", 202), ("resume", 202), ("stop", 204)] {
        assert_eq!(server.send("PUT", &format!("{path}/{call}"), "", b"").await.status, status, "{call}");
    }
    worker.until(&format!("{path}/status"), |status| status["connector"]["state"] == "STOPPED").await;
    worker.until(&format!("{path}/tasks"), |tasks| tasks == &json!([])).await;
    assert_eq!(server.json("PATCH", &format!("{path}/offsets"), offsets.as_bytes()).await.status, 200);
    assert_eq!(server.get(&format!("{path}/offsets")).await.body, offsets);
    assert_eq!(server.get(&format!("{path}/topics")).await.json(), json!({name: {"topics": []}}));
    assert_eq!(server.send("DELETE", path, "", b"").await.status, 204);
    assert_error(&server.get(path).await, 404, "Connector a/b ü not found", "deleted");
    worker.end().await;
}

#[tokio::test]
async fn a_failed_task_says_why_and_is_restarted_on_demand() {
    let worker = Worker::start().await;
    let config = json!({
        "connector.class": "FileSource", "file": "/f", "mood": "fail", "restart.attempts.max": "0",
    });
    assert_eq!(worker.create(&json!({"name": "f", "config": config})).await.status, 201);
    let status = worker.until("/connectors/f/status", tasks_are("FAILED")).await;
    assert!(status["tasks"][0]["trace"].as_str().unwrap().contains("the task was told to fail"), "{status}");
    let error = &status["tasks"][0]["last_error"];
    assert!(error["message"].as_str().unwrap().starts_with("the task was told to fail"), "{status}");
    assert!(error["time"].as_i64().unwrap() > 0 && status["health"] == "failed", "{status}");
    let restart = |query: &'static str| worker.server.send("POST", query, "", b"");
    assert_eq!(restart("/connectors/f/restart").await.status, 204);
    let plan = restart("/connectors/f/restart?includeTasks=true&onlyFailed=true").await;
    assert_eq!(plan.status, 202, "{}", plan.body);
    assert_eq!(plan.json()["tasks"][0]["state"], "RESTARTING", "{}", plan.body);
    assert_eq!(restart("/connectors/f/tasks/0/restart").await.status, 204);
    assert_error(&restart("/connectors/f/tasks/7/restart").await, 404, "f-7", "task");
    worker.end().await;
}

#[tokio::test]
async fn a_stuck_connector_holds_nobody_up() {
    let worker = Worker::start().await;
    let config = |mood: &str| json!({"connector.class": "FileSource", "file": "/f", "mood": mood});
    let hanging = json!({"name": "stuck", "config": config("hang")});
    let others = async {
        let created = worker.create(&json!({"name": "good", "config": config("good")})).await;
        let listed = worker.server.get("/connectors").await;
        (created.status, listed.status, Instant::now())
    };
    let stuck = async { (worker.create(&hanging).await, Instant::now()) };
    let ((stuck, stuck_ended), others) = tokio::join!(stuck, others);
    assert_error(&stuck, 500, "Validating the configuration of connector stuck did not end", "stuck");
    assert_eq!((others.0, others.1), (201, 200));
    assert!(others.2 < stuck_ended, "the others waited for the one that is stuck");
    let refused = worker.create(&json!({"name": "bad", "config": {"connector.class": "FileSource"}})).await;
    assert_error(&refused, 400, "Missing required configuration \"file\"", "bad");
    assert_eq!(worker.server.get("/connectors").await.json(), json!(["good"]));
    worker.end().await;
}
