//! Going on where a real Debezium stopped: from each of its offsets, with its schema history, nothing is missing and nothing
//! comes twice, and every row has the shape of its place in the binlog.
//!
//! `tests/takeover/corpus.sql` was run on MySQL 9.7 once with GTIDs and once without (`--gtid-mode=OFF`), each time with a Debezium
//! 3.6.3 watching; `*.jsonl.gz` holds its records with their offsets, `*.history.jsonl.gz` its schema history, record by record as
//! it wrote them to a Kafka topic (`gtid`, a JSON string a line) and to a file (`file`). They were made by
//! `tests/differential/Oracle.java`. Here the same SQL runs on a server of our own, in whose binlog it takes the same places, and
//! we go on from each offset as if that Debezium had been stopped there: with the history as it was then, and as it was in the end.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test: what is not as expected fails it")]

mod mysql_support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use api::{FlatMap, Props, SourceRecord};
use mysql_support::comparison::{self, Origin, Printer, brief, differ};
use mysql_support::{Kind, Run, Server, Worker};
use serde_json::Value as Json;

fn directory(kind: Kind) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/takeover");
    if kind == Kind::MariaDb { folder.join("mariadb") } else { folder }
}

/// What Debezium left, as if it had watched this server.
struct Left {
    group: &'static str,
    records: Vec<Json>,
    history: Vec<String>,
    folder: tempfile::TempDir,
}

impl Left {
    fn read(kind: Kind, group: &'static str, uuid: Option<&str>) -> Self {
        let lines = |name: &str| comparison::lines(&directory(kind).join(format!("{group}.{name}jsonl.gz")));
        let records: Vec<Json> = lines("").iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        // The server's name is the only thing that differs.
        let theirs = records[0]["offset"]["gtids"].as_str().and_then(|gtids| gtids.split(':').next());
        let names = theirs.zip(uuid);
        let here = |text: String| names.map_or(text.clone(), |(theirs, uuid)| text.replace(theirs, uuid));
        let records =
            records.iter().map(|record| serde_json::from_str(&here(record.to_string())).unwrap()).collect();
        let history = lines("history.").into_iter().map(here);
        let history = history.map(|line| match group {
            "gtid" => serde_json::from_str::<String>(&line).unwrap(),
            _ => line,
        });
        Self { group, records, history: history.collect(), folder: tempfile::tempdir().unwrap() }
    }

    /// The history as it was when a record was handed out, or all of it.
    fn history_at(&self, offset: Option<&Json>) -> Vec<String> {
        let place = |json: &Json| (json["file"].as_str().unwrap().to_owned(), json["pos"].as_i64().unwrap());
        let was_there = |line: &&String| {
            let record: Json = serde_json::from_str(line).unwrap();
            offset.is_none_or(|offset| place(&record["position"]) <= place(offset))
        };
        self.history.iter().filter(was_there).cloned().collect()
    }

    /// The connector's configuration as Debezium had it, and a worker with the offset and this history.
    fn hand_over(&self, server: &Server, offset: &Json, history: &[String]) -> (Arc<Worker>, Props) {
        let group = self.group;
        let mut config = server.config(&[("topic.prefix", group), ("database.include.list", "corpus")]);
        config.remove("include.schema.changes");
        config.extend(comparison::options(&directory(server.kind).join(format!("{group}.properties"))));
        let file = self.folder.path().join("history");
        std::fs::write(&file, history.join("\n")).unwrap();
        config.insert("schema.history.internal.file.filename".to_owned(), file.display().to_string());
        let worker = Worker::default();
        *worker.offset.lock() = Some(flat(offset));
        *worker.topic.lock() = Some(("history-of-gtid".to_owned(), history.to_vec()));
        (Arc::new(worker), config)
    }

    /// The first record behind an offset: the records of one row share theirs.
    fn next(&self, index: usize) -> usize {
        let offset = |record: &Json| {
            ["file", "pos", "event", "row", "snapshot"].map(|name| record["offset"][name].clone())
        };
        let ours = offset(&self.records[index]);
        self.records.iter().rposition(|record| offset(record) == ours).unwrap() + 1
    }
}

fn flat(json: &Json) -> FlatMap {
    let mut map = FlatMap::new();
    for (name, value) in json.as_object().unwrap() {
        match value.as_str() {
            Some(text) => map.set(name.clone(), text),
            None => map.set(name.clone(), value.as_i64().unwrap()),
        };
    }
    map
}

/// Both sides without what is not the same twice, and without offsets: those are the differential test's.
fn compare(place: &str, expected: &[Json], found: &[SourceRecord]) -> Vec<String> {
    let (mut printer, origin) = (Printer::new(), Origin { pos: 0, transactions: 0 });
    let clean = |record: Json| {
        let mut record = origin.normalize(record);
        record["offset"] = Json::Null;
        record
    };
    let mut problems = Vec::new();
    for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
        let mut differences = Vec::new();
        let found = clean(printer.print(found));
        differ("", &clean(expected.clone()), &found, &mut differences);
        // Debezium keeps the columns of a unique index as the key when that index is dropped, though they are unique no more.
        let lost_its_key = brief(&found).contains("corpus.uniq {\"a\":");
        differences.retain(|one| !(lost_its_key && one.starts_with(".key.")));
        problems.extend(
            differences.into_iter().map(|one| format!("{place} +{index} ({}): {one}", brief(&found))),
        );
    }
    problems
}

