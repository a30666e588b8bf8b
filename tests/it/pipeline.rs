//! The main job on real servers: MySQL changes to a topic, a file and an HTTP endpoint, set up over REST; over kills of
//! the worker and of the database, and an endpoint that refuses for a while.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::arrivals::{self, Report};
use harness::database::{Database, Kind};
use harness::millrace::Millrace;
use harness::receiver::Receiver;
use harness::shop::Shop;
use harness::{kcat, pipeline, wait};
use serde_json::Value;
use tempfile::TempDir;

const ARRIVE_LIMIT: Duration = Duration::from_secs(120);

/// A shop with all that its changes pass, and both far ends.
struct Pipeline {
    folder: TempDir,
    database: Database,
    shop: Shop,
    receiver: Receiver,
    millrace: Millrace,
}

impl Pipeline {
    async fn start(kind: Kind, seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::start(kind).await.unwrap();
        let shop = Shop::open(&database, seed).await.unwrap();
        let receiver = Receiver::start().await.unwrap();
        let millrace = Millrace::standalone(folder.path(), &[]).await.unwrap();
        let pipeline = Self { folder, database, shop, receiver, millrace };
        pipeline.millrace.create("shop", pipeline::mysql_source(&pipeline.database, "shop")).await.unwrap();
        pipeline.millrace.create("changes-file", pipeline::file_sink(&pipeline.file())).await.unwrap();
        pipeline
            .millrace
            .create("changes-http", pipeline::http_sink(&pipeline.receiver.url()))
            .await
            .unwrap();
        pipeline.arrived().await;
        pipeline.snapshot_is_committed().await;
        pipeline
    }

    /// The last row of the snapshot has arrived, so the offset that ends the snapshot is committed: they are in one transaction.
    async fn snapshot_is_committed(&self) {
        let offsets = self.millrace.get("/connectors/shop/offsets").await.unwrap();
        let offset = &offsets["offsets"][0]["offset"];
        assert!(offset["file"].is_string() && offset["snapshot"].is_null(), "{offsets}");
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("changes.jsonl")
    }

    async fn change(&mut self, transactions: usize) {
        for _ in 0..transactions {
            self.shop.transact().await.unwrap();
        }
    }

    fn reports(&self) -> Result<(Report, Report)> {
        let file = arrivals::check(self.shop.journal(), &pipeline::read_json_lines(&self.file())?)?;
        let endpoint = arrivals::check(self.shop.journal(), &self.receiver.values())?;
        Ok((file, endpoint))
    }

    /// Waits until both far ends hold the whole journal, in order per row.
    async fn arrived(&self) -> (Report, Report) {
        let arrived = wait::until("all changes at both ends", ARRIVE_LIMIT, || async {
            let (file, endpoint) = self.reports()?;
            ensure!(file.is_complete() && endpoint.is_complete(), "file: {file:?}\nendpoint: {endpoint:?}");
            Ok((file, endpoint))
        });
        match arrived.await {
            Ok(reports) => reports,
            Err(error) => {
                panic!("{error:#}\n{}", fs::read_to_string(self.folder.path().join("millrace.log")).unwrap())
            }
        }
    }

    /// The values of a table's topic, tombstones apart, as kcat reads them.
    fn topic(&self, table: &str) -> Vec<Value> {
        let read = self.folder.path().join(format!("{table}.topic"));
        kcat::consume(&self.millrace.bootstrap_servers(), &format!("shop.shop.{table}"), &read).unwrap();
        pipeline::read_json_lines(&without_blank_lines(&read)).unwrap()
    }

    /// The file's values of one table.
    fn lines(&self, table: &str) -> Vec<Value> {
        let lines = pipeline::read_json_lines(&self.file()).unwrap();
        lines.into_iter().filter(|event| event["source"]["table"] == table).collect()
    }
}

/// kcat prints a tombstone as a blank line.
fn without_blank_lines(file: &PathBuf) -> PathBuf {
    let text = fs::read_to_string(file).unwrap();
    let kept: String = text.lines().filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect();
    fs::write(file, kept).unwrap();
    file.clone()
}

async fn every_change_arrives_once_and_in_order(kind: Kind) {
    let mut pipeline = Pipeline::start(kind, 1).await;
    pipeline.change(200).await;
    let (file, endpoint) = pipeline.arrived().await;
    assert_eq!((file.repeated, endpoint.repeated), (0, 0), "nothing was killed, so nothing may repeat");
}

#[tokio::test]
async fn every_mysql_change_arrives_once_and_in_order() {
    every_change_arrives_once_and_in_order(Kind::MySql).await;
}

#[tokio::test]
async fn every_mariadb_change_arrives_once_and_in_order() {
    every_change_arrives_once_and_in_order(Kind::MariaDb).await;
}

#[tokio::test]
async fn nothing_is_lost_over_kills_of_the_worker_and_the_file_holds_each_record_once() {
    let mut pipeline = Pipeline::start(Kind::MySql, 2).await;
    for round in 0..4 {
        pipeline.change(60 + 7 * round).await;
        pipeline.millrace.process().unwrap().kill().unwrap();
        pipeline.change(20).await;
        pipeline.millrace.start().await.unwrap();
    }
    pipeline.change(20).await;
    let (file, _endpoint) = pipeline.arrived().await;
    assert_eq!(
        file.repeated, 0,
        "records and offsets are committed together, and the file holds each record once"
    );
    let topics: Vec<Value> =
        ["customers", "products", "orders"].iter().flat_map(|table| pipeline.topic(table)).collect();
    let report = arrivals::check(pipeline.shop.journal(), &topics).unwrap();
    assert!(report.is_complete() && report.repeated == 0, "the topics hold every change once: {report:?}");
    for table in ["customers", "products", "orders"] {
        wait::until("the file as the topic", ARRIVE_LIMIT, || async {
            let (topic, lines) = (pipeline.topic(table), pipeline.lines(table));
            ensure!(
                topic.len() == lines.len(),
                "{table}: {} in the topic, {} in the file",
                topic.len(),
                lines.len()
            );
            ensure!(topic == lines, "{table}: the topic and the file differ");
            Ok(())
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn the_source_goes_on_by_itself_when_the_database_comes_back() {
    let mut pipeline = Pipeline::start(Kind::MySql, 3).await;
    pipeline.change(50).await;
    pipeline.database.restart().await.unwrap();
    pipeline.shop.reconnect(&pipeline.database).await.unwrap();
    pipeline.change(50).await;
    pipeline.arrived().await;
    pipeline.millrace.running("shop").await.unwrap();
}

#[tokio::test]
async fn an_endpoint_that_refuses_for_a_while_loses_nothing() {
    let mut pipeline = Pipeline::start(Kind::MariaDb, 4).await;
    pipeline.receiver.refuse_with(500);
    pipeline.change(50).await;
    wait::until("the file, while the endpoint refuses", ARRIVE_LIMIT, || async {
        ensure!(pipeline.reports()?.0.is_complete(), "not yet");
        Ok(())
    })
    .await
    .unwrap();
    assert!(!pipeline.reports().unwrap().1.is_complete(), "the endpoint took what it refused");
    pipeline.receiver.accept();
    pipeline.arrived().await;
}
