//! The broker against the current confluent-kafka (librdkafka): administration, idempotent production, consumer groups.

use std::process::Command;

use harness::broker::Broker;
use harness::places;

#[tokio::test]
async fn confluent_kafka_administers_produces_and_consumes_in_a_group() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &[]).await.unwrap();
    let python = places::servers().join("python/bin/python");
    assert!(python.exists(), "run `tests/servers/provide confluent-kafka` (`make test` does)");
    let script = places::repository().join("tests/it/clients.py");
    let output = Command::new(python).arg(script).arg(broker.bootstrap_servers()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
}