async fn go_on(kind: Kind, group: &'static str, arguments: &[&str]) {
    let Some(server) = Server::start(kind, arguments).await else { return };
    let [before, after] = comparison::corpus(&directory(kind).join("corpus.sql"));
    let is_mysql = kind == Kind::MySql;
    server.run(&[if is_mysql { "RESET BINARY LOGS AND GTIDS" } else { "RESET MASTER" }]).await;
    server.run_in_one_session(&before).await;
    let end = server.binlog_end().await;
    let uuid = if is_mysql { Some(server.uuid().await) } else { None };
    let left = Left::read(kind, group, uuid.as_deref());
    let start = &left.records[0]["offset"];
    assert_eq!((start["file"].as_str().unwrap(), start["pos"].as_i64().unwrap()), (&*end.file, end.pos));
    server.run_in_one_session(&after).await;
    let mut problems = Vec::new();
    for index in 1..left.records.len() - 1 {
        let offset = &left.records[index]["offset"];
        let expected = &left.records[left.next(index)..];
        // One half of the offsets with the history as it was then, the other as it was in the end; the other group the other way.
        let was_then = (index % 2 == 0) == (group == "gtid");
        let (worker, config) = left.hand_over(&server, offset, &left.history_at(was_then.then_some(offset)));
        let mut run = Run::start(&server, &worker, config).await;
        let found = run.take(expected.len()).await;
        run.stop().await;
        problems.extend(compare(&format!("{group} behind {index}"), expected, &found));
        assert!(problems.is_empty(), "{} differences:\n{}", problems.len(), problems.join("\n"));
    }
    restart_on_our_own(&left, &server).await;
}

/// Once taken over, what we remember ourselves is enough, at every record again.
async fn restart_on_our_own(left: &Left, server: &Server) {
    let (worker, config) = left.hand_over(server, &left.records[1]["offset"], &left.history_at(None));
    let mut run = Run::start(server, &worker, config.clone()).await;
    let all = run.take(left.records.len() - 2).await;
    run.stop().await;
    *worker.topic.lock() = None;
    std::fs::remove_file(left.folder.path().join("history")).unwrap();
    for index in 0..all.len() - 1 {
        let next = left.next(index + 2) - 2;
        if next != index + 1 {
            // Between the records of one row; `mysql_faults` has those.
            continue;
        }
        *worker.offset.lock() = Some(all[index].source_offset.to_map());
        let mut run = Run::start(server, &worker, config.clone()).await;
        let rest = run.take(all.len() - next).await;
        run.stop().await;
        let expected = &left.records[next + 2..];
        let problems = compare(&format!("{} again behind {index}", left.group), expected, &rest);
        assert!(problems.is_empty(), "{} differences:\n{}", problems.len(), problems.join("\n"));
    }
}

#[tokio::test]
async fn debeziums_offsets_and_history_with_gtids_are_gone_on_from() {
    go_on(Kind::MySql, "gtid", &["--binlog-rows-query-log-events=ON"]).await;
}

#[tokio::test]
async fn debeziums_offsets_and_history_by_file_and_position_are_gone_on_from() {
    go_on(Kind::MySql, "file", &["--gtid-mode=OFF", "--binlog-rows-query-log-events=ON"]).await;
}

/// MariaDB's positions are always GTIDs; its corpus was run once with a Debezium 3.5.0 watching.
#[tokio::test]
async fn offsets_and_history_of_debeziums_mariadb_connector_are_gone_on_from() {
    go_on(Kind::MariaDb, "file", &[]).await;
}

#[tokio::test]
async fn a_history_that_is_not_there_is_told() {
    let Some(server) = Server::start(Kind::MySql, &[]).await else { return };
    server.run(&["CREATE DATABASE corpus", "CREATE TABLE corpus.t (id INT PRIMARY KEY)"]).await;
    let end = server.binlog_end().await;
    server.run(&["INSERT INTO corpus.t VALUES (1)"]).await;
    let offset = serde_json::json!({"file": end.file, "pos": end.pos, "gtids": end.gtids});
    let left = Left {
        group: "gtid",
        records: Vec::new(),
        history: Vec::new(),
        folder: tempfile::tempdir().unwrap(),
    };
    let (worker, config) = left.hand_over(&server, &offset, &[]);
    let mut run = Run::start(&server, &worker, config.clone()).await;
    let report = run.failure().await.report();
    for part in ["history-of-gtid", "snapshot.mode=recovery", &end.file] {
        assert!(report.contains(part), "{report}");
    }
    run.stop().await;
    // As it says: with the present shapes, if that is wanted.
    let recovery = Props::from([("snapshot.mode".to_owned(), "recovery".to_owned())]);
    let mut run = Run::start(&server, &worker, config.into_iter().chain(recovery).collect()).await;
    assert_eq!(mysql_support::brief(&run.take(1).await[0]), "c 1");
    run.stop().await;
    assert!(Path::new(left.folder.path()).exists());
}
