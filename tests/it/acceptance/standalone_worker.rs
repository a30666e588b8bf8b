//! `StandaloneWorkerIntegrationTest`, and kafkatest's `dynamic_logging`, on one worker.

use reqwest::Method;
use serde_json::json;

use super::stage::Stage;

#[tokio::test]
async fn test_dynamic_logging() {
    let stage = Stage::with(&[]).await;
    let set = async |logger: &str, level: &str, scope: &str| {
        let path = format!("/admin/loggers/{logger}{scope}");
        stage.worker.call(Method::PUT, &path, Some(&json!({"level": level}))).await.unwrap()
    };
    let before = stage.worker.get("/admin/loggers").await.unwrap();
    assert_eq!(before["root"]["last_modified"], json!(null), "{before}");
    let (status, changed) = set("org.apache.kafka.connect", "debug", "").await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(changed.as_array().unwrap().len(), 1, "{changed}");
    let (status, _) = set("runtime.worker", "TRACE", "?scope=worker").await;
    assert_eq!(status, 200);
    let logger = stage.worker.get("/admin/loggers/runtime.worker.sink").await.unwrap();
    assert_eq!(logger["level"], "TRACE", "a logger has the level of the one above it");
    assert!(
        logger["last_modified"].is_i64()
            || stage.worker.get("/admin/loggers/runtime.worker").await.unwrap()["last_modified"].is_i64()
    );
    let (status, answer) = set("root", "LOUD", "").await;
    assert_eq!(status, 404, "{answer}");
    let (status, _) = set("root", "WARN", "").await;
    assert_eq!(status, 200);
    assert_eq!(stage.worker.get("/admin/loggers/root").await.unwrap()["level"], "WARN");
    assert_eq!(
        stage.worker.get("/admin/loggers/runtime.worker").await.unwrap()["level"],
        "WARN",
        "those below too"
    );
}

#[tokio::test]
async fn test_create_connector_with_stopped_initial_state() {
    let (stage, name) = (Stage::shared().await, "standalone-stopped");
    let body = json!({"name": name, "config": stage.source(name, json!({})), "initial_state": "STOPPED"});
    let (status, answer) = stage.worker.call(Method::POST, "/connectors", Some(&body)).await.unwrap();
    assert_eq!(status, 201, "{answer}");
    stage.is(name, "STOPPED", &[]).await;
    assert_eq!(stage.put(&format!("/connectors/{name}/resume")).await.0, 202);
    stage.is(name, "RUNNING", &["RUNNING"]).await;
    stage.delete(name).await;
}

#[tokio::test]
async fn test_health_check() {
    let stage = Stage::shared().await;
    let health = stage.worker.get("/health").await.unwrap();
    let message = "Worker has completed startup and is ready to handle requests.";
    assert_eq!(health, json!({"status": "healthy", "message": message}));
    // While its broker is away it starts, and says so.
    let mut away = Stage::prepared(&[("bootstrap.servers", "127.0.0.1:1")]);
    away.worker.launch().unwrap();
    let answer =
        away.until("an answer", || async { away.worker.call(Method::GET, "/health", None).await }).await;
    assert_eq!((answer.0, &answer.1["status"]), (503, &json!("starting")), "{}", answer.1);
    assert!(
        answer.1["message"].as_str().unwrap().starts_with("Worker is still starting up."),
        "{}",
        answer.1
    );
}
