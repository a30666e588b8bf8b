//! Avro with a schema registry, end to end: MySQL changes and generated orders through AvroConverter into topics and out of them
//! again, over a registry that is slow, away and strict, and read and written by Confluent's own client for Python.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use harness::database::{Database, Kind};
use harness::millrace::Millrace;
use harness::receiver::Receiver;
use harness::registry::Registry;
use harness::shop::Shop;
use harness::{arrivals, pipeline, places, wait};
use serde_json::{Value, json};
use tokio::process::Command;

const LIMIT: Duration = Duration::from_secs(120);
const CLASS: &str = "io.confluent.connect.avro.AvroConverter";

/// A connector that speaks Avro, keys too.
fn with_avro(mut config: Value, registry: &str) -> Value {
    for what in ["key", "value"] {
        config[format!("{what}.converter")] = json!(CLASS);
        config[format!("{what}.converter.schema.registry.url")] = json!(registry);
    }
    config
}

/// Sets an option of both converters.
fn set(config: &mut Value, option: &str, text: &str) {
    for what in ["key", "value"] {
        config[format!("{what}.converter.{option}")] = json!(text);
    }
}

fn orders(topic: &str, count: u32) -> Value {
    json!({"connector.class": "datagen", "quickstart": "ORDERS", "topic": topic, "records.max": count.to_string()})
}

fn http_sink(topic: &str, url: &str) -> Value {
    json!({"connector.class": "HttpSink", "topics": topic, "http.url": url})
}

async fn arrived(receiver: &Receiver, count: usize, folder: &Path) {
    let arrived = wait::until("all records at the endpoint", LIMIT, || async {
        let values = receiver.values().len();
        ensure!(values >= count, "{values} of {count}");
        Ok(())
    });
    if let Err(error) = arrived.await {
        panic!("{error:#}\n{}", fs::read_to_string(folder.join("millrace.log")).unwrap());
    }
    assert_eq!(receiver.values().len(), count);
}

#[tokio::test]
async fn mysql_changes_arrive_through_avro_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start().await.unwrap();
    let database = Database::start(Kind::MySql).await.unwrap();
    let mut shop = Shop::open(&database, 11).await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    let millrace = Millrace::standalone(folder.path(), &[]).await.unwrap();
    let source = with_avro(pipeline::mysql_source(&database, "shop"), &registry.url());
    millrace.create("shop", source).await.unwrap();
    let mut sink = with_avro(pipeline::http_sink(&receiver.url()), &registry.url());
    sink.as_object_mut().unwrap().remove("value.converter.schemas.enable");
    millrace.create("changes", sink).await.unwrap();
    for _ in 0..100 {
        shop.transact().await.unwrap();
    }
    let arrived = wait::until("all changes at the endpoint", LIMIT, || async {
        let report = arrivals::check(shop.journal(), &receiver.values())?;
        ensure!(report.is_complete(), "{report:?}");
        Ok(report)
    });
    let report = match arrived.await {
        Ok(report) => report,
        Err(error) => {
            panic!("{error:#}\n{}", fs::read_to_string(folder.path().join("millrace.log")).unwrap())
        }
    };
    assert_eq!(report.repeated, 0, "nothing was killed, so nothing may repeat");
    let subjects = registry.subjects();
    for subject in ["shop.shop.customers-key", "shop.shop.customers-value", "shop.shop.orders-value"] {
        assert!(subjects.iter().any(|known| known == subject), "{subject} is not in {subjects:?}");
    }
    let envelope: Value = serde_json::from_str(&registry.versions("shop.shop.customers-value")[0]).unwrap();
    assert_eq!(
        (&envelope["name"], &envelope["namespace"]),
        (&json!("Envelope"), &json!("shop.shop.customers"))
    );
    assert_eq!(
        envelope["fields"][1]["type"],
        json!(["null", "Value"]),
        "what is defined once is named after"
    );
}

#[tokio::test]
async fn a_registry_that_is_away_or_slow_is_waited_for_and_holds_nobody_else_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut registry = Registry::start().await.unwrap();
    let (receiver, plain) = (Receiver::start().await.unwrap(), Receiver::start().await.unwrap());
    let millrace = Millrace::standalone(folder.path(), &[]).await.unwrap();
    registry.stop().await;
    // Away, then broken, then slow: the task tries again and is not failed.
    let mut source = with_avro(orders("avro", 500), &registry.url());
    source["errors.retry.timeout"] = json!("-1");
    source["errors.retry.delay.max.ms"] = json!("500");
    set(&mut source, "max.retries", "0");
    millrace.create("orders", source).await.unwrap();
    let mut sink = with_avro(http_sink("avro", &receiver.url()), &registry.url());
    sink["errors.retry.timeout"] = json!("-1");
    millrace.create("sink", sink).await.unwrap();
    // Nobody else waits for that.
    let mut others = orders("plain", 500);
    others["value.converter"] = json!("org.apache.kafka.connect.json.JsonConverter");
    millrace.create("others", others).await.unwrap();
    let mut sink = http_sink("plain", &plain.url());
    sink["value.converter"] = json!("org.apache.kafka.connect.json.JsonConverter");
    millrace.create("others-sink", sink).await.unwrap();
    arrived(&plain, 500, folder.path()).await;
    assert!(receiver.values().is_empty());
    let status = millrace.get("/connectors/orders/status").await.unwrap();
    assert_eq!(status["tasks"][0]["state"], "RUNNING", "{status}");
    registry.break_down(true);
    registry.restart().await.unwrap();
    let asked = wait::until("the broken registry to be asked", LIMIT, || async {
        ensure!(registry.requests() > 1);
        Ok(())
    });
    asked.await.unwrap();
    registry.slow_down(Duration::from_millis(300));
    registry.break_down(false);
    arrived(&receiver, 500, folder.path()).await;
    let fields = &receiver.values()[0];
    assert!(fields["orderid"].is_i64() && fields["address"]["city"].is_string(), "{fields}");
}

