//! The broker against Kafka's own clients, of version 3 and of version 4, where a JDK is there.

use std::process::Command;

use harness::broker::Broker;
use harness::places;

#[tokio::test]
async fn the_java_clients_of_kafka_3_do_everything_they_do_on_kafka() {
    on_java("3.9.1").await;
}

#[tokio::test]
async fn the_java_clients_of_kafka_4_do_everything_they_do_on_kafka() {
    on_java("4.3.0").await;
}

#[allow(clippy::print_stderr, reason = "says why a test is left out")]
async fn on_java(version: &str) {
    let jars = places::servers().join("kafka-clients").join(version);
    if !jars.join("ready").exists() {
        eprintln!("left out: `tests/servers/provide kafka-clients` needs a JDK (17 or newer) and Maven");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &[]).await.unwrap();
    let program = places::repository().join("tests/it/java/Clients.java");
    let mut command = Command::new("java");
    command.arg("-cp").arg(jars.join("*")).arg(program).arg(broker.bootstrap_servers());
    let output = command.output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.contains("all held"), "{said}");
}
