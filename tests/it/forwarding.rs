//! Who may answer: Kafka Connect's RestForwardingIntegrationTest and SessionedProtocolIntegrationTest, and what comes on top: requests wait
//! through the loss of a leader, and whoever wrote at one worker can read there.

use harness::cluster::Cluster;
use reqwest::Method;
use serde_json::{Value, json};

const TEXT: &str = "org.apache.kafka.connect.storage.StringConverter";

struct Stage {
    cluster: Cluster,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn new(workers: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("in"), "first\nlines\n").unwrap();
        let cluster = Cluster::start(folder.path(), workers, &[]).await.unwrap();
        Self { cluster, folder }
    }

    fn source(&self, topic: &str) -> Value {
        let file = self.folder.path().join("in");
        json!({"connector.class": "FileStreamSource", "file": file, "topic": topic, "value.converter": TEXT})
    }

    /// A call at one worker, which must be answered with this status.
    async fn call(
        &self,
        worker: usize,
        method: Method,
        path: &str,
        body: Option<&Value>,
        expected: u16,
    ) -> Value {
        let called = format!("{method} {path} at worker {worker}");
        let (status, body) = self.cluster.worker(worker).unwrap().call(method, path, body).await.unwrap();
        assert_eq!(status, expected, "{called}: {body}");
        body
    }
}

#[tokio::test]
async fn every_worker_answers_every_request() {
    let stage = Stage::new(3).await;
    let body = |name: &str| json!({"name": name, "config": stage.source("made")});
    for worker in 0..3 {
        let name = format!("made-{worker}");
        stage.call(worker, Method::POST, "/connectors", Some(&body(&name)), 201).await;
        let config = stage.call(worker, Method::GET, &format!("/connectors/{name}/config"), None, 200).await;
        assert_eq!(config["topic"], "made", "what was written at a worker can be read there");
    }
    stage.cluster.settled(3, 3).await.unwrap();
    for worker in 0..3 {
        let refused = stage.call(worker, Method::POST, "/connectors", Some(&body("made-0")), 409).await;
        assert_eq!(refused["code"], "already_exists");
        stage
            .call(worker, Method::PATCH, "/connectors/made-1/config", Some(&json!({"topic": "patched"})), 200)
            .await;
        stage.call(worker, Method::DELETE, "/connectors/nope", None, 404).await;
        for number in 0..3 {
            stage.call(worker, Method::POST, &format!("/connectors/made-{number}/restart"), None, 204).await;
            stage
                .call(worker, Method::POST, &format!("/connectors/made-{number}/tasks/0/restart"), None, 204)
                .await;
        }
        let all = "/connectors/made-0/restart?includeTasks=true";
        let plan = stage.call(worker, Method::POST, all, None, 202).await;
        assert_eq!(plan["connector"]["state"], "RESTARTING");
    }
    for worker in 0..3 {
        let name = format!("made-{worker}");
        stage.call(worker, Method::PUT, &format!("/connectors/{name}/stop"), None, 204).await;
        let offsets = format!("/connectors/{name}/offsets");
        let partition = json!({"filename": stage.folder.path().join("in")});
        let wanted = json!({"offsets": [{"partition": partition, "offset": {"position": 6}}]});
        stage.call(worker, Method::PATCH, &offsets, Some(&wanted), 200).await;
        assert_eq!(stage.call(worker, Method::GET, &offsets, None, 200).await, wanted);
        stage.call(worker, Method::DELETE, &offsets, None, 200).await;
        stage.call(worker, Method::DELETE, &format!("/connectors/{name}"), None, 204).await;
    }
    // Two hops and no more, as in Connect: whoever is told not to hand on says so.
    let leader = stage.cluster.leader().await.unwrap();
    let follower = (leader + 1) % 3;
    let refused =
        stage.call(follower, Method::POST, "/connectors?forward=false", Some(&body("made-0")), 409).await;
    assert_eq!(refused["code"], "rebalancing");
    assert_eq!(
        refused["message"],
        "Cannot complete request because of a conflicting operation (e.g. worker rebalance)"
    );
}

#[tokio::test]
async fn requests_wait_through_the_loss_of_the_leader() {
    let mut stage = Stage::new(3).await;
    let leader = stage.cluster.leader().await.unwrap();
    stage.cluster.kill(leader).unwrap();
    // At once: the others still believe that it leads.
    let answers = [1, 2].map(|step| (leader + step) % 3).map(|worker| {
        let body = json!({"name": format!("later-{worker}"), "config": stage.source("later")});
        let stage = &stage;
        async move { stage.call(worker, Method::POST, "/connectors", Some(&body), 201).await }
    });
    let [one, other] = answers;
    tokio::join!(one, other);
    stage.cluster.settled(2, 2).await.unwrap();
}

#[tokio::test]
async fn what_workers_ask_each_other_must_be_signed() {
    let stage = Stage::new(2).await;
    let config = stage.source("signed");
    stage.call(0, Method::PUT, "/connectors/signed/config", Some(&config), 201).await;
    stage.cluster.settled(1, 1).await.unwrap();
    let http = reqwest::Client::new();
    for worker in 0..2 {
        let url = stage.cluster.worker(worker).unwrap().url();
        for (method, path) in [(Method::POST, "tasks"), (Method::PUT, "fence")] {
            let request =
                || http.request(method.clone(), format!("{url}/connectors/signed/{path}")).body("[]");
            let signed = |algorithm: &str| {
                request()
                    .header("X-Connect-Authorization", "S29uc3RhbnRpbm9wbGU=")
                    .header("X-Connect-Request-Signature-Algorithm", algorithm.to_owned())
            };
            let rows = [
                (request(), 400),
                (signed("HmacSHA256"), 403),
                (signed("HmacSHA512"), 400),
                (signed("Rot13"), 400),
            ];
            for (request, expected) in rows {
                let answer = request.send().await.unwrap();
                let status = answer.status().as_u16();
                assert_eq!(status, expected, "{path} at worker {worker}: {:?}", answer.text().await);
            }
        }
    }
}
