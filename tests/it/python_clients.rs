//! The broker against the clients that are written in Python itself, aiokafka and kafka-python: they speak old versions of many requests.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use harness::broker::Broker;
use harness::places;

/// What each of the scripts can show.
const STEPS: [&str; 4] = ["administration", "codecs", "time_stamps", "transactions"];

fn python(script: &str, broker: &Broker, step: &str) -> Command {
    let python = places::servers().join("python/bin/python");
    let ready = places::servers().join("python/ready-clients");
    assert!(ready.exists(), "run `tests/servers/provide python-clients` (`make test` does)");
    let mut command = Command::new(python);
    command.arg(places::repository().join("tests/it/clients").join(script));
    command.arg(broker.bootstrap_servers()).arg(step);
    command
}

fn tell(script: &str, broker: &Broker, step: &str) {
    let output = python(script, broker, step).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} {step}: {said}");
}

#[tokio::test]
async fn kafka_python_does_everything_it_does_on_kafka() {
    for step in STEPS.iter().chain(["group"].iter()) {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(folder.path(), &[]).await.unwrap();
        tell("kafka_python_client.py", &broker, step);
    }
}

#[tokio::test]
async fn aiokafka_does_everything_it_does_on_kafka() {
    for step in STEPS {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(folder.path(), &[]).await.unwrap();
        tell("aiokafka_client.py", &broker, step);
    }
}

#[tokio::test]
async fn a_group_of_aiokafka_goes_on_over_a_kill_of_the_broker() {
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(folder.path(), &[]).await.unwrap();
    let mut command = python("aiokafka_client.py", &broker, "group");
    let mut group = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = Vec::new();
    for line in BufReader::new(group.stdout.take().unwrap()).lines() {
        said.push(line.unwrap());
        if said.last().is_some_and(|line| line == "restart") {
            broker.process().unwrap().kill().unwrap();
            broker.restart().await.unwrap();
            group.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        }
    }
    assert!(group.wait().unwrap().success(), "{said:?}; its error stands above");
    assert_eq!(said, ["restart", "ok"]);
}
