//! `ErrorHandlingIntegrationTest`, and kafkatest's `test_skip_and_log_to_dlq`: records that cannot be handled.

use serde_json::json;

use super::stage::Stage;

fn header(record: &broker_client::ConsumerRecord, name: &str) -> String {
    let name = format!("__connect.errors.{name}");
    let found = record.headers.iter().find(|(key, _)| **key == *name);
    let value = found.and_then(|(_, value)| value.as_deref()).unwrap_or_default();
    String::from_utf8_lossy(value).into_owned()
}

#[tokio::test]
async fn test_skip_retry_and_dlq_with_headers() {
    let (stage, name) = (Stage::shared().await, "retry-and-dlq");
    stage.produce("retry-input", None, &["1", "flaky", "3", "poison", "5"]).await;
    let config = json!({
        "transforms": "faulty", "transforms.faulty.type": "org.example.acceptance.FaultyTransform",
        "transforms.faulty.flaky": "flaky", "transforms.faulty.poison": "poison",
        "errors.retry.timeout": "60000", "errors.retry.delay.max.ms": "10", "errors.tolerance": "all",
        "errors.log.enable": "true", "errors.log.include.messages": "false",
        "errors.deadletterqueue.topic.name": "retry-dead",
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    });
    stage.create(name, stage.sink("retry-input", config)).await;
    let received = stage.received_so_many(name, 4).await;
    let values: Vec<_> = received.iter().filter_map(|line| line.rsplit('\t').next()).collect();
    assert_eq!(values, ["1", "flaky", "3", "5"]);
    assert_eq!(stage.values("retry-dead", 1).await, ["poison"]);
    let dead = stage.records("retry-dead").await.remove(0);
    let expected = [
        ("topic", "retry-input"),
        ("partition", "0"),
        ("offset", "3"),
        ("connector.name", name),
        ("task.id", "0"),
        ("stage", "TRANSFORMATION"),
        ("class.name", "org.example.acceptance.FaultyTransform"),
    ];
    for (field, value) in expected {
        assert_eq!(header(&dead, field), value, "{field}");
    }
    assert!(header(&dead, "exception.message").contains("poison"));
    assert!(
        !header(&dead, "exception.class.name").is_empty()
            && !header(&dead, "exception.stacktrace").is_empty()
    );
    for (metric, value) in [
        ("total_record_failures", 3.0),
        ("total_record_errors", 1.0),
        ("total_records_skipped", 1.0),
        ("total_retries", 2.0),
        ("total_errors_logged", 1.0),
        ("deadletterqueue_produce_requests", 1.0),
        ("deadletterqueue_produce_failures", 0.0),
    ] {
        let label = format!("connector=\"{name}\"");
        let found = stage.worker.metric(&[&format!("millrace_{metric}{{"), &label]).await.unwrap();
        assert_eq!(found, value, "{metric}");
    }
    stage.delete(name).await;
}

#[tokio::test]
async fn test_errant_record_reporter() {
    let (stage, name) = (Stage::shared().await, "errant");
    stage.produce("errant-input", None, &["1", "2", "3"]).await;
    let config = json!({
        "refuses": "2", "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": "errant-dead",
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    });
    stage.create(name, stage.sink("errant-input", config)).await;
    stage.received_so_many(name, 2).await;
    assert_eq!(stage.values("errant-dead", 1).await, ["2"]);
    let dead = stage.records("errant-dead").await.remove(0);
    assert_eq!((header(&dead, "stage"), header(&dead, "offset")), ("TASK_PUT".to_owned(), "1".to_owned()));
    stage.is(name, "RUNNING", &["RUNNING"]).await;
    stage.delete(name).await;
}

/// kafkatest: what cannot be read is skipped with tolerance, and fails the task without.
#[tokio::test]
async fn test_skip_and_log_to_dlq() {
    let stage = Stage::shared().await;
    stage.produce("skip-input", None, &["{\"n\":1}", "{broken", "{\"n\":3}"]).await;
    for (name, tolerance, state) in [("skip-all", "all", "RUNNING"), ("skip-none", "none", "FAILED")] {
        let config = json!({
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "false", "errors.tolerance": tolerance,
            "errors.deadletterqueue.topic.name": format!("{name}-dead"),
            "errors.deadletterqueue.topic.replication.factor": "1",
        });
        stage.create(name, stage.sink("skip-input", config)).await;
        assert_eq!(stage.values(&format!("{name}-dead"), 1).await, ["{broken"]);
        stage.is(name, "RUNNING", &[state]).await;
        if tolerance == "all" {
            stage.received_so_many(name, 2).await;
        }
        assert!(!stage.received(name).iter().any(|line| line.contains("broken")));
        stage.delete(name).await;
    }
}
