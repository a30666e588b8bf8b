//! The broker's transactions as the current confluent-kafka (librdkafka) uses them, and over kills in the middle of a commit.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use harness::broker::Broker;
use harness::places;

/// Records of one transaction; the script's `EACH`.
const EACH: usize = 5;
/// A transaction's commit in this many is hit by a kill.
const KILL_EVERY: usize = 15;

fn python(broker: &Broker, story: &str) -> Command {
    let python = places::servers().join("python/bin/python");
    assert!(python.exists(), "run `tests/servers/provide confluent-kafka` (`make test` does)");
    let mut command = Command::new(python);
    command.arg(places::repository().join("tests/it/transactions.py"));
    command.arg(broker.bootstrap_servers()).arg(story);
    command
}

async fn tell(story: &str) {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &[]).await.unwrap();
    let output = python(&broker, story).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
async fn readers_of_committed_records_see_whole_transactions_and_no_aborted_one() {
    tell("commit_and_abort").await;
}

#[tokio::test]
async fn what_is_read_and_what_is_made_of_it_are_committed_as_one() {
    tell("transform").await;
}

#[tokio::test]
async fn a_zombie_is_fenced_and_its_records_are_never_shown() {
    tell("zombie").await;
}

#[tokio::test]
async fn a_transaction_that_takes_too_long_is_aborted() {
    tell("time_out").await;
}

#[tokio::test]
async fn a_broker_killed_in_the_middle_of_commits_keeps_every_transaction_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(folder.path(), &[]).await.unwrap();
    let mut writer = python(&broker, "write_through_kills").stdout(Stdio::piped()).spawn().unwrap();
    let mut committed = Vec::new();
    let mut kills = 0;
    for line in BufReader::new(writer.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let (word, number) = line.split_once(' ').unwrap();
        let number: usize = number.parse().unwrap();
        if word == "committing" && number % KILL_EVERY == KILL_EVERY - 1 {
            // A bit later each time, so that the kills hit different moments of the commit.
            tokio::time::sleep(std::time::Duration::from_micros(400 * kills)).await;
            broker.process().unwrap().kill().unwrap();
            broker.restart().await.unwrap();
            kills += 1;
        } else if word == "committed" {
            committed.push(number);
        }
    }
    assert!(writer.wait().unwrap().success(), "the producer came through {kills} kills");
    assert!(kills > 5 && committed.len() > 50, "{kills} kills, {} committed", committed.len());

    broker.process().unwrap().kill().unwrap();
    broker.restart().await.unwrap();
    let output = python(&broker, "read_after_kills").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for value in String::from_utf8(output.stdout).unwrap().lines() {
        *counts.entry(value.parse().unwrap()).or_default() += 1;
    }
    assert!(counts.values().all(|count| *count == EACH), "a transaction is torn or doubled: {counts:?}");
    for number in &committed {
        assert!(counts.contains_key(number), "transaction {number} was committed and is lost");
    }
    assert_eq!(counts.len(), committed.len(), "what was aborted is shown");
}