#[tokio::test]
async fn what_the_registry_refuses_fails_the_task_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start().await.unwrap();
    let millrace = Millrace::standalone(folder.path(), &[]).await.unwrap();
    let fails = async |name: &str, config: Value, words: &[&str]| {
        let body = json!({"name": name, "config": config});
        let (status, answer) =
            millrace.call(reqwest::Method::POST, "/connectors", Some(&body)).await.unwrap();
        assert_eq!(status, 201, "{answer}");
        let failed = wait::until("the task to fail", LIMIT, || async {
            let status = millrace.get(&format!("/connectors/{name}/status")).await?;
            let trace = status["tasks"][0]["trace"].as_str().unwrap_or_default().to_owned();
            ensure!(words.iter().all(|word| trace.contains(word)), "{status}");
            Ok(())
        });
        failed.await.unwrap();
    };
    registry
        .register("strict-value", r#"{"type":"record","name":"Other","fields":[{"name":"x","type":"int"}]}"#)
        .unwrap();
    registry.demand_compatibility("strict-value", "BACKWARD");
    let strict = with_avro(orders("strict", 10), &registry.url());
    fails("strict", strict, &["strict-value", "409", "not compatible", "/subjects/strict-value/versions"])
        .await;
    let mut unknown = with_avro(orders("unknown", 10), &registry.url());
    unknown["value.converter.auto.register.schemas"] = json!("false");
    fails("unknown", unknown, &["40401", "Subject 'unknown-value' not found", "auto.register.schemas=true"])
        .await;
    // The secret is right, and then it is not.
    registry.demand("Basic dXNlcjpzZWNyZXQtMQ==");
    let mut secured = with_avro(orders("secured", 10), &registry.url());
    set(&mut secured, "basic.auth.credentials.source", "USER_INFO");
    set(&mut secured, "basic.auth.user.info", "user:secret-1");
    millrace.create("secured", secured.clone()).await.unwrap();
    let registered = wait::until("the schema to be registered", LIMIT, || async {
        ensure!(registry.subjects().iter().any(|subject| subject == "secured-value"));
        Ok(())
    });
    registered.await.unwrap();
    secured["topic"] = json!("secured2");
    set(&mut secured, "basic.auth.user.info", "user:secret-2");
    fails("wrong", secured, &["401", "basic.auth.user.info"]).await;
    let log = fs::read_to_string(folder.path().join("millrace.log")).unwrap();
    assert!(!log.contains("secret-2") && !log.contains("dXNlcjpzZWNyZXQt"), "a secret is in no log");
}

async fn python(millrace: &Millrace, registry: &Registry, step: &str) {
    let ready = places::servers().join("python/ready-avro");
    assert!(ready.exists(), "run `tests/servers/provide python-clients` (`make test` does)");
    let mut command = Command::new(places::servers().join("python/bin/python"));
    command.arg(places::repository().join("tests/it/clients/avro_client.py"));
    let output = command.args([&millrace.bootstrap_servers(), &registry.url(), step]).output().await.unwrap();
    assert!(output.status.success(), "{step}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn confluents_client_for_python_reads_what_we_write_and_we_what_it_writes() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start().await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    let millrace = Millrace::standalone(folder.path(), &[]).await.unwrap();
    millrace.create("orders", with_avro(orders("orders", 500), &registry.url())).await.unwrap();
    python(&millrace, &registry, "read").await;
    python(&millrace, &registry, "write").await;
    let sink = with_avro(http_sink("readings", &receiver.url()), &registry.url());
    millrace.create("readings", sink).await.unwrap();
    arrived(&receiver, 500, folder.path()).await;
    for (number, value) in receiver.values().iter().enumerate() {
        let either = match number % 3 {
            0 => Value::Null,
            1 => json!({"int": number, "string": null}),
            _ => json!({"int": null, "string": number.to_string()}),
        };
        assert_eq!((&value["id"], &value["either"]), (&json!(number), &either), "{value}");
        assert_eq!(value["state"], if number % 2 == 1 { "ON" } else { "OFF" });
        assert_eq!(value["values"].as_array().map(Vec::len), Some(number % 5), "{value}");
        assert_eq!((&value["labels"]["a"], value["before"].is_null()), (&json!(number), number % 2 == 0));
        assert_eq!(value["name"].is_null(), number % 3 != 0);
    }
}
